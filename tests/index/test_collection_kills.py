"""A process that saves a collection is killed at any moment: what is opened then is one of the states that it saved, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.index.collection import Collection

SOURCE = str(Path(lamina.__file__).resolve().parent.parent)

WRITER = """
import sys
import numpy as np
from pathlib import Path
from lamina.index.collection import Collection
from lamina.index.kinds import make_index

folder, kind = Path(sys.argv[1]), sys.argv[2]
options = {"hnsw": {"metric": "l2", "form": "int8", "full": folder / "full", "M": 12, "ef_construction": 60, "share": 0.05}}.get(kind, {})
folder.mkdir()
collection = Collection(make_index(kind, 8, **options))
for turn in range(10_000):
    # a state: the ids of one turn, whose vectors say which turn it was
    rows = np.full((150, 8), turn, np.float32) + np.random.default_rng(turn).normal(size=(150, 8)).astype(np.float32) / 8
    collection.delete(list(collection))
    collection.add([f"{turn}-{number}" for number in range(150)], rows)
    collection.save(folder)
    print(turn, flush=True)
"""


def killed_after(folder: Path, kind: str, seconds: float) -> int:
    """The last turn that the writer said it had saved."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, kind], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline()]  # the first state is there
        time.sleep(seconds)
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.read().splitlines()
    return int(said[-1])


def whole(folder: Path, last: int) -> None:
    collection = Collection.open(folder)
    turns = {int(id.partition("-")[0]) for id in collection}
    assert len(turns) == 1
    [turn] = turns
    assert last <= turn <= last + 1
    assert len(collection) == 150
    assert collection.verify() == []
    vectors = collection.get([f"{turn}-{number}" for number in range(150)])
    assert np.abs(vectors.mean() - turn) < 0.1 + turn / 100
    collection.add(["later"], np.zeros((1, 8), np.float32))
    collection.save(folder)
    assert "later" in Collection.open(folder)
    assert len([one for one in folder.iterdir() if one.name.startswith(("ids-", "index-"))]) == 2


def test_killed_at_some_moments(tmp_path: Path) -> None:
    for number, seconds in enumerate(np.random.default_rng(0).uniform(0, 0.05, 4)):
        last = killed_after(tmp_path / str(number), "exact", float(seconds))
        whole(tmp_path / str(number), last)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_killed_at_many_moments(tmp_path: Path, kind: str) -> None:
    if kind == "hnsw":
        pytest.importorskip("numba")
    for number, seconds in enumerate(np.random.default_rng(1).uniform(0, 0.4, 25)):
        last = killed_after(tmp_path / str(number), kind, float(seconds))
        whole(tmp_path / str(number), last)
