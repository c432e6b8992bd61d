"""Programs longer than a context: written by a stored-program machine, and by the same processor in simpler ways.

The processor is scripted: it sees the messages it is passed and nothing else, and says so where a fact it needs is not in them. Tasks are
modules that use each other, of names that the writer chooses and others must look up. A module is right where it gives the
values asked for in a test that the writer never sees. All code runs in the sandbox.

long output     modules that come to more than eight contexts; against one context from which the oldest goes (and where the task is kept)
in place        ten instructions that change interfaces made five to twenty steps before; against a store that keeps the first version
faults          30 % of the modules are wrong as first written; with the checks and without
retention       40 requirements: how many stand in instructions and prompts, and are done; against a plan of six sentences
restarts        an instruction that overflows the context; against a context four times as large
loops           a processor that goes in circles until its temperature rises
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lamina.agents import program_prompts as prompts
from lamina.agents import scripted_code as code
from lamina.agents.control_unit import ControlUnit
from lamina.agents.evaluators import PythonEvaluator
from lamina.agents.program_budget import Budget, Report
from lamina.agents.program_tools import COMPLETE, DONE, VIEW, WRITE
from lamina.agents.scripted_processor import ScriptedProcessor
from lamina.bench.results import Metrics, Result, Row
from lamina.errors import InputError
from lamina.models.protocols import Completion, Message, Tool, ToolCall, ToolModel
from lamina.models.tokens import WordLlamaTokens
from lamina.text import sentences
from lamina.working.chunks import ChunkLog
from lamina.working.files import Difference, FileStore, Snapshot
from lamina.working.program import InstructionRegistry, StoredProgram
from lamina.working.steps import Step

MARGIN: Final = 250  # tokens free for a note; the source's 700 are for contexts of 8,000
CHANGES: Final = 10
NEAREST, FARTHEST = 5, 20  # steps between the making of an interface and its change
REQUIREMENTS: Final = 40
SENTENCES: Final = 6
WORDS: Final = 25  # of a sentence in a plan of six
FAULTS: Final = 0.3

_TASK: Final = "Write the package kit with tests. A line names a module, what its function of x gives, and modules whose results are added.\n"


def drawn(count: int, seed: int) -> list[code.Piece]:
    """Modules in an order in which each uses one or two of those before it (the first two use none)."""
    draw = random.Random(seed)
    pieces: list[code.Piece] = []
    for number in range(1, count + 1):
        uses = draw.sample([piece.name for piece in pieces], min(draw.choice((1, 1, 2)), len(pieces))) if number > 2 else []
        pieces.append(code.Piece(f"m{number}", draw.randrange(2, 10), draw.randrange(1, 100), tuple(sorted(uses))))
    return pieces


def task_of(pieces: Iterable[code.Piece]) -> str:
    """The task of writing these modules."""
    return _TASK + "\n".join(piece.line for piece in pieces)


def right(files: Snapshot, pieces: Sequence[code.Piece], scaled: Sequence[str] = ()) -> float:
    """The share of modules that give what is asked for, in a test that the writer never sees."""
    known = {piece.name: piece for piece in pieces}
    tests = {f"accept/test_{one.name}.py": code.acceptance_text(one, known, one.name in scaled) for one in pieces}
    kept = dict(files.files)
    found = PythonEvaluator().test(Snapshot.of({**kept, **tests}), sorted(tests))
    while found.problems:  # one that does not compile must not stop the others
        kept = {path: text for path, text in kept.items() if path not in {problem.path for problem in found.problems}}
        found = PythonEvaluator().test(Snapshot.of({**kept, **tests}), sorted(tests))
    return sum(found.by_file.get(path, (0, 1)) == (1, 0) for path in tests) / len(pieces)


# ----------------------------------------------------------------------------------------------------------------- systems
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
            budget=Budget(context=context, margin=MARGIN, steps=steps),
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


# ------------------------------------------------------------------------------------------------------------------ checks
def long_output(modules: int, context: int, seed: int) -> dict[str, dict[str, float]]:
    """Modules of more than eight contexts."""
    pieces = drawn(modules, seed)
    task = task_of(pieces)
    done = machine(task, ScriptedProcessor(), context)
    files = done.program.store.snapshot()
    written = sum(WordLlamaTokens().count(text) for text in files.files.values())
    tests = PythonEvaluator().evaluate(files)
    shown = {"contexts_written": written / context}
    return {
        "machine": {
            "modules": right(files, pieces),
            "own_tests": tests.passed / max(tests.passed + tests.failed, 1),
            "test_files_passed_of": float(sum(pair[1] == 0 for pair in tests.by_file.values())),
            "largest_prompt_tokens": float(done.program.spent.largest_prompt),
            "restarts": float(done.report.restarts),
            **shown,
        },
        "one context": {"modules": right(one_context(task, pieces, context, kept=False), pieces)},
        "one context, task kept": {"modules": right(one_context(task, pieces, context, kept=True), pieces)},
    }


def in_place(context: int, seed: int) -> tuple[dict[str, dict[str, float]], list[Any]]:
    """Ten changes of interfaces made earlier; also the accesses of the machine."""
    draw = random.Random(seed)
    count = 16
    pieces = drawn(count, seed + 1)
    changed: list[str] = []
    for step in range(count + 1, count + CHANGES + 1):
        open_ones = [n for n in range(1, count + 1) if NEAREST <= step - n <= FARTHEST and f"m{n}" not in changed]
        changed.append(f"m{draw.choice(open_ones)}")
    task = "\n".join([task_of(pieces), code.CHANGES, *(code.CHANGE.format(name=name) for name in changed)])
    lines = [f"Write these with tests:\n{piece.line}" for piece in pieces]
    lines += [f"Do this:\n{code.CHANGE.format(name=name)}" for name in changed]
    rows: dict[str, dict[str, float]] = {}
    accesses: list[Any] = []
    for name, store in (("machine", FileStore), ("append only", KeepFirst)):
        done = machine(task, ScriptedProcessor(), context, store=store, instructions=lines)
        rows[name] = {
            "modules": right(done.program.store.snapshot(), pieces, changed),
            "instructions_done": sum(one.status == "done" for one in done.program.registry) / len(lines),
        }
        accesses = accesses or done.program.store.accesses
    return rows, accesses


def faults(modules: int, context: int, seed: int) -> dict[str, dict[str, float]]:
    """Modules that are wrong as first written, with the checks and without."""
    pieces = drawn(modules, seed + 2)
    processor = ScriptedProcessor(faults=FAULTS, seed=seed)
    rows: dict[str, dict[str, float]] = {}
    for name, checked in (("machine", True), ("no checks", False)):
        done = machine(task_of(pieces), processor, context, checked=checked)
        files = done.program.store.snapshot()
        wrong = [piece.name for piece in pieces if processor._fault(piece.name)]
        rewrites = sum(one.kind == "write" and one.path.startswith(code.PACKAGE) for one in done.program.store.accesses)
        rows[name] = {
            "faulty": sum(_is_faulty(files, piece) for piece in pieces) / len(pieces),
            "modules": right(files, pieces),
            "first_faulty": len(wrong) / len(pieces),
            "rewrites_per_fault": rewrites / max(len(wrong), 1),
        }
    return rows


def _is_faulty(files: Snapshot, piece: code.Piece) -> bool:
    """Whether a module is not what a writer without faults writes."""
    used = {name: code.chosen(name, False) for name in piece.uses}
    return files.files.get(code.module_path(piece.name)) != code.module_text(piece, code.chosen(piece.name, False), used)


def requirements(seed: int) -> list[str]:
    """40 requirements, each a sentence with a number of its own."""
    draw = random.Random(seed + 3)
    things = ("limit", "delay", "width", "price", "weight", "quota", "depth", "speed")
    return [
        f"In the {draw.choice(('shop', 'store', 'garden', 'office'))}, the {things[n % 8]}_{n + 1} is {draw.randrange(1000, 9999)}."
        for n in range(REQUIREMENTS)
    ]


def in_sentences(lines: Sequence[str], most: int = SENTENCES, words: int = WORDS) -> str:
    """Requirements in a plan of so many sentences of so many words each: as many as there is room for, in order.

    >>> in_sentences(["In it, the a_1 is 5.", "There, the b_2 is 6.", "Here, the c_3 is 7."], 1, 11)
    'In it, the a_1 is 5, there, the b_2 is 6.'
    """
    told: list[str] = []
    left = [line.rstrip(".") for line in lines]
    for _ in range(most):
        taken: list[str] = []
        while left and len(" ".join([*taken, left[0]]).split()) <= words:
            taken.append(left.pop(0))
        if taken:
            told.append(", ".join([taken[0], *(one[0].lower() + one[1:] for one in taken[1:])]) + ".")
    return " ".join(told)


def retention(context: int, seed: int) -> dict[str, dict[str, float]]:
    """Requirements that stand in the instructions and prompts, and that are done in the end."""
    wanted = requirements(seed)
    facts = code.constants_in("\n".join(wanted))
    plan = in_sentences(wanted)
    assert len(sentences(plan)) <= SENTENCES
    full = machine("Write modules of constants.\n" + "\n".join(wanted), ScriptedProcessor(), context, steps=4)
    short = machine(plan, ScriptedProcessor(), context, instructions=[plan])
    return {"machine": _retained(full, facts), "six sentences": _retained(short, facts)}


def _retained(done: Done, facts: Mapping[str, int]) -> dict[str, float]:
    instructions = "\n".join(one.text for one in done.program.registry)
    asked = [said for said in done.prompts if any(one.content.startswith("Do this instruction") for one in said)]
    shares = []
    for messages in asked:
        seen = code.constants_in("\n".join([instructions, *(one.content for one in messages)]))
        shares.append(sum(seen.get(name) == value for name, value in facts.items()) / len(facts))
    text = "\n".join(done.program.store.snapshot().files.values())
    made = {name: int(value) for name, value in re.findall(r"^(\w+) = (\d+)$", text, re.M)}
    planned = code.constants_in(instructions)
    return {
        "retained": min(shares),
        "in_instructions": sum(planned.get(name) == value for name, value in facts.items()) / len(facts),
        "done": sum(made.get(name) == value for name, value in facts.items()) / len(facts),
    }


def restarts(context: int, seed: int) -> dict[str, dict[str, float]]:
    """Instructions of six modules each, in one context and in one four times as large."""
    pieces = drawn(12, seed + 4)
    digests: list[str] = []
    rows: dict[str, dict[str, float]] = {}
    for name, size in (("machine", context), ("four times the context", 4 * context)):
        done = machine(task_of(pieces), ScriptedProcessor(most=6), size)
        files = done.program.store.snapshot()
        digests.append(files.digest)
        wanted = {path for piece in pieces for path in (code.module_path(piece.name), code.test_path(piece.name))}
        rows[name] = {
            "modules": right(files, pieces),
            "restarts": float(done.report.restarts),
            "files_lost": float(len(wanted - set(files.files))),
            "identical_rewrites": float(sum(one.kind == "same" for one in done.program.store.accesses)),
            "largest_prompt_tokens": float(done.program.spent.largest_prompt),
        }
    rows["machine"]["same_files"] = float(digests[0] == digests[1])
    return rows


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


def loops() -> dict[str, dict[str, float]]:
    """How soon circles are broken, and the temperature afterwards; processors that need one step or two of the breaker."""
    rows: dict[str, dict[str, float]] = {}
    for name, least in (("machine", 0.4), ("machine, needs twice the heat", 0.8)):
        done = machine("Write a.txt and b.txt.", Circling(least), 8000, checked=False, instructions=["Write a.txt and b.txt."])
        circle = [place for place, temperature in enumerate(done.temperatures) if temperature > 0]
        broken = next(place for place, temperature in enumerate(done.temperatures) if temperature >= least)
        first = 1 + 4  # the first write, then two rounds of two: the circle shows for the first time
        rows[name] = {
            "extra_calls": float(broken - first),
            "hottest": max(done.temperatures),
            "last_temperature": done.temperatures[-1],
            "calls_until_cool": float(circle[-1] - broken + 1),
            "finished": float(done.report.finished),
        }
    return rows


# --------------------------------------------------------------------------------------------------------------------- run
def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    modules: int = 30,
    context: int = 2000,
) -> Result:
    """All checks; `modules` of the long program, `context` in tokens."""
    if not isinstance(modules, int) or not 4 <= modules <= 60:
        raise InputError(f"modules must be a whole number from 4 to 60, not {modules!r}")
    if not isinstance(context, int) or context < 1500:
        raise InputError(f"context must be a whole number of at least 1500 tokens, not {context!r}")
    PythonEvaluator().sandbox.check()
    found: dict[str, dict[str, dict[str, float]]] = {}
    progress("long output")
    found["long output"] = long_output(modules, context, seed)
    progress("in place")
    found["in place"], accesses = in_place(context, seed)
    progress("faults")
    found["faults"] = faults(modules, context, seed)
    progress("retention")
    found["retention"] = retention(context, seed)
    progress("restarts")
    found["restarts"] = restarts(context, seed)
    progress("loops")
    found["loops"] = loops()
    main = {
        "long output": ("modules",), "in place": ("modules",), "faults": ("faulty",), "retention": ("retained",),
        "restarts": ("restarts",), "loops": ("extra_calls",),
    }  # fmt: skip
    rows = []
    for system in dict.fromkeys(name for part in found.values() for name in part):
        by: dict[str, Metrics] = {part: rows_of[system] for part, rows_of in found.items() if system in rows_of}
        metrics = {f"{part}: {name}": metrics[name] for part, metrics in by.items() for name in main[part]}
        rows.append(Row(system, metrics, by))
    config = {
        "modules": modules, "context": context, "margin": MARGIN, "faults": FAULTS, "requirements": REQUIREMENTS, "words_of_a_sentence": WORDS,
        "seed": seed, "accesses": [[one.step, one.path, one.kind] for one in accesses],
    }  # fmt: skip
    return Result("program", f"{modules} modules drawn from seed {seed}", config, rows)
