"""The header and the table of a file of lists, as bytes, and opening it."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, NotFoundError, SchemaError, StoreError
from lamina.index.arrays import DTYPES, damaged
from lamina.index.spann.extents import PAGE

MAGIC = b"LAMINAPL"
VERSION = 1
# magic, version, bytes of a record, pages of a list, lists, commit, where the table lies, its bytes, its CRC-32; then the CRC-32 of all these
HEADER = struct.Struct("<8sIIIIQQQI")
CRC = struct.Struct("<I")
HEADERS = 2 * PAGE  # two of them, each on a page of its own, are written in turn
MOST_PAGES = 1 << 16  # of a list
KINDS = {**DTYPES, "int16": np.dtype("<i2"), "uint32": np.dtype("<u4"), "uint64": np.dtype("<u8")}
OWN = ("offsets", "counts", "crcs")  # arrays beside those of the caller


class Commit(NamedTuple):
    """What a header says. Parameters: `number`; the table's place `at`, its `size` and `crc`; `width` of a record, `pages` of a list, `lists`."""

    number: int
    at: int
    size: int
    crc: int
    width: int
    pages: int
    lists: int


def opened(path: Path, flags: int) -> int:
    """A handle of a file, readable by its owner only."""
    try:
        return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file of lists {path}") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be opened ({error.strerror}): choose a file and folder that can") from error


def is_at(handle: int, path: Path) -> bool:
    """Whether the file of a handle is the one that now has this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make names in a folder lasting."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_at(handle: int, size: int, at: int) -> bytes:
    """`size` bytes from `at` on, fewer where the file ends."""
    parts = []
    while size > 0 and (part := os.pread(handle, size, at)):
        parts.append(part)
        size, at = size - len(part), at + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def header_of(commit: Commit) -> bytes:
    """The bytes of a header; it lies on page `number % 2`."""
    now = commit
    raw = HEADER.pack(MAGIC, VERSION, now.width, now.pages, now.lists, now.number, now.at, now.size, now.crc)
    return raw + CRC.pack(zlib.crc32(raw))


def last_commit(path: Path, handle: int) -> Commit:
    """The later of the two headers that are whole; raises `CorruptStoreError` where there is none, `SchemaError` for a newer form."""
    found = []
    size = os.fstat(handle).st_size
    for at in (0, PAGE):
        raw = read_at(handle, HEADER.size + CRC.size, at)
        if len(raw) < HEADER.size + CRC.size or not raw.startswith(MAGIC):
            continue
        if zlib.crc32(raw[: HEADER.size]) != CRC.unpack_from(raw, HEADER.size)[0]:
            continue
        _, version, width, pages, lists, number, start, length, crc = HEADER.unpack_from(raw)
        if version != VERSION:
            raise SchemaError(
                f"{path} has the form {version} of files of lists, this version reads {VERSION}: delete it, or use the newer library"
            )
        found.append(Commit(number, start, length, crc, width, pages, lists))
    if not found:
        raise damaged(path, "it does not begin like one, or has no commit")
    now = max(found)
    if (
        now.at % PAGE
        or now.at < HEADERS
        or now.at + now.size > size
        or not 1 <= now.pages <= MOST_PAGES
        or not 1 <= now.width <= now.pages * PAGE
    ):
        raise damaged(path, "it is cut off")
    return now


def table_of(path: Path, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A table as bytes; raises `InputError` for what it cannot hold."""
    entries: list[list[Any]] = []
    parts: list[bytes] = []
    at = 0
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array)
        if raw.dtype.name not in KINDS:
            raise InputError(
                f"{path} cannot hold the array {name!r} of type {raw.dtype}: convert it to one of {', '.join(KINDS)}"
            )
        entries.append([name, raw.dtype.name, list(raw.shape), at])
        parts.append(raw.tobytes() + bytes(-raw.nbytes % 8))
        at += len(parts[-1])
    try:
        header = json.dumps({"meta": dict(meta), "arrays": entries}).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"what is kept with {path} must be what JSON holds: {error}") from None
    header += b" " * (-len(header) % 8)
    return b"".join([struct.pack("<Q", len(header)), header, *parts])


def read_table(path: Path, handle: int, now: Commit) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `table_of` was given, of a commit; raises `CorruptStoreError` for anything else."""
    raw = read_at(handle, now.size, now.at)
    if len(raw) != now.size or zlib.crc32(raw) != now.crc:
        raise damaged(path, "the checksum of its table does not fit")
    try:
        length = struct.unpack_from("<Q", raw)[0]
        header = json.loads(raw[8 : 8 + length])
        arrays = {}
        for name, kind, shape, start in header["arrays"]:
            count = int(np.prod(shape, dtype=np.int64))
            arrays[str(name)] = np.frombuffer(raw, KINDS[kind], count, 8 + length + start).reshape(shape).copy()
        return dict(header["meta"]), {**{name: np.zeros(0) for name in OWN}, **arrays}
    except (KeyError, ValueError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise damaged(path, f"its table is not one: {error}") from None
