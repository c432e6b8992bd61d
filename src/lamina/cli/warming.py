"""The command that compiles: warm."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli import options
from lamina.cli.output import say
from lamina.cli.work import at_work


def warm(
    anew: Annotated[bool, typer.Option("--anew", help="Throw away first what was compiled before.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Compile what large scopes are searched with, so that nobody waits for it later. Needs the extra "index".

    What is compiled is kept beside the package, or in the user's cache folder. Ctrl-C stops between two parts.
    """
    from lamina.index.warming import warm as compile_all

    with at_work(quiet) as (run, _):
        done = compile_all(run, anew=anew)
    say(f"compiled: {', '.join(done)}")
