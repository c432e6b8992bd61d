"""The loop of an agent that calls tools: the same memories, each call and its result in one step.

Tools are Python functions with the JSON schema of their arguments. What goes wrong in one (wrong arguments, an exception, no answer in
time) is the result of its call, which the model reads; it never ends the run. The memory's own tools (`begin_subgoal`, `retrieve`) take no
step: what they change is seen in the next prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lamina.agents.patience import CallFailed, Patience
from lamina.errors import BudgetError, InputError, LaminaError
from lamina.models.protocols import Message, Tool, ToolCall
from lamina.models.tokens import WordLlamaTokens
from lamina.models.tools import arguments_of, with_tools
from lamina.working.steps import SUBGOAL, Step
from lamina.working.subgoals import BEGIN

if TYPE_CHECKING:
    from lamina.models.protocols import Completion, LanguageModel, TokenCounter
    from lamina.working.protocol import WorkingMemory

HORIZON: Final = 30
ASIDES: Final = 3
"""Answers in a row that only speak to the memory; after more of them the run stops."""

ToolFunction = tuple[Tool, Callable[..., object]]
"""A tool and the function that is called with its arguments by name; what it returns becomes text (JSON where it is no text)."""


@dataclass(slots=True)
class Work:
    """What came of a task. `answer`: the model's last words, empty where it did not come to an end; `steps`: how many were taken;
    `tokens`: of the prompt of each answer; `failed`: calls whose result is an error; `refused`: wishes that the memory refused."""

    answer: str = ""
    steps: int = 0
    subgoals: int = 0
    failed: int = 0
    refused: int = 0
    tokens: list[int] = field(default_factory=list)


class CallingAgent:
    """Works on a task with tools, a working memory and any language model (one that knows no tools is told of them in words).

    Parameters: `model`; `memory`, new for each task; `tools`; `budget`, the most tokens of a prompt, what tells of the tools among them;
    `horizon`, steps; `answer`, tokens of an answer; `patience`, seconds for a tool (None: no limit, and in this thread); `counter` of tokens for what tells of the tools.

    >>> from lamina.working.subgoals import SubgoalMemory
    >>> tool = Tool("double", "Doubles a number.", {"type": "object", "properties": {"number": {"type": "integer"}}})
    >>> agent = CallingAgent(model, SubgoalMemory(form="chat"), [(tool, lambda number: 2 * number)])  # doctest: +SKIP
    >>> agent.run("What is twice 21?").answer  # doctest: +SKIP
    '42'
    """

    def __init__(
        self,
        model: LanguageModel,
        memory: WorkingMemory,
        tools: Sequence[ToolFunction] = (),
        *,
        budget: int = 8192,
        horizon: int = HORIZON,
        answer: int = 1024,
        patience: float | None = 30.0,
        counter: TokenCounter | None = None,
    ) -> None:
        for name, value in (("budget", budget), ("horizon", horizon), ("answer", answer)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
        self.model, self.memory = with_tools(model), memory
        self.horizon, self.answer = horizon, answer
        self._own = {tool.name for tool in memory.tools()}
        self._functions = {tool.name: (tool, function) for tool, function in tools}
        self._offer = [*memory.tools(), *(tool for tool, _ in tools)]
        if len(self._own | set(self._functions)) < len(self._offer):
            raise InputError(f"two tools have one name: {', '.join(sorted(tool.name for tool in self._offer))}")
        told = json.dumps([[tool.name, tool.description, tool.parameters] for tool in self._offer], default=dict)
        cost = (counter or WordLlamaTokens()).count(told)
        if cost >= budget:
            raise BudgetError(
                f"what tells of the tools takes {cost} tokens of a budget of {budget}: offer fewer, or give a larger budget"
            )
        self.budget = budget - cost
        self._patience = Patience(patience)

    def run(self, task: str, *, instruction: str = "", known: str = "") -> Work:
        """Work on a task until the model answers without calling a tool, or the steps are used up.

        `known` is put into the head, such as what earlier tasks taught. Raises `BudgetError` where the head alone is over the budget,
        and what the model raises; the steps so far are in the memory.
        """
        if not task.strip():
            raise InputError("the task is empty: say what is to be done")
        work, told, asides = Work(), "", 0
        system = "\n\n".join(part for part in (instruction, self.memory.rules) if part)
        head = [Message("system", system)] if system else []
        head.append(Message("user", "\n\n".join(part for part in (known.strip(), task) if part)))
        subgoal: str | None = None
        while work.steps < self.horizon and asides <= ASIDES:
            prompt = self.memory.prompt(head, self.budget, tail=told)
            work.tokens.append(prompt.tokens)
            completion = self.model.call(prompt.messages, self._offer, max_tokens=self.answer)
            notes, named = self._aside(completion, work)
            subgoal, told = named or subgoal, "\n".join(notes)
            calls = [call for call in completion.tool_calls if call.name not in self._own]
            if calls:
                self._act(_without_subgoal(completion.text) if named else completion.text, calls, subgoal, work)
                subgoal, asides = None, 0
            elif completion.tool_calls or notes:
                asides += 1
            else:
                work.answer = completion.text.strip()
                self.memory.observe(Step((Message("assistant", completion.text),), subgoal))
                break
        self.memory.close_task("answered" if work.answer else f"not ended after {work.steps} steps")
        return work

    def _aside(self, completion: Completion, work: Work) -> tuple[list[str], str | None]:
        """What the model said to the memory, done: what it is told of it, and the subgoal that began."""
        asked = [call for call in completion.tool_calls if call.name in self._own]
        first = completion.text.strip().partition("\n")[0]
        if first.startswith(SUBGOAL.strip()) and BEGIN in self._own and not any(call.name == BEGIN for call in asked):
            asked.insert(0, ToolCall("", BEGIN, json.dumps({"subgoal": first.removeprefix(SUBGOAL.strip()).strip()})))
        notes, named = [], None
        offered = {tool.name: tool for tool in self.memory.tools()}
        for call in asked:
            try:
                arguments = arguments_of(call, offered[call.name])
                notes.append(self.memory.call(call.name, arguments))
                if call.name == BEGIN:
                    named = " ".join(arguments["subgoal"].split())
                    work.subgoals += 1
            except LaminaError as error:  # of arguments or of the memory: in words for the model
                work.refused += 1
                notes.append(f"Not possible: {error}")
        return notes, named

    def _act(self, text: str, calls: Sequence[ToolCall], subgoal: str | None, work: Work) -> None:
        """Do the calls of one answer; they and their results are one step."""
        named = [replace(call, id=f"{call.id or 'call'}-{work.steps}-{place}") for place, call in enumerate(calls)]
        results = [Message("tool", self._result(call, work), tool_call_id=call.id) for call in named]
        self.memory.observe(Step((Message("assistant", text, tuple(named)), *results), subgoal))
        work.steps += 1

    def _result(self, call: ToolCall, work: Work) -> str:
        try:
            if call.name not in self._functions:
                raise InputError(f"there is no tool {call.name!r}: there is {', '.join(self._functions) or 'none'}")
            tool, function = self._functions[call.name]
            arguments = arguments_of(call, tool)
            value = self._patience.call(lambda: function(**arguments))
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        except (LaminaError, CallFailed, ValueError, RecursionError) as error:
            work.failed += 1
            return f"Error: {error}"


def _without_subgoal(text: str) -> str:
    """The words without a first line that names a subgoal: the step says it."""
    first, _, rest = text.strip().partition("\n")
    return rest.strip() if first.startswith(SUBGOAL.strip()) else text
