"""Which items belong to which categories of a tree, judged anew from what experts said of other trees; and siblings that do not fit together.

Source: C.-C. Hsu, E. Bransom, J. Sparks, B. Kuehl, C. Tan, D. Wadden, L. L. Wang, A. Naik, "CHIME: LLM-Assisted Hierarchical Organization of
Scientific Studies for Literature Review Support", 2024. Its corrector is a fine-tuned language model of 250 million weights; here it is a logistic regression on seven
features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.newton import minimise
from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError
from lamina.models.protocols import Embedder
from lamina.semantic.category_lists import Category
from lamina.terms import ENGLISH, terms

FEATURES: Final = ("name", "path", "listed_mean", "names_overlap", "listed_overlap", "listed", "listed_above", "depth")
"""Cosines of the item with the category's name, with its path, and with the mean of the other items listed in it; the share of the item's words that
stand in the names of the path, and that stand in the other items; whether it was listed, whether in the parent too (1 for roots); the depth."""

Matrix = NDArray[np.float64]
Rule = Literal["paths", "upwards"]
Labels = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Judged:
    """Trees over some items as one list of nodes: `paths` of names, `parents` (nodes,) as places in it (-1 for roots), and `listed` (nodes, items)."""

    paths: tuple[tuple[str, ...], ...]
    parents: NDArray[np.int64]
    listed: Labels

    @classmethod
    def of(cls, trees: Sequence[Category], items: int) -> Judged:
        """The nodes of some trees, parents before children. Raises `InputError` for an item that does not exist."""
        paths: list[tuple[str, ...]] = []
        parents: list[int] = []
        rows: list[Labels] = []

        def add(category: Category, path: tuple[str, ...], parent: int) -> None:
            row = np.zeros(items, np.bool_)
            if any(not 0 <= one < items for one in category.items):
                raise InputError(f"category {category.name!r} lists an item that does not exist: they go from 0 to {items - 1}")
            row[list(category.items)] = True
            here = len(paths)
            paths.append((*path, category.name))
            parents.append(parent)
            rows.append(row)
            for child in category.children:
                add(child, paths[here], here)

        for tree in trees:
            add(tree, (), -1)
        return cls(tuple(paths), np.array(parents, np.int64), np.array(rows, np.bool_).reshape(-1, items))

    def along_paths(self, labels: Labels) -> Labels:
        """What belongs to a category and to every one above it, (nodes, items): the rule by which the final tree is read.

        >>> tree = Judged.of([Category("a", (0,), (Category("b", (0, 1)),))], 2)
        >>> tree.along_paths(tree.listed).tolist()
        [[True, False], [True, False]]
        """
        found = np.array(labels, np.bool_)
        for node, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                found[node] &= found[parent]
        return found

    def upwards(self, labels: Labels) -> Labels:
        """The same with everything that belongs to a category belonging to those above it, (nodes, items)."""
        found = np.array(labels, np.bool_)
        for node in range(len(self.parents) - 1, -1, -1):
            if self.parents[node] >= 0:
                found[self.parents[node]] |= found[node]
        return found

    @cached_property
    def violations(self) -> float:
        """The share of edges whose child lists an item that its parent does not."""
        edges = [(node, parent) for node, parent in enumerate(self.parents.tolist()) if parent >= 0]
        return float(np.mean([(self.listed[node] & ~self.listed[parent]).any() for node, parent in edges])) if edges else 0.0

    def features(self, texts: Sequence[str], embedder: Embedder, language: str = ENGLISH) -> Matrix:
        """What is known of each pair of node and item, (nodes · items, features)."""
        if len(texts) != self.listed.shape[1]:
            raise InputError(f"{len(texts)} texts for {self.listed.shape[1]} items")
        if not len(self.paths):
            return np.zeros((0, len(FEATURES)))
        items = embedder.embed(list(texts))
        middle = items.mean(axis=0)
        items = unit_rows(items - middle)
        names = unit_rows(embedder.embed([path[-1] for path in self.paths]) - middle)
        paths = unit_rows(embedder.embed([": ".join(path) for path in self.paths]) - middle)
        words = [frozenset(terms(text, language)) for text in texts]
        rows = []
        for node, path in enumerate(self.paths):
            inside = self.listed[node]
            total = items[inside].sum(axis=0)
            others = unit_rows(total[None] - items * inside[:, None])  # without the item itself
            named = frozenset(terms(" ".join(path), language))
            common = _spread([words[one] for one in np.flatnonzero(inside)])
            above = self.listed[self.parents[node]] if self.parents[node] >= 0 else np.ones(len(texts), np.bool_)
            rows.append(
                np.column_stack(
                    [
                        items @ names[node],
                        items @ paths[node],
                        (items * others).sum(axis=1),
                        [_share(one, named) for one in words],
                        [_among(one, common, inside[place]) for place, one in enumerate(words)],
                        inside,
                        above,
                        np.full(len(texts), len(path)),
                    ]
                )
            )
        return np.concatenate(rows).astype(np.float64)


def _spread(inside: Sequence[frozenset[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for words in inside:
        for word in words:
            found[word] = found.get(word, 0) + 1
    return found


def _share(words: frozenset[str], named: frozenset[str]) -> float:
    return len(words & named) / max(len(words), 1)


def _among(words: frozenset[str], spread: dict[str, int], itself: bool) -> float:
    """The share of an item's words that stand in another item of the category."""
    return sum(spread.get(word, 0) > itself for word in words) / max(len(words), 1)


@dataclass(frozen=True, eq=False)
class _Likelihood:
    """The logistic loss with a ridge on all weights but the first; `rows` (pairs, weights), `labels` (pairs,)."""

    rows: Matrix
    labels: Matrix
    ridge: float

    def value(self, weights: Matrix) -> float:
        scores = self.rows @ weights
        return float((np.logaddexp(0, scores) - self.labels * scores).sum() + self.ridge / 2 * (weights[1:] ** 2).sum())

    def derivatives(self, weights: Matrix) -> tuple[float, Matrix, Matrix]:
        chance = _chance(self.rows @ weights)
        pull = np.full(len(weights), self.ridge)
        pull[0] = 1e-9
        slope = self.rows.T @ (chance - self.labels) + pull * weights
        return self.value(weights), slope, (self.rows * (chance * (1 - chance))[:, None]).T @ self.rows + np.diag(pull)


def _chance(scores: Matrix) -> Matrix:
    return np.asarray(1 / (1 + np.exp(-np.clip(scores, -500, 500))))


@dataclass(frozen=True, eq=False)
class Example:
    """A tree that an expert judged: `judged`, the `features` of its pairs (see `Judged.features`), and what belongs where, `truth` (nodes, items)."""

    judged: Judged
    features: Matrix
    truth: Labels


@dataclass(frozen=True, eq=False)
class Corrector:
    """Says how likely an item belongs to a category, of all pairs: it adds and takes away.

    Parameters: `weights` (features + 1,), the first one alone; `mean` and `spread` of the features (features,); `threshold` of the chance from which an
    item belongs; `rule`, what holds along a path: "paths", an item belongs to a category if it does to all above it (source); "upwards", it belongs to all above
    a category it belongs to (ours). Made by `fit`.
    """

    weights: Matrix
    mean: Matrix
    spread: Matrix
    threshold: float = 0.5
    rule: Rule = "paths"

    @classmethod
    def fit(cls, examples: Sequence[Example], rule: Rule = "paths", ridge: float = 1.0) -> Corrector:
        """A corrector from trees that experts judged. Raises `InputError` for features of another form, and for labels of one kind only.

        The threshold is the one with the best F1 on these trees under the rule. Split by topic, not by pair, to judge it.
        """
        if rule not in get_args(Rule):
            raise InputError(f"the rule must be 'paths' or 'upwards', not {rule!r}")
        if any(
            one.features.shape != (one.truth.size, len(FEATURES)) or one.truth.shape != one.judged.listed.shape
            for one in examples
        ):
            raise InputError(f"an example needs a label and {len(FEATURES)} features for each pair of node and item")
        rows = np.concatenate([one.features for one in examples]) if examples else np.zeros((0, len(FEATURES)))
        truth = np.concatenate([one.truth.ravel() for one in examples]) if examples else np.zeros(0, np.bool_)
        if not np.isfinite(rows).all() or truth.all() or not truth.any():
            raise InputError(
                "a corrector is fitted on finite features of pairs of both kinds: some that belong together and some that do not"
            )
        mean, spread = rows.mean(axis=0), rows.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        scaled = np.column_stack([np.ones(len(rows)), (rows - mean) / spread])
        weights = minimise(_Likelihood(scaled, truth.astype(np.float64), ridge), scaled.shape[1], steps=50, tolerance=1e-9)
        made = cls(weights, mean, spread, rule=rule)

        def f1(threshold: float) -> float:
            tried = replace(made, threshold=threshold)
            return float(np.mean([pair_score(tried.labels(one.judged, one.features), one.truth)[2] for one in examples]))

        return replace(made, threshold=max((round(0.05 * step, 2) for step in range(1, 20)), key=f1))

    def chances(self, features: Matrix) -> Matrix:
        """How likely each pair belongs together, (pairs,)."""
        return _chance(self.weights[0] + ((features - self.mean) / self.spread) @ self.weights[1:])

    def labels(self, judged: Judged, features: Matrix) -> Labels:
        """What belongs where, (nodes, items), by the rule."""
        chosen = self.chances(features).reshape(judged.listed.shape) >= self.threshold
        return judged.along_paths(chosen) if self.rule == "paths" else judged.upwards(chosen)


def pair_score(predicted: Labels, truth: Labels) -> tuple[float, float, float]:
    """Precision, recall and F1 over pairs of category and item.

    >>> pair_score(np.array([[True, True]]), np.array([[True, False]]))
    (0.5, 1.0, 0.6666666666666666)
    """
    both = int((predicted & truth).sum())
    precision, recall = both / max(int(predicted.sum()), 1), both / max(int(truth.sum()), 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if both else 0.0


def least_fit(siblings: NDArray[np.float32], centre: NDArray[np.float32] | float = 0.0) -> float:
    """How well the worst of some siblings (n, dim) fits the others: its cosine with their mean, both less a `centre` (dim,); 1 for a single one.

    Low where one of them is of another kind.

    >>> least_fit(np.array([[1, 0], [1, 0], [-1, 0]], np.float32))
    -1.0
    """
    if len(siblings) < 2:
        return 1.0
    units = unit_rows(np.asarray(siblings - centre, np.float32))
    others = unit_rows(units.sum(axis=0) - units)
    return float((units * others).sum(axis=1).min())
