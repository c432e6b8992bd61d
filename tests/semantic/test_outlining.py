"""Outlines of long traces as notes: made once, in step with what they were made of."""

from __future__ import annotations

from typing import Any

import pytest

from lamina import Memory
from lamina.bench.outline import Passages
from lamina.bench.ranking.embedders import static
from lamina.errors import Cancelled, InputError
from lamina.records import Run
from lamina.semantic.outline import Outliner
from lamina.semantic.outlining import RULES, OutlineConsolidator, outline_of
from lamina.text import sentences
from tests.semantic.language import Scripted, failing

SCOPE = "/ana"
STAGE = OutlineConsolidator(Outliner(static()), least=300)
LONG = [one.text for one in Passages(interleaved=False).made(4)]


def run(memory: Memory, stage: OutlineConsolidator = STAGE, force: bool = False) -> Any:
    return stage.consolidate(memory.store, SCOPE, Run(), force)


def picture(memory: Memory) -> dict[str, Any]:
    found = {}
    for note in STAGE.notes(memory.store, SCOPE):
        cited = memory.store.items.by_key([edge.dst for edge in memory.store.edges.out([note.key], ["cites"])])
        found[note.id] = (note.text, dict(note.data), note.status, [one.text for one in cited.values()])
    return found


def test_long_traces_have_a_note_that_cites_them_and_short_ones_none() -> None:
    with Memory(":memory:") as memory:
        memory.add([*LONG[:2], "Short."], user="ana", session="s")
        assert run(memory).made == 2
        assert sorted(cited[0] for *_, cited in picture(memory).values()) == sorted(LONG[:2])
        note = next(note for note in STAGE.notes(memory.store, SCOPE) if picture(memory)[note.id][3] == [LONG[0]])
        assert list(outline_of(note).descriptions) == sentences(LONG[0])
        assert note.text == outline_of(note).text(3, 1)
        assert memory.doctor() == []
        before = picture(memory)
        assert run(memory).read == 0
        run(memory, force=True)
        assert picture(memory) == before


def test_what_is_added_deleted_forgotten_and_corrected_is_followed() -> None:
    with Memory(":memory:") as memory:
        ids = memory.add(LONG[:3], user="ana", session="s")
        run(memory)
        memory.delete(ids[0])
        memory.forget(ids[1])
        new = memory.update(ids[2], LONG[3])
        run(memory)
        assert [cited for *_, cited in picture(memory).values()] == [[LONG[3]]]
        after = picture(memory)
        run(memory, force=True)
        assert picture(memory) == after
        memory.restore(ids[1])
        run(memory)
        assert sorted(cited[0] for *_, cited in picture(memory).values()) == sorted([LONG[1], LONG[3]])
        memory.delete(new)
        run(memory)
        assert not any(LONG[3] in str(one) for one in picture(memory).values())


def test_a_model_that_fails_is_asked_again_when_its_session_goes_on() -> None:
    with Memory(":memory:") as memory:
        memory.add(LONG[0], user="ana", session="s")
        run(memory, OutlineConsolidator(Outliner(static(), Scripted(failing)), least=300))
        assert [data["by"] for _, data, *_ in picture(memory).values()] == [RULES]
        answer = "```\nall of it\n```\n```\n1. One\n    1.1. A thing.\n```"
        good = OutlineConsolidator(Outliner(static(), Scripted(lambda messages: answer, "good")), least=300)
        memory.add("More.", user="ana", session="s")
        run(memory, good)
        assert [(data["by"], data["scope"]) for _, data, *_ in picture(memory).values()] == [("good", "all of it")]
        memory.add("Still more.", user="ana", session="s")
        run(memory)  # without the model: its words stay
        assert [data["by"] for _, data, *_ in picture(memory).values()] == ["good"]


def test_a_cancelled_run_can_be_run_again_and_wrong_values_are_refused() -> None:
    with Memory(":memory:") as memory:
        ids = memory.add(LONG, user="ana", session="s")
        asked = iter([False, False, True])
        with pytest.raises(Cancelled):
            STAGE.consolidate(memory.store, SCOPE, Run(cancelled=lambda: next(asked)))
        assert len(picture(memory)) == 2
        run(memory)
        assert len(picture(memory)) == 4
        for wrong in (
            lambda: OutlineConsolidator(Outliner(static()), least=0), lambda: OutlineConsolidator(Outliner(static()), head=9),
            lambda: outline_of(memory.store.items.get(ids)[0]),  # type: ignore[arg-type]
        ):  # fmt: skip
            with pytest.raises(InputError):
                wrong()
