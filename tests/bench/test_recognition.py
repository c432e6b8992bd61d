"""The benchmark of recognition: what it needs, and what a judge that knows, and one that fails, make of its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import lamina.bench.recognition as bench
from lamina.bench import run_benchmark
from lamina.bench.graph import CACHE
from lamina.errors import InputError, ModelOutputError
from lamina.models.protocols import Completion, Message

PEOPLE = ("Marta Lund", "Jonas Berg", "Clara Voss", "Oscar Dahl", "Vera Holm", "Nils Krag")
PLACES = ("Odermouth", "Lindfors", "Tamsvik", "Ravensby", "Kelmoor", "Ostrava")


class Judge:
    """Keeps the facts that name somebody in the question, or answers in no form at all."""

    name = "judge"

    def __init__(self, fails: bool) -> None:
        self.fails = fails

    def complete(
        self, messages: Sequence[Message], *, schema: Any = None, max_tokens: int = 0, temperature: float = 0.0
    ) -> Completion:
        if self.fails:
            raise ModelOutputError("no form")
        asked = json.loads(messages[-1].content)
        chosen = [fact for fact in asked["facts"] if any(one.lower() in asked["question"].lower() for one in fact)]
        return Completion("", {"facts": chosen})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus, docs, questions = [], [], []
    for number, (who, where) in enumerate(zip(PEOPLE, PLACES, strict=True)):
        for title, text, triple in (
            (who, f"{who} founded the society of {where}.", [who, "founded", f"society of {where}"]),
            (
                where,
                f"The society of {where} stands by the river {number}.",
                [f"society of {where}", "stands by", f"river {number}"],
            ),
        ):
            corpus.append({"title": title, "text": text})
            docs.append(
                {
                    "title": title,
                    "text": text,
                    "passage": f"{title}\n{text}",
                    "extracted_entities": [],
                    "extracted_triples": [triple],
                }
            )
        support = [{"title": one["title"], "paragraph_text": one["text"], "is_supporting": True} for one in corpus[-2:]]
        questions.append(
            {
                "id": f"2hop__{number}",
                "question": f"By which river stands the society that {who} founded?",
                "answer": f"river {number}",
                "paragraphs": support,
            }
        )
    (tmp_path / "musique_train_corpus.json").write_text(json.dumps(corpus))
    (tmp_path / "musique_train.json").write_text(json.dumps(questions))
    (tmp_path / CACHE).write_text(json.dumps({"docs": docs}))
    return tmp_path


@pytest.mark.parametrize("fails", [False, True])
def test_a_judge_is_compared_with_no_filter_and_with_chance(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(bench, "load_model", lambda _: Judge(fails))
    result = run_benchmark("recognition", data=folder, questions=6)
    judged = result.row("asked: facts").metrics
    assert judged["shown"] == 5
    assert judged["unreadable"] == float(fails)
    assert (judged["kept"] == 5) == fails
    assert set(result.row("asked").by) == {"against no filter", "against asked, random"}
    if fails:  # all are kept
        assert result.row("asked").metrics == result.row("no filter").metrics
    else:
        assert result.row("asked").metrics["recall@2"] >= result.row("asked, random").metrics["recall@2"]


def test_likely_facts_are_those_after_which_the_question_is_likelier_than_on_average(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Teller(Judge):
        def log_likelihood(self, prompt: str, continuation: str) -> float:
            return 0.0 if any(who.lower() in prompt.lower() and who in continuation for who in PEOPLE) else -9.0

    teller = Teller(fails=True)
    facts = [("vera holm", "founded", "a club"), ("the club", "stands", "there")]
    assert bench.likely(teller, "What did Vera Holm do?", facts) == facts[:1]
    assert bench.likely(teller, "What did Vera Holm do?", []) == []
    monkeypatch.setattr(bench, "load_model", lambda _: teller)
    result = run_benchmark("recognition", data=folder, questions=6, asking=False)
    assert "asked" not in {row.system for row in result.rows}
    assert 1 <= result.row("likely: facts").metrics["kept"] < 5
    assert result.row("likely").metrics["recall@2"] >= result.row("likely, random").metrics["recall@2"]
    monkeypatch.setattr(bench, "load_model", lambda _: Judge(True))
    with pytest.raises(InputError, match="nothing is left to measure"):
        run_benchmark("recognition", data=folder, questions=6, asking=False)


def test_what_is_missing_is_said(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    with pytest.raises(InputError, match="recognition needs musique_train"):
        run_benchmark("recognition")
    with pytest.raises(InputError, match="questions must be at least 2"):
        run_benchmark("recognition", data=folder, questions=1)
