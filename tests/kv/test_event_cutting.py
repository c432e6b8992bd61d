"""Cutting a stream into events while it is read: however it arrives, the cuts are the same, and so are their bounds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms.boundaries import BoundaryRefinement
from lamina.errors import InputError
from lamina.kv.event_cutting import EventCutter, NoMarks, RandomMarks, SentenceMarks, SurpriseMarks

LENGTH = 300


def streamed(cutter: EventCutter, marker, surprises, similarity, steps: list[int], window: int, first: int = 4) -> list[int]:
    """The ends of the events of a stream that arrives in steps, the last of its tokens in a window."""
    ids = np.arange(len(surprises)) % 7
    marks, ends, start, last, read = np.empty(0, np.int64), [], first, first, 0
    for step in [*steps, len(surprises)]:
        until = min(read + step, len(surprises))
        marks = np.concatenate([marks, marker.marks(ids[:until], surprises[:until], read)])
        read = until

        def known(low: int, high: int, read: int = read):
            assert first <= low < high <= read, "only what has been read is looked at"
            return similarity[low:high, low:high]

        new, last = cutter.cut(start, last, marks, read - window, known, first)
        ends += new
        start = ends[-1] if ends else first
    return ends


@given(
    seed=st.integers(0, 30),
    steps=st.lists(st.integers(1, 90), max_size=12),
    kind=st.sampled_from(["surprise", "fixed", "random", "sentence"]),
    refine=st.booleans(),
)
def test_the_cuts_do_not_depend_on_how_the_text_arrives(seed: int, steps: list[int], kind: str, refine: bool) -> None:
    chance = np.random.default_rng(seed)
    keys = chance.normal(size=(LENGTH, 6))
    surprises = chance.exponential(size=LENGTH)
    surprises[0] = np.nan
    marker = {
        "surprise": SurpriseMarks(1.0, 40),
        "fixed": NoMarks(),
        "random": RandomMarks(9, seed),
        "sentence": SentenceMarks(frozenset({3})),
    }[kind]
    cutter = EventCutter(4, 24, BoundaryRefinement("modularity", 4) if refine else None)
    whole = streamed(cutter, marker, surprises, keys @ keys.T, [], 40)
    assert streamed(cutter, marker, surprises, keys @ keys.T, steps, 40) == whole
    sizes = np.diff([4, *whole])
    assert whole[-1] > LENGTH - 40 - 24, "what waits is never longer than one event"
    assert sizes.min() >= 4
    assert sizes.max() <= 24


def test_without_marks_all_events_are_of_the_largest_size() -> None:
    ends, _ = EventCutter(8, 32).cut(16, 16, NoMarks().marks(np.zeros(200, int), np.zeros(200), 0), 150)
    assert ends == [48, 80, 112, 144]


def test_unknown_surprises_open_no_event() -> None:
    surprises = np.array([np.nan, 1, 1.1, 0.9, np.nan, 1, 9, 1, np.nan])
    assert SurpriseMarks(1.0, 6).marks(np.zeros(9, int), surprises, 0).tolist() == [6]
    assert SurpriseMarks(1.0, 6).marks(np.zeros(3, int), np.full(3, np.nan), 0).tolist() == []


def test_random_marks_are_as_frequent_as_asked_for() -> None:
    marks = RandomMarks(20, seed=5).marks(np.zeros(20_000, int), np.zeros(20_000), 0)
    assert 900 < len(marks) < 1100
    assert RandomMarks(20, seed=5).marks(np.zeros(0, int), np.zeros(0), 0).size == 0


def test_numbers_out_of_range_are_refused() -> None:
    for make in (
        lambda: EventCutter(9, 8),
        lambda: EventCutter(0, 8),
        lambda: RandomMarks(0.5),
        lambda: SentenceMarks(frozenset()),
        lambda: SurpriseMarks(float("nan")),
    ):
        with pytest.raises(InputError):
            make()


# ----------------------------------------------------------------------------------------------------------------- effect
def test_effect_refinement_repairs_cuts_in_a_stream() -> None:
    """Events of keys around centres of their own, marked up to 10 tokens beside where they begin: the share of marks within 2."""
    shares: dict[str, list[float]] = {"as marked": [], "refined": [], "refined by shuffled keys": []}
    for seed in range(40):
        chance = np.random.default_rng(seed)
        sizes = chance.integers(16, 48, size=8)
        keys = np.repeat(chance.normal(size=(8, 16)), sizes, axis=0)
        keys += 0.7 * chance.normal(size=keys.shape)
        true = np.cumsum(sizes)[:-1]
        marks = np.unique(np.clip(true + chance.integers(-10, 11, size=7), 8, len(keys) - 24))
        shuffled = chance.permutation(keys)
        for name, similarity in (
            ("as marked", None),
            ("refined", keys @ keys.T),
            ("refined by shuffled keys", shuffled @ shuffled.T),
        ):
            refinement = None if similarity is None else BoundaryRefinement("modularity", 8)
            ends, _ = EventCutter(8, 96, refinement).cut(
                0, 0, marks, len(keys) - 24, None if similarity is None else lambda a, b, by=similarity: by[a:b, a:b]
            )
            near = [min(abs(true - one)) <= 2 for one in ends]
            shares[name].append(float(np.sum(near)) / len(true))
    means = {name: float(np.mean(one)) for name, one in shares.items()}
    print("\nwithin 2 tokens:", {name: round(one, 3) for name, one in means.items()})
    assert means["refined"] >= 0.6
    assert means["refined"] > 2 * means["as marked"]
    assert means["refined by shuffled keys"] < means["as marked"] + 0.1
