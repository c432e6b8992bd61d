"""Commands that write: add, ingest, update."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lamina.cli import options
from lamina.cli.opening import opened, path_of
from lamina.cli.output import amount, clean, note, print_json, say
from lamina.cli.work import Bars, at_work
from lamina.errors import Cancelled, InputError

if TYPE_CHECKING:
    from lamina import Memory
    from lamina.importing.reading import Reader, Skipped

BATCH: Final = 500  # messages stored in one transaction: what Ctrl-C waits for
STDIN: Final = "-"


def add(
    file: options.File = None,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to remember; '-' reads it from standard input.", show_default=False)
    ] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.OneScope = None,
    session: Annotated[str | None, typer.Option("--session", "-s", help="The session it belongs to.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When it was true, such as 2026-03-14T09:30+01:00 or 2026-03. [default: now]"),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="When it stopped being true.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="Who wrote it: user, assistant, tool, …")] = None,
    speaker: Annotated[str | None, typer.Option("--speaker", help="The name of who said it.")] = None,
    place: Annotated[str | None, typer.Option("--place", help="Where it happened.")] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="FIELD=VALUE", help="A field of your own. May be repeated.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="A name of your own; what is stored under it already is not stored again.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Remember one text.

    The id of what was stored is printed. A text of more than 8,000 characters becomes several traces.
    """
    file, text = options.arrange(file, text, "TEXT")
    if text == STDIN:
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").rstrip("\n")
    with opened(file, make=True) as memory:
        ids = memory.add(
            text, session=session, at=at, until=until, role=role, speaker=speaker, place=place, metadata=_metadata(meta),
            origin=origin, **options.whose(tenant, user, agent, scope),
        )  # fmt: skip
    if as_json:
        print_json(ids)
    else:
        for id in ids:
            say(id)


def _metadata(words: list[str] | None) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for word in words or ():
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{word!r} must be of the form FIELD=VALUE", param_hint="--meta")
        found[name] = options.plain_value(value)
    return found or None


def update(
    file: options.File = None,
    id: Annotated[str | None, typer.Argument(metavar="ID", help="The trace to correct.", show_default=False)] = None,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="What it should say; '-' reads it from standard input.", show_default=False),
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="When it was true. [default: as before]")] = None,
    meta: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="FIELD=VALUE", help="A field of your own to add or change. May be repeated."),
    ] = None,
) -> None:
    """Correct a trace. The old version stays in its history; the new id is printed."""
    if file is not None and options.is_id(file) and not options.is_store(file):
        file, id, text = None, file, id if text is None else text
    if id is None:
        raise typer.BadParameter("ID is missing", param_hint="ID")
    if text is None and at is None and meta is None:
        raise typer.BadParameter("give the new text, --at or --meta", param_hint="TEXT")
    if text == STDIN:
        text = sys.stdin.read().rstrip("\n")
    with opened(file) as memory:
        say(memory.update(id, text, at=at, metadata=_metadata(meta)))


def ingest(
    file: options.File = None,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Folders, text or Markdown files, Obsidian vaults, exports of ChatGPT, Claude and Slack, mail (mbox), dumps of mem0, Graphiti and "
            "LangGraph, messages as JSON lines, LoCoMo files; '-' reads JSON lines from standard input.",
            show_default=False,
        ),
    ] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.OneScope = None,
    session: Annotated[str | None, typer.Option("--session", "-s", help="The session of messages that name none.")] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORM",
            help="What the paths are, where it is not to be told from them: text, jsonl, locomo, obsidian, chatgpt, claude, slack, mbox, mem0, graphiti or langgraph.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything", help="Take other branches of edited ChatGPT conversations too, and what mails quote of earlier ones."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first thing that cannot be read, instead of counting it.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Read notes, exports of other programs, and files of messages.

    Run it again whenever you like: what was read before is known and is not stored twice, what changed is added. Ctrl-C stops after
    the current batch; the same command goes on from there. What could not be read is counted and named.
    """
    found: list[Path] = list(paths or ())
    if not found and file is not None and not options.is_store(file):
        found = [Path(file)]
        file = None
    if not found:
        raise typer.BadParameter("name what to read", param_hint="PATH")
    from lamina.importing.reading import Skipped

    skipped = Skipped()
    totals = _Totals()
    given = options.whose(tenant, user, agent, scope)
    try:
        how = {"strict": strict, "form": form, "everything": everything}
        readers = _readers(found, file, skipped, user is not None or scope is not None, how)  # nothing is made for a wrong path
        with at_work(quiet) as (run, bars), opened(file, make=True, run=run) as memory:
            for reader in readers:
                _store(memory, reader, given, session, bars, totals)
            memory.flush()
    except Cancelled:
        note(
            f"stopped: {amount(totals.read, 'message')} are safe in {path_of(file)}; the same command goes on from there",
            "yellow",
        )
        raise typer.Exit(130) from None
    _tell(totals, skipped, path_of(file), as_json)


class _Totals:
    """What an ingest did so far."""

    def __init__(self) -> None:
        self.read = 0
        self.new = 0


def _readers(paths: list[Path], file: str | None, skipped: Skipped, named: bool, how: dict[str, Any]) -> list[Reader]:
    from lamina.config import load_config
    from lamina.importing import readers_of
    from lamina.importing.jsonl import JsonLines

    zone = load_config(path=file).timezone()
    found: list[Reader] = []
    for path in paths:
        if str(path) == STDIN:
            found.append(JsonLines(path, skipped, strict=how["strict"], zone=zone, source=sys.stdin.buffer))
            continue
        some = readers_of(path, skipped, zone=zone, **how)
        if named and any(reader.user is not None for reader in some):
            raise InputError(f"{path} makes a user of each of its conversations: leave out --user and --scope")
        found += some
    return found


def _store(memory: Memory, reader: Reader, given: dict[str, Any], session: str | None, bars: Bars, totals: _Totals) -> None:
    """Store all that a reader has; only what is new counts as new.

    Messages that name their scope (dumps of memories with many users) go there, unless a scope was given.
    """
    from lamina.records import Filter
    from lamina.scopes import EVERYWHERE

    whose = given if reader.user is None else {**given, "user": reader.user}
    where = Filter(scope=EVERYWHERE, kinds=("trace",), forgotten=True, retired=True)
    before, size = memory.count(where=where), reader.size

    def progress(done: int) -> None:
        totals.read = start + done
        bars.show(clean(reader.name), min(reader.done, size), size)

    try:
        for scope, messages in groupby(reader, key=lambda message: message.pop("scope", None)):
            start = totals.read
            there = {"scope": scope} if scope is not None and not whose else whose
            totals.read = start + memory.add_many(messages, session=session, batch=BATCH, progress=progress, **there)
    finally:
        totals.new += memory.count(where=where) - before


def _tell(totals: _Totals, skipped: Skipped, path: str, as_json: bool) -> None:
    if as_json:
        reasons = dict(skipped.counts)
        print_json(
            {
                "path": path,
                "read": totals.read,
                "new": totals.new,
                "skipped": skipped.total,
                "reasons": reasons,
                "replaced": skipped.replaced,
            }
        )
        return
    for line in skipped.lines():
        note(line, "yellow")
    known = totals.read - totals.new
    say(f"{amount(totals.new, 'new trace')} in {path}" + (f" ({amount(known, 'trace')} known already)" if known else ""))
    if not totals.read:
        note("nothing was read: 'lamina ingest --help' says what can be", "yellow")
