from __future__ import annotations

import pytest

from lamina.agents.loop_breaker import LoopBreaker
from lamina.models import Message, ToolCall


def turn(word: str, place: str = "", id: str = "a") -> list[Message]:
    call = ToolCall(id, "run_file", f'{{"path": "{word}"}}')
    return [Message("assistant", "", (call,)), Message("tool", f"{word} in {place} took 0.31s", tool_call_id=id)]


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_circles_up_to_four_turns_raise_the_temperature(length: int) -> None:
    breaker = LoopBreaker()
    heat = [breaker.observe(turn(str(n % length))) for n in range(2 * length)]
    assert heat == [0.0] * (2 * length - 1) + [0.4]
    assert breaker.broken == 1


def test_what_differs_by_chance_does_not_hide_a_circle() -> None:
    breaker = LoopBreaker()
    breaker.observe(turn("a", "/tmp/lamina-run-x1y2/work", "one"))
    assert (
        breaker.observe(
            [
                Message("assistant", "", turn("a", id="two")[0].tool_calls),
                Message("tool", "a in /tmp/lamina-run-q9/work took 2.05s", tool_call_id="two"),
            ]
        )
        == 0.4
    )


def test_other_turns_cool_down_and_the_heat_has_a_limit() -> None:
    breaker = LoopBreaker()
    for _ in range(6):
        breaker.observe(turn("a"))
    assert breaker.temperature == 1.0
    cooled = [breaker.observe(turn(str(n))) for n in range(12)]
    assert cooled[:3] == [0.9, 0.8, 0.7]
    assert cooled[-1] == 0.0


def test_turns_that_only_look_alike_are_no_circle() -> None:
    breaker = LoopBreaker()
    assert all(breaker.observe(turn(word)) == 0 for word in ("a", "b", "a", "c", "a", "b", "d"))
