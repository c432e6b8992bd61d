"""Draws docs/pictures/folding.svg: the same steps of a task in a prompt that shows all of them, and in one that folds finished subgoals.

Run it with `python docs/folding_picture.py`; the prompts are the real ones of a fetch world played by the policy that comes with it.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

TARGET = Path(__file__).parent / "pictures" / "folding.svg"
COLOURS = ("#8a8a8a", "#b45309", "#0f766e", "#6d28d9", "#be123c", "#1d4ed8")
WIDE, LINE, TOP, COLUMN, SHOWN = 1180, 15, 64, 590, 84


def coloured(text: str) -> list[tuple[str, int]]:
    """The lines of a prompt's history, each with the number of the subgoal it belongs to."""
    lines, number = [], 0
    for line in text.splitlines():
        found = re.match(r"(?:(\d+) )?Subgoal: ", line)
        if found:
            number = int(found[1]) if found[1] else number + 1
        lines.append((line if len(line) <= SHOWN else line[: SHOWN - 1] + "…", number))
    return lines


def column(title: str, text: str, left: int) -> list[str]:
    """One prompt as lines of SVG."""
    drawn = [f'<text x="{left}" y="40" class="title">{escape(title)}</text>']
    for place, (line, number) in enumerate(coloured(text)):
        y, colour = TOP + place * LINE, COLOURS[number % len(COLOURS)]
        drawn.append(f'<rect x="{left - 10}" y="{y - 11}" width="4" height="{LINE}" fill="{colour}"/>')
        bold = ' font-weight="bold"' if "Subgoal: " in line[:12] else ""
        drawn.append(f'<text x="{left}" y="{y}" fill="{colour}"{bold}>{escape(line)}</text>')
    return drawn


def picture(before: tuple[str, str], after: tuple[str, str]) -> str:
    """Two prompts side by side, each with its title."""
    height = TOP + LINE * max(len(text.splitlines()) for _, text in (before, after)) + 10
    style = "text{font:11px ui-monospace,Menlo,Consolas,monospace}.title{font:bold 14px sans-serif;fill:#222}"
    drawn = [*column(*before, 20), *column(*after, 20 + COLUMN)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height}" role="img">',
            f"<style>{style}</style>",
            f'<rect width="{WIDE}" height="{height}" fill="#fff"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def prompts(step: int = 16, budget: int = 2000) -> tuple[tuple[str, str], tuple[str, str]]:
    """The history before a step as a whole and as it is folded, each with a title that counts its tokens."""
    from lamina.agents.acting import ActingAgent
    from lamina.agents.environments.fetch import FetchMap, FetchWorld
    from lamina.agents.policies.fetching import FetchPolicy
    from lamina.agents.policies.summaries import of_fetching
    from lamina.working.subgoals import SubgoalMemory

    world = FetchWorld(FetchMap.generate(6, seed=4), filler=9)
    memory = SubgoalMemory(of_fetching)
    ActingAgent(FetchPolicy(), memory, budget=budget, horizon=step).play(world)
    whole, folded = memory.log.render(budget, folded=False), memory.prompt([], budget)
    return (
        (f"every step: {whole.tokens} tokens", whole.text),
        (f"finished subgoals folded: {folded.tokens} tokens", folded.text),
    )


if __name__ == "__main__":
    TARGET.write_text(picture(*prompts()), encoding="utf-8")
