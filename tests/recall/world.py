"""Small worlds for the tests of recall: a store with random traces and vectors, its view, and the signals of a cue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.index.flat import FlatIndex
from lamina.index.view import ScopeView
from lamina.recall.cue import Cue, read_cue
from lamina.recall.features import Scene
from lamina.recall.signals import Signals
from lamina.records import Filter, Item
from lamina.storage import SQLiteStore
from lamina.times import DAY, parse_moment
from tests.storage.material import add, derived, trace

DIM = 6
NOW = parse_moment("2026-05-20T12:00:00+00:00").at
WORDS = (
    "boat",
    "sea",
    "storm",
    "port",
    "sail",
    "we",
    "Where?",
    "7",
    "yesterday",
    "the",
    "harbour",
    "ship",
    "in Porto",
    "and Tagus",
)
SPEAKERS = ("Ana", "Ben", None)


class World:
    """Random traces in nine sessions, some notes, some forgotten, some without a vector."""

    def __init__(self, seed: int, cue: str = "When did Ana see the storm at sea in May? How many boats? Where?", where: Filter | None = None,
                 make_index: Callable[[int], FlatIndex] = FlatIndex, count: int = 60) -> None:  # fmt: skip
        self.random = np.random.default_rng(seed)
        self.store = SQLiteStore(None)
        self.items = [self._item(number) for number in range(count)]
        keys = add(self.store, *self.items)
        with self.store.transaction():
            space = self.store.vectors.open_space("test", DIM)
            self.store.vectors.activate(space)
            have = [key for key in keys if self.random.random() < 0.9]
            self.store.vectors.put(space, have, self.random.normal(size=(len(have), DIM)).astype(np.float32))
            self.store.items.set_status([key for key in keys if self.random.random() < 0.1], 1, True)
        self.view = ScopeView(self.store, "", make_index).refresh()
        vector = self.random.normal(size=DIM).astype(np.float32)
        self.cue: Cue = read_cue(cue, speakers=["Ana", "Ben"], vector=vector, now=NOW)
        self.signals = Signals(self.view, self.cue, self.view.mask(where or Filter()))
        self.slots = np.flatnonzero(self.signals.allowed)
        self.scene = Scene(self.signals, self.slots)

    def _item(self, number: int) -> Item:
        text = " ".join(self.random.choice(WORDS, self.random.integers(1, 7)))
        at = NOW - int(self.random.integers(0, 60)) * DAY + number
        speaker = SPEAKERS[self.random.integers(3)]
        fields: dict[str, Any] = {
            "session": f"s{self.random.integers(9)}",
            "at": at,
            "data": {"speaker": speaker} if speaker else {},
        }
        if self.random.random() < 0.15:
            return derived("note" if number % 2 else "episode", text, [trace()], **fields)
        return trace(text, **fields)
