"""What a conversation shows when it is asked: what an answer could rest on, what it took, and what else can be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from lamina.cli.output import amount, clean, console, fields_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from lamina.agents.conversation import Exchange, Recalled

COMMANDS: Final = {
    "/recalled": "what the last answer could rest on, and from which level it came",
    "/cost": "what the last answer took: tokens and seconds",
    "/forget": "forget the last exchange; '/forget 2' the second thing that /recalled lists",
    "/help": "this list",
    "/quit": "end the conversation (so does Ctrl-D)",
    "Ctrl-C": "stop the answer; what was said of it is kept",
}


def help_lines() -> list[Text]:
    """The commands."""
    return fields_of(COMMANDS)


def show_lines(lines: Sequence[Text], error: bool = False) -> None:
    """Print lines."""
    out = console(error=error)
    for line in lines:
        out.print(line)


def recalled_view(last: Exchange, terminal: bool) -> RenderableType:
    """What an answer could rest on: a table on a terminal, elsewhere a line for each."""
    from rich.table import Table
    from rich.text import Text

    if not last.recalled:
        return Text("nothing was recalled: there was nothing that bears on it", style="dim")
    if not terminal:
        return Text("\n".join(f"{number} {_plain(one)}" for number, one in enumerate(last.recalled, 1)))
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for head in ("", "level", "when", "who", "score"):
        table.add_column(head, no_wrap=True, justify="right" if head in ("", "score") else "left")
    table.add_column("what", overflow="fold")
    for number, one in enumerate(last.recalled, 1):
        score = "" if one.score is None else f"{one.score:.2f}"
        table.add_row(str(number), one.level, one.when, clean(one.who), score, clean(" ".join(one.text.split())))
    return table


def _plain(one: Recalled) -> str:
    score = "" if one.score is None else f"{one.score:.2f}"
    parts = (one.level, one.when, one.who, score, " ".join(one.text.split()))
    return clean("  ".join(part for part in parts if part))


def cost_lines(last: Exchange) -> list[Text]:
    """What an answer took."""
    cost = last.cost
    if cost is None:
        return []
    about = "" if cost.counted else "about "
    prompt = f"{about}{amount(cost.prompt, 'token')}"
    if cost.reused is not None:
        prompt += f": {cost.read:,} read, {cost.reused:,} known from before"
    return fields_of(
        {
            "prompt": prompt,
            "recalled": f"{amount(cost.recalled, 'token')} of these, {amount(len(last.hits), 'memory', 'memories')}",
            "answer": f"{about}{amount(cost.written, 'token')}, {cost.rate:.1f} a second"
            if cost.rate
            else f"{about}{amount(cost.written, 'token')}",
            "time": f"{cost.first:.2f} s to the first word, {cost.seconds:.2f} s in all",
        }
    )


def exchange_json(last: Exchange) -> dict[str, Any]:
    """An exchange as JSON."""
    cost = last.cost
    rows = [
        {"level": one.level, "text": one.text, "when": one.when, "who": one.who, "score": one.score, "id": one.id}
        for one in last.recalled
    ]
    spent = cost and {
        "prompt_tokens": cost.prompt, "read_tokens": cost.read, "reused_tokens": cost.reused, "recalled_tokens": cost.recalled,
        "answer_tokens": cost.written, "seconds_to_first": cost.first, "seconds": cost.seconds, "tokens_per_second": cost.rate,
        "counted_by_model": cost.counted,
    }  # fmt: skip
    return {
        "said": last.said, "answer": last.answer.strip(), "cancelled": last.cancelled, "truncated": last.truncated,
        "turns": list(last.turns), "recalled": rows, "cost": spent,
    }  # fmt: skip
