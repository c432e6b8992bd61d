"""Messages as JSON lines: one object a line, as `Memory.add_many` takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, BinaryIO, Final

from lamina.errors import InputError
from lamina.importing.reading import Skipped, check_message, digest, shown_name
from lamina.text import mend_text, mend_value

REASON_LENGTH: Final = 100  # characters kept of a reason
CODEC: Final = "utf-8"


@dataclass
class JsonLines:
    """The messages of a JSONL file, in order.

    A line is an object with `content` (or `text`) and, as needed, `role`, `speaker` (or `name`), `at` (or `timestamp`),
    `session`, `origin`, `place`, `captions`, `images`, `tool_calls`, `metadata`; other fields are kept as metadata. Where there
    is no `origin`, it is the file's name, the line's number and a hash of the line, so that the file can be read again. A line
    that is no message is counted in `skipped` under its number, or raises `InputError` with `strict`. Lone surrogates and NUL
    characters are replaced and counted. `source` is read in place of the file where it is given
    (standard input); its messages get no origin.
    """

    path: Path
    skipped: Skipped
    strict: bool = False
    zone: tzinfo = UTC
    user: str | None = None
    source: BinaryIO | None = None
    done: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """The file's name below its folder."""
        if self.source is not None:
            return "standard input"
        return shown_name(self.path, self.path.parent)

    @property
    def size(self) -> int:
        """Bytes of the file; 0 where nobody knows."""
        return 0 if self.source is not None else self.path.stat().st_size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.done = 0
        name = self.name
        with _opened(self.path) if self.source is None else nullcontext(self.source) as file:
            for number, raw in enumerate(file, 1):
                self.done += len(raw)
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if not raw.strip():
                    continue
                where = f"{name}:{number}"
                try:
                    message = self._message(raw)
                    if self.source is None:
                        message.setdefault("origin", f"{where}:{digest(raw.strip().decode(CODEC, 'replace'))}")
                    check_message(message, self.zone)
                except InputError as error:
                    if self.strict:
                        raise InputError(f"{where}: {error}") from None
                    self.skipped.add(f"not a message: {str(error)[:REASON_LENGTH]}", where)
                    continue
                yield message

    def _message(self, raw: bytes) -> dict[str, Any]:
        try:
            text = raw.decode(CODEC)
        except UnicodeDecodeError:
            text, count = mend_text(raw.decode(CODEC, "surrogateescape"))
            self.skipped.replaced += count
        try:
            message = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not JSON ({_short(error)})") from None
        if not isinstance(message, dict):
            raise InputError(f"a line must be an object, not {type(message).__name__}")
        mended, count = mend_value(message)
        self.skipped.replaced += count
        return {name: value for name, value in mended.items() if value is not None}


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions") from None


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _short(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).split(": line")[0]
