"""Items and their sessions."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.errors import InputError
from lamina.records import FORGOTTEN, Edge, Item
from lamina.scopes import make_scope
from lamina.storage.protocol import Store
from tests.storage.conformance.base import Conformance
from tests.storage.material import EVERYTHING, NOW, add, derived, small_world, trace


class ItemConformance(Conformance):
    """Items and their sessions."""

    def test_an_item_comes_back_as_it_was_stored(self, store: Store) -> None:
        item = trace(
            "Olá, 世界 \U0001f30d\n'\"%_",
            scope=make_scope(tenant="acme", user="a/b", agent="%"),
            session="s",
            origin="mail/1",
            role="user",
            at=NOW - 5,
            until=NOW + 5,
            precision="day",
            offset=-90,
            data={"speaker": "Ana", "place": "Porto", "captions": ["a boat"], "metadata": {"n": [1, 2.5, None, {"x": True}]}},
        )
        (key,) = add(store, item)
        assert key > 0
        found = store.items.get([item.id])[0]
        assert found is not None
        assert found.key == key
        assert found == Item(**{name: getattr(item, name) for name in item.__slots__ if name != "key"}, key=key)
        assert store.items.by_key([key]) == {key: found}
        assert store.items.keys_of([item.id, "nothing"]) == {item.id: key}
        assert store.items.get(["nothing", item.id]) == [None, found]
        assert store.items.by_origin(item.scope, "mail/1") == found
        assert store.items.by_origin("", "mail/1") is None

    def test_an_origin_is_stored_once_in_a_scope(self, store: Store) -> None:
        first = add(store, trace("one", origin="m1"))[0]
        with store.transaction():
            again, elsewhere, twin, sibling = store.items.add(
                [
                    trace("two", origin="m1"),
                    trace("three", origin="m1", scope="x"),
                    trace("a", origin="m2"),
                    trace("b", origin="m2"),
                ]
            )
        assert (again.key, again.new) == (first, False)
        assert elsewhere.new
        assert twin.new
        assert (sibling.key, sibling.new) == (twin.key, False)
        assert [item.text for item in store.items.each(EVERYTHING)] == ["one", "three", "a"]

    def test_what_cannot_be_stored_is_refused_and_nothing_is_written(self, store: Store) -> None:
        (key,) = add(store, trace("first", id="T" * 26))
        for bad in (
            trace("twice", id="T" * 26),
            trace("surrogate \ud800"),
            trace("number", at=2**70),
            trace("scope", scope="a%"),
            trace("scope", scope="*"),
            trace("data", data={"metadata": {"x": float("nan")}}),
            trace("data", data={"metadata": {"x": object()}}),
            Item("x", "opinion", "kind", NOW, NOW),  # type: ignore[arg-type]
        ):
            with pytest.raises(InputError):
                add(store, trace("before"), bad)
        for edge in (Edge(key, 999, "links"), Edge(key, key, "owes"), Edge(key, key, "links", float("inf"))):  # type: ignore[arg-type]
            with pytest.raises(InputError), store.transaction():
                store.edges.add([edge])
        assert [item.text for item in store.items.each(EVERYTHING)] == ["first"]
        assert store.edges.count() == 0

    def test_putting_a_derived_item_renews_it_and_keeps_its_key_and_marks(self, store: Store) -> None:
        item = derived("note", "Ana likes boats", [], made_by="note/1")
        with store.transaction():
            key = store.items.put(item)
            store.items.set_status([key], FORGOTTEN, True)
            store.items.blank([key])
        with store.transaction():
            assert store.items.put(derived("note", "Ana likes ships", [], id=item.id, made_by="note/2")) == key
        found = store.items.by_key([key])[key]
        assert (found.text, found.made_by, found.forgotten, found.stale) == ("Ana likes ships", "note/2", True, False)
        assert store.vectors.pending() == [key]

    def test_putting_an_item_unchanged_is_no_change(self, store: Store) -> None:
        item = derived("note", "Ana likes boats", [])
        with store.transaction():
            store.items.put(item)
        before = store.version()
        with store.transaction():
            store.items.put(item)
        assert store.version() == before

    def test_a_new_speaker_or_caption_renews_what_is_looked_up(self, store: Store) -> None:
        item = derived("note", "boats", [])
        with store.transaction():
            key = store.items.put(item)
            space = store.vectors.open_space("e", 2)
            store.vectors.activate(space)
            store.vectors.put(space, [key], np.ones((1, 2), np.float32))
        before = store.items.columns("*").terms[0].tolist()
        with store.transaction():
            store.items.put(derived("note", "boats", [], id=item.id, data={"captions": ["a lighthouse"]}))
        assert len(store.items.columns("*").terms[0]) > len(before)
        assert store.vectors.get(space, [key]) == {}
        assert store.vectors.pending() == [key]

    def test_deleting_takes_everything_that_hangs_on_an_item(self, store: Store) -> None:
        names = small_world(store)
        key = names["line0"]
        space = store.vectors.active()
        assert space is not None
        (artifact,) = store.artifacts.of(key)
        with store.transaction():
            assert store.items.delete([key, 10**6]) == 1
        assert store.items.by_key([key]) == {}
        assert store.edges.out([key]) == []
        assert store.edges.into([key]) == []
        assert store.vectors.get(space, [key]) == {}
        assert store.strengths.get("decay/1", [key]) == {}
        assert [one.item for one in store.artifacts.each("*")] == [names["episode"]]
        with pytest.raises(KeyError, match=artifact.id):
            store.artifacts.get(artifact.id)
        assert key not in store.items.columns("*").keys

    def test_keys_are_never_given_twice(self, store: Store) -> None:
        keys = add(store, trace("one"), trace("two"))
        with store.transaction():
            store.items.delete(keys)
        assert add(store, trace("three"))[0] > max(keys)

    def test_blanking_leaves_nothing_but_the_item_itself(self, store: Store) -> None:
        names = small_world(store)
        key = names["episode"]
        with store.transaction():
            store.items.blank([np.int64(key)])  # type: ignore[list-item]
        item = store.items.by_key([key])[key]
        assert (item.text, item.data, item.stale) == ("", {}, True)
        assert store.artifacts.of(key) == []
        assert store.vectors.load is not None
        assert key not in store.vectors.pending()
        columns = store.items.columns("*", keys=[np.int64(key)])  # type: ignore[list-item]
        assert columns.terms[0].tolist() == []
        space = store.vectors.active()
        assert space is not None
        assert store.vectors.get(space, [key]) == {}
        with store.transaction():
            assert store.vectors.put(space, [key], np.ones((1, 4), np.float32)) == 0

    def test_sessions_and_their_last_traces(self, store: Store) -> None:
        keys = add(
            store,
            trace("late", session="s", at=NOW + 9),
            trace("early", session="s", at=NOW + 1),
            trace("event", session="s", role="event"),
            trace("no session"),
            trace("elsewhere", session="s", scope="x"),
        )
        assert [item.text for item in store.items.session_traces("", "s")] == ["early", "late"]
        assert store.items.last_trace("", "s") == keys[1]
        assert store.items.last_trace("", None) == keys[3]
        assert store.items.last_trace("", "t") is None
        assert set(store.items.sessions_since("", 0)) == {"s", None}
        assert store.items.sessions_since("", keys[2]) == [None]
        assert [item.text for item in store.items.newest_traces("", "s")] == ["early", "late"]
        assert [item.text for item in store.items.newest_traces("", "s", limit=1)] == ["early"]
        assert [item.text for item in store.items.newest_traces("", "s", before=keys[1])] == ["late"]
        with store.transaction():
            store.items.retire([keys[0]], NOW)
        assert [item.text for item in store.items.newest_traces("", "s")] == ["early"]
        assert [item.text for item in store.items.newest_traces("", "s", retired=True)] == ["early", "late"]
        assert store.items.sessions_between("", "r", "s") == []
        assert store.items.sessions_between("", "s", "t") == ["s"]
        assert store.items.sessions_between("/other", "", "z") == []
