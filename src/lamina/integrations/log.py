"""The log of a session: entries of any JSON, given back exactly, with a text that recall can find.

Frameworks that hand in messages of their own forms stand on this. An entry that a write gate takes for junk is hidden from recall, and still an entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import InputError
from lamina.keeping.gate import ENTRY
from lamina.memory import Memory
from lamina.records import EVENT, Item
from lamina.text import CHUNK, chunks, mend_text

ESCAPED: Final = "escaped"
"""The field beside an entry in whose texts characters are escaped that no file of UTF-8 can hold."""
PAGE: Final = 200
"""Traces read at a time: an agent asks for the newest few far more often than for all."""


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
            kept = escaped(entry.value)
            marks = {ENTRY: kept} if kept == entry.value else {ENTRY: kept, ESCAPED: True}
            messages.append({"content": first, "role": entry.role, "metadata": marks})
            messages += [{"content": piece, "role": entry.role, "metadata": {"piece": n}} for n, piece in enumerate(rest, 2)]
        if messages:
            self.memory.add(messages, session=self.session, scope=self.scope)

    def values(self, limit: int | None = None) -> list[Any]:
        """The values of all entries, or of the `limit` newest, oldest first."""
        found: list[Any] = []
        if limit is None or limit > 0:
            for trace in self._newest_first():
                if ENTRY in trace.metadata:
                    found.append(_value(trace))
                    if len(found) == limit:
                        break
        return found[::-1]

    def pop(self) -> Any:
        """Delete the newest entry for good and return its value; None where there is none."""
        with self.memory.store.transaction():
            gone: list[str] = []
            for trace in self._newest_first():
                gone += [one.id for one in self.memory.history(trace.id) if one.role != EVENT]
                if ENTRY in trace.metadata:
                    self.memory.delete(gone)
                    return _value(trace)
        return None

    def clear(self) -> int:
        """Delete every entry for good, forgotten ones and earlier versions too; returns how many traces that were."""
        with self.memory.store.transaction():
            every = [trace.id for trace in self._traces(retired=True)]
            if every:
                self.memory.delete(every)
        return len(every)

    def _newest_first(self) -> Iterator[Item]:
        """The traces of the log that nobody has forgotten: entries and further pieces of them."""
        return (trace for trace in self._traces() if not trace.forgotten or "gate" in trace.data)

    def _traces(self, retired: bool = False) -> Iterator[Item]:
        before, items = None, self.memory.store.items
        while page := items.newest_traces(self.scope, self.session, before=before, limit=PAGE, retired=retired):
            yield from (item for item in page if ENTRY in item.metadata or "piece" in item.metadata)
            before = page[-1].key


def _value(trace: Item) -> Any:
    value = trace.metadata[ENTRY]
    return unescaped(value) if trace.metadata.get(ESCAPED) else value


_UNSAFE = re.compile("[\0\ud800-\udfff]")
_SAFE = re.compile(r"\\(u[0-9a-f]{4}|\\)")


def escaped(value: Any) -> Any:
    """A JSON value as it is; where a text of it has a NUL character or a lone surrogate, with these and backslashes escaped in every text.

    >>> escaped(["a\\\\b", "plain"]), escaped({"text": "a\\0\\\\"})
    (['a\\\\b', 'plain'], {'text': 'a\\\\u0000\\\\\\\\'})
    """
    return _each_text(value, _escape) if _holds_unsafe(value) else value


def unescaped(value: Any) -> Any:
    """The value that was escaped.

    >>> unescaped(escaped({"text": "a\\0\\\\"})) == {"text": "a\\0\\\\"}
    True
    """
    return _each_text(value, _unescape)


def _holds_unsafe(value: Any) -> bool:
    if isinstance(value, str):
        return _UNSAFE.search(value) is not None
    if isinstance(value, dict):
        return any(_holds_unsafe(one) for pair in value.items() for one in pair)
    return isinstance(value, list) and any(_holds_unsafe(one) for one in value)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_each_text(name, change): _each_text(one, change) for name, one in value.items()}
    return [_each_text(one, change) for one in value] if isinstance(value, list) else value


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text.replace("\\", "\\\\"))


def _unescape(text: str) -> str:
    return _SAFE.sub(lambda sign: "\\" if sign[1] == "\\" else chr(int(sign[1][1:], 16)), text)
