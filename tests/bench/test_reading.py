"""The benchmark of reading: passages that can be answered, forms that say the same, and its rows."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

import lamina.bench.reading as bench
from lamina.bench import run_benchmark
from lamina.bench.ranking.embedders import static
from lamina.errors import InputError
from lamina.semantic.outline import Outliner


class Reader:
    """Finds what the passage says of the person in the question, where a sentence about that person stands on the same line."""

    name = "reader"

    def log_likelihoods(self, prompt: str, options: list[str]) -> np.ndarray:
        passage, _, question = prompt.rpartition("\n\n")
        who = next(name for name in bench.NAMES if name in question)
        said = re.findall(rf"[^.:]*\b{who}\b[^.:]*\.", passage)
        return np.array([0.0 if any(option.strip() in one for one in said) else -5.0 for option in options])


def test_every_question_is_answered_by_one_sentence_and_by_no_other() -> None:
    chance = random.Random(3)
    for _ in range(200):
        one = bench.made(chance)
        assert 8 <= len(one.sentences) == len(one.people) <= 12
        assert len(set(one.options)) == bench.OPTIONS
        who = next(name for name in bench.NAMES if name in one.question)
        about = [text for text, of in zip(one.sentences, one.people, strict=True) if of == who]
        assert [option for option in one.options if any(option.strip() in text for text in about)] == [one.options[0]]
        others = " ".join(one.sentences)
        assert sum(option.strip() in others for option in one.options) >= min(3, len(set(one.people)))


def test_all_forms_of_a_passage_have_the_same_sentences() -> None:
    chance, outliner = random.Random(4), Outliner(static(), arrangement="free")
    for _ in range(10):
        one = bench.made(chance)
        for name, text in bench.outlines(one, outliner, chance).items():
            assert all(text.count(said) == (name != "no passage") for said in one.sentences)


def test_the_rows_compare_the_forms_with_the_plain_passage_and_the_control(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.LocalModel, "load", lambda *_, **__: Reader())
    result = run_benchmark("reading", questions=12)
    assert result.row("plain").metrics["accuracy"] == result.row("random groups").metrics["accuracy"] == 1.0
    assert result.row("no passage").metrics["accuracy"] == 0.0
    assert result.row("outline's groups").metrics["pairs_of_one_person_together"] > 0.7
    by = result.row("outline").by
    assert by["against plain"]["accuracy_points"] == 0.0
    assert by["margin, against random groups"]["nats"] == 0.0
    with pytest.raises(InputError, match="at least 10"):
        run_benchmark("reading", questions=3)


def test_an_option_counts_as_right_only_above_all_others() -> None:
    tie, right, wrong = [-1.0, -1.0, -2.0], [-1.0, -2.0, -3.0], [-3.0, -1.0, -9.0]
    table = np.array([tie, right, wrong])
    rows = {row.system: row for row in bench.rows_of(dict.fromkeys(("plain", "outline", "random groups"), table), 0)}
    assert rows["outline"].metrics == pytest.approx({"accuracy": 1 / 3, "margin_nats": -1 / 3, "right_nats": -5 / 3})
