"""A graph of phrases from triples, searched by Personalized PageRank: HippoRAG as its authors describe it.

What recall uses by default is simpler and was measured to do as well (`lamina.recall.walk`): names by spelling instead of triples, items as nodes.
This is the mechanism itself, for those who bring triples and want it apart, and what the other is measured against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.pagerank import Graph, PersonalizedPageRank
from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError, NotFoundError
from lamina.names import phrase
from lamina.semantic.triples import Triple

Vectors = NDArray[np.float32]
Values = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Vectors]
BLOCK = 1024  # phrases compared at once
LIKE = 100  # phrases like one that are joined to it, at most
SHORTEST = 3  # letters and digits of a phrase that is joined to others


@dataclass(frozen=True)
class HippoRAG:
    """How a graph of phrases is built and walked.

    Parameters: `damping`, the probability of following an edge; `synonym`, the cosine from which two phrases are joined (above 1: none are);
    `specificity`, whether a phrase starts walks by one over the number of texts it is in; `spread`, whether there is a walk at all, or the
    phrases of the cue count alone; `variant`: "v1"
    (a text scores what its phrases have, as often as its facts name them) or "v2" (texts are nodes themselves, and walks start at the phrases
    of the facts nearest to the cue and, a little, at every text); `facts`, `phrases`, how many start a walk of v2; `on_texts`, the weight of all texts'
    starts there.

    Where a pair of phrases is both stated and alike, the larger weight holds (the authors' code overwrites the first by the second).

    Sources: B. J. Gutiérrez, Y. Shu, Y. Gu, M. Yasunaga and Y. Su, "HippoRAG: Neurobiologically Inspired Long-Term Memory for Large Language Models", 2024;
    B. J. Gutiérrez, Y. Shu, W. Qi, S. Zhou and Y. Su, "From RAG to Memory: Non-Parametric Continual Learning for Large Language Models", 2025.
    """

    damping: float = 0.5
    synonym: float = 0.8
    specificity: bool = True
    spread: bool = True
    variant: Literal["v1", "v2"] = "v1"
    facts: int = 5
    phrases: int = 5
    on_texts: float = 0.05

    def __post_init__(self) -> None:
        PersonalizedPageRank(self.damping)
        if not 0 <= self.synonym <= 2:
            raise InputError(f"synonym is a cosine from 0 to 1 (more: no synonyms), not {self.synonym}")
        if self.variant not in ("v1", "v2"):
            raise InputError(f"variant must be 'v1' or 'v2', not {self.variant!r}")
        if min(self.facts, self.phrases) < 1 or self.on_texts < 0:
            raise InputError("facts and phrases must be at least 1, on_texts at least 0")


class PhraseGraph:
    """Texts by the phrases of their triples; texts come and go one by one, and the graph is what it would be if built anew.

    Parameters: `embed`, vectors of phrases and facts, rows of any length; `rules`.

    >>> from lamina.models.static import StaticEmbedder
    >>> graph = PhraseGraph(StaticEmbedder().embed)
    >>> graph.insert("a", [("Marta", "founded", "Lantern Society")])
    >>> graph.insert("b", [("Lantern Society", "sits in", "Odermouth")])
    >>> graph.insert("c", [("Ana", "likes", "Lisbon")])
    >>> [id for id, _ in graph.search(["Marta"])[:2]]
    ['a', 'b']
    """

    def __init__(self, embed: Embed, rules: HippoRAG | None = None) -> None:
        self.rules = rules or HippoRAG()
        self._embed = embed
        self._texts: dict[str, tuple[Triple, ...]] = {}
        self._vectors: dict[str, Vectors] = {}  # of phrases and facts, kept while somebody may need them again
        self._built: _Built | None = None

    def __len__(self) -> int:
        return len(self._texts)

    def insert(self, id: str, triples: Sequence[Triple]) -> None:
        """Add a text with its triples. Raises `InputError` where the id is taken."""
        if id in self._texts:
            raise InputError(f"there is a text {id!r} already: delete it first")
        said = ((phrase(s), phrase(r), phrase(o)) for s, r, o in triples)
        self._texts[id] = tuple(one for one in said if one[0] and one[2])
        self._built = None

    def delete(self, id: str) -> None:
        """Take a text away, with the facts and phrases that no other has. Raises `NotFoundError`."""
        if id not in self._texts:
            raise NotFoundError(f"there is no text {id!r} in the graph")
        del self._texts[id]
        self._built = None

    def edges(self) -> dict[tuple[str, str], float]:
        """The weight between any two phrases (or, in v2, a phrase and "text " with an id), in the order of the alphabet."""
        built = self._made()
        names = [*built.phrases, *(f"text {id}" for id in built.ids)]
        rows = np.repeat(np.arange(len(built.graph)), np.diff(built.graph.starts))
        pairs = zip(rows.tolist(), built.graph.ends.tolist(), built.graph.weights.tolist(), strict=True)
        return {(names[a], names[b]): weight for a, b, weight in pairs if names[a] <= names[b]}

    def search(
        self, entities: Sequence[str], *, cue: Vectors | None = None, dense: Mapping[str, float] | None = None,
        keep: Callable[[Sequence[Triple]], Sequence[Triple]] | None = None,
    ) -> list[tuple[str, float]]:  # fmt: skip
        """The ids of all texts with their scores, best first.

        Parameters: `entities`, names in the cue (v1 starts at the phrase nearest to each); `cue`, the cue's vector, and `dense`, how well each text answers it by
        itself (v2 needs both; v1 falls back on `dense` where the cue has no names); `keep`, which of the nearest facts matter (v2: a model's judgement). Where none is
        left, the order is that of `dense`. Raises `InputError` for an empty graph, and where nothing says where to start.
        """
        if not self._texts:
            raise InputError("the graph is empty: insert texts first")
        built = self._made()
        base = np.array([0.0 if dense is None else dense.get(id, 0.0) for id in built.ids])
        start = self._start_v2(built, cue, base, keep) if self.rules.variant == "v2" else self._start_v1(built, entities)
        if start is None:
            if dense is None:
                raise InputError("the cue names nothing to start from, and there are no dense scores to fall back on")
            return _ranked(built.ids, base)
        mass = PersonalizedPageRank(self.rules.damping, residual=1e-9).of(built.graph, start) if self.rules.spread else start
        count = len(built.phrases)
        if self.rules.variant == "v2":
            return _ranked(built.ids, mass[count:])
        return _ranked(built.ids, np.bincount(built.text, built.times * mass[built.phrase], len(built.ids)).astype(np.float64))

    def mass(self, entities: Sequence[str]) -> dict[str, float]:
        """What a walk from some entities spends at each phrase (v1)."""
        built = self._made()
        start = self._start_v1(built, entities)
        if start is None:
            return {}
        found = PersonalizedPageRank(self.rules.damping, residual=1e-9).of(built.graph, start)
        return dict(zip(built.phrases, found.tolist(), strict=False))

    def _start_v1(self, built: _Built, entities: Sequence[str]) -> Values | None:
        """One over the number of texts of the phrase nearest to each entity."""
        said = [one for one in map(phrase, entities) if one]
        if not said or not built.phrases:
            return None
        near = (self._rows(said) @ built.vectors.T).argmax(axis=1)
        start = np.zeros(len(built.graph))
        start[near] = 1 / np.maximum(built.texts_with[near], 1) if self.rules.specificity else 1
        return start

    def _start_v2(
        self, built: _Built, cue: Vectors | None, base: Values, keep: Callable[[Sequence[Triple]], Sequence[Triple]] | None
    ) -> Values | None:
        """The phrases of the facts nearest to the cue, and every text a little."""
        if cue is None:
            raise InputError("v2 starts from the cue's vector: give cue=")
        if not built.facts:
            return None
        unit = unit_rows(np.asarray(cue, np.float32)[None])[0]
        scores = _scaled(self._rows([" ".join(fact) for fact in built.facts]) @ unit)
        nearest = np.argsort(-scores, kind="stable")[: self.rules.facts].tolist()
        kept = (
            [built.facts[place] for place in nearest] if keep is None else list(keep([built.facts[place] for place in nearest]))
        )
        worth: dict[int, list[float]] = {}
        for place in nearest:
            if built.facts[place] in kept:
                for one in {built.facts[place][0], built.facts[place][2]}:
                    number = built.number[one]
                    specific = built.texts_with[number] if self.rules.specificity else 1
                    worth.setdefault(number, []).append(float(scores[place]) / max(specific, 1))
        if not any(map(sum, worth.values())):
            return None
        start = np.zeros(len(built.graph))
        best = sorted(worth, key=lambda number: (-np.mean(worth[number]), number))[: self.rules.phrases]
        for number in best:
            start[number] = np.mean(worth[number])
        start[len(built.phrases) :] = self.rules.on_texts * _scaled(base)
        return start

    def _rows(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, shape (texts, dim)."""
        new = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        if new:
            self._vectors.update(zip(new, unit_rows(np.asarray(self._embed(new), np.float32)), strict=True))
        return np.stack([self._vectors[text] for text in texts])

    def _made(self) -> _Built:
        if self._built is None:
            self._built = _Built(self._texts, self._rows, self.rules)
        return self._built


@dataclass(eq=False)
class _Built:
    """What a walk needs, from all texts at once; in the order of ids and phrases, so that the order of arrival leaves no trace."""

    given: Mapping[str, Sequence[Triple]]
    rows: Callable[[Sequence[str]], Vectors]
    rules: HippoRAG
    ids: list[str] = field(init=False)
    facts: list[Triple] = field(init=False)
    phrases: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = sorted(self.given)
        self.facts = sorted({fact for facts in self.given.values() for fact in facts})
        self.phrases = sorted({end for fact in self.facts for end in (fact[0], fact[2])})
        pairs = Counter(
            (place, self.number[end])
            for place, id in enumerate(self.ids)
            for fact in set(self.given[id])
            for end in {fact[0], fact[2]}
        )
        self.text, self.phrase = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
        self.times = np.array(list(pairs.values()), np.float64)  # distinct facts of the text that have the phrase
        self.texts_with = np.bincount(self.phrase, minlength=len(self.phrases))

    @cached_property
    def number(self) -> dict[str, int]:
        """The place of each phrase."""
        return {one: place for place, one in enumerate(self.phrases)}

    @cached_property
    def vectors(self) -> Vectors:
        """Vectors of the phrases, shape (phrases, dim)."""
        return self.rows(self.phrases)

    @cached_property
    def graph(self) -> Graph:
        """Phrases, then (in v2) texts."""
        weights: Counter[tuple[int, int]] = Counter()
        for facts in self.given.values():
            for subject, _, other in facts:
                if subject != other:
                    one, two = sorted((self.number[subject], self.number[other]))
                    weights[one, two] += 1
        found: dict[tuple[int, int], float] = dict(weights)
        for pair, cosine in self._alike():
            found[pair] = max(found.get(pair, 0.0), cosine)
        count = len(self.phrases)
        if self.rules.variant == "v2":
            found |= {(place, count + text): 1.0 for text, place in zip(self.text.tolist(), self.phrase.tolist(), strict=True)}
            count += len(self.ids)
        ends = np.array(list(found), np.int64).reshape(-1, 2)
        return Graph.of(count, ends[:, 0], ends[:, 1], np.array(list(found.values())))

    def _alike(self) -> list[tuple[tuple[int, int], float]]:
        """Pairs of phrases whose vectors are close."""
        if self.rules.synonym > 1 or not self.phrases:
            return []
        long = np.array([sum(map(len, one.split())) >= SHORTEST for one in self.phrases])
        found = []
        for begin in range(0, len(self.phrases), BLOCK):
            cosines = self.vectors[begin : begin + BLOCK] @ self.vectors.T
            for row in np.flatnonzero((cosines >= self.rules.synonym).sum(axis=1) > 1).tolist():
                if not long[begin + row]:
                    continue
                near = np.flatnonzero(cosines[row] >= self.rules.synonym)
                near = near[np.argsort(-cosines[row, near], kind="stable")][: LIKE + 1]
                found += [
                    ((min(begin + row, other), max(begin + row, other)), float(cosines[row, other]))
                    for other in near.tolist()
                    if other != begin + row
                ]
        return found


def _scaled(values: NDArray[np.floating]) -> Values:
    """Between 0 and 1; all 1 where they are the same."""
    low, high = float(values.min()), float(values.max())
    return np.ones(len(values)) if high <= low else np.asarray((values - low) / (high - low), np.float64)


def _ranked(ids: Sequence[str], scores: Values) -> list[tuple[str, float]]:
    """Best first; equal ones in the order of their ids."""
    return [(ids[place], float(scores[place])) for place in np.argsort(-scores, kind="stable").tolist()]
