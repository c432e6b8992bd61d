"""Self-controlled memory: its bound, its forms, its parts left out, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import BudgetError, ConfigError, InputError, ModelError, VectorError
from lamina.models import CallableTokens, Message, StaticEmbedder, ToolCall
from lamina.working.chunks import Chunk
from lamina.working.controlled import NOW, PREVIOUS, RELATED, ControlledMemory, Controls, without
from lamina.working.extracts import Extracts, ModelShortener, cut
from lamina.working.reorganising import Placed, Reorganiser, concatenate
from lamina.working.steps import Step, prompt_tokens
from lamina.working.turns import Ranking, Turn, TurnStream
from tests.working.test_control import Scripted

WORDS = CallableTokens(lambda text: len(text.split()))
EMBEDDER = StaticEmbedder()
ALWAYS = Controls(activation="always")


def told(memory: ControlledMemory, *turns: str) -> ControlledMemory:
    for text in turns:
        memory.observe(Step.turn(text, "I see."))
    return memory


def dialogue(memory: ControlledMemory, turns: int = 12, long: int = 0) -> ControlledMemory:
    told(memory, "The code of my locker is 4417.")
    told(memory, *(f"Chapter {number} is about ships in the harbour. " + "The wind blew. " * long for number in range(turns)))
    return told(memory, "My aunt lives in Oslo.", "The garden has roses.")


# ------------------------------------------------------------------------------------------------------------- the prompt
def test_the_first_prompt_is_what_the_user_says_alone():
    shown = ControlledMemory(embedder=EMBEDDER).prompt([], 100, tail="Good morning, who are you?")
    assert shown.messages == (Message("user", "Good morning, who are you?"),)
    assert shown.blocks == ()


def test_related_turns_stand_in_the_order_of_the_dialogue_then_the_previous_one_then_what_is_said():
    shown = (
        dialogue(ControlledMemory(embedder=EMBEDDER))
        .prompt([], 400, tail="What is the code of my locker, and where does my aunt live?")
        .text
    )
    assert [shown.index(one) for one in (RELATED, "4417", "Oslo", PREVIOUS, "roses", NOW)] == sorted(
        shown.index(one) for one in (RELATED, "4417", "Oslo", PREVIOUS, "roses", NOW)
    )
    assert shown.endswith("---\nWhat is the code of my locker, and where does my aunt live?")


def test_with_one_turn_there_is_nothing_to_search():
    for controls in (Controls(), ALWAYS, Controls.of("code")):
        memory = told(ControlledMemory(controls=controls, embedder=EMBEDDER), "The code of my locker is 4417.")
        shown = memory.prompt([], 200, tail="What is the code of my locker?")
        assert RELATED not in shown.text
        assert "4417" in shown.text
        assert [block.state for block in shown.blocks] == ["current"]


def test_blocks_and_counts_say_what_is_shown():
    shown = dialogue(ControlledMemory(embedder=EMBEDDER)).prompt([], 400, tail="What is the code of my locker?")
    assert shown.blocks[-1].state == "current"
    assert shown.blocks[0].chunk.id == 1
    assert shown.hidden_steps == 15 - len(shown.blocks)


def test_the_same_prompt_may_be_asked_for_again():
    memory = dialogue(ControlledMemory(embedder=EMBEDDER))
    first = memory.prompt([], 400, tail="What is the code of my locker?")
    assert all(memory.prompt([], 400, tail="What is the code of my locker?") == first for _ in range(3))


def test_a_turn_that_was_shown_counts_as_used_once_the_next_turn_is_there():
    memory = dialogue(ControlledMemory(embedder=EMBEDDER))
    memory.prompt([], 400, tail="What is the code of my locker?")
    assert memory.stream.turns[0].last_access == 1
    told(memory, "What is the code of my locker?")
    assert memory.stream.turns[0].last_access == 16
    told(memory, "Nothing was asked for.")
    assert memory.stream.turns[0].last_access == 16


def test_steps_of_agents_and_calls_of_tools_are_turns_too():
    memory = ControlledMemory(controls=ALWAYS, embedder=EMBEDDER)
    memory.observe(Step.acted("open the drawer", "A brass key lies in it.", subgoal="Find the key"))
    call = ToolCall("a", "look", '{"at": "door"}')
    memory.observe(Step((Message("assistant", "", (call,)), Message("tool", "The door is shut.", tool_call_id="a"))))
    shown = memory.prompt([Message("system", "You act.")], 300)
    assert "[Turn 1] Subgoal: Find the key" in shown.text
    assert "Action: look" in shown.text
    assert "Observation: The door is shut." in shown.text


# ------------------------------------------------------------------------------------------------------------- the budget
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), min_size=0, max_size=10),
    spare=st.integers(0, 500),
    tail=st.sampled_from(["", "What about word 3?", "Tell me of word 1 again. " * 5]),
    variant=st.sampled_from(["paper", "code"]),
    part=st.sampled_from([None, "controller", "flash", "activation"]),
    fill=st.booleans(),
    short=st.sampled_from([0, 20, 300]),
    words=st.booleans(),
)
def test_no_prompt_is_over_its_budget(lengths, spare, tail, variant, part, fill, short, words):
    controls = replace(Controls.of(variant), short=short)
    controls = replace(controls, reorganiser=replace(controls.reorganiser, fill=fill))
    controls = controls if part is None else without(controls, part)
    counter = WORDS if words else None
    memory = ControlledMemory(controls=controls, embedder=EMBEDDER, counter=counter)
    head = [Message("system", "You help.")]
    for number, (said, answered) in enumerate(lengths):
        memory.observe(Step.turn(f"word {number} " * said, "answer. " * answered or "-"))
        least = prompt_tokens([*head, *([Message("user", tail)] if tail else [])], memory.counter)
        shown = memory.prompt(head, least + spare, tail=tail)
        assert shown.tokens == prompt_tokens(shown.messages, memory.counter) <= least + spare
        assert shown.text.endswith(tail)
        numbers = [block.chunk.id for block in shown.blocks]
        assert numbers == sorted(set(numbers))


def test_a_budget_below_the_input_is_refused_with_both_counts():
    memory = dialogue(ControlledMemory(embedder=EMBEDDER))
    with pytest.raises(BudgetError, match=r"take \d+ tokens, more than the budget of 20"):
        memory.prompt([Message("system", "word " * 50)], 20, tail="Why?")


def test_the_work_of_a_turn_does_not_grow():
    counted: list[int] = []
    memory = ControlledMemory(
        controls=ALWAYS, embedder=EMBEDDER, counter=CallableTokens(lambda text: counted.append(len(text)) or len(text.split()))
    )
    spent = []
    for number in range(120):
        counted.clear()
        memory.prompt([], 300, tail=f"What is chapter {number} about?")
        memory.observe(Step.turn(f"Chapter {number} is about ships. " * 8, "I see."))
        spent.append(sum(counted))
    assert max(spent[100:]) <= 1.5 * max(spent[15:35])
    assert memory.judgements.made <= 120 * 2 * 4


# --------------------------------------------------------------------------------------------------------------- forms
def turn(number: int, tokens: int, short: int) -> Turn:
    text = " ".join([f"t{number}"] * tokens)
    summary = text if short == tokens else " ".join([f"s{number}"] * short)
    return Turn(Chunk(number, steps=[Step.turn("a", "b")]), text, summary, tokens, short, number)


def judge(answers):
    return lambda item, excerpt: answers[item]


def test_nothing_is_judged_where_everything_fits():
    placed = Reorganiser().place([turn(3, 50, 5), turn(1, 40, 5)], 100, judge({}))
    assert [(one.turn.number, one.form) for one in placed] == [(1, "raw"), (3, "raw")]


def test_what_does_not_answer_goes_and_what_a_summary_answers_is_shortened():
    ranked = [turn(2, 60, 6), turn(5, 50, 5), turn(1, 40, 4), turn(4, 30, 3)]  # the most like the input first
    answers = {"5 raw": True, "5 summary": False, "1 raw": True, "1 summary": True, "4 raw": False}
    placed = Reorganiser().place(ranked, 120, judge(answers))
    assert [(one.turn.number, one.form) for one in placed] == [(1, "summary"), (2, "raw"), (4, "drop"), (5, "raw")]


def test_whole_turns_are_shortened_from_the_least_like_on_and_left_out_at_last():
    ranked = [turn(1, 60, 20), turn(2, 60, 20), turn(3, 60, 20)]
    yes = {f"{number} {form}": form == "raw" for number in (1, 2, 3) for form in ("raw", "summary")}
    forms = {
        room: [one.form for one in sorted(Reorganiser().place(ranked, room, judge(yes)), key=lambda one: one.turn.number)]
        for room in (180, 150, 100, 60, 40, 10)
    }
    assert forms == {
        180: ["raw"] * 3, 150: ["raw", "raw", "summary"], 100: ["raw", "summary", "summary"], 60: ["summary"] * 3, 40: ["summary", "summary", "drop"],
        10: ["drop"] * 3,
    }  # fmt: skip


def test_turns_that_are_their_own_summary_are_left_out_instead_of_shortened_for_ever():
    ranked = [turn(number, 50, 50) for number in (1, 2, 3)]
    yes = {f"{number} raw": True for number in (1, 2, 3)}
    placed = Reorganiser().place(ranked, 60, judge(yes))
    assert [one.form for one in placed][1:] == ["drop", "drop"]
    assert placed[0].text == ranked[0].text


def test_what_is_left_of_the_room_is_given_back_where_that_is_wished():
    ranked = [turn(1, 60, 6), turn(2, 50, 5), turn(3, 30, 3)]
    answers = {"2 raw": True, "2 summary": True, "3 raw": False}
    bare = Reorganiser().place(ranked, 120, judge(answers))
    full = Reorganiser(fill=True).place(ranked, 120, judge(answers))
    assert [one.form for one in bare] == ["raw", "summary", "drop"]
    assert [one.form for one in full] == ["raw", "raw", "summary"]


def test_the_variants_call_different_turns_too_long():
    one_long, many = [turn(1, 900, 9), turn(2, 1300, 9)], [turn(number, 500, 9) for number in range(1, 6)]
    assert Reorganiser().too_long(one_long, 9999)
    assert not Reorganiser("code").too_long(one_long, 9999)
    assert not Reorganiser().too_long(many, 9999)
    assert Reorganiser("code").too_long(many, 9999, flash=1)


def test_without_a_controller_the_first_is_cut_to_the_tokens_that_are_left():
    placed = concatenate([turn(2, 500, 5), turn(1, 10, 5)], 50, WORDS)
    assert [one.turn.number for one in placed] == [2]
    assert WORDS.count(placed[0].text) <= 50
    assert concatenate([turn(1, 10, 5), turn(2, 500, 5), turn(3, 10, 5)], 50, WORDS)[0].turn.number == 1
    assert len(concatenate([turn(1, 10, 5), turn(2, 500, 5), turn(3, 10, 5)], 50, WORDS)) == 1


def test_a_short_turn_is_its_own_summary_and_a_long_one_a_sentence_of_each_side():
    stream = TurnStream(EMBEDDER, WORDS, Extracts(), short=30)
    short = stream.write(Step.turn("It rains.", "I see."))
    long = stream.write(Step.turn("The sea was grey. " * 20 + "My berth is number 14.", "Ships come and go. " * 20))
    assert short.summary == short.text
    assert long.summary == "[Turn 2] User: My berth is number 14.\nAssistant: Ships come and go."
    assert long.summary_tokens == WORDS.count(long.summary) < long.tokens == WORDS.count(long.text)


def test_flash_memory_is_whole_where_it_is_short_else_a_summary():
    memory = told(ControlledMemory(embedder=EMBEDDER), "My berth is number 14. " + "The sea was grey. " * 200)
    shown = memory.prompt([], 2500, tail="Go on, what was it?").text
    assert shown.count("The sea was grey.") == 0
    assert "berth is number 14" in shown


# -------------------------------------------------------------------------------------------------------------- ranking
def test_of_equally_likely_turns_the_newer_comes_first_only_with_recency():
    relevance, ages = np.array([0.8, 0.79, 0.1]), np.array([90, 5, 50])
    assert Ranking(k=2).best(relevance, ages).tolist() == [1, 0]
    assert Ranking(k=2, recency_weight=0.0).best(relevance, ages).tolist() == [0, 1]


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 500)), max_size=30),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([None, 1, 5]),
)
def test_a_ranking_names_each_turn_once_and_no_more_than_k(rows, k, weight, pool):
    relevance, ages = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], np.int64)
    found = Ranking(k=k, recency_weight=weight, pool=pool).best(relevance, ages).tolist()
    assert len(found) == min(k, len(rows)) == len(set(found))


def test_of_turns_that_are_quite_alike_the_newer_comes_first():
    assert Ranking(k=2, recency_weight=0.0).best(np.full(4, 0.5), np.arange(4)).tolist() == [3, 2]


def test_a_model_is_not_asked_where_there_is_nothing_to_search():
    model = Scripted("(A)")
    told(ControlledMemory(model=model, embedder=EMBEDDER), "It rains.").prompt([], 100, tail="What is the weather like?")
    assert model.asked == []


def test_without_recency_the_ranking_is_that_of_likeness():
    relevance = np.random.default_rng(0).random(50)
    found = Ranking(k=7, recency_weight=0.0).best(relevance, np.arange(50))
    assert found.tolist() == np.argsort(-relevance)[:7].tolist()


def test_the_variants_differ_where_paper_and_code_do():
    paper, code = Controls.of("paper"), Controls.of("code")
    assert (paper.activation, paper.ranking.recency_weight > 0, paper.embed_on) == ("rule", True, "summary")
    assert (code.activation, code.ranking.recency_weight, code.embed_on, code.reorganiser.variant) == (
        "always",
        0.0,
        "text",
        "code",
    )


# ---------------------------------------------------------------------------------------------------- parts and models
def test_what_each_part_is_worth():
    question = "What is the code of my locker?"
    whole = dialogue(ControlledMemory(embedder=EMBEDDER)).prompt([], 400, tail=question).text
    assert "4417" in whole
    assert "roses" in whole
    dark = (
        dialogue(ControlledMemory(controls=without(Controls(), "activation"), embedder=EMBEDDER))
        .prompt([], 400, tail=question)
        .text
    )
    assert "4417" not in dark
    assert "roses" in dark
    late = (
        dialogue(ControlledMemory(controls=without(Controls(), "flash"), embedder=EMBEDDER)).prompt([], 400, tail=question).text
    )
    assert "4417" in late
    assert "roses" not in late


def test_a_model_decides_and_shortens_where_it_is_given():
    model = Scripted("(B) no")
    memory = dialogue(ControlledMemory(model=model, embedder=EMBEDDER))
    shown = memory.prompt([], 400, tail="What is the code of my locker?")
    assert RELATED not in shown.text
    assert len(model.asked) == 1
    memory.prompt([], 300, tail="What is the code of my locker?")
    assert len(model.asked) == 1  # decided once


def test_a_model_that_fails_costs_nothing():
    memory = ControlledMemory(model=Scripted(ModelError("gone")), embedder=EMBEDDER)
    dialogue(memory, long=150)
    shown = memory.prompt([], 400, tail="What is the code of my locker?")
    assert "4417" in shown.text
    assert memory.activation.controller.failed > 0
    assert len(memory.stream) == 15


def test_an_answer_that_is_no_summary_is_replaced_by_an_extract():
    shortener = ModelShortener(Scripted("", "x" * 5000, "It rained\nall day."))
    text = "The sea was grey. My berth is number 14."
    assert [shortener.one(text) for _ in range(3)] == ["My berth is number 14.", "My berth is number 14.", "It rained all day."]
    assert shortener.failed == 2


class Sink:
    def __init__(self):
        self.kept, self.closed = [], []

    def keep(self, step, title):
        self.kept.append((step, title))

    def close(self, outcome):
        self.closed.append(outcome)


def test_every_turn_goes_to_the_sink_as_it_was():
    sink = Sink()
    memory = ControlledMemory(embedder=EMBEDDER, sink=sink)
    steps = [Step.turn("It rains.", "I see."), Step.acted("look", "A hall.", subgoal="See")]
    for step in steps:
        memory.observe(step)
    memory.close_task("done")
    assert sink.kept == [(step, None) for step in steps]
    assert sink.closed == ["done"]
    assert memory.tools() == ()
    with pytest.raises(InputError, match="no tool 'look'"):
        memory.call("look", {})


# ----------------------------------------------------------------------------------------------------------- bad input
class Odd:
    name, dim, fingerprint, instant = "odd", 4, "odd", True

    def __init__(self, width=4, value=0.5):
        self.width, self.value = width, value

    def embed(self, texts, kind="document"):
        return np.full((len(texts), self.width), self.value, np.float32)


@pytest.mark.parametrize("step", [Step.turn("", "  "), Step.turn("\n", ""), Step((Message("user", " "),))])
def test_an_empty_turn_is_refused_and_nothing_kept(step):
    sink = Sink()
    memory = ControlledMemory(embedder=EMBEDDER, sink=sink)
    with pytest.raises(InputError, match="empty"):
        memory.observe(step)
    assert len(memory.stream) == 0
    assert sink.kept == []


@pytest.mark.parametrize(
    ("odd", "problem"), [(Odd(width=3), "shape"), (Odd(value=float("nan")), "NaN"), (Odd(value=float("inf")), "infinity")]
)
def test_a_bad_vector_is_refused_and_nothing_kept(odd, problem):
    sink = Sink()
    memory = ControlledMemory(embedder=odd, sink=sink)
    with pytest.raises(VectorError, match=problem):
        memory.observe(Step.turn("It rains.", "I see."))
    assert len(memory.stream) == memory.known.turns == 0
    assert sink.kept == []


def test_a_width_that_changes_is_refused_and_the_stream_stays():
    odd = Odd()
    memory = told(ControlledMemory(embedder=odd), "It rains.", "It snows.")
    odd.width = 5
    with pytest.raises(VectorError, match=r"\(1, 5\)"):
        memory.observe(Step.turn("It hails.", "I see."))
    with pytest.raises(VectorError, match=r"\(1, 5\)"):
        memory.prompt([], 300, tail="Did it rain or snow again?")
    assert len(memory.stream) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ranking(k=0), "k, the number"), (lambda: Ranking(k=True), "k, the number"), (lambda: Ranking(gamma=0.0), "gamma"), (lambda: Ranking(gamma=1.1), "gamma"),
        (lambda: Ranking(recency_weight=-1.0), "recency_weight"), (lambda: Ranking(recency_weight=float("nan")), "recency_weight"), (lambda: Ranking(pool=0), "pool"),
        (lambda: Controls(activation="llm"), "activation"), (lambda: Controls(judge="me"), "judge"), (lambda: Controls(flash_tokens=-1), "flash_tokens"),
        (lambda: Controls.of("book"), "variant"), (lambda: Reorganiser(item_tokens=0), "item_tokens"), (lambda: without(Controls(), "all"), "no part"),
        (lambda: ControlledMemory(controls=Controls(embed_on="all"), embedder=EMBEDDER), "embed_on"),
        (lambda: ControlledMemory(controls=Controls(judge="model"), embedder=EMBEDDER), "language model"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_an_unknown_language_and_a_blank_input_are_refused():
    with pytest.raises(ConfigError, match="klingon"):
        ControlledMemory(language="klingon", embedder=EMBEDDER)
    with pytest.raises(InputError, match="blank"):
        told(ControlledMemory(embedder=EMBEDDER), "It rains.").prompt([], 100, tail="  ")


@given(st.text(max_size=200), st.integers(0, 30))
def test_a_cut_text_keeps_to_its_tokens(text, tokens):
    assert WORDS.count(cut(text, tokens, WORDS)) <= tokens or not cut(text, tokens, WORDS)
    assert isinstance(Placed(turn(1, 2, 1), "raw", text).text, str)
