"""A program of instructions and what it has made: all that a stored-program machine keeps between two instructions.

Source: S. Holt, M. Ruiz Luyten, M. van der Schaar, L2MAC: Large Language Model Automatic Computer for Extensive Code Generation (2023).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from lamina.errors import InputError
from lamina.working.files import Access, AccessKind, FileStore, write_whole
from lamina.working.paths import STATE

Status = Literal["waiting", "running", "done", "failed"]

MOST: Final = 200  # instructions of a program
LONGEST: Final = 20_000  # characters of an instruction
_VERSION: Final = 1


@dataclass(slots=True)
class Instruction:
    """One instruction and how it went. `summary`: what the next one is told; `calls` of the model; `restarts` because the context was
    full; `writes` of files; `outcome` of the last check; `unproved`: it was called complete though nothing showed that it is;
    `began`: the digest of the files before it."""

    text: str
    status: Status = "waiting"
    summary: str = ""
    calls: int = 0
    restarts: int = 0
    writes: int = 0
    outcome: str = ""
    unproved: bool = False
    began: str = ""


class InstructionRegistry:
    """The instructions of a program and the one that is next.

    >>> registry = InstructionRegistry(["Write the store.", "Write the shop."])
    >>> registry.finish("The store is in store.py.")
    >>> registry.next().text, registry.summary
    ('Write the shop.', 'The store is in store.py.')
    """

    def __init__(self, instructions: Iterable[str] = ()) -> None:
        self._instructions: list[Instruction] = []
        self._at = 0
        for text in instructions:
            self.append(text)

    def __len__(self) -> int:
        return len(self._instructions)

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self._instructions)

    @property
    def at(self) -> int:
        """The place of the next instruction, from 0; the number of instructions where all are done."""
        return self._at

    @property
    def summary(self) -> str:
        """What the instruction before the next one handed on; empty before the first."""
        return self._instructions[self._at - 1].summary if self._at else ""

    def append(self, text: str) -> Instruction:
        """Add an instruction at the end. Raises `InputError` for one that is empty or too long, and where there are too many."""
        if not isinstance(text, str) or not text.strip():
            raise InputError("an instruction must have words")
        if len(text) > LONGEST:
            raise InputError(f"an instruction has at most {LONGEST:,} characters, not {len(text):,}")
        if len(self._instructions) >= MOST:
            raise InputError(f"a program has at most {MOST} instructions")
        self._instructions.append(Instruction(text.strip()))
        return self._instructions[-1]

    def next(self) -> Instruction | None:
        """The next instruction; None where all are done."""
        return self._instructions[self._at] if self._at < len(self._instructions) else None

    def finish(self, summary: str) -> None:
        """The next instruction is done; what it hands on. Raises `InputError` where there is none, and for an empty summary."""
        instruction = self._current()
        if not summary.strip():
            raise InputError("an instruction hands on a summary with words: it is all that the next one is told")
        instruction.status, instruction.summary = "done", summary.strip()
        self._at += 1

    def fail(self) -> None:
        """The next instruction could not be done; it stays the next one."""
        self._current().status = "failed"

    def jump(self, place: int) -> None:
        """Go to an instruction, forwards or back: it and those after it wait again. Raises `InputError` where there is none."""
        if not 0 <= place < len(self._instructions):
            raise InputError(f"there is no instruction {place}: the program has 0 to {len(self._instructions) - 1}")
        for instruction in self._instructions[place:]:
            instruction.status = "waiting"
        self._at = place

    def _current(self) -> Instruction:
        found = self.next()
        if found is None:
            raise InputError("all instructions of the program are done")
        return found


@dataclass(slots=True)
class Spent:
    """What a program has cost: calls of the model, tokens of prompts and answers, the largest prompt."""

    calls: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    largest_prompt: int = 0


@dataclass(slots=True)
class StoredProgram:
    """A task, its instructions, its files, and what it has cost. It lies in one folder and can be taken up again from there.

    Parameters: `task`; `store`; `registry`; `spent`.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> program = StoredProgram.open(folder, "Write a shop.")
    >>> _ = program.registry.append("Write the cart.")
    >>> program.save()
    >>> StoredProgram.open(folder).registry.next().text
    'Write the cart.'
    """

    task: str
    store: FileStore
    registry: InstructionRegistry = field(default_factory=InstructionRegistry)
    spent: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or not self.task.strip():
            raise InputError("a task must say what is to be made")

    @classmethod
    def open(cls, folder: str | Path, task: str | None = None, **limits: int) -> StoredProgram:
        """The program in a folder, or a new one for `task`. `limits` are those of `FileStore`.

        Raises `InputError` where the folder has a program for another task, where it has none and no task is given, and for notes
        that cannot be read.
        """
        store = FileStore(folder, **limits)
        notes = store.root / STATE / "program.json"
        if not notes.is_file():
            if task is None:
                raise InputError(f"there is no program in {store.root}: give a task")
            return cls(task, store)
        try:
            program = _read(json.loads(notes.read_text(encoding="utf-8")), store)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"the notes of the program in {notes} cannot be read ({error!r}): delete them to begin anew"
            ) from None
        if task is not None and task.strip() != program.task.strip():
            raise InputError(f"{store.root} has a program for another task ({program.task[:60]!r}…): name another folder")
        return program

    @property
    def finished(self) -> bool:
        """Whether there are instructions and all of them are done."""
        return len(self.registry) > 0 and self.registry.next() is None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While inside, no other process works on this folder. Raises `InputError` where one does."""
        import fcntl

        state = self.store.root / STATE
        state.mkdir(exist_ok=True)
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise InputError(f"another run is at work in {self.store.root}: wait for it, or name another folder") from None
        try:
            yield
        finally:
            os.close(lock)

    def save(self) -> None:
        """Write the notes into the folder, in one step."""
        told = {
            "version": _VERSION,
            "task": self.task,
            "at": self.registry.at,
            "instructions": [asdict(one) for one in self.registry],
            "spent": asdict(self.spent),
            "accesses": [[one.step, one.path, one.kind] for one in self.store.accesses],
        }
        write_whole(self.store.root / STATE / "program.json", json.dumps(told, ensure_ascii=False, indent=1))


def _read(told: Any, store: FileStore) -> StoredProgram:
    """A program from its notes, which may be any JSON; raises what reading wrong ones raises."""
    if told["version"] != _VERSION:
        raise ValueError(f"version {told['version']!r}")
    registry = InstructionRegistry(one["text"] for one in told["instructions"])
    for instruction, one in zip(registry, told["instructions"], strict=True):
        for name, value in one.items():
            if not isinstance(value, type(getattr(instruction, name))):
                raise TypeError(f"{name} is {value!r}")
            setattr(instruction, name, value)
        if instruction.status not in get_args(Status):
            raise ValueError(f"status {instruction.status!r}")
    if not 0 <= told["at"] <= len(registry):
        raise ValueError(f"at {told['at']!r}")
    registry._at = told["at"]
    if not all(kind in get_args(AccessKind) for _, _, kind in told["accesses"]):
        raise ValueError("an access of another kind")
    store.accesses = [Access(int(step), str(path), kind) for step, path, kind in told["accesses"]]
    return StoredProgram(told["task"], store, registry, Spent(**told["spent"]))
