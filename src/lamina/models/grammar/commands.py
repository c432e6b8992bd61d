"""What people say to a memory, read as commands: an intent, the words that fill its slots, the times that are meant, and why.

The rules are data (`domains/memory.toml`), the times are those of `lamina.expressions`. What is no command is told so: most of what
is said to an agent is not meant for its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from functools import cached_property, lru_cache
from typing import Final

from lamina.expressions.finding import TimeRange, find_ranges
from lamina.expressions.lexicon import Prefer
from lamina.models.grammar.parsing import Filled, Grammar, Parse, Step
from lamina.models.grammar.reading import packaged_domain
from lamina.models.grammar.time_marks import in_years
from lamina.times import MomentLike, parse_moment, to_datetime

INTENTS: Final[Mapping[str, str]] = {
    "remember": "Keep what is said in `content`.",
    "remind": "Come back to `content` at `when`.",
    "forget": "Forget what is known of `topic`, or what was said by `who` or at `when`.",
    "forget_all": "Forget everything.",
    "said": "What `who` said about `topic`, at `when`.",
    "ask": "Answer `question` from what is known.",
    "recall": "What is known of `topic`, at `when`.",
    "list": "Show all that is kept of `topic`, by `who`, of `when`.",
    "count": "How often or how many, of `topic`, by `who`, of `when`.",
    "summarise": "Sum up what is known of `topic`, of `when`.",
    "correct": "`new` instead of `old`, or of what is known of `topic`.",
    "history": "How `topic` changed.",
    "source": "Where `topic` is known from; without it, what was said last.",
    "undo": "Take back the last thing that was done.",
    "off_record": "Keep nothing of `content`, or of what comes.",
}
"""What each intent asks for, with the names of its slots."""
_PREFER: Final[Mapping[str, Prefer]] = {"remind": "future", "remember": "told", "correct": "told", "off_record": "told"}
_INDIRECT: Final = frozenset(("if", "whether"))


@dataclass(frozen=True)
class Command:
    """A text as a command to a memory.

    `intent`: one of INTENTS, or None where the text is no command; `slots`: by name, the words as they stand in the text and their
    span; `parse`: what was read, and by which rules; `now` and `offset`: UTC microseconds and minutes east of UTC, from where it is seen.
    """

    intent: str | None
    slots: Mapping[str, Filled]
    parse: Parse
    now: int
    offset: int

    @cached_property
    def times(self) -> tuple[TimeRange, ...]:
        """The stretches of time that are meant, in UTC microseconds; worked out when they are asked for."""
        if self.parse.times is None or self.intent is None:
            return ()
        prefer = _PREFER.get(self.intent, "past")
        found = find_ranges(in_years(self.text), self.now, prefer, self.offset) if self.parse.times else []
        when = self.slot("when")
        if not found and when is not None:  # "a recap of yesterday": by itself it is a time
            found = find_ranges(in_years(when), self.now, prefer, self.offset)
        return tuple(found)

    @property
    def text(self) -> str:
        """The text that was read."""
        return self.parse.text

    @property
    def trace(self) -> list[Step]:
        """The rules that were used, in order."""
        return self.parse.trace

    def slot(self, name: str) -> str | None:
        """The words that fill a slot, or None."""
        filled = self.slots.get(name)
        return None if filled is None else filled.text


@lru_cache(maxsize=1)
def memory_grammar() -> Grammar:
    """The grammar of the packaged domain "memory", made once."""
    return Grammar(packaged_domain("memory"))


def read_command(text: str, now: MomentLike, zone: tzinfo = UTC, grammar: Grammar | None = None) -> Command:
    """Read a text as a command to a memory, seen from `now` in `zone`; `grammar`: another one than the packaged.

    Times are taken as the intent says: those of a question lie in the past unless clearly planned, those of a reminder ahead, those of
    something told as its tense says. Raises `InputError` for what is no text, or longer than the grammar reads.

    >>> command = read_command("What did Ana say about Lisbon in spring?", "2026-11-26")
    >>> command.intent, command.slot("who"), command.slot("topic"), command.slot("when")
    ('said', 'Ana', 'Lisbon', 'spring')
    >>> from lamina.times import isoformat
    >>> [(isoformat(time.start)[:10], isoformat(time.end)[:10]) for time in command.times]
    [('2026-03-01', '2026-06-01')]
    >>> read_command("It rained all day.", "2026-11-26").intent is None
    True
    """
    at, offset = _seen_from(now, zone)
    parse = (grammar or memory_grammar()).parse(text, now=at, offset=offset)
    intent = parse.frame
    if intent is None:
        return Command(None, {}, parse, at, offset)
    slots = parse.slots
    if intent == "ask" and "rest" in slots:
        rest = slots.pop("rest")
        start = _question_start(parse, rest.start)
        slots["question"] = Filled(text[start : rest.end], start, rest.end)
    about = slots.get("topic")
    if parse.times is not None and about is not None and "when" not in slots:
        alone = about.text.removeprefix("the ")
        found = find_ranges(alone, at, _PREFER.get(intent, "past"), offset)
        if found and all(one.words == alone for one in found):
            del slots["topic"]
            slots["when"] = Filled(alone, about.end - len(alone), about.end)
    return Command(intent, slots, parse, at, offset)


def _question_start(parse: Parse, start: int) -> int:
    """Where a question begins whose words behind the first begin at `start`."""
    words = parse.words
    place = words.starts.index(start) - 1
    return start if words.words[place] in _INDIRECT else words.starts[place]


@lru_cache(maxsize=64)
def _seen_from(now: MomentLike, zone: tzinfo) -> tuple[int, int]:
    """The moment in UTC microseconds, and the offset in minutes at which it is seen."""
    moment = parse_moment(now, zone)
    if isinstance(now, int):
        return moment.at, (to_datetime(now).astimezone(zone).utcoffset() or timedelta(0)) // timedelta(minutes=1)
    return moment.at, moment.offset
