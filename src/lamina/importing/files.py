"""Folders and files of plain text and Markdown as messages: a passage each, dated, under its headings."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError
from lamina.importing.markdown import front_matter, passages
from lamina.importing.reading import Skipped, digest, shown_name
from lamina.text import mend_text
from lamina.times import parse_moment

MARKDOWN: Final = (".md", ".markdown")
SUFFIXES: Final = (".txt", *MARKDOWN)
LARGEST: Final = 64 * 1024 * 1024  # bytes of one file
DATES: Final = ("date", "created", "at")  # fields of the front matter that say when, the first that is there

_DATE_IN_NAME = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass
class TextFiles:
    """The passages of a text or Markdown file, or of all of them in a folder and the folders in it, in the order of names.

    A passage's origin is the file's path, a hash of the passage, and a count where the file says the same twice: what was read
    before is known again wherever it stands, and what changed is new. The session is the path. `at` comes from the front matter
    (date, created, at), else from a date in the file's name, else from its time of change. What is hidden (a leading dot), linked
    folders, other kinds of files, and files that are binary, too large or not Unicode text are counted in `skipped`.
    """

    path: Path
    skipped: Skipped
    strict: bool = False
    user: str | None = None
    done: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """The name of the folder or file."""
        return self.path.resolve().name

    @property
    def root(self) -> Path:
        """The folder that paths start from."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def size(self) -> int:
        """Bytes of all files that will be read."""
        return sum(size for _, size in self.files)

    @cached_property
    def files(self) -> list[tuple[Path, int]]:
        """The files that will be read, in order, with their sizes in bytes."""
        if not self.path.is_dir():
            return [(self.path, self.path.stat().st_size)]
        found: list[tuple[Path, int]] = []
        for folder, folders, names in os.walk(self.path, onerror=self._unreadable):
            here = Path(folder)
            for name in [*folders, *names]:
                if name.startswith("."):
                    self.skipped.add("hidden", shown_name(here / name, self.path))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in names if not name.startswith(".")):
                file = here / name
                if file.suffix.lower() not in SUFFIXES:
                    self.skipped.add(f"not {', '.join(SUFFIXES)}", shown_name(file, self.path))
                elif not file.is_file():
                    self.skipped.add("not a file", shown_name(file, self.path))
                else:
                    found.append((file, file.stat().st_size))
        return found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.done = 0
        for file, size in self.files:
            name = shown_name(file, self.root)
            try:
                yield from self._messages(file, name)
            except (InputError, OSError) as error:
                reason = str(error.strerror) if isinstance(error, OSError) else str(error)
                if self.strict:
                    raise InputError(f"{name}: {reason}") from None
                self.skipped.add(reason, name)
            self.done += size

    def _messages(self, file: Path, name: str) -> Iterator[dict[str, Any]]:
        markdown = file.suffix.lower() in MARKDOWN
        text, replaced = mend_text(_text(file))
        self.skipped.replaced += replaced
        fields, body = front_matter(text) if markdown else ({}, text)
        at = _moment(file, fields)
        seen: Counter[str] = Counter()
        empty = True
        for passage in passages(body, markdown):
            empty = False
            mark = digest(passage.text)
            seen[mark] += 1
            metadata: dict[str, Any] = {"path": name}
            if passage.headings:
                metadata["headings"] = list(passage.headings)
            if fields:
                metadata["front_matter"] = fields
            again = f".{seen[mark]}" if seen[mark] > 1 else ""
            yield {
                "content": passage.text, "at": at, "session": name, "origin": f"{name}#{mark}{again}", "metadata": metadata,
            }  # fmt: skip
        if empty:
            self.skipped.add("empty", name)

    def _unreadable(self, error: OSError) -> None:
        if self.strict:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}): check its permissions")
        self.skipped.add(str(error.strerror), str(error.filename))


def _text(file: Path) -> str:
    """The whole text of a file with plain line ends. Raises `InputError` with the reason why there is none."""
    if file.stat().st_size > LARGEST:
        raise InputError(f"larger than {LARGEST // 1024 // 1024} MB")
    raw = file.read_bytes()
    codec = next((codec for mark, codec in _BOMS if raw.startswith(mark)), "utf-8")
    if codec == "utf-8" and b"\0" in raw:
        raise InputError("binary")
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _moment(file: Path, fields: dict[str, str]) -> str | datetime:
    """When a file was written: the words that say so, which the memory reads in its own time zone, else the time of change."""
    named = _DATE_IN_NAME.search(file.name)
    for words in (*(fields[name] for name in DATES if name in fields), *([named[0]] if named else [])):
        try:
            parse_moment(words)
        except InputError:
            continue
        return words
    return datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
