"""The command that writes large works with a language model: build."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lamina.cli import options
from lamina.cli.failures import INTERRUPTED
from lamina.cli.output import amount, clean, console, note, print_json, say
from lamina.errors import Cancelled, ConfigError, InputError

if TYPE_CHECKING:
    from lamina.agents.evaluators import Evaluator
    from lamina.agents.program_budget import Report
    from lamina.agents.sandbox import Sandbox
    from lamina.models.protocols import LanguageModel
    from lamina.working.program import StoredProgram

UNFINISHED: Final = 1
DEMO: Final = """Write the package kit with tests: what a picnic costs for x people. A line names a module, what its function of x gives, and
modules whose results are added.
bread: 3x+2
cheese: 5x+1
sandwich: 1x+2 bread cheese
drinks: 2x+6
lunch: 1x+4 sandwich drinks
trip: 9x+40 lunch
Change bread: another name, and a scale.
"""


def build(
    spec: Annotated[
        str | None,
        typer.Argument(metavar="[SPEC]", help="A file that says what is to be made ('-': standard input).", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="The folder of the program.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The language model, such as openai:qwen3@http://localhost:8000/v1.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Watch a scripted processor write a small package: no model, no network.")
    ] = False,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Instructions of your own: a JSON list, or paragraphs.")
    ] = None,
    context: Annotated[int, typer.Option("--context", "-c", min=1000, help="Tokens of the largest prompt.")] = 8000,
    answer: Annotated[int, typer.Option("--answer", min=100, help="Tokens of an answer.")] = 4096,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Instructions of the plan at most.")] = 10,
    reflect: Annotated[int, typer.Option("--reflect", min=0, help="How often the plan is looked at again.")] = 0,
    retries: Annotated[int, typer.Option("--retries", min=0, help="How often an instruction may begin anew.")] = 30,
    prose: Annotated[bool, typer.Option("--prose", help="It is text, not Python: check for gaps, run nothing.")] = False,
    words: Annotated[int, typer.Option("--words", min=1, help="Words of each text at least, with --prose.")] = 1,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Check the files after each change.")] = True,
    lint: Annotated[bool, typer.Option("--lint", help="Names that are never defined are errors too (needs ruff).")] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Time for all tests together.")] = 60.0,
    network: Annotated[
        str, typer.Option("--network", help="'none', or 'allow': run the code even where it cannot be shut in.")
    ] = "none",
    plot: Annotated[Path | None, typer.Option("--plot", metavar="PNG", help="Draw which instruction touched which file.")] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write something longer than a model's context: a package of Python with its tests, or with --prose a book.

    The model plans instructions and does them one by one. It sees the task, one instruction and the names of the files, and views and
    writes files with tools; after each change the files are checked. What it wrote is run in a sandbox without network. Ctrl-C stops
    between two steps; the same command goes on from there.
    """
    task = _task(spec, demo)
    if out is None and not demo:
        raise typer.BadParameter("name the folder to write into", param_hint="--out")
    processor = _model(model, demo)
    sandbox = _sandbox(network, seconds)
    with tempfile.TemporaryDirectory(prefix="lamina-build-") if out is None else nullcontext(str(out)) as folder:
        program = _program(folder, task, plan)
        evaluator = _evaluator(prose, words, check, sandbox, seconds, lint)
        settings = {"context": context, "answer": answer, "steps": steps, "reflections": reflect, "retries": retries}
        if context < 8000:
            settings["margin"] = min(700, context // 8)
        report = _run(processor, program, evaluator, sandbox if check and not prose else None, settings, quiet)
        if plot is not None:
            from lamina.agents.access_map import plot_accesses

            plot_accesses(program.store.accesses, plot, "which instruction touched which file")
        _tell(program, report, folder if out is not None else None, as_json, quiet)
    if not report.finished:
        raise typer.Exit(UNFINISHED)


def _task(spec: str | None, demo: bool) -> str:
    if spec is None and demo:
        return DEMO
    if spec is None:
        raise typer.BadParameter("say what is to be made: name a file, '-' or --demo", param_hint="SPEC")
    if spec == "-":
        return sys.stdin.read()
    path = Path(spec)
    if not path.is_file():
        raise InputError(f"{spec} is not a file: write what is to be made into a file and name it, or give '-' and pipe it in")
    return path.read_text(encoding="utf-8")


def _model(spec: str | None, demo: bool) -> LanguageModel:
    from lamina.config import load_config
    from lamina.models.registry import load_model

    if demo:
        from lamina.agents.scripted_processor import ScriptedProcessor

        return ScriptedProcessor(faults=0.3, seed=3)
    model = load_model(spec or load_config().model)
    if model is None:
        raise ConfigError("there is no language model: give one with --model or LAMINA_MODEL, or watch --demo")
    return model


def _sandbox(network: str, seconds: float) -> Sandbox:
    from lamina.agents.sandbox import Sandbox

    if network not in ("none", "allow"):
        raise typer.BadParameter(f"{network!r} is neither 'none' nor 'allow'", param_hint="--network")
    return Sandbox(seconds=max(seconds, 20.0), network="allow" if network == "allow" else "none")


def _evaluator(prose: bool, words: int, check: bool, sandbox: Sandbox, seconds: float, lint: bool) -> Evaluator | None:
    from lamina.agents.evaluators import ProseEvaluator, PythonEvaluator

    if not check:
        return None
    return ProseEvaluator(least=words) if prose else PythonEvaluator(sandbox, seconds, lint)


def _program(folder: str, task: str, plan: Path | None) -> StoredProgram:
    from lamina.working.program import StoredProgram

    program = StoredProgram.open(folder, task)
    if plan is not None and not len(program.registry):
        for text in _instructions(plan):
            program.registry.append(text)
        if not len(program.registry):
            raise InputError(f"{plan} has no instructions: write a JSON list of texts, or paragraphs")
    return program


def _instructions(plan: Path) -> list[str]:
    text = plan.read_text(encoding="utf-8")
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split("\n\n") if part.strip()]
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{plan} is not a JSON list of texts: {error}") from None
    if not all(isinstance(one, str) for one in found):
        raise InputError(f"{plan} must be a JSON list of texts, and one of them is none")
    return list(found)


def _run(
    model: LanguageModel,
    program: StoredProgram,
    evaluator: Evaluator | None,
    sandbox: Sandbox | None,
    settings: dict[str, int],
    quiet: bool,
) -> Report:
    from lamina.agents.control_unit import ControlUnit
    from lamina.agents.program_budget import Budget
    from lamina.cli.building_view import BuildingView
    from lamina.cli.work import interruptible
    from lamina.records import Run

    with interruptible() as interrupt, BuildingView(program, settings["context"], shown=not quiet) as view:
        unit = ControlUnit(
            model,
            program,
            evaluator=evaluator,
            sandbox=sandbox,
            budget=Budget(**settings),
            run=Run(cancelled=interrupt),
            watch=view.watch,
        )
        try:
            return unit.run()
        except Cancelled:
            view.__exit__()
            note("stopped: what was done is kept; the same command goes on", "yellow")
            raise typer.Exit(INTERRUPTED) from None


def _tell(program: StoredProgram, report: Report, folder: str | None, as_json: bool, quiet: bool) -> None:
    """What was made, and what it cost."""
    from lamina.agents.access_map import access_lines

    if as_json:
        print_json(_json(program, report, folder))
        return
    files, spent = program.store.list(), program.spent
    lines = sum(len(text.splitlines()) for text in program.store.snapshot().files.values())
    where = f" in {clean(folder)}" if folder is not None else ""
    state = "finished" if report.finished else f"not finished: {report.reason}"
    say(f"{amount(len(files), 'file')}, {amount(lines, 'line')}{where}: {state}", "" if report.finished else "yellow")
    unproved = [place for place, one in enumerate(program.registry, start=1) if one.unproved]
    if unproved:
        say(f"called complete without anything to show for it: {', '.join(map(str, unproved))}", "yellow")
    say(
        f"{amount(spent.calls, 'call')} of the model; {spent.prompt_tokens:,} tokens read, {spent.answer_tokens:,} written; "
        f"largest prompt {spent.largest_prompt:,}; {amount(report.restarts, 'restart')}"
    )
    if not quiet:
        out = console()
        say("c created, w written, r read, × deleted; a column for each instruction", "dim")
        for line in access_lines(program.store.accesses, min(out.width, 120)):
            say(line)


def _json(program: StoredProgram, report: Report, folder: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "folder": folder,
        **asdict(report),
        "instructions": [{name: value for name, value in asdict(one).items() if name != "began"} for one in program.registry],
        "files": program.store.list(),
        "spent": asdict(program.spent),
    }
