"""A context repeats nothing that the prompt holds already, and spends the room on what it does not say."""

from __future__ import annotations

import pytest

from lamina import Memory
from lamina.errors import InputError
from lamina.recall.repeats import PART


def test_what_is_shown_makes_room_for_what_is_not() -> None:
    with Memory(":memory:") as memory:
        said = [f"Clara lives in Braga, said on day {day}." for day in range(150)]
        memory.add([{"role": "user", "content": text} for text in said], session="now")
        memory.add("Clara lives in Braga near the river.", session="before")
        recall = memory.context("where does Clara live?", budget=200, k=3, shown=said)
        assert [hit.text for hit in recall.hits] == ["Clara lives in Braga near the river."]


def test_a_piece_of_a_long_text_that_is_shown_is_not_repeated_and_a_short_one_is_no_piece() -> None:
    with Memory(":memory:") as memory:
        long = "The log of the zeppelin is quiet. " * (PART // 20)
        memory.add([long, "the zeppelin"], session="s")
        recall = memory.context("zeppelin", budget=400, shown=[f"Here it is: {long} So much for the zeppelin."])
        assert [hit.text for hit in recall.hits] == ["the zeppelin"]


def test_nothing_is_left_out_where_nothing_is_shown_and_one_text_is_no_list() -> None:
    with Memory(":memory:") as memory:
        memory.add("Clara lives in Braga.")
        assert "Braga" in memory.context("Clara", shown=[]).text
        assert "Braga" in memory.context("Clara", shown=["Braga"]).text
        assert memory.context("Clara", shown=[" Clara lives in Braga. "]).text == ""
        with pytest.raises(InputError, match="list of texts"):
            memory.context("Clara", shown="Clara lives in Braga.")
