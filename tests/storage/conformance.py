"""What every store must do. A store's own test file subclasses `StoreConformance` and says how one is opened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import ClosedError, InputError, VectorError
from lamina.records import EVENT, FORGOTTEN, STALE, Edge, Filter, Item, conditions, covers, make_scope
from lamina.storage.protocol import Store
from tests.storage import material
from tests.storage.material import EVERYTHING, HOSTILE_SEGMENTS, NOW, add, add_derived, connect, derived, small_world, trace

Opener = Callable[[], Store]


# ------------------------------------------------------------------------------------ what a filter means, in plain words
def lets_through(where: Filter, item: Item) -> bool:
    """The meaning of a filter, written without a database."""
    if not covers(where.scope, item.scope):
        return False
    for wanted, value in (
        (where.kinds, item.kind),
        (where.ids, item.id),
        (where.roles, item.role),
        (where.sessions, item.session),
        (where.speakers, item.speaker),
        (where.places, item.place),
    ):
        if wanted is not None and value not in wanted:
            return False
    end = item.at + 1 if item.until is None else item.until
    if where.since is not None and end <= where.since:
        return False
    if where.before is not None and item.at >= where.before:
        return False
    if where.as_of is not None and not (item.at <= where.as_of and (item.until is None or item.until > where.as_of)):
        return False
    if where.known_at is not None:
        if item.recorded_at > where.known_at or (item.retired_at is not None and item.retired_at <= where.known_at):
            return False
    elif item.retired_at is not None and not where.retired:
        return False
    if (item.forgotten and not where.forgotten) or (item.stale and not where.stale) or (item.role == EVENT and not where.events):
        return False
    return all(
        holds(item, name, operator, value)
        for name, condition in where.metadata.items()
        for operator, value in conditions(condition)
    )


def holds(item: Item, name: str, operator: str, value: Any) -> bool:
    there: Any = item.data.get("metadata")
    exists = True
    for part in name.split("."):
        exists = exists and isinstance(there, dict) and part in there
        there = there[part] if exists else None
    same_type = isinstance(value, str) == isinstance(there, str) and not isinstance(there, (list, dict, type(None)))
    match operator:
        case "exists":
            return exists == bool(value)
        case "eq":
            return (value is None and there is None) or (same_type and there == value)
        case "ne":
            return not holds(item, name, "eq", value)
        case "in":
            return any(holds(item, name, "eq", one) for one in value)
        case "nin":
            return not holds(item, name, "in", value)
        case "contains" if isinstance(there, list):
            return any(one == value and isinstance(one, str) == isinstance(value, str) for one in there)
        case "contains":
            return isinstance(there, str) and isinstance(value, str) and value in there
        case "gt":
            return same_type and there > value
        case "gte":
            return same_type and there >= value
        case "lt":
            return same_type and there < value
        case "lte":
            return same_type and there <= value
    raise AssertionError(operator)


NAMES = ("stars", "project", "tags", "deep.er", "it's", "tab\there", "back\\slash", "día")
scalars = st.sampled_from([0, 1, 2, 3, 2.5, -1, "x", "xy", "y", "", "3", "é", None, True, False])
plain_lists = st.lists(st.sampled_from(["x", "y", 1, 2.5]), max_size=3)


@st.composite
def described(draw: st.DrawFn) -> dict[str, Any]:
    """Metadata that the filters below are about."""
    metadata: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        value = draw(scalars | plain_lists)
        if name == "deep.er":
            metadata["deep"] = {"er": value}
        else:
            metadata[name] = value
    return metadata


comparable = st.sampled_from([0, 1, 2, 2.5, "x", "xy", ""])
metadata_conditions = (
    scalars
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("gt", "gte", "lt", "lte"), comparable))
    | st.fixed_dictionaries({}, optional={"eq": scalars, "ne": scalars, "exists": st.booleans()})
    | st.fixed_dictionaries({}, optional={"in": st.lists(scalars, max_size=3), "nin": st.lists(scalars, max_size=3)})
    | st.fixed_dictionaries({"contains": st.sampled_from(["x", "y", 1, 2.5])})
)
scopes = st.lists(st.sampled_from(HOSTILE_SEGMENTS[:8]), max_size=2).map(lambda parts: make_scope(*parts) if parts else "")
moments = st.integers(0, 12).map(lambda step: NOW + step)


@st.composite
def filtered_items(draw: st.DrawFn, number: int) -> Item:
    at, recorded_at = draw(moments), draw(moments)
    kind = draw(st.sampled_from(("trace", "note", "fact")))
    optional = {"speaker": st.sampled_from("AB"), "place": st.sampled_from("AB"), "metadata": described()}
    return Item(
        id=f"{kind}-{number}",
        kind=kind,  # type: ignore[arg-type]
        text=f"text {number}",
        at=at,
        recorded_at=recorded_at,
        scope=draw(scopes),
        session=draw(st.sampled_from((None, "s", "t"))),
        role=draw(st.sampled_from((None, "user", "event"))),
        until=draw(st.none() | st.integers(1, 6).map(lambda length: at + length)),
        retired_at=draw(st.none() | st.integers(0, 6).map(lambda later: recorded_at + later)),
        made_by=None if kind == "trace" else "test/1",
        status=draw(st.sampled_from((0, 0, FORGOTTEN, STALE, FORGOTTEN | STALE))),
        data=draw(st.fixed_dictionaries({}, optional=optional)),
    )


optional_moments = st.none() | moments
filters = st.builds(
    Filter,
    scope=st.sampled_from(["*", "*"]) | scopes,
    kinds=st.none() | st.sampled_from([("trace",), ("note", "fact"), ()]),
    ids=st.none() | st.just(("trace-0", "note-1", "trace-2")),
    roles=st.none() | st.just(("user", "event")),
    sessions=st.none() | st.just(("s",)),
    speakers=st.none() | st.just(("A",)),
    places=st.none() | st.just(("B",)),
    since=optional_moments,
    before=optional_moments,
    as_of=optional_moments,
    known_at=optional_moments,
    metadata=st.dictionaries(st.sampled_from(NAMES), metadata_conditions, max_size=2),
    forgotten=st.booleans(),
    stale=st.booleans(),
    events=st.booleans(),
    retired=st.booleans(),
)


class StoreConformance:
    """The suite. Subclasses give the fixture `opener`: each call opens the same store anew; `shared` says whether they share it."""

    shared = True

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def store(self, opener: Opener) -> Any:
        store = opener()
        yield store
        store.close()

    @pytest.fixture
    def other(self, store: Store, opener: Opener) -> Any:
        if not self.shared:
            pytest.skip("such a store is private to its object")
        other = opener()
        yield other
        other.close()

    # ---------------------------------------------------------------------------------------------------- items
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

    # -------------------------------------------------------------------------------------------------- filters
    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_a_filter_means_what_it_says(self, store: Store, data: st.DataObject) -> None:
        with store.transaction():
            store.items.delete(store.items.matching(EVERYTHING).tolist())
        items = [data.draw(filtered_items(number)) for number in range(data.draw(st.integers(1, 6)))]
        add(store, *items)
        for _ in range(4):
            where = data.draw(filters)
            expected = [item.id for item in items if lets_through(where, item)]
            assert [item.id for item in store.items.each(where, batch=2)] == expected
            assert store.items.count(where) == len(expected)
            assert len(store.items.matching(where)) == len(expected)
            if expected:  # the limit comes after every condition
                assert [item.id for item in store.items.page(where, limit=1)] == expected[:1]

    @pytest.mark.parametrize("operator", ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "exists"])
    def test_every_operator_tells_some_items_from_others(self, store: Store, operator: str) -> None:
        values: list[Any] = [1, 2, 3, "x", "xyz", ["x"], None]
        items = [trace(repr(value), data={"metadata": {"n": value}}) for value in values] + [trace("none of it")]
        add(store, *items)
        wanted: dict[str, Any] = {"in": [2, "x"], "nin": [2, "x"], "contains": "x", "exists": True}
        where = Filter(metadata={"n": {operator: wanted.get(operator, 2)}})
        expected = [item.text for item in items if lets_through(where, item)]
        assert 0 < len(expected) < len(items)
        assert [item.text for item in store.items.each(where)] == expected

    @pytest.mark.parametrize("outer", HOSTILE_SEGMENTS)
    def test_a_scope_sees_itself_and_its_descendants_only(self, store: Store, outer: str) -> None:
        scopes = [
            "",
            *(make_scope(a) for a in HOSTILE_SEGMENTS),
            *(make_scope(a, b) for a in HOSTILE_SEGMENTS for b in HOSTILE_SEGMENTS[:5]),
        ]
        keys = add(store, *(trace(scope, scope=scope) for scope in scopes))
        scope = make_scope(outer)
        expected = [one for one in scopes if one == scope or one.startswith(scope + "/")]
        assert [item.scope for item in store.items.each(Filter(scope=scope))] == expected
        assert store.items.scopes(scope) == sorted(expected)
        assert store.items.columns(scope).scopes == expected
        with store.transaction():
            store.strengths.put("p", dict.fromkeys(keys, "{}"))
            for one in scopes:
                store.watermarks.set("stage", one, 7)
            store.watermarks.reset(scope)
        assert [keys.index(key) for key, _ in store.strengths.each("p", scope)] == [scopes.index(one) for one in expected]
        assert [one for one in scopes if not store.watermarks.get("stage", one)] == expected
        assert store.items.count(Filter(scope="")) == 1
        assert store.items.count(Filter(scope="*")) == len(scopes)

    # --------------------------------------------------------------------------------------------------- paging
    @pytest.mark.parametrize("order", ["recorded", "-recorded", "at", "-at"])
    def test_paging_has_no_cap_and_loses_and_doubles_nothing_while_others_write(self, store: Store, order: Any) -> None:
        generator = np.random.default_rng(0)
        items = [trace(str(number), at=NOW + int(generator.integers(0, 20))) for number in range(250)]
        keys = add(store, *items)
        seen: list[int] = []
        cursor, added = None, 0
        while True:
            page = store.items.page(Filter(), cursor=cursor, limit=7, order=order)
            assert len(page) <= 7
            seen += [item.key for item in page]
            cursor = page.cursor
            if cursor is None:
                break
            added += 1
            if added <= 5:
                add(store, trace("between", at=NOW + 10))
        assert len(seen) == len(set(seen))
        old = [key for key in seen if key <= keys[-1]]
        assert set(old) == set(keys)
        if order.endswith("at"):
            sorting = [(items[keys.index(key)].at, key) for key in old]
            assert sorting == sorted(sorting, reverse=order == "-at")
        else:
            assert old == sorted(keys, reverse=order == "-recorded")
        assert sum(1 for _ in store.items.each(Filter(), batch=11)) == 255

    def test_a_page_is_asked_for_properly(self, store: Store) -> None:
        for wrong in ({"limit": 0}, {"cursor": "x"}, {"cursor": "1:2:3"}, {"order": "text"}):
            with pytest.raises(InputError):
                store.items.page(Filter(), **wrong)  # type: ignore[arg-type]

    # ------------------------------------------------------------------------------------------------- sessions
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

    # ---------------------------------------------------------------------------------------------------- edges
    def test_edges_are_one_of_a_kind_between_two_items(self, store: Store) -> None:
        a, b, c = add(store, trace("a"), trace("b"), trace("c"))
        connect(store, a, b, "links", weight=0.25, data={"x": "é"}, made_by="m/1")
        connect(store, a, b, "links", weight=0.75)
        connect(store, a, b, "mentions")
        connect(store, c, b, "links")
        assert [(edge.kind, edge.weight) for edge in store.edges.out([a])] == [("links", 0.75), ("mentions", 1.0)]
        assert [edge.src for edge in store.edges.into([b], ["links"])] == [a, c]
        with store.transaction():
            store.edges.remove([Edge(a, b, "mentions")])
        assert store.edges.count() == 2
        with store.transaction():
            store.edges.remove_from([a], ["mentions"])
            store.edges.remove_from([c])
        assert [(edge.src, edge.dst) for edge in store.edges.into([b])] == [(a, b)]

    # ----------------------------------------------------------------------------------------------- transactions
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

    # ------------------------------------------------------------------------------------------------- the change log
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

    def test_setting_a_mark_twice_is_no_change(self, store: Store) -> None:
        keys = add(store, trace("a"), trace("b"))
        with store.transaction():
            assert store.items.set_status(keys, FORGOTTEN, True) == 2
        before = store.version()
        with store.transaction():
            assert store.items.set_status(keys, FORGOTTEN, True) == 0
        assert store.version() == before

    # -------------------------------------------------------------------------------------------------- vectors
    def test_vectors_come_back_in_half_precision(self, store: Store) -> None:
        keys = add(store, trace("a"), trace("b", scope="x"), trace("event", role="event"))
        assert store.vectors.pending() == keys[:2]
        vectors = np.array([[1 / 3, -2, 65504], [0, 1e-3, 4]], np.float32)
        with store.transaction():
            space = store.vectors.open_space("e/1", 3)
            store.vectors.activate(space)
            assert store.vectors.put(space, [*keys[:2], 10**6], np.vstack([vectors, vectors[:1]])) == 2
        assert store.vectors.pending() == []
        found = store.vectors.get(space, keys)
        assert np.array_equal(found[keys[0]], vectors[0].astype(np.float16).astype(np.float32))
        slices = list(store.vectors.load(space, "*", size=1))
        assert [int(key) for one, _ in slices for key in one] == keys[:2]
        assert np.array_equal(np.concatenate([array for _, array in slices]), vectors.astype(np.float16).astype(np.float32))
        assert [one.tolist() for one, _ in store.vectors.load(space, "x")] == [[keys[1]]]
        version = store.version().vector
        with store.transaction():
            store.vectors.put(space, keys[:1], vectors[1:])
        assert [one.tolist() for one, _ in store.vectors.load(space, "*", after=version)] == [[keys[0]]]
        assert [one.tolist() for one, _ in store.vectors.load(space, "*", after=0, upto=version)] == [[keys[1]]]

    @pytest.mark.parametrize(
        "vectors", [[[1, 2, np.nan]], [[1, 2, np.inf]], [[1, 2, 70000]], [[1, 2]], [[1, 2, 3, 4]], [[1, 2, 3], [1, 2, 3]]]
    )
    def test_a_vector_that_is_none_is_refused(self, store: Store, vectors: list[list[float]]) -> None:
        keys = add(store, trace("a"))
        with store.transaction():
            space = store.vectors.open_space("e/1", 3)
            store.vectors.activate(space)
        with pytest.raises(VectorError), store.transaction():
            store.vectors.put(space, keys, np.array(vectors, np.float32))
        assert store.vectors.get(space, keys) == {}
        assert store.vectors.pending() == keys

    def test_spaces_are_switched_at_once_and_dropped(self, store: Store) -> None:
        keys = add(store, trace("a"), trace("b"))
        with store.transaction():
            old = store.vectors.open_space("e/1", 2)
            store.vectors.activate(old)
            store.vectors.put(old, keys[:1], np.ones((1, 2), np.float32))
        with store.transaction():
            new = store.vectors.open_space("e/2", 3)
            store.vectors.put(new, keys, np.ones((2, 3), np.float32))
        assert store.vectors.active() == old
        assert store.vectors.pending() == keys[1:]  # of the space that serves
        assert store.vectors.missing(old) == keys[1:]
        assert store.vectors.missing(new) == []
        with pytest.raises(VectorError), store.transaction():
            store.vectors.open_space("e/1", 5)
        with store.transaction():
            store.vectors.activate(new)
            store.vectors.drop(old)
        assert store.vectors.active() == new
        assert store.vectors.pending() == []
        assert store.vectors.spaces() == [new]
        with store.transaction():
            store.vectors.drop(new)
        assert store.vectors.active() is None
        assert store.vectors.pending() == keys

    # -------------------------------------------------------------------------------------------------- ledgers
    def test_strengths_are_kept_by_policy(self, store: Store) -> None:
        a, b = add(store, trace("a"), trace("b", scope="x"))
        with store.transaction():
            store.strengths.put("p", {a: "1", b: "2", 10**6: "3"})
            store.strengths.put("q", {a: "4"})
            store.strengths.put("p", {a: "5"})
        assert store.strengths.get("p", [a, b, 10**6]) == {a: "5", b: "2"}
        assert store.strengths.each("p", "x") == [(b, "2")]
        assert store.strengths.policies() == ["p", "q"]

    def test_watermarks_are_kept_by_stage_and_scope(self, store: Store) -> None:
        with store.transaction():
            store.watermarks.set("segment", "a", 5)
            store.watermarks.set("segment", "a/b", 6)
            store.watermarks.set("notes", "c", 7)
        assert store.watermarks.get("segment", "a") == 5
        assert store.watermarks.get("segment", "zzz") == 0
        assert store.watermarks.each("a") == [("segment", "a", 5), ("segment", "a/b", 6)]
        with store.transaction():
            store.watermarks.reset("a")
        assert store.watermarks.each("*") == [("notes", "c", 7)]

    @pytest.mark.parametrize("inline", [True, False, None])
    def test_an_artifact_goes_with_its_item(self, store: Store, inline: bool | None) -> None:
        keys = add(store, trace("a"), trace("b"))
        before = store.nbytes()
        with store.transaction():
            kept = store.artifacts.put(keys[0], "file", b"x" * 600_000, inline=inline)
            gone = store.artifacts.put(keys[1], "file", b"y" * 600_000, inline=inline)
        assert store.artifacts.get(gone.id) == b"y" * 600_000
        assert (gone.size, gone.kind, gone.item) == (600_000, "file", keys[1])
        assert store.nbytes() > before + 1_000_000
        with store.transaction():
            store.items.delete(keys[1:])
        with pytest.raises(KeyError):
            store.artifacts.get(gone.id)
        assert store.artifacts.of(keys[0]) == [kept]
        with store.transaction():
            store.artifacts.delete(kept.id)
        store.scrub()
        assert store.artifacts.each("*") == []
        assert store.nbytes() < before + 500_000

    def test_an_artifact_keeps_a_given_id(self, store: Store) -> None:
        (key,) = add(store, trace("a"))
        with store.transaction():
            assert store.artifacts.put(key, "file", b"x", id="0" * 32).id == "0" * 32
        for wrong in ("0" * 32, "../../etc/passwd", "G" * 32):
            with pytest.raises(InputError), store.transaction():
                store.artifacts.put(key, "file", b"x", id=wrong)

    def test_everything_is_there_after_reopening(self, store: Store, other: Store) -> None:
        small_world(store)
        assert list(other.items.each(EVERYTHING)) == list(store.items.each(EVERYTHING))
        assert other.vectors.active() == store.vectors.active()
        assert [other.artifacts.get(one.id) for one in other.artifacts.each("*")] == [b"small content", b"large content"]

    def test_derived_material_is_as_the_tests_believe(self, store: Store) -> None:
        """The suite's own worlds stand on traces."""
        (key,) = add(store, trace("a"))
        note = add_derived(store, derived("note", "n", [trace("a")]), [key])
        assert [edge.dst for edge in store.edges.out([note], ["cites"])] == [key]
        assert material.NOW == NOW
