"""The benchmarks of caches on a tiny model with random weights: contexts, judging, rows; figures themselves are no business of a test."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.bench import run_benchmark
from lamina.bench.caches.asking import ask, right
from lamina.bench.caches.kept import Kept
from lamina.bench.caches.needles import FORMS, made
from lamina.bench.caches.policies import POLICIES, policy
from lamina.bench.prose import Prose
from lamina.errors import InputError
from lamina.models.protocols import Message
from tests.bench.test_harness import check_form

WORDS = 480  # the tiny model's vocabulary


class Chat:
    """Tokens are words, by the order in which they were first seen."""

    context, opening, ends = 4096, (), frozenset({1})

    def __init__(self) -> None:
        self.read: dict[int, str] = {}
        self.seen: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        found = []
        for word in text.replace(".", " .").split():
            token = self.seen.setdefault(word, 5 + len(self.seen) % (WORDS - 5))
            self.read[token] = word
            found.append(token)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.read.get(one, "?") for one in ids)

    def chat(self, messages: Sequence[Message]) -> list[int]:
        return [token for one in messages for token in (2, *self.encode(one.content), 3)] + [4]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmarks with a tiny model in the place of a real one."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096}
    config = transformers.LlamaConfig(vocab_size=WORDS, hidden_size=64, intermediate_size=64, initializer_range=0.2, **sizes)
    network = transformers.LlamaForCausalLM(config).eval()
    chat = Chat()

    class Model:
        name, runner, context = "tiny", chat, 4096

    for module in ("needle", "perplexity", "kv"):
        __import__(f"lamina.bench.{module}")
        monkeypatch.setattr(sys.modules[f"lamina.bench.{module}"], "loaded", lambda *_: (Model(), network))
    return network


# ------------------------------------------------------------------------------------------------------------ contexts
@pytest.mark.parametrize("needles", [1, 2])
def test_a_context_has_its_length_and_its_needles_where_it_says(needles: int) -> None:
    chat = Chat()
    for seed in range(5):
        one = made(chat, Prose(seed), random.Random(seed), 1000, needles)
        assert len(one.ids) == 1000
        assert len(one.questions) == len(FORMS)
        for asked in one.questions:
            said = list(one.ids[asked.start : asked.stop])
            assert said == [*asked.lead, *asked.options[0], *chat.encode(".")]
            assert len(set(asked.options)) == 4
            assert abs(asked.start / 1000 - asked.depth) < 0.12
        leads = [asked.lead for asked in one.questions]
        assert sum(_count(one.ids, lead) for lead in leads) == len(FORMS)


def _count(ids: Sequence[int], part: Sequence[int]) -> int:
    return sum(tuple(ids[at : at + len(part)]) == tuple(part) for at in range(len(ids)))


def test_the_competing_value_is_the_second_option() -> None:
    chat = Chat()
    one = made(chat, Prose(3), random.Random(3), 1000, 2)
    for asked in one.questions:
        assert _count(one.ids, [*asked.options[1], *chat.encode(".")]) >= 1


def test_contexts_are_repeatable_and_too_short_ones_are_refused() -> None:
    chat = Chat()
    assert made(chat, Prose(1), random.Random(1), 800) == made(chat, Prose(1), random.Random(1), 800)
    assert made(chat, Prose(1), random.Random(2), 800) != made(chat, Prose(1), random.Random(1), 800)
    with pytest.raises(InputError, match="too few for 6 needles"):
        made(chat, Prose(1), random.Random(1), 100)
    with pytest.raises(InputError, match="one needle of a form"):
        made(chat, Prose(1), random.Random(1), 800, 3)


# ------------------------------------------------------------------------------------------------------------- judging
class Copier:
    """A reader that finds the question's lead in what it read, and is certain of the tokens after it."""

    def __init__(self, ids: Sequence[int], certain: float = 8.0) -> None:
        self.ids, self.certain = list(ids), certain

    def fork(self) -> Copier:
        return Copier(self.ids, self.certain)

    def extend(self, ids: Sequence[int]) -> np.ndarray:
        self.ids += ids
        logits = np.zeros(WORDS, np.float32)
        logits[self._next()] = self.certain
        return logits

    def score(self, ids: Sequence[int]) -> np.ndarray:
        found = []
        for token, after in pairwise(ids):
            logits = self.extend([token]).astype(float)
            found.append(logits[after] - np.log(np.exp(logits).sum()))
        return np.array(found)

    def decode(self, max_tokens: int) -> Any:
        for _ in range(max_tokens):
            token = self._next()
            yield token
            self.ids.append(token)

    def attended(self) -> np.ndarray:
        return np.array([float(len(self.ids))])

    def _next(self) -> int:
        for size in range(6, 0, -1):
            for at in range(len(self.ids) - size - 1):
                if self.ids[at : at + size] == self.ids[-size:]:
                    return self.ids[at + size]
        return 0


def test_who_has_the_needle_answers_and_who_has_not_does_not() -> None:
    chat = Chat()
    one = made(chat, Prose(2), random.Random(2), 700)
    for asked in one.questions:
        knows = ask(Copier(one.ids), asked, chat.decode)
        assert knows.likeliest
        assert right(knows.said, asked.answer)
        without = [*one.ids[: asked.start], *one.ids[asked.stop :]]
        assert not right(ask(Copier(without), asked, chat.decode).said, asked.answer)


def test_asking_leaves_what_was_read_as_it_was() -> None:
    chat = Chat()
    one = made(chat, Prose(2), random.Random(2), 700)
    reader = Copier(one.ids)
    answers = [ask(reader, asked, chat.decode) for asked in one.questions]
    assert reader.ids == list(one.ids)
    assert [ask(reader, asked, chat.decode) for asked in reversed(one.questions)] == answers[::-1]


# ---------------------------------------------------------------------------------------------------------------- rows
def test_needle_has_a_row_for_each_policy_and_goes_on_where_it_was(tiny: Any, tmp_path: Path) -> None:
    settings = {"policies": "full,window,random,paged", "lengths": 1000, "budgets": 256, "needles": 1, "work": str(tmp_path)}
    out, said = tmp_path / "needle.json", list[str]()
    result = run_benchmark("needle", json_path=out, progress=said.append, contexts=2, **settings)
    check_form(json.loads(out.read_text()))
    assert len(said) == 8
    row = result.row("window, 1,000 tokens, one needle, 256 attended")
    assert row.metrics["attended_tokens"] == 256
    assert row.metrics["questions"] == 12
    assert row.by["outside the window"]["questions"] + row.by["inside the window"]["questions"] == 12
    assert {"against full", "against full, outside", "depth 0.08"} <= set(row.by)
    full = result.row("full, 1,000 tokens, one needle, 256 attended")
    assert full.metrics["resident_bytes"] == full.metrics["stored_bytes"] > row.metrics["resident_bytes"]
    said.clear()
    assert run_benchmark("needle", progress=said.append, contexts=2, **settings).rows == result.rows
    assert said == []
    run_benchmark("needle", progress=said.append, contexts=3, **settings)
    assert len(said) == 4


def test_questions_may_follow_each_other(tiny: Any) -> None:
    found = run_benchmark("needle", policies="full", lengths=1000, budgets=256, needles=1, contexts=1, turns=True).rows[0]
    assert {f"turn {turn}" for turn in range(1, 7)} <= set(found.by)
    assert found.metrics["attended_tokens"] > 1050  # the true answers of earlier turns are there too


def test_perplexity_of_the_same_attention_is_the_same(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "perplexity.json"
    result = run_benchmark("perplexity", policies="full,window", lengths=1024, budgets=256, books=2, json_path=out)
    check_form(json.loads(out.read_text()))
    row = result.row("window, 1,024 tokens, 256 attended")
    assert row.metrics["attended_tokens"] == 256
    assert row.by["loss, against full"]["nats"] != 0
    with pytest.raises(InputError, match="books must be at least 2"):
        run_benchmark("perplexity", books=1)


def test_kv_holds_no_more_than_the_share_and_times_reading(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "kv.json"
    settings = {"policies": "window,snap,snap-int8,paged,rehearsed,rehearsed-16", "lengths": 1000, "budgets": [0.25, 0.2]}
    result = run_benchmark("kv", json_path=out, contexts=2, rounds=1, **settings)
    check_form(json.loads(out.read_text()))
    assert result.config["skipped"] == ["kvpress: no interpreter named that has it (kvpress=PYTHON)"]
    for row in result.rows:
        if not row.system.startswith(("full", "timing")):
            assert row.metrics["resident_share"] <= 1.0, row.system
            assert row.metrics["resident_share"] > 0.8, row.system
    paged = result.row("paged, 1,000 tokens, one needle, 25 % of the bytes")
    assert paged.metrics["stored_bytes"] > paged.metrics["resident_bytes"]
    best = result.row("rehearsed, 1,000 tokens, one needle, 20 % of the bytes")
    assert {"against full", "against paged", "answer, against snap"} <= set(best.by)
    assert result.row("timing, 1,000 tokens").metrics["prefill_ratio"] > 0


def test_what_is_unknown_is_refused_before_a_model_is_loaded() -> None:
    with pytest.raises(InputError, match="no policy of this benchmark"):
        run_benchmark("needle", policies="nothing")
    with pytest.raises(InputError, match="unknown to this benchmark"):
        run_benchmark("kv", presses="nothing")
    with pytest.raises(InputError, match="shares below 1"):
        run_benchmark("kv", budgets=[2.0])


def test_every_policy_attends_to_about_its_budget() -> None:
    pytest.importorskip("torch")
    for name in POLICIES:
        policy(name, 512)
    with pytest.raises(InputError, match="256 tokens at least"):
        policy("window", 100)


def test_half_a_line_is_left_out_and_what_follows_is_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "one")
    kept.put({"a": 1}, {"b": 2})
    with (tmp_path / "one.jsonl").open("a") as file:
        file.write('\n{"key": "half')
    again = Kept(tmp_path, "one")
    again.put({"a": 2}, {"b": 3})
    found = Kept(tmp_path, "one")
    assert (found.get({"a": 1}), found.get({"a": 2}), found.get({"a": 3})) == ({"b": 2}, {"b": 3}, None)
