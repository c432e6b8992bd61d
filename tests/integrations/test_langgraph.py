"""The LangGraph store beside LangGraph's own: the same operations give the same answers; and what only a memory can do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import InvalidNamespaceError
from langgraph.store.memory import InMemoryStore

from lamina import Memory
from lamina.errors import InputError
from lamina.integrations import langgraph as module
from lamina.integrations.langgraph import LaminaStore

LABELS = st.sampled_from(["ana", "ben", "a/b", "*", "ünï", "x y"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k1", "k2", "key with spaces", "ключ"])
VALUES = st.fixed_dictionaries({"n": st.integers(-3, 3), "text": st.sampled_from(["the kettle is blue", "sardines", ""])})
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), NAMESPACES, KEYS, VALUES),
    st.tuples(st.just("delete"), NAMESPACES, KEYS, st.none()),
)
FILTERS = st.sampled_from([None, {"n": 1}, {"n": {"$gte": 0}}, {"text": {"$ne": "sardines"}, "n": {"$lt": 2}}, {"missing": 3}])


def plain(items: list[Any]) -> set[tuple[Any, ...]]:
    return {(item.namespace, item.key, item.value["n"], item.value["text"]) for item in items}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OPERATIONS, max_size=12), NAMESPACES, FILTERS)
def test_it_answers_as_langgraphs_own_store_does(operations: list[Any], prefix: tuple[str, ...], condition: Any) -> None:
    ours, theirs = LaminaStore(Memory(":memory:")), InMemoryStore()
    for verb, namespace, key, value in operations:
        for store in (ours, theirs):
            store.put(namespace, key, value, index=False) if verb == "put" else store.delete(namespace, key)
    for _, namespace, key, _ in operations:
        mine, other = ours.get(namespace, key), theirs.get(namespace, key)
        assert (mine is None) == (other is None)
        assert mine is None or (mine.value, mine.namespace, mine.key) == (other.value, other.namespace, other.key)
    for under in ((), prefix[:1], prefix):
        found = ours.search(under, filter=condition, limit=100)
        assert plain(found) == plain(theirs.search(under, filter=condition, limit=100))
    listed = [one for one in theirs.list_namespaces(limit=100) if theirs.search(one, limit=1)]
    assert set(ours.list_namespaces(limit=100)) >= {one for one in listed if any(i.namespace == one for i in theirs.search(one))}
    ours.memory.close()


def test_a_value_put_anew_keeps_its_time_of_creation_and_its_history() -> None:
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        store.put(("ana",), "city", {"text": "Ana lives in Porto."})
        first = store.get(("ana",), "city")
        store.put(("ana",), "city", {"text": "Ana lives in Lisbon."})
        second = store.get(("ana",), "city")
        assert first is not None
        assert second is not None
        assert second.created_at == first.created_at
        assert second.updated_at > first.updated_at
        newest = memory.search("where does Ana live?", scope="*")[0]
        assert [item.text for item in memory.history(newest.id)] == ["Ana lives in Porto.", "Ana lives in Lisbon."]


def test_deleting_takes_every_version() -> None:
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        for city in ("Porto", "Lisbon", "Braga"):
            store.put(("ana",), "city", {"text": f"Ana lives in {city}."})
        store.delete(("ana",), "city")
        assert memory.count(where=module.Filter(scope="*", retired=True, forgotten=True)) == 0
        assert store.list_namespaces() == []


def test_a_long_value_is_found_by_its_end_and_changes_as_a_whole() -> None:
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        long = "The harbour was quiet. " * 900
        store.put(("log",), "day", {"text": long + "At nine the zeppelin landed."})
        assert store.search(("log",), query="when did the zeppelin land?")[0].value["text"].endswith("landed.")
        store.put(("log",), "day", {"text": "Nothing happened."})
        assert "zeppelin" not in " ".join(item.text for item in memory.get_all(scope="*", limit=1000))


def test_items_that_are_not_indexed_are_not_found_by_a_query_but_follow_without_a_score() -> None:
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        store.put(("ana",), "seen", {"text": "sardines"})
        store.put(("ana",), "unseen", {"text": "sardines from the market"}, index=False)
        found = store.search(("ana",), query="sardines")
        assert [(item.key, item.score is None) for item in found] == [("seen", False), ("unseen", True)]


def test_what_has_expired_is_not_seen_and_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [module.wall_clock()]
    monkeypatch.setattr(module, "wall_clock", lambda: now[0])
    with Memory(":memory:") as memory:
        store = LaminaStore(memory, ttl={"default_ttl": 1, "refresh_on_read": True})
        store.put(("a",), "short", {"text": "sardines"})
        store.put(("a",), "long", {"text": "sardines"}, ttl=None)
        now[0] += 50_000_000
        assert store.get(("a",), "short") is not None  # begins the minute anew
        now[0] += 50_000_000
        assert store.get(("a",), "short", refresh_ttl=False) is not None
        now[0] += 50_000_000
        assert store.get(("a",), "short") is None
        assert [item.key for item in store.search(("a",), query="sardines")] == ["long"]
        assert store.sweep_ttl() == 1
        assert store.sweep_ttl() == 0


def test_it_sees_nothing_of_what_lies_beside_its_base() -> None:
    with Memory(":memory:") as memory:
        memory.add("Ana's secret sardines", user="ana")
        store = LaminaStore(memory)
        store.put(("ana",), "k", {"text": "sardines"})
        assert [item.key for item in store.search((), query="sardines", limit=10)] == ["k"]
        assert store.list_namespaces() == [("ana",)]


def test_bad_namespaces_values_and_filters_are_refused() -> None:
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        with pytest.raises(InvalidNamespaceError):
            store.put(("a.b",), "k", {"text": "x"})
        with pytest.raises(ValueError, match="JSON"):
            store.put(("a",), "k", {"x": float("nan")})
        store.put(("a",), "k", {"text": "x"})
        with pytest.raises(InputError, match="not a filter operator"):
            store.search(("a",), filter={"text": {"$like": "x"}})


def test_a_key_that_a_redactor_would_change_is_still_found_under_itself() -> None:
    with Memory(":memory:", redact="email") as memory:
        store = LaminaStore(memory)
        for text in ("first", "second"):
            store.put(("people",), "ana@example.org", {"text": f"the {text} kettle of ana@example.org"})
        item = store.get(("people",), "ana@example.org")
        assert item is not None
        assert (item.key, item.value["text"]) == ("ana@example.org", "the second kettle of [email]")
        assert [one.key for one in store.search(("people",), query="kettle")] == ["ana@example.org"]
        store.delete(("people",), "ana@example.org")
        assert store.search(("people",)) == []


def test_whether_a_read_begins_the_time_anew_is_said_with_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [module.wall_clock()]
    monkeypatch.setattr(module, "wall_clock", lambda: now[0])
    for settings_, asked, lives in (({"default_ttl": 1}, None, False), ({"refresh_on_read": True, "default_ttl": 1}, None, True), ({"refresh_on_read": False, "default_ttl": 1}, True, True),
                                    ({"refresh_on_read": False, "default_ttl": 1}, None, False)):  # fmt: skip
        with Memory(":memory:") as memory:
            store = LaminaStore(memory, ttl=settings_)  # type: ignore[arg-type]
            store.put(("a",), "k", {"text": "sardines"})
            now[0] += 40_000_000
            assert store.get(("a",), "k", refresh_ttl=asked) is not None
            now[0] += 40_000_000
            assert (store.get(("a",), "k") is not None) == lives


def test_what_has_expired_takes_no_place_among_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [module.wall_clock()]
    monkeypatch.setattr(module, "wall_clock", lambda: now[0])
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        for n in range(60):
            store.put(("a",), f"short{n}", {"text": "the blue kettle"}, ttl=1)
        store.put(("a",), "long", {"text": "a kettle among many other things in the kitchen"})
        now[0] += 61_000_000
        assert [(item.key, item.score is not None) for item in store.search(("a",), query="blue kettle")] == [("long", True)]


def test_without_a_base_only_what_the_store_put_is_a_namespace() -> None:
    with Memory(":memory:") as memory:
        memory.add("Zoe's own words", user="zoe")
        store = LaminaStore(memory, base=())
        store.put(("p", "q"), "k", {"text": "x"})
        assert store.list_namespaces() == [("p", "q")]
        assert [item.key for item in store.search(())] == ["k"]


def test_odd_pages_queries_and_values_are_refused_or_harmless() -> None:
    with Memory(":memory:") as memory:
        store = LaminaStore(memory)
        with pytest.raises(InputError, match="plain JSON"):
            store.put(("a",), "k", {"when": memory})
        with pytest.raises(InputError, match="offset"):
            store.search(("a",), offset=-1)
        store.put(("a",), "k", {"text": "x", "n": 1, "none": None, "label": "1"})
        assert [item.key for item in store.search(("a",), query="  ")] == ["k"]
        found = lambda **condition: bool(store.search(("a",), filter=condition))  # noqa: E731
        assert found(n=1)
        assert found(n=1.0)
        assert found(none=None)
        assert found(missing=None)
        assert found(missing={"$ne": "x"})
        assert not found(label=1)
        assert not found(n="1")
        assert not found(n=2**70)


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    async def work() -> int:
        await asyncio.gather(*[store.aput(("a", str(n % 3)), f"k{n % 20}", {"n": n}) for n in range(120)])
        return len(await store.asearch(("a",), limit=1000))

    with Memory(tmp_path / "m.db") as memory:
        store = LaminaStore(memory)
        assert asyncio.run(work()) == 60
