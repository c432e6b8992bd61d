"""Plots of results: curves over sizes and budgets, bars of recall. Drawn where matplotlib is installed (extra "plots")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lamina.bench.results import Metrics, Result

CURVES: Final[Sequence[tuple[str, float, Sequence[tuple[str, str]]]]] = (
    ("search in one scope, ms", 1e3, (("search_p50_seconds", "p50"), ("search_p95_seconds", "p95"))),
    ("first search of a process, s", 1.0, (("first_search_seconds", "first search"),)),
    ("messages a second", 1.0, (("bulk_acknowledged_per_second", "acknowledged"), ("bulk_embedded_per_second", "and embedded"))),
    ("memory, MB", 1e-6, (("resident_bytes", "process"), ("view_bytes", "view of the scope"))),
)
"""Title, factor, and the metrics drawn in one panel."""
_BUDGET: Final = re.compile(r"recall@(\d+)_tokens")
BESIDE: Final = ("demo", "pages")
"""Slices of other data, drawn beside the whole."""


def plot(result: Result, json_path: Path) -> Path | None:
    """Draw a result into a PNG beside its JSON file; None where matplotlib is absent or there is nothing to draw."""
    if find_spec("matplotlib") is None:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    growing = [row.by for row in result.rows if any("messages" in metrics for metrics in row.by.values())]
    figure = Figure(figsize=(10, 7) if growing else (8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    if growing:
        _draw_growth(figure, [metrics for metrics in growing[0].values() if "messages" in metrics])
    elif budgets_of(result.rows[0].metrics):
        _draw_budgets(figure, result)
    elif any("recall@10" in row.metrics for row in result.rows):
        _draw_recall(figure, result)
    else:
        return None
    path = json_path.with_suffix(".png")
    figure.savefig(path, dpi=120)
    return path


def _draw_growth(figure: Any, steps: Sequence[Metrics]) -> None:
    """Each metric over the number of messages, on logarithmic axes. matplotlib is optional, so its figures have no type here."""
    steps = sorted(steps, key=lambda metrics: metrics["messages"])
    for axes, (title, factor, lines) in zip(figure.subplots(2, 2).flat, CURVES, strict=True):
        for name, label in lines:
            points = [(metrics["messages"], factor * metrics[name]) for metrics in steps if name in metrics]
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=label)
        axes.set(title=title, xlabel="messages", xscale="log")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)


def budgets_of(metrics: Metrics) -> dict[int, float]:
    """Recall by budget in tokens, where a row has it.

    >>> budgets_of({"recall@500_tokens": 0.8, "recall@10": 0.5})
    {500: 0.8}
    """
    return {int(found[1]): value for name, value in metrics.items() if (found := _BUDGET.fullmatch(name))}


def _draw_budgets(figure: Any, result: Result) -> None:
    """Recall over the budget: of everything, and beside it of the slices of other data."""
    ticks = list(budgets_of(result.rows[0].metrics))
    parts = ("", *(part for part in result.rows[0].by if part in BESIDE))
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        for row in result.rows:
            points = budgets_of(row.by.get(part, {}) if part else row.metrics)
            if points:
                axes.plot(list(points), list(points.values()), marker="o", label=row.system)
        axes.set(
            title=part or result.data.split(" ")[0],
            xlabel="budget, tokens",
            ylabel="recall of what answers",
            xscale="log",
            ylim=(0, 1),
        )
        axes.set_xticks(ticks, [f"{one:,}" for one in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)


def _draw_recall(figure: Any, result: Result) -> None:
    """Bars of recall at each depth, a group for each system."""
    rows = [row for row in result.rows if "recall@10" in row.metrics]
    names = [name for name in rows[0].metrics if name.startswith("recall@")]
    axes = figure.subplots()
    for place, name in enumerate(names):
        left = [row + (place - (len(names) - 1) / 2) * 0.25 for row in range(len(rows))]
        axes.bar(left, [row.metrics[name] for row in rows], width=0.25, label=name)
    axes.set(title=result.benchmark, ylabel="recall", ylim=(0, 1))
    axes.set_xticks(range(len(rows)), [row.system for row in rows])
    axes.legend(frameon=False)
