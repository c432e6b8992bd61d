"""HiAgent: the steps of the current subgoal whole, every finished subgoal as one line of what came of it.

Mengkang Hu, Tianxing Chen, Qiguang Chen, Yao Mu, Wenqi Shao, Ping Luo: HiAgent: Hierarchical Working Memory Management for Solving
Long-Horizon Agent Tasks with Large Language Model (2024). The model names a subgoal before it acts, and by naming the next it says that
the last one is done; what lies under a finished one is folded, and `retrieve` shows it again until the next subgoal.

Where the code in circulation differs from the paper's text (`variant="code"`): it asks for the line of every finished subgoal anew for
each prompt, and passes over a `retrieve` of what is no finished subgoal in silence. Ours asks once and refuses aloud.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from lamina.errors import BudgetError, InputError
from lamina.models.protocols import Tool
from lamina.working.chunks import Chunk, ChunkLog, Form, Rendered
from lamina.working.folding import Extract, ModelSummary, Pair, Summarise, pair_of
from lamina.working.nesting import Condense, Nesting, condenser
from lamina.working.protocol import LineSink
from lamina.working.steps import Step

if TYPE_CHECKING:
    from lamina.models.protocols import LanguageModel, Message, TokenCounter
    from lamina.working.protocol import TraceSink

Variant = Literal["paper", "code"]
Speech = Literal["lines", "tools"]

CHECK: Final = "check valid actions"
"""What an agent says to be told what it can do; such turns say nothing of what became of a subgoal."""
BEGIN: Final = "begin_subgoal"
RETRIEVE: Final = "retrieve"

_RETRIEVE: Final = re.compile(r"\W*retrieve\s*[(\[]+(?P<ids>[^)\]]*)[)\]]*\W*", re.IGNORECASE)
_BEGIN_TOOL: Final = Tool(
    BEGIN,
    "Say which milestone you work on next, in one line. The one before it counts as done and is folded to one line of result.",
    {"type": "object", "properties": {"subgoal": {"type": "string"}}, "required": ["subgoal"]},
)
_RETRIEVE_TOOL: Final = Tool(
    RETRIEVE,
    "Show the steps of finished subgoals in full again, by their numbers, until the next subgoal begins.",
    {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "integer"}}}, "required": ["ids"]},
)
_RULES: Final = (
    "Work in subgoals: milestones towards the goal, each one line. While one is unfinished, answer with one line:\nAction: <action>",
    "If you have none, or judge the last one finished, answer with two:\nSubgoal: <next milestone>\nAction: <its first action>",
    f"Each subgoal needs at least one valid action; never name two in a row. If an action fails, use '{CHECK}'.",
)
_RETRIEVE_RULE: Final = (
    "Of a finished subgoal you see its number and what came of it. To see its steps until the next subgoal:\n"
    "Action: retrieve(<number>, …)"
)
_TOOL_RULES: Final = (
    "Work in subgoals. A subgoal is one milestone on the way to the goal, said in one line.",
    f"Before the first step of each call {BEGIN}, or begin your words with a line 'Subgoal: <the milestone>'; by that you also say "
    "that the one before it is finished. Never begin two in a row: each needs at least one call of another tool.",
)
_RETRIEVE_TOOL_RULE: Final = (
    f"Of a finished subgoal you see its number and one line of what came of it. If you need its steps again, call {RETRIEVE}: they are "
    "shown until your next subgoal."
)
_HIDDEN_RULE: Final = "Of a finished subgoal you see its number and one line of what came of it."

log = logging.getLogger("lamina.working")


def asked_for(action: str) -> list[int] | None:
    """The numbers in an action such as `retrieve(1, 2)`; None where it is another action.

    Raises `InputError`, in words for the model, where it is one without whole numbers.

    >>> asked_for("retrieve(1, 2)"), asked_for("take the key")
    ([1, 2], None)
    """
    found = _RETRIEVE.fullmatch(action)
    if found is None:
        return None
    words = [word for word in re.split(r"[\s,;]+", found["ids"]) if word]
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise InputError(
            f"{action.strip()[:60]!r} names no finished subgoal: write retrieve(1, 2), with the numbers of those you need"
        )
    return [int(word) for word in words]


class SubgoalMemory:
    """Shows the current subgoal's steps verbatim and each finished subgoal as two lines, unless `retrieve` asked for it.

    A step whose `subgoal` is set begins a chunk, as `begin` does (which says it before the first step is there). The line of a
    finished chunk is made once, when the next begins. Nothing is lost: the log holds every step, and where the maker of lines
    fails, words of the observations stand in its place. Numbers of chunks stay the same for the whole task.

    Parameters: `summarise`, from a subgoal and its pairs of action and observation to one line: a function, or a language model
    (default: words of the observations, `Extract`); `condense`, which is ours and not the source's: from what was known before, a
    subgoal and its pairs to what is known after it, a function or a language model; where folded lines do not fit, the oldest and
    the beginning are condensed into one block instead of hidden (see `nesting`); `always`, even where they fit; `recent`, and of the
    current subgoal all but so many steps; `fully_observable`: every observation says the whole state, so the last one is the line, and
    nothing is asked; `retrieval`: False leaves `retrieve` out, to see what it is worth; `ignored`: actions whose turns say nothing of the
    result; `speech`, whether the rules tell the model to answer in lines or to call tools (default: lines in the form "text", tools in the
    form "chat"); `variant`, "paper" or "code" (see the module); the others as in `FullHistory`.

    >>> memory = SubgoalMemory(lambda subgoal, pairs: f"{len(pairs)} drawers opened, key found")
    >>> memory.observe(Step.acted("open drawer 1", "It is empty.", subgoal="Find the key"))
    >>> memory.observe(Step.acted("open drawer 2", "A key lies in it."))
    >>> memory.observe(Step.acted("take the key", "You have it.", subgoal="Open the door"))
    >>> print(memory.prompt([], 200).text)
    1 Subgoal: Find the key
    Observation: 2 drawers opened, key found
    2 Subgoal: Open the door
    Action: take the key
    Observation: You have it.
    >>> memory.call("retrieve", {"ids": [1]})
    'Shown in full until the next subgoal: 1.'
    >>> "Action: open drawer 2" in memory.prompt([], 200).text
    True
    """

    name = "hiagent"

    def __init__(
        self,
        summarise: Summarise | LanguageModel | None = None,
        *,
        condense: Condense | LanguageModel | None = None,
        always: bool = False,
        recent: int | None = None,
        fully_observable: bool = False,
        retrieval: bool = True,
        ignored: Sequence[str] = (CHECK,),
        speech: Speech | None = None,
        variant: Variant = "paper",
        counter: TokenCounter | None = None,
        form: Form = "text",
        sink: TraceSink | None = None,
    ) -> None:
        if variant not in get_args(Variant):
            raise InputError(f"{variant!r} is not a variant: use one of {', '.join(get_args(Variant))}")
        if speech is not None and speech not in get_args(Speech):
            raise InputError(f"{speech!r} is not a way for a model to speak: use one of {', '.join(get_args(Speech))}")
        if condense is not None:
            self.name = "nested"
        self.log = ChunkLog(counter=counter, form=form, sink=sink)
        self.fully_observable = fully_observable
        self.retrieval = retrieval
        self.speech: Speech = speech or ("lines" if form == "text" else "tools")
        self.variant: Variant = variant
        self.summaries = 0
        """How often a line was asked for."""
        self.opened: set[int] = set()
        self._extract = Extract()
        self._summarise = _summariser(summarise, self._extract)
        self._ignored = frozenset(_plain(one) for one in ignored)
        self.nesting = (
            None if condense is None else Nesting(self.log, condenser(condense), self._pairs, always=always, recent=recent)
        )
        self._sink = sink

    @property
    def rules(self) -> str:
        """How to work in subgoals, for the head of the prompt."""
        rules, more = (_RULES, _RETRIEVE_RULE) if self.speech == "lines" else (_TOOL_RULES, _RETRIEVE_TOOL_RULE)
        return "\n".join((*rules, more if self.retrieval else _HIDDEN_RULE))

    def begin(self, subgoal: str) -> Chunk:
        """Begin a subgoal: the one before it is folded, what was retrieved closes.

        Raises `InputError`, in words for the model, for an empty subgoal and for a second one before any step.
        """
        title = subgoal.strip() if isinstance(subgoal, str) else ""
        if not title:
            raise InputError("a subgoal needs words: say in one line what you want to reach next")
        current = self.log.current
        if current.title is not None and not current.steps:
            raise InputError(
                f"nothing was done for the subgoal {current.title!r} yet: two subgoals in a row are not allowed, give an action for it"
            )
        if current.title is not None:
            self._fold(current)
        chunk = self.log.open(" ".join(title.split()))
        self.opened.clear()
        return chunk

    def observe(self, step: Step) -> None:
        """Take in a step; one with a subgoal begins it, unless `begin` did already."""
        current = self.log.current
        if step.subgoal is not None and (current.steps or " ".join(step.subgoal.split()) != current.title):
            self.begin(step.subgoal)
        self.log.append(step)

    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The head, finished subgoals folded, the current one whole, the tail; a line says so where a retrieved one has no room."""
        if self.variant == "code":
            for chunk in self.log.chunks[1:-1]:
                self._fold(chunk)
        shown = self._render(head, budget, tail, self.opened)
        missing = self.opened.difference(block.chunk.id for block in shown.blocks if block.state == "open")
        if not missing:
            return shown
        told = f"(there is no room to show in full: {', '.join(map(str, sorted(missing)))})"
        try:
            return self._render(head, budget, f"{told}\n{tail}" if tail else told, self.opened - missing)
        except BudgetError:
            return shown

    def _render(self, head: Sequence[Message], budget: int, tail: str, opened: Collection[int]) -> Rendered:
        nesting = self.nesting
        choose = None if nesting is None else lambda room: nesting.blocks(room, opened)
        return self.log.render(budget, head=head, tail=tail, opened=opened, choose=choose)

    def tools(self) -> Sequence[Tool]:
        """`begin_subgoal`, and `retrieve` where it is allowed."""
        return (_BEGIN_TOOL, _RETRIEVE_TOOL) if self.retrieval else (_BEGIN_TOOL,)

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Do what `tools()` offers. Raises `InputError` in words that can be shown to the model."""
        if name == BEGIN:
            return f"Subgoal {self.begin(arguments.get('subgoal', '')).id} has begun."
        if name == RETRIEVE and self.retrieval:
            return self._open(arguments.get("ids"))
        raise InputError(f"there is no tool {name!r} of this memory: there is {', '.join(tool.name for tool in self.tools())}")

    def close_task(self, outcome: str = "") -> None:
        """Tell the sink that the task is over, and before that what came of the last subgoal, where it is a `LineSink`."""
        current = self.log.current
        if isinstance(self._sink, LineSink) and current.title is not None and current.steps:
            self._fold(current)
        if self._sink is not None:
            self._sink.close(outcome)

    def _open(self, ids: object) -> str:
        numbers = [ids] if isinstance(ids, int) else ids
        if isinstance(numbers, str):
            numbers = asked_for(f"retrieve({numbers})")
        last = self.log.current.id - 1
        wrong = [
            one
            for one in (numbers if isinstance(numbers, list | tuple) else [numbers])
            if isinstance(one, bool) or not isinstance(one, int) or not 1 <= one <= last
        ]
        good = [one for one in numbers if one not in wrong] if isinstance(numbers, list | tuple) else []
        if self.variant == "paper" and (wrong or not good):
            known = f"finished are 1 to {last}" if last > 1 else "only 1 is finished" if last == 1 else "none is finished yet"
            named = ", ".join(repr(one)[:20] for one in wrong) or "nothing"
            raise InputError(f"{named} cannot be retrieved, since it is no finished subgoal: {known}")
        self.opened.update(good)
        return f"Shown in full until the next subgoal: {', '.join(map(str, sorted(self.opened)))}."

    def _fold(self, chunk: Chunk) -> None:
        pairs = self._pairs(chunk.steps) or [pair_of(step) for step in chunk.steps]
        again = chunk.summary is not None
        self.log.fold(self._line(chunk.title or "", pairs), chunk.id)
        if isinstance(self._sink, LineSink) and not again:
            self._sink.fold(chunk.title or "", chunk.summary or "")

    def _pairs(self, steps: Sequence[Step]) -> list[Pair]:
        return [pair for pair in map(pair_of, steps) if _plain(pair[0]) not in self._ignored]

    def _line(self, subgoal: str, pairs: Sequence[Pair]) -> str:
        if self.fully_observable:
            return pairs[-1][1].strip() or self._extract(subgoal, pairs)
        self.summaries += 1
        try:
            made = self._summarise(subgoal, pairs)
            if isinstance(made, str) and made.strip():
                return made
            log.warning("the summary of a subgoal was empty: words of its observations are used")
        except Exception as error:  # noqa: BLE001  whatever wrote it: the step goes on, and the log has everything
            log.warning("the summary of a subgoal failed (%s): words of its observations are used", type(error).__name__)
        return self._extract(subgoal, pairs)


def _summariser(given: Summarise | LanguageModel | None, extract: Extract) -> Summarise:
    if given is None:
        return extract
    if callable(getattr(given, "complete", None)):
        return ModelSummary(given)  # type: ignore[arg-type]
    if not callable(given):
        raise InputError(
            f"a maker of summaries is a function of subgoal and pairs or a language model, not {type(given).__name__}"
        )
    return given


def _plain(action: str) -> str:
    return " ".join(action.lower().split()).rstrip(".")
