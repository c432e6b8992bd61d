"""The application: all commands by name, and what holds for each of them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from lamina import __version__
from lamina.cli import (
    adding,
    benchmarking,
    building,
    caching,
    consenting,
    deriving,
    explaining,
    forgetting,
    indexing,
    knowing,
    learning,
    recalling,
    running,
    serving,
    showing,
    talking,
    tokens,
    transferring,
    warming,
)
from lamina.cli.demo import command as demonstration
from lamina.cli.failures import CommandGroup, FileFirst

EPILOG = "FILE is the memory: one file, made when it is first written to. Left out, it is LAMINA_PATH or lamina.db."

app = typer.Typer(
    name="lamina",
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)

COMMANDS: Final[Mapping[str, Mapping[str, Callable[..., None]]]] = {
    "Begin": {"demo": demonstration.demo},
    "Write": {"add": adding.add, "ingest": adding.ingest, "update": adding.update},
    "Recall": {"search": recalling.search, "context": recalling.context, "explain": explaining.explain},
    "Learn": {
        "feedback": learning.feedback,
        "learn": learning.learn,
        "unlearn": learning.unlearn,
        "ranker": learning.ranker,
    },
    "Look": {
        "show": showing.show,
        "zoom": showing.zoom,
        "history": showing.history,
        "profile": knowing.profile,
        "portraits": knowing.portraits,
        "facts": knowing.facts,
        "topics": knowing.topics,
        "graph": knowing.graph,
        "stats": showing.stats,
    },
    "Derive": {"consolidate": deriving.consolidate, "rebuild": deriving.rebuild, "undo": deriving.undo},
    "Make": {"build": building.build},
    "Agree": {"consent": consenting.consent},
    "Take away": {
        "forget": forgetting.forget,
        "restore": forgetting.restore,
        "delete": forgetting.delete,
        "erase": forgetting.erase,
        "scrub": forgetting.scrub,
    },
    "Move and mend": {
        "export": transferring.export,
        "import": transferring.import_,
        "backup": transferring.backup,
        "encrypt": transferring.encrypt,
        "decrypt": transferring.decrypt,
        "doctor": transferring.doctor,
        "warm": warming.warm,
    },
    "Serve": {"serve": serving.serve, "mcp": serving.mcp},
    "Act": {"chat": talking.chat, "run": running.run},
    "Measure": {"bench": benchmarking.bench},
}
"""The commands, by the headings under which the help shows them."""

for heading, commands in COMMANDS.items():
    for word, function in commands.items():
        app.command(word, cls=FileFirst, rich_help_panel=heading)(function)

token = typer.Typer(no_args_is_help=True, help="Tokens for the server: each is bound to a scope.", rich_markup_mode="markdown")
for word, function in tokens.COMMANDS.items():
    token.command(word, cls=FileFirst)(function)
app.add_typer(token, name="token", rich_help_panel="Serve")

index = typer.Typer(
    no_args_is_help=True, help="Vector indexes in folders of their own, beside any memory.", rich_markup_mode="markdown"
)
for word, function in indexing.COMMANDS.items():
    index.command(word)(function)
app.add_typer(index, name="index", rich_help_panel="Make")

kv = typer.Typer(
    no_args_is_help=True,
    help="Keys and values of episodes that a local model has read, so that it need not read them again.",
    rich_markup_mode="markdown",
)
for word, function in caching.COMMANDS.items():
    kv.command(word, cls=FileFirst)(function)
app.add_typer(kv, name="kv", rich_help_panel="Make")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lamina {__version__}")
        raise typer.Exit


@app.callback()
def lamina(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="LAMINA_DEBUG", show_envvar=True, help="Show where an error came from.")
    ] = False,
) -> None:
    """The memory of an agent in one file: write, recall, consolidate, forget."""
    context.obj = {"debug": debug}
    logging.basicConfig(format="%(levelname)s: %(message)s" if not debug else "%(asctime)s %(name)s %(levelname)s: %(message)s")
    logging.getLogger("lamina").setLevel(logging.DEBUG if debug else logging.WARNING)


def main() -> None:
    """The command `lamina`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign must not stop the work
    try:
        app(prog_name="lamina")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
