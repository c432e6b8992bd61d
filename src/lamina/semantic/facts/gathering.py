"""Gathering the claims that are settled together, from the sessions that changed and from the traces that facts cite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from lamina.records import EVENT, Filter, Item
from lamina.semantic.facts.claims import Claim, session_of
from lamina.semantic.facts.sessions import SessionReader, read_session
from lamina.storage.protocol import Store

SESSIONS: Final = 32  # sessions that are kept at hand while groups are settled


class Gathering:
    """The claims of groups, read from traces when they are needed: those of sessions that changed, and those the groups cite."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store, self._scope = store, scope
        self._claims: dict[str, dict[int, list[Claim]]] = {}  # by group, by trace
        self._read: set[int] = set()
        self._sessions: dict[str, SessionReader] = {}

    @property
    def groups(self) -> set[str]:
        """The groups that were claimed anything of."""
        return set(self._claims)

    def look(self, session: str | None, since: int, back: Collection[str]) -> list[Item]:
        """Read what is new in a session since a key, and what hangs on it; returns the traces that were read."""
        if session is None:
            return self._keep(None, self._alone(since, back))
        reader = self._session(session)
        traces = reader.traces
        new = [trace.key for trace in traces if trace.key > since or trace.id in back]
        return self._keep(reader, traces if len(new) == len(traces) else reader.around(new))

    def _alone(self, since: int, back: Collection[str]) -> list[Item]:
        """The traces without a session that are new or came back."""
        if since == 0:
            return self._store.items.session_traces(self._scope, None)
        keys = [key for key in self._store.items.matching(Filter(scope=self._scope, kinds=("trace",))).tolist() if key > since]
        new = [
            item
            for item in self._store.items.by_key(keys).values()
            if item.session is None and item.scope == self._scope and _usable(item)
        ]
        again = [
            item
            for item in self._store.items.get(sorted(back))
            if item is not None and item.session is None and item.scope == self._scope and _usable(item)
        ]
        return list({item.key: item for item in (*new, *again)}.values())

    def moved(self, items: Sequence[Item]) -> set[str]:
        """The groups in which traces cited by some items speak now: what a deletion left may be about something else."""
        before = set(self._claims)
        self._read_cited(items)
        return set(self._claims) - before

    def claims(self, names: Collection[str], items: Sequence[Item]) -> dict[str, list[Claim]]:
        """The claims of groups, by name; `items` are what the groups have in the store."""
        self._read_cited(items)
        return {name: [claim for claims in self._claims.get(name, {}).values() for claim in claims] for name in names}

    def _read_cited(self, items: Sequence[Item]) -> None:
        cited = {edge.dst for edge in self._store.edges.out([item.key for item in items], ["cites"])} if items else set()
        traces = [trace for trace in self._store.items.by_key(sorted(cited - self._read)).values() if _usable(trace)]
        by_session: dict[str | None, list[Item]] = {}
        for trace in traces:
            by_session.setdefault(trace.session, []).append(trace)
        for session, some in by_session.items():
            self._keep(None if session is None else self._session(session), some)

    def _session(self, session: str) -> SessionReader:
        if session not in self._sessions:
            if len(self._sessions) >= SESSIONS:
                self._sessions.clear()
            self._sessions[session] = SessionReader(partial(self._store.items.session_traces, self._scope, session))
        return self._sessions[session]

    def _keep(self, reader: SessionReader | None, traces: Sequence[Item]) -> list[Item]:
        new = [trace for trace in traces if trace.key not in self._read]
        self._read |= {trace.key for trace in new}
        for claim in _each(new) if reader is None else reader.claims(new):
            self._claims.setdefault(session_of(claim.group), {}).setdefault(claim.trace.key, []).append(claim)
        return list(traces)


def _each(traces: Sequence[Item]) -> list[Claim]:
    """The claims of traces that stand in no session: each is read by itself."""
    return [claim for trace in traces for claim in read_session([trace])]


def _usable(trace: Item) -> bool:
    return trace.kind == "trace" and trace.role != EVENT and not trace.status and trace.retired_at is None
