"""A memory whose user always looks for the question somebody asked, never for the statements about the same thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamina import Hit, Memory

THINGS = (
    "boat", "violin", "garden", "bicycle", "kitchen", "telescope", "painting", "recipe", "mountain", "library", "dog", "letter",
    "lantern", "piano", "orchard", "tractor", "pantry", "compass", "statue", "soup", "valley", "archive", "parrot", "stamp",
)  # fmt: skip
"""Half of them are told of, the others show what was learned."""


@dataclass(frozen=True)
class Peculiar:
    """The memory, and the id of the wanted item for each thing."""

    memory: Memory
    wanted: dict[str, str]

    def hits(self, thing: str) -> list[Hit]:
        return self.memory.search(f"the {thing}", user="ana", k=10)

    def first(self, things: tuple[str, ...]) -> float:
        """How often the wanted one comes first."""
        return float(np.mean([self.hits(thing)[0].id == self.wanted[thing] for thing in things]))

    def tell(self, things: tuple[str, ...], chosen: Callable[[str, list[Hit]], str]) -> None:
        """For each thing, tell that one hit is good, and the best of the others bad."""
        for thing in things:
            hits = self.hits(thing)
            good = chosen(thing, hits)
            self.memory.feedback([hit for hit in hits if hit.id == good])
            self.memory.feedback(next(hit for hit in hits if hit.id != good), good=False)


def fill(memory: Memory) -> dict[str, str]:
    """Five messages about each thing, in a random order and each in a session of its own; returns the ids of the questions."""
    generator = np.random.default_rng(0)
    wanted: dict[str, str] = {}
    for thing in THINGS:
        said = [
            f"Where did the {thing} go?",
            f"The {thing} is old.",
            f"I like the {thing}.",
            f"The {thing} was sold.",
            f"Somebody spoke of the {thing}.",
        ]
        order = generator.permutation(len(said)).tolist()
        ids = memory.add([{"text": said[place], "session": f"{thing} {place}"} for place in order], user="ana")
        wanted[thing] = ids[order.index(0)]
    return wanted
