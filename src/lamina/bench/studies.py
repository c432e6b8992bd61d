"""Made-up literature reviews: a hidden tree of categories, claims of studies in it, and the tree a careless generator gives.

The errors are those that experts found in generated trees (C.-C. Hsu et al., "CHIME: LLM-Assisted Hierarchical Organization of Scientific Studies for
Literature Review Support", 2024): studies that are not listed or listed wrongly, categories under the wrong parent, siblings of another kind.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.rows import unit_rows
from lamina.bench.ranking.embedders import static
from lamina.models.word_pieces import load_word_pieces
from lamina.semantic.assignment import Judged, Labels
from lamina.semantic.category_lists import Category
from lamina.terms import STOPWORDS

ROOTS: Final = 4
BRANCHES: Final = 3
CLAIMS: Final = 40
WORDS: Final = 6  # of each leaf's own


@dataclass(frozen=True, eq=False)
class Review:
    """A topic: `claims` as text, the hidden `tree`, the `generated` one, what belongs where in that (`truth`, (nodes, claims)), and which of its groups of
    siblings have an alien among them (`groups`: pairs of the names of siblings and whether)."""

    claims: tuple[str, ...]
    tree: tuple[Category, ...]
    generated: Judged
    truth: Labels
    moved: NDArray[np.bool_]
    groups: tuple[tuple[tuple[str, ...], bool], ...]


@dataclass(frozen=True)
class Reviews:
    """Makes topics.

    Parameters: the shares of assignments left out (`dropped`) and of wrong ones (`wrong`), of categories that exchange their parents (`swapped`), of groups of
    siblings that get an alien one (`alien`); of claims that belong to two leaves (`double`).
    """

    dropped: float = 0.30
    wrong: float = 0.15
    swapped: float = 0.10
    alien: float = 0.15
    double: float = 0.25

    def made(self, seed: int) -> Review:
        """The topic of a seed."""
        chance = random.Random(seed)
        names, vocabulary = _names(chance)
        leaves = [path for path in names if len(path) == 3]
        homes = [chance.sample(leaves, 2 if chance.random() < self.double else 1) for _ in range(CLAIMS)]
        claims = tuple(_claim(chance, home, vocabulary) for home in homes)

        def belongs(path: tuple[str, ...], claim: int) -> bool:
            return any(home[: len(path)] == path for home in homes[claim])

        tree = tuple(
            _category(root, names, lambda path: [one for one in range(CLAIMS) if belongs(path, one)])
            for root in names
            if len(root) == 1
        )
        return self._generated(chance, claims, tree, names, belongs, vocabulary)

    def _generated(self, chance: random.Random, claims: Sequence[str], tree: tuple[Category, ...], names: Sequence[tuple[str, ...]], belongs: object, vocabulary: dict[tuple[str, ...], list[str]]) -> Review:  # fmt: skip
        """The hidden tree with the errors of a generator."""
        assert callable(belongs)
        parents = {path: path[:-1] for path in names}
        inner = [path for path in names if len(path) > 1]
        swapped = set(chance.sample(inner, round(self.swapped * len(inner)) // 2 * 2))
        for one, other in _pairs(chance, sorted(swapped)):
            parents[one], parents[other] = parents[other], parents[one]
        order = _top_down(names, parents)
        place = {path: row for row, path in enumerate(order)}
        own = np.array([[belongs(path, claim) for claim in range(len(claims))] for path in order])
        listed = own & (np.array([chance.random() for _ in range(own.size)]).reshape(own.shape) >= self.dropped)
        absent = np.flatnonzero(~own.ravel())
        listed.ravel()[chance.sample(absent.tolist(), round(self.wrong * own.sum()))] = True
        shown = [_path(path, parents) for path in order]
        above = [place.get(parents[path], -1) for path in order]
        groups: list[tuple[tuple[str, ...], bool]] = []
        for path in [one for one in order if any(parents[other] == one for other in order)]:
            siblings = [other[-1] for other in order if parents[other] == path]
            if any(other in swapped for other in order if parents[other] == path):
                continue  # whether these fit together is not said by how they were made
            strange = chance.random() < self.alien
            if strange:
                far = chance.choice([one for one in vocabulary if one[0] != path[0]])
                name = chance.choice(vocabulary[far])
                siblings.append(name)
                shown.append((*shown[place[path]], name))
                above.append(place[path])
                row = np.zeros((1, len(claims)), np.bool_)
                row[0, chance.sample(range(len(claims)), 3)] = True
                listed, own = np.concatenate([listed, row]), np.concatenate([own, np.zeros_like(row)])
            groups.append((tuple(siblings), strange))
        judged = Judged(tuple(shown), np.array(above, np.int64), listed)
        moved = np.array([row < len(order) and order[row] in swapped for row in range(len(shown))])
        return Review(tuple(claims), tree, judged, judged.along_paths(own), moved, tuple(groups))


def _names(chance: random.Random) -> tuple[list[tuple[str, ...]], dict[tuple[str, ...], list[str]]]:
    """The paths of a hidden tree, parents first, and the words of its leaves: what is below a category is near it in meaning."""
    words, vectors = lexicon()
    free = np.ones(len(words), np.bool_)

    def near(middle: int, count: int, among: int) -> list[int]:
        order = np.argsort(-np.where(free, vectors @ vectors[middle], -2), kind="stable")[:among].tolist()
        chosen = chance.sample(order, count)
        free[chosen] = False
        return chosen

    paths: list[tuple[str, ...]] = []
    vocabulary: dict[tuple[str, ...], list[str]] = {}
    roots: list[int] = []
    while len(roots) < ROOTS:
        one = chance.randrange(len(words))
        if free[one] and all(vectors[one] @ vectors[other] < 0.15 for other in roots):
            roots.append(one)
            free[one] = False
    for root in roots:
        paths.append((words[root],))
        for middle in near(root, BRANCHES, 30):
            paths.append((words[root], words[middle]))
            for leaf in near(middle, BRANCHES, 20):
                paths.append((words[root], words[middle], words[leaf]))
                vocabulary[paths[-1]] = [words[leaf], *(words[one] for one in near(leaf, WORDS - 1, 10))]
    return paths, vocabulary


@cache
def lexicon() -> tuple[list[str], NDArray[np.float32]]:
    """Whole words of the packaged vocabulary and their meanings, float32 (words, dim)."""
    words = sorted(
        word for word in {one.strip("▁").strip() for one in load_word_pieces().whole_words()}
        if word.isascii() and word.isalpha() and word.islower() and 5 <= len(word) <= 12 and word not in STOPWORDS
    )  # fmt: skip
    vectors = static().embed(words)
    return words, unit_rows(vectors - vectors.mean(axis=0))


def _claim(chance: random.Random, homes: Sequence[tuple[str, ...]], vocabulary: dict[tuple[str, ...], list[str]]) -> str:
    words = [word for home in homes for word in chance.sample(vocabulary[home], 4 if len(homes) == 1 else 3)]
    words += chance.sample(lexicon()[0], 4)  # what is said besides
    chance.shuffle(words)
    return f"The study found {', '.join(words)}."


def _category(path: tuple[str, ...], names: Sequence[tuple[str, ...]], listed: object) -> Category:
    assert callable(listed)
    below = tuple(_category(one, names, listed) for one in names if one[:-1] == path)
    return Category(path[-1], tuple(listed(path)), below)


def _pairs(chance: random.Random, paths: list[tuple[str, ...]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of one level, so that no category comes to stand below itself."""
    found = []
    for level in (2, 3):
        same = [path for path in paths if len(path) == level]
        chance.shuffle(same)
        found += list(zip(same[::2], same[1::2], strict=False))
    return found


def _top_down(names: Sequence[tuple[str, ...]], parents: dict[tuple[str, ...], tuple[str, ...]]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def visit(parent: tuple[str, ...]) -> None:
        for path in names:
            if parents[path] == parent:
                found.append(path)
                visit(path)

    visit(())
    return found


def _path(path: tuple[str, ...], parents: dict[tuple[str, ...], tuple[str, ...]]) -> tuple[str, ...]:
    above = parents[path]
    return (*(_path(above, parents) if above else ()), path[-1])
