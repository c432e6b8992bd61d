"""Commands that derive: consolidate and rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamina.cli import options
from lamina.cli.failures import INTERRUPTED
from lamina.cli.opening import opened
from lamina.cli.output import amount, note, say
from lamina.cli.work import at_work
from lamina.errors import Cancelled, EmbedderMismatchError

if TYPE_CHECKING:
    from lamina.records import Report, Run

SAFE = "stopped: what is done is safe; the same command goes on from there"


def consolidate(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="STAGE", help="A stage that is not everybody's. May be repeated.")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Sleep: build the upper layers from what is new. Default scope: everything.

    Ctrl-C stops after the current step; the same command goes on from there.
    """
    try:
        with at_work(quiet) as (run, _), opened(file, run=run) as memory:
            reports = memory.consolidate(also=also or (), **options.whose(tenant, user, agent, scope))
    except Cancelled:
        note(SAFE, "yellow")
        raise typer.Exit(INTERRUPTED) from None
    _tell(reports)


def rebuild(
    file: options.File = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder",
            metavar="SPEC",
            help="Embed everything anew with this one: wordllama, sentence-transformers:NAME, openai:MODEL@URL.",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Analyse all texts anew in this language: german, french, …, or none.")
    ] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    quiet: options.Quiet = False,
) -> None:
    """Derive everything anew from the traces; ids stay what they are. Default scope: everything.

    With another embedder the old vectors serve until the new ones are complete.
    """
    whose = options.whose(tenant, user, agent, scope)
    try:
        with at_work(quiet) as (run, _):
            if embedder is None:
                try:
                    with opened(file, run=run, language=language) as memory:
                        reports = memory.rebuild(**whose)
                except EmbedderMismatchError:
                    note("the embedder is no longer the one that made the vectors: embedding everything anew", "yellow")
                    reports = _rebuild_with(file, run, whose, language=language)
            else:
                reports = _rebuild_with(file, run, whose, language=language, embedder=embedder)
    except Cancelled:
        note(SAFE, "yellow")
        raise typer.Exit(INTERRUPTED) from None
    _tell(reports)


def _rebuild_with(file: str | None, run: Run, whose: dict[str, Any], **settings: Any) -> list[Report]:
    """Embed everything anew while the file is opened, so that the embedder before is not needed; then derive."""
    with opened(file, run=run, rebuild=True, **settings) as memory:
        return memory.rebuild(**whose)


def _tell(reports: Sequence[Report]) -> None:
    """One line for each stage, over all scopes."""
    stages = list(dict.fromkeys(report.stage for report in reports))
    for stage in stages:
        mine = [report for report in reports if report.stage == stage]
        read, made, kept, removed = (
            sum(getattr(report, name) for report in mine) for name in ("read", "made", "kept", "removed")
        )
        seconds = sum(report.seconds for report in mine)
        where = f" in {amount(len(mine), 'scope')}" if len(mine) > 1 else ""
        say(f"{stage}: {made:,} made, {kept:,} kept, {removed:,} removed, from {amount(read, 'trace')}{where} ({seconds:.1f} s)")
    if not stages:
        say("nothing new")


def undo(file: options.File = None) -> None:
    """Take back what the last 'consolidate' or 'rebuild' has changed.

    It can be made again at any time. After a correction, a forgetting or a deletion there is nothing to undo any more.
    """
    with opened(file) as memory:
        report = memory.undo()
    say(f"{amount(report.removed, 'derived item')} gone, {amount(report.restored, 'item')} as before")
