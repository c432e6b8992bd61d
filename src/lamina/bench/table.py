"""A result as a table for the terminal."""

from __future__ import annotations

from rich.table import Table

from lamina.bench.results import Metrics, Result

WIDE = 6  # metrics that stand side by side; more stand one below the other
AGAINST = "against "
"""Slices that begin so compare two systems; they are shown below the table."""


def result_table(result: Result, *, slices: bool = False) -> Table:
    """One line a system (and one a slice of it, if asked to), one column a metric; with many metrics, one line each."""
    names = list(dict.fromkeys(name for row in result.rows for name in row.metrics))
    table = Table(title=f"{result.benchmark}: {result.data}", title_justify="left")
    table.add_column("system")
    wide = len(names) <= WIDE
    for name in names if wide else ("metric", "value"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for row in result.rows:
        parts = {part: metrics for part, metrics in row.by.items() if slices and not part.startswith(AGAINST)}
        for part, metrics in {"": row.metrics, **parts}.items():
            label, style = (f"  {part}", "dim") if part else (row.system, "")
            if wide:
                table.add_row(label, *(_shown(metrics, name) for name in names), style=style)
                continue
            for place, name in enumerate(metrics):
                table.add_row("" if place else label, name, _shown(metrics, name), style=style)
    return table


def difference_table(result: Result) -> Table | None:
    """The paired differences between systems with their intervals; None where a result has none."""
    table = Table(title="differences in points, with 95 % intervals", title_justify="left")
    for name in ("system", "against", "metric"):
        table.add_column(name)
    for name in ("points", "low", "high"):
        table.add_column(name, justify="right")
    for row in result.rows:
        for part, metrics in row.by.items():
            if part.startswith(AGAINST):
                for name in [name.removesuffix("_low_points") for name in metrics if name.endswith("_low_points")]:
                    values = (metrics[f"{name}{end}_points"] for end in ("", "_low", "_high"))
                    table.add_row(row.system, part.removeprefix(AGAINST), name, *(f"{value:+.1f}" for value in values))
    return table if table.row_count else None


def _shown(metrics: Metrics, name: str) -> str:
    """A metric as people read it: fractions in percent, other figures with three digits."""
    if name not in metrics:
        return ""
    value = metrics[name]
    if "@" in name:
        return f"{100 * value:.1f}"
    if value and abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
