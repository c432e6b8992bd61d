"""What holds whatever is done: scopes are walls, exports and rebuilds are identities, nothing derived is without its source."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lamina import Memory
from lamina.records import Filter, Run
from lamina.scopes import covers, make_scope
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import derived, derived_at_once, everything, links, unsourced

NOON = 1_767_268_800_000_000
HOSTILE = (
    "ana", "ana2", "an", "an_", "an%", "a%6Ea", "*", "..", ".", "a/b", "a", "b", "0", "'", '"', "'; DROP TABLE item; --", "日本", "é", "é",
    "x y", "\n", "~", "x" * 512, "x" * 511, "ANA",
)  # fmt: skip
SEGMENTS = st.sampled_from(HOSTILE)
SCOPES = st.lists(st.one_of(SEGMENTS, st.none()), min_size=0, max_size=3).map(
    lambda path: make_scope(*path) if path and path[-1] is not None else ""
)
TOPICS = (
    "the kettle boils in the kitchen",
    "a train leaves for Porto",
    "violin lessons with her teacher",
    "the roof leaks again",
)


def fresh(clock: Clock | None = None) -> Memory:
    return Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock or Clock(NOON)))


# ------------------------------------------------------------------------------------------------------------ scopes
@settings(max_examples=40)
@given(st.lists(SCOPES, min_size=1, max_size=6, unique=True), SCOPES, st.booleans())
def test_no_recall_sees_beyond_its_scope(scopes: list[str], asked: str, consolidated: bool) -> None:
    with fresh() as memory:
        whose = {}
        for scope in scopes:
            for id in memory.add([f"{topic} of {scope[:20]}" for topic in TOPICS[:2]], scope=scope, session="s"):
                whose[id] = scope
        if consolidated:
            memory.consolidate()
        for scope in {asked, *scopes}:
            allowed = {id for id, owner in whose.items() if covers(scope, owner)}
            found = {hit.id for hit in memory.search("the kettle in the kitchen, a train", k=100, scope=scope)}
            assert found == allowed
            hits = memory.context("the kettle in the kitchen, a train", budget=100_000, scope=scope).hits
            assert {hit.id for hit in hits} <= allowed
            assert {item.id for item in memory.get_all(limit=1000, scope=scope, kinds="trace")} == allowed
            assert memory.count(scope=scope, kinds="trace") == len(allowed)
            for item in memory.get_all(limit=1000, scope=scope, kinds="episode"):
                assert covers(scope, item.scope)
                assert {one.scope for one in memory.zoom(item.id)} == {item.scope}
                assert {id for hit in memory.search("kettle", scope=scope, kinds="episode") for id in hit.sources} <= allowed
        assert memory.count(scope="*", kinds="trace") == len(whose)
        assert set(memory.scopes()) == set(scopes)


@settings(max_examples=30)
@given(st.lists(SCOPES, min_size=2, max_size=6, unique=True), st.data())
def test_delete_all_takes_a_scope_and_what_is_below_it_and_nothing_else(scopes: list[str], data: st.DataObject) -> None:
    with fresh() as memory:
        for scope in scopes:
            memory.add(list(TOPICS[:2]), scope=scope, session="s")
        memory.consolidate()
        gone = data.draw(st.sampled_from(scopes))
        memory.delete_all(scope=gone)
        assert set(memory.scopes()) == {scope for scope in scopes if not covers(gone, scope)}
        assert unsourced(memory) == []
        assert memory.doctor() == []


# ---------------------------------------------------------------------------------------------------- any operations
class Operations(RuleBasedStateMachine):
    """Public operations in any order, with what must hold after each of them."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock(NOON)
        self.memory = fresh(self.clock)
        self.texts: dict[str, str] = {}  # of every trace that was neither deleted nor corrected
        self.versions: set[str] = set()  # of those that were corrected or correct another
        self.days = 0

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            assert derived_again(self.memory)
            with tempfile.TemporaryDirectory() as folder:
                exported_and_imported(self.memory, Path(folder))
            self.memory.close()

    def _pick(self, data: st.DataObject, most: int = 3) -> list[str]:
        return data.draw(st.lists(st.sampled_from(sorted(self.texts)), min_size=1, max_size=most, unique=True))

    @rule(
        topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4),
        scope=st.sampled_from(["", "/ana", "/ana2", "acme", "acme/ana"]),
        session=st.sampled_from(["s", "t", None]),
        origin=st.sampled_from([None, None, "o"]),
        old=st.booleans(),
    )
    def add(self, topics: list[str], scope: str, session: str | None, origin: str | None, old: bool) -> None:
        self.clock.advance(hours=1)
        messages: list[Any] = [{"content": f"{topic}, number {len(self.texts)}", "name": "Ana"} for topic in topics]
        ids = self.memory.add(messages, scope=scope, session=session, origin=origin, at="2020-01-01" if old else None)
        for id in ids:
            item = self.memory.get(id)
            assert item is not None
            if item.retired_at is None:
                self.texts.setdefault(id, item.text)

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        ids = [id for id in self._pick(data) if id not in self.versions]
        assert self.memory.delete(ids) == len(ids)
        for id in ids:
            del self.texts[id]

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        old = self._pick(data, 1)[0]
        new = self.memory.update(old, "corrected: " + data.draw(st.sampled_from(TOPICS)))
        del self.texts[old]
        item = self.memory.get(new)
        assert item is not None
        self.texts[new] = item.text
        self.versions |= {old, new}

    @precondition(lambda self: self.versions & self.texts.keys())
    @rule(data=st.data())
    def delete_a_version(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.versions & self.texts.keys())))
        before = [item for item in self.memory.history(id) if item.role != "event" and item.id != id]
        self.memory.delete(id)
        del self.texts[id]
        revived = [item for item in (self.memory.get(one.id) for one in before) if item is not None and item.retired_at is None]
        assert len(revived) == min(1, len(before))
        self.texts |= {item.id: item.text for item in revived}

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        self.memory.forget(self._pick(data), reason="asked to")

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        self.memory.restore(self._pick(data))

    @rule()
    def delete_a_derived_item(self) -> None:
        shown = sorted(derived(self.memory))
        if shown:
            self.memory.delete(shown[0])

    @rule(scope=st.sampled_from(["/ana", "acme", "acme/ana"]))
    def delete_all(self, scope: str) -> None:
        before = everything(self.memory)
        self.memory.delete_all(scope=scope)
        for id in list(self.texts):
            if covers(scope, before[id].scope):
                del self.texts[id]

    @rule(scope=st.sampled_from(["*", "acme", ""]))
    def consolidate(self, scope: str) -> None:
        self.memory.consolidate(scope=scope)
        assert self.memory.consolidate(scope=scope) == []

    @rule()
    def rebuild(self) -> None:
        self.memory.rebuild()

    @rule()
    def recall(self) -> None:
        for hit in self.memory.search("the kettle in the kitchen", k=50, scope="*"):
            item = self.memory.get(hit.id)
            assert item is not None
            assert not item.forgotten
            assert item.retired_at is None

    @invariant()
    def nothing_observed_is_lost(self) -> None:
        items = everything(self.memory)
        assert {id: items[id].text for id in self.texts if id in items} == self.texts

    @invariant()
    def everything_derived_shows_its_sources(self) -> None:
        assert unsourced(self.memory) == []

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        assert self.memory.doctor() == []


def derived_again(memory: Memory) -> bool:
    """Consolidated step by step, all at once, or anew: the same ids and content."""
    memory.consolidate()
    shown, all_items = derived(memory), everything(memory)
    assert shown == derived_at_once(memory)
    memory.rebuild()
    assert derived(memory) == shown
    assert everything(memory) == all_items
    return True


def exported_and_imported(memory: Memory, folder: Path, settled: bool = True) -> None:
    """An export read into a new memory gives the same items and links, whole or by scope; if it is `settled`, nothing is to do."""
    memory.flush()
    for number, scope in enumerate(["*", *memory.scopes()]):
        file = folder / f"{number}.jsonl"
        memory.export(file, scope=scope)
        inside = {id: item for id, item in everything(memory).items() if covers(scope, item.scope)}
        with fresh() as other:
            other.import_(file)
            assert everything(other) == inside
            assert list(everything(other)) == list(inside)
            assert links(other) == {link for link in links(memory) if link[0] in inside and link[2] in inside}
            assert other.stats()["pending_embeddings"] == 0
            assert other.doctor() == []
            assert not other.import_(file).changed
            if settled and scope == "*":
                assert other.consolidate() == []


TestOperations = Operations.TestCase
TestOperations.settings = settings(max_examples=25, stateful_step_count=25)


@pytest.mark.slow
def test_many_long_sequences_of_operations() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Operations, settings=settings(max_examples=400, stateful_step_count=50))


# -------------------------------------------------------------------------------------------------------- identities
@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60).filter(str.strip),
            SCOPES,
            st.sampled_from([None, "s", "t", "'"]),
            st.sampled_from([None, "2020", "2023-05", "2023-05-08T10:00:00+05:30"]),
            st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5), st.one_of(st.integers(), st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)), max_size=3),
        ),
        min_size=1,
        max_size=12,
    )
)  # fmt: skip
def test_whatever_was_added_survives_export_and_rebuild(
    rows: list[tuple[str, str, str | None, str | None, dict[str, Any]]],
) -> None:
    with fresh() as memory, tempfile.TemporaryDirectory() as folder:
        for text, scope, session, at, metadata in rows:
            id = memory.add(text, scope=scope, session=session, at=at, metadata=metadata)[0]
            item = memory.get(id)
            assert item is not None
            assert (item.text, item.metadata) == (text, metadata)
        assert derived_again(memory)
        exported_and_imported(memory, Path(folder))


def test_rebuilding_one_scope_leaves_the_others_alone() -> None:
    with fresh() as memory:
        for user in ("ana", "ben"):
            memory.add(list(TOPICS), user=user, session="s")
        memory.consolidate()
        before = everything(memory)
        reports = memory.rebuild(user="ana")
        assert {report.scope for report in reports} == {"/ana"}
        assert everything(memory) == before


def test_a_rebuild_removes_what_mechanisms_no_longer_in_use_have_left() -> None:
    from lamina.records import Edge, Item, derived_id

    with fresh() as memory:
        ids = memory.add(list(TOPICS), session="s")
        memory.consolidate()
        before = everything(memory)
        with memory.store.transaction():
            sources = memory.store.items.keys_of(ids)
            note = derived_id("note", "", "old/1", ids)
            key = memory.store.items.put(Item(note, "note", "an old note", at=NOON, recorded_at=NOON, made_by="old/1"))
            memory.store.edges.add(Edge(key, source, "cites") for source in sources.values())
        memory.rebuild()
        assert everything(memory) == before


def test_traces_that_get_their_vectors_late_are_looked_at_again() -> None:
    """Another process may add between the embedding and the segmentation of a consolidation."""
    from lamina.consolidation.pipeline import Pipeline

    with fresh() as memory:
        for day, topic in enumerate(TOPICS * 3):
            memory.add([f"{topic} {n}" for n in range(4)], session="s", at=f"2023-05-{day + 1:02d}")
        Pipeline().run(memory.store, "*", Run(clock=Clock(NOON)))  # before anything has its vector
        memory.consolidate()
        assert derived(memory) == derived_at_once(memory)


def test_hidden_and_superseded_items_are_exported_as_they_are(tmp_path: Path) -> None:
    with fresh() as memory:
        ids = memory.add(list(TOPICS), user="ana", session="s")
        memory.consolidate()
        memory.forget(ids[0], reason="asked to")
        memory.update(ids[1], "corrected")
        memory.delete(ids[2])
        exported_and_imported(memory, tmp_path, settled=False)
        assert memory.count(where=Filter(forgotten=True, retired=True), user="ana", kinds="trace") == 4
