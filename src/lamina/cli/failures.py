"""How a command ends when something is wrong: one line that says what to do, and an exit code."""

from __future__ import annotations

import os
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from lamina.errors import Cancelled, LaminaError

FINDINGS: Final = 1
"""Exit code: the work was done, and what it looked for is there (`doctor`)."""
REFUSED: Final = 2
"""Exit code: bad input, or the work could not be done."""
INTERRUPTED: Final = 130
"""Exit code: stopped by Ctrl-C."""


class FileFirst(TyperCommand):
    """A command whose first argument, FILE, may be left out although the next one must be there."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # Any: as below
        """The words of the usage line: in brackets is what may be left out, as the metavars have it."""
        given = {parameter.metavar for parameter in self.params if getattr(parameter, "metavar", None)}
        pieces = []
        for piece in super().collect_usage_pieces(ctx):
            word = piece.removesuffix("...")
            pieces.append(word[1:-1] + piece[len(word) :] if word[1:-1] in given else piece)
        return pieces


class CommandGroup(TyperGroup):
    """Runs a command; an error of the library becomes one line on standard error (a traceback with --debug)."""

    def list_commands(self, ctx: Any) -> list[str]:  # Any: a Context, whose class is not public in every release of typer
        """The commands in the order in which they were registered."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run the command of a context."""
        try:
            return super().invoke(ctx)
        except Cancelled as error:
            say_error(f"stopped: {error}", label="")
            raise typer.Exit(INTERRUPTED) from None
        except KeyboardInterrupt:
            say_error("aborted: what was acknowledged is safe", label="")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except (LaminaError, OSError, MemoryError) as error:
            if debugging(ctx):
                raise
            say_error(message_of(error))
            raise typer.Exit(REFUSED) from None


def message_of(error: BaseException) -> str:
    """What an error says, on one line."""
    if isinstance(error, LaminaError):
        words = str(error)
    elif isinstance(error, OSError):
        words = f"{error.filename or 'the file'}: {error.strerror or error}"
    else:
        words = "there is not enough memory for this: set LAMINA_MEMORY_BUDGET lower, or name a narrower scope"
    return " ".join(words.split())


def debugging(ctx: Any) -> bool:
    """Whether tracebacks are wanted."""
    given = ctx.obj if isinstance(ctx.obj, dict) else {}
    return bool(given.get("debug")) or os.environ.get("LAMINA_DEBUG", "") not in ("", "0")


def say_error(words: str, label: str = "error: ") -> None:
    """One line on standard error, red where it is a terminal."""
    from lamina.cli.output import clean

    line = clean(label + words)
    typer.secho(line, fg=typer.colors.RED if label else typer.colors.YELLOW, err=True)


def refuse(words: str) -> typer.Exit:
    """Say what is wrong; raise what this returns."""
    say_error(words)
    return typer.Exit(REFUSED)
