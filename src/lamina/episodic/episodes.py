"""Episodes: runs of traces that belong together, with a summary, keywords and a span; made from sessions, kept in step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lamina.episodic.segmentation import EventSegmenter, Segmenter
from lamina.episodic.summaries import Background, ExtractiveSummary
from lamina.records import EVENT, Edge, Filter, Item, Report, Run, derived_id
from lamina.storage.protocol import Store


@dataclass(frozen=True)
class EpisodeConsolidator:
    """The stage that turns traces into episodes, session by session.

    A session is done again, as a whole, when it got traces, corrections or events since the last time; episodes whose traces
    are the same keep their ids. Exact: the order in which traces arrived does not matter. Each session is one transaction, so the
    stage can be interrupted anywhere. Echoes are never derived from.
    """

    segmenter: Segmenter = field(default_factory=EventSegmenter)
    summary: ExtractiveSummary = field(default_factory=ExtractiveSummary)
    stage: str = "episodes"

    @property
    def made_by(self) -> str:
        """Mechanism and version, as episodes carry it."""
        return self.segmenter.name

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the episodes of exactly this scope up to date; `force` makes every one anew, with the same ids."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        sessions = dict.fromkeys(store.items.sessions_since(scope, since))
        sessions |= dict.fromkeys(item.session for item in self._stale(store, scope))
        read = made = kept = removed = 0
        for done, session in enumerate(sessions):
            run.report(self.stage, done, len(sessions))
            counts = self._session(store, scope, session, run, force)
            read, made, kept, removed = (a + b for a, b in zip((read, made, kept, removed), counts, strict=True))
        run.report(self.stage, len(sessions), len(sessions))
        if sessions or newest > since:
            with store.transaction():
                store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, read, made, kept, removed, time.monotonic() - began)

    def _stale(self, store: Store, scope: str) -> list[Item]:
        where = Filter(scope=scope, kinds=("episode",), stale=True, forgotten=True)
        return [item for item in store.items.each(where) if item.stale and item.scope == scope]

    def _session(self, store: Store, scope: str, session: str | None, run: Run, force: bool) -> tuple[int, int, int, int]:
        traces, episodes = self._segment(store, scope, session, run)
        with store.transaction():
            now = _usable(store.items.session_traces(scope, session))
            if [trace.key for trace in now] != [trace.key for trace in traces]:  # somebody wrote in between
                traces, episodes = self._segment(store, scope, session, run)
            return (len(traces), *self._write(store, scope, session, episodes, force))

    def _segment(self, store: Store, scope: str, session: str | None, run: Run) -> tuple[list[Item], list[Item]]:
        """The traces of a session, and its episodes as they should be (their sources under `data["traces"]`)."""
        traces = _usable(store.items.session_traces(scope, session))
        cuts = self.segmenter.boundaries(traces, _vectors(store, traces), run) if traces else []
        spans = zip([0, *cuts], [*cuts, len(traces)], strict=True)
        background = Background.of(traces, store.language)
        return traces, [self._episode(traces[start:end], background, scope, session) for start, end in spans if end > start]

    def _episode(self, traces: Sequence[Item], background: Background, scope: str, session: str | None) -> Item:
        first, last = traces[0], max(traces, key=lambda trace: trace.until or trace.at)
        speakers = list(dict.fromkeys(trace.speaker for trace in traces if trace.speaker))
        return Item(
            id=derived_id("episode", scope, self.made_by, [trace.id for trace in traces]),
            kind="episode",
            text=self.summary.summarise(traces, background.language),
            at=first.at,
            until=max(last.until or last.at + 1, first.at + 1),
            precision=first.precision,
            offset=first.offset,
            recorded_at=max(trace.recorded_at for trace in traces),
            scope=scope,
            session=session,
            made_by=self.made_by,
            data={
                "keywords": self.summary.keywords_of(traces, background),
                "speakers": speakers,
                "traces": [trace.id for trace in traces],
            },
        )

    def _write(
        self, store: Store, scope: str, session: str | None, episodes: Sequence[Item], force: bool
    ) -> tuple[int, int, int]:
        """Make the store's episodes of a session the given ones; returns how many were made, kept and removed."""
        where = Filter(
            scope=scope, kinds=("episode",), sessions=None if session is None else (session,), stale=True, forgotten=True
        )
        there = {item.id: item for item in store.items.each(where) if item.scope == scope and item.session == session}
        retracted = _retracted(store, scope, session)
        wanted = {item.id: item for item in episodes if item.id not in retracted}
        made = kept = 0
        for id, item in wanted.items():
            old = there.get(id)
            if old is not None and not force and _same(old, item):
                kept += 1
                continue
            key = store.items.put(item)
            sources = store.items.keys_of(item.data["traces"])
            store.edges.remove_from([key], ["cites", "contains"])
            store.edges.add(
                Edge(key, source, kind, made_by=self.made_by, recorded_at=item.recorded_at)
                for source in sources.values()
                for kind in ("cites", "contains")
            )
            made += 1
        gone = [item.key for id, item in there.items() if id not in wanted]
        store.items.delete(gone)
        return made, kept, len(gone)


def _same(old: Item, new: Item) -> bool:
    """Whether a stored episode is as it would be made now; keywords depend on the rest of the session too."""
    return not old.stale and (old.text, old.at, old.until, old.data) == (new.text, new.at, new.until, new.data)


def _usable(traces: Sequence[Item]) -> list[Item]:
    """What may be derived from: no echoes."""
    return [trace for trace in traces if not trace.data.get("echo")]


def _vectors(store: Store, traces: Sequence[Item]) -> NDArray[np.float32]:
    space = store.vectors.active()
    if space is None:
        return np.zeros((len(traces), 1), np.float32)
    found = store.vectors.get(space, [trace.key for trace in traces])
    none = np.zeros(space.dim, np.float32)
    return np.stack([found.get(trace.key, none) for trace in traces])


def _retracted(store: Store, scope: str, session: str | None) -> set[str]:
    """Ids of derived items of a session that were deleted on purpose."""
    where = Filter(scope=scope, roles=(EVENT,), sessions=None if session is None else (session,), events=True)
    found: set[str] = set()
    for event in store.items.each(where):
        if event.scope == scope and event.session == session and event.data.get("event") == "retract":
            found.update(event.data.get("targets", ()))
    return found
