"""Episodes in step with their traces."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.episodic.episodes import EpisodeConsolidator
from lamina.errors import Cancelled
from lamina.records import Filter, Item, Run, TraceIds
from lamina.storage import SQLiteStore
from lamina.times import MINUTE
from tests.conftest import Clock

NOW = 1_767_268_800_000_000
TOPICS = ("boat mast sail harbour", "bread oven flour dough", "match goal team stadium", "exam school teacher grade")
DIM = 8
_ids = TraceIds()


def lines(seed: int, count: int, **fields: Any) -> list[Item]:
    """A talk that goes from topic to topic, three sessions side by side."""
    generator = random.Random(seed)
    made = []
    for number in range(count):
        topic = TOPICS[number // 10 % len(TOPICS)].split()
        text = f"{generator.choice(topic)} and {generator.choice(topic)} number {number}."
        common = {"session": f"s{number % 3}", "data": {"speaker": "AB"[number % 2]}, **fields}
        made.append(Item(_ids.make(NOW + number), "trace", text, at=NOW + number * MINUTE, recorded_at=NOW + number, **common))
    return made


def vector(item: Item) -> Any:
    topic = next(place for place, topic in enumerate(TOPICS) if item.text.split()[0] in topic)
    row = np.random.default_rng(int(item.text.split()[-1][:-1])).normal(0, 0.4, DIM)
    row[topic] += 2
    return (row / np.linalg.norm(row)).astype(np.float32)


def put(store: SQLiteStore, items: list[Item]) -> list[int]:
    with store.transaction():
        keys = [stored.key for stored in store.items.add(items)]
        space = store.vectors.open_space("test", DIM)
        store.vectors.activate(space)
        store.vectors.put(space, keys, np.stack([vector(item) for item in items]))
    return keys


def episodes(store: SQLiteStore, scope: str = "*") -> dict[str, Any]:
    """Everything an episode is, but for its key; with the ids of what it cites and contains."""
    where = Filter(scope=scope, kinds=("episode",), forgotten=True, stale=True)
    found = {}
    for item in store.items.each(where):
        edges = [(edge.kind, edge.dst) for edge in store.edges.out([item.key])]
        names = {key: one.id for key, one in store.items.by_key([dst for _, dst in edges]).items()}
        found[item.id] = (replace(item, key=0, recorded_at=0), sorted((kind, names[dst]) for kind, dst in edges))
    return found


def consolidated(items: list[Item]) -> dict[str, Any]:
    """What one consolidation of all these traces at once gives."""
    store = SQLiteStore(None)
    put(store, items)
    EpisodeConsolidator().consolidate(store, "", Run())
    try:
        return episodes(store)
    finally:
        store.close()


@pytest.fixture
def store() -> Iterator[SQLiteStore]:
    one = SQLiteStore(None)
    yield one
    one.close()


# ------------------------------------------------------------------------------------------------- promises
@settings(max_examples=15)
@given(st.data())
def test_the_order_of_arrival_does_not_matter(data: st.DataObject) -> None:
    items = lines(0, 90)
    seed = data.draw(st.integers(0, 10**6))
    order = random.Random(seed).sample(items, len(items))
    store = SQLiteStore(None)
    stage = EpisodeConsolidator()
    while order:
        count = data.draw(st.integers(1, 60))
        put(store, order[:count])
        order = order[count:]
        if data.draw(st.booleans()):
            stage.consolidate(store, "", Run())
    stage.consolidate(store, "", Run())
    assert episodes(store) == consolidated(items)
    store.close()


def test_every_trace_is_in_one_episode_and_cited_by_it(store: SQLiteStore) -> None:
    items = lines(1, 100)
    put(store, items)
    report = EpisodeConsolidator().consolidate(store, "", Run())
    found = episodes(store)
    inside = [id for item, edges in found.values() for kind, id in edges if kind == "contains"]
    assert sorted(inside) == sorted(item.id for item in items)
    assert (report.read, report.made, report.kept, report.removed) == (100, len(found), 0, 0)
    for item, edges in found.values():
        traces = store.items.get(item.data["traces"])
        assert {kind for kind, _ in edges} == {"cites", "contains"}
        assert [kind for kind, _ in edges].count("cites") == len(traces)
        assert {one.session for one in traces if one} == {item.session}
        assert item.at == min(one.at for one in traces if one)
        assert item.until == max(one.at for one in traces if one) + 1


def test_a_second_run_does_nothing(store: SQLiteStore) -> None:
    put(store, lines(2, 60))
    stage = EpisodeConsolidator()
    stage.consolidate(store, "", Run())
    before, version = episodes(store), store.version()
    report = stage.consolidate(store, "", Run())
    assert (report.read, report.made, report.kept, report.removed) == (0, 0, 0, 0)
    assert store.version() == version
    forced = stage.consolidate(store, "", Run(), force=True)
    assert (forced.made, forced.removed) == (len(before), 0)
    assert episodes(store) == before
    assert store.version().item == version.item


@pytest.mark.parametrize("seed", range(6))
def test_interrupted_anywhere_and_run_again_it_is_as_if_nothing_had_happened(store: SQLiteStore, seed: int) -> None:
    items = lines(seed, 120)
    generator = random.Random(seed)
    stage, interruptions = EpisodeConsolidator(), 0
    for start in (0, 70):
        put(store, items[start : start + 70])
        for _ in range(4):
            left = generator.randint(0, 3)

            def cancelled() -> bool:
                nonlocal left
                left -= 1
                return left < 0

            try:
                stage.consolidate(store, "", Run(cancelled=cancelled))
                break
            except Cancelled:
                interruptions += 1
    stage.consolidate(store, "", Run())
    assert interruptions
    assert episodes(store) == consolidated(items)


def test_scopes_are_kept_apart(store: SQLiteStore) -> None:
    put(store, lines(3, 30, scope="a"))
    put(store, lines(4, 30, scope="a/b"))
    put(store, lines(5, 30))
    stage = EpisodeConsolidator()
    stage.consolidate(store, "a", Run())
    assert {item.scope for item, _ in episodes(store).values()} == {"a"}
    before = episodes(store, "a")
    stage.consolidate(store, "a/b", Run())
    stage.consolidate(store, "a", Run(), force=True)
    assert {id: one for id, one in episodes(store).items() if one[0].scope == "a"} == before
    assert {item.scope for item, _ in episodes(store).values()} == {"a", "a/b"}


def test_traces_without_a_session_are_consolidated_together(store: SQLiteStore) -> None:
    items = lines(6, 60, session=None)
    put(store, items + lines(7, 30))
    EpisodeConsolidator().consolidate(store, "", Run())
    found = episodes(store)
    assert sorted(id for item, _ in found.values() if item.session is None for id in item.data["traces"]) == [
        one.id for one in items
    ]
    assert found == consolidated(items + store_lines(store, items))


def store_lines(store: SQLiteStore, without: list[Item]) -> list[Item]:
    known = {item.id for item in without}
    return [replace(item, key=0) for item in store.items.each(Filter(kinds=("trace",))) if item.id not in known]


# --------------------------------------------------------------------------------- with what happens to traces
@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        yield one


SAID = [
    f"{text} {number}"
    for number in range(4)
    for text in ("The boat sails.", "Which mast?", "A wooden mast.", "Bread is in.", "Ovens!")
]


def shown(memory: Memory) -> list[Item]:
    return list(memory.get_all(kinds=["episode"], limit=1000))


def test_a_deleted_trace_leaves_its_episode_stale_until_it_is_made_again(memory: Memory) -> None:
    ids = memory.add([*SAID, "The word xylophone is here, twice xylophone."], session="s")
    memory.consolidate()
    (holder,) = [item for item in shown(memory) if ids[-1] in item.data["traces"]]
    memory.delete(ids[-1])
    stale = memory.get(holder.id)
    assert stale is not None
    assert stale.stale
    assert stale.text == ""
    assert holder.id not in {item.id for item in shown(memory)}
    memory.consolidate()
    assert sorted(id for item in shown(memory) for id in item.data["traces"]) == sorted(ids[:-1])
    assert not any("xylophone" in item.text + repr(item.data) for item in shown(memory))
    assert memory.get(holder.id) is None


def test_the_words_of_a_forgotten_trace_are_in_no_visible_episode(memory: Memory) -> None:
    ids = memory.add([*SAID, "The word xylophone is here, twice xylophone."], session="s")
    memory.consolidate()
    assert any("xylophone" in repr(item.data) for item in shown(memory))
    memory.forget(ids[-1])
    assert not any("xylophone" in item.text + repr(item.data) for item in shown(memory))
    memory.consolidate()
    assert not any("xylophone" in item.text + repr(item.data) for item in shown(memory))
    assert sorted(id for item in shown(memory) for id in item.data["traces"]) == sorted(ids[:-1])
    memory.restore(ids[-1])
    memory.consolidate()
    assert any("xylophone" in repr(item.data) for item in shown(memory))


def test_a_corrected_trace_is_told_as_corrected(memory: Memory) -> None:
    ids = memory.add([*SAID, "The word xylophone is here, twice xylophone."], session="s")
    memory.consolidate()
    new = memory.update(ids[-1], "The word glockenspiel is here, twice glockenspiel.")
    memory.consolidate()
    assert not any("xylophone" in item.text + repr(item.data) for item in shown(memory))
    assert any("glockenspiel" in repr(item.data) for item in shown(memory))
    assert sorted(id for item in shown(memory) for id in item.data["traces"]) == sorted([*ids[:-1], new])


def test_an_echo_is_not_derived_from(memory: Memory) -> None:
    ids = memory.add(SAID, session="s")
    hit = memory.search("wooden mast")[0]
    (echo,) = memory.add(f"<recalled-memory>\n- {hit.text}\n</recalled-memory>", session="s")
    memory.consolidate()
    assert memory.get(echo).data["echo"]  # type: ignore[union-attr]
    assert sorted(id for item in shown(memory) for id in item.data["traces"]) == sorted(ids)


def test_a_deleted_episode_is_not_made_again_from_the_same_traces(memory: Memory) -> None:
    memory.add(SAID, session="s")
    memory.consolidate()
    before = shown(memory)
    memory.delete(before[0].id)
    memory.consolidate()
    memory.rebuild()
    assert [item.id for item in shown(memory)] == [item.id for item in before[1:]]


def test_a_rebuild_gives_the_same_episodes(memory: Memory, clock: Clock) -> None:
    for day in range(3):
        memory.add(SAID[day * 4 :], session=f"s{day % 2}")
        memory.consolidate()
        clock.advance(days=1)
    before = episodes(memory.store)  # type: ignore[arg-type]
    memory.rebuild()
    assert episodes(memory.store) == before  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------- size
def test_one_session_of_five_thousand_traces(store: SQLiteStore) -> None:
    put(store, lines(9, 5000, session=None))
    stage = EpisodeConsolidator()
    began = time.perf_counter()
    stage.consolidate(store, "", Run())
    first = time.perf_counter() - began
    put(store, [replace(item, at=item.at + 5000 * MINUTE) for item in lines(10, 1, session=None)])
    began = time.perf_counter()
    report = stage.consolidate(store, "", Run())
    again = time.perf_counter() - began
    print(f"5,000 traces: {first:.2f} s; one more: {again:.2f} s, {report.made} made, {report.kept} kept")
    assert first < 15
    assert again < 10
    assert report.kept > 5 * report.made
