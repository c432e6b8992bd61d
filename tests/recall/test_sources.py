"""Where candidates come from."""

from __future__ import annotations

import numpy as np
import pytest

from lamina import Memory
from lamina.index.approximate import UsearchIndex
from lamina.recall.cue import read_cue
from lamina.recall.signals import EPISODE, Signals
from lamina.recall.sources import Dense, Descent, Lexical, Neighbours, Time, union
from lamina.records import FORGOTTEN, Edge, Filter
from tests.recall.test_features import Naive
from tests.recall.world import World
from tests.storage.material import NOW, add, add_derived, derived, trace


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 7, 500])
def test_lexical_gives_the_best_by_words(seed: int, k: int) -> None:
    world = World(seed)
    naive = Naive(world)
    scored = sorted((-naive.bm25(item), item.key) for item in naive.items if naive.bm25(item) > 0)
    found = Lexical().candidates(world.signals, k)
    keys = world.view.keys[found].tolist()
    items = world.store.items.by_key(keys)
    assert [naive.bm25(items[key]) for key in keys] == pytest.approx([-score for score, _ in scored[:k]], abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 7, 500])
@pytest.mark.parametrize("graph", [False, True])
def test_dense_gives_the_best_by_vector(seed: int, k: int, graph: bool) -> None:
    if graph:
        pytest.importorskip("usearch")
        world = World(seed, make_index=lambda dim: UsearchIndex(dim, crossover=1))
    else:
        world = World(seed)
    naive = Naive(world)
    scored = sorted((-naive.dot(item), item.key) for item in naive.items if item.key in naive.vectors)
    found = Dense().candidates(world.signals, k)
    assert world.view.keys[found].tolist() == [key for _, key in scored[:k]]


def test_without_a_vector_dense_gives_nothing() -> None:
    world = World(0)
    object.__setattr__(world.cue, "vector", None)
    assert Dense().candidates(world.signals, 5).tolist() == []
    object.__setattr__(world.cue, "vector", np.ones(3, np.float32))
    del world.signals.__dict__["vector"]
    assert Dense().candidates(world.signals, 5).tolist() == []


def test_neighbours_stand_beside_good_matches() -> None:
    world = World(3)
    naive = Naive(world)
    good = np.concatenate([Lexical().candidates(world.signals, 5), Dense().candidates(world.signals, 5)])
    items = world.store.items.by_key(world.view.keys[good].tolist()).values()
    expected = {beside.key for item in items for steps in (-1, 1) if (beside := naive.beside(item, steps)) is not None}
    found = Neighbours(share=0.5).candidates(world.signals, 10)
    assert set(world.view.keys[found].tolist()) == expected != set()


def test_time_gives_what_lies_in_the_stretch_that_is_named() -> None:
    world = World(4, "What was there in April?")
    inside = {item.key for item in Naive(world).items if any(item.at in stretch for stretch in world.cue.ranges)}
    assert 3 < len(inside) < len(world.slots)
    assert set(world.view.keys[Time().candidates(world.signals, 500)].tolist()) == inside
    assert len(Time().candidates(world.signals, 3)) == 3
    assert Time().candidates(World(4, "What was there?").signals, 500).tolist() == []


def test_descent_goes_to_the_traces_of_the_best_episodes_whatever_kinds_are_asked_for() -> None:
    world = World(0)
    for number in range(12):
        some = [trace(f"blank {line}", session=f"e{number}", at=NOW + line) for line in range(3)]
        keys = add(world.store, *some)
        text = "storm storm storm at sea" if number == 9 else "a quiet day at home"
        episode = add_derived(world.store, derived("episode", text, some, session=f"e{number}"), keys)
        with world.store.transaction():
            world.store.edges.add(Edge(episode, key, "contains") for key in keys)
    view = world.view.refresh()

    def found() -> set[object]:
        signals = Signals(view, read_cue("storm"), view.mask(Filter(kinds=("trace",))))
        slots = Descent(world.store, beam=1).candidates(signals, 100)
        assert len(slots) in (0, 3)
        return {view.sessions.names[code] for code in view.session[slots].tolist()}

    others = np.flatnonzero((view.kind == EPISODE) & np.array([view.sessions.names[code][1] != "e9" for code in view.session]))  # type: ignore[index]
    with world.store.transaction():
        world.store.items.delete([int(key) for key in view.keys[others[:2]]])
    view.refresh()
    assert found() == {("", "e9")}
    with world.store.transaction():
        world.store.items.set_status([int(key) for key in view.keys[view.kind == EPISODE]], FORGOTTEN, True)
    view.refresh()
    assert found() == set()


def test_descent_after_consolidation_finds_what_shares_no_word_with_the_cue() -> None:
    """A trace that says nothing of the cue is proposed because the episode around it does."""
    with Memory(":memory:") as memory:
        for day in range(8):
            memory.add(
                [
                    {"content": f"Weather report number {n}, rain and wind.", "at": NOW + day * 10**11 + n * 10**7}
                    for n in range(9)
                ],
                session=f"d{day}",
            )
        talk = ["The regatta starts at noon.", "Regatta boats are in.", "Which one?", "Number four, sure.", "Regatta flags up."]
        memory.add([{"content": text, "at": NOW + 10**13 + n * 10**7} for n, text in enumerate(talk)], session="r")
        memory.consolidate()
        view = memory._views.get("")
        vector = memory._recaller._vector("regatta", view, None)
        signals = Signals(view, read_cue("regatta", vector=vector), view.mask(Filter(kinds=("trace",))))
        found = Descent(memory.store, beam=1).candidates(signals, 50)
        texts = {item.text for item in memory.store.items.by_key(view.keys[found].tolist()).values()}
        assert "Number four, sure." in texts
        assert not any("Weather" in text for text in texts)


def test_a_union_has_each_slot_once() -> None:
    world = World(1)
    sources = (Lexical(), Dense(), Neighbours(), Time())
    found = union(sources, world.signals, 20)
    assert found.tolist() == sorted({int(slot) for source in sources for slot in source.candidates(world.signals, 20)})
    assert union((), world.signals, 20).tolist() == []
