"""Commands that take away: forget, restore, delete, erase, scrub."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lamina.cli import options
from lamina.cli.failures import FINDINGS, INTERRUPTED
from lamina.cli.opening import opened
from lamina.cli.output import amount, note, print_json, say, size
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina import Memory
    from lamina.algorithms.strength import ForgettingPolicy

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]", help="The ids of items ('-' reads them from standard input).", show_default=False),
]


def forget(
    file: options.File = None,
    ids: Ids = None,
    policy: Annotated[
        Literal["ebbinghaus", "layered"] | None,
        typer.Option("--policy", help="Forget what this policy gives up in the scope, in place of ids."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it is kept in the history.")] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Hide items from recall. They stay in the file, and 'lamina restore' brings them back.

    A policy goes by strength, which falls with time and rises with use; what names a day still to come is kept until then.
    """
    file, found = _ids(file, ids)
    with opened(file) as memory:
        if policy is None:
            if not found:
                raise typer.BadParameter("give ids, or --policy", param_hint="ID")
            count = memory.forget(found, reason=reason)
        elif found:
            raise typer.BadParameter("give either ids or --policy", param_hint="--policy")
        else:
            count = memory.forget(policy=_policy(policy), reason=reason, **options.whose(tenant, user, agent, scope))
    say(f"{amount(count, 'item')} forgotten")


def _policy(name: str) -> ForgettingPolicy:
    if name == "layered":
        from lamina.episodic.layers import LayeredForgetting

        return LayeredForgetting()
    from lamina.episodic.forgetting import EbbinghausForgetting

    return EbbinghausForgetting()


def _ids(file: str | None, ids: list[str] | None) -> tuple[str | None, list[str]]:
    file, found = options.arrange_ids(file, ids)
    return file, [word for id in found for word in (sys.stdin.read().split() if id == "-" else [id])]


def restore(
    file: options.File = None,
    ids: Ids = None,
    everything: Annotated[bool, typer.Option("--all", help="Restore all that is forgotten in the scope.")] = False,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Bring forgotten items back."""
    file, found = _ids(file, ids)
    if bool(found) == everything:
        raise typer.BadParameter("give either ids or --all", param_hint="ID")
    with opened(file) as memory:
        if everything:
            found = _forgotten(memory, options.whose(tenant, user, agent, scope))
        count = memory.restore(found) if found else 0
    say(f"{amount(count, 'item')} restored")


def _forgotten(memory: Memory, whose: dict[str, Any]) -> list[str]:
    from lamina.records import Filter

    found: list[str] = []
    cursor: str | None = None
    while True:
        page = memory.get_all(where=Filter(forgotten=True), limit=1000, cursor=cursor, **whose)
        found += [item.id for item in page if item.forgotten]
        cursor = page.cursor
        if cursor is None:
            return found


def delete(
    file: options.File = None,
    ids: Ids = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Delete all that is in the scope and below it. The scope must be named.")
    ] = False,
    scrub: Annotated[bool, typer.Option("--scrub", help="Then take the last bytes of it off the disk.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Remove items for good, with all that rests on them alone. This cannot be undone."""
    file, found = _ids(file, ids)
    whose = options.whose(tenant, user, agent, scope)
    if bool(found) == everything:
        raise typer.BadParameter("give either ids or --all", param_hint="ID")
    if everything and not whose:
        raise InputError("--all needs a scope: name a --tenant, --user or --agent, or --scope '*' for everything")
    with opened(file) as memory:
        if everything:
            _confirm(memory, whose, yes)
        count = memory.delete_all(**whose) if everything else memory.delete(found)
        say(f"{amount(count, 'item')} deleted")
        if scrub:
            _scrub(memory)


def _confirm(memory: Memory, whose: dict[str, Any], yes: bool) -> None:
    """Ask before a whole scope goes; where nobody can be asked, --yes is needed."""
    if yes:
        return
    from lamina.records import Filter

    count = memory.count(where=Filter(forgotten=True, stale=True, retired=True, events=True), **whose)
    words = f"delete {amount(count, 'item')} from {memory.config.path} for good?"
    if not sys.stdin.isatty():
        raise InputError(f"{words} Say so with --yes")
    if not typer.confirm(words):
        note("nothing was deleted", "yellow")
        raise typer.Exit(INTERRUPTED)


def scrub(file: options.File = None) -> None:
    """Take what deletions left on disk away: free pages, the log, files beside the memory."""
    with opened(file) as memory:
        _scrub(memory)


def _scrub(memory: Memory) -> None:
    report = memory.scrub()
    if report.pending:
        note(
            "the scrub is pending: another process reads an old state of the file; run 'lamina scrub' again when it is done",
            "yellow",
        )
        raise typer.Exit(1)
    say(f"scrubbed: {size(report.bytes_before)} before, {size(report.bytes_after)} now")


def erase(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", metavar="OUT", help="Write the receipt to this file, as JSON.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase a scope: delete everything in it and below it, take its bytes off the disk, and give a receipt.

    This cannot be undone. Backups, exports and copies elsewhere are out of its reach; the receipt says so.
    """
    whose = options.whose(tenant, user, agent, scope)
    if not whose:
        raise typer.BadParameter("name a scope: --tenant, --user or --agent, or --scope '*' for everything", param_hint="--scope")
    from lamina.records import Filter
    from lamina.scopes import make_scope

    place = whose.get("scope") or make_scope(**whose)
    with opened(file) as memory:
        count = memory.count(where=Filter(scope=place, forgotten=True, retired=True))
        if not yes:
            typer.confirm(f"Erase {amount(count, 'item')} for good?", abort=True)
        found = memory.erase(**whose)
    if receipt is not None:
        with open(os.open(receipt, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
            json.dump(found.as_json(), target, indent=2)
    print_json(found.as_json())
    if not found.complete:
        note("something is still there: close other programs that have the file open, and run 'lamina scrub'", "yellow")
        raise typer.Exit(FINDINGS)
