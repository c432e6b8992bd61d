"""What every reader of files is: a stream of messages, how far it has come, and a tally of what it could not read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final, Protocol

from lamina.errors import InputError
from lamina.keeping.messages import check_lengths, read_drafts
from lamina.text import mend_text

EXAMPLES: Final = 3  # places that a tally names for each reason
REASONS: Final = 20  # different reasons that a tally tells apart
NAME_LENGTH: Final = 800  # characters kept of a file's path in an origin or a session


@dataclass
class Skipped:
    """What readers left out, by reason, with the first places of each; `replaced` counts characters that cannot be stored.

    >>> skipped = Skipped()
    >>> skipped.add("binary", "notes/photo.txt")
    >>> print(skipped)
    1 skipped: binary (notes/photo.txt)
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    replaced: int = 0

    def add(self, reason: str, where: str) -> None:
        """One more thing left out."""
        if reason not in self.counts and len(self.counts) >= REASONS:
            reason = "other reasons"
        self.counts[reason] += 1
        places = self.examples.setdefault(reason, [])
        if len(places) < EXAMPLES:
            places.append(where)

    @property
    def total(self) -> int:
        """How many things were left out."""
        return self.counts.total()

    def lines(self) -> list[str]:
        """One line for each reason, the most frequent first, then one for replaced characters."""
        found = []
        for reason, count in self.counts.most_common():
            more = ", …" if count > len(self.examples[reason]) else ""
            found.append(f"{count:,} skipped: {reason} ({', '.join(self.examples[reason])}{more})")
        if self.replaced:
            found.append(f"{self.replaced:,} characters that cannot be stored were replaced by U+FFFD")
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines())


class Reader(Protocol):
    """A stream of messages that can be started anew, and how far it has come."""

    @property
    def name(self) -> str:
        """What is read, in a few words."""

    @property
    def user(self) -> str | None:
        """The user whose scope the messages belong to; None: the caller says."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    @property
    def done(self) -> int:
        """Bytes read so far."""

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


def digest(text: str) -> str:
    """A short hash of some content, as it stands in origins.

    >>> digest("The ferry leaves at seven.")
    '2851c0d3fc44'
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def shown_name(path: Path, root: Path) -> str:
    """A file's path as origins and sessions carry it: below `root`, the folder's own name first, fit to be stored.

    >>> shown_name(Path("/home/ana/notes/trip/day1.md"), Path("/home/ana/notes"))
    'notes/trip/day1.md'
    """
    name, _ = mend_text("/".join((root.resolve().name, *path.relative_to(root).parts)).lstrip("/"))
    return name if len(name) <= NAME_LENGTH else f"{digest(name)}…{name[-NAME_LENGTH:]}"


def check_message(message: dict[str, Any], zone: tzinfo = UTC) -> None:
    """Raise `InputError` if `Memory.add_many` would refuse a message, so that one bad message does not stop a batch."""
    for draft in read_drafts(message, zone):
        check_lengths(draft)
        if draft.until is not None and (draft.at is None or draft.until.at <= draft.at.at):
            raise InputError("'until' must come after 'at'")
