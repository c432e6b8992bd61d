"""What an export comes as: a file, a folder, or a zip archive; its parts are read as streams and nothing is unpacked."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final

import ijson

from lamina.errors import InputError
from lamina.text import mend_value

LARGEST: Final = 16 * 1024**3
"""Bytes of one part that are read at most, unpacked: an archive that claims more is not opened."""
EXPANSION: Final = 1000
"""How many times larger than it is packed a part may be: more is no export, but a bomb."""
SMALL: Final = 64 * 1024**2  # bytes of a part that is read at once
HEAD: Final = 65_536  # bytes that telling one form from another looks at
LINE: Final = 64 * 1024**2  # bytes of one line that are read at once; the rest comes as another line
_BOM: Final = b"\xef\xbb\xbf"


class Archive:
    """The parts of an export by name, in the order of names.

    Parameters: `path` of a file (its only part), a folder, or a zip archive. Raises `InputError` for an archive that is damaged, encrypted or a bomb.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_file() and zipfile.is_zipfile(path):
            try:
                self._zip = zipfile.ZipFile(path)
            except (zipfile.BadZipFile, OSError) as error:
                raise InputError(f"{path} is a damaged archive ({error}): download it again") from None
        self.sizes: dict[str, int] = dict(sorted(self._parts()))
        self.done = 0
        """Bytes read so far, of all parts."""

    def _parts(self) -> Iterator[tuple[str, int]]:
        if self._zip is not None:
            for info in self._zip.infolist():
                if not info.is_dir() and not info.filename.startswith("__MACOSX/"):
                    yield info.filename, info.file_size
        elif self.path.is_dir():
            for file in self.path.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    yield file.relative_to(self.path).as_posix(), file.stat().st_size
        else:
            yield self.path.name, self.path.stat().st_size

    def find(self, name: str) -> str | None:
        """The part of this file name that lies least deep; None where there is none."""
        found = [part for part in self.sizes if PurePosixPath(part).name == name]
        return min(found, key=lambda part: (part.count("/"), part), default=None)

    def named(self, pattern: re.Pattern[str]) -> list[str]:
        """The parts whose file names match, of those the ones that lie least deep."""
        found = [part for part in self.sizes if pattern.fullmatch(PurePosixPath(part).name)]
        least = min((part.count("/") for part in found), default=0)
        return [part for part in found if part.count("/") == least]

    @contextmanager
    def open(self, part: str) -> Iterator[Counted]:
        """One part as a stream of bytes."""
        size = self.sizes[part]
        if size > LARGEST:
            raise InputError(f"{part} in {self.path} has {size:,} bytes; the most is {LARGEST:,}")
        if self._zip is not None:
            info = self._zip.getinfo(part)
            if info.flag_bits & 1:
                raise InputError(f"{self.path} is encrypted: unpack it first")
            if size > SMALL and size > EXPANSION * max(info.compress_size, 1):
                raise InputError(
                    f"{part} in {self.path} unpacks to {size:,} bytes from {info.compress_size:,}: that is no export"
                )
            try:
                stream = self._zip.open(info)
            except (NotImplementedError, RuntimeError, zipfile.BadZipFile, OSError) as error:
                raise InputError(f"{part} in {self.path} cannot be unpacked ({error}): unpack it yourself") from None
            with stream:
                yield Counted(stream, self)
        else:
            with (self.path / part if self.path.is_dir() else self.path).open("rb") as file:
                yield Counted(file, self)

    def load(self, part: str) -> Any:  # whatever JSON it holds
        """A small JSON part as a whole. Raises `InputError` for one that is none, or too large."""
        if self.sizes[part] > SMALL:
            raise InputError(f"{part} in {self.path} has {self.sizes[part]:,} bytes, more than is read at once")
        with self.open(part) as stream:
            try:
                return json.loads(stream.read())
            except (ValueError, RecursionError) as error:
                raise InputError(f"{part} in {self.path} is not JSON ({str(error)[:80]})") from None

    def elements(self, part: str, prefix: str = "item") -> Iterator[Any]:
        """The elements of a list in a JSON part, one after another (`prefix` as ijson names it). Raises `InputError` where it ends or is damaged."""
        done = 0
        for backend in (ijson, ijson.get_backend("python")):  # the second is slow, and reads numbers of any size
            with self.open(part) as stream:
                try:
                    for element in islice(backend.items(stream, prefix, use_float=True), done, None):
                        done += 1
                        yield element
                    return
                except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
                    if "overflow" not in str(error) or backend is not ijson:
                        raise InputError(f"{part} in {self.path} is damaged, or not whole ({str(error).strip()[:80]})") from None

    def head(self, part: str) -> bytes:
        """The first bytes of a part."""
        done = self.done
        with self.open(part) as stream:
            found = stream.read(HEAD)
        self.done = done
        return found


class Counted:
    """A stream that tells its archive how much was read."""

    def __init__(self, stream: Any, archive: Archive) -> None:  # any binary stream
        self._stream, self._archive = stream, archive
        self._begun = False

    def read(self, size: int = -1) -> bytes:
        """So many bytes."""
        return self._taken(self._stream.read, size)

    def readline(self, size: int = LINE) -> bytes:
        """One line, or the next so many bytes of it."""
        return self._taken(self._stream.readline, size)

    def _taken(self, take: Callable[[int], bytes], size: int) -> bytes:
        try:
            found = take(size)
        except (zlib.error, zipfile.BadZipFile, EOFError, OSError) as error:
            raise InputError(f"{self._archive.path} is damaged ({str(error)[:80]}): get it again") from None
        self._archive.done += len(found)
        if not self._begun and found:
            self._begun = True
            return found.removeprefix(_BOM)
        return found

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line


def mended(message: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """A message without characters that cannot be stored, and how many were replaced; fields that are None are left out."""
    found, count = mend_value({name: value for name, value in message.items() if value is not None})
    return found, count
