"""How far searches of lists go, tuned by the bytes they read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import InputError
from lamina.index.spann.spann import SPANN
from lamina.index.spann.tuning import FIXED, RULES, Rule, tune_lists
from lamina.index.tuning import tune
from tests.index.spann.sets import asked, build, mixture, nearest


@pytest.fixture
def index(tmp_path: Path) -> SPANN:
    return build(tmp_path, mixture(1500, 1))


def test_the_rule_that_reads_least_at_the_wanted_recall_is_set(index: SPANN) -> None:
    queries = mixture(60, 2)
    best = tune_lists(index, queries, target=0.95)
    assert best.tuned.reached
    assert best.bytes <= best.fixed[1]
    assert (index.ratio, index.patience, index.probes) == (best.rule.ratio, best.rule.patience, best.tuned.ef)
    recall, size, lists = asked(index, queries, nearest(mixture(1500, 1), queries))
    assert recall >= 0.945
    assert (size, lists) == (best.bytes, best.lists)
    fixed = tune_lists(index, queries, target=0.95, rules=(FIXED,))
    assert (fixed.lists, fixed.bytes) == fixed.fixed == best.fixed


def test_a_higher_target_reads_more(index: SPANN) -> None:
    queries = mixture(60, 2)
    low, high = (tune_lists(index, queries, target=target, rules=(FIXED, Rule(patience=4))).bytes for target in (0.8, 0.98))
    assert low < high


def test_probes_alone_are_tuned_like_any_setting(index: SPANN) -> None:
    tuned = tune(index, mixture(60, 2), target=0.95, name="probes", most=len(index.heads))
    assert tuned.reached
    assert 1 <= tuned.ef < len(index.heads) // 2


def test_bad_input_leaves_the_settings(index: SPANN) -> None:
    index.ratio, index.patience, index.probes = 1.5, 7, 9
    for queries, target in ((mixture(3, 2), 1.5), (mixture(3, 2, 16), 0.9), (np.zeros((0, 32), np.float32), 0.9)):
        with pytest.raises(InputError):
            tune_lists(index, queries, target=target)
        assert (index.ratio, index.patience, index.probes) == (1.5, 7, 9)


def test_the_first_rule_is_a_fixed_number_of_lists() -> None:
    assert RULES[0] == FIXED == Rule()
