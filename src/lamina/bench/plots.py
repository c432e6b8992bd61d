"""Plots of results: curves over sizes, budgets and thresholds, bars of recall, dots by cell, what is lost without a group of features.

Drawn where matplotlib is installed (extra "plots").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lamina.bench.results import Metrics, Result
from lamina.bench.table import AGAINST

_LIMIT: Final = re.compile(r"success_at_(\d+)_percent")
_BUDGET: Final = re.compile(r"recall@(\d+)_tokens")

BESIDE: Final = ("demo", "pages")
"""Slices of other data, drawn beside the whole."""

CURVES: Final[Sequence[tuple[str, float, Sequence[tuple[str, str]]]]] = (
    ("search in one scope, ms", 1e3, (("search_p50_seconds", "p50"), ("search_p95_seconds", "p95"))),
    ("first search of a process, s", 1.0, (("first_search_seconds", "first search"),)),
    ("messages a second", 1.0, (("bulk_acknowledged_per_second", "acknowledged"), ("bulk_embedded_per_second", "and embedded"))),
    ("memory, MB", 1e-6, (("resident_bytes", "process"), ("view_bytes", "view of the scope"))),
)
"""Title, factor, and the metrics drawn in one panel."""


def plot(result: Result, json_path: Path) -> Path | None:
    """Draw a result into a PNG beside its JSON file; None where matplotlib is absent or there is nothing to draw."""
    if find_spec("matplotlib") is None:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    draw, size = _way(result)
    if draw is None:
        return None
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure, result)
    path = json_path.with_suffix(".png")
    figure.savefig(path, dpi=120)
    return path


Draw = Callable[[Any, Result], None]  # matplotlib is optional, so its figures have no type here


def _way(result: Result) -> tuple[Draw | None, tuple[float, float]]:
    """How a result is drawn, and how large; None where it has nothing to draw."""
    if result.benchmark == "index":
        from lamina.bench.indexes import pictures

        return pictures.draw, pictures.size(result)
    if result.benchmark in ("needle", "perplexity", "kv"):
        from lamina.bench.caches import pictures as caches

        return caches.draw, caches.size(result)
    if _steps(result):
        return _draw_growth, (10, 7)
    parts = {part for row in result.rows for part in row.by}
    if result.benchmark == "working" and _domains(result):
        return _draw_limits, (3 * len(_domains(result)), 6)
    if result.benchmark == "program":
        return _draw_accesses, (9, 8)
    if result.benchmark == "episodes":
        return _draw_episodes, (8, 4.5)
    if result.benchmark == "passages":
        return _draw_cells, (11, 2 + 0.8 * sum(part.startswith(AGAINST) for part in parts))
    if result.benchmark == "ablation":
        return _draw_drops, (9, 1.5 + 0.17 * len(result.rows))
    if any("tau" in row.metrics for row in result.rows):
        return _draw_thresholds, (9, 4)
    if budgets_of(result.rows[0].metrics):
        return _draw_budgets, (8, 4.5)
    if any("recall@10" in row.metrics for row in result.rows):
        return _draw_recall, (8, 4.5)
    return None, (0, 0)


def _draw_accesses(figure: Any, result: Result) -> None:
    """Which instruction read and wrote which file."""
    from lamina.agents.access_map import draw_accesses
    from lamina.working.files import Access

    accesses = [Access(step, path, kind) for step, path, kind in result.config["accesses"]]
    draw_accesses(figure.subplots(), accesses, "ten interfaces changed in place")


def _draw_episodes(figure: Any, result: Result) -> None:
    """What each way of recalling loses against joint reading, over the number of episodes, with intervals."""
    from lamina.bench.episode_losses import COUNTS
    from lamina.bench.episodes import label_of

    axes = figure.subplots()
    for row in result.rows:
        points = [(count, row.by[label_of(count)]) for count in COUNTS if label_of(count) in row.by]
        if row.system == "joint" or not points:
            continue
        middle = [one[f"{AGAINST}joint_nats"] for _, one in points]
        ends = [
            [y - one["low_nats"] for y, (_, one) in zip(middle, points, strict=True)],
            [one["high_nats"] - y for y, (_, one) in zip(middle, points, strict=True)],
        ]
        axes.errorbar([count for count, _ in points], middle, yerr=ends, marker="o", capsize=3, label=row.system)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xscale="log", xticks=list(COUNTS), xlabel="episodes in the prompt", ylabel="nats a token above joint reading")
    axes.set_xticklabels([str(count) for count in COUNTS])
    axes.set_yscale("symlog", linthresh=0.1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _steps(result: Result) -> list[Metrics]:
    """The metrics at each number of messages, the fewest first."""
    growing = [row.by for row in result.rows if any("messages" in metrics for metrics in row.by.values())]
    steps = [metrics for metrics in growing[0].values() if "messages" in metrics] if growing else []
    return sorted(steps, key=lambda metrics: metrics["messages"])


def _draw_growth(figure: Any, result: Result) -> None:
    """Each metric over the number of messages, on logarithmic axes."""
    steps = _steps(result)
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


def _domains(result: Result) -> list[str]:
    """The domains in which success was measured at several limits."""
    return [part for part, metrics in result.rows[0].by.items() if any(_LIMIT.fullmatch(name) for name in metrics)]


def _draw_limits(figure: Any, result: Result) -> None:
    """Success and tokens a step over the room for steps, a column for each domain, a line for each memory."""
    domains = _domains(result)
    for column, domain in zip(figure.subplots(2, len(domains), squeeze=False, sharex=True).T, domains, strict=True):
        for row in result.rows:
            metrics = row.by.get(domain, {})
            limits = [int(found[1]) for name in metrics if (found := _LIMIT.fullmatch(name))]
            for axes, figure_of in zip(column, ("success", "history_tokens_per_step"), strict=True):
                if limits:
                    values = [metrics[f"{figure_of}_at_{limit}_percent"] for limit in limits]
                    axes.plot(limits, values, marker="o", markersize=4, label=row.system)
        column[0].set(title=domain, ylim=(-0.03, 1.03))
        column[1].set(xlabel="room, % of the whole history", xscale="log")
        column[1].set_xticks(limits_of(result), [str(limit) for limit in limits_of(result)], fontsize=7)
        column[1].minorticks_off()
        column[1].set_ylim(bottom=0)
        for axes in column:
            axes.grid(alpha=0.3)
    axes = figure.axes
    axes[0].set_ylabel("success")
    axes[len(domains)].set_ylabel("tokens of steps shown, a step")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=6)


def limits_of(result: Result) -> list[int]:
    """The limits in percent at which success was measured."""
    found = {
        int(match[1])
        for row in result.rows
        for metrics in row.by.values()
        for name in metrics
        if (match := _LIMIT.fullmatch(name))
    }
    return sorted(found)


def _draw_recall(figure: Any, result: Result) -> None:
    """Bars of recall at each depth, a group for each system."""
    rows = [row for row in result.rows if "recall@10" in row.metrics]
    names = [name for name in rows[0].metrics if name.startswith("recall@")]
    axes = figure.subplots()
    for place, name in enumerate(names):
        left = [row + (place - (len(names) - 1) / 2) * 0.25 for row in range(len(rows))]
        axes.bar(left, [row.metrics[name] for row in rows], width=0.25, label=name)
    axes.set(title=result.benchmark, ylabel="recall", ylim=(0, 1))
    axes.set_xticks(range(len(rows)), [row.system for row in rows], rotation=30 if len(rows) > 6 else 0)
    figure.legend(frameon=False, loc="outside lower center", ncols=len(names))


def _draw_thresholds(figure: Any, result: Result) -> None:
    """Re-plans of a task and steps to its end over the threshold τ, for each kind of loop."""
    kinds: dict[str, list[Metrics]] = {}
    for row in result.rows:
        if "tau" in row.metrics:
            kinds.setdefault(row.system.rpartition("τ=")[0].strip(", ") or "closed loop", []).append(row.metrics)
    panels = (("replans", "re-plans of a task"), ("steps_with_failures_as_limit", "steps, a failure counted as the limit"))
    for axes, (name, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for kind, points in kinds.items():
            axes.plot([one["tau"] for one in points], [one[name] for one in points], marker="o", label=kind)
        axes.set(xlabel="τ", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)


def _draw_cells(figure: Any, result: Result) -> None:
    """recall@5 of every system for each set, and how far ours lies from the better baseline in each cell."""
    sets = [part for part in result.rows[0].by if part in result.config["questions"]]
    rows = [row for row in result.rows if all(part in row.by for part in sets)]
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for place, row in enumerate(rows):
        values = [row.by[part]["recall@5"] for part in sets]
        shape = "*" if row.system.startswith("lamina") else "os^vDP"[place % 6]
        height = [at + 0.6 * (place / max(len(rows) - 1, 1) - 0.5) for at in range(len(sets))]
        left.plot(values, height, shape, markersize=11 if shape == "*" else 7, label=row.system)
    left.set(title="recall@5", xlim=(-0.03, 1), ylim=(len(sets) - 0.5, -0.5))
    left.set_yticks(range(len(sets)), sets)
    left.grid(axis="x", alpha=0.3)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=6)
    found = [(row.system, part, metrics) for row in result.rows for part, metrics in row.by.items() if part.startswith(AGAINST)]
    _intervals(right, [(f"{system}\n{part}", metrics) for system, part, metrics in found], "recall@5", "o")
    right.axvline(result.config["least_cell_points"], color="0.6", linestyle=":")
    right.set(title="difference in points, 95 % intervals", ylim=(len(found) - 0.5, -0.5))


def _draw_drops(figure: Any, result: Result) -> None:
    """How much recall@10 changes without each group of features, and where it is shuffled."""
    panels = {"fitted anew": ("without ", "shuffled ", "with "), "shipped weights": ("shipped without ", "shipped with ")}
    axes = figure.subplots(1, 2)
    for one, (title, starts) in zip(axes, panels.items(), strict=True):
        found = [
            (row.system, metrics)
            for row in result.rows
            for part, metrics in row.by.items()
            if part.startswith(AGAINST) and row.system.startswith(starts)
        ]
        _intervals(one, found, "recall@10", "")
        one.set(title=title, xlabel="recall@10, points from all features", ylim=(len(found) - 0.5, -0.5))


def _intervals(axes: Any, found: Sequence[tuple[str, Metrics]], measure: str, marker: str) -> None:
    """Differences with their intervals, one below the other: as bars, or as dots where a marker is given."""
    for place, (_, metrics) in enumerate(found):
        value, low, high = (metrics[f"{measure}{end}_points"] for end in ("", "_low", "_high"))
        color = f"C{place % 2}"
        if not marker:
            axes.barh(place, value, color=color, alpha=0.6)
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt=marker, color=color, capsize=3)
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_yticks(range(len(found)), [label for label, _ in found], fontsize=8)
    axes.grid(axis="x", alpha=0.3)
