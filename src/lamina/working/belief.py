"""The belief of an agent in a world it sees in part: what was done, and what was seen where, in a text that never exceeds its cap.

A belief is a summary of records (observation, action, feedback) in two sections: Trajectory, what was done and how it went, and Spatial,
the facts with the step of their last sighting. The rolling summary takes each record in once, so what left the buffer of records
stays believed; the source's released code makes the summary anew from the buffer, and loses it (`variant="code"`).

Source: M. Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic Environments", 2025, whose beliefs a
language model writes. The rule that needs none, the facts and the cap are this project's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lamina.errors import BudgetError, InputError, ModelError
from lamina.models.protocols import Message
from lamina.models.tokens import default_counter
from lamina.text import sentences
from lamina.working.chunks import ChunkLog, Form, Rendered
from lamina.working.sightings import Fact, Sighting, Sightings, Surprise
from lamina.working.steps import MESSAGE_TOKENS, Step, prompt_tokens
from lamina.working.summariser import SPATIAL, TRAJECTORY
from lamina.working.untooled import Untooled

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter
    from lamina.working.protocol import TraceSink
    from lamina.working.summariser import Summariser

Variant = Literal["rolling", "code"]

_LEAST: Final = 32
"""Tokens below which a belief cannot be written."""
_LINE: Final = 160  # characters of what came of an action in its line
_BELIEVED: Final = "Belief:\n"


@dataclass(frozen=True, slots=True)
class Record:
    """What an agent did and what came of it.

    `observation`; `action` and `feedback`, empty where it only looked; `seen`, the observation as facts where the observer gives them
    (its sentences otherwise); `expected`, what should be so after the action; `failed`, whether the feedback says that it was not done;
    `subgoal`, in one line.
    """

    observation: str
    action: str = ""
    feedback: str = ""
    seen: Sighting | None = None
    expected: tuple[Fact, ...] = ()
    failed: bool = False
    subgoal: str | None = None

    @property
    def step(self) -> Step:
        """The record as a step."""
        told = "\n".join(part for part in (self.feedback, self.observation) if part)
        return Step.acted(self.action, told, subgoal=self.subgoal) if self.action else Step.observed(told)

    @property
    def sighting(self) -> Sighting:
        """What was seen, as facts: each sentence is one where the observer gave none."""
        return self.seen if self.seen is not None else Sighting(frozenset(map(Fact, sentences(self.observation))))


class BeliefMemory(Untooled):
    """Keeps a belief over what an agent did and saw.

    Parameters: `records`, how many are kept whole (the newest); `cap`, tokens of the belief's text; `variant`, "rolling" or "code"
    (made anew from the records that are kept); `spatial`: False remembers no fact longer than until the next look, for comparison;
    `summariser`, which writes the text where it can (the rule does where it fails, counted in `fallbacks`); `counter` of tokens; `form`;
    `sink` of traces. Raises `InputError` for numbers out of range.

    >>> belief = BeliefMemory(form="text")
    >>> cup = Fact("cup", "in", "drawer")
    >>> belief.record(Record("The drawer holds a cup.", seen=Sighting(frozenset([cup])))).score
    0.0
    >>> belief.record(Record("The drawer is empty.", "open the drawer", seen=Sighting(denied=frozenset([cup])))).score
    1.0
    >>> print(belief.text)
    Trajectory
    1. looked: The drawer holds a cup.
    2. open the drawer: The drawer is empty.
    Spatial
    cup not in drawer (step 2)
    """

    name = "belief"

    def __init__(
        self,
        *,
        records: int = 30,
        cap: int = 600,
        variant: Variant = "rolling",
        spatial: bool = True,
        summariser: Summariser | None = None,
        counter: TokenCounter | None = None,
        form: Form = "chat",
        sink: TraceSink | None = None,
    ) -> None:
        if isinstance(records, bool) or not isinstance(records, int) or records < 1:
            raise InputError(f"a belief keeps a whole number of records of at least 1, not {records!r}")
        if isinstance(cap, bool) or not isinstance(cap, int) or cap < _LEAST:
            raise InputError(f"the cap of a belief is a whole number of tokens of at least {_LEAST}, not {cap!r}")
        if variant not in ("rolling", "code"):
            raise InputError(f"{variant!r} is not a variant of a belief: use 'rolling' or 'code'")
        if form not in ("chat", "text"):
            raise InputError(f"{form!r} is not a form of a prompt: use 'chat' or 'text'")
        self.cap, self.variant, self.spatial = cap, variant, spatial
        self.counter = default_counter(counter)
        self.buffer: deque[tuple[int, Record]] = deque(maxlen=records)
        self.sightings = Sightings()
        self.steps = 0
        self.fallbacks = 0
        self._form, self._sink, self._summariser = form, sink, summariser
        self._lines: deque[tuple[str, bool, str]] = deque(maxlen=records)  # name of the action, whether it failed, the line
        self._tally: Counter[str] = Counter()
        self._failed = 0
        self._written = ""  # by the summariser
        self._waiting: list[str] = []  # records that it has not taken in

    # ------------------------------------------------------------------------------------------------------ taking in
    def record(self, record: Record, *, relevant: Collection[str] | None = None) -> Surprise:
        """Take in a record; returns how much of what was believed or expected was seen to be otherwise.

        `relevant`: the subjects whose facts the score is about; all unless given.
        """
        if self._sink is not None:
            self._sink.keep(record.step, record.subgoal)
        return self._record(record, relevant)

    def observe(self, step: Step) -> None:
        """Take in a step; each sentence of its observation is a fact."""
        if self._sink is not None:
            self._sink.keep(step, step.subgoal)
        self._record(Record(step.observation, step.action, subgoal=step.subgoal), None)

    def _record(self, record: Record, relevant: Collection[str] | None) -> Surprise:
        self.steps += 1
        self.buffer.append((self.steps, record))
        surprise = self._see(record, self.steps, relevant)
        if self.variant == "code":
            self.rebuild()
        else:
            self._line(record, self.steps)
            self._wait(record, self.steps)
        return surprise

    def rebuild(self) -> None:
        """Make the belief anew from the records that are kept; what only older ones said is lost."""
        self.sightings = Sightings()
        self._lines.clear()
        self._tally.clear()
        self._failed, self._written, self._waiting = 0, "", []
        for step, record in self.buffer:
            self._see(record, step, None)
            self._line(record, step)
            self._wait(record, step)

    def _wait(self, record: Record, step: int) -> None:
        if self._summariser is not None:
            self._waiting.append(_told(record, step))

    def _see(self, record: Record, step: int, relevant: Collection[str] | None) -> Surprise:
        surprise = self.sightings.see(record.sighting, step, expected=record.expected, relevant=relevant)
        if not self.spatial:
            self.sightings = Sightings()
            self.sightings.see(record.sighting, step)
        return surprise

    def _line(self, record: Record, step: int) -> None:
        if len(self._lines) == self._lines.maxlen and self.variant == "rolling":
            self._fold(self._lines[0])
        self._lines.append((_name(record), record.failed, _told(record, step, _LINE)))

    def _fold(self, line: tuple[str, bool, str]) -> None:
        self._tally[line[0]] += 1
        self._failed += line[1]

    # ---------------------------------------------------------------------------------------------------------- text
    @property
    def text(self) -> str:
        """The belief in words, at most `cap` tokens."""
        return self.within(self.cap)

    def within(self, cap: int) -> str:
        """The belief in words, at most so many tokens and at most the cap; "" where it is too little to say anything."""
        cap = min(cap, self.cap)
        if self._summariser is not None:
            self._summarise()
            if self._written and self.counter.count(self._written) <= cap:
                return self._written
        return self._by_rule(cap)

    def _summarise(self) -> None:
        """Have the summariser take in what waits, once."""
        if self._summariser is None or not self._waiting:
            return
        try:
            self._written = self._summariser.summarise(self._written, self._waiting, self.cap, self.counter)
        except ModelError:
            self.fallbacks += 1
            self._written = self._by_rule(self.cap)
        self._waiting = []

    def _by_rule(self, cap: int) -> str:
        """Both sections: the facts seen last get up to two thirds, the newest actions what is left; the older ones are counted."""
        spatial = [SPATIAL, *self.sightings.lines()]
        trajectory = [line for _, _, line in self._lines]
        keep = self._fitting(spatial, cap * 2 // 3)
        left = cap - self.counter.count("\n".join(spatial[:keep]))
        first = len(trajectory) - max(self._fitting([TRAJECTORY, *trajectory[::-1]], left) - 1, 0)
        while True:  # what lines cost together is close to what they cost alone; the whole is counted
            told = "\n".join([TRAJECTORY, *self._earlier(first), *trajectory[first:], *spatial[:keep]])
            if self.counter.count(told) <= cap:
                return told
            if first < len(trajectory):
                first += 1
            elif keep > 1:
                keep -= 1
            else:
                return ""

    def _earlier(self, first: int) -> list[str]:
        """A line that counts what is not told one by one: those folded and the first of the lines."""
        tally, failed = self._tally.copy(), self._failed
        for name, wrong, _ in list(self._lines)[:first]:
            tally[name] += 1
            failed += wrong
        if not tally:
            return []
        counts = ", ".join(f"{name} {count}" for name, count in tally.most_common(8))
        return [f"Before that: {counts}{f'; {failed} failed' if failed else ''}"]

    def _fitting(self, lines: Sequence[str], room: int) -> int:
        """How many of the first lines fit into so many tokens."""
        for place, line in enumerate(lines):
            room -= self.counter.count(line) + 1
            if room < 0:
                return place
        return len(lines)

    # ------------------------------------------------------------------------------------------------------- protocol
    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The head, the belief, the last record verbatim, the tail; where the budget is small, the belief is what gives way."""
        log = ChunkLog(counter=self.counter, form=self._form)
        for _, record in list(self.buffer)[-1:]:
            log.append(record.step)
        least = log.render(budget, head=head, tail=tail, folded=False)
        room = budget - least.tokens - MESSAGE_TOKENS - self.counter.count(_BELIEVED)
        while room >= _LEAST:
            text = self.within(room)
            believed = [*head, Message("user", _BELIEVED + text)]
            try:
                return log.render(budget, head=believed, tail=tail, folded=False) if text else least
            except BudgetError:  # tokens of the parts are not quite those of the whole
                room -= max(prompt_tokens(believed, self.counter) - prompt_tokens(head, self.counter) - room, 1)
        return least


def _name(record: Record) -> str:
    """The action without its arguments."""
    return record.action.partition("(")[0].split(" ")[0].strip() or "looked"


def _told(record: Record, step: int, most: int | None = None) -> str:
    came = " ".join(f"{record.feedback} {record.observation}".split()) if most is None else _came(record)
    cut = came if most is None or len(came) <= most else came[: most - 2] + " …"
    return f"{step}. {record.action or 'looked'}: {cut}"


def _came(record: Record) -> str:
    """What came of an action, in short: the feedback where there is one."""
    return " ".join((record.feedback or record.observation).split())
