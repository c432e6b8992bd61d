"""Packing under a budget: what goes in, in which form, and never too much of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import BudgetError, InputError
from lamina.models.tokens import CallableTokens, WordLlamaTokens
from lamina.recall.excerpts import Excerpts
from lamina.recall.pack import Packer, pack
from lamina.recall.rendering import NOTICE, line_of, quote, render, shown_text
from lamina.recall.standing import Standing
from lamina.records import Hit
from lamina.text import RECALLED_CLOSE as CLOSE
from lamina.text import RECALLED_OPEN as OPEN
from lamina.times import DAY
from tests.recall.hits import COUNTERS, LONG, NOW, STEADY, counter, hit, hit_lists

CUE = "where did the bell stand, and the boat?"
wordllama = WordLlamaTokens()


def singles(hits: list[Hit]) -> list[str]:
    """Every hit by itself, in every form."""
    cut = Excerpts().of([shown_text(one.item) for one in hits], ["bell", "boat", "stand"])
    forms = [(one, text) for one, excerpts in zip(hits, cut, strict=True) for text in [None, *(part.text for part in excerpts)]]
    return [render([line_of(one.item, text, one.item.retired_at)]) for one, text in forms]


def said(hits: Any) -> list[tuple[str | None, str]]:
    return [(one.speaker, shown_text(one.item)) for one in hits]


@given(hit_lists(), st.integers(0, 4096) | st.integers(0, 200), st.sampled_from(sorted(COUNTERS)))
def test_a_recall_never_exceeds_its_budget(hits: list[Hit], budget: int, name: str) -> None:
    tokens = COUNTERS[name]
    recall = pack(hits, budget, tokens, cue=CUE)
    assert recall.budget == budget
    assert recall.tokens == (tokens.count(recall.text) if recall.text else 0) <= budget
    assert bool(recall.text) == bool(recall.hits)
    if not recall.hits:
        if name in STEADY:
            assert all(tokens.count(text) > budget for text in singles(hits))
        return
    assert recall.text.count(OPEN) == recall.text.count(CLOSE) == 1
    assert len(re.findall(r"<\s*/?\s*recalled-memory", recall.text, re.I)) == 2 + len(
        re.findall(r"< +/?\s*recalled-memory", recall.text, re.I)
    )
    assert recall.text.startswith(f"{OPEN}\n{NOTICE}\n")
    assert recall.text.endswith(f"\n{CLOSE}")
    assert len(set(said(recall.hits))) == len(recall.hits)
    places = [hits.index(one) for one in recall.hits]
    assert places == sorted(places), "hits are given best first"


@given(hit_lists())
def test_with_room_enough_everything_is_there_once_whole_and_in_the_order_of_time(hits: list[Hit]) -> None:
    recall = pack(hits, 10**9, COUNTERS["characters"], cue=CUE)
    assert set(said(recall.hits)) == set(said(hits))
    place = 0
    for one in sorted(recall.hits, key=lambda one: (one.at, one.item.key)):
        place = recall.text.index(quote(one.text), place)


def test_what_is_worth_more_per_token_comes_in() -> None:
    """The first two of these fill the budget, but the two below them are together likelier to hold what is needed."""
    hits = [
        hit("word " * 30, score=3.0, key=1), hit("word " * 100, score=2.2, key=2), hit("the boat is blue", score=2.1, key=3),
        hit("the sea is calm", score=2.0, key=4), hit("nothing", score=0.0, key=5),
    ]  # fmt: skip
    recall = pack(hits, 170, COUNTERS["words"])
    assert [one.item.key for one in recall.hits] == [1, 2, 3, 4, 5]
    recall = pack(hits, 60, COUNTERS["words"])
    assert [one.item.key for one in recall.hits] == [1, 3, 4, 5]


def test_one_hit_that_is_worth_more_than_all_the_small_ones_is_not_crowded_out() -> None:
    large = hit("word " * 300, score=1.0, key=1)
    small = [hit(f"yes {number}", score=0.0, key=number + 2) for number in range(3)]
    room = wordllama.count(render([line_of(large.item)])) + 8
    assert pack([large, *small], room, wordllama).hits == (large,)


def test_hits_of_the_same_day_share_its_heading() -> None:
    hits = [hit("the first thing", score=1.0, key=1)]
    hits += [hit(f"a thing {n}", score=0.5, key=n, at=NOW + n * DAY) for n in (2, 3, 4)]
    hits += [hit("a thing 5", score=0.5, key=5)]
    budget = wordllama.count(render([line_of(hits[0].item), line_of(hits[4].item)]))
    assert [one.item.key for one in pack(hits, budget, wordllama).hits] == [1, 5]


def test_the_scale_of_the_scores_does_not_matter() -> None:
    hits = [
        hit(f"line number {number} of the day, {'long ' * (number % 5)}", key=number, score=-(number**0.5))
        for number in range(40)
    ]
    scaled = [Hit(one.item, 1000 + 50 * one.score) for one in hits]
    assert pack(hits, 300, wordllama).text == pack(scaled, 300, wordllama).text


def test_hits_of_equal_score_are_worth_the_same() -> None:
    assert Packer().worths([2.0] * 4) == [0.25] * 4
    assert Packer().worths([7.0]) == [1.0]
    assert min(Packer().worths([1000.0] + [0.0] * 99)) > 0


def test_a_small_hit_enters_where_large_ones_do_not() -> None:
    large = [hit("word " * 400, key=number) for number in range(60)]
    recall = pack([*large, hit("the boat is blue", key=99)], 60, wordllama)
    assert [one.text for one in recall.hits] == ["the boat is blue"]


def test_a_long_text_is_shown_as_the_sentences_that_carry_the_cue() -> None:
    long = hit(LONG + " The anchor lies in the barn. " + LONG, key=1, data={"speaker": "Ana"})
    recall = pack([long], 60, wordllama, cue="where is the anchor?")
    assert recall.hits == (long,)
    assert "\n- Ana: […] The anchor lies in the barn. […]\n" in recall.text
    assert shown_text(long.item) in pack([long], 2000, wordllama, cue="where is the anchor?").text


def test_a_short_text_is_an_excerpt_only_where_nothing_else_fits() -> None:
    short = hit("We walked along the river until it got dark. The anchor lies in the barn now, they say.", key=1)
    other = hit("yes", key=2, score=-3.0)
    whole = wordllama.count(render([line_of(short.item)]))
    assert "[…]" not in pack([short, other], whole, wordllama, cue="where is the anchor?").text
    assert pack([short, other], whole - 2, wordllama, cue="where is the anchor?").hits == (other,)
    assert "- […] The anchor lies in the barn now" in pack([short], whole - 2, wordllama, cue="where is the anchor?").text


def test_without_a_cue_an_excerpt_is_the_beginning() -> None:
    assert "- The boat stood in the hall on the 0th day. […]" in pack([hit(LONG)], 60, wordllama).text


def test_the_same_words_of_one_speaker_stand_once() -> None:
    hits = [hit("yes", key=n, at=NOW + n * DAY, data={"speaker": who}) for n, who in enumerate(["Ana", "Ben", "Ana"])]
    recall = pack(hits, 500, wordllama)
    assert [one.item.key for one in recall.hits] == [0, 1]
    pictures = [hit("look", key=n, data={"captions": [f"picture {n}"]}) for n in range(2)]
    assert len(pack(pictures, 500, wordllama).hits) == 2


def test_of_the_same_words_those_that_still_hold_are_shown() -> None:
    old = hit("I live in Porto", key=1, score=2.0, retired_at=NOW)
    new = hit("I live in Porto", key=2, score=1.0, at=NOW + DAY)
    recall = pack([old, new], 500, wordllama)
    assert recall.hits == (new,)
    assert "superseded" not in recall.text


def test_an_echo_does_not_stand_beside_its_original() -> None:
    original = hit("the boat is blue", key=1, score=1.0, data={"speaker": "Ana"})
    echo = hit("Ana says: the boat is blue", key=2, score=0.9, role="assistant")
    standing = Standing(echoes={2: frozenset({1})})
    assert pack([original, echo], 500, wordllama, standing=standing).hits == (original,)
    assert pack([echo], 500, wordllama, standing=standing).hits == (echo,)
    elsewhere = Standing(echoes={2: frozenset({1, 77})})
    assert pack([original, echo], 500, wordllama, standing=elsewhere).hits == (original, echo)


def test_an_echo_in_the_very_words_of_what_it_repeats_is_not_its_own_original() -> None:
    original = hit("the boat is blue", key=1, score=1.0, retired_at=NOW)
    echo = hit("the boat is blue", key=2, score=0.9)
    recall = pack([original, echo], 500, wordllama, standing=Standing(echoes={2: frozenset({1})}))
    assert recall.hits == (echo,)


def test_a_message_that_quotes_a_block_is_shown_with_what_it_adds() -> None:
    original = hit("the boat is blue", key=1, score=1.0)
    quoting = hit(f"{OPEN}\n- the boat is blue\n{CLOSE} No, it was painted red.", key=2, score=0.9)
    recall = pack([original, quoting], 500, wordllama, standing=Standing(echoes={2: frozenset({1})}))
    assert recall.hits == (original, quoting)


class Asked:
    """A counter that notes how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def count(self, text: str) -> int:
        self.asked += 1
        return len(text.split())


@pytest.mark.parametrize("budget", [100, 300, 1000, 10_000])
def test_a_counter_of_somebody_elses_is_asked_a_few_times(budget: int) -> None:
    hits = [hit(f"line number {n} of the day, {'long ' * (n % 9)}", key=n, score=-(n**0.5), at=NOW + n * DAY) for n in range(100)]
    asked = Asked()
    recall = pack(hits, budget, asked)
    assert recall.hits
    assert asked.asked <= 10


def test_an_estimate_that_is_far_off_is_put_right() -> None:
    """One line in four costs ten times what its length makes likely; still most of the budget is used."""
    hits = [hit(("zz " * 60) if n % 4 else ("dear " * 36), key=n, score=-n / 10, at=NOW + n * DAY) for n in range(80)]
    hits = [Hit(one.item, one.score) for one in hits]
    priced = counter(lambda text: text.count("zz ") + 10 * text.count("dear ") + text.count("\n"))
    distinct = [hit(f"{one.text} {n}", key=n + 1, score=one.score, at=one.at) for n, one in enumerate(hits)]
    recall = pack(distinct, 3000, priced)
    assert 2500 <= recall.tokens <= 3000


def test_a_counter_without_reason_still_keeps_its_budget() -> None:
    calls = iter(range(10**6))
    moody = CallableTokens(lambda text: len(text) // 4 + 7 * (next(calls) % 5))
    hits = [hit(f"line number {n}", key=n, score=-n) for n in range(50)]
    recall = pack(hits, 150, moody)
    assert recall.tokens <= 150


def test_bad_budgets_and_numbers() -> None:
    with pytest.raises(BudgetError, match="-1 tokens"):
        pack([], -1, wordllama)
    assert pack([hit()], 0, wordllama).text == ""
    assert pack([], 100, wordllama).tokens == 0
    with pytest.raises(InputError, match="temperature"):
        Packer(temperature=0)
    with pytest.raises(InputError, match="round"):
        Packer(rounds=0)
