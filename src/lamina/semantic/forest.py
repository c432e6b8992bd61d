"""Topics: a forest of clusters over what happened, by meaning, place and time, with a name and a summary for each.

Source: Q. Xie, S. Y. Min, T. Zhang, K. Xu, A. Bajaj, R. Salakhutdinov, M. Johnson-Roberson, Y. Bisk, "Embodied-RAG: General
Non-parametric Embodied Memory for Retrieval and Generation", 2024. Its nodes are poses of a robot with captions; here they are episodes
or traces, which have a position where their metadata says so, or the name of a place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.hierarchy import ForestBuilder, Level, Likeness
from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError, ModelError
from lamina.records import EVENT, Edge, EdgeKind, Filter, Item, Report, Run, derived_id
from lamina.semantic.leaves import Leaves, Of
from lamina.semantic.naming import WRITER, Named, Namer, Vocabulary, spelt
from lamina.storage.protocol import Store

log = logging.getLogger("lamina.semantic")

CONVERSATION: Final = ForestBuilder(Likeness(meaning=0.6, place=0.4, time=0.1), threshold=0.85)
"""How topics of a scope are made unless it is said otherwise; the likeness of the source's, measured from the middle of a scope's meanings, where unlike
things have a likeness of about 0 and not, as raw vectors have, one of 0.3 to 0.8."""


@dataclass(frozen=True, eq=False)
class Topic:
    """A topic as it should be: its `item`, and the ids of the `children` it contains and cites."""

    item: Item
    children: tuple[str, ...]


@dataclass(frozen=True)
class SemanticForest:
    """The stage that keeps a scope's topics in step with its episodes (or its traces).

    A topic contains, and cites, topics of the level below it or, on level 1, leaves. Its id is a hash of these, so that a topic whose members are the same
    is the same topic. Exact: clusters and keywords are worked out anew from all leaves and what differs is written, in one transaction; so the result is that
    of a rebuild, in whatever order things were added or deleted. Words of a language model come afterwards, a topic a transaction; where it fails the
    keywords stay and the next run asks again. Words of a model stay when the stage is run without it.

    Parameters: `builder` (how clusters are made), `of` ("episodes" or "traces"), `namer` (names and summaries). Raises `InputError` for traces whose position
    is none, or that have metres and degrees in one scope.
    """

    builder: ForestBuilder = CONVERSATION
    of: Of = "episodes"
    namer: Namer = field(default_factory=Namer)
    stage: str = "topics"
    made_by: str = "topics/1"

    def __post_init__(self) -> None:
        if self.of not in ("episodes", "traces"):
            raise InputError(f"topics are made of 'episodes' or of 'traces', not of {self.of!r}")

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the topics of exactly this scope up to date; `force` makes every one anew, with the same ids."""
        began = time.monotonic()
        run.report(self.stage, 0, 1)
        newest = store.version().item
        read = made = kept = removed = 0
        if force or self._due(store, scope, newest):
            with store.transaction():
                there = {item.id: item for item in topics_of(store, scope, self.made_by)}
                leaves = Leaves.read(store, scope, self.of)
                wanted = list(self.topics(leaves, store, scope, {} if force else there, _retracted(store, scope)))
                made, kept, removed = self._write(store, wanted, there, force)
                read = len(leaves)
        asked = self._ask(store, scope, run, force)
        newest = store.version().item
        if store.watermarks.get(self.stage, scope) != newest:
            with store.transaction():
                store.watermarks.set(self.stage, scope, newest)
        run.report(self.stage, 1, 1)
        return Report(self.stage, scope, read, made + asked, kept, removed, time.monotonic() - began)

    def _due(self, store: Store, scope: str, newest: int) -> bool:
        """Whether anything came, changed or went that topics rest on."""
        topics = topics_of(store, scope, self.made_by)
        if any(topic.stale for topic in topics) or not topics:
            return True
        since = store.watermarks.get(self.stage, scope)
        if newest > since and store.items.sessions_since(scope, since):
            return True
        among = {topic.data["among"] for topic in topics if "among" in topic.data}
        kind = "episode" if self.of == "episodes" else "trace"
        where = Filter(scope=scope, kinds=(kind,))
        there = sum(1 for item in store.items.each(where) if item.scope == scope and not item.data.get("echo"))
        return among != {there}  # a leaf went, and all the topics that rested on it

    # -------------------------------------------------------------------------------------------------- what should be
    def topics(
        self, leaves: Leaves, store: Store, scope: str, there: Mapping[str, Item], retracted: frozenset[str] = frozenset()
    ) -> Iterator[Topic]:
        """The topics of some leaves, the lowest level first. `there` are topics whose words may stay where nothing about them changed.

        A topic that was deleted on purpose (`retracted`) is passed over: what it contained stands in the topic above it.
        """
        vocabulary = Vocabulary.of(leaves.terms, store.language)
        below: list[tuple[str, ...]] = [(item.id,) for item in leaves.items]  # what stands for each row of the level below
        ids = [item.id for item in leaves.items]
        held: list[NDArray[np.int64]] = [np.array([row]) for row in range(len(leaves))]
        units = unit_rows(leaves.points.vectors)
        levels = self.builder.grow(leaves.points)
        for number, level in enumerate(levels, 1):
            held = [np.sort(np.concatenate([held[row] for row in rows])) for rows in level.members]
            new = [derived_id("topic", scope, self.made_by, [ids[row] for row in rows]) for rows in level.members]
            children = [tuple(child for row in rows for child in below[row]) for rows in level.members]
            for cluster, id in enumerate(new):
                if id not in retracted:
                    inside = held[cluster]
                    central = inside[int((units[inside] @ level.points.vectors[cluster]).argmax())]
                    facts = {"level": number, "leaves": len(inside), "central": leaves.items[int(central)].id} | _where(
                        level, cluster, leaves, int(central)
                    )
                    if number == len(levels):
                        facts["among"] = len(leaves)
                    item = self._item(id, scope, facts, leaves, inside, vocabulary, there.get(id))
                    yield Topic(item, children[cluster])
            below = [(id,) if id not in retracted else children[cluster] for cluster, id in enumerate(new)]
            ids = new

    def _item(
        self, id: str, scope: str, facts: dict[str, Any], leaves: Leaves, inside: NDArray[np.int64], vocabulary: Vocabulary, old: Item | None
    ) -> Item:  # fmt: skip
        """A topic with what is known of it (`facts`, JSON) and its words; those of the stored one where nothing speaks against them."""
        marks = vocabulary.marking([leaves.terms[row] for row in inside], self.namer.keywords)
        facts = {**facts, "marks": marks}
        if old is not None and not old.stale and old.data.get("by") != WRITER:
            named = Named(old.data["name"], old.data["summary"], tuple(old.data["keywords"]), old.data["by"])
        elif old is not None and not old.stale and (old.data["marks"], old.data["central"]) == (marks, facts["central"]):
            named = Named(old.data["name"], old.data["summary"], tuple(old.data["keywords"]))
        else:
            texts = ((leaves.terms[row], partial(leaves.text, row)) for row in inside.tolist())
            central = next(leaves.items[row] for row in inside if leaves.items[row].id == facts["central"])
            named = self.namer.plainly(spelt(marks, texts, vocabulary.language), central.text)
        within = [leaves.items[row] for row in inside]
        return worded(
            Item(
                id=id, kind="topic", text="", at=within[0].at, until=max(one.until or one.at + 1 for one in within),
                precision=within[0].precision, offset=within[0].offset, recorded_at=max(one.recorded_at for one in within), scope=scope,
                made_by=self.made_by, data=facts,
            ),
            named,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------- writing it
    def _write(self, store: Store, wanted: Sequence[Topic], there: Mapping[str, Item], force: bool) -> tuple[int, int, int]:
        """Make the store's topics the given ones; inside a transaction. Returns how many were made, kept and removed."""
        made = kept = 0
        keys: dict[str, int] = {}
        renewed: list[Topic] = []
        for topic in wanted:
            old = there.get(topic.item.id)
            if old is not None and not force and not old.stale and _same(old, topic.item):
                keys[old.id] = old.key
                kept += 1
                continue
            keys[topic.item.id] = store.items.put(topic.item)
            renewed.append(topic)
            made += 1
        gone = [item.key for item in there.values() if item.id not in keys]
        removed = store.items.delete(gone)
        leaves = sorted({child for topic in renewed for child in topic.children} - keys.keys())
        keys |= store.items.keys_of(leaves)
        self._join(store, renewed, keys)
        return made, kept, removed

    def _join(self, store: Store, topics: Sequence[Topic], keys: Mapping[str, int]) -> None:
        """Have topics contain and cite their children, and these alone."""
        kinds: tuple[EdgeKind, ...] = ("cites", "contains")
        store.edges.remove_from([keys[topic.item.id] for topic in topics], kinds)
        store.edges.add(
            Edge(keys[topic.item.id], keys[child], kind, made_by=self.made_by, recorded_at=topic.item.recorded_at)
            for topic in topics
            for child in topic.children
            for kind in kinds
        )

    # ------------------------------------------------------------------------------------------------ a model's words
    def _ask(self, store: Store, scope: str, run: Run, force: bool) -> int:
        """Have the language model name the topics it has not named, the lowest first; returns how many it did."""
        if self.namer.model is None:
            return 0
        writer = self.namer.writer
        open_ = [one for one in topics_of(store, scope, self.made_by) if not one.stale and (force or one.data["by"] != writer)]
        done = 0
        for place, topic in enumerate(sorted(open_, key=lambda one: (one.data["level"], one.id))):
            run.report(self.stage, place, len(open_))
            inside = [edge.dst for edge in store.edges.out([topic.key], ["contains"])]
            texts = [
                item.text
                for item in sorted(
                    store.items.by_key(inside).values(), key=lambda one: (one.id != topic.data["central"], one.at, one.id)
                )
            ]
            try:
                named = self.namer.ask(texts)
            except ModelError as error:
                log.warning("topic %s keeps its keywords: %s; consolidate again to ask once more", topic.id, type(error).__name__)
                continue
            with store.transaction():
                now = store.items.get([topic.id])[0]
                if now is not None and now.data == topic.data:  # else somebody deleted or remade it while the model thought
                    store.items.put(worded(now, named))
                    done += 1
        return done


def worded(topic: Item, named: Named) -> Item:
    """A topic with other words."""
    text = f"{named.name}. {named.summary}" if named.by != WRITER else f"{', '.join(named.keywords)}: {named.summary}"
    words = {"name": named.name, "summary": named.summary, "keywords": list(named.keywords), "by": named.by}
    return replace(topic, text=text, data={**topic.data, **words})


def topics_of(store: Store, scope: str, made_by: str) -> list[Item]:
    """What a mechanism has made in exactly this scope, whatever its state."""
    where = Filter(scope=scope, kinds=("topic",), stale=True, forgotten=True)
    return [item for item in store.items.each(where) if item.made_by == made_by and item.scope == scope]


def _where(level: Level, cluster: int, leaves: Leaves, central: int) -> dict[str, Any]:
    """Where a topic lies: the mean position, or the one place all of it is in."""
    found: dict[str, Any] = {}
    position = level.points.positions[cluster]
    if not np.isnan(position[0]):
        found["position"] = [round(float(one), 9) for one in position]
    if level.points.named[cluster] >= 0:
        found["place"] = leaves.items[central].place
    return found


def _same(old: Item, new: Item) -> bool:
    return (old.text, old.at, old.until, old.data) == (new.text, new.at, new.until, new.data)


def _retracted(store: Store, scope: str) -> frozenset[str]:
    """Ids of derived items that were deleted on purpose."""
    found: set[str] = set()
    for event in store.items.each(Filter(scope=scope, roles=(EVENT,), events=True)):
        if event.scope == scope and event.data.get("event") == "retract":
            found.update(event.data.get("targets", ()))
    return frozenset(found)
