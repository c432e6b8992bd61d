"""Server-sent events: what an endpoint sends while it writes, read from bytes as they come."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from lamina.errors import ModelError

LONGEST: Final = 1 << 24  # characters of one event: an endpoint that never ends one is not waited for


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its `name` ("" where none was sent), and its `data`, lines joined."""

    name: str
    data: str


class ServerEvents:
    """Takes bytes in pieces of any size and gives the events that are whole.

    Lines end in LF, CR or both; comments and fields other than `event` and `data` are passed over; an event without data is none.
    Bytes that are no UTF-8 become replacement characters.

    Source: the WHATWG HTML standard, "Server-sent events".

    >>> reader = ServerEvents()
    >>> reader.feed(b"event: greeting\\ndata: good"), reader.feed(b" day\\n\\n: nothing\\ndata: 1\\ndata: 2\\n\\ndata: cut off")
    ([], [ServerEvent(name='greeting', data='good day'), ServerEvent(name='', data='1\\n2')])
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""  # a line that is not over
        self._name, self._data, self._size = "", list[str](), 0
        self._first = True

    def feed(self, raw: bytes) -> list[ServerEvent]:
        """Further bytes; the events that they complete. Raises `ModelError` for an event longer than `LONGEST`."""
        text = self._rest + self._decoder.decode(raw)
        if self._first and text:
            self._first, text = False, text.removeprefix("\ufeff")
        held = text.endswith("\r")  # an LF may follow
        if held:
            text = text[:-1]
        *lines, self._rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest += "\r" if held else ""
        if len(self._rest) + self._size > LONGEST:
            raise ModelError("the endpoint sent an event without an end")
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            found = ServerEvent(self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data, self._size = "", [], 0
            return found
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._size += len(value)
        elif field == "event":
            self._name = value
        return None
