from __future__ import annotations

import pytest

from lamina import Memory
from lamina.agents.remembering import Experience
from lamina.errors import InputError
from lamina.models import Message, ToolCall
from lamina.models.tokens import WordLlamaTokens
from lamina.working.steps import Step
from lamina.working.subgoals import SubgoalMemory


@pytest.fixture
def memory():
    with Memory(":memory:") as made:
        yield made


def played(memory: Memory, world: str, session: str, *places: str) -> SubgoalMemory:
    sink = Experience(memory).sink(world, f"Look at {', '.join(places)}", session)
    working = SubgoalMemory(sink=sink)
    working.observe(Step.observed("You are in the hall."))
    for place in places:
        working.observe(
            Step.acted(f"go to the {place}", f"You are in the {place}. You see: {place} key.", subgoal=f"See the {place}")
        )
    working.close_task("The goal was reached.")
    return working


def test_steps_become_traces_of_a_session_and_the_task_an_episode(memory):
    played(memory, "house", "task 1", "kitchen", "loft")
    traces = memory.get_all(kinds=["trace"], scope="*").items
    assert [(one.role, one.text) for one in traces] == [
        ("tool", "Observation: You are in the hall."),
        ("assistant", "Action: go to the kitchen"),
        ("tool", "Observation: You are in the kitchen. You see: kitchen key."),
        ("assistant", "See the kitchen: You are in the kitchen. You see: kitchen key."),
        ("assistant", "Action: go to the loft"),
        ("tool", "Observation: You are in the loft. You see: loft key."),
        ("assistant", "See the loft: You are in the loft. You see: loft key."),
        ("assistant", "Task: Look at kitchen, loft The goal was reached."),
    ]
    assert {one.session for one in traces} == {"task 1"}
    assert {one.place for one in traces} == {"house"}
    assert [one.metadata.get("subgoal") for one in traces[:3]] == [None, "See the kitchen", "See the kitchen"]
    episodes = memory.get_all(kinds=["episode"], scope="*").items
    assert episodes
    assert {trace.id for episode in episodes for trace in memory.zoom(episode.id)} == {one.id for one in traces}


def test_what_is_known_is_of_this_world_and_agent_and_within_its_share(memory):
    played(memory, "house", "task 1", "kitchen", "loft", "cellar")
    played(memory, "barn", "task 2", "kitchen")
    experience = Experience(memory)
    known = experience.known("house", "Find the loft key", 400)
    assert "You see: loft key." in known
    assert WordLlamaTokens().count(known) <= 100
    assert WordLlamaTokens().count(experience.known("house", "Find the loft key", 2000)) <= 500
    assert "Action:" not in known
    assert experience.known("shed", "Find the loft key", 400) == ""
    assert Experience(memory, agent="other").known("house", "Find the loft key", 400) == ""
    assert Experience(memory, share=0).known("house", "Find the loft key", 400) == ""


def test_what_came_of_subgoals_is_recalled_before_single_steps(memory):
    played(memory, "house", "task 1", "kitchen", "loft", "cellar")
    lines, _, steps = Experience(memory).known("house", "Find the loft key", 2000).partition("</recalled-memory>")
    assert "See the loft: You are in the loft." in lines
    assert "Observation: " not in lines
    assert "Observation: You are in the loft." in steps


def test_each_task_has_a_session_of_its_own_and_shares_are_checked(memory):
    played(memory, "house", "task 1", "kitchen")
    with pytest.raises(InputError, match="'task 1' in this memory already"):
        Experience(memory).sink("house", "again", "task 1")
    for share in (1.0, -0.1, True, "half", float("nan")):
        with pytest.raises(InputError, match="share"):
            Experience(memory, share=share)


def test_calls_of_tools_and_their_results_are_kept(memory):
    sink = Experience(memory).sink("desk", "", "task 1")
    call = ToolCall("c1", "look", '{"at": "door"}')
    sink.keep(Step((Message("assistant", "", (call,)), Message("tool", "It is shut.", tool_call_id="c1"))), None)
    called, result = memory.get_all(kinds=["trace"], scope="*").items
    assert called.text == 'look({"at": "door"})'
    assert called.data["tool_calls"] == [{"id": "c1", "name": "look", "arguments": '{"at": "door"}'}]
    assert (result.role, result.text, result.data["tool_call_id"]) == ("tool", "It is shut.", "c1")
