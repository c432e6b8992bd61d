"""Outlines of texts: printed and read, kept whole, made by rules or by a language model, and what a search gains by their pieces."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.algorithms.scorers import boundary_score
from lamina.bench.outline import Passages, boundary_rows, claim_rows, kept_rows, lossy_outline, search_rows
from lamina.bench.ranking.embedders import static
from lamina.errors import InputError
from lamina.semantic.outline import Outliner, in_order, phrase
from lamina.semantic.outlines import HEADS, Aspect, Outline, coverage, read_aspects, read_outline, repaired
from lamina.text import sentences
from tests.semantic.language import Scripted, failing

OUTLINER = Outliner(static())
TEXT = (
    "The heat pump was installed in March. It takes its heat from the ground. The pump needs little power in summer. "
    "We sleep better since the cat went on a diet. The cat eats twice a day now. The vet weighed the cat last week. "
    "In June we travel to Norway. The train to Norway takes a day. We booked a cabin by the fjord in Norway."
)
TEA = Outline("green tea", (Aspect("making", ("It is steamed.", "Then it is dried")), Aspect("taste", ("it is mild",))))

WORDS = st.lists(st.sampled_from("tea 3.5 litres A-b (new) of. the: Ärger 茶 1. x".split()), min_size=1, max_size=5).map(" ".join)
NAMED = st.builds(Aspect, WORDS, st.lists(WORDS, min_size=1, max_size=4).map(tuple))


# ------------------------------------------------------------------------------------------------ printed and read
@settings(max_examples=80, deadline=None)
@given(st.builds(Outline, WORDS, st.lists(NAMED, min_size=1, max_size=5).map(tuple)))
def test_what_is_printed_in_two_levels_is_read_back(outline: Outline) -> None:
    assert read_aspects(outline.text(6, 0)) == outline.aspects
    answer = f"Here:\n```\n{outline.scope}\n```\nand\n```text\n{outline.text(6, 0)}\n```"
    assert read_outline(answer).aspects == outline.aspects


def fenced(listed: str, scope: str = "tea") -> str:
    return f"```\n{scope}\n```\n```\n{listed}\n```"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("1. a\n    1.1. b", "fenced"), ("```\ntea\n```", "fenced"), (fenced("1. a\n    1.1. b", " "), "scope"), (fenced(""), "at least one aspect"),
        (fenced("a\n    1.1. b"), "line 1 has no number"), (fenced("1. a\n    b"), "line 2 has no number"), (fenced("- a\n    - b"), "no number"),
        (fenced("1. a"), "no description"), (fenced("1. a\n2. b\n    2.1. c"), "no description"), (fenced("1. a\n    1.1. b\n2. c"), "no description"),
        (fenced("2. a\n    2.1. b"), "aspect 2 where 1"), (fenced("1. a\n    1.1. b\n1. c\n    1.1. d"), "aspect 1 where 2"),
        (fenced("1. a\n    1.1. b\n3. c\n    3.1. d"), "aspect 3 where 2"), (fenced("0. a\n    0.1. b"), "aspect 0 where 1"),
        (fenced("1. a\n    2.1. b"), "belongs to aspect 2"), (fenced("    1.1. b"), "belongs to aspect 1"),
        (fenced("1. a\n    1.2. b"), "description 2 where 1"), (fenced("1. a\n    1.1. b\n    1.1. c"), "description 1 where 2"),
        (fenced("1. a\n    1.1.1. b"), "3 levels"), (fenced("1. a\n1.1. b"), "not indented"), (fenced("1. a\n    1.1. b\n    2. c"), "indented"),
    ],
)  # fmt: skip
def test_malformed_answers_are_refused_with_the_reason_and_the_text_is_outlined_by_rules(answer: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_outline(answer)
    model = Scripted(lambda messages: answer)
    assert Outliner(static(), model).outline(TEXT) == OUTLINER.outline(TEXT)
    assert model.asked


def test_indents_of_other_widths_and_tabs_are_put_right() -> None:
    for indent in ("  ", "   ", "\t", "        "):
        assert read_aspects(f"1. a\n{indent}1.1. b\n{indent}1.2 c") == (Aspect("a", ("b", "c")),)


def test_every_template_says_the_scope_and_the_aspects() -> None:
    assert TEA.text(0, 2) == "Green tea.\n**Making**: It is steamed. Then it is dried.\n**Taste**: It is mild."
    assert TEA.text(6, 0) == "1. making\n    1.1. It is steamed.\n    1.2. Then it is dried\n2. taste\n    2.1. it is mild"
    for head in range(len(HEADS)):
        for body in range(3):
            shown = TEA.text(head, body).lower()
            assert all(word in shown for word in ("making", "taste", "steamed", "dried", "mild"))
            assert ("green tea" in shown) == (head != 6)
    for wrong in (lambda: TEA.text(7, 0), lambda: TEA.text(0, 3), lambda: TEA.text(-1), lambda: TEA.packed(0)):
        with pytest.raises(InputError):
            wrong()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 40))
def test_pieces_hold_every_aspect_once_in_order_and_keep_their_size(sizes: list[int], most: int) -> None:
    outline = Outline("s", tuple(Aspect(f"a{n}", (" ".join([f"w{n}"] * size),)) for n, size in enumerate(sizes)))
    pieces = outline.packed(most)
    assert [line for piece in pieces for line in piece.splitlines()[1:]] == outline.text(0, 2).splitlines()[1:]
    assert all(piece.startswith("S.\n") for piece in pieces)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        assert len(piece.split()) <= most or len(piece.splitlines()) == 2  # an aspect that is too long stands alone
        if after is not None:  # no piece could have held one aspect more
            assert len(piece.split()) + len(after.splitlines()[1].split()) > most


@pytest.mark.parametrize(
    "wrong", [("", [("a", ["b"])]), ("s", []), ("s", [("", ["b"])]), ("s", [("a", [])]), ("s", [("a", [" "])])]
)
def test_an_outline_without_words_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        Outline(wrong[0], tuple(Aspect(name, tuple(said)) for name, said in wrong[1]))


# ------------------------------------------------------------------------------------------------------------ repair
def test_the_repair_brings_back_what_was_lost_beside_what_came_before_it() -> None:
    lost = Outline(
        "life", (Aspect("pump", ("The heat pump was installed in March.",)), Aspect("trip", ("In June we travel to Norway.",)))
    )
    whole = repaired(lost, TEXT)
    assert coverage(lost, TEXT) < 0.4
    assert coverage(whole, TEXT) == 1
    assert whole.aspects[0].descriptions[1] == "It takes its heat from the ground."
    assert whole.aspects[1].descriptions[-1] == "We booked a cabin by the fjord in Norway."
    assert repaired(whole, TEXT) == whole


def test_an_answer_in_another_order_repeats_nothing() -> None:
    said = sentences(TEXT)
    turned = Outline("life", (Aspect("trip", tuple(said[6:])), Aspect("cat", tuple(said[3:6])), Aspect("pump", tuple(said[:3]))))
    assert repaired(turned, TEXT) == turned


def test_nearly_all_is_kept_after_the_repair_of_an_outliner_that_loses_a_fifth() -> None:
    rows = {row.system: row.metrics for row in kept_rows(Passages().made(8), OUTLINER, 0)}
    assert rows["kept: by rules"] == {"sentences": 1.0, "passages_with_a_sentence_lost_or_twice": 0.0}
    assert rows["kept: a fifth lost"]["sentences"] < 0.9
    assert rows["kept: repaired"]["sentences"] >= 0.99
    assert len(lossy_outline(TEA, random.Random(0), 1.0).aspects[0].descriptions) == 1


# ---------------------------------------------------------------------------------------------------- by rules, by model
def test_aspects_are_runs_of_sentences_with_a_telling_name() -> None:
    outline = OUTLINER.outline(TEXT, title="The year")
    assert outline.scope == "The year"
    assert [len(aspect.descriptions) for aspect in outline.aspects] == [3, 3, 3]
    assert [word for aspect, word in zip(outline.aspects, ("pump", "cat", "norway"), strict=True) if word in aspect.name] == [
        "pump",
        "cat",
        "norway",
    ]
    assert list(outline.descriptions) == sentences(TEXT)
    assert OUTLINER.outline(TEXT) == OUTLINER.outline(TEXT)
    assert OUTLINER.outline("One sentence only.").aspects[0].descriptions == ("One sentence only.",)
    assert OUTLINER.outline("猫を飼う。犬も飼う。").descriptions == ("猫を飼う。", "犬も飼う。")


def test_subjects_that_are_interleaved_are_brought_together() -> None:
    together = []
    for one in Passages(seed=3).made(20):
        assert not in_order(
            OUTLINER.embedder.embed(list(one.sentences)) - OUTLINER.embedder.embed(list(one.sentences)).mean(axis=0)
        )
        for group in OUTLINER.groups(one.sentences):
            inside = [one.subjects[place] for place in group]
            together.append(max(inside.count(subject) for subject in inside) / len(inside))
    assert np.mean(together) > 0.8


def test_boundaries_are_found_better_than_by_chance_and_by_even_runs() -> None:
    rows = {
        row.system: row.metrics["f1"]
        for row in boundary_rows(Passages(interleaved=False, least=3, most=15).made(40), OUTLINER, 0)
    }
    assert rows["boundaries: outliner"] >= 0.7
    assert rows["boundaries: random"] < 0.45
    assert rows["boundaries: even"] < 0.6
    assert boundary_score([3], [4], 1).f1 == 1


def test_a_search_finds_more_by_aspects_and_not_by_random_groups() -> None:
    made = search_rows(Passages().made(300), OUTLINER, 0, "search", depth=1)
    rows = {row.system.split(": ")[1]: row.metrics["recall@1"] for row in made}
    for other in ("whole", "random groups", "even runs of sentences"):
        assert rows["outline"] >= rows[other] + 0.05, other


def test_a_changed_word_is_noticed_better_by_aspects() -> None:
    rows = {row.system: row.metrics["auc"] for row in claim_rows(Passages().made(60), OUTLINER, 0)}
    assert rows["claims: best aspect"] >= rows["claims: whole"] + 0.03
    assert rows["claims: best aspect"] >= rows["claims: best random group"] + 0.03


def test_a_model_writes_the_outline_and_what_it_lost_is_put_back() -> None:
    answer = fenced(
        "1. The pump\n    1.1. A heat pump was installed in March.\n2. The cat\n    2.1. The cat is on a diet and eats twice a day now.",
        "a household",
    )
    model = Scripted(lambda messages: answer)
    outline = Outliner(static(), model).outline(TEXT)
    assert outline.scope == "a household"
    assert [aspect.name for aspect in outline.aspects] == ["The pump", "The cat"]
    assert coverage(outline, TEXT) == 1
    assert "never instructions" in model.asked[0][0].content
    assert Outliner(static(), Scripted(failing)).outline(TEXT) == OUTLINER.outline(TEXT)


def test_long_texts_are_outlined_slice_by_slice() -> None:
    long = "\n\n".join([TEXT] * 4)
    outline = Outliner(static(), slice=len(TEXT) + 10).outline(long)
    assert len(outline.aspects) == 12
    assert list(outline.descriptions) == sentences(long)


def test_names_are_not_given_twice_where_there_are_others() -> None:
    assert phrase(["Green tea is steamed."], [], taken=["steamed", "green tea", "tea"]) not in ("steamed", "green tea", "tea")
    assert phrase(["of the"], []) == "of the"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: OUTLINER.outline(""), lambda: OUTLINER.outline("  \n"), lambda: Outliner(static(), arrangement="round"),  # type: ignore[arg-type]
        lambda: Outliner(static(), most=0), lambda: Outliner(static(), slice=0), lambda: OUTLINER.ask(TEXT),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        wrong()
