"""Programs longer than a context: written by a stored-program machine, and by the same processor in simpler ways.

The processor is scripted: it sees the messages it is passed and nothing else, and says so where a fact it needs is not in them. Tasks are
modules that use each other, of names that the writer chooses and others must look up. A module is right where it gives the
values asked for in a test that the writer never sees. All code runs in the sandbox.

long output     modules that come to more than eight contexts; against one context from which the oldest goes (and where the task is kept)
in place        ten instructions that change interfaces made five to twenty steps before; against a store that keeps the first version (and without the
                notes by which an instruction that began anew knows what was done)
faults          30 % of the modules are wrong as first written; with the checks and without
retention       40 requirements: how many stand in instructions and prompts, and are done; against a plan of six sentences
restarts        an instruction that overflows the context; against a context four times as large
loops           a processor that goes in circles until its temperature rises
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from lamina.agents import scripted_code as code
from lamina.agents.evaluators import PythonEvaluator
from lamina.agents.scripted_processor import ScriptedProcessor
from lamina.bench.program_material import REQUIREMENTS, SENTENCES, WORDS, drawn, in_sentences, requirements, right, task_of
from lamina.bench.program_systems import MARGIN, Circling, Done, KeepFirst, machine, one_context
from lamina.bench.results import Metrics, Result, Row
from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.text import sentences
from lamina.working.files import FileStore, Snapshot

CHANGES: Final = 10
NEAREST, FARTHEST = 5, 20  # steps between the making of an interface and its change
RETRIES: Final = 10  # of an instruction that changes something; the source's 30 cost more calls and change nothing
FAULTS: Final = 0.3


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
    for name, store in (("machine", FileStore), ("no notes", FileStore), ("append only", KeepFirst)):
        done = machine(
            task, ScriptedProcessor(notes=name != "no notes"), context, store=store, instructions=lines, retries=RETRIES
        )
        rows[name] = {
            "modules": right(done.program.store.snapshot(), pieces, changed),
            "instructions_done": sum(one.status == "done" for one in done.program.registry) / len(lines),
            "calls": float(done.program.spent.calls),
            "restarts": float(sum(one.restarts for one in done.program.registry)),
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
