from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import BudgetError, InputError
from lamina.models import CallableTokens, Completion, Message, ToolCall
from lamina.models.protocols import check_tools
from lamina.working.folding import Extract, ModelSummary
from lamina.working.steps import Step, prompt_tokens
from lamina.working.subgoals import SubgoalMemory, asked_for

HEAD = [Message("system", "You act in a house."), Message("user", "Goal: find the key.")]


def searched(rooms: int = 3, drawers: int = 3, **settings) -> SubgoalMemory:
    memory = SubgoalMemory(**settings)
    memory.observe(Step.observed("You are in a hall."))
    for room in range(1, rooms + 1):
        for drawer in range(drawers):
            subgoal = f"Search room {room}" if drawer == 0 else None
            memory.observe(Step.acted(f"open drawer {drawer}", f"Drawer {drawer} of room {room} is empty.", subgoal=subgoal))
    return memory


def count_lines(subgoal, pairs):
    return f"{subgoal}: {len(pairs)} drawers, all empty"


class Scripted:
    """A model that gives these answers in turn; an exception among them is raised."""

    name = "scripted"

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
        self.seen.append(messages)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer)


def test_finished_subgoals_are_two_lines_and_the_current_one_is_whole():
    text = searched(summarise=count_lines).prompt(HEAD, 500).text
    assert text.splitlines()[4:] == [
        "Observation: You are in a hall.",
        "1 Subgoal: Search room 1",
        "Observation: Search room 1: 3 drawers, all empty",
        "2 Subgoal: Search room 2",
        "Observation: Search room 2: 3 drawers, all empty",
        "3 Subgoal: Search room 3",
        *(f"{label}" for n in range(3) for label in (f"Action: open drawer {n}", f"Observation: Drawer {n} of room 3 is empty.")),
    ]


def test_a_single_subgoal_is_shown_whole():
    memory = SubgoalMemory(count_lines)
    memory.observe(Step.acted("look", "A hall.", subgoal="See"))
    assert memory.prompt([], 100).text == "Subgoal: See\nAction: look\nObservation: A hall."


def test_a_summary_is_made_once_when_the_next_subgoal_begins():
    asked = []

    def summarise(subgoal, pairs):
        asked.append((subgoal, list(pairs)))
        return "empty"

    memory = searched(summarise=summarise)
    for _ in range(5):
        memory.prompt(HEAD, 500)
    assert [subgoal for subgoal, _ in asked] == ["Search room 1", "Search room 2"]
    assert asked[0][1] == [(f"open drawer {n}", f"Drawer {n} of room 1 is empty.") for n in range(3)]
    assert memory.summaries == 2
    code = searched(summarise=summarise, variant="code")
    for _ in range(5):
        code.prompt(HEAD, 500)
    assert code.summaries == 2 + 5 * 2  # the code in circulation asks again for every prompt


def test_where_each_observation_tells_the_state_the_last_one_is_the_line_and_nothing_is_asked():
    memory = searched(summarise=lambda *_: pytest.fail("nothing is to be asked"), fully_observable=True)
    assert "1 Subgoal: Search room 1\nObservation: Drawer 2 of room 1 is empty.\n2 " in memory.prompt(HEAD, 500).text


def test_turns_that_only_list_what_can_be_done_are_not_summarised():
    memory = SubgoalMemory(fully_observable=True)
    memory.observe(Step.acted("open the door", "It is open.", subgoal="Get out"))
    memory.observe(Step.acted("Check valid actions.", "Valid actions are: go."))
    memory.observe(Step.acted("go", "You are out.", subgoal="Go on"))
    assert memory.log.chunk(1).summary == "It is open."


@pytest.mark.parametrize("failing", [ValueError("no"), "", "  \n", "word " * 200])
def test_a_model_that_fails_loses_nothing(failing):
    memory = searched(summarise=Scripted(failing, "all empty"))
    assert memory.log.chunk(1).summary == "Drawer 0 of room 1 is empty. Drawer 1 of room 1 is empty. Drawer 2 of room 1 is empty."
    assert memory.log.chunk(2).summary == "all empty"
    assert len(memory.log.unfold(1)) == 6


def test_a_model_is_asked_for_one_line_and_only_its_first_is_taken():
    model = Scripted("Observation: the key is in drawer 2\nand more")
    assert ModelSummary(model)("Find the key", [("look", "A key!")]) == "the key is in drawer 2"
    assert "Action: look\nObservation: A key!" in model.seen[0][1].content


def test_words_of_the_observations_stand_in_for_a_summary():
    pairs = [("a", "First. Second."), ("b", "Second. Third one.")]
    assert Extract(words=3)("x", pairs) == "Second. Third one."
    assert Extract(words=40)("x", pairs) == "First. Second. Third one."
    assert Extract(words=2)("x", [("a", "five words are too many.")]) == "five words …"
    assert Extract()("x", [("a", "")]) == "nothing was observed"


def test_what_is_retrieved_is_shown_until_the_next_subgoal():
    memory = searched(summarise=count_lines)
    assert memory.call("retrieve", {"ids": [1]}) == "Shown in full until the next subgoal: 1."
    text = memory.prompt(HEAD, 500).text
    assert "Drawer 1 of room 1 is empty." in text
    assert "Drawer 1 of room 2 is empty." not in text
    memory.observe(Step.acted("wait", "You wait."))
    assert "Drawer 1 of room 1" in memory.prompt(HEAD, 500).text
    memory.observe(Step.acted("wait", "You wait.", subgoal="Rest"))
    assert "Drawer 1 of room 1" not in memory.prompt(HEAD, 500).text


def test_a_model_is_told_where_there_is_no_room_for_what_it_retrieved():
    memory = searched(rooms=2, drawers=40, summarise=count_lines)
    memory.begin("Rest")
    memory.call("retrieve", {"ids": [1]})
    shown = memory.prompt(HEAD, 300, tail="Action:")
    assert shown.tokens <= 300
    assert shown.text.endswith("(there is no room to show in full: 1)\nAction:")
    assert "no room" not in memory.prompt(HEAD, 3000).text


def test_what_is_retrieved_within_a_subgoal_just_begun_stays_for_its_first_step():
    memory = searched(summarise=count_lines)
    memory.call("begin_subgoal", {"subgoal": "Rest"})
    memory.call("retrieve", {"ids": "1, 3"})
    memory.observe(Step.acted("wait", "You wait.", subgoal="Rest"))
    text = memory.prompt(HEAD, 500).text
    assert "Drawer 1 of room 1" in text
    assert "Drawer 1 of room 3" in text
    assert text.count("4 Subgoal: Rest") == 1


@pytest.mark.parametrize("ids", [[0], [3], [9], [-1], [True], ["1"], [], None, {"a": 1}, 1.5, "one", [1, 7], 10**30])
def test_retrieving_what_is_no_finished_subgoal_is_refused_in_words(ids):
    memory = searched(summarise=count_lines)
    with pytest.raises(InputError, match=r"retriev"):
        memory.call("retrieve", {"ids": ids})
    assert not memory.opened
    code = searched(summarise=count_lines, variant="code")
    if isinstance(ids, list):
        code.call("retrieve", {"ids": ids})  # passed over in silence
        assert code.opened == ({1} if 1 in ids and ids != [True] else set())


def test_a_refusal_says_what_can_be_retrieved():
    with pytest.raises(InputError, match=r"7 cannot be retrieved.*finished are 1 to 2"):
        searched(summarise=count_lines).call("retrieve", {"ids": [1, 7]})
    with pytest.raises(InputError, match="none is finished yet"):
        SubgoalMemory().call("retrieve", {"ids": [1]})
    with pytest.raises(InputError, match="there is no tool 'dig'"):
        SubgoalMemory().call("dig", {})
    without = searched(retrieval=False)
    with pytest.raises(InputError, match="there is no tool 'retrieve'"):
        without.call("retrieve", {"ids": [1]})
    assert "retrieve" not in without.rules + str(without.tools())
    assert "retrieve" in SubgoalMemory().rules


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("retrieve(1, 2)", [1, 2]),
        ("Retrieve( 3 ).", [3]),
        ("retrieve([1,2])", [1, 2]),
        ("take key", None),
        ("retrieve the ball", None),
    ],
)
def test_retrievals_are_read_in_words(text, ids):
    assert asked_for(text) == ids


@pytest.mark.parametrize("text", ["retrieve()", "retrieve(all)", "retrieve(-1)", "retrieve(1.5)", "retrieve(²)"])
def test_retrievals_without_numbers_are_refused(text):
    with pytest.raises(InputError, match=r"write retrieve\(1, 2\)"):
        asked_for(text)


def test_two_subgoals_in_a_row_and_empty_ones_are_refused():
    memory = searched()
    memory.begin("Next")
    with pytest.raises(InputError, match="'Next' yet: two subgoals in a row"):
        memory.begin("Next but one")
    with pytest.raises(InputError, match="needs words"):
        memory.begin("  ")
    assert memory.log.current.title == "Next"
    for wrong in ({"variant": "book"}, {"speech": "song"}, {"summarise": 3}, {"form": "poem"}):
        with pytest.raises(InputError):
            SubgoalMemory(**wrong)


def test_the_current_subgoal_is_named_even_where_its_first_steps_are_hidden():
    for form in ("text", "chat"):
        memory = SubgoalMemory(form=form)
        for number in range(30):
            memory.observe(Step.acted(f"open drawer {number}", "It is empty.", subgoal=None if number else "Search all"))
        shown = memory.prompt(HEAD, 150)
        assert shown.hidden_steps > 10
        assert shown.text.count("Subgoal: Search all") == 1


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=120)
acts = st.tuples(st.sampled_from(["act", "act", "call", "subgoal", "begin", "retrieve"]), texts, st.integers(0, 9))


@settings(max_examples=150, deadline=None)
@given(st.lists(acts, max_size=30), st.sampled_from(["text", "chat"]), st.integers(40, 400), texts, st.booleans())
def test_no_prompt_is_over_its_budget_nothing_is_lost_and_results_stay_with_calls(done, form, budget, tail, full):
    memory = SubgoalMemory(form=form, fully_observable=full)
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
    assert {chunk.id: chunk.title for chunk in memory.log.chunks[1:]} == titles  # numbers stay
    unfolded = [message for chunk in memory.log.chunks for message in memory.log.unfold(chunk.id)]
    assert unfolded == [message for step in steps for message in step.messages]


def test_a_step_late_in_a_long_task_counts_no_more_text_than_an_early_one():
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text.split())

    work = {}
    for steps in (100, 10_000):
        memory = SubgoalMemory(count_lines, counter=CallableTokens(count), form="chat")
        for number in range(steps):
            memory.observe(Step.acted("go", f"You are in room {number}.", subgoal=f"Room {number}" if number % 5 == 0 else None))
        counted = 0
        memory.observe(Step.acted("go", "You are there."))
        memory.prompt(HEAD, 300)
        work[steps] = counted
    assert work[10_000] <= 1.15 * work[100]  # numbers have more digits
