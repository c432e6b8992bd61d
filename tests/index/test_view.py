"""The view of a scope against the store it is a view of."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.index.view import GONE, ScopeView
from lamina.index.views import Views
from lamina.records import FORGOTTEN, KINDS, STALE, Filter, Item
from lamina.storage import SQLiteStore
from tests.storage.material import NOW, add, derived, trace

DIM = 4
SCOPES = ("", "acme", "acme/ana", "acme/ben", "/ana", "*")
WORDS = ("boat", "sea", "storm", "port", "sail", "mast", "the", "of")


def state(view: ScopeView) -> dict[int, Any]:
    """All that a view says of each item that is there, by key."""
    keys = [*view.keys.tolist(), None]  # the last one: -1
    postings: dict[int, dict[int, float]] = {slot: {} for slot in range(len(view))}
    for term in {int(term) for slot in range(len(view)) for term in view.lexical.terms(slot)}:
        for slot, count in zip(*view.lexical.postings(term), strict=True):
            postings[int(slot)][term] = float(count)
    names: Any = ("sessions", "roles", "speakers", "places")
    out = {}
    for slot in range(len(view)):
        if view._status.view[slot] & GONE:
            assert not view.flat.present[slot]
            continue
        columns = [getattr(view, many).names for many in names]
        codes = [int(view._codes[many[:-1]].view[slot]) for many in names]
        out[keys[slot]] = {
            "kind": KINDS[view.kind[slot]],
            "codes": [None if code < 0 else column[code] for code, column in zip(codes, columns, strict=True)],
            "times": [int(times.view[slot]) for times in view._times.values()],
            "status": int(view._status.view[slot]),
            "flags": int(view.flags[slot]),
            "before": keys[view.before[slot]],
            "after": keys[view.after[slot]],
            "terms": view.lexical.terms(slot).tolist(),
            "postings": postings[slot],
            "length": int(view.lexical.lengths[slot]),
            "vector": view.flat.rows(np.array([slot]))[0].tolist() if view.flat.present[slot] else None,
        }
    return out


def assert_fresh(view: ScopeView, store: SQLiteStore) -> None:
    assert state(view.refresh()) == state(ScopeView(store, view.scope).refresh())
    assert set(state(view)) == set(
        store.items.matching(Filter(scope=view.scope, forgotten=True, stale=True, retired=True)).tolist()
    )


# --------------------------------------------------------------------------------------------- random histories
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
names = st.none() | st.sampled_from(("Ana", "Ben", "ä b"))
scopes = st.sampled_from([scope for scope in SCOPES if scope != "*"])
times = st.integers(NOW, NOW + 8)


@st.composite
def drafts(draw: st.DrawFn) -> Item:
    at = draw(times)
    data: dict[str, Any] = {"speaker": draw(names), "place": draw(names)}
    data = {name: value for name, value in data.items() if value is not None}
    metadata = draw(st.fixed_dictionaries({}, optional={"stars": st.integers(0, 3) | st.just("many"), "tags": st.lists(st.sampled_from("ab"), max_size=2)}))  # fmt: skip
    common: dict[str, Any] = {
        "scope": draw(scopes),
        "session": draw(st.none() | st.sampled_from("st")),
        "at": at,
        "until": draw(st.none() | st.integers(at + 1, at + 4)),
        "data": {**data, "metadata": metadata},
    }
    if draw(st.integers(0, 3)) == 0:
        kind = draw(st.sampled_from(("note", "episode", "fact")))
        return derived(kind, draw(texts), [trace()], **common)
    role = draw(st.sampled_from((None, "user", "assistant", "event")))
    return trace(draw(texts), role=role, recorded_at=NOW + draw(st.integers(0, 8)), **common)


@st.composite
def filters(draw: st.DrawFn, scope: str) -> Filter:
    def some(*values: str) -> Any:
        return st.none() | st.lists(st.sampled_from(values), max_size=2).map(tuple)

    number = st.integers(0, 3)
    condition = number | st.sampled_from(
        [{"gte": 1}, {"lt": 2}, {"exists": True}, {"exists": False}, {"ne": 1}, {"in": [1, "many"]}]
    )
    return Filter(
        scope=scope,
        kinds=draw(some("trace", "note", "episode")),
        roles=draw(some("user", "assistant")),
        sessions=draw(some("s", "t", "u")),
        speakers=draw(some("Ana", "ä b", "Zoe")),
        places=draw(some("Ana", "Ben")),
        since=draw(st.none() | times),
        before=draw(st.none() | times),
        as_of=draw(st.none() | times),
        known_at=draw(st.none() | times),
        metadata=draw(st.just({}) | st.fixed_dictionaries({"stars": condition}) | st.just({"tags": {"contains": "a"}})),
        forgotten=draw(st.booleans()),
        stale=draw(st.booleans()),
        retired=draw(st.booleans()),
    )


def step(draw: Any, store: SQLiteStore) -> None:
    """One random thing that happens to a store."""
    everything = Filter(scope="*", forgotten=True, stale=True, retired=True)
    keys = store.items.matching(everything).tolist()
    some = draw(st.lists(st.sampled_from(keys), max_size=4, unique=True)) if keys else []
    kinds = {key: item.kind for key, item in store.items.by_key(some).items()}
    upper = [key for key in some if kinds[key] != "trace"]
    what = draw(st.sampled_from(("add", "add", "delete", "status", "retire", "blank", "renew", "embed", "embed", "again", "space", "overflow", "relex")))  # fmt: skip
    with store.transaction():
        if what == "add":
            store.items.add(draw(st.lists(drafts(), min_size=1, max_size=6)))
        elif what == "delete":
            store.items.delete(some)
        elif what == "status":
            store.items.set_status(some, FORGOTTEN, draw(st.booleans()))
        elif what == "retire":
            store.items.retire(some, draw(st.none() | times))
        elif what == "blank":
            store.items.blank(upper)
        elif what == "renew":
            for item in store.items.by_key(upper).values():
                store.items.put(replace(item, text=draw(texts), at=draw(times), until=None, data=draw(drafts()).data))
        elif what == "space" and draw(st.booleans()):
            store.vectors.activate(store.vectors.open_space(f"embedder {draw(st.integers(0, 2))}", DIM))
        elif what == "again" and store.vectors.active() is not None:
            embed(store, store.vectors.active(), [key for key, item in store.items.by_key(some).items() if not item.stale])
        elif what == "embed":
            space = store.vectors.active()
            if space is None:
                space = store.vectors.open_space("embedder 0", DIM)
                store.vectors.activate(space)
            pending = store.vectors.pending()
            embed(store, space, pending[: draw(st.integers(0, len(pending)))])
        elif what == "overflow":
            store.connection.execute("DELETE FROM change WHERE seq < (SELECT max(seq) FROM change)")
    if what == "relex":
        store.relex()


def embed(store: SQLiteStore, space: Any, keys: Sequence[int]) -> None:
    rows = np.random.default_rng(len(keys) + store.version().vector).integers(-3, 4, size=(len(keys), DIM))
    store.vectors.put(space, keys, rows.astype(np.float32))


@settings(max_examples=50)
@given(st.data())
def test_a_view_is_what_a_fresh_one_would_be_after_anything(tmp_path_factory: Any, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("view") / "memory.db"
    stores = [SQLiteStore(path), SQLiteStore(path)]  # two processes, as far as the file knows
    try:
        views = [ScopeView(stores[place % 2], scope) for place, scope in enumerate(SCOPES)]
        for _ in range(data.draw(st.integers(1, 8))):
            step(data.draw, stores[data.draw(st.integers(0, 1))])
            for view in data.draw(st.lists(st.sampled_from(views), max_size=3)):
                view.refresh()
        for view in views:
            assert_fresh(view, stores[0])
            where = data.draw(filters(view.scope))
            expected = set(stores[0].items.matching(where).tolist())
            assert set(view.keys[view.mask(where)].tolist()) == expected
    finally:
        for store in stores:
            store.close()


# ------------------------------------------------------------------------------------------------ single paths
@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    one = SQLiteStore(tmp_path / "memory.db")
    yield one
    one.close()


def test_an_item_that_ends_as_it_begins_is_over_at_once(store: SQLiteStore) -> None:
    """An end one microsecond after the beginning is an end, and not the lack of one."""
    add(store, trace("a", at=NOW, until=NOW + 1), trace("b", at=NOW))
    view = ScopeView(store, "").refresh()
    for moment in (NOW - 1, NOW, NOW + 1, NOW + 100):
        where = Filter(as_of=moment)
        assert view.keys[view.mask(where)].tolist() == store.items.matching(where).tolist()


def test_deleting_a_trace_joins_its_neighbours(store: SQLiteStore) -> None:
    keys = add(store, *(trace(f"line {n}", session="s", at=NOW + n) for n in range(4)))
    view = ScopeView(store, "").refresh()
    with store.transaction():
        store.items.delete(keys[1:3])
    view.refresh()
    first, last = view.slots_of([keys[0], keys[3]])
    assert (view.after[first], view.before[last]) == (last, first)
    assert view.session_slots(int(view.session[first])).tolist() == [first, last]
    with store.transaction():
        store.items.delete([keys[0], keys[3]])
    add(store, trace("again", session="s", at=NOW))
    assert_fresh(view, store)


def test_a_trace_that_comes_late_takes_its_place_in_time(store: SQLiteStore) -> None:
    first, third = add(store, trace("1", session="s", at=NOW), trace("3", session="s", at=NOW + 9))
    view = ScopeView(store, "").refresh()
    (second,) = add(store, trace("2", session="s", at=NOW + 5))
    view.refresh()
    a, b, c = view.slots_of([first, second, third])
    assert (view.after[a], view.after[b], view.before[c]) == (b, c, b)


def test_a_log_that_does_not_reach_back_makes_the_view_anew(store: SQLiteStore) -> None:
    keys = add(store, *(trace(f"line {n}") for n in range(5)))
    view = ScopeView(store, "").refresh()
    with store.transaction():
        store.items.set_status(keys, FORGOTTEN, True)
        store.items.delete(keys[:2])
        store.connection.execute("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - 1")
    assert store.changes(view.version.change) is None
    assert_fresh(view, store)
    assert len(view) == 3


def test_another_space_replaces_all_vectors(store: SQLiteStore) -> None:
    keys = add(store, trace("a"), trace("b"))
    with store.transaction():
        space = store.vectors.open_space("first", 3)
        store.vectors.activate(space)
        store.vectors.put(space, keys, np.ones((2, 3), np.float32))
    view = ScopeView(store, "").refresh()
    assert view.flat.dim == 3
    with store.transaction():
        other = store.vectors.open_space("second", 5)
        store.vectors.put(other, keys[:1], np.ones((1, 5), np.float32))
        store.vectors.activate(other)
        store.vectors.drop(space)
    view.refresh()
    assert view.flat.dim == 5
    assert view.flat.present.tolist() == [True, False]


def test_a_refresh_that_fails_is_done_again_as_a_whole(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a first reading must not be taken for a whole one: what was deleted meanwhile would stay."""
    keys = add(store, trace("a"), trace("b"), trace("c"))
    with store.transaction():
        store.vectors.activate(store.vectors.open_space("test", DIM))
        embed(store, store.vectors.active(), keys)
    view = ScopeView(store, "")

    def fail(upto: int) -> None:
        raise MemoryError

    monkeypatch.setattr(view, "_read_vectors", fail)
    with pytest.raises(MemoryError):
        view.refresh()
    monkeypatch.undo()
    with store.transaction():
        store.items.delete(keys[:1])
    assert_fresh(view, store)


def test_a_derived_item_with_another_text_has_no_vector_until_it_is_embedded(store: SQLiteStore) -> None:
    (key,) = add(store, derived("note", "boats at sea", [trace()]))
    with store.transaction():
        space = store.vectors.open_space("test", DIM)
        store.vectors.activate(space)
        store.vectors.put(space, [key], np.ones((1, DIM), np.float32))
    view = ScopeView(store, "").refresh()
    assert view.flat.present.tolist() == [True]
    with store.transaction():
        store.items.put(replace(store.items.by_key([key])[key], text="bread"))
    assert view.refresh().flat.present.tolist() == [False]
    with store.transaction():
        store.vectors.put(space, [key], np.full((1, DIM), 2, np.float32))
    assert_fresh(view, store)
    assert view.flat.rows(np.array([0])).tolist() == [[2.0] * DIM]


def test_the_least_recently_used_view_goes_first(store: SQLiteStore) -> None:
    for scope in ("/a", "/b", "/c"):
        add(store, *(trace("line", scope=scope) for _ in range(20)))
    views = Views(store, budget=1)
    first = views.get("/a")
    assert views.get("/a") is first
    views.get("/b")
    assert views.get("/a") is not first  # it had to go for /b
    roomy = Views(store)
    kept = [roomy.get(scope) for scope in ("/b", "/a", "/c")]
    roomy.get("/a")
    add(store, *(trace("line", scope="/c") for _ in range(400)))
    roomy.budget = ScopeView(store, "/c").refresh().nbytes() + kept[1].nbytes() + 10
    assert [roomy.get(scope) is view for scope, view in zip(("/c", "/a", "/b"), (kept[2], kept[1], kept[0]), strict=True)] == [
        True,
        True,
        False,
    ]
    roomy.clear()
    assert roomy.nbytes() == 0


def test_searching_and_adding_at_once(store: SQLiteStore) -> None:
    """Readers in threads see whole states: every slot has its terms, masks and columns are of one length."""
    views, wrong, stop = Views(store, budget=100_000), list[Exception](), threading.Event()

    def read(number: int) -> None:
        try:
            while not stop.is_set():
                view = views.get(("*", "/a", "/b")[number % 3])
                with view.lock:
                    mask = view.mask(Filter(scope=view.scope))
                    assert len(mask) == len(view.keys) == len(view.lexical) == len(view.flat.present) == len(view.before)
                    assert int(mask.sum()) == len(mask)
                views.nbytes()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must show it
            wrong.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in range(60):
        add(store, *(trace(f"line {number}", scope=("/a", "/b")[n % 2], session=f"s{number}") for n in range(10)))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(views.get("*")) == 600
    assert_fresh(views.get("*"), store)


def test_stale_items_show_nothing_of_their_text(store: SQLiteStore) -> None:
    keys = add(store, trace("boats"))
    note = add(store, derived("note", "boats at sea", [trace("boats")]))
    view = ScopeView(store, "").refresh()
    with store.transaction():
        store.items.blank(note)
    view.refresh()
    slot = view.slots_of(note)[0]
    assert view.lexical.terms(int(slot)).tolist() == []
    assert not view.mask(Filter())[slot]
    assert view.mask(Filter(stale=True))[slot]
    assert view.live[view.slots_of(keys)[0]]
    assert not view.live[slot]
    assert STALE & int(view._status.view[slot])
