"""Commands that serve: mcp."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli import options
from lamina.cli.opening import opened
from lamina.cli.output import note

MCP_PORT = 8421


def mcp(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    tools: Annotated[
        list[str] | None,
        typer.Option(
            "--tools", help="A set of tools: core, graph or mem0. May be repeated. [default: core and graph]", show_default=False
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Offer only the tools that read, and open the file for reading.")
    ] = False,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP under /mcp instead of standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option("--host", help="With --http: the address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="With --http: the port to listen on.")] = MCP_PORT,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="LAMINA_MCP_TOKEN", show_envvar=True, help="With --http: what clients must bring as a bearer token."
        ),
    ] = None,
) -> None:
    """Serve the memory to agents over the Model Context Protocol.

    The server sees one scope and what lies below it: the one that is named, or without one what was written without a scope. Nothing a client sends
    reaches beyond it.
    """
    from lamina.server.confined import Confined
    from lamina.server.mcp.application import Offer, run_http, run_stdio, scope_of

    bound = scope_of(options.whose(tenant, user, agent, scope))
    offer = Offer(tuple(tools) if tools else ("core", "graph"), read_only)
    with opened(file, make=not read_only, read_only=read_only) as memory:
        confined = Confined(memory, bound)
        if http:
            note(f"serving MCP on http://{host}:{port}/mcp")
            run_http(confined, offer, host, port, token)
        else:
            run_stdio(confined, offer)
