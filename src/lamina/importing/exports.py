"""What the readers of exports share: an archive, a tally of what is left out, and messages that the memory will take."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from lamina.errors import InputError
from lamina.importing.archives import Archive, mended
from lamina.importing.reading import Skipped, check_message
from lamina.scopes import make_scope

CONVERSATIONS: Final = re.compile(r"conversations(-\d+)?\.json")
"""The names of parts with conversations; large exports are cut into several."""


@dataclass
class ExportReader(ABC):
    """A reader of one export. What cannot be read is counted in `skipped`, or raises `InputError` with `strict`; `everything` takes what is else left out on purpose.

    A reader says in `messages` what the export holds, with an origin for each message, so that it can be read again; `form` is the name of the form. Where the
    messages have owners of their own, it hands the segments of their scope over as `scope`.
    """

    path: Path
    skipped: Skipped
    strict: bool = False
    zone: tzinfo = UTC
    everything: bool = False
    user: str | None = None
    form: ClassVar[str] = ""

    @cached_property
    def archive(self) -> Archive:
        """The export as parts."""
        return Archive(self.path)

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        return self.path.resolve().name

    @property
    def size(self) -> int:
        """Bytes of all parts that will be read."""
        return sum(self.archive.sizes[part] for part in self.parts())

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self.archive.done

    def parts(self) -> list[str]:
        """The parts that will be read."""
        return list(self.archive.sizes)

    @abstractmethod
    def messages(self) -> Iterator[dict[str, Any]]:
        """What the export holds, in order."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.archive.done = 0
        try:
            for message in self.messages():
                try:
                    scope = message.pop("scope", None)
                    whole, count = mended(message)
                    check_message(whole, self.zone)
                    if scope is not None:
                        whole["scope"] = make_scope(*scope)
                except (InputError, RecursionError) as error:
                    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
                    self.leave(f"not a message: {reason}", str(message.get("origin", ""))[:200])
                    continue
                self.skipped.replaced += count
                yield whole
        except InputError as error:
            if self.strict:
                raise
            self.skipped.add(str(error)[:160], self.name)

    def elements(self, part: str, prefix: str = "item") -> Iterator[Any]:
        """The elements of a list in a JSON part; where it is damaged, what came before, and it is counted."""
        try:
            yield from self.archive.elements(part, prefix)
        except InputError as error:
            self.leave(str(error)[:160], part)

    def leave(self, reason: str, where: str) -> None:
        """Leave out what cannot be read: count it, or raise `InputError` with `strict`. (What is left out on purpose is only counted.)"""
        if self.strict:
            raise InputError(f"{where}: {reason}")
        self.skipped.add(reason, where)


@dataclass
class JsonReader(ExportReader):
    """… of conversations, which lie in one JSON part, or in several with numbers."""

    def parts(self) -> list[str]:
        """The parts with conversations, in order."""
        found = self.archive.named(CONVERSATIONS) or (list(self.archive.sizes) if len(self.archive.sizes) == 1 else [])
        if not found:
            raise InputError(f"{self.path} has no conversations.json in it: is it an export of {self.form}?")
        return found


def moment_of(value: Any) -> datetime | None:
    """A time from seconds since 1970 or from ISO text; None for anything else.

    >>> moment_of(1700000000.5).isoformat(), moment_of("2024-03-01T09:00:00Z").isoformat(), moment_of("soon")
    ('2023-11-14T22:13:20.500000+00:00', '2024-03-01T09:00:00+00:00', None)
    """
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def text_in(value: Any) -> str:
    """A value as text; empty where it is none."""
    return value if isinstance(value, str) else ""


def rows_in(value: Any) -> list[dict[str, Any]]:
    """The mappings in a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
