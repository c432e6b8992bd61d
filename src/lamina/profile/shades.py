"""Shades: the facets of a person, found as clusters of what he or she said, each with a title, a description, lines that cite their sources, and how sure it is.

Source: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (L1: clusters of memories, a shade for each). There a language model writes them; by rules, a title is the words that tell a
cluster from the rest, and a description is what is said in its middle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.cores import Clustered, CoreClusters
from lamina.errors import InputError
from lamina.profile.lines import Line, aspect_of, sureness
from lamina.profile.overview import told_of_oneself
from lamina.records import Item
from lamina.terms import ENGLISH, spoken_terms, terms
from lamina.text import sentences

LONGEST: Final = 240  # characters of a line
LEAST: Final = 2  # terms of a sentence that says anything


@dataclass(frozen=True, slots=True)
class Shade:
    """One facet of a person: `title`, `description`, `lines` (the most telling first), `confidence` in (0, 1), ids of the traces it rests on (`cites`, sorted), the world times of the
    `first` and the `last` of them (UTC microseconds), and who worded it (`by`)."""

    title: str
    description: str
    lines: tuple[Line, ...]
    confidence: float
    cites: tuple[str, ...]
    first: int
    last: int
    by: str = "rules"

    def as_json(self) -> dict[str, Any]:
        """The shade as JSON values."""
        return {
            "title": self.title, "description": self.description, "lines": [line.as_json() for line in self.lines], "confidence": self.confidence,
            "cites": list(self.cites), "first": self.first, "last": self.last, "by": self.by,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Shade:
        """Read what `as_json` gave; raises `InputError` for anything else."""
        try:
            return cls(
                str(values["title"]), str(values["description"]), tuple(map(Line.from_json, values["lines"])), float(values["confidence"]),
                tuple(map(str, values["cites"])), int(values["first"]), int(values["last"]), str(values["by"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{values!r} is no shade of a person ({error})") from None


def telling(text: str, language: str = ENGLISH) -> str:
    """What a text says, in a line: the sentences in which somebody tells of himself or herself, else the first that is no question; "" where it says nothing.

    >>> telling("Hi! Did I tell you? I planted tomatoes. It rains.")
    'I planted tomatoes.'
    """
    own = told_of_oneself(text)
    said = own or [one.strip() for one in sentences(text) if not one.strip().endswith("?") and len(terms(one, language)) >= LEAST]
    line = " ".join((" ".join(own) if own else said[0] if said else "").split())
    return line if len(line) <= LONGEST else line[:LONGEST].rpartition(" ")[0] + " …"


@dataclass(frozen=True)
class ShadeMaker:
    """Finds the shades of a person.

    Parameters: `clusters`, how memories are clustered; `compared`, how many of them at once (the first; later ones are added to their clusters); `most` shades, those with most
    memories; `lines` of each; `words` of a title. Raises `InputError` for numbers below 1.

    >>> texts = ["I dug the garden.", "The garden needs rain.", "I love my garden.", "My garden is wild.", "I lost a key.", "The bus was late."]
    >>> rows = np.eye(3, dtype=np.float32)[[0, 0, 0, 0, 1, 2]]
    >>> traces = [Item(str(n), "trace", text, at=n, recorded_at=n, key=n) for n, text in enumerate(texts)]
    >>> [shade.cites for shade in ShadeMaker(CoreClusters(keep=1.0)).shades(traces, dict(enumerate(rows)))[0]]
    [('0', '1', '2', '3')]
    """

    clusters: CoreClusters = field(default_factory=CoreClusters)
    compared: int = 1024
    most: int = 12
    lines: int = 5
    words: int = 3

    def __post_init__(self) -> None:
        if min(self.most, self.lines, self.words) < 1 or self.compared < 4:
            raise InputError("most, lines and words must each be at least 1, and compared at least 4")

    def shades(
        self, traces: Sequence[Item], vectors: Mapping[int, NDArray[np.float32]], language: str = ENGLISH
    ) -> tuple[list[Shade], Clustered | None]:
        """The shades of whom some traces, in the order of time, are; and the clusters below them. `vectors` by the key of a trace; what has none is in no shade."""
        said = [(trace, line) for trace in traces if trace.key in vectors and (line := telling(trace.text, language))]
        if len(said) < 2:
            return [], None
        found = self.clusters.grow(np.stack([vectors[trace.key] for trace, _ in said]), self.compared)
        spread: Counter[str] = Counter(term for trace, _ in said for term in set(terms(trace.text, language)))
        inside = [[said[row] for row in found.rows(cluster)] for cluster in range(found.count)]
        shades = [self._shade(one, spread, len(said), language) for one in inside]
        shades.sort(key=lambda one: (-len(one.cites), -one.last, one.cites))
        return shades[: self.most], found

    def _shade(self, said: Sequence[tuple[Item, str]], spread: Counter[str], every: int, language: str) -> Shade:
        """A shade of memories, the most telling first, among `every` one with a term in so many (`spread`)."""
        traces = [trace for trace, _ in said]
        same: dict[str, list[Item]] = {}
        written: dict[str, str] = {}
        for trace, line in said:
            same.setdefault(line.casefold(), []).append(trace)
            written.setdefault(line.casefold(), line)
        lines = [
            Line(
                written[key],
                aspect_of(written[key]),
                sureness(some),
                tuple(sorted(one.id for one in some)),
                max(one.at for one in some),
            )
            for key, some in list(same.items())[: self.lines]
        ]
        title = ", ".join(self._title(traces, spread, every, language)) or lines[0].text[:60]
        return Shade(
            title, " ".join(line.text for line in lines[:2]), tuple(lines), sureness(traces), tuple(sorted(one.id for one in traces)),
            min(one.at for one in traces), max(one.at for one in traces),
        )  # fmt: skip

    def _title(self, traces: Sequence[Item], spread: Counter[str], every: int, language: str) -> list[str]:
        """The words that tell some traces from all, as they are written most often; names of speakers are none."""
        names = {part for trace in traces for part in terms(trace.speaker or "", language)}
        inside: Counter[str] = Counter()
        spelt: dict[str, Counter[str]] = {}
        for trace in traces:
            for term, word in spoken_terms(trace.text, language).items():
                if term not in names and not word.isdigit() and len(word) > 2:
                    inside[term] += 1
                    spelt.setdefault(term, Counter())[word] += 1
        worth = {
            term: count * log((count / len(traces)) * every / spread[term]) for term, count in inside.items() if term in spread
        }
        best = sorted(worth, key=lambda term: (-round(worth[term], 9), term))[: self.words]
        return [min(spelt[term], key=lambda word: (-spelt[term][word], word)) for term in best]
