"""The speed benchmark on a few messages: its form, its seeds, its corpus; figures themselves are no business of a test."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from lamina.bench import run_benchmark
from lamina.bench.demo import collection
from lamina.bench.speed.corpus import Corpus
from lamina.bench.speed.timing import Timings
from lamina.errors import InputError
from tests.bench.test_harness import check_form

SAID = [(passage.speaker or "", passage.text) for passage in collection().passages]


def test_the_same_seed_gives_the_same_messages_and_a_longer_stream_begins_alike() -> None:
    few = list(Corpus(SAID, 1).messages(50))
    assert few == list(Corpus(SAID, 1).messages(80))[:50]
    assert few != list(Corpus(SAID, 2).messages(50))


def test_the_vocabulary_goes_on_growing_and_messages_hardly_repeat() -> None:
    messages = [message["content"] for message in Corpus(SAID, 0).messages(8_000)]
    words = [len({word for text in messages[:size] for word in text.lower().split()}) for size in (2_000, 4_000, 8_000)]
    assert words[2] - words[1] > 0.5 * (words[1] - words[0]) > 0
    assert len(set(messages[4_000:])) > 0.7 * 4_000


def test_sessions_have_two_speakers_and_time_moves_on() -> None:
    messages = list(Corpus(SAID, 0).messages(100))
    for name in {message["session"] for message in messages}:
        assert len({message["speaker"] for message in messages if message["session"] == name}) <= 2
    assert all(one["at"] < other["at"] for one, other in pairwise(messages))


def test_timings_are_medians_with_a_tail() -> None:
    times = Timings([1.0] * 19 + [9.0], [0.5] * 20)
    assert times.metrics("add") == {
        "add_p50_seconds": 1.0,
        "add_p95_seconds": pytest.approx(1.4),
        "add_p50_processor_seconds": 0.5,
    }


def test_all_parts_are_measured_or_named_as_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    out = tmp_path / "speed.json"
    result = run_benchmark(
        "speed", json_path=out, peers=False, sizes="100,300", adds=5, searches=8, filled=100, scopes=5, questions=10
    )
    check_form(json.loads(out.read_text()))
    growth = result.row("lamina")
    assert list(growth.by) == ["100 messages", "300 messages"]
    for metrics in growth.by.values():
        assert {
            "search_p50_seconds",
            "search_p95_seconds",
            "first_search_seconds",
            "view_bytes",
            "bulk_embedded_per_second",
        } <= set(metrics)
        assert metrics["file_bytes_per_message"] > 256 * 2, "a vector of float16 alone is larger than that"
    assert 0 < growth.metrics["import_seconds"] < 30
    assert result.config["skipped"][-1] == "mem0: not asked for"
    if shutil.which("strace") is None:
        assert any(words.startswith("syncs") for words in result.config["skipped"])


def test_a_commit_at_durability_power_waits_for_the_disk_once(tmp_path: Path) -> None:
    from lamina.bench.speed.writing import syncs_per_commit

    count, why = syncs_per_commit(tmp_path)
    if count is None:
        pytest.skip(why)
    assert count == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("sizes", ["", "many", "0", [-5]])
def test_sizes_that_are_none_are_refused(sizes: object) -> None:
    with pytest.raises(InputError, match="sizes must be whole numbers"):
        run_benchmark("speed", sizes=sizes)


def test_looking_at_candidates_alone_loses_no_recall(tmp_path: Path) -> None:
    """In a scope where thousands of messages share words with a question, those that answer it must be proposed."""
    from lamina import Memory
    from lamina.bench.speed.child import USER
    from lamina.bench.speed.reading import pruning

    path = tmp_path / "large.db"
    with Memory(path, embedder="wordllama") as memory:
        memory.add_many(Corpus(SAID, 0).messages(6_000), user=USER)
    candidates, everything = pruning(path, [collection()], 58, 0, lambda words: None)
    assert candidates.metrics["recall@20"] >= everything.metrics["recall@20"] - 0.01
    assert everything.metrics["recall@20"] > 0.3
