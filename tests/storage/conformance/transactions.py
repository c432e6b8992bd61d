"""Transactions, snapshots, and the log of changes."""

from __future__ import annotations

import threading

import pytest

from lamina.errors import ClosedError, ConfigError
from lamina.records import FORGOTTEN
from lamina.storage.protocol import Store
from lamina.terms import term_hashes
from tests.storage.conformance.base import Conformance, Opener
from tests.storage.material import EVERYTHING, NOW, add, derived, small_world, trace


class TransactionConformance(Conformance):
    """Transactions, snapshots, and the log of changes."""

    def test_a_transaction_that_fails_leaves_nothing(self, store: Store) -> None:
        names = small_world(store)
        before = list(store.items.each(EVERYTHING)), store.edges.count(), store.version()
        called: list[str] = []

        def fail() -> None:
            with store.transaction():
                store.items.add([trace("new")])
                store.items.delete([names["line1"]])
                store.items.blank([names["topic"]])
                store.vectors.drop(store.vectors.spaces()[0])
                store.set_meta("colour", "blue")
                store.after_commit(lambda: called.append("committed"))
                assert store.items.count(EVERYTHING) == len(before[0])  # one more, one less
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert (list(store.items.each(EVERYTHING)), store.edges.count(), store.version()) == before
        assert store.meta("colour") is None
        assert called == []
        assert store.artifacts.get(store.artifacts.of(names["episode"])[0].id) == b"large content"

    def test_an_inner_transaction_that_fails_is_undone_alone(self, store: Store) -> None:
        called: list[str] = []

        def fail() -> None:
            with store.transaction():
                store.items.add([trace("inner")])
                store.after_commit(lambda: called.append("inner"))
                raise ZeroDivisionError

        with store.transaction():
            store.items.add([trace("outer")])
            with pytest.raises(ZeroDivisionError):
                fail()
            with store.transaction():
                store.items.add([trace("second")])
            store.after_commit(lambda: called.append("outer"))
            assert called == []
        assert [item.text for item in store.items.each(EVERYTHING)] == ["outer", "second"]
        assert called == ["outer"]

    def test_a_snapshot_sees_one_state(self, store: Store, other: Store) -> None:
        add(store, trace("one"))
        with other.snapshot():
            assert other.items.count(EVERYTHING) == 1
            add(store, trace("two"))
            assert other.items.count(EVERYTHING) == 1
        assert other.items.count(EVERYTHING) == 2

    def test_a_frozen_store_stays_as_it_was_in_every_thread(self, store: Store) -> None:
        add(store, trace("one"))
        counts: list[int] = []
        with store.frozen() as frozen:
            add(store, trace("two"))
            reader = threading.Thread(target=lambda: counts.append(frozen.items.count(EVERYTHING)))
            reader.start()
            reader.join()
            counts.append(frozen.items.count(EVERYTHING))
            with pytest.raises(Exception, match="reading only"):
                add(frozen, trace("three"))
        assert counts == [1, 1]
        assert store.items.count(EVERYTHING) == 2

    def test_a_write_outside_a_transaction_is_a_mistake(self, store: Store) -> None:
        with pytest.raises(AssertionError):
            store.items.add([trace("x")])

    def test_after_closing_every_call_is_refused(self, opener: Opener) -> None:
        store = opener()
        store.close()
        store.close()
        with pytest.raises(ClosedError, match="closed"):
            store.items.count(EVERYTHING)
        with pytest.raises(ClosedError), store.transaction():
            pass

    def test_another_object_hears_of_adds_changes_and_deletions(self, store: Store, other: Store) -> None:
        keys = add(store, *(trace(str(number)) for number in range(6)))
        seen = other.version()
        assert seen.item == keys[-1]
        assert other.changes(seen.change) == []
        with store.transaction():
            store.items.set_status([keys[0]], FORGOTTEN, True)
            store.items.retire([keys[1]], NOW + 1)
            store.items.delete([keys[2]])
            store.items.put(derived("note", "x", [], id="note-x"))
        with store.transaction():
            store.items.put(derived("note", "y", [], id="note-x"))
        now = other.version()
        assert now.item > seen.item
        assert now.change > seen.change
        changed = other.changes(seen.change)
        assert changed is not None
        assert set(changed) == {*keys[:3], now.item}
        assert other.changes(now.change) == []
        assert other.changes(-1) is None or seen.change == 0
        store.relex()
        assert other.changes(now.change) is None  # read everything anew

    def test_another_object_hears_of_another_language_and_writes_in_it(self, store: Store, other: Store) -> None:
        add(store, trace("zwei Häuser"))
        assert store.language == other.language == "english"
        seen = other.version()
        assert store.relex(language="german") == 1
        assert other.changes(seen.change) is None
        assert store.language == other.language == "german"
        add(other, trace("drei Häuser"))
        two, three = (terms.tolist() for terms in other.items.columns("").terms)
        assert two[1] == three[1] == term_hashes("haus", "german")[0]
        with pytest.raises(ConfigError, match="no language"):
            store.relex(language="klingon")
        assert store.language == "german"

    def test_setting_a_mark_twice_is_no_change(self, store: Store) -> None:
        keys = add(store, trace("a"), trace("b"))
        with store.transaction():
            assert store.items.set_status(keys, FORGOTTEN, True) == 2
        before = store.version()
        with store.transaction():
            assert store.items.set_status(keys, FORGOTTEN, True) == 0
        assert store.version() == before
