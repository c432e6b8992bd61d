"""What is found at each depth, how well text is predicted, and what is found for how many bytes: a panel for each setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lamina.bench.results import Result, Row

WIDTH: Final = 5.5  # inches of a panel
HEIGHT: Final = 4.2
ACROSS: Final = 3  # panels side by side


def panels(result: Result) -> dict[str, list[tuple[str, Row]]]:
    """Rows by what they were measured on: the end of a row's name; for "kv" without the share of the bytes, which is an axis there.

    >>> from lamina.bench.results import Result, Row
    >>> list(panels(Result("needle", "prose", {}, [Row("full, 2,048 tokens, one needle, 512 attended", {})])))
    ['2,048 tokens, one needle, 512 attended']
    """
    found: dict[str, list[tuple[str, Row]]] = {}
    for row in result.rows:
        name, _, title = row.system.partition(", ")
        if name == "timing":
            continue
        if result.benchmark == "kv":
            title = title.rpartition(", ")[0]
        found.setdefault(title, []).append((name, row))
    return found


def size(result: Result) -> tuple[float, float]:
    """Inches."""
    count = max(len(panels(result)), 1)
    return WIDTH * min(count, ACROSS), HEIGHT * -(-count // ACROSS)


def draw(figure: Any, result: Result) -> None:
    """A panel for each setting."""
    found = panels(result)
    count = max(len(found), 1)
    grid = figure.subplots(-(-count // ACROSS), min(count, ACROSS), squeeze=False)
    way = {"needle": _depths, "perplexity": _losses, "kv": _bytes}[result.benchmark]
    for axes, (title, rows) in zip(grid.flat, found.items(), strict=False):
        way(axes, rows)
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
    for axes in grid.flat:
        if not axes.has_data():
            axes.set_visible(False)
        elif result.benchmark != "perplexity":
            axes.legend(frameon=False, fontsize=7)


def _depths(axes: Any, rows: Sequence[tuple[str, Row]]) -> None:
    """How often the true answer is the likeliest, over where the needle lies."""
    for name, row in rows:
        parts = sorted(
            (float(part.removeprefix("depth ")), one["likeliest"]) for part, one in row.by.items() if part.startswith("depth ")
        )
        axes.plot(
            [at for at, _ in parts], [value for _, value in parts], marker="o", label=f"{name} ({row.metrics['likeliest']:.2f})"
        )
    axes.set(xlabel="depth of the needle", ylabel="true answer likeliest", xlim=(0, 1), ylim=(-0.03, 1.03))


def _losses(axes: Any, rows: Sequence[tuple[str, Row]]) -> None:
    """Nats a token, with intervals."""
    for place, (_, row) in enumerate(rows):
        value, low, high = (row.metrics[name] for name in ("nats_per_token", "low_nats", "high_nats"))
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", capsize=3)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set(xlabel="nats a token", ylim=(len(rows) - 0.5, -0.5))


def _bytes(axes: Any, rows: Sequence[tuple[str, Row]]) -> None:
    """The true answer's log-likelihood a token over resident bytes."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, row in rows:
        lines.setdefault(name, []).append((row.metrics["resident_bytes"], row.metrics["answer_nats"]))
    for name, points in lines.items():
        points.sort()
        style = {"linestyle": "--", "linewidth": 1} if name.startswith("kvpress") else {"linewidth": 2}
        axes.plot([at for at, _ in points], [value for _, value in points], marker="o", label=name, **style)
    axes.set(xlabel="resident bytes", ylabel="log-likelihood of the true answer, nats a token", xscale="log")
