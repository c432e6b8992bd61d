"""Files of named arrays: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.errors import CorruptStoreError, LaminaError
from lamina.index.arrays import LINE, MAGIC, PREFIX, VERSION, aligned_zeros, read_arrays, write_arrays


def some() -> dict[str, Any]:
    return {
        "floats": np.arange(12, dtype=np.float32).reshape(3, 4), "none": np.zeros((0, 5), np.int8), "marks": np.array([True, False]),
        "turned": np.arange(12, dtype=np.int64).reshape(3, 4).T,
    }  # fmt: skip


@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_come_back_as_they_went(tmp_path: Path, mapped: bool) -> None:
    write_arrays(tmp_path / "a", "example", {"n": 2**100, "name": "ä"}, some())
    meta, arrays = read_arrays(tmp_path / "a", "example", mapped=mapped)
    assert meta == {"n": 2**100, "name": "ä"}
    for name, array in some().items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
        assert arrays[name].ctypes.data % LINE == 0 or not array.size
        arrays[name][:1] = 1  # may be written to …
    assert np.array_equal(read_arrays(tmp_path / "a", "example")[1]["floats"], some()["floats"])  # … and the file stays


def test_a_failed_write_leaves_the_older_file(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", "example", {}, some())
    with pytest.raises(TypeError):
        write_arrays(tmp_path / "a", "example", {"n": object()}, some())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    read_arrays(tmp_path / "a", "example")
    with pytest.raises(LaminaError, match="cannot be written"):
        write_arrays(tmp_path / "no folder" / "a", "example", {}, some())


def crafted(path: Path, header: Any) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = -(-(PREFIX.size + len(raw)) // LINE) * LINE
    body = PREFIX.pack(MAGIC, VERSION, zlib.crc32(raw), len(raw)) + raw
    path.write_bytes(body.ljust(start, b"\0") + bytes(64))


ENTRY = {"dtype": "int8", "shape": [4], "offset": 0, "crc": 0}


@pytest.mark.parametrize(
    "header",
    [b"{", b"[]", b"null", b"\xff\xfe", {}, {"kind": "example", "meta": 3, "arrays": {}, "bytes": 64}, {"kind": "example", "meta": {}, "arrays": {}, "bytes": "x"},
     *({"kind": "example", "meta": {}, "bytes": 64, "arrays": {"x": {**ENTRY, **change}}} for change in (
         {"dtype": "object"}, {"dtype": "O8"}, {"dtype": 3}, {"shape": [-1]}, {"shape": [65]}, {"shape": [2**62, 2**62]}, {"shape": "4"}, {"shape": [1.5]},
         {"shape": [10**30]}, {"offset": -64}, {"offset": 1}, {"offset": 2**70}, {"offset": None}, {"crc": "x"})),
     {"kind": "example", "meta": {}, "bytes": 64, "arrays": {"x": 3}}, b"[" * 100_000],
)  # fmt: skip
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, header: Any) -> None:
    crafted(tmp_path / "a", header)
    for mapped in (False, True):
        with pytest.raises(CorruptStoreError, match="delete it"):
            read_arrays(tmp_path / "a", "example", mapped=mapped, check=False)


def test_zeros_begin_at_a_line() -> None:
    for shape in ((0, 3), (1,), (7, 9)):
        array = aligned_zeros(shape, np.int32)
        assert array.shape == shape
        assert not array.any()
        assert array.ctypes.data % LINE == 0 or not array.size
