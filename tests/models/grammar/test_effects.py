"""The effects of the source, on a small language of programs: each against a baseline in the same run."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from lamina.bench.grammar import coverage, footprint, hidden, learning, programs, sequence
from lamina.bench.grammar.programs import FRAMES, data, execute, script_domain, script_grammar
from lamina.errors import InputError
from lamina.models.grammar import Grammar, read_domain
from lamina.models.grammar.learning import learn, learn_all
from lamina.models.grammar.producing import Producer, join

SMALL = read_domain(
    {
        "name": "small",
        "goal": "order",
        "layers": [
            {"name": "words", "symbols": {"go": ["go", "walk on"], "home": ["home", "[back] there"]}},
            {"name": "orders", "symbols": {"leave": {"type": "order", "says": ["[now] <go> <home>", "(<go> & now) please"]}}},
        ],
    }
)


def test_effect_a_sum_of_variants_covers_their_product() -> None:
    found = coverage(2_000, seed=0)
    print(f"\n{found}")
    assert found["variants"] <= 400
    assert found["sentences"] >= 1e6
    assert found["read"] >= 0.999
    assert found["read_even_frames"] >= 0.999
    assert found["list_read"] <= 0.001


@pytest.mark.slow
def test_effect_twenty_thousand_sentences_are_read() -> None:
    found = coverage(20_000, seed=1)
    print(f"\n{found}")
    assert min(found["read"], found["read_even_frames"]) >= 0.999
    assert found["list_read"] <= 0.001


def test_the_count_is_that_of_all_strings_that_are_read() -> None:
    """All strings over the words of a small forest, up to the longest sentence, read one by one."""
    vocabulary = ["go", "walk", "on", "home", "back", "there", "now", "please"]
    grammar = Grammar(SMALL)
    read = {
        text
        for length in range(1, 6)
        for text in map(" ".join, product(vocabulary, repeat=length))
        if len(nodes := grammar.parse(text).meaning) == 1 and nodes
    }
    written = list(Producer(SMALL).sentences("leave"))
    assert Producer(SMALL).count("leave") == len(written) == len(set(written)) == len(read)
    assert set(written) == read


def test_counts_of_the_language_are_those_of_what_it_writes() -> None:
    producer = Producer(script_domain(), depth=0)
    for frame in ("start_list", "read_file", "take_last", "lower_by", "show"):
        written = list(producer.sentences(frame, {"number": ["5"], "var": ["x"], "string": ['"a"']}))
        assert producer.count(frame) == len(written)


def test_effect_programs_in_many_words_do_what_they_say() -> None:
    found = programs(500, seed=2)
    print(f"\n{found}")
    assert found["same_output"] == 1.0
    assert found["print_more_than_the_last"] > 0.3, "programs that print nothing would agree by chance"


def test_a_program_read_wrongly_prints_something_else() -> None:
    grammar = script_grammar()
    right = [grammar.parse(text).meaning[0] for text in ("set b to 2", "print b plus 3")]
    wrong = [grammar.parse(text).meaning[0] for text in ("set b to 2", "print b minus 3")]
    assert (execute(right), execute(wrong)) == (["5"], ["-1"])


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (("put 5 into b", "put into b 5", "把5放进b", "store 5 in b", "save in b the value five"), "b = 5"),
        (("append 7 onto g", "append onto g 7", "push to the list g 7"), "g.append(7)"),
        (('open the file "a" into b', 'load file in b "a"'), 'b = read("a")'),
        (("if b > 2 print b", "print b if b exceeds 2", "如果b大于二打印b"), "IF(b > 2, print(b))"),
    ],
)
def test_the_order_of_arguments_is_free_where_a_frame_lets_it(texts: tuple[str, ...], code: str) -> None:
    assert [script_grammar().parse(text).code() for text in texts] == [code] * len(texts)


def test_effect_a_word_from_outside_is_never_read_past() -> None:
    producer, grammar, random = Producer(script_domain(), depth=2), script_grammar(), Random(5)
    for _ in range(1_000):
        words = grammar.words(producer.draw(random.choice(FRAMES), random, data).text).words
        words.insert(random.randrange(len(words) + 1), "banana")
        text = join(words)
        parse = grammar.parse(text)
        assert not parse.ok
        assert any("banana" in one.text for one in parse.residue)


def test_effect_few_pairs_teach_a_grammar_more_than_other_learners() -> None:
    """One seed and 300 sentences, so a smaller margin than that of the slow test."""
    found = learning(200, seeds=1, unseen=300)
    print(f"\n200 pairs: {found}")
    mine, wrong = found.pop(hidden.Forest.name), found.pop(f"{hidden.Forest.name}, read wrongly")
    assert wrong <= 0.05
    assert all(mine >= other + 0.08 for other in found.values())


@pytest.mark.slow
def test_effect_few_pairs_are_worth_fifteen_points_over_three_seeds() -> None:
    found = learning(200)
    print(f"\n200 pairs: {found}")
    mine, wrong = found.pop(hidden.Forest.name), found.pop(f"{hidden.Forest.name}, read wrongly")
    assert wrong <= 0.05
    assert all(mine >= other + 0.15 for other in found.values())


def test_effect_what_was_learned_stays_when_other_things_are_learned() -> None:
    found = sequence(pairs=50, unseen=200)
    print(f"\n{found}")
    assert found[f"{hidden.Forest.name}, after"] >= found[f"{hidden.Forest.name}, before"]
    assert found[f"{hidden.Forest.name}, before"] > 0.3
    assert found[f"{hidden.Softmax.name}, before"] - found[f"{hidden.Softmax.name}, after"] >= 0.2


@pytest.mark.slow
def test_what_is_to_be_kept_keeps_its_meaning_whatever_is_learned() -> None:
    """Sentences handed in to be kept keep theirs exactly. Others may be lost, if seldom: here at most one in a hundred."""
    test = hidden.draw_pairs(200, Random(78))
    kept, free = hidden.Forest(), hidden.Forest()
    keep = [known for _, known in test]
    lost = right = 0
    for start in range(0, 120, 20):
        pairs = hidden.draw_pairs(20, Random(start))
        before = [free.normal(sentence) == known for sentence, known in test]
        free.fit(pairs)
        lost += sum(was and free.normal(sentence) != known for was, (sentence, known) in zip(before, test, strict=True))
        right += sum(before)
        kept.grammar, _ = learn_all(kept.grammar, pairs, keep)
        assert [kept.normal(known) for known in keep] == keep
    print(f"\nlost {lost} of {right} checks")
    assert lost <= 0.01 * right


def test_a_variant_that_would_change_what_is_kept_is_not_learned() -> None:
    """The words "go fast" as a form of "go" would take the "fast" away from another sentence."""
    words = {"go": ["go"], "fast": ["fast"], "home": ["home"], "homeward": ["homeward"]}
    says = {"leave": "<go> <home>", "race": "<go> <fast> <homeward>"}
    orders = {name: {"type": "order", "says": [say]} for name, say in says.items()}
    layers = [{"name": "words", "symbols": words}, {"name": "orders", "symbols": orders}]
    grammar = Grammar(read_domain({"name": "ways", "goal": "order", "layers": layers}))
    pair, other = ("go fast home", "go home"), "go fast homeward"
    assert grammar.parse(other).frame == "race"
    careless = learn(grammar, *pair, whole=False)
    assert careless.variants == (("go", "go fast"),)
    assert not careless.grammar.parse(other).ok
    careful = learn(grammar, *pair, whole=False, keep=[other])
    assert careful.grammar is grammar
    assert "would change what 'go fast homeward' means" in careful.why


def test_a_domain_takes_a_hundredth_of_an_encoder() -> None:
    found = footprint()
    print(f"\n{found}")
    assert max(found["script_bytes"], found["memory_bytes"]) <= 900_000
    assert found["peak_bytes"] < 20e6


def test_what_cannot_be_learned_is_asked_and_changes_nothing() -> None:
    grammar = script_grammar()
    asked = learn(grammar, "frobnicate the whatsit with a b", "set b to 5")
    assert asked.grammar is grammar
    assert not asked.variants
    assert "too far from what is known" in asked.why
    taken = learn(grammar, "print b", "pop b")
    assert taken.grammar is grammar
    assert "means 'print(b)' already" in taken.why
    clash = learn(grammar, "print the end b", "pop b")
    assert clash.grammar is not grammar or clash.why
    assert clash.grammar.parse("print b").code() == "print(b)"
    assert learn(grammar, "assign b as 5", "set b to 5").why == ""
    with pytest.raises(InputError, match="is not understood"):
        learn(grammar, "set b to 5", "make b five-ish")


def test_what_is_learned_serves_other_sentences() -> None:
    learned = learn(script_grammar(), "engrave b plus 1", "print b plus 1")
    assert learned.variants == (("print", "engrave"),)
    assert learned.grammar.parse('if b is 3 then engrave "yes"').code() == 'IF(b == 3, print("yes"))'
    assert not script_grammar().parse("engrave 3").ok
