"""What a portrait is made of: lines, each with the traces it rests on and how sure it is; and the rules that find them in what somebody said.

The rules read what people say of themselves in English. Statements in the same words are one line; of a thing that somebody has one of (a name, a home, a
favourite colour) or feels one way about, what was said last holds and what was said before is kept as past.

Source: W. Zhong et al. 2023, MemoryBank: Enhancing Large Language Models with Long-Term Memory (portraits). There a language model writes them; the rules are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from lamina.errors import InputError
from lamina.profile.overview import told_of_oneself
from lamina.records import Item
from lamina.terms import ENGLISH, terms
from lamina.times import DAY

MOST: Final = 32
"""Lines of a portrait."""
_MISSED: Final = 0.4
"""A line said on n different days is as sure as 1 - 0.4 ** n. The number is ours: a rule of thumb, no measured chance."""
_PERSON = r"(?:mother|father|mum|mom|dad|sister|brother|son|daughter|wife|husband|partner|girlfriend|boyfriend|friend|aunt|uncle|cousin|boss|neighbou?r)s?"
_ADVERBS = r"(?:(?:now|currently|really|always|usually|actually|so|very|quite|rather|just|also|still|often|a bit|a little|a|an|the|such|as) )*"
ASPECTS: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "name": r"\b(?:my name is|call me)\b",
        "home": r"\bI (?:now |currently )?(?:live|moved|don't live|no longer live)\b",
        "origin": r"\b(?:I'm from|I’m from|I am from|I grew up|I was born|I lived)\b",
        "work": r"\bI (?:now |currently )?(?:work|worked|study|studied)\b|\bmy (?:job|work|company|profession)\b",
        "taste": r"\bI (?:really |also )?(?:like|love|hate|prefer|can't stand|(?:don't|don’t|do not|no longer) (?:really )?(?:like|love|hate|prefer))\b|\bmy favou?rite\b",
        "habit": r"\bI (?:never|always|usually|play|use|speak|(?:don't|don’t|do not|no longer) (?:eat|drink|play|use|speak|smoke))\b",
        "wish": r"\bI (?:want to|need)\b",
        "mood": r"\b(?:I am|I'm|I’m) .*\b(?:today|tonight|now|right now|at the moment|this (?:morning|evening|week))\b",
        "trait": rf"\b(?:I am|I'm|I’m) {_ADVERBS}(?P<trait>[a-z]+)\b",
        "people": rf"\bmy (?:\w+ )?{_PERSON}\b",
    }.items()
}
"""What a statement is about, by its words; the first that fits counts, "other" where none does."""
OTHER: Final = "other"
_LIKING = re.compile(
    r"\b(?:really|also|like|love|hate|prefer|can't stand|don't|don’t|do not|no longer|any ?more|I|now|still)\b", re.IGNORECASE
)
_OWN = re.compile(r"\bmy (?P<what>\w+(?: \w+)?) (?:is|are)\b", re.IGNORECASE)
_SINGLE: Final = {"name": "name", "home": "home"}


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in which somebody told of himself or herself, and the trace it stands in."""

    text: str
    trace: Item


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a portrait.

    `aspect`: what it is about; `confidence`: how sure it is, in (0, 1); `cites`: ids of the traces it rests on, sorted; `at`: when it was said last (UTC
    microseconds); `until`: since when something else holds, None where it still does.
    """

    text: str
    aspect: str
    confidence: float
    cites: tuple[str, ...]
    at: int
    until: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return {
            "text": self.text, "aspect": self.aspect, "confidence": self.confidence, "cites": list(self.cites), "at": self.at, "until": self.until,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Line:
        """Read what `as_json` gave; raises `InputError` for anything else."""
        try:
            until = values["until"]
            return cls(
                str(values["text"]), str(values["aspect"]), float(values["confidence"]), tuple(map(str, values["cites"])),
                int(values["at"]), None if until is None else int(until),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{values!r} is no line of a portrait ({error})") from None


class LineWriter(Protocol):
    """Writes the lines of a portrait from what somebody wrote."""

    @property
    def name(self) -> str:
        """What writes them."""
        ...

    def lines(self, person: str, traces: Sequence[Item], language: str) -> Sequence[Line] | None:
        """The lines, of which each cites some of the traces; None where they could not be written this time."""
        ...


def statements(traces: Iterable[Item]) -> list[Said]:
    """What some traces tell of those who wrote them, in the order given.

    >>> [one.text for one in statements([Item("t", "trace", "Hi! I live in Braga.", at=0, recorded_at=0)])]
    ['I live in Braga.']
    """
    return [Said(text, trace) for trace in traces for text in told_of_oneself(trace.text)]


def aspect_of(text: str) -> str:
    """What a statement is about.

    >>> [aspect_of(text) for text in ("I live in Braga.", "I'm quite impatient.", "My sister is a nurse.", "My bike is red.")]
    ['home', 'trait', 'people', 'other']
    """
    return next((name for name, pattern in ASPECTS.items() if pattern.search(text)), OTHER)


def slot_of(text: str, aspect: str, language: str = ENGLISH) -> str | None:
    """What somebody has one of, or feels one way about, that a statement settles; None where several may hold side by side.

    >>> slot_of("I hate olives.", "taste") == slot_of("I like olives now.", "taste")
    True
    >>> slot_of("My favourite colour is green.", "taste"), slot_of("My sister is a nurse.", "people")
    ('my favourite colour', None)
    """
    if aspect in _SINGLE:
        return _SINGLE[aspect]
    own = _OWN.search(text)
    if own is not None and aspect != "people":
        return f"my {own['what'].lower()}"
    if aspect == "taste":
        return "taste " + " ".join(sorted(set(terms(_LIKING.sub(" ", text), language))))
    return None


@dataclass(frozen=True)
class RuleWriter:
    """Lines by rules, in the words that were said.

    A line is kept once, in its newest words, with every trace that says it. Chosen are `most` of them, one aspect after the other in turn, in each those said on
    most days and then the newest first, so that no aspect is left out for another; the choice depends on what is chosen alone, so a trace that no line cites
    can go without a change. Lines that no longer hold come last, and cite what took their place.
    """

    most: int = MOST
    name: str = "rules"

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError(f"a portrait has at least one line, not {self.most!r}")

    def lines(self, person: str, traces: Sequence[Item], language: str = ENGLISH) -> list[Line]:
        """See `LineWriter`."""
        groups: dict[tuple[str, str], list[Said]] = {}
        for one in statements(traces):
            aspect = aspect_of(one.text)
            groups.setdefault((aspect, _key(one.text, aspect, language)), []).append(one)
        found: dict[str | None, list[Line]] = {}
        for (aspect, _), some in groups.items():
            line = _line(aspect, some)
            found.setdefault(slot_of(line.text, aspect, language), []).append(line)
        holding = found.pop(None, [])
        past: list[Line] = []
        for rivals in found.values():
            newest, *older = sorted(rivals, key=lambda one: (-one.at, one.text))
            holding.append(newest)
            past += [replace(one, until=newest.at, cites=tuple(sorted({*one.cites, *newest.cites}))) for one in older]
        chosen = _in_turn(holding)[: self.most]
        past.sort(key=lambda one: (-one.at, one.text))
        return [*chosen, *past[: self.most - len(chosen)]]


def _key(text: str, aspect: str, language: str) -> str:
    """What tells one line from another: the word of a trait, else the stems of the words."""
    trait = ASPECTS["trait"].search(text)
    if aspect == "trait" and trait is not None:
        return " ".join(terms(trait["trait"], language)) or trait["trait"].lower()
    return " ".join(sorted(set(terms(text, language)))) or text.lower()


def _line(aspect: str, said: Sequence[Said]) -> Line:
    newest = max(said, key=lambda one: (one.trace.at, one.text))
    cites = tuple(sorted({one.trace.id for one in said}))
    return Line(newest.text, aspect, sureness([one.trace for one in said]), cites, newest.trace.at)


def sureness(traces: Iterable[Item]) -> float:
    """How sure a line is that rests on some traces: the more days they are of, the surer.

    >>> sureness([Item("t", "trace", "I live in Braga.", at=0, recorded_at=0)])
    0.6
    """
    return float(round(1 - _MISSED ** len({one.at // DAY for one in traces}), 4))


def _in_turn(lines: Iterable[Line]) -> list[Line]:
    """The best of each aspect first, then the second best of each, and so on."""
    queues: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda one: (-one.confidence, -one.at, one.text)):
        queues.setdefault(line.aspect, []).append(line)
    order = [aspect for aspect in (*ASPECTS, OTHER) if aspect in queues]
    longest = max(map(len, queues.values()), default=0)
    return [queues[aspect][place] for place in range(longest) for aspect in order if place < len(queues[aspect])]
