"""The log of a task in chunks: appended to, folded into lines, unfolded again, and shown within a budget of tokens.

Nothing is taken out of the log; what a prompt cannot hold is hidden in that prompt only. What must go goes in this order: finished
chunks are folded to two lines from the start, unless they are asked for; then folded chunks are hidden, the oldest first; then those
asked for are folded; then the beginning of the task; then the oldest steps of the current chunk. The last step always stays, cut in
the middle where it alone is too long. A step is shown whole or not at all, so no result is ever without its call.

A prompt is built from the newest step backwards and stops when it is full, so its cost depends on the budget, not on the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from lamina.errors import BudgetError, InputError, NotFoundError
from lamina.models.protocols import Message
from lamina.models.tokens import default_counter
from lamina.working.cutting import cut
from lamina.working.steps import MESSAGE_TOKENS, OBSERVATION, SUBGOAL, Step, message_tokens, prompt_tokens

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter
    from lamina.working.protocol import TraceSink

Form = Literal["chat", "text"]
State = Literal["current", "open", "folded", "condensed"]

_BEFORE: Final = "x"  # a line costs what it adds to something before it
_LEAST: Final = 24
"""Tokens below which not even a cut step can be shown."""


@dataclass(slots=True)
class Chunk:
    """Steps under one title. `id`: 0 for what came before the first title, then 1, 2, …, never given twice.

    `summary`: its one line once it is folded, made once.
    """

    id: int
    title: str | None = None
    steps: list[Step] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)
    summary: str | None = None
    line_cost: int = 0
    title_cost: int = 0

    @property
    def folded(self) -> str:
        """The chunk as two lines: its number and title, and its summary."""
        return f"{self.id} {SUBGOAL}{self.title}\n{OBSERVATION}{self.summary}"


@dataclass(frozen=True, slots=True)
class Block:
    """What a prompt shows of a chunk: all of it from the step `first` on, or two lines where it is folded.

    Where it is condensed, the lines `text` stand for all chunks up to this one; for those before it and its first `first` steps, if
    `first` is not 0.
    """

    chunk: Chunk
    state: State
    first: int = 0
    text: str = ""

    @property
    def steps(self) -> Sequence[Step]:
        """The steps shown verbatim."""
        return () if self.state in ("folded", "condensed") else self.chunk.steps[self.first :]

    @property
    def covers(self) -> range:
        """The numbers of the chunks that a condensed block stands for as a whole; of any other block none."""
        return range(self.chunk.id + (0 if self.first else 1)) if self.state == "condensed" else range(0)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt. `tokens`: what it costs; `blocks`: what it shows, in order; `hidden_chunks`, `hidden_steps`: what it does not
    (steps of folded chunks do not count as hidden)."""

    messages: tuple[Message, ...]
    tokens: int
    blocks: tuple[Block, ...] = ()
    hidden_chunks: int = 0
    hidden_steps: int = 0

    @property
    def text(self) -> str:
        """The words of all messages, for people."""
        return "\n\n".join(message.content for message in self.messages)


class ChunkLog:
    """The steps of a task, and prompts that show as much of them as a budget allows.

    Parameters: `counter` of tokens (default: the packaged tokenizer); `form`, "chat" for messages as they were, "text" for one
    message in which steps are lines; `sink`, which is given every step.

    >>> log = ChunkLog(form="text")
    >>> log.append(Step.observed("You are in a hall."))
    >>> log.open("Find the key").id
    1
    >>> log.append(Step.acted("open the drawer", "A key lies in it."))
    >>> log.fold("The key is in the drawer.")
    >>> log.open("Open the door").id
    2
    >>> log.append(Step.acted("take the key", "You have the key."))
    >>> print(log.render(200).text)
    Observation: You are in a hall.
    1 Subgoal: Find the key
    Observation: The key is in the drawer.
    2 Subgoal: Open the door
    Action: take the key
    Observation: You have the key.
    """

    def __init__(self, *, counter: TokenCounter | None = None, form: Form = "chat", sink: TraceSink | None = None) -> None:
        if form not in ("chat", "text"):
            raise InputError(f"{form!r} is not a form of a prompt: use 'chat' or 'text'")
        self.counter = default_counter(counter)
        self.form: Form = form
        self._sink = sink
        self._chunks = [Chunk(0)]
        self._steps = 0
        self._nothing = self.counter.count(_BEFORE)

    def __len__(self) -> int:
        return self._steps

    @property
    def chunks(self) -> Sequence[Chunk]:
        """All chunks in order; the place of each is its id."""
        return self._chunks

    @property
    def current(self) -> Chunk:
        """The chunk that steps are appended to."""
        return self._chunks[-1]

    def steps(self) -> Iterator[Step]:
        """All steps in order."""
        return (step for chunk in self._chunks for step in chunk.steps)

    def append(self, step: Step) -> None:
        """Add a step to the current chunk and hand it to the sink."""
        chunk = self.current
        chunk.costs.append(self._cost(step, alone=chunk.title is None or bool(chunk.steps)))
        chunk.steps.append(step)
        self._steps += 1
        if self._sink is not None:
            self._sink.keep(step, chunk.title)

    def open(self, title: str) -> Chunk:
        """Begin a chunk; the one before it is folded to its last observation, unless it has a line already. Raises `InputError` for an empty title, and where the chunk before it has a title but no step."""
        if not title.strip() or len(title.splitlines()) > 1:
            raise InputError(f"the title of a chunk is one line of text, not {title[:60]!r}")
        if self.current.title is not None and not self.current.steps:
            raise InputError(f"nothing was done for {self.current.title!r} yet: {title!r} can begin after one step at least")
        if self.current.title is not None and self.current.summary is None:
            self.fold(self.current.steps[-1].observation or self.current.steps[-1].text)
        chunk = Chunk(len(self._chunks), title)
        chunk.title_cost = self._line(f"{chunk.id} {SUBGOAL}{title}")
        self._chunks.append(chunk)
        return chunk

    def fold(self, summary: str, number: int | None = None) -> None:
        """Give a chunk (default: the current one) its line, by which it is shown once another begins. Raises `InputError` for an
        empty summary and for a chunk without a title, `NotFoundError` for one that is not there."""
        chunk = self.current if number is None else self.chunk(number)
        if chunk.title is None or not summary.strip():
            raise InputError("a chunk is folded to its title and a summary: both must have words")
        chunk.summary = " ".join(summary.split())
        chunk.line_cost = self._line(chunk.folded)

    def chunk(self, number: int) -> Chunk:
        """The chunk of this id. Raises `NotFoundError` where there is none."""
        if not 0 <= number < len(self._chunks):
            raise NotFoundError(f"there is no chunk {number}: the log has 0 to {len(self._chunks) - 1}")
        return self._chunks[number]

    def unfold(self, number: int) -> tuple[Message, ...]:
        """Every message of a chunk, verbatim."""
        return tuple(message for step in self.chunk(number).steps for message in step.messages)

    def render(
        self,
        budget: int,
        *,
        head: Sequence[Message] = (),
        tail: str = "",
        opened: Collection[int] = (),
        folded: bool = True,
        last: int | None = None,
        marked: bool = True,
        choose: Callable[[int], Sequence[Block]] | None = None,
    ) -> Rendered:
        """A prompt of at most `budget` tokens: `head`, what is shown of the log, `tail`.

        `opened`: finished chunks to show whole; `folded`: False shows steps only, the newest that fit; `last`: at most so many
        steps; `marked`: say what is hidden; `choose`: chooses the blocks for a room of tokens in place of all
        this. Raises `BudgetError` where head, tail and the last step, cut as short as can be, are over the budget.
        """
        fixed = prompt_tokens(head, self.counter) + (self._line(tail) if tail else 0) + MESSAGE_TOKENS
        room, over, before = budget - fixed, 0, None
        while True:  # estimates of lines are close; where the whole is over the budget after all, a little less is shown
            if (self._steps and room < _LEAST) or room < 0:
                raise BudgetError(
                    f"the rules, the goal and what is said now take {fixed} tokens and leave no room for a step in a budget of {budget}: "
                    "shorten them, or give a larger budget"
                )
            blocks = choose(room) if choose else self._folded(room, opened) if folded else self._newest(room, last)
            shape = [(block.chunk.id, block.state, block.first, block.text) for block in blocks]
            if shape != before or (len(blocks[-1].steps) == 1 if blocks else False):  # a last step may be cut to the room
                found = self._assemble(head, tail, blocks, room, marked)
                if found.tokens <= budget:
                    return found
                over, before = found.tokens - budget, shape
            room -= over

    def _folded(self, room: int, opened: Collection[int]) -> list[Block]:
        """Current chunk, beginning, opened chunks, folded ones: chosen in this order, returned in the log's."""
        current = self.current
        first, left = _fill(current, len(current.steps), room - current.title_cost, at_least=1)
        chosen = [Block(current, "current", first)] if current.steps or current.title else []
        if first > 0:
            return chosen
        beginning = self._chunks[0]
        if beginning is not current and beginning.steps:
            first, left = _fill(beginning, len(beginning.steps), left)
            if first < len(beginning.steps):
                chosen.append(Block(beginning, "open", first))
        shown: set[int] = set()
        for number in sorted((one for one in set(opened) if 0 < one < current.id), reverse=True):
            chunk = self._chunks[number]
            cost = sum(chunk.costs) + chunk.title_cost
            if cost <= left:
                chosen.append(Block(chunk, "open"))
                shown.add(number)
                left -= cost
        for number in range(current.id - 1, 0, -1):
            chunk = self._chunks[number]
            if number in shown:
                continue
            if chunk.line_cost > left:
                break
            left -= chunk.line_cost
            chosen.append(Block(chunk, "folded"))
        return sorted(chosen, key=lambda block: block.chunk.id)

    def _newest(self, room: int, last: int | None) -> list[Block]:
        """The newest steps that fit, over all chunks."""
        chosen: list[Block] = []
        least, allowed = 1, self._steps if last is None else last
        for chunk in reversed(self._chunks):
            if not chunk.steps:
                continue
            end = len(chunk.steps)
            first, room = _fill(chunk, end, room - chunk.title_cost, at_least=least, at_most=allowed)
            least, allowed = 0, allowed - (end - first)
            if first < end:
                chosen.append(Block(chunk, "current" if chunk is self.current else "open", first))
            if first > 0:
                break
        return chosen[::-1]

    def _assemble(self, head: Sequence[Message], tail: str, blocks: Sequence[Block], room: int, marked: bool) -> Rendered:
        shown = sum(len(block.steps) for block in blocks)
        whole = sum(len(block.chunk.steps) for block in blocks if block.state == "folded")
        present = {block.chunk.id for block in blocks}
        for block in blocks:
            if block.state == "condensed":
                whole += sum(len(chunk.steps) for chunk in self._chunks[: len(block.covers)]) + block.first
                present.update(block.covers)
        hidden_chunks = self.current.id - sum(1 for number in present if number > 0) if self._titled else 0
        hidden_steps = self._steps - shown - whole
        mark = _hidden(hidden_chunks, hidden_steps) if marked else ""
        body = self._as_text(blocks, mark, room) if self.form == "text" else self._as_chat(blocks, mark, room)
        if tail and self.form == "text":
            body = [Message("user", "\n".join([*(one.content for one in body), tail]))]
        elif tail:
            body = [*body, Message("user", tail)]
        messages = (*head, *body)
        return Rendered(messages, prompt_tokens(messages, self.counter), tuple(blocks), max(hidden_chunks, 0), hidden_steps)

    @property
    def _titled(self) -> bool:
        return len(self._chunks) > 1

    def _as_text(self, blocks: Sequence[Block], mark: str, room: int) -> list[Message]:
        lines = [mark] if mark else []
        numbered = len(self._chunks) > 2
        for block in blocks:
            chunk = block.chunk
            if block.state == "folded":
                lines.append(chunk.folded)
                continue
            if block.state == "condensed":
                lines.append(block.text)
                continue
            if chunk.title is not None:
                lines.append(f"{chunk.id} {SUBGOAL}{chunk.title}" if numbered else f"{SUBGOAL}{chunk.title}")
            lines.extend(step.text for step in self._fitting(block, room, block is blocks[-1]))
        return [Message("user", "\n".join(lines))] if lines else []

    def _as_chat(self, blocks: Sequence[Block], mark: str, room: int) -> list[Message]:
        messages: list[Message] = []
        lines = [mark] if mark else []
        for block in blocks:
            if block.state == "folded":
                lines.append(block.chunk.folded)
                continue
            if block.state == "condensed":
                lines.append(block.text)
                continue
            if lines:
                messages.append(Message("user", "\n".join(lines)))
                lines = []
            for place, step in enumerate(self._fitting(block, room, block is blocks[-1]), start=block.first):
                begins = place == block.first and block.chunk.title is not None and step.subgoal is None
                messages.extend(replace(step, subgoal=block.chunk.title).spoken if begins else step.spoken)
        if lines:
            messages.append(Message("user", "\n".join(lines)))
        return messages

    def _fitting(self, block: Block, room: int, last: bool) -> Sequence[Step]:
        """A block's steps; the last step of a prompt is cut where it alone is longer than the room."""
        steps, chunk = block.steps, block.chunk
        if last and len(steps) == 1 and chunk.costs[-1] + chunk.title_cost > room:
            return [cut(steps[0], room - chunk.title_cost, self._cost)]
        return steps

    def _cost(self, step: Step, alone: bool = True) -> int:
        if self.form == "text":
            return self._line(step.text)
        if alone:
            return sum(message_tokens(message, self.counter) for message in step.spoken)
        return sum(message_tokens(message, self.counter) for message in step.messages) + MESSAGE_TOKENS

    def cost(self, text: str) -> int:
        """Tokens that lines of text add to a prompt."""
        return self._line(text)

    def _line(self, text: str) -> int:
        return max(self.counter.count(f"{_BEFORE}\n{text}") - self._nothing, 0)


def _fill(chunk: Chunk, end: int, room: int, *, at_least: int = 0, at_most: int | None = None) -> tuple[int, int]:
    """The first of the newest steps that fit into the room, and the room that is left."""
    first = end
    while first > 0 and (at_most is None or end - first < at_most):
        cost = chunk.costs[first - 1]
        if cost > room and end - first >= at_least:
            break
        first, room = first - 1, room - cost
    return first, room


def _hidden(chunks: int, steps: int) -> str:
    """What a prompt says of what it does not show; nothing where it shows all."""
    if chunks <= 0 and steps <= 0:
        return ""
    told = [
        f"{count} {what}{'s' if count > 1 else ''}"
        for count, what in ((chunks, "finished subgoal"), (steps, "step"))
        if count > 0
    ]
    return f"({' with '.join(told)} hidden before this)"
