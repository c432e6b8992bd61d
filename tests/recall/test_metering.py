"""What lines are taken to cost, and how often a counter is asked."""

from __future__ import annotations

import pytest

from lamina.models.tokens import CallableTokens, WordLlamaTokens
from lamina.recall.metering import LONG, Meter

LINES = ["- Ana: I moved from Porto to Lisbon in March.", "[Thu 1 January]", "- Ben: Fine.", "- " + "so it goes " * 20]


def test_the_packaged_counter_is_asked_line_by_line() -> None:
    tokens = WordLlamaTokens()
    estimates = Meter(tokens).lines(LINES)
    assert sum(estimates) == pytest.approx(tokens.count("\n".join(LINES)), abs=3)
    assert estimates[1] == tokens.count(f"x\n{LINES[1]}") - tokens.count("x")


def test_a_very_long_line_is_judged_by_its_beginning() -> None:
    text = "so it goes " * 2000
    assert Meter(WordLlamaTokens()).lines([text])[0] == pytest.approx(WordLlamaTokens().count(text), rel=0.05)
    assert len(text) > 10 * LONG


def test_any_other_counter_is_asked_once_for_all_lines_together() -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(text.split())

    estimates = Meter(CallableTokens(count)).lines(LINES)
    assert len(asked) == 1
    assert sum(estimates) == pytest.approx(sum(len(line.split()) for line in LINES), rel=0.05)


def test_a_whole_text_is_counted_once() -> None:
    asked: list[str] = []
    meter = Meter(CallableTokens(lambda text: asked.append(text) or len(text)))  # type: ignore[func-returns-value]
    assert meter.count("hello") == meter.count("hello") == 5
    assert asked == ["hello"]


def test_nothing_costs_nothing() -> None:
    assert Meter(CallableTokens(len)).lines([]) == []
    assert Meter(CallableTokens(len)).lines([""]) == [0.0]
