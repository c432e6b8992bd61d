from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import BudgetError, InputError, NotFoundError
from lamina.models import CallableTokens, Message, ToolCall
from lamina.models.protocols import check_tools
from lamina.working.chunks import ChunkLog
from lamina.working.history import FullHistory, SlidingWindow, SummaryBuffer
from lamina.working.steps import Step, prompt_tokens

WORDS = CallableTokens(lambda text: len(text.split()))
HEAD = [Message("system", "You act in a house."), Message("user", "Goal: find the key.")]


def calling(number: int, text: str = "done") -> Step:
    calls = (ToolCall(f"a{number}", "look", '{"at": "door"}'), ToolCall(f"b{number}", "wait", "{}"))
    results = [Message("tool", text, tool_call_id=call.id) for call in reversed(calls)]
    return Step((Message("assistant", "I look.", calls), *results))


def filled(form: str, chunks: int = 4, steps: int = 3, counter=None) -> ChunkLog:
    log = ChunkLog(form=form, counter=counter)
    log.append(Step.observed("You are in a hall."))
    for chunk in range(1, chunks + 1):
        log.open(f"Search room {chunk}")
        for step in range(steps):
            log.append(Step.acted(f"open drawer {step} of room {chunk}", f"Drawer {step} of room {chunk} holds nothing of use."))
        log.fold(f"room {chunk} is empty")
    return log


@pytest.mark.parametrize("form", ["text", "chat"])
def test_finished_chunks_are_two_lines_and_the_current_one_is_whole(form):
    shown = filled(form).render(1000, head=HEAD)
    assert "1 Subgoal: Search room 1\nObservation: room 1 is empty" in shown.text
    assert "open drawer 0 of room 3" not in shown.text
    assert all(f"open drawer {step} of room 4" in shown.text for step in range(3))
    assert shown.text.count("Subgoal:") == 4
    assert (shown.hidden_chunks, shown.hidden_steps) == (0, 0)
    assert [block.state for block in shown.blocks] == ["open", "folded", "folded", "folded", "current"]


@pytest.mark.parametrize("form", ["text", "chat"])
def test_what_is_asked_for_is_shown_whole(form):
    shown = filled(form).render(1000, head=HEAD, opened=[2])
    assert all(f"open drawer {step} of room 2" in shown.text for step in range(3))
    assert "room 2 is empty" not in shown.text
    assert "room 3 is empty" in shown.text


def test_things_go_in_the_stated_order():
    log = filled("text", chunks=6)
    seen = []
    for budget in range(400, 40, -1):
        try:
            shown = log.render(budget, head=HEAD, opened=[3])
        except BudgetError:
            break
        assert shown.tokens <= budget
        states = {block.chunk.id: block.state for block in shown.blocks}
        seen.append(
            (
                sorted(one for one, state in states.items() if state == "folded"),
                states.get(3),
                0 in states,
                len(shown.blocks[-1].steps),
            )
        )
    seen = list(dict.fromkeys((tuple(folded), third, begins, steps) for folded, third, begins, steps in seen))
    assert seen[0] == ((1, 2, 4, 5), "open", True, 3)
    assert ((2, 4, 5), "open", True, 3) in seen  # the oldest folded chunk goes first
    assert seen[-1] == ((), None, False, 1)  # only the last step is left
    assert seen.index(((4, 5), "open", True, 3)) < seen.index(((5,), "open", True, 3))
    steps = [one[3] for one in seen]
    assert steps == sorted(steps, reverse=True)
    assert all(not one[0] and not one[2] for one in seen if one[3] < 3)  # all else goes before a step of the current chunk


def test_a_last_step_that_is_too_long_is_cut_in_the_middle_and_stays_whole_in_the_log():
    log = ChunkLog(form="chat")
    long = "start " + "word " * 5000 + "end"
    log.append(Step.acted("read", long))
    shown = log.render(200, head=HEAD)
    assert shown.tokens <= 200
    assert "[…]" in shown.text
    assert "Observation: start" in shown.text
    assert shown.text.endswith("end")
    assert log.unfold(0)[1].content == f"Observation: {long}"


def test_long_arguments_are_cut_last_and_stay_json():
    log = ChunkLog()
    call = ToolCall("a", "write", '{"text": "' + "word " * 3000 + '"}')
    log.append(Step((Message("assistant", "", (call,)), Message("tool", "written", tool_call_id="a"))))
    shown = log.render(120, head=HEAD)
    assert shown.messages[-2].tool_calls[0].arguments == '{"cut": "15012 characters"}'
    assert shown.tokens <= 120


@pytest.mark.parametrize("form", ["text", "chat"])
def test_a_head_over_the_budget_is_refused_with_both_counts(form):
    log = filled(form)
    with pytest.raises(BudgetError, match=r"take \d+ tokens .* a budget of 30"):
        log.render(30, head=[Message("system", "word " * 100)])


def test_numbers_of_chunks_stay_what_they_were():
    log = filled("text", chunks=8)
    shown = log.render(200, head=HEAD)
    assert shown.hidden_chunks > 0
    first = next(block.chunk for block in shown.blocks if block.state == "folded")
    assert f"{first.id} Subgoal: Search room {first.id}" in shown.text
    assert f"({shown.hidden_chunks} finished subgoal" in shown.text
    assert "room 1 " not in shown.text
    assert "open drawer 2 of room 1" in "".join(message.content for message in log.unfold(1))


def test_two_titles_in_a_row_and_empty_ones_are_refused():
    log = filled("text", chunks=1)
    log.open("Second")
    with pytest.raises(InputError, match="nothing was done for 'Second' yet"):
        log.open("Third")
    for wrong in ("", "  ", "two\nlines"):
        with pytest.raises(InputError, match="one line"):
            log.open(wrong)
    with pytest.raises(NotFoundError, match="there is no chunk 9"):
        log.unfold(9)
    with pytest.raises(InputError, match="form"):
        ChunkLog(form="poem")


def test_a_chunk_nobody_folded_keeps_its_last_observation():
    log = ChunkLog(form="text")
    log.open("First")
    log.append(Step.acted("look", "A red door.\nIt is shut."))
    log.open("Second")
    assert log.chunk(1).summary == "A red door. It is shut."


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Step(()),
        lambda: Step((Message("system", "x"),)),
        lambda: Step((Message("assistant", "", (ToolCall("a", "look", "{}"),)),)),
        lambda: Step((*calling(1).messages, Message("tool", "twice", tool_call_id="a1"))),
        lambda: Step.acted("a", "b", subgoal=" "),
        lambda: Step.acted("a", "b", subgoal="x\ny"),
    ],
)
def test_a_step_that_is_not_whole_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()


def test_the_sink_is_given_every_step_and_the_end():
    kept = []

    class Sink:
        def keep(self, step, title):
            kept.append((step, title))

        def close(self, outcome):
            kept.append(outcome)

    memory = FullHistory(sink=Sink())
    memory.observe(Step.observed("A hall."))
    memory.close_task("won")
    assert kept == [(Step.observed("A hall."), None), "won"]


def test_a_window_shows_its_last_steps_and_says_what_is_hidden():
    memory = SlidingWindow(2)
    for number in range(5):
        memory.observe(Step.acted(f"go {number}", f"room {number}"))
    shown = memory.prompt(HEAD, 500, tail="And now?")
    assert [one.content for one in shown.messages[2:]] == [
        "(3 steps hidden before this)",
        "Action: go 3",
        "Observation: room 3",
        "Action: go 4",
        "Observation: room 4",
        "And now?",
    ]
    with pytest.raises(InputError):
        SlidingWindow(0)


def test_a_summary_buffer_asks_for_each_step_once_and_keeps_its_size():
    asked: list[int] = []

    def shorten(summary: str, steps) -> str:
        asked.extend(int(step.action.split()[1]) for step in steps)
        return f"{len(asked)} steps so far"

    memory = SummaryBuffer(shorten, keep=120, form="text")
    for number in range(100):
        memory.observe(Step.acted(f"go {number}", f"You are in room {number} now, and it is dark."))
        shown = memory.prompt(HEAD, 400)
        assert f"Action: go {number}" in shown.text
        assert shown.tokens < 250
    assert asked == list(range(len(asked)))
    assert f"{len(asked)} steps so far" in shown.text
    assert f"Action: go {len(asked)}" in shown.text
    assert memory.prompt(HEAD, 60).tokens <= 60  # without room for the summary
    with pytest.raises(InputError):
        SummaryBuffer(keep=0)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
acts = st.tuples(st.sampled_from(["act", "call", "title", "fold"]), texts)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(acts, max_size=30),
    st.sampled_from(["text", "chat"]),
    st.integers(0, 400),
    st.sets(st.integers(0, 12)),
    st.booleans(),
    texts,
)
def test_no_prompt_is_ever_over_its_budget_or_parts_a_result_from_its_call(done, form, budget, opened, folded, tail):
    log = ChunkLog(form=form)
    steps = []
    for number, (what, text) in enumerate(done):
        if what == "title" and (log.current.title is None or log.current.steps):
            log.open(f"Subgoal number {number}")
        elif what == "fold" and log.current.title is not None and text.strip():
            log.fold(text)
        else:
            step = calling(number, text) if what == "call" else Step.acted(text, text[::-1])
            steps.append(step)
            log.append(step)
    assert list(log.steps()) == steps  # all of it, verbatim
    assert [one for chunk in log.chunks for one in log.unfold(chunk.id)] == [one for step in steps for one in step.messages]
    try:
        shown = log.render(budget, head=HEAD, tail=tail, opened=opened, folded=folded)
    except BudgetError:
        assert budget < 150
        return
    assert shown.tokens == prompt_tokens(shown.messages, log.counter) <= budget
    check_tools(shown.messages, ())
    if steps and form == "chat":
        assert [one.role for one in steps[-1].messages] == [
            one.role for one in shown.messages[-len(steps[-1].messages) - bool(tail) :]
        ][: len(steps[-1].messages)] or folded


def test_a_step_costs_the_same_to_show_late_as_early():
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += 1
        return len(text.split())

    work = {}
    for steps in (100, 10_000):
        log = ChunkLog(form="chat", counter=CallableTokens(count))
        for number in range(steps):
            if number % 5 == 0:
                log.open(f"Subgoal {number}")
            log.append(Step.acted(f"go {number}", f"You are in room {number}."))
        counted = 0
        log.append(Step.acted("go on", "You are there."))
        log.render(300, head=HEAD)
        work[steps] = counted
    assert work[10_000] <= work[100] + 2
