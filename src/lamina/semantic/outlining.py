"""Outlines of long traces as notes: made once, kept with what they were made of, and gone with it.

Source: K. Liu, Z. Fu, C. Chen, W. Zhang, R. Jiang, F. Zhou, Y. Chen, Y. Wu, J. Ye, "Enhancing LLM's Cognition via Structurization", 2024, where a text
is put in order each time it is read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from lamina.errors import InputError
from lamina.records import Edge, Filter, Item, Report, Run, derived_id
from lamina.semantic.outline import Outliner
from lamina.semantic.outlines import Aspect, Outline
from lamina.storage.protocol import Store

RULES = "rules"
"""Who made an outline, where no language model did."""


@dataclass(frozen=True)
class OutlineConsolidator:
    """The stage that outlines long traces.

    Each becomes an item of kind "note" that cites it. Exact without a language model; where one fails, rules take its place and it is asked the next time its session
    is looked at. A trace is a transaction, so the stage can be interrupted anywhere. Echoes are never derived from.

    Parameters: `outliner`; `least` characters of a trace that is outlined; `head` and `body`, how the note is worded (see `Outline.text`).
    """

    outliner: Outliner
    least: int = 1200
    head: int = 3
    body: int = 1
    stage: str = "outlines"
    made_by: str = "outlines/1"

    def __post_init__(self) -> None:
        if self.least < 1:
            raise InputError(f"least must be at least 1 character, not {self.least}")
        Outline("a", (Aspect("b", ("c",)),)).text(self.head, self.body)  # raises for a template that is none

    @property
    def writer(self) -> str:
        """Who makes outlines."""
        return RULES if self.outliner.model is None else self.outliner.model.name

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the outlines of exactly this scope up to date; `force` makes every one anew, with the same ids."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        there = {item.id: item for item in self.notes(store, scope)}
        traces = [
            one
            for session in store.items.sessions_since(scope, since)
            for one in self._long(store.items.session_traces(scope, session))
        ]
        made = kept = 0
        for done, trace in enumerate(traces):
            run.report(self.stage, done, len(traces))
            old = there.get(self.note_id(trace))
            if old is not None and not force and not old.stale and (self.writer == RULES or old.data["by"] == self.writer):
                kept += 1
                continue
            note = self._note(trace, store.language)
            with store.transaction():
                if store.items.by_key([trace.key]):  # nobody deleted it meanwhile
                    key = store.items.put(note)
                    store.edges.remove_from([key], ["cites"])
                    store.edges.add([Edge(key, trace.key, "cites", made_by=self.made_by, recorded_at=note.recorded_at)])
                    made += 1
        usable = {self.note_id(trace) for trace in traces}
        left = [item.key for item in there.values() if item.stale and item.id not in usable]
        removed = 0
        if left or traces or newest > since:
            with store.transaction():
                removed = store.items.delete(left)
                store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, made + kept, made, kept, removed, time.monotonic() - began)

    def note_id(self, trace: Item) -> str:
        """The id of the outline of a trace."""
        return derived_id("note", trace.scope, self.made_by, [trace.id])

    def notes(self, store: Store, scope: str) -> list[Item]:
        """The outlines of exactly this scope, whatever their state."""
        where = Filter(scope=scope, kinds=("note",), stale=True, forgotten=True)
        return [item for item in store.items.each(where) if item.made_by == self.made_by and item.scope == scope]

    def _long(self, traces: Sequence[Item]) -> list[Item]:
        return [trace for trace in traces if len(trace.text) >= self.least and not trace.data.get("echo")]

    def _note(self, trace: Item, language: str) -> Item:
        outline, by = self.outliner.made(trace.text, None, language)
        return Item(
            id=self.note_id(trace), kind="note", text=outline.text(self.head, self.body), at=trace.at, until=trace.until, precision=trace.precision,
            offset=trace.offset, recorded_at=trace.recorded_at, scope=trace.scope, session=trace.session, made_by=self.made_by,
            data={"by": RULES if by is None else by, "scope": outline.scope, "aspects": [{"name": one.name, "descriptions": list(one.descriptions)} for one in outline.aspects]},
        )  # fmt: skip


def outline_of(note: Item) -> Outline:
    """The outline that a note of this stage holds. Raises `InputError` for any other item."""
    aspects = note.data.get("aspects")
    if note.kind != "note" or not isinstance(aspects, list):
        raise InputError(f"{note.id} is no outline")
    return Outline(str(note.data["scope"]), tuple(Aspect(one["name"], tuple(one["descriptions"])) for one in aspects))
