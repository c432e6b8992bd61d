"""How fast a recall is, how much memory it takes, and whether looking at candidates alone costs recall."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lamina.algorithms.scorers import recall_at_k
from lamina.bench.ranking.collections import Collection
from lamina.bench.results import Row
from lamina.bench.speed.child import USER, ask
from lamina.bench.speed.timing import Timings
from lamina.errors import LaminaError
from lamina.index.views import Views
from lamina.memory import Memory
from lamina.models.static import StaticEmbedder
from lamina.recall.recaller import Recaller
from lamina.recall.signals import Signals
from lamina.records import Filter, Run
from lamina.scopes import make_scope
from lamina.storage import open_store

HITS = 20
WARM = 5  # searches before the clock runs


def warm_search(path: Path, cues: Sequence[str]) -> dict[str, float]:
    """Searches in one scope, again and again in one process."""
    with Memory(path, read_only=True) as memory:
        for cue in cues[:WARM]:
            memory.search(cue, k=HITS, user=USER)
        times = Timings().take_all(partial(memory.search, cue, k=HITS, user=USER) for cue in cues)
    return times.metrics("search")


def footprint(path: Path, cues: Sequence[str]) -> dict[str, float]:
    """What a fresh process needs to open a file and to search it."""
    done = ask("resident", str(path), *cues[:20])
    if done.returncode:
        raise LaminaError(f"the process that opens {path.name} failed: {done.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def many_scopes(path: Path, messages: Sequence[dict[str, Any]], scopes: int, cues: Sequence[str], seed: int) -> Row:
    """Searches in scopes picked at random out of many: the first in a scope, and later ones."""
    generator = random.Random(seed)
    share = len(messages) // scopes
    with Memory(path, embedder="wordllama") as memory:
        for place in range(scopes):
            memory.add_many(messages[place * share : (place + 1) * share], user=f"user {place}")
        memory.flush()
        memory.search(cues[0], k=HITS, user="user 0")
        visited = generator.sample(range(1, scopes), min(len(cues), scopes - 1))
        calls = [partial(memory.search, cue, k=HITS, user=f"user {place}") for cue, place in zip(cues, visited, strict=False)]
        first, again = Timings().take_all(calls), Timings().take_all(calls)
    return Row(
        f"lamina, {scopes:,} scopes of {share} messages", {**again.metrics("search"), **first.metrics("first_search_in_scope")}
    )


class Everything:
    """Proposes every slot: recall without candidates."""

    def candidates(self, signals: Signals, k: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """All slots the filter lets through."""
        return np.flatnonzero(signals.allowed)


def pruning(path: Path, collections: Sequence[Collection], questions: int, seed: int, say: Callable[[str], None]) -> list[Row]:
    """Recall@20 with and without candidate sources, after whole conversations were mixed into the one large scope."""
    with Memory(path) as memory:
        for one in collections:
            mixed = [replace(p, id=f"{one.name}/{p.id}", session=f"{one.name}/{p.session}").message() for p in one.passages]
            memory.add_many(mixed, user=USER)
        memory.flush()
    asked = [(question.text, {f"{one.name}/{id}" for id in question.gold}) for one in collections for question in one.questions]
    asked = random.Random(seed).sample(asked, min(questions, len(asked)))
    where, embedder = Filter(scope=make_scope(user=USER)), StaticEmbedder()
    store = open_store(path, read_only=True)
    views, run = Views(store), Run()
    systems = {
        "lamina, candidates only": Recaller(store, views, lambda: embedder, run),
        "lamina, every message scored": Recaller(store, views, lambda: embedder, run, sources=(Everything(),)),
    }
    rows = []
    for name, recaller in systems.items():
        say(f"speed: {name}")
        recalls = [
            recall_at_k([hit.item.origin for hit in recaller.search(text, where, HITS)], gold, HITS) for text, gold in asked
        ]
        size = float(len(views.get(where.scope)))
        rows.append(Row(name, {f"recall@{HITS}": float(np.mean(recalls)), "questions": float(len(asked)), "messages": size}))
    store.close()
    return rows


def import_seconds(repeats: int = 7) -> float:
    """The median time of `from lamina import Memory` in fresh processes."""
    code = "import time; begin = time.perf_counter(); from lamina import Memory; print(time.perf_counter() - begin)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(repeats)]
    return statistics.median(float(run.stdout) for run in runs)
