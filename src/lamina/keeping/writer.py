"""Writing: validate, store as traces with their `next` edges in one transaction, acknowledge, leave the rest for later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from lamina.errors import InputError, NotFoundError
from lamina.keeping.echoes import Echoes
from lamina.keeping.embedding import Embedding
from lamina.keeping.gate import ENTRY, Gate
from lamina.keeping.messages import Draft, check_lengths
from lamina.keeping.redaction import Redactor, redacted
from lamina.keeping.resent import known
from lamina.records import FORGOTTEN, Edge, Item, Run, TraceIds
from lamina.scopes import EVERYWHERE, check_scope
from lamina.storage.consents import require
from lamina.storage.protocol import Store
from lamina.text import CHUNK, chunks

_ONCE = ("captions", "tool_calls", "tool_call_id")  # what goes with the first piece of a long message only


@dataclass
class Prepared:
    """What is ready to be stored: items, what each is an echo of, and what the gate said of each message (with the id of its first trace)."""

    items: list[Item] = field(default_factory=list)
    echoes: list[tuple[str, ...] | None] = field(default_factory=list)
    judged: list[tuple[Draft, str, str, str | None]] = field(default_factory=list)  # draft, scope, id, reason


class Writer:
    """Turns drafts into traces.

    Parameters: `store`, `embedding` (told of what is new), `echoes` (knows what was recalled lately), `run` (the clock), `redactor` (what it takes out of a
    message is never stored), `gate` (what it takes for junk is stored hidden, or not at all).
    """

    def __init__(
        self,
        store: Store,
        embedding: Embedding,
        echoes: Echoes,
        run: Run,
        redactor: Redactor | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate
        self._redactor = redactor
        self._store = store
        self._embedding = embedding
        self._echoes = echoes
        self._run = run
        self._ids = TraceIds()

    def new_id(self, recorded_at: int) -> str:
        """A fresh trace id."""
        return self._ids.make(recorded_at)

    def write(self, drafts: Sequence[Draft], scope: str) -> list[str]:
        """Store drafts in one transaction; returns the ids of their traces in order (of the known ones where an origin repeats)."""
        return self._commit(self.prepare([(draft, scope) for draft in drafts]))

    def write_resent(self, drafts: Sequence[Draft], scope: str) -> list[str]:
        """Store what is new in histories that are sent again, in one transaction; returns the ids of all their traces in order."""
        pairs = self._cleaned([(draft, scope) for draft in drafts])
        ids: list[str] = []
        with self._store.transaction():
            before = known(self._store.items, [draft for draft, _ in pairs], scope)
            for old, run in groupby(range(len(pairs)), before.__contains__):
                if old:
                    ids += [id for place in run for id in before[place]]
                else:
                    ids += self._commit(self._prepared([pairs[place] for place in run]))
        self._embedding.notify()  # once more: before the transaction ended, there was nothing to see
        return ids

    def write_many(self, drafts: Iterable[tuple[Draft, str]], batch: int = 1000) -> Iterable[list[str]]:
        """Store a stream of (draft, scope) in transactions of `batch`; yields the ids of each when it is safe."""
        waiting: list[tuple[Draft, str]] = []
        for pair in drafts:
            waiting.append(pair)
            if len(waiting) >= batch:
                yield self._write_batch(waiting)
                waiting = []
        if waiting:
            yield self._write_batch(waiting)

    def _write_batch(self, pairs: Sequence[tuple[Draft, str]]) -> list[str]:
        return self._commit(self.prepare(pairs))

    def _commit(self, ready: Prepared) -> list[str]:
        with self._store.transaction():
            ids = self._store_items(ready.items, ready.echoes)
        self._embedding.notify()
        if self._gate is not None:  # what was not stored must not count as said
            for draft, scope, id, reason in ready.judged:
                self._gate.learn(draft, scope, id, reason)
        return ids

    def prepare(self, pairs: Sequence[tuple[Draft, str]], gated: bool = True) -> Prepared:
        """Items ready to be stored, and what each is an echo of; everything is validated here, before anything is written."""
        return self._prepared(self._cleaned(pairs), gated)

    def _cleaned(self, pairs: Sequence[tuple[Draft, str]]) -> list[tuple[Draft, str]]:
        """The same drafts without what is not to be stored. Raises `InputError` for what cannot be."""
        cleaned = []
        for draft, scope in pairs:
            check_scope(scope)
            if scope == EVERYWHERE:
                raise InputError("'*' is for recall: name one scope to write to")
            if self._redactor is not None:
                draft = redacted(draft, self._redactor)
            check_lengths(draft)
            cleaned.append((draft, scope))
        return cleaned

    def _prepared(self, pairs: Sequence[tuple[Draft, str]], gated: bool = True) -> Prepared:
        ready = Prepared()
        pending: dict[tuple[str, str | None], list[tuple[Draft, str]]] = {}
        for draft, scope in pairs:
            original = draft.echo_of or self._echoes.originals(draft.text, draft.role, scope)
            made = self._pieces(draft, scope)
            if self._gate is not None and gated:
                reason = self._gate.judge(draft, scope, original, self._shown, pending)
                ready.judged.append((draft, scope, made[0].id, reason))
                pending.setdefault((scope, draft.session), []).append((draft, made[0].id))
                if reason is not None and self._gate.mode == "refuse" and ENTRY not in draft.data.get("metadata", {}):
                    continue
                if reason is not None:
                    made = [replace(item, status=FORGOTTEN, data={**item.data, "gate": reason}) for item in made]
            ready.items += made
            ready.echoes += [original] * len(made)
        return ready

    def _shown(self, ids: Sequence[str]) -> bool:
        """Whether traces are all there and not hidden."""
        return all(item is not None and not item.forgotten and item.retired_at is None for item in self._store.items.get(ids))

    def _pieces(self, draft: Draft, scope: str) -> list[Item]:
        """The trace of a draft; several in order where its text is long."""
        recorded_at = self._run.clock()
        at = draft.at.at if draft.at is not None else recorded_at
        if draft.until is not None and draft.until.at <= at:
            raise InputError(f"until ({draft.until.at}) must come after at ({at})")
        whole = Item(
            id=self._ids.make(recorded_at),
            kind="trace",
            text=draft.text,
            at=at,
            recorded_at=recorded_at,
            scope=scope,
            session=draft.session,
            origin=draft.origin,
            role=draft.role,
            until=draft.until.at if draft.until is not None else None,
            precision=draft.at.precision if draft.at is not None else "instant",
            offset=draft.at.offset if draft.at is not None else 0,
            data=draft.data,
        )
        if len(draft.text) <= CHUNK:
            return [whole]
        pieces = chunks(draft.text)
        made = []
        for place, piece in enumerate(pieces):
            id = whole.id if place == 0 else self._ids.make(recorded_at)
            origin = whole.origin if place == 0 or whole.origin is None else f"{whole.origin}#{place + 1}"
            data = {name: value for name, value in draft.data.items() if place == 0 or name not in _ONCE}
            made.append(
                replace(
                    whole, id=id, text=piece, origin=origin, data={**data, "part": [place + 1, len(pieces)], "whole": whole.id}
                )
            )
        return made

    def _store_items(self, items: Sequence[Item], echoes: Sequence[tuple[str, ...] | None]) -> list[str]:
        """Store items and the edges between them; inside a transaction. Raises `ConsentError` where that was refused."""
        for scope in dict.fromkeys(item.scope for item in items):
            require(self._store, "store", scope)
        items, echoes = self._without_known_pieces(items, echoes)
        tails: dict[tuple[str, str | None], int | None] = {}
        for item in items:
            where = (item.scope, item.session)
            if where not in tails:
                tails[where] = self._store.items.last_trace(*where)
        marked = [
            replace(item, data={**item.data, "echo": True}) if original is not None else item
            for item, original in zip(items, echoes, strict=True)
        ]
        stored = self._store.items.add(marked)
        edges: list[Edge] = []
        for item, place, original in zip(items, stored, echoes, strict=True):
            if not place.new:
                continue
            where = (item.scope, item.session)
            last = tails[where]
            if last is not None:
                edges.append(Edge(last, place.key, "next", recorded_at=item.recorded_at))
            tails[where] = place.key
            if original:
                edges += self._echo_edges(place.key, item, original)
        if edges:
            self._store.edges.add(edges)
        old = [place.key for place in stored if not place.new]
        ids = {key: item.id for key, item in self._store.items.by_key(old).items()} if old else {}
        return [item.id if place.new else ids[place.key] for item, place in zip(items, stored, strict=True)]

    def _without_known_pieces(
        self, items: Sequence[Item], echoes: Sequence[tuple[str, ...] | None]
    ) -> tuple[Sequence[Item], Sequence[tuple[str, ...] | None]]:
        """Leave out pieces that would be added to another long message stored under the same origin."""
        if not any(item.origin is not None and "part" in item.data for item in items):
            return items, echoes
        known: dict[str, bool] = {}  # by the id of the first piece: whether its origin is taken
        taken: set[tuple[str, str]] = set()  # in this very call
        kept: list[int] = []
        for place, item in enumerate(items):
            if item.origin is None or "part" not in item.data:
                kept.append(place)
                continue
            whole = item.data["whole"]
            if whole == item.id:
                where = (item.scope, item.origin)
                known[whole] = where in taken or self._store.items.by_origin(*where) is not None
                taken.add(where)
            if not known[whole] or self._store.items.by_origin(item.scope, item.origin) is not None or whole == item.id:
                kept.append(place)
        return [items[place] for place in kept], [echoes[place] for place in kept]

    def _echo_edges(self, key: int, item: Item, originals: Sequence[str]) -> list[Edge]:
        keys = self._store.items.keys_of(originals)
        return [Edge(key, keys[id], "echo_of", recorded_at=item.recorded_at) for id in originals if id in keys]

    def event(self, name: str, targets: Sequence[Item], reason: str | None = None, **more: Any) -> None:
        """Record what was done to some items: one event trace for each of their sessions; inside a transaction."""
        groups: dict[tuple[str, str | None], list[Item]] = {}
        for target in targets:
            groups.setdefault((target.scope, target.session), []).append(target)
        now = self._run.clock()
        for (scope, session), some in groups.items():
            data: dict[str, Any] = {"event": name, "targets": [item.id for item in some], **more}
            if reason:
                data["reason"] = reason
            event = Item(
                id=self._ids.make(now), kind="trace", text=name, at=now, recorded_at=now, scope=scope, session=session, role="event",
                data=data,
            )  # fmt: skip
            key = self._store.items.add([event])[0].key
            self._store.edges.add(Edge(key, item.key, "mentions", recorded_at=now) for item in some)

    def correct(self, old: Item, draft: Draft) -> str:
        """Store a trace that takes the place of an older one, which is retired but kept; inside a transaction."""
        if old.retired_at is not None:
            raise InputError(f"{old.id} was corrected before: correct its newest version (see history)")
        items = self.prepare([(draft, old.scope)], gated=False).items  # a person asked for it
        ids = self._store_items(items, [None] * len(items))
        keys = self._store.items.keys_of(ids)
        if len(keys) != len(ids):
            raise NotFoundError(f"the correction of {old.id} could not be stored")
        now = self._run.clock()
        self._store.edges.add(Edge(keys[id], old.key, "supersedes", recorded_at=now) for id in ids)
        self._store.items.retire([old.key], now)
        return ids[0]
