"""The bench of episode caches: what it reads, how its figures come about, and that a run which was stopped goes on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina.bench.episode_material as material
from lamina.bench import run_benchmark
from lamina.bench.episode_losses import JOINT, SAVED, Loss
from lamina.bench.episodes import loss_rows, time_rows
from lamina.bench.locomo_data import Conversation, Question, Turn
from lamina.errors import InputError


def test_a_told_document_asks_for_what_it_says() -> None:
    (one, other) = material.books((), 2, seed=3)
    assert one.source != other.source
    assert len(one.episodes) == material.EPISODES
    assert len(one.questions) == material.EPISODES
    for asked in one.questions:
        quoted = asked.text.partition("“")[2].rstrip("”")
        assert f"{quoted} {asked.answer}" in one.episodes[asked.place]
    assert one.after not in "".join(one.episodes)
    assert material.books((), 2, seed=3) == [one, other]


def test_conversations_are_cut_at_turns_and_asked_what_one_turn_answers() -> None:
    turns = tuple(Turn(f"D{s}:{n}", "Ana", "word " * 130, f"session_{s}", None) for s in range(4) for n in range(4))
    questions = (
        Question("Where?", "Here.", ("D1:2",), 4), Question("Two?", "Both.", ("D1:2", "D2:1"), 4), Question("No?", None, ("D1:2",), 5),
    )  # fmt: skip
    (one,) = material.conversations([Conversation("c", ("Ana",), turns, questions)], 5)
    assert len(one.episodes) == material.EPISODES
    assert [(asked.place, asked.answer) for asked in one.questions] == [(3, "Here.")]
    assert not one.told


def test_differences_are_question_by_question_and_intervals_resample_documents() -> None:
    draw = np.random.default_rng(0)
    losses = []
    for document in range(12):
        shift = draw.normal() * 0.1
        for question in range(5):
            base = draw.normal()
            losses += [
                Loss(str(document), 2, "continuation", question, row, nats) for row, nats in ((JOINT, base), (SAVED, base + 0.5 + shift))
            ]  # fmt: skip
    joint, saved = loss_rows(losses, seed=0)
    found = saved.by["2 episodes"]
    assert joint.by["2 episodes"]["against joint_nats"] == 0
    assert found["low_nats"] < found["against joint_nats"] < found["high_nats"]
    assert (found["n"], found["documents"]) == (60, 12)
    assert 0.3 < found["against joint_nats"] < 0.7
    assert found["high_nats"] - found["low_nats"] > 0.06  # of questions alone it would be nothing


def test_times_are_medians_of_pairs() -> None:
    rows = time_rows({"tokens": 2000, "times": {"time, joint": [[10, 5], [20, 10]], "time, saved": [[1, 0.5], [1, 0.5]]}})
    assert rows[1].metrics["faster"] == 15
    assert rows[1].metrics["processor_seconds"] == 0.5


def test_bad_settings_are_refused() -> None:
    for wrong in ({"number": 1}, {"repeats": 0}, {"precision": "int4"}, {"number": True}):
        with pytest.raises(InputError):
            run_benchmark("episodes", **wrong)


def test_a_stopped_run_goes_on_and_another_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import lamina.bench.episodes as bench
    from lamina.models.local.runner import TransformersRunner
    from tests.kv.models import tiny
    from tests.models.local.test_episodes import tokenizer

    runner = TransformersRunner(tiny(max_position_embeddings=4096, num_hidden_layers=2), tokenizer(), "tiny")
    loaded: Any = SimpleNamespace(load=lambda *_, **__: SimpleNamespace(runner=runner, name="tiny"))
    monkeypatch.setattr(bench, "LocalModel", loaded)
    monkeypatch.setattr(material, "TOKENS_EACH", 20)
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    given: dict[str, Any] = {"number": 2, "repeats": 1, "work": str(tmp_path / "work")}
    first = run_benchmark("episodes", **given)
    names = {row.system for row in first.rows}
    assert names >= {"joint", "reading", "saved", "saved, not turned", "random episodes", "no episodes", "time, saved", "disk"}
    record = tmp_path / "work" / "episodes.jsonl"
    lines = record.read_text().splitlines()
    assert [next(iter(json.loads(line))) for line in lines] == ["config", "timed", "document", "document"]
    record.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:50])
    with record.open("a") as file:
        file.write("\n")
    again = run_benchmark("episodes", json_path=tmp_path / "out.json", **given)
    assert (tmp_path / "out.png").stat().st_size > 5000
    kept, made = first.row("saved").by["8 episodes"], again.row("saved").by["8 episodes"]
    assert kept == pytest.approx(made, abs=1e-5)
    with pytest.raises(InputError, match="another setting"):
        run_benchmark("episodes", **{**given, "number": 3})
