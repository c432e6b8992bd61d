"""Ablation: columns are only sliced, the control takes the information away and nothing else, ties are ranked by chance."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.ablation import as_shipped, columns_of, groups_of, judge, refitted, shuffled, unordered
from lamina.bench.locomo import collections_of
from lamina.bench.ranking.collections import Asked, Collection
from lamina.bench.ranking.fitting import TURNS
from lamina.bench.ranking.ours import Group, Workbench
from lamina.errors import InputError
from lamina.recall.features import FEATURES
from lamina.recall.ranker import LinearRanker
from tests.bench.material import write_locomo
from tests.bench.test_harness import check_form

CANDIDATES, QUESTIONS = 40, 60
INFORMED = "soft"  # the one feature that says which candidate answers
GROUPS = groups_of([feature for feature in FEATURES if feature.name in TURNS])
OF_ITS_GROUP = next(names for names in GROUPS.values() if INFORMED in names)


def made_folds(count: int = 3) -> tuple[list[list[Group]], list[Collection]]:
    """Conversations in which one column tells what answers and all others are noise."""
    generator = np.random.default_rng(0)
    folds: list[list[Group]] = []
    for _ in range(count):
        fold = []
        for _ in range(QUESTIONS):
            matrix = generator.normal(size=(CANDIDATES, len(FEATURES))).astype(np.float32)
            relevance = np.zeros(CANDIDATES, np.float32)
            relevance[np.argmax(matrix[:, columns_of([INFORMED])[0]])] = 1
            fold.append((matrix, relevance))
        folds.append(fold)
    asked = [Asked("?", frozenset({"gold"}), "s")] * QUESTIONS
    return folds, [Collection(f"c{place}", [], asked) for place in range(count)]


def test_every_feature_is_in_one_group() -> None:
    groups = groups_of(FEATURES)
    assert sorted(name for names in groups.values() for name in names) == sorted(feature.name for feature in FEATURES)
    assert [FEATURES[column].name for column in columns_of(OF_ITS_GROUP)] == OF_ITS_GROUP
    assert len(groups) > 2
    assert all(groups)


def test_a_group_that_says_nothing_can_be_left_out_and_the_one_that_says_all_cannot() -> None:
    folds, collections = made_folds()
    rest = [name for name in TURNS if name not in OF_ITS_GROUP]
    whole = refitted(folds, collections, TURNS).mean(axis=0)
    only = refitted(folds, collections, OF_ITS_GROUP).mean(axis=0)
    without = refitted(folds, collections, rest).mean(axis=0)
    assert whole[0] > 0.95
    assert only[0] > 0.95
    chance = np.array([5, 10, 20]) / CANDIDATES
    assert without == pytest.approx(chance, abs=0.12)


def test_refits_never_see_the_conversation_they_are_judged_on(monkeypatch: pytest.MonkeyPatch) -> None:
    folds, collections = made_folds()
    seen: list[set[int]] = []

    def noted(others: list[list[Group]], *rest: object, **more: object) -> LinearRanker:
        seen.append({id(matrix) for fold in others for matrix, _ in fold})
        return LinearRanker({})

    monkeypatch.setattr("lamina.bench.ablation.fit", noted)
    refitted(folds, collections, TURNS)
    for place, fold in enumerate(folds):
        assert len(seen[place]) == 2 * QUESTIONS
        assert not seen[place] & {id(matrix) for matrix, _ in fold}


def test_the_control_keeps_values_and_loses_what_they_say() -> None:
    folds, collections = made_folds()
    mixed = shuffled(folds, OF_ITS_GROUP, seed=1)
    dealt = columns_of(OF_ITS_GROUP)
    others = [column for column in range(len(FEATURES)) if column not in dealt]
    for (before, relevance), (after, same) in zip(folds[0], mixed[0], strict=True):
        assert np.array_equal(relevance, same)
        assert np.array_equal(before[:, others], after[:, others])
        assert not np.array_equal(before[:, dealt], after[:, dealt])
        assert sorted(map(tuple, before[:, dealt])) == sorted(map(tuple, after[:, dealt])), "rows move as a whole"
    assert refitted(mixed, collections, TURNS).mean(axis=0)[0] < 0.3


def test_equal_scores_are_ranked_by_chance() -> None:
    """Candidates come in the order of the shipped ranking; where a feature says nothing, that order must not decide."""
    fold = [(np.zeros((CANDIDATES, len(FEATURES)), np.float32), np.eye(CANDIDATES, dtype=np.float32)[0]) for _ in range(400)]
    asked = [Asked("?", frozenset({"gold"}), "s")] * len(fold)
    nothing = LinearRanker({})
    assert np.mean(judge(nothing, fold, asked), axis=0).tolist() == [1.0, 1.0, 1.0]
    found = np.mean(judge(nothing, unordered([fold], seed=0)[0], asked), axis=0)
    assert found == pytest.approx([5 / CANDIDATES, 10 / CANDIDATES, 20 / CANDIDATES], abs=0.07)


def test_what_was_never_added_counts_as_not_found() -> None:
    matrix = np.zeros((3, len(FEATURES)), np.float32)
    group = (matrix, np.array([1, 0, 0], np.float32))
    assert judge(LinearRanker({}), [group], [Asked("?", frozenset({"here", "gone"}), "s")]) == [[0.5, 0.5, 0.5]]


def test_silent_columns_weigh_nothing() -> None:
    folds, collections = made_folds(1)
    every = [feature.name for feature in FEATURES]
    in_order = judge(LinearRanker({}), folds[0], collections[0].questions)
    assert as_shipped(folds, collections, every).tolist() == in_order
    assert as_shipped(folds, collections, []).tolist() != in_order


@pytest.fixture(scope="module")
def ablated(small_locomo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path, list[str]]:
    """One run, its file, and of which conversations features were computed in it, in order."""
    asked: list[str] = []
    inner = Workbench.groups
    out = tmp_path_factory.mktemp("ablation") / "ablation.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "groups", lambda self, one: asked.append(one.name) or inner(self, one))
        return run_benchmark("ablation", data=small_locomo, json_path=out), out, asked


def test_all_features_give_what_locomo_measures(small_locomo: Path, ablated: tuple[Result, Path, list[str]]) -> None:
    result, out, _ = ablated
    check_form(json.loads(out.read_text()))
    locomo = run_benchmark("locomo", data=small_locomo, peers=False)
    for system in ("lamina", "lamina-cv"):
        assert result.row(system).metrics == pytest.approx(locomo.row(system).metrics, abs=0.03)
    for name in result.config["groups_beside"]:
        for system in (f"with {name}", f"only {name}"):
            assert "recall@10_low_points" in result.row(system).by["against lamina-cv"]
    judged = [name for name in result.config["groups"] if name not in result.config["groups_that_never_vary"]]
    assert judged
    for name in judged:
        for system in (f"without {name}", f"shuffled {name}", f"only {name}"):
            assert "recall@10_low_points" in result.row(system).by["against lamina-cv"]
        for system in (f"shipped without {name}", f"shipped with {name} shuffled"):
            assert "recall@10_low_points" in result.row(system).by["against lamina"]
    assert out.with_suffix(".png").exists() == (find_spec("matplotlib") is not None)


def test_features_are_computed_once(small_locomo: Path, ablated: tuple[Result, Path, list[str]]) -> None:
    assert ablated[2] == [one.name for one in collections_of(small_locomo)]


def test_one_conversation_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs two or more"):
        run_benchmark("ablation", data=write_locomo(tmp_path, samples=1))
