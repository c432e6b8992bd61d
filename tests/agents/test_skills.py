"""Calls are read against the pool, never evaluated; skills are what functions say of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.agents.skills import Call, SkillPool
from lamina.errors import InputError

NAMES = {"robot": ["robot_1", "robot_2"], "place": ["table", "oven"]}


def go_to(robot, place):
    """Moves a robot.

    :param robot: who moves
    :param place: where to
    """
    raise AssertionError("a skill is documented, not run")


def wait():
    """Does nothing for a while."""


POOL = SkillPool([go_to, wait])


def test_a_function_in_the_pool_is_a_skill():
    assert (
        POOL.text
        == "go_to(robot, place): Moves a robot.\n  robot: who moves\n  place: where to\nwait(): Does nothing for a while."
    )


@pytest.mark.parametrize(
    "text",
    [
        "go_to('robot_1', 'oven')",
        'go_to("robot_1", place="oven")',
        "go_to(robot_1, oven)",
        " go_to(place='oven', robot='robot_1') ",
        "`go_to('robot_1', 'oven')`",
        "go_to('robot_1', 'oven');",
    ],
)
def test_a_call_may_be_written_in_several_ways(text):
    assert POOL.read(text, NAMES) == Call("go_to", ("robot_1", "oven"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fly('robot_1')", "'fly' is not a skill: use one of go_to, wait"),
        ("go_to('robot_1', 'moon')", "has no place 'moon': use one of table, oven"),
        ("go_to('robot_1')", "takes \\(robot, place\\)"),
        ("go_to('robot_1', 'oven', 'oven')", "takes"),
        ("go_to('robot_1', robot='robot_1', place='oven')", "takes"),
        ("go_to(**x)", "name each argument once"),
        ("go_to(1, 2)", "names in quotes"),
        ("go_to('robot_1', open('/etc/passwd').read())", "names in quotes"),
        ("__import__('os').system('touch /tmp/x')", "not a call of a skill"),
        ("(lambda: 1)()", "not a call of a skill"),
        ("go_to", "not a call"),
        ("go to the oven", "not a call"),
        ("", "not a call"),
        ("go_to('a\\n', 'b')", "no backslash"),
        ("wait(" + "(" * 600, "at most 500 characters"),
        ("wait(" + "(" * 300, "not a call"),
    ],
)
def test_anything_else_is_refused(text, told):
    with pytest.raises(InputError, match=told):
        POOL.read(text, NAMES)


@given(st.text(max_size=80))
def test_no_text_does_more_than_be_read_or_refused(text):
    try:
        assert POOL.read(text, NAMES).skill in POOL.skills
    except InputError:
        pass


@given(st.sampled_from(NAMES["robot"]), st.sampled_from(NAMES["place"]))
def test_a_call_reads_back_as_it_is_written(robot, place):
    call = Call("go_to", (robot, place))
    assert POOL.read(call.text, NAMES) == call


def test_functions_that_say_nothing_of_themselves_are_refused():
    def silent(robot):
        pass

    def many(*robots):
        """Moves all."""

    with pytest.raises(InputError, match="needs a name and a docstring"):
        SkillPool([silent])
    with pytest.raises(InputError, match="plain parameters"):
        SkillPool([many])
    with pytest.raises(InputError, match="two skills"):
        SkillPool([wait, wait])
