"""The command about consents: record one, or show what holds."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli import options
from lamina.cli.opening import opened
from lamina.cli.output import print_json, say


def consent(
    file: options.File = None,
    purpose: Annotated[
        str | None, typer.Argument(metavar="[PURPOSE]", help="store, recall, derive, share or train.", show_default=False)
    ] = None,
    granted: Annotated[bool | None, typer.Option("--grant/--refuse", help="What the person says.", show_default=False)] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Record that somebody agrees to a purpose or refuses it; without a PURPOSE, show what holds in a scope.

    It holds in the scope and below it, until something else is said there or nearer. What nobody said anything about is granted.
    """
    from lamina.storage.consents import PURPOSES

    if purpose is None and file in PURPOSES:
        file, purpose = None, file
    if (purpose is None) != (granted is None):
        raise typer.BadParameter("give a PURPOSE together with --grant or --refuse, or neither", param_hint="PURPOSE")
    whose = options.whose(tenant, user, agent, scope)
    with opened(file, make=purpose is not None) as memory:
        if purpose is not None and granted is not None:
            memory.consent(purpose, granted, **whose)
        found = memory.consents(**whose)
    if as_json:
        from dataclasses import asdict

        print_json({name: asdict(one) for name, one in found.items()})
        return
    from lamina.times import isoformat

    for name, one in found.items():
        said = f"  said {isoformat(one.at)} in {one.scope or 'the memory without a scope'}" if one.at is not None else ""
        say(f"{name:8}{'granted' if one.granted else 'refused'}{said}")
