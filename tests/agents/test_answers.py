"""Blocks of YAML or JSON in a model's answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.agents.answers import fields_of, truth_of

PLAN = {"subgoal": "get the cup", "action plan": ["go('a', 'b')", "open('a', 'c')"]}


@pytest.mark.parametrize(
    "text",
    [
        "1. I think.\n```yaml\nSubgoal: get the cup\nAction Plan:\n  - go('a', 'b')\n  - open('a', 'c')\n```",
        "```\nSubgoal: 'get the cup'\nAction_Plan:\n- \"go('a', 'b')\"\n- open('a', 'c')",
        "Subgoal: get\n  the cup\nAction Plan: [go('a', 'b'), open('a', 'c')]",
        "Subgoal: get the cup\nAction Plan:\n1. go('a', 'b')\n2) open('a', 'c')",
        'So:\n```json\n{"Subgoal": "get the cup", "Action Plan": ["go(\'a\', \'b\')", "open(\'a\', \'c\')"]}\n```',
        "```yaml\nSubgoal: other\n```\nNo:\n```yaml\nSubgoal: get the cup\nAction Plan:\n- go('a', 'b')\n- open('a', 'c')\n```",
    ],
)
def test_a_plan_is_read_from_what_models_write(text):
    assert fields_of(text) == PLAN


@pytest.mark.parametrize(
    ("value", "said"),
    [(True, True), ("True", True), ("'False'", False), ('"False".', False), ("FALSE", False), ("no", False), (False, False),
     (" yes ", True), ("maybe", None), ("", None), ("True or False", None), (None, None)],
)  # fmt: skip
def test_a_quoted_false_is_no_yes(value, said):
    assert truth_of(value) is said


def test_a_value_that_reads_none_is_kept_and_an_empty_one_is_empty():
    assert fields_of("Feedback: None\nSubgoal:") == {"feedback": "None", "subgoal": ""}


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    for name, value in fields_of(text).items():
        assert name == name.lower()
        assert isinstance(value, (str, list))
