"""What belongs where: the rules along paths, and a corrector that learns from experts' labels of other topics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.bench.ranking.embedders import static
from lamina.bench.studies import Reviews
from lamina.bench.taxonomy import coherence_row, correction_rows, organising_row
from lamina.errors import InputError
from lamina.semantic.assignment import FEATURES, Corrector, Example, Judged, least_fit
from lamina.semantic.category_lists import Category
from lamina.semantic.organising import Organiser

REVIEWS = [Reviews().made(seed) for seed in range(16)]


@given(st.integers(0, 10_000))
def test_after_either_rule_a_child_holds_nothing_that_its_parent_does_not(seed: int) -> None:
    judged = REVIEWS[seed % 16].generated
    labels = np.random.default_rng(seed).random(judged.listed.shape) < 0.4
    down, up = judged.along_paths(labels), judged.upwards(labels)
    for found in (down, up):
        assert Judged(judged.paths, judged.parents, found).violations == 0
    assert (down <= labels).all()
    assert (labels <= up).all()
    assert Judged(judged.paths, judged.parents, labels).violations > 0.5


def test_the_corrector_helps_on_topics_it_never_saw_and_one_of_shuffled_labels_does_not() -> None:
    rows = {row.system: row.metrics for row in correction_rows(REVIEWS, 0)}
    for rule in ("along paths", "upwards"):
        assert rows[f"corrected, {rule}"]["f1"] >= rows[f"listed, {rule}"]["f1"] + 0.1
        assert rows[f"corrected, {rule}"]["edges_violated"] == 0
    assert rows["shuffled labels, along paths"]["f1"] < rows["listed, along paths"]["f1"] - 0.2
    assert rows["listed"]["edges_violated"] > 0.2


def test_the_rule_of_paths_raises_precision() -> None:
    rows = {row.system: row.metrics for row in correction_rows(REVIEWS, 0)}
    assert rows["corrected, along paths"]["precision"] > rows["corrected, no rule"]["precision"]
    assert rows["listed, along paths"]["precision"] > rows["listed"]["precision"]


def test_alien_siblings_are_told_better_than_by_always_saying_so() -> None:
    metrics = coherence_row([Reviews().made(seed) for seed in range(40)]).metrics
    assert metrics["f1"] >= 0.6
    assert metrics["f1_of_always"] < 0.35
    assert least_fit(np.ones((1, 3), np.float32)) == 1


def test_values_that_cannot_be_are_refused() -> None:
    review = REVIEWS[0]
    good = Example(review.generated, review.generated.features(review.claims, static()), review.truth)
    assert good.features.shape == (review.truth.size, len(FEATURES))
    for wrong in (
        lambda: Corrector.fit([]), lambda: Corrector.fit([good], "sideways"),  # type: ignore[arg-type]
        lambda: Corrector.fit([replace(good, truth=np.zeros_like(good.truth))]), lambda: Corrector.fit([replace(good, features=good.features[:, :2])]),
        lambda: Corrector.fit([replace(good, features=good.features * np.nan)]), lambda: review.generated.features(["one"], static()),
        lambda: Judged.of([Category("a", (3,))], 3), lambda: Organiser(roots=0), lambda: Organiser().organise([], np.zeros((0, 2), np.float32)),
        lambda: Organiser().ask(["a"]),
    ):  # fmt: skip
        with pytest.raises(InputError):
            wrong()


def test_clusters_are_named_differently_from_those_above_and_hold_every_text_once() -> None:
    review = REVIEWS[1]
    trees = Organiser().organise(review.claims, static().embed(list(review.claims)))
    assert 1 < len(trees) <= 5
    assert sorted(one for tree in trees for one in tree.items) == list(range(len(review.claims)))
    for tree in trees:
        for path, node in tree.walk():
            assert len(set(path)) == len(path)
            if node.children:
                assert sorted(one for child in node.children for one in child.items) == sorted(node.items)
    metrics = organising_row(REVIEWS[:4]).metrics
    assert metrics["assignments_f1"] > 0.6
