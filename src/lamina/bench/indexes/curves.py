"""Recall against queries a second, bytes read and memory: all systems in turns, each in its own process."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from lamina.bench.indexes.processes import Child, Kept
from lamina.bench.indexes.sets import Say, VectorSet
from lamina.bench.indexes.systems import System
from lamina.bench.indexes.truth import recall, truth
from lamina.bench.results import Row

ENOUGH: Final = 0.997  # recall beyond which no slower setting is asked
LEVELS: Final = (0.95, 0.99)
COPIED: Final = 0.9  # recall at whose bytes lists with copies are compared with lists without
AGAINST: Final = "hnswlib"
COPIES: Final = "lamina-spann"
UNCOPIED: Final = ("lamina-spann-single", "lamina-spann-nearest")
SLOW: Final = 60.0  # seconds of a round beyond which no more thorough setting is asked


def label(setting: dict[str, Any]) -> str:
    """A setting in words.

    >>> label({"ef": 32}), label({})
    ('ef=32', 'all')
    """
    return " ".join(f"{name}={value}" for name, value in setting.items()) or "all"


def open_all(stack: ExitStack, systems: list[System], data: VectorSet, kept: Kept) -> dict[str, Child]:
    """A process for each system with its index open; systems that are the same files, asked otherwise, share one."""
    children: dict[str, Child] = {}
    by_place: dict[Path, Child] = {}
    for system in systems:
        place = kept.place(system, data)
        if place not in by_place:
            by_place[place] = stack.enter_context(Child(system))
            by_place[place].ready(data)
            by_place[place].ask("open", base=str(data.base), folder=str(place))
        children[system.name] = by_place[place]
    return children


def measure(
    data: VectorSet, systems: list[System], kept: Kept, *, rounds: int, two_threads: bool, say: Say, scratch: Path
) -> list[Row]:
    """Rows of each kind of queries and system: building and memory, and by setting what came out."""
    took = kept.build_all(systems, data)
    systems = [system for system in systems if system.name in took]
    twice = {
        one.name: kept.build(one, data, threads=2)
        for one in systems
        if two_threads and one.kind in ("Graph", "Disk") and not one.built_as
    }
    rows = []
    with ExitStack() as stack:
        children = open_all(stack, systems, data, kept)
        curves = {kind: _curves(data, kind, systems, children, rounds, say, scratch) for kind in data.queries}
        memory = {name: child.ask("memory") for name, child in children.items()}
    for kind, by_system in curves.items():
        for system in systems:
            points = by_system[system.name]
            metrics = {**took[system.name], "resident_bytes": memory[system.name]["resident_bytes"]}
            if system.name in twice:
                metrics["build_2_threads_seconds"] = twice[system.name]["build_seconds"]
                metrics["build_2_threads_times_faster"] = took[system.name]["build_seconds"] / twice[system.name]["build_seconds"]
            metrics |= at_levels(points, by_system.get(AGAINST) if system.name != AGAINST else None)
            if system.name in UNCOPIED and COPIES in by_system:
                metrics |= at_equal_bytes(by_system[COPIES], points)
            if AGAINST in took and system.name != AGAINST:
                metrics["build_against_hnswlib"] = metrics["build_processor_seconds"] / took[AGAINST]["build_processor_seconds"]
                metrics["resident_against_hnswlib"] = metrics["resident_bytes"] / max(memory[AGAINST]["resident_bytes"], 1)
            rows.append(Row(title(data, kind, system.name), metrics, points))
    return rows


def title(data: VectorSet, kind: str, system: str) -> str:
    """What a row is called."""
    return f"{system}, {data.name} {data.count:,}, {kind} queries"


def _curves(
    data: VectorSet, kind: str, systems: list[System], children: dict[str, Child], rounds: int, say: Say, scratch: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """By system and setting: recall from a first round, then times of `rounds` rounds in which all systems take turns."""
    queries, base, edge = np.load(data.asked(kind)), data.vectors(), truth(data, kind)
    points: dict[str, dict[str, dict[str, float]]] = {system.name: {} for system in systems}
    settings: dict[tuple[str, str], dict[str, Any]] = {}
    for system in systems:
        say(f"index: recall of {system.name}, {data.name} {data.count:,}, {kind}")
        for one in system.settings:
            setting = dict(one)
            told = children[system.name].ask("round", kind=kind, setting=setting, keep=str(scratch / "found.npy"))
            share = recall(base, queries, np.load(scratch / "found.npy"), edge)
            counted = {name: value for name, value in told.items() if not name.endswith("seconds")}
            points[system.name][label(setting)] = {"recall": share, **counted}
            settings[system.name, label(setting)] = setting
            if share >= ENOUGH or told["seconds"] > SLOW:
                break
    times: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in settings}
    for turn in range(rounds):
        say(f"index: round {turn + 1} of {rounds}, {data.name} {data.count:,}, {kind}")
        for place in range(max(len(points[system.name]) for system in systems)):
            for system in systems:
                names = list(points[system.name])
                if place < len(names):
                    key = (system.name, names[place])
                    told = children[system.name].ask("round", kind=kind, setting=settings[key])
                    times[key].append((told["processor_seconds"], told["seconds"]))
    for (name, words), taken in times.items():
        processor, clock = np.median(np.array(taken), axis=0)
        points[name][words] |= {
            "queries_per_second": len(queries) / max(float(processor), 1e-9),
            "queries_per_clock_second": len(queries) / max(float(clock), 1e-9),
        }
    return points


def at_levels(points: dict[str, dict[str, float]], against: dict[str, dict[str, float]] | None) -> dict[str, float]:
    """Figures at equal recall, and how they stand to hnswlib's."""
    found = {}
    for level in LEVELS:
        percent = round(100 * level)
        for name in ("queries_per_second", "bytes_read", "lists_read", "distances"):
            value = at_recall(points, level, name)
            if value is not None:
                found[f"{name}_at_{percent}"] = value
        if against:
            equal = max(level, _least(points), _least(against))  # where both curves have begun
            mine, theirs = (at_recall(one, equal, "queries_per_second") for one in (points, against))
            if mine is not None and theirs is not None:
                found[f"times_hnswlib_at_{percent}"] = mine / theirs
    return found


def at_equal_bytes(copied: dict[str, dict[str, float]], other: dict[str, dict[str, float]]) -> dict[str, float]:
    """What other lists find with the bytes for which lists with copies find 0.9 of the best, and how much less that is.

    >>> points = {"a": {"recall": 0.8, "bytes_read": 100.0}, "b": {"recall": 1.0, "bytes_read": 400.0}}
    >>> found = at_equal_bytes({"x": {"recall": 0.9, "bytes_read": 200.0}}, points)
    >>> round(found["recall_at_equal_bytes"], 3), round(found["recall_that_copies_add"], 3)
    (0.9, 0.0)
    """
    size = at_recall(copied, COPIED, "bytes_read")
    known = sorted((one["bytes_read"], one["recall"]) for one in other.values() if one.get("bytes_read"))
    if size is None or not known:
        return {}
    level = max(COPIED, _least(copied))  # of a curve that begins above it
    share = float(np.interp(math.log(size), np.log([one for one, _ in known]), [one for _, one in known]))
    return {"recall_at_equal_bytes": share, "recall_that_copies_add": level - share} if known[0][0] <= size else {}


def _least(points: dict[str, dict[str, float]]) -> float:
    return min(one["recall"] for one in points.values())


def at_recall(points: dict[str, dict[str, float]], level: float, name: str) -> float | None:
    """A figure at a recall, on the line through the logarithms of the two settings around it; None where none reaches it.

    A curve that begins above the level gives its first point: it was not asked to be any quicker.

    >>> round(at_recall({"a": {"recall": 0.9, "x": 100.0}, "b": {"recall": 1.0, "x": 1.0}}, 0.95, "x"), 3)
    10.0
    """
    known = sorted((one["recall"], one[name]) for one in points.values() if one.get(name))
    for place, (share, value) in enumerate(known):
        if share >= level:
            if place == 0 or share == level:
                return value
            before, other = known[place - 1]
            part = (level - before) / (share - before)
            return math.exp((1 - part) * math.log(other) + part * math.log(value))
    return None


def as_json(rows: list[Row]) -> str:
    """Rows as they are kept in the work folder."""
    return json.dumps([[row.system, dict(row.metrics), dict(row.by)] for row in rows])


def from_json(text: str) -> list[Row]:
    """Rows that were kept."""
    return [Row(system, metrics, by) for system, metrics, by in json.loads(text)]
