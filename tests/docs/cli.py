"""The command line as the documentation tests see it: every command with its parameters."""

from __future__ import annotations

import typer
from typer.main import get_command


def tree() -> dict[str, object]:
    """All commands by the words after `lamina` ("" is `lamina` itself)."""
    from lamina.cli import app

    assert isinstance(app, typer.Typer)
    found: dict[str, object] = {}

    def visit(command: object, words: tuple[str, ...]) -> None:
        found[" ".join(words)] = command
        for name, child in getattr(command, "commands", {}).items():
            if not child.hidden:
                visit(child, (*words, name))

    visit(get_command(app), ())
    return found


def options(command: object) -> set[str]:
    """Every spelling of every option of a command."""
    own = {
        spelling
        for parameter in command.params  # type: ignore[attr-defined]
        if parameter.param_type_name == "option" and not parameter.hidden
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    return own | {"--help"}
