"""The sets of ann-benchmarks: written and read, refused where they are damaged or of another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.errors import InputError, LaminaError, NotFoundError, TransferError
from lamina.index.importing import read_index
from lamina.index.importing.hdf5 import AnnBenchmark, read_benchmark, write_benchmark

h5py = pytest.importorskip("h5py")


def made(metric: str = "ip") -> AnnBenchmark:
    generator = np.random.default_rng(0)
    train, test = generator.normal(size=(50, 4)).astype(np.float32), generator.normal(size=(6, 4)).astype(np.float32)
    neighbours = np.argsort(-(test @ train.T), axis=1)[:, :5]
    return AnnBenchmark(metric, train, test, neighbours, np.take_along_axis(-(test @ train.T), neighbours, 1))


@pytest.mark.parametrize(("metric", "name"), [("ip", "ip"), ("cosine", "angular"), ("l2", "euclidean")])
def test_a_set_is_read_as_it_was_written(tmp_path: Path, metric: str, name: str) -> None:
    one = made(metric)
    write_benchmark(tmp_path / "set.hdf5", one)
    with h5py.File(tmp_path / "set.hdf5") as file:
        assert file.attrs["distance"] == name
        assert set(file) == {"train", "test", "neighbors", "distances"}
    other = read_benchmark(tmp_path / "set.hdf5")
    assert other.metric == metric
    for field in ("train", "test", "neighbours", "distances"):
        assert getattr(other, field).tolist() == getattr(one, field).tolist()
    found = read_index(tmp_path / "set.hdf5", "hdf5")
    assert found.metric == metric
    lengths = np.linalg.norm(one.train, axis=1, keepdims=True) if metric == "cosine" else 1
    assert np.allclose(found.vectors, one.train / lengths)
    assert found.labels.tolist() == list(range(50))
    if metric != "ip":
        with pytest.raises(InputError, match="not 'ip'"):
            read_index(tmp_path / "set.hdf5", "hdf5", "ip")


def change(path: Path, **fields: Any) -> None:
    write_benchmark(path, made())
    with h5py.File(path, "r+") as file:
        for name, value in fields.items():
            if name == "distance":
                file.attrs[name] = value
                continue
            del file[name]
            if value is not None:
                file[name] = value


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"distance": "hamming"}, "'hamming'"),
        ({"distance": 3}, "distance"),
        ({"train": None}, "no 'train'"),
        ({"neighbors": None}, "no 'neighbors'"),
        ({"train": np.zeros(5)}, "no table of numbers"),
        ({"train": np.array([[b"a"]])}, "no table of numbers"),
        ({"train": np.full((50, 4), np.nan)}, "NaN"),
        ({"test": np.zeros((6, 3))}, "queries of 3"),
        ({"neighbors": np.full((6, 5), 50)}, "none of its 50"),
        ({"neighbors": np.zeros((5, 5), int)}, "another number"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    change(tmp_path / "set.hdf5", **fields)
    with pytest.raises(TransferError, match=words):
        read_benchmark(tmp_path / "set.hdf5")


def test_no_file_and_cut_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_benchmark(tmp_path / "set.hdf5")
    write_benchmark(tmp_path / "set.hdf5", made())
    raw = (tmp_path / "set.hdf5").read_bytes()
    for size in range(0, len(raw), 97):
        (tmp_path / "set.hdf5").write_bytes(raw[:size])
        with pytest.raises(LaminaError):
            read_benchmark(tmp_path / "set.hdf5")
