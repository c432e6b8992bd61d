"""Files of named arrays: a checked header, then the arrays, each at a multiple of 64 bytes so that they can be mapped."""

from __future__ import annotations

import errno
import json
import math
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import CorruptStoreError, NotFoundError, SchemaError, StoreError, StoreFullError

MAGIC = b"LAMINAIX"
VERSION = 1
LINE = 64  # bytes: where arrays begin, so that rows lie in as few cache lines as they can
PREFIX = struct.Struct("<8sIIQ")  # magic, version, CRC-32 of the header, its length in bytes
MOST_HEADER = 1 << 26
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("bool", "int8", "uint8", "uint16", "uint32", "int32", "int64", "float16", "float32", "float64")
}


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros that begin at a cache line; pages that are never written take no memory.

    >>> aligned_zeros((3, 5), np.int8).ctypes.data % 64
    0
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    array: NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    return array


def write_arrays(path: Path, kind: str, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and what belongs to them, readable by the owner only; an older file stays until the new one is whole.

    Parameters: `kind`, what the file is (`read_arrays` asks for the same); `meta`, anything that JSON holds.
    Raises `StoreFullError` where the disk is full; the older file is then unharmed.
    """
    entries: dict[str, dict[str, Any]] = {}
    offset = 0
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    for name, array in whole.items():
        offset = -(-offset // LINE) * LINE
        entries[name] = {
            "dtype": array.dtype.name, "shape": list(array.shape), "offset": offset, "crc": zlib.crc32(_bytes(array)),
        }  # fmt: skip
        offset += array.nbytes
    header = json.dumps({"kind": kind, "meta": dict(meta), "arrays": entries, "bytes": offset}).encode()
    start = -(-(PREFIX.size + len(header)) // LINE) * LINE
    part = path.with_name(path.name + ".part")
    try:
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(PREFIX.pack(MAGIC, VERSION, zlib.crc32(header), len(header)) + header)
            for name, array in whole.items():
                file.seek(start + entries[name]["offset"])
                file.write(_bytes(array))
            file.truncate(start + offset)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise failed_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def failed_write(path: Path, error: OSError) -> StoreError:
    """What to raise where writing to `path` failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFullError(f"no room to write {path}: free disk space and try again; what was there before is unharmed")
    return StoreError(f"{path} cannot be written ({error.strerror}): choose a folder that can")


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_arrays(
    path: Path, kind: str, *, mapped: bool = False, check: bool = True
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write_arrays` wrote: the meta data and the arrays.

    Parameters: `mapped` leaves the arrays in the file (they may be written to; the file does not change); `check` compares the checksums.
    Raises `NotFoundError` for no file, `SchemaError` for one of a newer form, `CorruptStoreError` for any other.

    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> write_arrays(folder / "a", "example", {"n": 3}, {"x": np.arange(3)})
    >>> meta, arrays = read_arrays(folder / "a", "example"); meta["n"], arrays["x"].tolist()
    (3, [0, 1, 2])
    """
    try:
        with path.open("rb") as file:
            header, start, size = _read_header(path, file)
            if header["kind"] != kind:
                raise damaged(path, f"it is of the kind {header['kind']!r}, not {kind!r}")
            entries = {str(name): _entry(path, name, entry, size - start) for name, entry in header["arrays"].items()}
            arrays = {}
            for name, (dtype, shape, offset, crc) in entries.items():
                count = math.prod(shape)
                if mapped and count:
                    array = np.asarray(np.memmap(path, dtype, "c", start + offset, shape))
                else:
                    array = aligned_zeros(shape, dtype)
                    file.seek(start + offset)
                    if file.readinto(_bytes(array)) != array.nbytes:
                        raise damaged(path, f"the array {name!r} is cut off")
                if check and zlib.crc32(_bytes(array)) != crc:
                    raise damaged(path, f"the checksum of {name!r} does not fit")
                arrays[name] = array
            return header["meta"], arrays
    except FileNotFoundError:
        raise NotFoundError(f"there is no index file {path}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError, RecursionError) as error:
        raise damaged(path, str(error)) from None


def _read_header(path: Path, file: Any) -> tuple[dict[str, Any], int, int]:
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(PREFIX.size)
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise damaged(path, "it does not begin like one")
    _, version, crc, length = PREFIX.unpack(prefix)
    if length > min(MOST_HEADER, size - PREFIX.size):
        raise damaged(path, "its header is cut off")
    raw = file.read(length)
    if len(raw) != length or zlib.crc32(raw) != crc:
        raise damaged(path, "the checksum of its header does not fit")
    if version != VERSION:
        raise SchemaError(
            f"{path} has the form {version} of index files, this version reads {VERSION}: delete it, or use the newer library"
        )
    header = json.loads(raw)
    if not isinstance(header, dict) or not isinstance(header.get("meta"), dict) or not isinstance(header.get("arrays"), dict):
        raise damaged(path, "its header is not one")
    start = -(-(PREFIX.size + length) // LINE) * LINE
    if size != start + int(header["bytes"]):
        raise damaged(path, "it is cut off, or longer than it says")
    return header, start, size


def _entry(path: Path, name: str, entry: Any, room: int) -> tuple[Any, tuple[int, ...], int, int]:
    dtype, shape, offset = DTYPES[entry["dtype"]], entry["shape"], entry["offset"]
    whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape) and type(offset) is int and offset >= 0
    if not whole or offset % LINE or offset + math.prod(shape) * dtype.itemsize > room:
        raise damaged(path, f"the array {name!r} lies outside of it")
    return dtype, tuple(shape), offset, int(entry["crc"])


def damaged(path: Path, why: str) -> CorruptStoreError:
    """The error for a file that is not what it should be."""
    return CorruptStoreError(
        f"{path} is not an index file, or is damaged ({why}): delete it, an index is built anew from the store"
    )
