"""Curves of recall against speed, bytes read and memory, growth on logarithmic axes, and the price of filters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lamina.bench.indexes.filters import masks_in_order
from lamina.bench.results import Result, Row

CURVE: Final = re.compile(r"(?P<system>[^,:]+), (?P<set>.+) (?P<count>[\d,]+), (?P<kind>[\w-]+) queries")
DISTANCES: Final = re.compile(r"distances: lamina-hnsw(?P<flat> in one layer)?, uniform, (?P<dim>\d+) dimensions")
FILTERS: Final = "filters: "
LATENCY: Final = "seconds_at_97"
GROWTH: Final = (
    ("build_processor_seconds", "build, processor s"),
    ("queries_per_second_at_95", "queries/s at recall 0.95"),
    ("resident_bytes", "memory, bytes"),
)
WIDTH: Final = 5.0  # inches of a panel
HEIGHT: Final = 4.0


def size(result: Result) -> tuple[float, float]:
    """Inches: a row of panels for each set and kind of queries, one for growth, one for distances, one for filters."""
    lines = _lines(result)
    return 3 * WIDTH, max(len(lines), 1) * HEIGHT


def draw(figure: Any, result: Result) -> None:
    """Everything that the result has."""
    lines = _lines(result)
    grid = figure.subplots(max(len(lines), 1), 3, squeeze=False)
    colours = {name: f"C{place % 10}" for place, name in enumerate(dict.fromkeys(_systems(result)))}
    for axes, (what, rows) in zip(grid, lines.items(), strict=False):
        if what == "growth":
            _growth(axes, rows, colours)
        elif what == "distances":
            _distances(axes, rows)
        elif what.startswith(FILTERS):
            _filters(axes, what, rows, colours)
        else:
            _curves(axes, what, rows, colours)
    for one in grid.flat:
        if not one.has_data():
            one.set_visible(False)
        else:
            one.grid(alpha=0.3)
            one.legend(frameon=False, fontsize=7)


def _systems(result: Result) -> list[str]:
    return [found["system"] for row in result.rows if (found := CURVE.fullmatch(row.system.removeprefix(FILTERS)))]


def _lines(result: Result) -> dict[str, list[tuple[Mapping[str, str], Row]]]:
    """What stands in one line of panels."""
    lines: dict[str, list[tuple[Mapping[str, str], Row]]] = {}
    sizes: dict[str, set[str]] = {}
    for row in result.rows:
        if found := CURVE.fullmatch(row.system):
            lines.setdefault(f"{found['set']} {found['count']}, {found['kind']}", []).append((found.groupdict(), row))
            sizes.setdefault(found["set"], set()).add(found["count"])
    for name, counts in sizes.items():
        if len(counts) > 1:
            every = [one for line in list(lines.values()) for one in line if one[0]["set"] == name]
            lines.setdefault("growth", []).extend(every)
    for row in result.rows:
        if found := DISTANCES.fullmatch(row.system):
            lines.setdefault("distances", []).append((found.groupdict(), row))
        elif row.system.startswith(FILTERS) and (found := CURVE.fullmatch(row.system.removeprefix(FILTERS))):
            lines.setdefault(f"{FILTERS}{found['set']} {found['count']}", []).append((found.groupdict(), row))
    return lines


def _curves(axes: Sequence[Any], what: str, rows: Sequence[tuple[Mapping[str, str], Row]], colours: Mapping[str, str]) -> None:
    """Queries a second, bytes read, and memory, each against recall."""
    for found, row in rows:
        name = found["system"]
        style: dict[str, Any] = {
            "color": colours[name],
            "marker": "o",
            "markersize": 3,
            "linewidth": 2 if name.startswith("lamina") else 1,
            "label": name,
        }
        points = sorted(
            ((one["recall"], one) for one in row.by.values() if "queries_per_second" in one), key=lambda pair: pair[0]
        )
        axes[0].plot([share for share, _ in points], [one["queries_per_second"] for _, one in points], **style)
        read = [(share, one["bytes_read"]) for share, one in points if one.get("bytes_read")]
        if read:
            axes[1].plot([share for share, _ in read], [size for _, size in read], **style)
        held = row.metrics.get("resident_bytes", 0)
        if held > 0:
            axes[2].plot([held] * len(points), [share for share, _ in points], **style)
    axes[0].set(title=what, xlabel="recall@10", ylabel="queries a second of the processor", yscale="log")
    axes[1].set(title=what, xlabel="recall@10", ylabel="bytes read a query", yscale="log")
    axes[2].set(title=what, xlabel="memory that the index holds, bytes", ylabel="recall@10", xscale="log")


def _growth(axes: Sequence[Any], rows: Sequence[tuple[Mapping[str, str], Row]], colours: Mapping[str, str]) -> None:
    lines: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    for found, row in rows:
        lines.setdefault((found["system"], found["kind"]), []).append((int(found["count"].replace(",", "")), row))
    kinds = list(dict.fromkeys(kind for _, kind in lines))
    for one, (name, title) in zip(axes, GROWTH, strict=True):
        for (system, kind), points in lines.items():
            if kind != kinds[0]:
                continue
            known = sorted((count, row.metrics[name]) for count, row in points if row.metrics.get(name, 0) > 0)
            if known:
                one.plot([a for a, _ in known], [b for _, b in known], marker="o", color=colours[system], label=system)
        one.set(title=title, xlabel="vectors", xscale="log", yscale="log")


def _distances(axes: Sequence[Any], rows: Sequence[tuple[Mapping[str, str], Row]]) -> None:
    dims = list(dict.fromkeys(found["dim"] for found, _ in rows))
    for found, row in rows:
        place = dims.index(found["dim"])
        points = [(one["vectors"], one["distances"]) for one in row.by.values() if "distances" in one]
        if place >= len(axes) or not points:
            continue
        flat = bool(found["flat"])
        axes[place].plot(
            [a for a, _ in points], [b for _, b in points], marker="s" if flat else "o", linestyle="--" if flat else "-",
            color=f"C{int(flat)}", label="one layer" if flat else f"layers (fit: r² {row.metrics.get('r_squared', 0):.3f})",
        )  # fmt: skip
        axes[place].set(
            title=f"uniform, {found['dim']} dimensions",
            xlabel="vectors",
            ylabel="distances at recall@1 0.95",
            xscale="log",
            yscale="log",
        )


def _filters(axes: Sequence[Any], what: str, rows: Sequence[tuple[Mapping[str, str], Row]], colours: Mapping[str, str]) -> None:
    order = masks_in_order()
    for found, row in rows:
        points = [(place, 1e3 * row.by[part][LATENCY]) for place, part in enumerate(order) if LATENCY in row.by.get(part, {})]
        if points:
            axes[0].plot(
                [a for a, _ in points], [b for _, b in points], marker="o", color=colours[found["system"]], label=found["system"]
            )
    axes[0].set(title=what, ylabel="ms of the processor a query, recall 0.97", yscale="log")
    axes[0].set_xticks(range(len(order)), [one.removesuffix(" of all") for one in order], fontsize=8)
