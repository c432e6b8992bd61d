"""Commands that say what is known: profile, portraits, facts, topics, graph."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli import options
from lamina.cli.opening import opened
from lamina.cli.output import amount, console, fields_of, note, print_json, say
from lamina.cli.showing import show_line
from lamina.plain import item_json


def profile(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Say what is known at a glance: who speaks, names, what people said of themselves, the newest episodes, and the biographies that `consolidate --also biographies` makes."""
    with opened(file) as memory:
        found = memory.profile(**options.whose(tenant, user, agent, scope))
        lives = memory.biographies(scope=found.scope)
    plain = {**found.as_json(), "biographies": [one.as_json() for one in lives]}
    if as_json:
        print_json(plain)
        return
    shown = {
        "traces": f"{found.traces:,} in {amount(found.sessions, 'session')}",
        "time": f"{plain['from']} to {plain['to']}" if found.traces else "",
        "speakers": ", ".join(f"{name} ({count:,})" for name, count in found.speakers),
        "names": ", ".join(f"{name} ({count:,})" for name, count in found.names),
    }
    for line in fields_of(shown):
        console().print(line)
    for title, rows in (
        ("said of themselves", [f"{row['at'][:10]}  {row['speaker'] or ''}: {row['text']}" for row in plain["statements"]]),
        ("latest episodes", [f"{row['at'][:10]}  {row['text']}" for row in plain["episodes"]]),
    ):
        if rows:
            say(f"\n{title}:", "bold")
            for row in rows:
                say(row)
    for one in lives:
        say(f"\n{one.text()}")


def graph(
    file: options.File = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A person, place or thing.", show_default=False)] = None,
    k: Annotated[int, typer.Option("-k", "--limit", min=1, help="How many to show.")] = 10,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Show what a name hangs together with: the names beside it, and the newest items that have it."""
    file, name = options.arrange(file, name, "NAME")
    with opened(file) as memory:
        found = memory.connections(name, k=k, **options.whose(tenant, user, agent, scope))
    if as_json:
        print_json(
            {
                "name": found.name,
                "count": found.count,
                "names": dict(found.names),
                "items": [item_json(one) for one in found.items],
            }
        )
        return
    if not found.count:
        note(f"nothing here names {found.name}", "yellow")
        return
    say(f"{found.name}: in {amount(found.count, 'item')}", "bold")
    for other, count in found.names:
        say(f"  {count:>4,}  {other}")
    for item in found.items:
        show_line(item)


def topics(
    file: options.File = None,
    cue: Annotated[
        str | None, typer.Argument(metavar="[CUE]", help="What to descend for; left out: an overview.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", "--limit", min=1, help="How many to show.")] = 12,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Show the topics of a scope, or what a descent through them comes to. They are made by `consolidate --also topics`."""
    with opened(file) as memory:
        found = memory.topics(cue, k=k, most=k, **options.whose(tenant, user, agent, scope))
    if as_json:
        print_json([item_json(item) for item in found])
        return
    for item in found:
        show_line(item)
    if not found:
        note("there are no topics here: lamina consolidate --also topics makes them", "yellow")


def portraits(
    file: options.File = None,
    person: Annotated[
        str | None, typer.Argument(metavar="[PERSON]", help="Of whom; left out: of everybody.", show_default=False)
    ] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Show who people are by what they said, line by line. They are made by `consolidate --also portraits`."""
    from dataclasses import asdict

    with opened(file) as memory:
        found = memory.portraits(person, **options.whose(tenant, user, agent, scope))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        say(one.person or "(no name)", "bold")
        for line in one.lines:
            say(f"  {line.text}  ({line.confidence:.0%})")
    if not found:
        note("there are no portraits here: lamina consolidate --also portraits makes them", "yellow")


def facts(
    file: options.File = None,
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", help="Of whom; left out: of everybody.", show_default=False)
    ] = None,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    everything: Annotated[bool, typer.Option("--history", help="What no longer holds too.")] = False,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Show what was found of people: what holds, or held, or was known. Facts are made by `consolidate`."""
    with opened(file) as memory:
        whose = options.whose(tenant, user, agent, scope)
        found = memory.facts(subject, as_of=as_of, known_at=known_at, history=everything, **whose)
    if as_json:
        print_json([item_json(item) for item in found])
        return
    for item in found:
        show_line(item)
    if not found:
        note("nothing was found: lamina consolidate looks for facts", "yellow")
