"""A stored-program machine around a language model: instructions in a registry, results in files, a context that stays small.

The model is the processor. A control unit gives it one instruction at a time in a fresh context: the task, the instruction, the names of the
files and two sentences from the instruction before. It may list, view, write, delete, run and test files. Each change is checked, and what
fails is shown to it. When the context is full, it writes a note of two sentences and begins the same instruction again with it; the files
keep the work. So what can be written is bounded by the disk, not by the context.

Source: S. Holt, M. Ruiz Luyten, M. van der Schaar, L2MAC: Large Language Model Automatic Computer for Extensive Code Generation (2023).
Where the published program differs from the text, `variant` chooses: "code" counts tests that do not end as passed, lets an instruction be
complete though nothing was done for it, and never sends the reflection. In both, calls of tools and their results are never parted, a check
that fails is told to the model instead of ending the run, the request for a plan is not repeated before every instruction, and the reminder
after each turn names only files that are new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

from lamina.agents import program_prompts as prompts
from lamina.agents.loop_breaker import LoopBreaker
from lamina.agents.program_budget import Budget, Event, EventKind, Report
from lamina.agents.program_plan import planned
from lamina.agents.program_tools import PLAN_TOOL, ProgramTools, Result
from lamina.errors import BudgetError, InputError
from lamina.models.protocols import Completion, LanguageModel, Message, Tool, ToolCall
from lamina.models.tokens import WordLlamaTokens
from lamina.models.tools import ToolsInWords, in_words, with_tools
from lamina.records import Run
from lamina.working.chunks import ChunkLog
from lamina.working.steps import Step, message_tokens, prompt_tokens

if TYPE_CHECKING:
    from lamina.agents.evaluators import Evaluator
    from lamina.agents.sandbox import Sandbox
    from lamina.models.protocols import TokenCounter
    from lamina.working.program import Instruction, StoredProgram
    from lamina.working.protocol import TraceSink

Variant = Literal["paper", "code"]

_DOUBTS: Final = 2  # times that an instruction without any trace of work is sent back
_SILENCE: Final = 2  # times that a summary without words is asked for again
_BROKEN: Final = 120  # characters kept of arguments that are no JSON
_REMINDER: Final = 60  # tokens of what is said after each turn


@dataclass(slots=True)
class _Talk:
    """One attempt at an instruction: what stands at the head, and the turns since."""

    head: tuple[Message, ...]
    log: ChunkLog
    tokens: int
    known: frozenset[str] = frozenset()
    summing: bool = False
    silent: int = 0

    @property
    def messages(self) -> list[Message]:
        return [*self.head, *(message for step in self.log.steps() for message in step.spoken)]

    def add(self, step: Step) -> None:
        self.log.append(step)
        self.tokens += sum(message_tokens(message, self.log.counter) for message in step.spoken)


class _Failed(Exception):
    """An instruction cannot be done within its limits."""


class ControlUnit:
    """Runs a stored program with a language model.

    Parameters: `model`, any language model (one that knows no tools is offered them in words); `program`; `evaluator` (None: nothing
    is checked); `budget`; `sandbox` for running files (default: the evaluator's, where it has one); `counter` of tokens; `variant` (see
    the module); `run`, for progress and cancelling; `watch`, told of every event; `sink`, which keeps the turns beyond the run.

    What is done is saved after every instruction, and whenever a run ends; a run on the same folder goes on from there.
    """

    def __init__(
        self,
        model: LanguageModel,
        program: StoredProgram,
        *,
        evaluator: Evaluator | None = None,
        budget: Budget | None = None,
        sandbox: Sandbox | None = None,
        counter: TokenCounter | None = None,
        variant: Variant = "paper",
        run: Run | None = None,
        watch: Callable[[Event], None] | None = None,
        sink: TraceSink | None = None,
    ) -> None:
        if variant not in get_args(Variant):
            raise InputError(f"{variant!r} is not a variant: use 'paper' or 'code'")
        self.program, self.budget, self.variant = program, budget or Budget(), variant
        self._model = with_tools(model)
        self._counter: TokenCounter = counter or WordLlamaTokens()
        sandbox = sandbox if sandbox is not None else getattr(evaluator, "sandbox", None)
        if sandbox is not None:
            sandbox.check()
        self.tools = ProgramTools(program.store, evaluator, sandbox, self._counter, variant=variant)
        self._advice = evaluator.advice if evaluator is not None else ""
        self._run, self._watch, self._sink = run or Run(), watch or (lambda event: None), sink
        self._tool_tokens = self._cost_of(self.tools.tools())
        self._loops = 0

    # ------------------------------------------------------------------------------------------------------------- run
    def run(self) -> Report:
        """Plan, where there is no plan yet, and do every instruction that is left. Raises `Cancelled`, `ModelError` of the model, and
        `BudgetError` where what must be said is over the context; what was done by then is kept. `InputError` where another process is at
        work in the same folder."""
        with self.program.alone():
            return self._worked()

    def _worked(self) -> Report:
        registry = self.program.registry
        reason = ""
        try:
            if not len(registry):
                self.plan()
            while (instruction := registry.next()) is not None:
                self._perform(instruction)
                self.program.save()
        except _Failed as failure:
            registry.fail()
            reason = str(failure)
            self._tell("failed", reason, ok=False)
        finally:
            self.program.save()
        restarts = sum(one.restarts for one in registry)
        if self._sink is not None:
            self._sink.close(reason or "finished")
        return Report(self.program.finished, reason, restarts, self._loops)

    def plan(self) -> None:
        """Ask for the instructions. Raises `ModelOutputError` where the model gives none in three answers."""
        self._tell("plan", "planning")

        def ask(messages: Sequence[Message]) -> Completion:
            return self._ask(messages, (PLAN_TOOL,), 0.0)

        rounds = self.budget.reflections if self.variant == "paper" else 0
        for step in planned(ask, self.program.task, self.budget.steps, rounds):
            self.program.registry.append(step)
        self.program.save()
        self._tell("plan", f"{len(self.program.registry)} instructions")

    # ----------------------------------------------------------------------------------------------------- instruction
    def _perform(self, instruction: Instruction) -> None:
        """Do one instruction, from the beginning as often as the context overflows."""
        registry, store = self.program.registry, self.program.store
        store.step = registry.at + 1
        instruction.status = "running"
        instruction.began = instruction.began or store.snapshot().digest
        self._tell("begin", instruction.text)
        note, breaker, progress = registry.summary, LoopBreaker(), _Progress(instruction.calls + self.budget.calls)
        restarts = 0
        while True:
            talk = self._begin(instruction, note)
            summary = self._attempt(instruction, talk, breaker, progress)
            if not summary:
                summary = note = self._note(talk)
                if not talk.summing:
                    instruction.restarts, restarts = instruction.restarts + 1, restarts + 1
                    if restarts > self.budget.retries:
                        raise _Failed(f"instruction {store.step} began anew {self.budget.retries} times and is not complete")
                    self._tell("restart", note)
                    continue
            registry.finish(summary)
            instruction.outcome = progress.outcome
            self._tell("done", summary, instruction=store.step)
            self._run.report("instructions", registry.at, len(registry))
            return

    def _begin(self, instruction: Instruction, note: str) -> _Talk:
        """A fresh context. Raises `BudgetError` where it is over the budget before anything is said."""
        present = self.program.store.list()
        names = prompts.listed(present)
        free = self.budget.context - self.budget.margin - self._tool_tokens
        while True:
            head = (
                Message("system", prompts.SYSTEM),
                prompts.task_message(self.program.task),
                prompts.execute_message(instruction.text, names, self._advice, note),
            )
            tokens = prompt_tokens(head, self._counter)
            if tokens <= free:
                log = ChunkLog(counter=self._counter, sink=self._sink)
                return _Talk(head, log, tokens + self._tool_tokens, frozenset(present))
            short = f"{len(present)} files; list_files names them"
            if names == short:
                raise BudgetError(
                    f"the task, the instruction and the tools take {tokens + self._tool_tokens} tokens, and a context of "
                    f"{self.budget.context} leaves {self.budget.context - self.budget.margin} for them: shorten the task, or give a larger context"
                )
            names = short

    def _attempt(self, instruction: Instruction, talk: _Talk, breaker: LoopBreaker, progress: _Progress) -> str:
        """Turns until the instruction is complete and summed up; empty where the context is full."""
        while talk.tokens <= self.budget.context:
            if instruction.calls >= progress.most_calls:
                raise _Failed(
                    f"instruction {self.program.store.step} took {self.budget.calls} calls of the model and is not complete"
                )
            self._run.report("instructions", self.program.registry.at, len(self.program.registry))
            instruction.calls += 1
            answer = self._ask(talk.messages, self.tools.tools(), breaker.temperature, talk.tokens)
            if talk.summing:
                summary = prompts.in_short(answer.text)
                if summary:
                    return summary
                talk.silent += 1
                if talk.silent > _SILENCE:
                    return self._own_summary(instruction)
                talk.add(Step((Message("assistant", "…"), Message("user", prompts.IN_WORDS))))
                continue
            turn = self._turn(instruction, talk, answer, progress)
            talk.add(turn)
            breaker.observe(turn.messages)
            self._loops += breaker.circling
        return ""

    def _turn(self, instruction: Instruction, talk: _Talk, answer: Completion, progress: _Progress) -> Step:
        """Use the tools that an answer asks for, and say what comes next."""
        calls = _well_formed(answer.tool_calls, len(talk.log))
        said = Message("assistant", answer.text or ("" if calls else "…"), calls)
        room = self.budget.context - self.budget.margin - talk.tokens - message_tokens(said, self._counter) - _REMINDER
        room = max(room, self.budget.context // 8)
        messages, next_message = [said], None
        for call, shown in zip(answer.tool_calls, calls, strict=True):
            result = Result("Not done: the instruction is complete.") if talk.summing else self.tools.use(call, room)
            text = result.text + (prompts.CUT if result.status == "error" and answer.truncated else "")
            messages.append(Message("tool", text, tool_call_id=shown.id))
            room = max(room - self._counter.count(text), self.budget.context // 16)
            self._tell("tool", f"{call.name}: {_first_line(text)}", ok=result.status != "error")
            next_message = self._judged(instruction, call, result, talk, progress) or next_message
        if next_message is None:
            created = [path for path in self.program.store.list() if path not in talk.known]
            next_message = prompts.cycle_message(created if len(created) < 12 else ())
        return Step((*messages, next_message))

    def _judged(
        self, instruction: Instruction, call: ToolCall, result: Result, talk: _Talk, progress: _Progress
    ) -> Message | None:
        """What is said to a result; None where nothing special is."""
        progress.note(result)
        if call.name in ("write_files", "delete_files") and result.status == "ok":
            instruction.writes += 1
        if result.status == "complete":
            changed = self.program.store.snapshot().digest != instruction.began
            if self.variant == "paper" and not changed and not progress.shown and progress.doubts < _DOUBTS:
                progress.doubts += 1
                return Message("user", prompts.UNPROVED)
            instruction.unproved = not changed and not progress.shown
            talk.summing = True
            return Message("user", prompts.SUMMARISE)
        if call.name == "sub_task_step_complete":
            return prompts.fix_message("see the check above")
        return None

    def _note(self, talk: _Talk) -> str:
        """The two sentences that an attempt hands to the next; made from the files where the model gives none."""
        room = self.budget.context - self._tool_tokens
        for budget in (room - self.budget.margin, room):
            try:
                shown = talk.log.render(budget, head=talk.head, tail=prompts.EXHAUSTED, folded=False, marked=False)
                break
            except BudgetError:
                shown = None
        if shown is not None:
            answer = self._ask(shown.messages, self.tools.tools(), 0.0, shown.tokens + self._tool_tokens)
            note = prompts.in_short(answer.text)
            if note:
                return note
        created = [path for path in self.program.store.list() if path not in talk.known]
        return prompts.in_short(f"Begun before; since then these files were made: {prompts.listed(created)}")

    def _own_summary(self, instruction: Instruction) -> str:
        """What is handed on where the model finds no words."""
        files = {one.path for one in self.program.store.accesses if one.step == self.program.store.step and one.kind != "read"}
        return prompts.in_short(f"Done: {instruction.text.partition('.')[0][:160]}; files: {prompts.listed(sorted(files))}")

    # ----------------------------------------------------------------------------------------------------------- model
    def _ask(self, messages: Sequence[Message], tools: Sequence[Tool], temperature: float, tokens: int = 0) -> Completion:
        spent = self.program.spent
        tokens = tokens or prompt_tokens(messages, self._counter) + self._cost_of(tools)
        if tokens > self.budget.context:
            raise BudgetError(
                f"the prompt takes {tokens} tokens, and the context is {self.budget.context}: shorten the task, or give a larger context"
            )
        self._tell("ask", tokens=tokens)
        answer = self._model.call(messages, tools, max_tokens=self.budget.answer, temperature=temperature)
        spent.calls += 1
        spent.prompt_tokens += tokens
        spent.largest_prompt = max(spent.largest_prompt, tokens)
        spent.answer_tokens += message_tokens(answer.message, self._counter)
        self._tell("answer", _first_line(answer.text) or ", ".join(call.name for call in answer.tool_calls), tokens=tokens)
        return answer

    def _cost_of(self, tools: Sequence[Tool]) -> int:
        """What the tools cost in a prompt, in the form in which this model is offered them."""
        if isinstance(self._model, ToolsInWords):
            return prompt_tokens(in_words((), tools), self._counter)
        told = (json.dumps([tool.name, tool.description, tool.parameters], separators=(",", ":"), default=dict) for tool in tools)
        return sum(self._counter.count(one) for one in told)

    def _tell(self, kind: EventKind, text: str = "", *, tokens: int = 0, ok: bool = True, instruction: int | None = None) -> None:
        registry = self.program.registry
        at = instruction if instruction is not None else min(registry.at + 1, len(registry))
        self._watch(Event(kind, at, len(registry), text, tokens, ok))


@dataclass(slots=True)
class _Progress:
    """How far an instruction is: the calls it may come to, what speaks for it beside its files (something ran well), the last check."""

    most_calls: int
    shown: bool = False
    doubts: int = 0
    outcome: str = ""

    def note(self, result: Result) -> None:
        self.shown = self.shown or result.proof
        if result.evaluation is not None:
            self.outcome = result.evaluation.outcome


def _well_formed(calls: Sequence[ToolCall], turn: int) -> tuple[ToolCall, ...]:
    """Calls as they may stand in a prompt: each with an id of its own, arguments that are no JSON quoted as JSON."""
    made: list[ToolCall] = []
    for number, call in enumerate(calls):
        used = {one.id for one in made}
        id = call.id if call.id and call.id not in used else f"call-{turn}-{number}"
        try:
            fine = isinstance(json.loads(call.arguments or "{}"), dict)
        except (ValueError, RecursionError):
            fine = False
        arguments = (call.arguments or "{}") if fine else json.dumps({"not_json": call.arguments[:_BROKEN]})
        made.append(replace(call, id=id, arguments=arguments))
    return tuple(made)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:120]
