"""The systems that the benchmark of programs compares: the machine, the same processor in one context, a store that is only appended to."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lamina.agents import program_prompts as prompts
from lamina.agents import scripted_code as code
from lamina.agents.control_unit import ControlUnit
from lamina.agents.evaluators import PythonEvaluator
from lamina.agents.program_budget import Budget, Report
from lamina.agents.program_tools import COMPLETE, DONE, VIEW, WRITE
from lamina.agents.scripted_processor import ScriptedProcessor
from lamina.models.protocols import Completion, Message, Tool, ToolCall, ToolModel
from lamina.models.tokens import WordLlamaTokens
from lamina.working.chunks import ChunkLog
from lamina.working.files import Difference, FileStore, Snapshot
from lamina.working.program import InstructionRegistry, StoredProgram
from lamina.working.steps import Step

MARGIN: Final = 250  # tokens free for a note; the source's 700 are for contexts of 8,000


class KeepFirst(FileStore):
    """A memory that is only appended to: of a file that is written again, the first version is what is found."""

    def change(self, writes: Mapping[str, str] | None = None, deletes: Iterable[str] = ()) -> Difference:
        """See `FileStore`."""
        present = set(self.list())
        return super().change({path: text for path, text in (writes or {}).items() if path not in present})


@dataclass(slots=True)
class Done:
    """A run of the machine: its program, its report, and every prompt that was sent."""

    program: StoredProgram
    report: Report
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Overheard:
    """A model, and what it is sent."""

    model: ToolModel
    done: Done

    @property
    def name(self) -> str:
        return self.model.name

    def complete(self, messages: Sequence[Message], **given: Any) -> Completion:
        return self.model.complete(messages, **given)

    def call(self, messages: Sequence[Message], tools: Sequence[Tool], **given: Any) -> Completion:
        self.done.prompts.append(tuple(messages))
        self.done.temperatures.append(given.get("temperature", 0.0))
        return self.model.call(messages, tools, **given)


def machine(
    task: str,
    model: ToolModel,
    context: int,
    *,
    steps: int = 60,
    retries: int = 30,
    checked: bool = True,
    store: Callable[[str], FileStore] = FileStore,
    instructions: Sequence[str] = (),
) -> Done:
    """Do a task with the stored-program machine, in a folder that goes again; what is left is in memory.

    An instruction that cannot be done is left, and the next one is done.
    """
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as folder:
        program = StoredProgram(task, store(folder), InstructionRegistry(instructions))
        done = Done(program, Report(False))
        unit = ControlUnit(
            _Overheard(model, done),
            program,
            evaluator=PythonEvaluator() if checked else None,
            budget=Budget(context=context, margin=MARGIN, steps=steps, retries=retries),
        )
        done.report = unit.run()
        while (failed := program.registry.next()) is not None:
            program.registry.finish("It could not be done.")
            failed.status = "failed"
            done.report = unit.run()
        kept = program.store.snapshot()
        accesses = program.store.accesses
    program.store = _Kept(kept, accesses)
    return done


class _Kept(FileStore):
    """The files of a folder that is gone."""

    def __init__(self, files: Snapshot, accesses: list[Any]) -> None:
        self._files, self.accesses = files, accesses

    def snapshot(self) -> Snapshot:
        return self._files

    def list(self) -> list[str]:
        return [*self._files.files]


def one_context(task: str, pieces: Sequence[code.Piece], context: int, *, kept: bool) -> Snapshot:
    """The same processor in one context: everything it writes is appended, and what does not fit is dropped, the oldest first.

    `kept`: the task itself is never dropped.
    """
    counter, processor = WordLlamaTokens(), ScriptedProcessor()
    head = [Message("system", prompts.SYSTEM), *([prompts.task_message(task)] if kept else [])]
    log = ChunkLog(counter=counter)
    if not kept:
        log.append(Step((prompts.task_message(task),)))
    tools = (WRITE, DONE)
    room = context - sum(counter.count(json.dumps([one.name, one.description, one.parameters], default=dict)) for one in tools)
    files: dict[str, str] = {}
    for piece in pieces:
        asked = prompts.execute_message(f"Write these with tests:\n{piece.line}", prompts.listed([*files]), "", "")
        shown = log.render(room, head=head, tail=asked.content, folded=False, marked=False)
        answer = processor.call(shown.messages, tools)
        results: list[Message] = []
        for number, call in enumerate(answer.tool_calls):
            if call.name == WRITE.name:
                files.update({one["path"]: one["contents"] for one in json.loads(call.arguments)["files"]})
            results.append(Message("tool", "Written.", tool_call_id=answer.tool_calls[number].id))
        log.append(Step((asked, answer.message, *results)))
    return Snapshot.of(files)


@dataclass(slots=True)
class Circling:
    """A processor that views two files in turn until its temperature is high enough, then goes on in its work."""

    least: float = 0.4
    name: str = "circling"

    def complete(self, messages: Sequence[Message], **given: Any) -> Completion:
        """It can only use tools."""
        return Completion("nothing")

    def call(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """By what it did last, as far as the messages show it, and its temperature."""
        if messages[-1].content.startswith(prompts.SUMMARISE[:40]):
            return Completion("Both files are there.")
        calls = [call for message in messages for call in message.tool_calls]
        wrote = sum(call.name == WRITE.name for call in calls)
        if not wrote:
            files = [{"path": f"{name}.txt", "contents": name} for name in "ab"]
            return Completion("", tool_calls=(ToolCall("w", WRITE.name, json.dumps({"files": files})),))
        if wrote == 1 and temperature < self.least:
            path = "b.txt" if "a.txt" in calls[-1].arguments and calls[-1].name == VIEW.name else "a.txt"
            return Completion("", tool_calls=(ToolCall("v", VIEW.name, json.dumps({"paths": [path]})),))
        if wrote < 14:
            files = [{"path": "c.txt", "contents": f"line {wrote}"}]
            return Completion("", tool_calls=(ToolCall("w", WRITE.name, json.dumps({"files": files})),))
        return Completion("", tool_calls=(ToolCall("d", COMPLETE, "{}"),))
