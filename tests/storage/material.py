"""What the tests of the storage room put into stores: items, small worlds of all kinds, hostile names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lamina.records import EDGE_KINDS, KINDS, STALE, Edge, Filter, Item, Kind, TraceIds, derived_id
from lamina.scopes import make_scope
from lamina.storage.protocol import Store
from lamina.times import PRECISIONS

NOW = 1_767_268_800_000_000  # 1 January 2026, 12:00 UTC
EVERYTHING = Filter(scope="*", forgotten=True, stale=True, events=True, retired=True)
HOSTILE_SEGMENTS = (
    "acme",
    "acme2",
    "acm",
    "ac%",
    "a_me",
    "*",
    "a/b",
    "a",
    "'; DROP TABLE item; --",
    '"',
    "ÅÉ",
    "日本",
    "0",
    "x y",
    "..",
)
_ids: dict[int, TraceIds] = {}


def new_id(recorded_at: int) -> str:
    """A trace id; a forked process goes on with ids of its own."""
    return _ids.setdefault(os.getpid(), TraceIds()).make(recorded_at)


def trace(text: str = "hello", **fields: Any) -> Item:
    recorded_at = fields.pop("recorded_at", NOW)
    at = fields.pop("at", recorded_at)
    return Item(id=fields.pop("id", new_id(recorded_at)), kind="trace", text=text, at=at, recorded_at=recorded_at, **fields)


def derived(kind: Kind, text: str, sources: Sequence[Item], **fields: Any) -> Item:
    scope = fields.pop("scope", sources[0].scope if sources else "")
    made_by = fields.pop("made_by", "test/1")
    id = fields.pop("id", None) or derived_id(kind, scope, made_by, [source.id for source in sources], text)
    return Item(id=id, kind=kind, text=text, at=fields.pop("at", NOW), recorded_at=NOW, scope=scope, made_by=made_by, **fields)


def add(store: Store, *items: Item) -> list[int]:
    """Add items in a transaction of their own; their keys."""
    with store.transaction():
        return [stored.key for stored in store.items.add(items)]


def connect(store: Store, src: int, dst: int, kind: str, **fields: Any) -> None:
    with store.transaction():
        store.edges.add([Edge(src, dst, kind, recorded_at=fields.pop("recorded_at", NOW), **fields)])  # type: ignore[arg-type]


def add_derived(store: Store, item: Item, sources: Sequence[int]) -> int:
    """Add a derived item that cites its sources."""
    with store.transaction():
        key = store.items.add([item])[0].key
        store.edges.add(Edge(key, source, "cites", recorded_at=NOW, made_by=item.made_by) for source in sources)
    return key


def small_world(store: Store, scope: str = "/ana", *, artifacts: bool = True) -> dict[str, int]:
    """A store with something of everything, and without a fault; the keys by name."""
    lines = [trace(f"line {number} about boats", scope=scope, session="s1", role="user", at=NOW + number) for number in range(4)]
    event = trace("a correction", scope=scope, session="s1", role="event")
    keys = add(store, *lines, event)
    names = {f"line{number}": key for number, key in enumerate(keys[:4])} | {"event": keys[4]}
    with store.transaction():
        store.edges.add(Edge(a, b, "next", recorded_at=NOW) for a, b in pairwise(keys[:4]))
    names["episode"] = add_derived(store, derived("episode", "boats", lines), keys[:4])
    with store.transaction():
        store.edges.add(Edge(names["episode"], key, "contains", recorded_at=NOW) for key in keys[:4])
    names["old"] = add_derived(store, derived("fact", "Ana lives in Porto", lines[:1], retired_at=NOW + 5), keys[:1])
    names["new"] = add_derived(store, derived("fact", "Ana lives in Lisbon", lines[1:2], until=NOW + 9), keys[1:2])
    connect(store, names["new"], names["old"], "supersedes", weight=0.5, data={"why": "moved"})
    names["topic"] = add_derived(store, derived("topic", "sea", [lines[2]]), [names["episode"]])
    connect(store, names["topic"], names["episode"], "contains")
    with store.transaction():
        space = store.vectors.open_space("embedder/1", 4)
        store.vectors.activate(space)
        waiting = store.vectors.pending()
        store.vectors.put(space, waiting[:-1], np.arange(4 * (len(waiting) - 1), dtype=np.float32).reshape(-1, 4) / 8)
        store.strengths.put("decay/1", {keys[0]: '{"s":1.5}', names["episode"]: "{}"})
        store.watermarks.set("segment", scope, names["event"])
        store.rankers.put(scope, '{"shift":{"dense":0.25}}')
        if artifacts:
            store.artifacts.put(keys[0], "file", b"small content")
            store.artifacts.put(names["episode"], "cache", b"large content", inline=False)
    return names


# ------------------------------------------------------------------------------------------------ generated stores
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)
scopes = st.lists(st.sampled_from(HOSTILE_SEGMENTS), max_size=3).map(lambda parts: make_scope(*parts) if parts else "")
plain = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False, width=32) | texts
)
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=5)
times = st.integers(NOW - 10**12, NOW + 10**12)


@st.composite
def items(draw: st.DrawFn, number: int) -> Item:
    kind: Kind = draw(st.sampled_from(KINDS))
    at, recorded_at = draw(times), NOW + number
    status = draw(st.sampled_from((0, 0, 1, 2, 3)))
    if kind == "trace":
        status &= ~STALE
    stale = bool(status & STALE)
    data = {} if stale else draw(st.fixed_dictionaries({}, optional={"speaker": words, "place": words, "metadata": values, "captions": st.lists(words, max_size=2)}))  # fmt: skip
    return Item(
        id=new_id(recorded_at) if kind == "trace" else f"{kind}-{number:024d}",
        kind=kind,
        text="" if stale else draw(texts),
        at=at,
        recorded_at=recorded_at,
        scope=draw(scopes),
        session=draw(st.none() | words),
        origin=draw(st.none() | st.just(f"origin {number}")),
        role=draw(st.sampled_from((None, "user", "assistant", "event"))),
        until=draw(st.none() | st.integers(1, 10**9).map(lambda length: at + length)),
        precision=draw(st.sampled_from(PRECISIONS)),
        offset=draw(st.integers(-1439, 1439)),
        retired_at=draw(st.none() | st.integers(0, 10**9).map(lambda later: recorded_at + later)),
        made_by=None if kind == "trace" else draw(words),
        status=status,
        data=data,
    )


@st.composite
def worlds(draw: st.DrawFn, store: Store) -> None:
    """Fill a store with generated content of every sort."""
    drawn = [draw(items(number)) for number in range(draw(st.integers(0, 8)))]
    keys = add(store, *drawn)
    if not keys:
        return
    key = st.sampled_from(keys)
    with store.transaction():
        for src, dst in draw(st.lists(st.tuples(key, key), max_size=8)):
            kind = draw(st.sampled_from([kind for kind in EDGE_KINDS if kind != "next"]))
            data = draw(st.dictionaries(words, values, max_size=2))
            store.edges.add(
                [Edge(src, dst, kind, draw(st.floats(0, 1)), data, draw(st.none() | words), NOW, draw(st.none() | times))]
            )
        for number in range(draw(st.integers(0, 2))):
            space = store.vectors.open_space(f"embedder {number}", 3)
            if draw(st.booleans()):
                store.vectors.activate(space)
            some = draw(st.lists(key, max_size=4, unique=True))
            vectors = [draw(st.lists(st.floats(-2, 2, width=16), min_size=3, max_size=3)) for _ in some]
            store.vectors.put(space, some, np.array(vectors, np.float32).reshape(-1, 3))
        for policy in ("decay", "layers"):
            store.strengths.put(policy, dict.fromkeys(draw(st.lists(key, max_size=3)), '{"é":1}'))
        for item, stored in draw(st.lists(st.sampled_from(list(zip(drawn, keys, strict=True))), max_size=3)):
            store.watermarks.set(draw(words), item.scope, stored)
            store.rankers.put(draw(st.sampled_from((item.scope, "*"))), draw(st.sampled_from(("{}", '{"shift":{"é":1.5}}'))))
        for one in draw(st.lists(key, max_size=2)):
            store.artifacts.put(one, draw(words), draw(st.binary(max_size=20)), inline=draw(st.booleans()))
