"""Writes docs/reference/cli.md from the commands themselves: `make cli-reference`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from typer.main import get_command

TARGET = Path(__file__).parent / "reference" / "cli.md"
HEAD = """# Commands

Every command with its arguments and options, as `lamina COMMAND --help` shows them. This page is written by
`make cli-reference`; the [guide](../guides/cli.md) says what the commands are for.
"""


def plain(text: str | None) -> str:
    """Help text on one line, without terminal markup, fit for a cell of a table."""
    without_markup = re.sub(r"\[/?[a-z ]+\]", "", text or "")
    return " ".join(without_markup.split()).replace("|", "\\|")


def default(parameter: Any) -> str:
    """What a parameter is when it is not given, as text; "" where there is nothing to say."""
    value = parameter.default
    if callable(value) or value in (None, False, (), "") or "Sentinel" in type(value).__name__:
        return ""
    return f"`{value}`"


def section(words: str, command: Any) -> str:
    """One command: what it does, then its arguments and options."""
    lines = [f"## `{('lamina ' + words).strip()}`", ""]
    summary = (command.help or "").strip().split("\n\n")
    lines += [plain(part) + "\n" for part in summary if part.strip()]
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option" and "--help" not in parameter.opts]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        for parameter in arguments:
            name = (parameter.metavar or parameter.name).upper()
            # "[FILE]" may be left out; a name without brackets must be there, even where the words before it may be missing
            optional = name.startswith("[") or not (parameter.required or parameter.metavar)
            lines.append(f"| `{name.strip('[]')}`{' (optional)' if optional else ''} | {plain(getattr(parameter, 'help', ''))} |")
        lines.append("")
    if options:
        lines += ["| option | | default |", "|---|---|---|"]
        for parameter in options:
            spelled = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            lines.append(f"| {spelled} | {plain(parameter.help)} | {default(parameter)} |")
        lines.append("")
    return "\n".join(lines)


def render() -> str:
    """The whole page."""
    from lamina.cli import app

    parts = [HEAD]

    def visit(command: Any, words: tuple[str, ...]) -> None:
        parts.append(section(" ".join(words), command))
        for name, child in sorted(getattr(command, "commands", {}).items()):
            if not child.hidden:
                visit(child, (*words, name))

    visit(get_command(app), ())
    return "\n".join(part.rstrip() + "\n" for part in parts)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(f"wrote {TARGET}")
