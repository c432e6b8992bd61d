"""Nested folding: the oldest of what is folded becomes one block that says what is known after it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import BudgetError, InputError
from lamina.models import Completion, Message, ToolCall
from lamina.models.protocols import check_tools
from lamina.working.nesting import ExtractKnown, ModelKnown
from lamina.working.steps import Step, prompt_tokens
from lamina.working.subgoals import SubgoalMemory

HEAD = [Message("system", "You act in a house."), Message("user", "Goal: find the key.")]


class Condenser:
    """Tells each observation of which nothing was told yet, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    def __call__(self, before, subgoal, pairs):
        self.asked.append((before, subgoal, len(pairs)))
        return " ".join([before, *(seen for _, seen in pairs)]).strip()


class Scripted:
    name = "scripted"

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
        self.seen.append(messages)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer)


def searched(rooms: int = 4, drawers: int = 2, **more) -> SubgoalMemory:
    memory = SubgoalMemory(lambda subgoal, pairs: f"{subgoal}: nothing", **{"form": "text", **more})
    memory.observe(Step.observed("Hall."))
    for room in range(1, rooms + 1):
        for drawer in range(1, drawers + 1):
            memory.observe(Step.acted(f"open {drawer}", f"R{room}D{drawer}.", subgoal=f"Search {room}" if drawer == 1 else None))
    return memory


def body(memory: SubgoalMemory, budget: int = 2000) -> list[str]:
    return memory.prompt(HEAD, budget).messages[-1].content.splitlines()


def test_with_always_all_that_is_finished_is_one_block_and_the_current_subgoal_is_whole():
    assert body(searched(rooms=3, condense=Condenser(), always=True)) == [
        "(condensed: subgoals 1 to 2)",
        "Observation: Hall. R1D1. R1D2. R2D1. R2D2.",
        "3 Subgoal: Search 3",
        *(f"{line}" for n in (1, 2) for line in (f"Action: open {n}", f"Observation: R3D{n}.")),
    ]


def test_where_all_has_room_nothing_is_condensed_and_nothing_asked():
    condense = Condenser()
    plain, nested = searched(), searched(condense=condense)
    assert body(nested) == body(plain)
    assert condense.asked == []


def test_as_many_lines_as_have_room_stay_and_the_block_stands_for_the_rest():
    memory = searched(rooms=8, condense=lambda before, subgoal, pairs: "Nothing yet.")
    whole = memory.prompt(HEAD, 2000).tokens
    seen = set()
    for budget in range(whole, 80, -5):
        shown = memory.prompt(HEAD, budget)
        assert shown.tokens <= budget
        assert shown.hidden_chunks == shown.hidden_steps == 0  # the block stands for what has no line
        lines = [block.chunk.id for block in shown.blocks if block.state == "folded"]
        condensed = [block for block in shown.blocks if block.state == "condensed"]
        last = condensed[0].chunk.id if condensed else 0
        assert lines == list(range(last + 1, 8))[: len(lines)]
        seen.add(len(lines))
    assert len(seen) > 4


def test_each_text_is_made_once_from_the_one_before():
    condense = Condenser()
    memory = searched(rooms=3, condense=condense, always=True)
    for _ in range(3):
        memory.prompt(HEAD, 2000)
    known = ["Hall.", "Hall. R1D1. R1D2."]
    assert condense.asked == [("", "", 1), (known[0], "Search 1", 2), (known[1], "Search 2", 2)]
    memory.begin("Next")
    memory.prompt(HEAD, 2000)
    assert condense.asked[3:] == [("Hall. R1D1. R1D2. R2D1. R2D2.", "Search 3", 2)]
    assert memory.nesting.made == 4


def test_the_first_steps_of_a_long_subgoal_are_condensed_before_any_is_hidden():
    memory = searched(rooms=2, drawers=12, condense=lambda before, subgoal, pairs: "Nothing yet.")
    shown = memory.prompt(HEAD, 140)
    assert shown.tokens <= 140
    assert shown.hidden_steps == shown.hidden_chunks == 0
    block, now = shown.blocks
    assert (block.state, now.state, block.first) == ("condensed", "current", now.first)
    assert 0 < now.first < 12
    assert f"(condensed: subgoal 1 and {now.first} steps after)" in shown.text
    assert shown.text.count("Subgoal: Search 2") == 1


def test_condensing_within_a_subgoal_and_after_it_give_the_same_text():
    texts = []
    for budgets in ([2000], [130, 110, 2000]):
        condense = Condenser()
        memory = SubgoalMemory(condense=condense, always=True, form="text", recent=None)
        for number in range(9):
            memory.observe(Step.acted("open", f"D{number}.", subgoal=None if number else "Search"))
            for budget in budgets:
                memory.prompt(HEAD, budget)
        memory.begin("Next")
        texts.append(body(memory)[1])
        assert [pair for _, _, pair in condense.asked if pair == 0] == []
        assert sum(pairs for _, _, pairs in condense.asked) == 9  # no step twice
    assert texts[0] == texts[1] == "Observation: D0. D1. D2. D3. D4. D5. D6. D7. D8."


def test_of_a_long_subgoal_only_recent_steps_stay_where_that_is_wanted():
    memory = searched(rooms=1, drawers=1, condense=Condenser(), always=True, recent=4)
    counts = []
    for number in range(12):
        memory.observe(Step.acted(f"look {number}", "Dust."))
        counts.append(memory.prompt(HEAD, 2000).text.count("Action: "))
    assert max(counts) == 4
    assert min(counts[3:]) == 3


def test_a_block_that_is_too_long_loses_its_last_sentences():
    text = " ".join(f"Sentence number {n} of what is known." for n in range(40))
    memory = searched(rooms=2, condense=lambda before, subgoal, pairs: text, always=True)
    lengths = []
    for budget in (110, 150, 200):
        shown = memory.prompt(HEAD, budget)
        assert shown.tokens <= budget
        told = next(block.text for block in shown.blocks if block.state == "condensed").partition("Observation: ")[2]
        assert text.startswith(told)
        assert told.endswith("is known.")
        lengths.append(len(told))
    assert 0 < lengths[0] < lengths[1] < lengths[2] < len(text)


def test_what_was_condensed_can_be_retrieved_and_comes_before_what_is_told_of_later():
    memory = searched(rooms=4, condense=Condenser(), always=True)
    memory.call("retrieve", {"ids": [2]})
    lines = body(memory)
    assert lines[:3] == ["(condensed: subgoal 1)", "Observation: Hall. R1D1. R1D2.", "2 Subgoal: Search 2"]
    assert "Observation: R2D2." in lines
    assert "3 Subgoal: Search 3" in lines  # folded, since it comes later
    memory.begin("Next")
    assert body(memory)[0] == "(condensed: subgoals 1 to 4)"


def test_what_is_retrieved_without_room_is_said_and_the_block_stays():
    memory = searched(rooms=4, drawers=12, condense=lambda before, subgoal, pairs: "Nothing yet.")
    memory.call("retrieve", {"ids": [1, 2, 3]})
    shown = memory.prompt(HEAD, 220)
    assert "no room to show in full" in shown.text
    assert "(condensed: " in shown.text


def test_a_long_first_observation_is_condensed_before_any_subgoal():
    memory = SubgoalMemory(condense=lambda before, subgoal, pairs: "A hall.", form="text")
    memory.observe(Step.observed("There is dust on the floor. " * 40))
    assert body(memory, 100) == ["(condensed: the beginning)", "Observation: A hall."]
    assert "dust" in body(memory, 2000)[0]


@pytest.mark.parametrize("failing", [RuntimeError("down"), "", "word " * 500])
def test_a_model_that_fails_loses_nothing(failing):
    memory = searched(rooms=2, condense=Scripted(failing, failing), always=True)
    assert body(memory)[:2] == ["(condensed: subgoal 1)", "Observation: Hall. R1D1. R1D2."]


def test_a_model_is_shown_what_was_known_and_the_steps():
    model = Scripted("Observation: A hall with\ntwo doors.")
    assert ModelKnown(model)("A hall.", "Look", [("look", "Two doors.")]) == "A hall with two doors."
    asked = model.seen[0][-1].content
    assert "Known before:\n<recalled-memory>\nA hall.\n</recalled-memory>" in asked
    assert "Action: look\nObservation: Two doors." in asked


def test_words_of_observations_stand_in_the_newest_first_of_all():
    assert ExtractKnown(words=4)("Old one. Older two.", "s", [("a", "New three.")]) == "Older two. New three."


@pytest.mark.parametrize(
    "wrong", [{"condense": 3}, {"condense": Condenser(), "recent": 0}, {"condense": Condenser(), "recent": True}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError):
        SubgoalMemory(**wrong)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=120)
acts = st.tuples(st.sampled_from(["act", "act", "call", "subgoal", "begin", "retrieve"]), texts, st.integers(0, 9))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(acts, max_size=30),
    st.sampled_from(["text", "chat"]),
    st.integers(40, 400),
    texts,
    st.booleans(),
    st.sampled_from([None, 1, 3]),
)
def test_no_prompt_is_over_its_budget_nothing_is_lost_and_every_step_is_accounted_for(done, form, budget, tail, always, recent):
    condense = Condenser()
    memory = SubgoalMemory(condense=condense, always=always, recent=recent, form=form)
    steps, titles = [], {}
    for number, (what, text, one) in enumerate(done):
        try:
            if what == "retrieve":
                memory.call("retrieve", {"ids": [one]})
            elif what == "begin":
                titles[memory.begin(f"Begun {number}").id] = f"Begun {number}"
            else:
                subgoal = f"Subgoal {number}" if what == "subgoal" else None
                if what == "call":
                    call = ToolCall(f"c{number}", "look", '{"at": 1}')
                    step = Step((Message("assistant", text, (call,)), Message("tool", text[::-1], tool_call_id=call.id)))
                else:
                    step = Step.acted(text, text[::-1], subgoal=subgoal)
                memory.observe(step)
                steps.append(step)
                if subgoal:
                    titles[memory.log.current.id] = subgoal
        except InputError:
            continue
        try:
            shown = memory.prompt(HEAD, budget, tail=tail)
        except BudgetError:
            assert budget < 200
            continue
        assert shown.tokens == prompt_tokens(shown.messages, memory.log.counter) <= budget
        check_tools(shown.messages, ())
        ids = [block.chunk.id for block in shown.blocks]
        assert ids == sorted(ids)
        assert sum(block.state == "condensed" for block in shown.blocks) <= 1
        assert shown.hidden_steps >= 0
    assert {chunk.id: chunk.title for chunk in memory.log.chunks[1:]} == titles  # numbers stay
    unfolded = [message for chunk in memory.log.chunks for message in memory.log.unfold(chunk.id)]
    assert unfolded == [message for step in steps for message in step.messages]
    assert sum(pairs for _, _, pairs in condense.asked) <= 2 * len(steps)
