"""Commands about saved keys and values of episodes: kv make, kv ls, kv verify, kv prune."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from lamina.cli import options
from lamina.cli.failures import FINDINGS, INTERRUPTED
from lamina.cli.opening import opened
from lamina.cli.output import amount, clean, console, note, print_json, say, size
from lamina.cli.work import at_work
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.kv.coding import Coding
    from lamina.models.local.loading import Precision
    from lamina.models.local.saved_episodes import Held

UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}  # bytes
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", re.I)

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]",
        help="The ids of items. [default: all episodes of the scope, or of the file where none is named]",
        show_default=False,
    ),
]


def make(
    file: options.File = None,
    ids: Ids = None,
    budget: Annotated[
        str, typer.Option("--budget", help="What all saved keys and values of the file may take together, such as 500MB.")
    ] = "1GB",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A GGUF file, a folder or a name. [default: the packaged model]")
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help="What the model computes in: float32 or bfloat16.")] = "float32",
    coding: Annotated[
        str, typer.Option("--coding", help="How they are written: int8, or bfloat16, which takes twice as much.")
    ] = "int8",
    kind: options.Kinds = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it would take, and save nothing.")] = False,
    check: Annotated[
        bool,
        typer.Option("--verify", help="Read all that is saved of them, and make again what does not have its digest any more."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: options.Quiet = False,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Let a local model read episodes and save its keys and values, so that it need not read them again.

    What it will take on disk is said first. It stays within the budget, or nothing is saved. Ctrl-C stops between two episodes, and the same command goes on.

    What is saved already is left as it is, unless its file is gone, cut off or another one; --verify finds damage inside of a file too.
    """
    file, found = options.arrange_ids(file, ids)
    room = bytes_of(budget)
    with opened(file) as memory:
        wanted = found or _episodes(memory, kind, options.whose(tenant, user, agent, scope) or {"scope": "*"})
        if not wanted:
            note("there are no episodes here: run 'lamina consolidate' first, or name items by their ids", "yellow")
            return
        from lamina.models.local import LocalModel
        from lamina.models.local.episodes import EpisodeCaches

        reader = LocalModel.load(model, precision=cast("Precision", precision), threads=1)
        caches = EpisodeCaches(reader, memory.store, room, coding=cast("Coding", coding))
        asked = caches.estimate(wanted, check=check)
        say(
            f"{amount(asked.items, 'item')} with {asked.tokens:,} tokens: {size(asked.bytes)} beside the {size(asked.held)} there are, "
            f"of a budget of {size(asked.budget)}; {asked.there:,} saved already"
            + (f", {asked.damaged:,} of no use and made again" if asked.damaged else "")
        )
        if estimate or not asked.items:
            return
        if not yes and asked.fits:
            _confirm(asked.bytes)
        with at_work(quiet) as (run, _):
            made = caches.save(wanted, lambda done, total: run.report("reading", done, total), check=check)
        say(
            f"{amount(made.saved, 'item')} saved, {size(made.bytes)}"
            + (f"; {made.passed:,} changed meanwhile" if made.passed else "")
        )


def _episodes(memory: Any, kinds: list[str] | None, whose: dict[str, Any]) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = memory.get_all(kinds=tuple(kinds or ("episode",)), limit=1000, cursor=cursor, **whose)
        found += [item.id for item in page]
        cursor = page.cursor
        if cursor is None:
            return found


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise InputError(f"this writes {size(count)}: say so with --yes, or look with --estimate")
    if not typer.confirm(f"Write {size(count)}?"):
        note("nothing was saved", "yellow")
        raise typer.Exit(INTERRUPTED)


def ls(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """List the saved keys and values: of which item, how many tokens and bytes, by which model, and whether the text is still the same."""
    from lamina.models.local.saved_episodes import held

    with opened(file, read_only=True) as memory:
        _tell(held(memory.store, _scope(options.whose(tenant, user, agent, scope))), as_json)


def verify(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Read all saved keys and values and compare them with their digests and with the texts they stand for.

    Ends with 1 where some cannot be used: 'lamina kv prune' throws those away, 'lamina kv make --verify' makes damaged ones again. A model never uses them; it reads the text instead.
    """
    from lamina.models.local.saved_episodes import held

    with opened(file, read_only=True) as memory:
        found = held(memory.store, _scope(options.whose(tenant, user, agent, scope)), check=True)
    wrong = [one for one in found if one.state != "usable"]
    _tell(wrong, as_json, f"{amount(len(found), 'saved item')}, {len(wrong):,} of no use")
    if wrong:
        raise typer.Exit(FINDINGS)


def prune(
    file: options.File = None,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="SIZE", help="Throw the oldest away too, until so much is left, such as 200MB."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="FINGERPRINT", help="Keep those of this model alone, as 'lamina kv ls' shows it."),
    ] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Throw away saved keys and values that are of no use any more. They can be made again; the memories themselves stay."""
    from lamina.models.local.saved_episodes import prune

    with opened(file) as memory:
        gone = prune(
            memory.store,
            _scope(options.whose(tenant, user, agent, scope)),
            keep_bytes=None if keep is None else bytes_of(keep),
            model=model,
        )
    freed = sum(one.artifact.size for one in gone)
    _tell(gone, as_json, f"{amount(len(gone), 'saved item')} thrown away, {size(freed)}")


def _scope(given: dict[str, str]) -> str:
    from lamina.scopes import make_scope

    return given.get("scope") or (make_scope(**given) if given else "*")


def _tell(found: list[Held], as_json: bool, summary: str = "") -> None:
    if as_json:
        print_json([_fields(one) for one in found])
        return
    for one in found:
        model = one.form.model[:12] if one.form else "?"
        coding = f"{one.form.coding}, {one.form.dtype}" if one.form else "?"
        line = f"{one.item}  {one.scope or '(no scope)'}  {one.tokens:,} tokens  {size(one.artifact.size)}  {model} ({coding})  {one.state}"
        console().print(clean(line))
    note(summary or f"{amount(len(found), 'saved item')}, {size(sum(one.artifact.size for one in found))}")


def _fields(one: Held) -> dict[str, Any]:
    form = one.form
    about = {} if form is None else {"model": form.model, "tokenizer": form.tokenizer, "dtype": form.dtype, "coding": form.coding}
    return {"item": one.item, "scope": one.scope, "tokens": one.tokens, "bytes": one.artifact.size, "state": one.state, **about}


def bytes_of(words: str) -> int:
    """Bytes from words.

    >>> bytes_of("500MB"), bytes_of("1.5 GB"), bytes_of("4096")
    (500000000, 1500000000, 4096)
    """
    found = _SIZE.fullmatch(words.strip())
    if found is None:
        raise typer.BadParameter(f"{words!r} is not a size such as 500MB or 2GB")
    return int(float(found[1]) * UNITS[found[2].lower()])


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {"make": make, "ls": ls, "verify": verify, "prune": prune}
