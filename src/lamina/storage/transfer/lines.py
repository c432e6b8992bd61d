"""Reading the lines of an export: encoding, JSON, order, counts and digest, each fault named with its line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lamina.errors import TransferError
from lamina.storage.transfer.exporting import COUNTED, FORMAT, LATER, VERSION, new_digest
from lamina.text import mend_text, mend_value

Progress = Callable[[int, int], None]
AGAIN: Final = "nothing was imported; export again from the source store"
_REPORT_EVERY: Final = 1000  # lines between two reports of progress


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a file and where it stands."""

    number: int
    record: dict[str, Any]

    @property
    def type(self) -> str:
        """What the record is: header, item, edge, …"""
        return str(self.record["type"])

    def fault(self, words: str, remedy: str = AGAIN) -> TransferError:
        """The error to raise about this line."""
        return TransferError(f"line {self.number}: {words}: {remedy}")


@dataclass
class Lines:
    """The records of an export, checked while they are read; `mended` counts replaced characters.

    Raises `TransferError` for anything that is not a whole, unaltered export of a known version.
    """

    source: str | os.PathLike[str] | Iterable[str]
    mend: bool = False
    progress: Progress | None = None
    mended: int = 0
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    def __iter__(self) -> Iterator[Line]:
        digest = new_digest()
        sealed, number = False, 0
        for number, raw in enumerate(self._raw(), 1):
            if sealed:
                raise TransferError(f"line {number}: there is more after the footer: {AGAIN}")
            line = Line(number, self._record(number, raw))
            if number == 1:
                _check_header(line)
            elif line.type == "header":
                raise line.fault("a second header: import each export by itself", "nothing was imported")
            if line.type == "footer":
                self._check_footer(line, digest.hexdigest())
                sealed = True
                continue
            digest.update(raw + b"\n")
            if line.type in (*COUNTED, *LATER):
                self._counts[line.type] = self._counts.get(line.type, 0) + 1
            yield line
        if not number:
            raise TransferError(f"the file is empty: {AGAIN}")
        if not sealed:
            raise TransferError(f"the file ends after line {number} without its footer, so it was cut off: {AGAIN}")

    def _raw(self) -> Iterator[bytes]:
        if not isinstance(self.source, (str, os.PathLike)):
            for line in self.source:
                yield line.rstrip("\r\n").encode("utf-8", "surrogatepass")
            return
        path = Path(self.source)
        try:
            size, done = path.stat().st_size, 0
            with path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    yield raw.rstrip(b"\r\n")
                    done += len(raw)
                    if self.progress is not None and (number % _REPORT_EVERY == 0 or done == size):
                        self.progress(done, size)
        except OSError as error:
            raise TransferError(f"{path} cannot be read ({error.strerror}): check the path; nothing was imported") from error

    def _record(self, number: int, raw: bytes) -> dict[str, Any]:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            if not self.mend:
                raise TransferError(
                    f"line {number}: byte {error.start} is not UTF-8 (a lone surrogate, or another encoding): "
                    "nothing was imported; import with mend=True to have it replaced and counted"
                ) from None
            text, count = mend_text(_lenient(raw))
            self.mended += max(count, text.count("\ufffd"))
        try:
            record = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise TransferError(f"line {number} is not JSON ({error}): {AGAIN}") from None
        if not isinstance(record, dict) or not isinstance(record.get("type"), str):
            raise TransferError(f"line {number} is no record of an export (a JSON object with a 'type'): {AGAIN}")
        if b"\\u" in raw:  # the only way left for what cannot be stored
            mended, count = mend_value(record)
            if count and not self.mend:
                raise TransferError(
                    f"line {number} has {count} lone surrogates or NUL characters, which cannot be stored: "
                    "nothing was imported; import with mend=True to have them replaced and counted"
                )
            self.mended += count
            return dict(mended)
        return record

    def _check_footer(self, line: Line, digest: str) -> None:
        if line.record.get("counts") != self._counts:
            raise line.fault(
                f"the footer counts {line.record.get('counts')}, but the file has {self._counts}: lines are missing or doubled"
            )
        if line.record.get("digest") != digest:
            raise line.fault("the digest is not that of the lines, so they were altered")


def _check_header(line: Line) -> None:
    record = line.record
    if line.type != "header" or record.get("format") != FORMAT:
        raise line.fault(
            "this is not the header of a Lamina export", "name a file that 'lamina export' wrote; nothing was imported"
        )
    if record.get("version") != VERSION:
        raise line.fault(
            f"the export has format version {record.get('version')!r}, this version of Lamina reads {VERSION}",
            "upgrade with pip install -U lamina; nothing was imported",
        )


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _lenient(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


@contextmanager
def at_line(line: Line, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds become a `TransferError` that names the line."""
    try:
        yield
    except TransferError:
        raise
    except kinds as error:
        raise line.fault(str(error)) from error
