"""What was learned in a scope: where it holds, what it adds, and when it is not used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import InputError
from lamina.recall.features import FEATURES
from lamina.recall.learned import Learned, LearnedRanker, nearest, ranker_print
from lamina.recall.ranker import LinearRanker, shipped_regimes
from lamina.records import Asked, Filter, Run
from lamina.scopes import covers, scopes_above
from tests.conftest import Clock

NAMES = [feature.name for feature in FEATURES]
SHIPPED = shipped_regimes()
LEARNED = Learned(
    "/ana", {"length": -3.0}, True, 7, 6, 1, 30.0, 0.5, 0.75, 7, ranker_print(SHIPPED.turns, SHIPPED.documents), "told"
)


@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        for user, agent in (("ana", None), ("ana", "bot"), ("ben", None), (None, None)):
            whose = {name: value for name, value in (("user", user), ("agent", agent)) if value}
            one.add(["The ferry leaves at seven from the old harbour, they say.", "The ferry."], **whose)  # type: ignore[arg-type]
        yield one


def keep(memory: Memory, scope: str, learned: Learned = LEARNED) -> None:
    with memory.store.transaction():
        memory.store.rankers.put(scope, learned.to_json())


def score(memory: Memory, scope: str) -> float:
    return memory.search("ferry", scope=scope)[-1].score


# ---------------------------------------------------------------------------------------------------- where it holds
@given(st.lists(st.sampled_from(("a", "b", "")), max_size=4).map("/".join))
def test_the_scopes_above_are_those_that_cover_it(scope: str) -> None:
    found = scopes_above(scope)
    assert found[0] == scope
    assert found[-1] == "*"
    assert all(covers(one, scope) for one in found)
    assert len(set(found)) == len(found)


def test_the_nearest_scope_above_counts_and_no_other_one(memory: Memory) -> None:
    assert nearest(memory.store, "/ana") is None
    before = {scope: score(memory, scope) for scope in ("/ana", "/ana/bot", "/ben", "", "*")}
    keep(memory, "/ana")
    assert score(memory, "/ana") < before["/ana"]
    assert score(memory, "/ana/bot") < before["/ana/bot"]
    assert [score(memory, scope) for scope in ("/ben", "", "*")] == [before[scope] for scope in ("/ben", "", "*")]
    keep(memory, "/ana/bot", replace(LEARNED, shift={"length": 3.0}))
    assert score(memory, "/ana/bot") > before["/ana/bot"]
    keep(memory, "*")
    assert score(memory, "/ben") < before["/ben"]
    assert score(memory, "") < before[""]
    assert score(memory, "/ana/bot") > before["/ana/bot"]
    memory.unlearn(user="ana", agent="bot")
    assert score(memory, "/ana/bot") < before["/ana/bot"]
    for scope in ("/ana", "*"):
        memory.unlearn(scope=scope)
    assert {scope: score(memory, scope) for scope in before} == before


def test_it_goes_with_its_scope(memory: Memory) -> None:
    for scope in ("/ana", "/ana/bot", "/ben", "", "*"):
        keep(memory, scope)
    memory.delete_all(user="ana")
    assert memory.stats()["learned"] == ["", "*", "/ben"]
    memory.delete([item.id for item in memory.get_all(user="ben")])
    assert memory.stats()["learned"] == ["", "*"]
    memory.delete_all(scope="*")
    assert memory.stats()["learned"] == []


# ------------------------------------------------------------------------------------------------------- what it adds
@given(st.integers(0, 1000))
def test_scores_and_reasons_are_those_of_the_sum_of_the_weights(seed: int) -> None:
    generator = np.random.default_rng(seed)
    base = LinearRanker({name: float(generator.normal()) for name in NAMES if generator.random() < 0.6})
    shift = {name: float(generator.normal()) for name in NAMES if generator.random() < 0.6}
    ranker = LearnedRanker(base, shift)
    whole = LinearRanker({name: base.weights.get(name, 0.0) + shift.get(name, 0.0) for name in NAMES})
    matrix = generator.normal(size=(7, len(FEATURES))).astype(np.float32)
    matrix[:, generator.random(len(FEATURES)) < 0.3] = 0
    np.testing.assert_allclose(ranker.score(matrix), whole.score(matrix), atol=1e-4)
    for row in matrix:
        mine = {reason.feature: reason for reason in ranker.reasons(row)}
        theirs = {reason.feature: reason for reason in whole.reasons(row)}
        assert mine.keys() == theirs.keys()
        for name, reason in mine.items():
            assert reason.contribution == pytest.approx(theirs[name].contribution, abs=1e-4)
            assert (reason.value, reason.words) == (theirs[name].value, theirs[name].words)
        sizes = [abs(reason.contribution) for reason in ranker.reasons(row)]
        assert sizes == sorted(sizes, reverse=True)


def test_what_is_in_force_can_be_looked_at(memory: Memory) -> None:
    shipped = memory.ranker(user="ana")
    assert (shipped.learned, shipped.outdated, shipped.feedback) == (None, False, 0)
    assert shipped.weights == pytest.approx({name: SHIPPED.documents.weights.get(name, 0.0) for name in NAMES}, abs=1e-5)
    assert shipped.provenance == SHIPPED.documents.provenance
    memory.add("The ferry.", user="ana", speaker="Ana")
    mixed = memory.ranker(user="ana").weights
    assert mixed == pytest.approx({name: SHIPPED.mixed(1 / 5).weights.get(name, 0.0) for name in NAMES}, abs=1e-5)
    keep(memory, "/ana")
    found = memory.ranker(user="ana", agent="bot")
    assert found.learned is not None
    assert (found.learned.scope, found.learned.shift) == ("/ana", {"length": -3.0})
    assert found.weights["length"] == pytest.approx(memory.ranker(user="ben").weights["length"] - 3.0, abs=1e-5)
    assert not found.learned.current  # the feedback it was learned from is not there


# -------------------------------------------------------------------------------------------------- when it is not used
def test_what_belongs_to_other_weights_is_not_used_and_says_so(memory: Memory, caplog: pytest.LogCaptureFixture) -> None:
    before = score(memory, "/ana")
    keep(memory, "/ana", replace(LEARNED, base="of another release"))
    with caplog.at_level(logging.WARNING, "lamina"):
        assert score(memory, "/ana") == before
        assert score(memory, "/ana") == before
    assert [record.message for record in caplog.records if "learn again" in record.message] == [caplog.records[0].message]
    found = memory.ranker(user="ana")
    assert found.outdated
    assert found.weights == memory.ranker(user="ben").weights


@pytest.mark.parametrize("state", ["{}", "[]", "no JSON", '{"shift":{"dense":"much"}}', '{"shift":[1]}'])
def test_a_damaged_state_is_not_used(memory: Memory, state: str, caplog: pytest.LogCaptureFixture) -> None:
    before = score(memory, "/ana")
    with memory.store.transaction():
        memory.store.rankers.put("/ana", state)
    with caplog.at_level(logging.WARNING, "lamina"):
        assert score(memory, "/ana") == before
    assert memory.ranker(user="ana").learned is None
    with pytest.raises(InputError, match="learn again"):
        Learned.from_json("/ana", state)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="NaN or infinity"):
        Learned.from_json("/ana", LEARNED.to_json().replace("-3.0", "1e999"))


def test_a_ranker_that_was_handed_in_is_used_as_it_is(memory: Memory) -> None:
    from lamina.recall.recaller import Recaller

    keep(memory, "/ana")
    given = LinearRanker({"bm25": 1.0})
    recaller = Recaller(memory.store, memory._views, lambda: memory._embedding.embedder, Run(), given)
    with recaller.survey(Asked("ferry", Filter(scope="/ana"), 7)) as found:
        assert found.ranker is found.base is given
