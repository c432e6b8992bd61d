"""Commands about feedback: tell it, learn from it, go back, look at the weights."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from lamina.cli import options
from lamina.cli.failures import INTERRUPTED
from lamina.cli.opening import opened
from lamina.cli.output import amount, fields_of, note, print_json, say
from lamina.cli.work import at_work
from lamina.errors import Cancelled

SHOWN: Final = 6  # weights that moved most
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]", help="The ids of hits ('-' reads them from standard input).", show_default=False),
]


def feedback(
    file: options.File = None,
    ids: Ids = None,
    cue: Annotated[str, typer.Option("--cue", "-c", metavar="CUE", help="The cue that found them.", show_default=False)] = "",
    good: Annotated[bool, typer.Option("--good/--bad", help="Whether they answer the cue.")] = True,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Tell whether hits of a search answer its cue. It changes nothing until 'lamina learn'.

    Name the scope that was searched; without one, each is taken to have been found in its own.
    """
    file, found = options.arrange_ids(file, ids)
    found = [word for id in found for word in (sys.stdin.read().split() if id == "-" else [id])]
    if not found:
        raise typer.BadParameter("ID is missing", param_hint="ID")
    if not cue:
        raise typer.BadParameter("say which cue they answer, or do not", param_hint="--cue")
    with opened(file) as memory:
        count = memory.feedback(found, good, cue=cue, **options.whose(tenant, user, agent, scope))
    say(f"told of {amount(count, 'hit')}: {'good' if good else 'bad'}")


def learn(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Learn from the feedback of a scope how its hits are to be weighed; it holds for recalls there and below it."""
    try:
        with at_work(quiet) as (run, _), opened(file, run=run) as memory:
            learned = memory.learn(**options.whose(tenant, user, agent, scope))
    except Cancelled:
        note("stopped: nothing was changed", "yellow")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        from dataclasses import asdict

        print_json(asdict(learned))
        return
    say(f"learned from {amount(learned.cues, 'cue')}: {amount(learned.good, 'good hit')}, {amount(learned.bad, 'bad one')}")
    if learned.before is None or learned.after is None:
        say("these are too few to see whether it helps with other cues: nothing is changed")
    else:
        change = f"{100 * learned.before:.1f} % before, {100 * learned.after:.1f} % after"
        say(
            f"right with cues that were left out in turn: {change}"
            + ("" if learned.kept else "; it does not help: nothing is changed")
        )
    if learned.kept:
        most = sorted(learned.shift.items(), key=lambda pair: -abs(pair[1]))[:SHOWN]
        say("moved most: " + ", ".join(f"{name} {moved:+.2f}" for name, moved in most))


def unlearn(
    file: options.File = None,
    told: Annotated[bool, typer.Option("--feedback", help="Delete what was told in the scope and below it, too.")] = False,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Go back to the weights from before 'lamina learn' in a scope."""
    with opened(file) as memory:
        done = memory.unlearn(feedback=told, **options.whose(tenant, user, agent, scope))
    say("unlearned" if done else "there was nothing to unlearn")


def ranker(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Show the weights by which recalls in a scope are ranked, and what was learned of them."""
    with opened(file) as memory:
        found = memory.ranker(**options.whose(tenant, user, agent, scope))
    learned = found.learned
    if as_json:
        from dataclasses import asdict

        print_json(asdict(found))
        return
    from lamina.cli.output import console

    shift = learned.shift if learned is not None and not found.outdated else {}
    weights = {
        name: f"{weight:8.3f}" + (f"  ({shift[name]:+.3f} learned)" if name in shift else "")
        for name, weight in sorted(found.weights.items(), key=lambda pair: -abs(pair[1]))
    }
    for line in fields_of(weights):
        console().print(line)
    if learned is None:
        note(f"the shipped weights; {amount(found.feedback, 'piece')} of feedback in this scope")
        return
    place = repr(learned.scope) if learned.scope else "the memory without a scope"
    state = (
        "not in force: learned for another release"
        if found.outdated
        else ""
        if learned.current
        else "the feedback has changed since"
    )
    note(f"learned in {place} from {amount(learned.cues, 'cue')}" + (f"; {state}: learn again" if state else ""))
