"""Filtered searches: what a query costs at equal recall, among few of the vectors and among all."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.curves import label, open_all, title
from lamina.bench.indexes.processes import Child, Kept
from lamina.bench.indexes.sets import Say, VectorSet
from lamina.bench.indexes.systems import System
from lamina.bench.indexes.truth import recall, region, truth
from lamina.bench.indexes.windows import HELD
from lamina.bench.processes import ProcessFailedError
from lamina.bench.results import Row

SHARES: Final = (0.5, 0.1, 0.01, 0.001)
TARGET: Final = 0.97
QUERIES: Final = 200
FEW: Final = 20  # queries of a first look, by which what takes seconds is left out
SLOW: Final = 0.1  # seconds a query from which on no more thorough setting is asked
REGION: Final = 0.02  # share of all vectors that lie in the region


def masks_in_order() -> list[str]:
    """The names of the filters, from none at all on.

    >>> masks_in_order()[:2]
    ['all', '0.5 of all']
    """
    return ["all", *(f"{share:g} of all" for share in SHARES), "region", "scope"]


def masks(data: VectorSet, seed: int) -> dict[str, NDArray[np.bool_]]:
    """The filters: random shares, the vectors of a region, and those of a scope (one of 64 parts of the texts)."""
    random = np.random.default_rng([seed, 3])
    found = {}
    for share in SHARES:
        allow = np.zeros(data.count, np.bool_)
        allow[random.choice(data.count, max(round(share * data.count), 1), replace=False)] = True
        found[f"{share:g} of all"] = allow
    found["region"] = region(data.vectors(), REGION, seed)
    found["scope"] = data.groups() == 17
    return found


def measure(data: VectorSet, systems: list[System], kept: Kept, *, rounds: int, seed: int, say: Say, scratch: Path) -> list[Row]:
    """A row a system: seconds of the processor for a query asked alone at recall 0.97, for each filter and without one."""
    took = kept.build_all(systems, data)
    systems = [system for system in systems if system.name in took]
    kind = HELD if HELD in data.queries else data.queries[0]
    chosen = masks(data, seed)
    found: dict[str, dict[str, dict[str, float]]] = {system.name: {} for system in systems}
    with ExitStack() as stack:
        children = open_all(stack, systems, data, kept)
        for name, allow in {"all": None, **chosen}.items():
            say(f"index: filter {name}, {data.name} {data.count:,}")
            path = scratch / "allow.npy"
            if allow is not None:
                np.save(path, allow)
            asking = Asking(data, kind, allow, truth(data, kind, allow, f"{name.replace(' ', '-')}-{seed}"), scratch, rounds)
            allowed = []
            for system in systems:
                try:
                    children[system.name].ask("permit", path=None if allow is None else str(path))
                except ProcessFailedError:  # the library has no filters
                    continue
                allowed.append(system)
            for system_name, metrics in asking.all(allowed, children).items():
                found[system_name][name] = {**metrics, "allowed": float(data.count if allow is None else allow.sum())}
    return [_row(data, kind, name, by) for name, by in found.items()]


def _row(data: VectorSet, kind: str, name: str, by: dict[str, dict[str, float]]) -> Row:
    """How many times as long as without a filter each filter takes."""
    plain = by.get("all", {}).get("seconds_at_97")
    times = {
        f"times_unfiltered, {part}": metrics["seconds_at_97"] / plain
        for part, metrics in by.items()
        if plain and part != "all" and "seconds_at_97" in metrics
    }
    return Row(f"filters: {title(data, kind, name)}", {**({"unfiltered_seconds_at_97": plain} if plain else {}), **times}, by)


class Asking:
    """Asks queries one at a time under one filter."""

    def __init__(
        self, data: VectorSet, kind: str, allow: NDArray[np.bool_] | None, edge: NDArray[np.float32], scratch: Path, rounds: int
    ) -> None:
        self.allow, self._slow = allow, set[str]()
        self.kind, self.edge, self.rounds, self.keep = kind, edge[:QUERIES], rounds, scratch / "found.npy"
        self.base, self.queries = data.vectors(), np.load(data.asked(kind))[:QUERIES]

    def all(self, systems: list[System], children: dict[str, Child]) -> dict[str, dict[str, float]]:
        """By system: the figures at the target, from rounds in which all take turns at the settings around it."""
        near: dict[str, list[tuple[dict[str, Any], float, str]]] = {}
        for system in systems:
            near[system.name] = self._around(system, children[system.name])
        times: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(self.rounds):
            for place in range(2):
                for name, points in near.items():
                    if place < len(points):
                        setting = points[place][0]
                        count = min(FEW if name in self._slow else QUERIES, len(self.queries))
                        told = children[name].ask("singly", kind=self.kind, setting=setting, count=count)
                        times.setdefault((name, label(setting)), []).append(
                            (told["processor_seconds"] / count, told["p50_seconds"])
                        )
        return {name: self._at(points, name, times) for name, points in near.items()}

    def _around(self, system: System, child: Child) -> list[tuple[dict[str, Any], float, str]]:
        """The last setting below the target and the first that reaches it, each with its recall and plan."""
        before: list[tuple[dict[str, Any], float, str]] = []
        for one in system.settings:
            setting = dict(one)
            first = child.ask("singly", kind=self.kind, setting=setting, count=FEW, keep=str(self.keep))
            if first["processor_seconds"] / FEW > SLOW / 10:
                self._slow.add(system.name)
            else:
                first = child.ask("singly", kind=self.kind, setting=setting, count=QUERIES, keep=str(self.keep))
            found = np.load(self.keep)
            share = recall(self.base, self.queries[: len(found)], found, self.edge[: len(found)], self.allow)
            point = (setting, share, str(first["plan"]))
            if point[1] >= TARGET:
                return [*before[-1:], point]
            before.append(point)
            if first["processor_seconds"] / len(found) > SLOW:
                break
        return before[-1:]

    def _at(
        self, points: list[tuple[dict[str, Any], float, str]], name: str, times: dict[tuple[str, str], list[tuple[float, float]]]
    ) -> dict[str, float]:
        metrics: dict[str, float] = {}
        seconds = []
        for setting, share, plan in points:
            processor, clock = np.median(np.array(times[name, label(setting)]), axis=0)
            seconds.append((share, float(processor)))
            metrics |= {
                "recall": share,
                "seconds": float(processor),
                "p50_clock_seconds": float(clock),
                **{k: float(v) for k, v in setting.items()},
            }
            if plan:
                metrics |= {f"plan {plan}": 1.0}
        if seconds[-1][0] >= TARGET:
            metrics["seconds_at_97"] = seconds[-1][1]
            if len(seconds) == 2 and seconds[1][0] > seconds[0][0]:
                part = (TARGET - seconds[0][0]) / (seconds[1][0] - seconds[0][0])
                metrics["seconds_at_97"] = math.exp((1 - part) * math.log(seconds[0][1]) + part * math.log(seconds[1][1]))
        return metrics
