"""Learning from feedback: what moves, how far, on what, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.algorithms.listwise import RankedList
from lamina.errors import Cancelled, InputError
from lamina.recall.learning import Learner, Lesson, judged_cues, left_out, target_of
from lamina.records import Asked, Filter, Run
from lamina.storage.feedback import Feedback
from tests.conftest import Clock
from tests.recall.peculiar import THINGS, Peculiar, fill


@pytest.fixture
def peculiar(clock: Clock) -> Iterator[Peculiar]:
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        yield Peculiar(memory, fill(memory))


# ------------------------------------------------------------------------------------------------------- the effect
def test_a_scope_learns_what_its_user_looks_for(peculiar: Peculiar) -> None:
    """Source of the claim: this project. Control: the same amount of feedback on hits taken at random."""
    told, left = THINGS[:12], THINGS[12:]
    before = peculiar.first(left)
    peculiar.tell(told, lambda thing, hits: peculiar.wanted[thing])
    learned = peculiar.memory.learn(user="ana")
    after = peculiar.first(left)
    peculiar.memory.unlearn(feedback=True, user="ana")
    assert peculiar.first(left) == before
    generator = np.random.default_rng(1)
    peculiar.tell(told, lambda thing, hits: hits[int(generator.integers(len(hits)))].id)
    peculiar.memory.learn(user="ana")
    shuffled = peculiar.first(left)
    print(f"\nfirst: {before:.2f} before, {after:.2f} after twelve cues, {shuffled:.2f} after as many at random")
    assert (learned.cues, learned.good, learned.bad) == (12, 12, 12)
    assert learned.shift["is_question"] > 0.5
    assert learned.kept
    assert after >= 0.9
    assert before <= 0.4
    assert shuffled <= 0.5


def test_little_feedback_moves_little(peculiar: Peculiar) -> None:
    sizes = []
    for count in (1, 4, 12):
        peculiar.tell(THINGS[:count], lambda thing, hits: peculiar.wanted[thing])
        learned = peculiar.memory.learn(user="ana")
        sizes.append(learned.shift["is_question"])
        peculiar.memory.unlearn(feedback=True, user="ana")
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.3 * sizes[-1]
    assert learned.cues == 12


def test_bad_hits_alone_are_learned_from(peculiar: Peculiar, clock: Clock) -> None:
    def places() -> float:
        return float(np.mean([[hit.id for hit in peculiar.hits(thing)].index(peculiar.wanted[thing]) for thing in THINGS[12:]]))

    before = places()
    for thing in THINGS[:12]:
        peculiar.memory.feedback([hit for hit in peculiar.hits(thing) if hit.id != peculiar.wanted[thing]][:4], good=False)
    learned = Learner(peculiar.memory.store, peculiar.memory._recaller, Run(clock=clock), checked=False).learn("/ana")
    assert (learned.good, learned.bad) == (0, 48)
    assert places() < before


# ---------------------------------------------------------------------------------------- whether it is kept
def test_what_does_not_help_is_not_kept_and_what_was_kept_before_goes(peculiar: Peculiar) -> None:
    peculiar.tell(THINGS[:12], lambda thing, hits: peculiar.wanted[thing])
    assert peculiar.memory.learn(user="ana").kept
    peculiar.memory.unlearn(feedback=True, user="ana")
    peculiar.tell(THINGS[:12], lambda thing, hits: peculiar.hits(thing)[0].id)  # what is first already
    assert not peculiar.memory.learn(user="ana").kept
    assert peculiar.memory.stats()["learned"] == []
    peculiar.memory.unlearn(feedback=True, user="ana")
    usual = {thing: peculiar.hits(thing)[0].id for thing in THINGS[:12]}
    peculiar.tell(THINGS[:12], lambda thing, hits: peculiar.wanted[thing])
    assert peculiar.memory.learn(user="ana").kept
    for thing in THINGS[:12]:  # the same cues, told anew: the question is no longer wanted
        peculiar.memory.feedback(usual[thing], good=True, cue=f"the {thing}", user="ana")
        peculiar.memory.feedback(peculiar.wanted[thing], good=False, cue=f"the {thing}", user="ana")
    assert not peculiar.memory.learn(user="ana").kept
    assert peculiar.memory.ranker(user="ana").learned is None
    assert {thing: peculiar.hits(thing)[0].id for thing in THINGS[:12]} == usual


def test_features_that_weigh_nothing_are_left_at_that(peculiar: Peculiar) -> None:
    peculiar.tell(THINGS[:8], lambda thing, hits: peculiar.wanted[thing])
    weights = peculiar.memory.ranker(user="ana").weights
    assert set(peculiar.memory.learn(user="ana").shift) <= {name for name, weight in weights.items() if weight}


def test_too_few_cues_change_nothing(peculiar: Peculiar) -> None:
    peculiar.tell(THINGS[:4], lambda thing, hits: peculiar.wanted[thing])
    learned = peculiar.memory.learn(user="ana")
    assert (learned.kept, learned.before, learned.after) == (False, None, None)
    peculiar.tell(THINGS[4:5], lambda thing, hits: peculiar.wanted[thing])
    learned = peculiar.memory.learn(user="ana")
    assert learned.kept
    assert learned.before is not None


def lesson(seed: int, good: int, planted: float, count: int = 30) -> Lesson:
    """Candidates of which the good ones have more of the first feature, unless `planted` is 0."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, 3)).astype(np.float32)
    is_good = np.zeros(count, np.bool_)
    is_good[:good] = True
    features[is_good, 0] += np.float32(planted)
    scores = generator.normal(size=count).astype(np.float32)
    is_bad = np.zeros(count, np.bool_)
    is_bad[good : good + 2] = True
    target = target_of(scores, is_good, is_bad)
    assert target is not None
    return Lesson(RankedList(features, scores, target), is_good, is_bad)


def test_what_helps_with_what_was_left_out_is_told_from_what_does_not() -> None:
    helps, before, after = left_out([lesson(seed, 2, 3.0) for seed in range(40)], 10.0)
    assert helps
    assert before is not None
    assert after is not None
    assert after > before + 0.2
    kept = [left_out([lesson(100 * start + seed, 2, 0.0) for seed in range(40)], 10.0)[0] for start in range(20)]
    assert np.mean(kept) < 0.7  # nothing is to be learned: kept about as often as not


def test_an_outcome_counts_what_comes_out_right() -> None:
    one = lesson(1, 2, 0.0)
    up, down = np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0])
    high = Lesson(RankedList(one.list.features * 0, np.arange(30, 0, -1).astype(np.float32), one.list.target), one.good, one.bad)
    low = Lesson(RankedList(one.list.features * 0, np.arange(30).astype(np.float32), one.list.target), one.good, one.bad)
    assert high.outcome(up) == (1.0, 1.0)
    assert low.outcome(down) == (0.0, 1 / 29)
    nobody = np.zeros(30, np.bool_)
    assert Lesson(high.list, nobody, one.good).outcome(up) == (0.0, 0.0)
    assert Lesson(low.list, nobody, one.good).outcome(up) == (1.0, 1 - 1 / 29)


# ------------------------------------------------------------------------------------------------- what it is learned on
def test_learning_twice_from_the_same_gives_the_same(peculiar: Peculiar, clock: Clock) -> None:
    peculiar.tell(THINGS[:6], lambda thing, hits: peculiar.wanted[thing])
    first = peculiar.memory.learn(user="ana")
    clock.advance(days=30)
    second = peculiar.memory.learn(user="ana")  # the ranker in force now is the learned one: it must not be the start
    assert (second.shift, second.told, second.at) == (first.shift, first.told, clock.now)


def test_whether_it_is_still_up_to_date_can_be_seen(peculiar: Peculiar) -> None:
    def current() -> bool:
        learned = peculiar.memory.ranker(user="ana").learned
        assert learned is not None
        return learned.current

    peculiar.tell(THINGS[:8], lambda thing, hits: peculiar.wanted[thing])
    peculiar.memory.learn(user="ana")
    assert current()
    peculiar.memory.delete(peculiar.wanted[THINGS[0]])
    assert not current()
    peculiar.memory.learn(user="ana")
    assert current()
    peculiar.memory.feedback(peculiar.hits(THINGS[9])[0])
    assert not current()


def test_what_was_told_last_of_a_hit_holds() -> None:
    def told(item: str, good: bool, cue: str = "where?", scope: str = "") -> Feedback:
        return Feedback("event", item, good, Asked(cue, Filter(scope=scope), 7))

    cues = judged_cues(
        [told("a", True), told("b", False), told("a", False), told("b", True, cue="  where?\n"), told("a", True, scope="x")]
    )
    assert [(one.good, one.bad) for one in cues] == [({"b"}, {"a"}), ({"a"}, set())]


@given(st.integers(0, 1000))
def test_targets_are_shares(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 9))
    scores = (100 * generator.normal(size=count)).astype(np.float32)
    good, bad = generator.random(count) < 0.3, generator.random(count) < 0.5
    bad &= ~good
    target = target_of(scores, good, bad)
    if not good.any() and bad.all():
        assert target is None
        return
    assert target is not None
    assert target.sum() == pytest.approx(1, abs=1e-5)
    assert (target[bad] == 0).all()
    if good.any():
        assert (target[~good] == 0).all()


def test_feedback_from_below_is_learned_from_in_its_own_scope(clock: Clock) -> None:
    """Candidates are those the cue had: nobody else's items, however wide the scope that learns."""
    seen: list[set[str]] = []
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        for user in ("ana", "ben"):
            memory.add([f"The ferry of {user} leaves at {n}." for n in range(5)], tenant="acme", user=user)
        memory.feedback(memory.search("ferry", tenant="acme", user="ana")[0])
        memory.feedback(memory.search("ferry", tenant="acme", k=20)[0])
        real = Learner._lesson

        class Watched(Learner):
            def _lesson(self, survey, good, bad):  # type: ignore[no-untyped-def]
                keys = survey.signals.view.keys[survey.slots].tolist()
                seen.append({item.scope for item in memory.store.items.by_key(keys).values()})
                return real(self, survey, good, bad)

        Watched(memory.store, memory._recaller, Run(clock=clock)).learn("acme")
        assert seen == [{"acme/ana"}, {"acme/ana", "acme/ben"}]
        seen.clear()
        scope = memory.search("ferry", tenant="acme", k=20)[0].item.scope
        Watched(memory.store, memory._recaller, Run(clock=clock)).learn(scope)
        assert all(one == {scope} for one in seen)
        assert seen


# ------------------------------------------------------------------------------------------------------- refusals
def test_nothing_to_learn_from_is_said(peculiar: Peculiar) -> None:
    with pytest.raises(InputError, match="no feedback to learn from in the scope '/ana'"):
        peculiar.memory.learn(user="ana")
    hit = peculiar.hits("boat")[0]
    peculiar.memory.feedback(hit)
    peculiar.memory.forget(hit.id)
    with pytest.raises(InputError, match="none of the 1 items that feedback in '/ana' is about can be recalled now"):
        peculiar.memory.learn(user="ana")
    with pytest.raises(InputError, match="no feedback"):
        peculiar.memory.learn()
    with pytest.raises(InputError, match="is not a scope"):
        peculiar.memory.learn(scope="a//")
    assert peculiar.memory.stats()["learned"] == []


def test_it_can_be_cancelled_and_then_changes_nothing(peculiar: Peculiar) -> None:
    peculiar.tell(THINGS[:3], lambda thing, hits: peculiar.wanted[thing])
    steps: list[int] = []
    run = Run(progress=lambda stage, done, total: steps.append(done), cancelled=lambda: len(steps) > 1)
    with pytest.raises(Cancelled, match="learning was cancelled after 1 of 3"):
        Learner(peculiar.memory.store, peculiar.memory._recaller, run).learn("/ana")
    assert peculiar.memory.stats()["learned"] == []
