"""A conversation with somebody whose past is in a memory: what bears on what is said is recalled beside it, and both sides are kept.

What a model is sent only grows at its end, turn by turn, so that a model which keeps what it has read (`lamina.models.local`, and most
endpoints) reads only what is new. That is why what was recalled stands with the turn it was recalled for, and stays there. The
`Companion`, after MemoryBank, writes one prompt anew for every turn instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Unpack

from lamina.agents.acquaintance import days_of, profile_of
from lamina.agents.companion import FRAME, KINDS
from lamina.errors import BudgetError, InputError, StateError
from lamina.keeping.arguments import ScopeArguments, read_scope
from lamina.models.protocols import Message
from lamina.models.streaming import Stream, streamed
from lamina.models.tokens import WordLlamaTokens
from lamina.records import Hit, Run
from lamina.scopes import EVERYWHERE
from lamina.text import check_text
from lamina.times import isoformat

if TYPE_CHECKING:
    from lamina.memory import Memory
    from lamina.models.protocols import Completion, LanguageModel, TokenCounter

ROLE: Final = (
    "You are {name}, a friendly companion with a memory. What you remember of earlier conversations stands before what is said, as quoted data. "
    "Use it where it helps to answer, and do not make memories up. Answer in a few sentences. Today is {today}."
)
MOST: Final = 5
"""Items recalled for one turn, at most: more of them distract a small model."""
LEFT: Final = 0.6
"""Share of the budget that is left full when old turns have to go: they go together, seldom, since what follows them has to be read anew."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """One thing that an answer could rest on. `level`: trace, note, thought or fact; portrait; episode (the days in short); or context
    (turns of this conversation). `score` and `id` where it is an item that was found."""

    level: str
    text: str
    when: str = ""
    who: str = ""
    score: float | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer took: tokens of its `prompt`, of these `reused` without being read again (None: nobody tells) and `recalled` from the
    memory; tokens `written`; `first`, seconds until its first piece, and `seconds` in all. `counted`: the model told the tokens; else
    they are the counter's."""

    prompt: int
    reused: int | None
    recalled: int
    written: int
    first: float
    seconds: float
    counted: bool

    @property
    def read(self) -> int | None:
        """Tokens of the prompt that were read for this answer; None where nobody tells."""
        return None if self.reused is None else self.prompt - self.reused

    @property
    def rate(self) -> float:
        """Tokens written a second, once the first was there."""
        spent = self.seconds - self.first
        return (self.written - 1) / spent if self.written > 1 and spent > 0 else 0.0


@dataclass(slots=True)
class Exchange:
    """What was said and answered, with what was recalled for it: `block` as the model was shown it. Empty `turns`: nothing is kept yet."""

    said: str
    block: str = ""
    hits: tuple[Hit, ...] = ()
    answer: str = ""
    turns: tuple[str, ...] = ()
    recalled: tuple[Recalled, ...] = ()
    cost: Cost | None = None
    cancelled: bool = False
    truncated: bool = False

    @property
    def asked(self) -> Message:
        """What was said as the model is shown it, what was recalled first."""
        return Message("user", f"{self.block}\n\n{self.said}" if self.block else self.said)


@dataclass(slots=True)
class _Opening:
    """The system message of a conversation, and what it tells of the person."""

    text: str
    known: tuple[Recalled, ...] = field(default=())


class Conversation:
    """One run of a conversation with one person.

    Parameters: `memory`; `model`; `budget`, the most tokens of a prompt by `counter` (default: the model's own counter where it has one, else
    the packaged tokenizer; None: nothing is ever left out, for models whose context has no end); `recall`, the most of them recalled for one
    turn; `max_tokens` of an answer; `temperature`; `name` of the one who answers, `person` who is spoken with (the speaker of what is
    stored); `session` of the turns (default: named after the time it begins); `role`, the text that begins a prompt, in which {name} and
    {today} are filled in; `timer`, seconds; and whose memory it is (`user=…`). Raises `InputError` for values out of range.

    >>> from lamina import Memory
    >>> from lamina.models.protocols import Completion
    >>> class Parrot:
    ...     name = "parrot"
    ...     def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
    ...         return Completion("Biscuit." if "called Biscuit" in messages[-1].content else "I see.")
    >>> with Memory(":memory:") as memory:
    ...     one = Conversation(memory, Parrot(), user="ana")
    ...     print("".join(one.say("I slept badly.")), one.last.recalled)
    ...     _ = memory.add("My dog is called Biscuit.", user="ana")
    ...     later = Conversation(memory, Parrot(), user="ana")
    ...     print("".join(later.say("What is the name of my dog?")), later.last.recalled[0].level)
    I see. ()
    Biscuit. trace
    """

    def __init__(
        self,
        memory: Memory,
        model: LanguageModel,
        *,
        budget: int | None = 3000,
        recall: int = 400,
        max_tokens: int = 300,
        temperature: float = 0.0,
        counter: TokenCounter | None = None,
        name: str = "Lamina",
        person: str | None = None,
        session: str | None = None,
        role: str = ROLE,
        run: Run | None = None,
        timer: Callable[[], float] = time.perf_counter,
        **whose: Unpack[ScopeArguments],
    ) -> None:
        if (budget is not None and budget < 1) or recall < 0 or max_tokens < 1:
            raise InputError(
                f"budget and max_tokens must be at least 1 and recall at least 0, not {budget}, {max_tokens}, {recall}"
            )
        self._scope = read_scope(whose)
        if self._scope == EVERYWHERE:
            raise InputError("a conversation is with one person: name whose memory it is, such as user='ana'")
        self._memory, self._model, self._budget, self._recall = memory, model, budget, recall
        self._max_tokens, self._temperature, self._timer = max_tokens, temperature, timer
        self._counter: TokenCounter = counter or (model if hasattr(model, "count") else WordLlamaTokens())  # type: ignore[assignment]
        self._run = run or Run()
        now = isoformat(self._run.clock())
        self._session, self._name, self._person = session or f"chat {now[:19]}", check_text(name, "the name"), person
        self._role = check_text(role, "the role").replace("{name}", name).replace("{today}", now[:10])
        self._opening: _Opening | None = None
        self._shown: list[Exchange] = []  # what the next prompt begins with
        self._last: Exchange | None = None
        self._stream: Stream | None = None

    @property
    def session(self) -> str:
        """The session of the turns."""
        return self._session

    @property
    def last(self) -> Exchange:
        """The last exchange, also one that is not over; `StateError` where nothing was said yet."""
        if self._last is None:
            raise StateError("nothing was said yet: say something first")
        return self._last

    # -------------------------------------------------------------------------------------------------------- a turn
    def say(self, text: str) -> Iterator[str]:
        """The answer, in pieces as it is written. What was said is stored before the model is asked; what was answered, also in part, when
        the iterator ends. Raises what the model raises, and `BudgetError` where the budget does not even hold what was said.
        """
        check_text(text, "what is said")
        exchange = self._recalling(text)
        messages = self._messages(exchange)
        told = {"role": "user", "content": text, "at": self._run.clock()} | ({"speaker": self._person} if self._person else {})
        exchange.turns = tuple(self._memory.add(told, session=self._session, scope=self._scope))
        self._last = exchange
        return self._answering(exchange, messages)

    def cancel(self) -> bool:
        """End the answer that is being written, from any thread; False where the model cannot be stopped within an answer."""
        return self._stream is None or self._stream.cancel()

    def _answering(self, exchange: Exchange, messages: Sequence[Message]) -> Iterator[str]:
        begin = self._timer()
        first: float | None = None
        self._stream = stream = streamed(self._model, messages, max_tokens=self._max_tokens, temperature=self._temperature)
        whole = False
        try:
            for piece in stream:
                first = self._timer() - begin if first is None else first
                exchange.answer += piece
                yield piece
            whole = True
        finally:
            self._stream = None
            stream.close()
            seconds = self._timer() - begin
            exchange.cancelled = not whole or getattr(stream, "cancelled", False)
            self._keep(exchange, messages, stream.completion if whole or exchange.answer else None, first or seconds, seconds)

    def _keep(
        self, exchange: Exchange, messages: Sequence[Message], found: Completion | None, first: float, seconds: float
    ) -> None:
        """Store the answer, and remember what it cost."""
        told = None if found is None else found.prompt_tokens
        written = None if found is None else found.completion_tokens
        exchange.cost = Cost(
            self._tokens(messages) if told is None else told,
            None if found is None else found.reused_tokens,
            self._counter.count(exchange.block) if exchange.block else 0,
            self._counter.count(exchange.answer) if written is None else written,
            first,
            seconds,
            told is not None,
        )
        exchange.truncated = found is not None and found.truncated
        answer = exchange.answer.strip()
        if not answer:
            return  # two messages of one side in a row are refused by some models
        self._shown = [*self._shown, exchange]
        more = {"cut": "cancelled"} if exchange.cancelled else {"cut": "limit"} if exchange.truncated else {}
        said = {"role": "assistant", "content": answer, "speaker": self._name, "at": self._run.clock()}
        ids = self._memory.add(said, session=self._session, metadata={"model": self._model.name, **more}, scope=self._scope)
        exchange.turns = (*exchange.turns, *ids)

    # -------------------------------------------------------------------------------------------------- forgetting
    def forget(self, ids: Sequence[str]) -> int:
        """Hide items from recall, and from the rest of this conversation what was quoted or said of them; returns how many."""
        gone = set(ids)
        done = self._memory.forget(list(ids))
        self._shown = [one for one in self._shown if not gone.issuperset(one.turns)]
        for one in self._shown:
            if gone & {hit.id for hit in one.hits}:
                one.block, one.hits = "", ()
        return done

    # ------------------------------------------------------------------------------------------------------ a prompt
    def _recalling(self, text: str) -> Exchange:
        """What bears on what is said, as an exchange that has no answer yet."""
        known = self._known()
        exchange = Exchange(text, recalled=known.known)
        if self._recall:
            shown = [
                text,
                *(
                    part
                    for one in self._shown
                    for part in (one.said, one.answer.strip(), *(hit.text for hit in one.hits))
                    if part
                ),
            ]
            found = self._memory.context(
                text, budget=self._recall, counter=self._counter, k=MOST, shown=shown, kinds=KINDS, scope=self._scope
            )
            exchange.block, exchange.hits = found.text, found.hits
        rows = [
            Recalled(hit.kind, hit.text, hit.when[:16].replace("T", " "), hit.speaker or hit.item.role or "", hit.score, hit.id)
            for hit in exchange.hits
        ]
        exchange.recalled = (*rows, *known.known)
        return exchange

    def _known(self) -> _Opening:
        """The system message, made once: it is what every prompt begins with."""
        if self._opening is None:
            memory, scope, counter = self._memory, self._scope, self._counter
            parts = (
                ("portrait", profile_of(memory, scope, self._person, self._recall // 2, counter)),
                ("episode", days_of(memory, scope, self._recall // 2, counter)),
            )
            known = tuple(Recalled(level, text) for level, text in parts if text)
            self._opening = _Opening("\n\n".join([self._role, *(one.text for one in known)]), known)
        return self._opening

    def _messages(self, exchange: Exchange) -> list[Message]:
        """The prompt; where it does not fit, old turns go, and then what was recalled."""
        kept = self._shown
        messages = self._with(kept, exchange)
        if self._budget is not None and self._tokens(messages) > self._budget:
            while kept and self._tokens(self._with(kept, exchange)) > self._budget * LEFT:
                kept = kept[1:]
            messages = self._with(kept, exchange)
            if self._tokens(messages) > self._budget:
                exchange.block, exchange.hits, exchange.recalled = "", (), self._known().known
                messages = self._with(kept, exchange)
            if self._tokens(messages) > self._budget:
                raise BudgetError(
                    f"what was said takes {self._tokens(messages)} tokens of a budget of {self._budget}: shorten it"
                )
        self._shown = kept
        if kept:
            row = Recalled("context", f"{2 * len(kept)} turns of this conversation, since: {kept[0].said}")
            exchange.recalled = (*exchange.recalled, row)
        return messages

    def _with(self, kept: Sequence[Exchange], exchange: Exchange) -> list[Message]:
        messages = [Message("system", self._known().text)]
        for one in kept:
            messages += [one.asked, Message("assistant", one.answer)]
        return [*messages, exchange.asked]

    def _tokens(self, messages: Sequence[Message]) -> int:
        return sum(FRAME + self._counter.count(one.content) for one in messages)
