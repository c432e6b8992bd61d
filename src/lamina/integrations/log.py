"""The log of a session: entries of any JSON, given back exactly, with a text that recall can find.

Frameworks that hand in messages of their own forms stand on this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import InputError
from lamina.memory import Memory
from lamina.records import Filter, Item
from lamina.text import CHUNK, chunks, mend_text

ENTRY: Final = "entry"
"""The field of a trace's metadata that holds the entry; the further pieces of a long one have `piece` instead."""


@dataclass(frozen=True)
class Entry:
    """One entry: `value` is kept as it is (JSON), `text` is what a recall finds, `role` says who speaks."""

    value: Any  # whatever JSON the framework uses
    text: str
    role: str


@dataclass(frozen=True)
class SessionLog:
    """The entries of one session in exactly one scope, in the order of recording.

    Parameters: `memory`, the `session` they belong to, and the `scope`.

    >>> log = SessionLog(Memory(":memory:"), "monday", "/ana")
    >>> log.append([Entry({"id": 7}, "The kettle is blue.", "user")])
    >>> log.values(), log.pop(), log.values()
    ([{'id': 7}], {'id': 7}, [])
    """

    memory: Memory
    session: str
    scope: str

    def __post_init__(self) -> None:
        if not isinstance(self.session, str) or not self.session:
            raise InputError(f"the id of a session must be text, not {self.session!r}")

    def append(self, entries: Sequence[Entry]) -> None:
        """Store entries, all of them or none."""
        messages = []
        for entry in entries:
            text, _ = mend_text(entry.text)
            first, *rest = chunks(text) if len(text) > CHUNK else [text if text.strip() else "(empty)"]
            messages.append({"content": first, "role": entry.role, "metadata": {ENTRY: entry.value}})
            messages += [{"content": piece, "role": entry.role, "metadata": {"piece": n}} for n, piece in enumerate(rest, 2)]
        if messages:
            self.memory.add(messages, session=self.session, scope=self.scope)

    def values(self, limit: int | None = None) -> list[Any]:
        """The values of all entries, or of the `limit` newest, oldest first."""
        found: list[Any] = []
        if limit is None or limit > 0:
            for trace in self.newest_first():
                if ENTRY in trace.metadata:
                    found.append(trace.metadata[ENTRY])
                    if len(found) == limit:
                        break
        return found[::-1]

    def pop(self) -> Any:
        """Delete the newest entry for good and return its value; None where there is none."""
        with self.memory.store.transaction():
            gone = []
            for trace in self.newest_first():
                gone.append(trace.id)
                if ENTRY in trace.metadata:
                    self.memory.delete(gone)
                    return trace.metadata[ENTRY]
        return None

    def clear(self) -> int:
        """Delete every entry for good; returns how many traces that were."""
        with self.memory.store.transaction():
            every = [trace.id for trace in self.newest_first()]
            if every:
                self.memory.delete(every)
        return len(every)

    def newest_first(self) -> Iterator[Item]:
        """The traces of the log: entries and further pieces of them."""
        where = Filter(scope=self.scope, sessions=(self.session,), kinds=("trace",))
        cursor = None
        while True:
            page = self.memory.get_all(where=where, order="-recorded", cursor=cursor, limit=200)
            for item in page:
                if item.scope == self.scope and (ENTRY in item.metadata or "piece" in item.metadata):
                    yield item
            cursor = page.cursor
            if cursor is None:
                return
