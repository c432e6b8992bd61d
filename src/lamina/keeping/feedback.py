"""Feedback: what a user or an agent tells of hits, kept as events; and taking it back."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import InputError
from lamina.keeping.arguments import read_asked
from lamina.keeping.keeper import Keeper
from lamina.keeping.writer import Writer
from lamina.records import EVENT, Filter, Hit, Run
from lamina.scopes import check_scope
from lamina.storage.feedback import FEEDBACK, feedback_data, feedback_in
from lamina.storage.protocol import Store

Told = Hit | str | Sequence[Hit | str]
"""One hit or several, or the ids of items."""


class FeedbackKeeper:
    """Writes down what is told of hits.

    Parameters: `store`, `keeper` (finds items), `writer` (stores events), `run` (the clock).
    """

    def __init__(self, store: Store, keeper: Keeper, writer: Writer, run: Run) -> None:
        self._store = store
        self._keeper = keeper
        self._writer = writer
        self._run = run

    def tell(self, told: Told, good: bool, cue: str | None, where: Filter | None) -> int:
        """Keep one event for each hit, in the scope and session of its item; returns how many.

        `cue` and `where` say what was asked where the hits do not say it themselves; they win where both do. Raises
        `InputError` for what is no hit, has no cue, or lies outside the scope it is said to have been found in, and
        `NotFoundError` for an item that is not there. Nothing is then kept.
        """
        if not isinstance(good, bool):
            raise InputError(f"good must be True or False, not {good!r}: tell of each hit whether it answers the cue")
        hits = read_hits(told)
        with self._store.transaction():
            items = self._keeper.required([id_of(hit) for hit in hits])
            for hit, item in zip(hits, items, strict=True):
                if item.role == EVENT:
                    raise InputError(f"{item.id} is an event: feedback is told of what a recall finds")
                asked = read_asked(hit, item, cue, where, self._run.clock())
                self._writer.event(FEEDBACK, [item], **feedback_data(asked, good))
        return len(hits)

    def unlearn(self, scope: str, feedback: bool) -> bool:
        """Take away what was learned in a scope; with `feedback` also what was told there and below it, and learned from that.

        Returns whether there was anything to take away.
        """
        check_scope(scope)
        with self._store.transaction():
            removed = self._store.rankers.remove(scope, below=feedback)
            events = [told.event for told in feedback_in(self._store, scope)] if feedback else []
            self._store.items.delete(list(self._store.items.keys_of(events).values()))
        return bool(removed or events)


def read_hits(told: Told) -> list[Hit | str]:
    """One hit or id, or several, as a list; `InputError` for anything else."""
    hits = [told] if isinstance(told, (Hit, str)) else told
    if not isinstance(hits, Sequence) or not all(isinstance(hit, (Hit, str)) for hit in hits):
        raise InputError(f"give hits, or ids together with cue=, not {type(told).__name__}")
    if not hits:
        raise InputError("there is no hit to tell of: the list is empty")
    return list(hits)


def id_of(hit: Hit | str) -> str:
    """The id of a hit's item."""
    return hit.id if isinstance(hit, Hit) else hit
