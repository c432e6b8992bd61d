"""Correcting, forgetting, restoring and deleting, with what follows for everything that rests on a trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.errors import InputError, NotFoundError
from lamina.keeping.embedding import Embedding
from lamina.keeping.messages import Draft
from lamina.keeping.writer import Writer
from lamina.records import EVENT, FORGOTTEN, Edge, EdgeKind, Filter, Item
from lamina.scopes import EVERYWHERE, ROOT, check_scope
from lamina.storage.consents import read_consent
from lamina.storage.history import history_of
from lamina.storage.protocol import Store

RESTS: tuple[EdgeKind, ...] = ("cites", "contains")
"""Edges that run from a derived item to what it rests on."""


class Keeper:
    """What can be done to items once they are there.

    Parameters: `store`, `writer` (stores events and corrections), `embedding` (told of what is new).
    """

    def __init__(self, store: Store, writer: Writer, embedding: Embedding) -> None:
        self._store = store
        self._writer = writer
        self._embedding = embedding

    def required(self, ids: Sequence[str]) -> list[Item]:
        """The items with these ids. Raises `NotFoundError` naming the first that is not there."""
        if isinstance(ids, str):
            raise InputError("give a list of ids")
        found: list[Item] = []
        for id, item in zip(ids, self._store.items.get(ids), strict=True):
            if item is None:
                raise NotFoundError(f"there is no item {id!r}: it was deleted, or belongs to another memory")
            found.append(item)
        return found

    # ------------------------------------------------------------------------------------------------ correcting
    def update(self, id: str, draft: Draft) -> str:
        """Put a new trace in the place of one; the old one stays in history. Returns the new id."""
        with self._store.transaction():
            old = self.required([id])[0]
            if old.kind != "trace" or old.role == EVENT:
                raise InputError(
                    f"{id} is {old.kind if old.kind != 'trace' else 'an event'}: only traces are corrected, the rest is rebuilt"
                )
            new = self._writer.correct(old, draft)
            self._store.journal.clear()
            self._blank_dependents([old])
            if draft.session != old.session:
                self._renew(old.scope, old.session)
        self._embedding.notify()
        return new

    def history(self, id: str) -> list[Item]:
        """All versions of an item from the first to the newest, with the events that concern them, in the order of recording."""
        return history_of(self._store, self.required([id])[0])

    # ------------------------------------------------------------------------------------------------ forgetting
    def forget(self, ids: Sequence[str], reason: str | None = None, **more: str) -> int:
        """Hide items from recall; what was derived from them is hidden until it is derived again. Returns how many.

        `more` is kept beside the reason, such as the policy that gave them up.
        """
        with self._store.transaction():
            items = [item for item in self.required(list(dict.fromkeys(ids))) if not item.forgotten and item.role != EVENT]
            self._store.items.set_status([item.key for item in items], FORGOTTEN, True)
            if items:
                self._store.journal.clear()  # what was derived before must not bring back what is taken away now
                self._writer.event("forget", items, reason, **more)
                self._blank_dependents(items)
        return len(items)

    def restore(self, ids: Sequence[str]) -> int:
        """Bring forgotten items back. Returns how many."""
        with self._store.transaction():
            items = [item for item in self.required(list(dict.fromkeys(ids))) if item.forgotten]
            self._store.items.set_status([item.key for item in items], FORGOTTEN, False)
            if items:
                self._store.strengths.remove([item.key for item in items])  # from now on they fade as if new
                self._writer.event("restore", items)
        return len(items)

    # ------------------------------------------------------------------------------------------------ deleting
    def delete(self, ids: Sequence[str]) -> int:
        """Remove items for good. What rests on a removed trace is blanked, or goes too if it rests on nothing else.

        A derived item that is deleted is not derived again from the same sources. Returns how many of `ids` were removed.
        """
        with self._store.transaction():
            items = self.required(list(dict.fromkeys(ids)))
            for item in items:
                if read_consent(item) is not None:
                    raise InputError(f"{item.id} records a consent: it is not deleted by itself, tell the new one with consent()")
            self._store.journal.clear()
            derived = [item for item in items if item.kind != "trace"]
            if derived:
                self._writer.event("retract", derived)
            self._remove(items)
        return len(items)

    def delete_all(self, scope: str) -> int:
        """Remove everything in a scope and its descendants ('*': the whole memory). Returns how many items were removed."""
        check_scope(scope)
        everything = Filter(scope=scope, forgotten=True, stale=True, events=True, retired=True)
        with self._store.transaction():
            self._store.journal.clear()
            keys = self._store.items.matching(everything).tolist()
            outside = self._resting_on(keys, set(keys))
            self._store.items.delete(keys)
            self._settle(outside)
            self._store.watermarks.reset(scope)
            self._store.rankers.remove(scope, below=True)
            self._store.consents.remove(scope, below=True)
            if scope == ROOT:
                self._store.consents.remove(EVERYWHERE)  # what was said for everything stands in the scope without a name
            if scope == EVERYWHERE:
                self._store.watermarks.reset(EVERYWHERE)
        return len(keys)

    def _remove(self, items: Sequence[Item]) -> None:
        keys = [item.key for item in items]
        places = dict.fromkeys((item.scope, item.session) for item in items if item.kind == "trace")
        events = self._events_about(keys)
        dependents = self._resting_on(keys, set(keys))
        revived = self._bridge_versions(keys)
        self._stitch(keys)
        self._store.items.delete(keys)
        self._settle(dependents)
        if revived:
            self._store.items.retire(revived, None)
            self._writer.event("revive", list(self._store.items.by_key(revived).values()))
        spoken = {edge.src for edge in self._store.edges.out(events, ["mentions"])}
        self._store.items.delete([key for key in events if key not in spoken])
        for scope, session in places:
            self._renew(scope, session)

    def _events_about(self, keys: Sequence[int]) -> list[int]:
        """Events that concern these items. Retractions are left out: they are needed when what they name is gone."""
        found = self._store.items.by_key(sorted({edge.src for edge in self._store.edges.into(keys, ["mentions"])}))
        return [key for key, item in found.items() if item.role == EVENT and item.data.get("event") != "retract"]

    def _renew(self, scope: str, session: str | None) -> None:
        """Have the stages look at a session again that lost traces; where none are left, its events and its name go too."""
        last = self._store.items.last_trace(scope, session)
        marks = self._store.watermarks
        if last is not None:
            for stage, inside, value in marks.each(scope):
                if inside == scope and value >= last:
                    marks.set(stage, scope, last - 1)
            return
        places = () if session is None else (session,)
        found = Filter(scope=scope, kinds=("fact",), sessions=places, forgotten=True, stale=True, retired=True, events=True)
        if self._store.items.page(found, limit=1).items:
            return  # found facts stand in sessions of their own, without traces: what is said of them stays as long as they do
        where = Filter(scope=scope, roles=(EVENT,), forgotten=True, events=True, retired=True)
        events = [one for one in self._store.items.each(where) if one.scope == scope and one.session == session]
        gone = [
            one for one in events if read_consent(one) is None and (session is not None or one.data.get("event") != "retract")
        ]
        self._store.items.delete([event.key for event in gone])
        left = Filter(scope=scope, forgotten=True, stale=True, retired=True)
        if not self._store.items.page(left, limit=1).items and all(map(read_consent, self._store.items.each(where))):
            marks.reset(scope)
            self._store.rankers.remove(scope, below=True)

    def _resting_on(self, keys: Sequence[int], besides: set[int]) -> list[int]:
        """Everything derived that rests on these items, directly or not, nearest first."""
        found: dict[int, None] = {}
        front = list(keys)
        while front:
            front = sorted({e.src for e in self._store.edges.into(front, RESTS)} - besides - found.keys())
            found.update(dict.fromkeys(front))
        items = self._store.items.by_key(list(found))
        return [key for key in found if key in items and items[key].kind != "trace"]

    def _settle(self, dependents: Sequence[int]) -> None:
        """Blank what lost a source; remove what has none left."""
        there = self._store.items.by_key(dependents)
        for key in dependents:  # nearest first: an episode goes before the topic that rests on it
            if key in there and not self._store.edges.out([key], ["cites"]):
                self._store.items.delete([key])
                del there[key]
        self._store.items.blank(sorted(there))

    def _blank_dependents(self, items: Iterable[Item]) -> None:
        keys = [item.key for item in items]
        self._store.items.blank(self._resting_on(keys, set(keys)))

    def blank_derived(self, keys: Sequence[int]) -> None:
        """Hide what was derived from some traces until it is derived again; inside a transaction."""
        self._store.journal.clear()
        self._store.items.blank(self._resting_on(keys, set(keys)))

    def _bridge_versions(self, keys: Sequence[int]) -> list[int]:
        """Lead `supersedes` around versions that go; returns the retired items that have no newer version left then."""
        going = set(keys)
        alone: list[int] = []
        for older in sorted({edge.dst for edge in self._store.edges.out(keys, ["supersedes"])} - going):
            seen: set[int] = set()
            heirs: set[int] = set()
            front = {older}
            while front:
                newer = {edge.src for edge in self._store.edges.into(sorted(front), ["supersedes"])} - seen
                seen |= newer
                heirs |= newer - going
                front = newer & going
            items = self._store.items.by_key(sorted(heirs))
            self._store.edges.add(Edge(key, older, "supersedes", recorded_at=item.recorded_at) for key, item in items.items())
            if not heirs:
                alone.append(older)
        return alone

    def _stitch(self, keys: Sequence[int]) -> None:
        """Lead the `next` chain of a session around traces that go."""
        going = set(keys)
        into = {edge.dst: edge for edge in self._store.edges.into(keys, ["next"])}
        out = {edge.src: edge for edge in self._store.edges.out(keys, ["next"])}
        bridges: list[Edge] = []
        for key, edge in into.items():
            if edge.src in going:
                continue
            end = key
            while end in going and end in out:
                end = out[end].dst
            if end not in going:
                bridges.append(Edge(edge.src, end, "next", recorded_at=edge.recorded_at))
        self._store.edges.add(bridges)
