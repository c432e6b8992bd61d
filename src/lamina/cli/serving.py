"""Commands that serve: serve, mcp."""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast

import typer

from lamina.cli import options
from lamina.cli.opening import opened, path_of
from lamina.cli.output import note
from lamina.errors import MissingExtraError

PORT = 8420
MCP_PORT = 8421


def serve(
    file: options.File = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = PORT,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines in; only with a token then.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="A further host name to answer to, as behind a proxy. May be repeated."
        ),
    ] = None,
    open_: Annotated[
        bool,
        typer.Option("--open", help="Let everybody on this machine read and write everything without a token. For development."),
    ] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Open the file for reading only.")] = False,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="Requests a second for each token on average; 0 is any number.")
    ] = 50.0,
    burst: Annotated[int, typer.Option("--burst", min=1, help="Requests for each token at once.")] = 100,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, help="Requests worked on or waiting; beyond, clients are told to come again.")
    ] = 64,
    readers: Annotated[int, typer.Option("--readers", min=1, help="Threads that recall.")] = 2,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, help="Processes that serve the file; each has its own views in memory and its own limits."
        ),
    ] = 1,
    max_body: Annotated[int, typer.Option("--max-body", min=1024, help="Bytes of a request.")] = 4 << 20,
    max_upload: Annotated[int, typer.Option("--max-upload", min=1024, help="Bytes of an import or a streamed upload.")] = 1 << 30,
    patience: Annotated[
        float, typer.Option("--patience", min=0.1, help="Seconds for a request to arrive, and to wait for its turn.")
    ] = 30.0,
    drain: Annotated[
        int, typer.Option("--drain", min=1, help="Seconds that requests under way are given when the server is stopped.")
    ] = 30,
) -> None:
    """Serve the memory over HTTP: its verbs under /v1, described in /openapi.json.

    Without any token (`lamina token create`), what is asked from this machine is answered, and nothing is written. With a token, a client sees the
    scope it is bound to and what lies below it. A signal ends the server when what it accepted is answered.
    """
    try:
        from lamina.server.http.lifecycle import serve as run
        from lamina.server.http.workers import serve_by
    except ImportError as error:
        raise MissingExtraError.for_extra("server", "the HTTP server", str(error.name or "fastapi")) from None
    from lamina.server.http.settings import Serving

    settings = Serving(
        host=host, port=port, names=tuple(allow_host or ()), allow_remote=allow_remote, open=open_, rate=rate, burst=burst,
        concurrency=concurrency, readers=readers, body=max_body, upload=max_upload, patience=patience, drain=drain,
    )  # fmt: skip
    opening = partial(opened, file, make=not read_only, read_only=read_only)
    note(f"serving {path_of(file)} on {settings.address}")
    if open_:
        note("OPEN: whoever reaches this port reads, changes and deletes everything, without a token", "bold red")
    if workers > 1:
        serve_by(workers, opening, settings)
        return
    with opening() as memory:
        run(memory, settings)


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
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="With --http: a further host name to answer to. May be repeated."),
    ] = None,
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
    from lamina.keeping.arguments import ScopeArguments, read_scope
    from lamina.server.confined import Confined
    from lamina.server.mcp.application import Offer, run_http, run_stdio

    bound = read_scope(cast("ScopeArguments", options.whose(tenant, user, agent, scope)))
    offer = Offer(tuple(tools) if tools else ("core", "graph"), read_only)
    with opened(file, make=not read_only, read_only=read_only) as memory:
        confined = Confined(memory, bound)
        if http:
            note(f"serving MCP on http://{host}:{port}/mcp")
            run_http(confined, offer, host, port, token, allow_host or ())
        else:
            run_stdio(confined, offer)
