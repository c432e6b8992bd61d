"""Digestion, frames and traces: what is found, in what order, and what is said where nothing is."""

from __future__ import annotations

from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.bench.grammar.programs import FRAMES, data, script_domain, script_grammar
from lamina.models.grammar import Grammar, read_domain
from lamina.models.grammar.producing import Producer

GARDEN = read_domain(
    {
        "name": "garden",
        "goal": "test",
        "types": {"var": {"match": "[x-z]"}, "thing": {"any": ["var", "number"]}},
        "layers": [
            {
                "name": "words",
                "symbols": {
                    "be": ["is", "are"],
                    "other": ["is not", "are not"],
                    "least": ["not less than", "not below"],
                    "most": ["not more than", "not above"],
                    "same": ["not other than"],
                },
            },
            {
                "name": "tests",
                "symbols": {
                    "unequal": {"type": "test", "says": ["{a:thing} <other> {b:thing}"]},
                    "at_least": {"type": "test", "says": ["{a:thing} <be> <least> {b:thing}"]},
                    "at_most": {"type": "test", "says": ["{a:thing} <be> <most> {b:thing}"]},
                    "equal": {"type": "test", "says": ["{a:thing} <be> <same> {b:thing}"]},
                },
            },
        ],
    }
)


def test_the_robust_mode_mends_what_the_longest_match_gets_wrong() -> None:
    """ "is not" is longer than "is", and takes away the "not" of "not less than"."""
    grammar = Grammar(GARDEN)
    wanted = {
        "not less than": "at_least",
        "not below": "at_least",
        "not more than": "at_most",
        "not above": "at_most",
        "not other than": "equal",
    }
    path = [
        (f"{a} {be} {words} {b}", frame) for a, b, be in product("xyz", "257", ("is", "are")) for words, frame in wanted.items()
    ]
    fast = [grammar.parse(text).frame == frame for text, frame in path]
    robust = [grammar.parse(text, robust=True).frame == frame for text, frame in path]
    print(f"\ngarden path: {len(path)} sentences, fast {sum(fast)} right, robust {sum(robust)}")
    assert sum(fast) == 0, "the set is one on which greedy matching fails"
    assert sum(robust) >= 0.9 * len(path)
    assert grammar.parse("x is not 5", robust=True).frame == grammar.parse("x is not 5").frame == "unequal"


def test_the_robust_mode_agrees_where_the_fast_one_succeeds() -> None:
    producer, grammar, random = Producer(script_domain(), depth=1), script_grammar(), Random(3)
    for _ in range(150):
        text = producer.draw(random.choice(FRAMES), random, data).text
        assert grammar.parse(text, robust=True).meaning == grammar.parse(text).meaning


def test_numbers_of_equal_length_go_by_priority_then_by_what_is_literal_then_by_order() -> None:
    def chosen(**more: object) -> str | None:
        layers = [
            {
                "name": "all",
                "symbols": {
                    "slotted": {"type": "one", "says": ["go {n:number}"], **more},
                    "literal": {"type": "one", "says": ["go 3"]},
                },
            }
        ]
        return Grammar(read_domain({"name": "t", "goal": "one", "layers": layers})).parse("go 3").frame

    assert chosen() == "literal"
    assert chosen(priority=1) == "slotted"


def test_data_is_never_rewritten() -> None:
    parse = script_grammar().parse('打印 "Print THE file, 三 times"')
    assert parse.meaning[0].arguments == {"value": '"Print THE file, 三 times"'}
    assert parse.normal() == 'print "Print THE file, 三 times"'


def test_a_trace_tells_each_rule_with_its_span() -> None:
    text = "if x exceeds Twenty-one then display x"
    parse = script_grammar().parse(text)
    said = [(step.layer, text[step.start : step.end], step.rule) for step in parse.trace]
    assert said[0] == ("characters", "Twenty-one", "numeral")
    assert ("words", "exceeds", "greater.3") in said
    assert ("comparisons", "x exceeds Twenty-one", "greater_than.1") in said
    assert said[-1] == ("blocks", text, "when.1")


def test_chains_are_read_from_the_left_and_products_first() -> None:
    assert script_grammar().parse("print 8 minus 2 minus 1").code() == "print(((8 - 2) - 1))"
    assert script_grammar().parse("print 8 minus 2 multiplied by 3").code() == "print((8 - (2 * 3)))"


def test_several_sentences_are_read_in_order() -> None:
    parse = script_grammar().parse("set b to 2. print b; 打印 3")
    assert [one.name for one in parse.meaning] == ["assign", "show", "show"]


def test_the_normal_form_of_a_normal_form_is_itself() -> None:
    producer, grammar, random = Producer(script_domain(), depth=2), script_grammar(), Random(4)
    for _ in range(400):
        parse = grammar.parse(producer.draw(random.choice(FRAMES), random, data).text)
        again = grammar.parse(parse.normal())
        assert again.normal() == parse.normal()
        assert again.meaning == parse.meaning


@given(
    st.lists(
        st.sampled_from(["set", "b", "to", "5", "print", "if", "is", "not", "打印", "plus", '"a b"', "banana", "then", "?"]),
        max_size=10,
    )
)
@settings(max_examples=300, deadline=None)
def test_spans_quote_the_text_and_reading_is_repeatable(words: list[str]) -> None:
    text = " ".join(words)
    grammar = script_grammar()
    for robust in (False, True):
        parse = grammar.parse(text, robust=robust)
        for one in [*parse.slots.values(), *parse.residue]:
            assert text[one.start : one.end] == one.text
            assert one.text.strip() == one.text != ""
        assert all(0 <= step.start < step.end <= len(text) for step in parse.trace)
        again = grammar.parse(text, robust=robust)
        assert (again.ok, again.meaning, again.trace, again.residue) == (parse.ok, parse.meaning, parse.trace, parse.residue)
        if "banana" in words:
            assert not parse.ok
            assert any("banana" in one.text for one in parse.residue)
