"""Outlines: whether they find the aspects of a text, keep all of it, and help those who read by vectors.

Measured on made-up passages of several subjects, one after the other or interleaved sentence by sentence: where one subject ends; what a query about one subject of one passage
finds, the passages being whole, in pieces of an outline, in pieces of the same sizes taken at random, and in runs of sentences; and whether a changed word of a claim is noticed. Where HotpotQA is, the first two are measured on pages of its articles too, with its questions.

Source of the checks: K. Liu et al., "Enhancing LLM's Cognition via Structurization", 2024.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.rows import unit_rows
from lamina.algorithms.scorers import boundary_score
from lamina.bench.pages import TOGETHER, load_hotpot, pages_file
from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.scoring import difference
from lamina.bench.results import Result, Row, fingerprint
from lamina.bench.studies import lexicon
from lamina.errors import InputError
from lamina.semantic.outline import Outliner
from lamina.semantic.outlines import Aspect, Outline, coverage, repaired

SUBJECTS: Final = 200
WORDS: Final = 14  # of a subject
PASSAGES: Final = 2000
DEPTH: Final = 10
CLAIMS: Final = 400
FORMS: Final = (
    "The {} and the {} need a {}.", "A {} stood beside the {} and the {}.", "Nobody had seen the {} without a {} or a {}.", "They wrote about the {}, the {} and the {}.",
    "With the {} came a {} and then a {}.",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Made:
    """A passage: its `sentences`, the subject of each (`subjects`), and a `query` about one subject of it (none: nobody asks for it)."""

    sentences: tuple[str, ...]
    subjects: tuple[int, ...]
    query: str = ""

    @property
    def text(self) -> str:
        """The whole passage."""
        return " ".join(self.sentences)

    @property
    def boundaries(self) -> list[int]:
        """Where a new subject begins."""
        return [place for place in range(1, len(self.subjects)) if self.subjects[place] != self.subjects[place - 1]]


@dataclass(frozen=True)
class Passages:
    """Makes passages of three to six subjects.

    Parameters: `interleaved`, sentence by sentence, or one subject after the other; `seed`; `least` and `most` sentences of a subject.
    """

    interleaved: bool = True
    seed: int = 0
    least: int = 3
    most: int = 5

    def made(self, count: int) -> list[Made]:
        """So many passages."""
        chance = random.Random(self.seed)
        return [self._passage(chance) for _ in range(count)]

    def _passage(self, chance: random.Random) -> Made:
        chosen = chance.sample(range(SUBJECTS), chance.randint(3, 6))
        said: list[list[str]] = []
        used: list[list[str]] = []
        for subject in chosen:
            rows = [chance.sample(self._subjects[subject], 3) for _ in range(chance.randint(self.least, self.most))]
            said.append([_said(chance, row) for row in rows])
            used.append([word for row in rows for word in row])
        about = chance.randrange(len(chosen))
        query = " ".join(chance.sample(sorted(set(used[about])), 4))
        order = [(place, row) for place, rows in enumerate(said) for row in range(len(rows))]
        if self.interleaved:
            order.sort(key=lambda pair: (pair[1], pair[0]))
        return Made(tuple(said[place][row] for place, row in order), tuple(chosen[place] for place, _ in order), query)

    @cached_property
    def _subjects(self) -> list[list[str]]:
        """The words of each subject: near each other in meaning."""
        chance = random.Random(self.seed)
        words, vectors = lexicon()
        middles = chance.sample(range(len(words)), SUBJECTS)
        return [[words[one] for one in np.argsort(-(vectors @ vectors[middle]), kind="stable")[:WORDS]] for middle in middles]


def _said(chance: random.Random, row: Sequence[str]) -> str:
    sentence = chance.choice(FORMS).format(*row)
    return sentence[0].upper() + sentence[1:]


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], passages: int = PASSAGES) -> Result:
    """Measure what there is data for. `passages`, among how many made-up ones is searched."""
    if passages < 20:
        raise InputError(f"passages must be at least 20, not {passages}")
    outliner = Outliner(static())
    progress("outline: where subjects end")
    rows = boundary_rows(Passages(interleaved=False, seed=seed, least=3, most=15).made(min(200, passages)), outliner, seed)
    progress("outline: what is kept")
    rows += kept_rows(Passages(seed=seed).made(min(100, passages)), outliner, seed)
    for interleaved in (True, False):
        progress(f"outline: search among passages {'interleaved' if interleaved else 'in order'}")
        rows += search_rows(
            Passages(interleaved, seed).made(passages), outliner, seed, f"search, {'interleaved' if interleaved else 'in order'}"
        )
    progress("outline: changed claims")
    rows += claim_rows(Passages(seed=seed).made(min(CLAIMS, passages)), outliner, seed)
    measured_on, file = "made-up passages", pages_file(data)
    if file is not None:
        progress("outline: pages of real articles")
        pages, asked = pages_of(file, seed)
        rows += boundary_rows(pages, outliner, seed, "pages, boundaries")
        rows += search_rows(pages, outliner, seed, "pages", asked)
        measured_on += f", {fingerprint(file)}"
    return Result("outline", measured_on, {"seed": seed, "passages": passages, "k": DEPTH}, rows)


def pages_of(file: Path, seed: int) -> tuple[list[Made], list[tuple[str, frozenset[int]]]]:
    """Pages of several articles of HotpotQA one after the other, and its questions with the pages whose articles answer them."""
    questions, articles = load_hotpot(file)
    titles = [title for title, said in articles.items() if any(one.strip() for one in said)]
    random.Random(seed).shuffle(titles)
    pages: list[Made] = []
    home: dict[str, int] = {}
    for number, start in enumerate(range(0, len(titles), TOGETHER)):
        rows = [
            (place, one.strip())
            for place, title in enumerate(titles[start : start + TOGETHER])
            for one in articles[title]
            if one.strip()
        ]
        home |= dict.fromkeys(titles[start : start + TOGETHER], number)
        pages.append(Made(tuple(one for _, one in rows), tuple(place for place, _ in rows)))
    asked = [
        (one["question"], frozenset(home[title] for title, _ in one["supporting_facts"] if title in home)) for one in questions
    ]
    return pages, [(question, gold) for question, gold in asked if gold]


# --------------------------------------------------------------------------------------------------------- boundaries
def boundary_rows(passages: Sequence[Made], outliner: Outliner, seed: int, what: str = "boundaries") -> list[Row]:
    """F1 within one sentence: of the outliner, of as many boundaries at random, and evenly spread."""
    chance = random.Random(seed)
    scores: dict[str, list[float]] = {"outliner": [], "random": [], "even": [], "told how many": []}
    for one in passages:
        size, true = len(one.sentences), one.boundaries
        found = _starts(replace(outliner, arrangement="contiguous").groups(one.sentences))
        scores["outliner"].append(boundary_score(found, true, 1).f1)
        scores["random"].append(boundary_score(sorted(chance.sample(range(1, size), len(found))), true, 1).f1)
        scores["even"].append(
            boundary_score(sorted({round(size * (n + 1) / (len(true) + 1)) for n in range(len(true))}), true, 1).f1
        )
        units = _units(one.sentences)
        scores["told how many"].append(boundary_score(outliner.segmentation.cuts(units, len(true) + 1).tolist(), true, 1).f1)
    return [Row(f"{what}: {name}", {"f1": float(np.mean(values))}) for name, values in scores.items()]


def _starts(groups: Sequence[Sequence[int]]) -> list[int]:
    return [group[0] for group in groups[1:]]


def _units(said: Sequence[str]) -> NDArray[np.float32]:
    vectors = static().embed(list(said))
    return unit_rows(vectors - vectors.mean(axis=0))


# --------------------------------------------------------------------------------------------------------------- kept
def kept_rows(passages: Sequence[Made], outliner: Outliner, seed: int) -> list[Row]:
    """The share of sentences that an outline says: by rules, of an outliner that loses a fifth of them, and after the repair."""
    chance = random.Random(seed)
    kept: dict[str, list[float]] = {"by rules": [], "a fifth lost": [], "repaired": []}
    twice = 0
    for one in passages:
        whole = outliner.by_rules(one.text)
        twice += len(whole.descriptions) != len(one.sentences) or sorted(whole.descriptions) != sorted(one.sentences)
        lossy = lossy_outline(whole, chance, 0.2)
        for name, outline in (("by rules", whole), ("a fifth lost", lossy), ("repaired", repaired(lossy, one.text))):
            kept[name].append(coverage(outline, one.text))
    rows = [Row(f"kept: {name}", {"sentences": float(np.mean(values))}) for name, values in kept.items()]
    rows[0] = Row(rows[0].system, {**rows[0].metrics, "passages_with_a_sentence_lost_or_twice": twice / len(passages)})
    return rows


def lossy_outline(outline: Outline, chance: random.Random, share: float) -> Outline:
    """The outline without a share of its descriptions, each aspect keeping one at least."""
    aspects = []
    for aspect in outline.aspects:
        left = [one for one in aspect.descriptions if chance.random() >= share] or [aspect.descriptions[0]]
        aspects.append(Aspect(aspect.name, tuple(left)))
    return replace(outline, aspects=tuple(aspects))


# ------------------------------------------------------------------------------------------------------------- search
def search_rows(
    passages: Sequence[Made], outliner: Outliner, seed: int, what: str, asked: Sequence[tuple[str, frozenset[int]]] | None = None,
    depth: int = DEPTH,
) -> list[Row]:  # fmt: skip
    """Recall among the first `depth` of the passages that answer a query, by the best of their pieces. `asked`: queries with the places of these; default: each passage's own."""
    chance = random.Random(seed)
    asked = asked or [(one.query, frozenset([place])) for place, one in enumerate(passages)]
    outlined = [_outline(outliner, one) for one in passages]
    forms: dict[str, list[list[str]]] = {"whole": [[one.text] for one in passages]}
    forms["outline"] = [_pieces(one) for one in outlined]
    forms["random groups"] = [_pieces(_dealt(one, chance)) for one in outlined]
    forms["even runs of sentences"] = [
        _even(made.sentences, len(one.aspects)) for one, made in zip(outlined, passages, strict=True)
    ]
    forms["outline without scope and names"] = [[" ".join(aspect.descriptions) for aspect in one.aspects] for one in outlined]
    queries = static().embed([query for query, _ in asked], "query")
    found: dict[str, NDArray[np.float64]] = {}
    for name, pieces in forms.items():
        scores = np.full((len(passages), len(asked)), -np.inf, np.float32)  # (passages, queries)
        places = [place for place, some in enumerate(pieces) for _ in some]
        vectors = static().embed([piece for some in pieces for piece in some])
        for start in range(0, len(places), 1024):
            np.maximum.at(scores, places[start : start + 1024], vectors[start : start + 1024] @ queries.T)
        best = np.argsort(-scores, axis=0, kind="stable")[:depth]
        found[name] = np.array([len(gold & set(best[:, row].tolist())) / len(gold) for row, (_, gold) in enumerate(asked)])
    rows = []
    for name, values in found.items():
        sizes = {"pieces": float(np.mean([len(some) for some in forms[name]]))}
        by = {} if name == "whole" else {"against whole": difference(f"recall@{depth}", values, found["whole"], seed)}
        rows.append(Row(f"{what}: {name}", {f"recall@{depth}": float(values.mean()), **sizes}, by))
    return rows


def _outline(outliner: Outliner, passage: Made) -> Outline:
    """The outline of a passage whose sentences are known."""
    groups = [[passage.sentences[place] for place in group] for group in outliner.groups(passage.sentences)]
    return outliner.named(groups)


def _pieces(outline: Outline) -> list[str]:
    return outline.packed(1)  # an aspect a piece


def _dealt(outline: Outline, chance: random.Random) -> Outline:
    """An outline with as many groups of the same sizes, of sentences dealt out at random."""
    said = list(outline.descriptions)
    chance.shuffle(said)
    return _run_together(outline, said)


def _run_together(outline: Outline, said: Sequence[str]) -> Outline:
    """An outline with groups of the same sizes, of sentences in the order given; names stay where they stand."""
    aspects, start = [], 0
    for aspect in outline.aspects:
        end = start + len(aspect.descriptions)
        aspects.append(Aspect(aspect.name, tuple(said[start:end])))
        start = end
    return replace(outline, aspects=tuple(aspects))


def _even(said: Sequence[str], count: int) -> list[str]:
    """As many runs of sentences in a row, of one size as nearly as can be: what plain chunking gives."""
    return [" ".join(said[start:end]) for start, end in pairwise([round(len(said) * n / count) for n in range(count + 1)])]


# ------------------------------------------------------------------------------------------------------------- claims
def claim_rows(passages: Sequence[Made], outliner: Outliner, seed: int) -> list[Row]:
    """How well true claims are told from those with one word changed (area under the curve), by their likeness to a whole passage, or to its best piece."""
    chance = random.Random(seed)
    names, _ = lexicon()
    scores: dict[str, tuple[list[float], list[float]]] = {
        name: ([], []) for name in ("whole", "best aspect", "best random group")
    }
    for one in passages:
        claim = chance.choice(one.sentences)
        parts = claim.rstrip(".").split()
        places = [place for place, word in enumerate(parts) if word.strip(",") in set(names)]
        if not places:
            continue
        parts[chance.choice(places)] = chance.choice(names)
        outline = outliner.by_rules(one.text)
        forms = {"whole": [one.text], "best aspect": _pieces(outline), "best random group": _pieces(_dealt(outline, chance))}
        vectors = static().embed([claim, " ".join(parts) + "."])
        for name, pieces in forms.items():
            best = (static().embed(pieces) @ vectors.T).max(axis=0)
            scores[name][0].append(float(best[0]))
            scores[name][1].append(float(best[1]))
    return [Row(f"claims: {name}", {"auc": area_under_curve(true, changed)}) for name, (true, changed) in scores.items()]


def area_under_curve(higher: Sequence[float], lower: Sequence[float]) -> float:
    """How often one of the first is above one of the second; equals count half.

    >>> area_under_curve([2.0, 3.0], [1.0, 2.0])
    0.875
    """
    apart = np.asarray(higher)[:, None] - np.asarray(lower)
    return float((apart > 0).mean() + (apart == 0).mean() / 2)
