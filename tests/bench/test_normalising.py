"""The benchmark of normalising: what it refuses, and its learners on a few pairs (with torch and MiniLM)."""

from __future__ import annotations

import numpy as np
import pytest

import lamina.bench.normalising as bench
from lamina.bench import run_benchmark
from lamina.bench.grammar import hidden
from lamina.bench.ranking.embedders import MINILM, installed
from lamina.errors import InputError


class Counted:
    """Vectors of letters, and how many texts were embedded."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: list[str], kind: str = "document") -> np.ndarray:
        self.texts += texts
        rows = np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


@pytest.mark.parametrize("given", [{"seeds": 0}, {"unseen": 3}, {"seconds": 0}, {"pairs": []}, {"pairs": [0]}])
def test_settings_that_make_no_sense_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        run_benchmark("normalising", **given)


def test_the_nearest_sentence_gives_its_form_with_the_new_data() -> None:
    embedder = Counted()
    for kind in (hidden.Nearest, bench.NearestAsItStands):
        learner = kind("nearest", lambda texts: embedder.embed(list(texts)))
        learner.fit([("set b to 5", "set b to 5"), ("print b", "print b")])
        assert bench.normals(learner, ["set c to 7", "print d"]) == ["set c to 7", "print d"]
    assert {"set ⟨0⟩ to ⟨1⟩", "set b to 5"} <= set(embedder.texts)


def test_a_network_learns_its_pairs_writes_data_and_forgets_what_it_no_longer_sees() -> None:
    pytest.importorskip("torch")
    from lamina.bench.grammar.seq2seq import Seq2Seq

    first = [("set b to 5", "set b to 5"), ("print b", "print b"), ("show 7", "print 7"), ("let c be 9", "set c to 9")]
    network = Seq2Seq(0, seconds=6.0, dropout=0.0)
    network.fit(first)
    assert network.normals([sentence for sentence, _ in first]) == [known for _, known in first]
    assert network.normal("let d be 11") == "set d to 11"  # data are copied
    assert isinstance(network.normal(""), str)  # nothing to read is no error
    network.fit([("bump b by 2", "increase b by 2")])
    assert network.normal("bump c by 3") == "increase c by 3"
    words = Seq2Seq(0, seconds=6.0, copied=False, dropout=0.0)
    words.fit(first)
    assert words.normal("set b to 5") == "set b to 5"
    assert words.name != network.name
    assert network.bytes > 100_000
    assert 0 < network.trained_seconds < 20


@pytest.mark.slow
def test_all_learners_are_measured() -> None:
    pytest.importorskip("torch")
    if MINILM not in installed():
        pytest.skip("MiniLM is not installed")
    result = run_benchmark("normalising", pairs=[30], seeds=1, unseen=60, seconds=5.0)
    names = {row.system for row in result.rows}
    assert {f"30 pairs: {one.name}" for one in bench.learners(Counted(), 0, 1.0)} <= names  # type: ignore[arg-type]
    grammar, encoder = (result.row(f"size and speed: {name}").metrics for name in ("grammar", "MiniLM, batches of 32"))
    assert grammar["bytes"] < encoder["bytes"] / 100
    assert grammar["per_second"] > encoder["per_second"]
    turn = result.row("five domains in turn: grammar, gaps learned").metrics
    assert turn["first_before"] == turn["first_after"]
