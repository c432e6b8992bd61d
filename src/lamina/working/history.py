"""The baselines: a prompt that shows the whole history, its last steps, or a running summary and its last steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lamina.errors import BudgetError, InputError
from lamina.models.protocols import Message
from lamina.working.chunks import ChunkLog, Form, Rendered
from lamina.working.steps import Step
from lamina.working.untooled import Untooled

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter
    from lamina.working.protocol import TraceSink

Shorten = Callable[[str, Sequence[Step]], str]
"""Makes a new summary from the one so far and the steps that leave the prompt."""


class FullHistory(Untooled):
    """Shows every step verbatim; where the budget cannot hold them all, the oldest are left out.

    Parameters: `counter` of tokens; `form`, "chat" or "text"; `sink` of traces.

    >>> memory = FullHistory(form="text")
    >>> memory.observe(Step.acted("look", "A hall.", subgoal="See where I am"))
    >>> print(memory.prompt([], 100).text)
    Subgoal: See where I am
    Action: look
    Observation: A hall.
    """

    name = "full"

    def __init__(self, *, counter: TokenCounter | None = None, form: Form = "chat", sink: TraceSink | None = None) -> None:
        self.log = ChunkLog(counter=counter, form=form, sink=sink)
        self._sink = sink

    def observe(self, step: Step) -> None:
        """Take in a step."""
        self.log.append(Step(step.spoken))

    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The head, the newest steps that fit, the tail."""
        return self.log.render(budget, head=head, tail=tail, folded=False)


class SlidingWindow(FullHistory):
    """Shows the last `steps` steps verbatim, fewer where the budget is smaller.

    >>> memory = SlidingWindow(1, form="text")
    >>> for place in ("hall", "kitchen"):
    ...     memory.observe(Step.acted(f"go to the {place}", f"You are in the {place}."))
    >>> print(memory.prompt([], 100).text)
    (1 step hidden before this)
    Action: go to the kitchen
    Observation: You are in the kitchen.
    """

    name = "window"

    def __init__(
        self, steps: int = 5, *, counter: TokenCounter | None = None, form: Form = "chat", sink: TraceSink | None = None
    ) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise InputError(f"a window holds a whole number of steps of at least 1, not {steps!r}")
        super().__init__(counter=counter, form=form, sink=sink)
        self.steps = steps

    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The head, the last steps, the tail."""
        return self.log.render(budget, head=head, tail=tail, folded=False, last=self.steps)


class SummaryBuffer(FullHistory):
    """Shows a running summary and the newest steps verbatim.

    When the steps shown come to more than `keep` tokens, the older half of them is put into the summary, once.

    Parameters: `shorten`, which makes the new summary (default: the old one with the first line of each observation, of which the
    newest `keep // 2` tokens are kept); `keep`, tokens of steps shown; the others as in `FullHistory`.

    >>> memory = SummaryBuffer(keep=72, form="text")
    >>> for place in ("hall", "kitchen", "cellar", "attic"):
    ...     memory.observe(Step.acted(f"go to the {place}", f"You are in the {place}."))
    >>> print(memory.prompt([], 100).text)
    Summary of what was before:
    go to the kitchen: You are in the kitchen.
    go to the cellar: You are in the cellar.
    <BLANKLINE>
    Action: go to the attic
    Observation: You are in the attic.
    """

    name = "summary"

    def __init__(
        self,
        shorten: Shorten | None = None,
        *,
        keep: int = 1000,
        counter: TokenCounter | None = None,
        form: Form = "chat",
        sink: TraceSink | None = None,
    ) -> None:
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
            raise InputError(f"a buffer keeps a whole number of tokens of at least 1, not {keep!r}")
        super().__init__(counter=counter, form=form, sink=sink)
        self._shorten = shorten or self._lines
        self.keep = keep
        self.summary = ""
        self._shown = 0  # how many of the newest steps are not in the summary
        self._held = 0  # what they cost

    def observe(self, step: Step) -> None:
        """Take in a step; the older half of those shown goes into the summary when they are too many."""
        super().observe(step)
        costs, steps = self.log.current.costs, self.log.current.steps
        self._shown, self._held = self._shown + 1, self._held + costs[-1]
        if self._held <= self.keep or self._shown < 2:
            return
        first, leaving = len(steps) - self._shown, 0
        while self._held > self.keep / 2 and self._shown > 1:
            self._held -= costs[first + leaving]
            leaving, self._shown = leaving + 1, self._shown - 1
        self.summary = self._shorten(self.summary, steps[first : first + leaving])

    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The head, the summary, the steps that are not in it, the tail."""
        if not self.summary:
            return super().prompt(head, budget, tail=tail)
        told = Message("user", f"Summary of what was before:\n{self.summary}")
        try:
            return self.log.render(budget, head=[*head, told], tail=tail, folded=False, last=self._shown, marked=False)
        except BudgetError:  # the summary leaves no room for the last step
            return super().prompt(head, budget, tail=tail)

    def _lines(self, summary: str, steps: Sequence[Step]) -> str:
        """The default: a line for each step, the newest that fit into half of what is kept."""
        lines = summary.splitlines() + [f"{step.action}: {step.observation.strip().partition(chr(10))[0]}" for step in steps]
        left = self.keep // 2
        kept: list[str] = []
        for line in reversed(lines):
            left -= self.log.counter.count(line) + 1
            if left < 0 and kept:
                break
            kept.append(line)
        return "\n".join(reversed(kept))
