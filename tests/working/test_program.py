"""Instructions and the notes of a program: what is next, what is kept, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.errors import InputError
from lamina.working.files import Access
from lamina.working.paths import STATE
from lamina.working.program import LONGEST, MOST, InstructionRegistry, StoredProgram


def test_instructions_are_done_in_order_and_hand_on_their_summary() -> None:
    registry = InstructionRegistry(["one", "two"])
    assert (registry.at, registry.summary) == (0, "")
    registry.finish("first is done")
    assert (registry.next().text, registry.summary) == ("two", "first is done")  # type: ignore[union-attr]
    registry.fail()
    assert [one.status for one in registry] == ["done", "failed"]
    registry.finish("all is done")
    assert registry.next() is None
    with pytest.raises(InputError, match="all instructions"):
        registry.finish("more")


def test_the_counter_can_jump(tmp_path: Path) -> None:
    registry = InstructionRegistry(["one", "two", "three"])
    for _ in range(3):
        registry.finish("done")
    registry.jump(1)
    assert [one.status for one in registry] == ["done", "waiting", "waiting"]
    assert registry.next().text == "two"  # type: ignore[union-attr]
    for place in (-1, 3):
        with pytest.raises(InputError, match="there is no instruction"):
            registry.jump(place)


@pytest.mark.parametrize("text", ["", "  \n", "x" * (LONGEST + 1), None])
def test_instructions_that_say_nothing_or_too_much_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        InstructionRegistry([text])


def test_empty_summaries_and_too_many_instructions_are_refused() -> None:
    with pytest.raises(InputError, match="summary with words"):
        InstructionRegistry(["one"]).finish(" ")
    with pytest.raises(InputError, match="at most"):
        InstructionRegistry(["x"] * (MOST + 1))


def test_a_program_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    program = StoredProgram.open(tmp_path, "Write a shop.")
    for text in ("one", "two"):
        program.registry.append(text)
    program.store.step = 1
    program.store.change({"a.py": "x"})
    program.registry.next().calls = 4  # type: ignore[union-attr]
    program.registry.finish("a is there")
    program.spent.calls = 7
    program.save()
    again = StoredProgram.open(tmp_path, "Write a shop.")
    assert list(again.registry) == list(program.registry)
    assert (again.registry.at, again.registry.summary, again.spent) == (1, "a is there", program.spent)
    assert again.store.accesses == [Access(1, "a.py", "create")]
    assert not again.finished


def test_a_folder_with_another_task_is_left_alone(tmp_path: Path) -> None:
    StoredProgram.open(tmp_path, "Write a shop.").save()
    with pytest.raises(InputError, match="another task"):
        StoredProgram.open(tmp_path, "Write a book.")
    with pytest.raises(InputError, match="no program"):
        StoredProgram.open(tmp_path / "other")
    with pytest.raises(InputError, match="must say"):
        StoredProgram.open(tmp_path / "other", "  ")


@pytest.mark.parametrize(
    "broken",
    [
        "{", "[]", "{}", {"version": 2}, {"at": 5}, {"at": -1}, {"instructions": [{"text": ""}]}, {"instructions": [{"text": "x", "calls": "many"}]},
        {"instructions": [{"text": "x", "other": 1}]}, {"instructions": [{"text": "x", "status": "lost"}]}, {"spent": {"gold": 1}},
        {"accesses": [[1]]}, {"accesses": [[1, "a", "stolen"]]}, {"task": ""},
    ],
)  # fmt: skip
def test_notes_that_make_no_sense_are_refused(tmp_path: Path, broken: object) -> None:
    program = StoredProgram.open(tmp_path, "Write a shop.")
    program.save()
    notes = tmp_path / STATE / "program.json"
    told = json.loads(notes.read_text())
    notes.write_text(broken if isinstance(broken, str) else json.dumps({**told, **broken}))  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"cannot be read|must say"):
        StoredProgram.open(tmp_path)


def test_one_run_at_a_time_works_on_a_folder(tmp_path: Path) -> None:
    first, second = (StoredProgram.open(tmp_path, "Write.") for _ in range(2))
    with first.alone(), pytest.raises(InputError, match="another run"), second.alone():
        pass
    with second.alone():
        pass
