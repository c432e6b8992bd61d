"""Outlines: what a text is about (scope), which points it makes (aspects), and what it says of each (descriptions); printed, read, repaired, packed.

Source: K. Liu, Z. Fu, C. Chen, W. Zhang, R. Jiang, F. Zhou, Y. Chen, Y. Wu, J. Ye, "Enhancing LLM's Cognition via Structurization", 2024.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lamina.errors import InputError
from lamina.terms import ENGLISH, terms
from lamina.text import sentences

HEADS: Final = (
    "{scope}.", "About {scope}:", "{Scope} involves {aspects}:", "{Scope} involves several aspects:",
    "{Scope} is what the following is about; it involves several aspects:", "This passage talks about {scope}, involving several aspects:", "",
)  # fmt: skip
"""What an outline begins with, by number; 0 is the shortest, 6 is nothing."""
BODIES: Final = (
    "numbered in two levels",
    "numbered aspects with their descriptions joined",
    "bold aspects with their descriptions joined",
)
COVERED: Final = 0.5  # share of a sentence's words in one description from which it counts as said (source)

_MARK: Final = re.compile(r"^(\d+(?:\.\d+)*)\.?\s+(.*)$", re.DOTALL)
_FENCE: Final = re.compile(r"^```[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Aspect:
    """One point of a text: its `name`, and the sentences that say something of it."""

    name: str
    descriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A text in three layers. Raises `InputError` for blank words, for no aspects, and for an aspect without descriptions."""

    scope: str
    aspects: tuple[Aspect, ...]

    def __post_init__(self) -> None:
        if not self.scope.strip():
            raise InputError("an outline needs a scope: a few words on what the text is about")
        if not self.aspects:
            raise InputError("an outline needs at least one aspect")
        for aspect in self.aspects:
            if not aspect.name.strip() or not aspect.descriptions or not all(one.strip() for one in aspect.descriptions):
                raise InputError(f"the aspect {aspect.name!r} needs a name and descriptions that are not blank")

    @property
    def descriptions(self) -> tuple[str, ...]:
        """All descriptions in order."""
        return tuple(one for aspect in self.aspects for one in aspect.descriptions)

    def text(self, head: int = 3, body: int = 1) -> str:
        """The outline in words. `head` and `body` are places in HEADS and BODIES; a reader of text wants 2 or 3 and 1, an encoder 0 and 2 (source).

        >>> Outline("tea", (Aspect("green tea", ("It is steamed.", "it is mild")),)).text(2, 1)
        'Tea involves green tea:\\n1. Green tea: It is steamed. It is mild.'
        """
        if not 0 <= head < len(HEADS) or not 0 <= body < len(BODIES):
            raise InputError(
                f"head must lie between 0 and {len(HEADS) - 1} and body between 0 and {len(BODIES) - 1}, not {head} and {body}"
            )
        names = ", ".join(aspect.name for aspect in self.aspects)
        scope = self.scope.rstrip(".")
        lines = (
            [HEADS[head].format(scope=scope if head else _capital(scope), Scope=_capital(scope), aspects=names)]
            if HEADS[head]
            else []
        )
        for number, aspect in enumerate(self.aspects, 1):
            if body == 0:
                lines.append(f"{number}. {aspect.name}")
                lines += [f"    {number}.{place}. {one}" for place, one in enumerate(aspect.descriptions, 1)]
            else:
                mark = f"{number}. {_capital(aspect.name)}" if body == 1 else f"**{_capital(aspect.name)}**"
                lines.append(f"{mark}: {' '.join(_sentence(one) for one in aspect.descriptions)}")
        return "\n".join(lines)

    def packed(self, most: int, head: int = 0, body: int = 2) -> list[str]:
        """The outline in pieces of consecutive aspects, each of at most `most` words where its aspects allow it, each begun with the scope."""
        if most < 1:
            raise InputError(f"a piece must be allowed at least 1 word, not {most}")
        found: list[str] = []
        start = 0
        for end in range(1, len(self.aspects) + 1):
            wider = replace(self, aspects=self.aspects[start : end + 1])
            if end == len(self.aspects) or len(wider.text(head, body).split()) > most:
                found.append(replace(self, aspects=self.aspects[start:end]).text(head, body))
                start = end
        return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    text = _capital(text.strip())
    return text if text[-1] in ".!?…:;\"'”’)。！？" else text + "."


def read_outline(answer: str) -> Outline:
    """The outline in a model's answer: its last two fenced blocks, the scope and a list `1. aspect` over `    1.1. description`.

    Tabs and indents of other widths are put right first. Raises `InputError` with what is wrong: an answer without the two blocks, no scope, a
    line without number, numbers that do not count on, a description under another aspect, an aspect without descriptions.
    """
    blocks = _FENCE.findall(answer)
    if len(blocks) < 2:
        raise InputError(f"the answer has {len(blocks)} fenced blocks and must have two: the scope, and the list")
    scope = re.sub(r"^\s*scope\s*:\s*", "", blocks[-2].strip(), flags=re.IGNORECASE)
    return Outline(scope, read_aspects(blocks[-1]))


def read_aspects(text: str) -> tuple[Aspect, ...]:
    """A two-level list as it is written by `Outline.text` with body 0; see `read_outline` for what is refused."""
    found: list[tuple[str, list[str]]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.expandtabs(4)
        if not line.strip():
            continue
        mark = _MARK.match(line.strip())
        if mark is None:
            raise InputError(f"line {number} has no number: {line.strip()[:60]!r}")
        parts, words = [int(part) for part in mark[1].split(".")], mark[2].strip()
        if len(parts) > 2:
            raise InputError(f"line {number} has a number of {len(parts)} levels; there are two")
        if (len(parts) == 2) != line.startswith(" "):
            raise InputError(f"line {number} is {'not ' if len(parts) == 2 else ''}indented, and its number says otherwise")
        if len(parts) == 1:
            if parts[0] != len(found) + 1:
                raise InputError(f"line {number} is aspect {parts[0]} where {len(found) + 1} comes next")
            found.append((words, []))
        elif not found or parts[0] != len(found):
            raise InputError(f"line {number} belongs to aspect {parts[0]} and stands under {len(found)}")
        elif parts[1] != len(found[-1][1]) + 1:
            raise InputError(f"line {number} is description {parts[1]} where {len(found[-1][1]) + 1} comes next")
        else:
            found[-1][1].append(words)
    for name, descriptions in found:
        if not descriptions:
            raise InputError(f"the aspect {name[:60]!r} has no description")
    return tuple(Aspect(name, tuple(descriptions)) for name, descriptions in found)


def said_in(words: frozenset[str], descriptions: Sequence[frozenset[str]]) -> float:
    """The largest share of a sentence's words that stand in one of some descriptions, given by their words; 1 for a sentence without words."""
    return max((len(words & one) / len(words) for one in descriptions), default=0.0) if words else 1.0


def coverage(outline: Outline, text: str, language: str = ENGLISH) -> float:
    """The share of a text's sentences that an outline says."""
    said = [frozenset(terms(one, language)) for one in outline.descriptions]
    found = [said_in(frozenset(terms(sentence, language)), said) > COVERED for sentence in sentences(text)]
    return sum(found) / len(found) if found else 1.0


def repaired(outline: Outline, text: str, language: str = ENGLISH) -> Outline:
    """The outline with every sentence of the text that it had lost, beside what comes before it there.

    The source looks for a sentence in the current aspect and the next one alone, so that an answer in another order repeats what follows; here it is looked for
    everywhere.

    >>> lost = Outline("tea", (Aspect("kinds", ("Green tea is steamed.",)),))
    >>> repaired(lost, "Green tea is steamed. Black tea ferments.").aspects[0].descriptions
    ('Green tea is steamed.', 'Black tea ferments.')
    """
    aspects = [list(aspect.descriptions) for aspect in outline.aspects]
    said = [[frozenset(terms(one, language)) for one in descriptions] for descriptions in aspects]
    aspect, place = 0, 0  # after which the next lost sentence goes
    for sentence in sentences(text):
        words = frozenset(terms(sentence, language))
        shares = [(said_in(words, [one]), -row, -column) for row, some in enumerate(said) for column, one in enumerate(some, 1)]
        best, row, column = max(shares)
        if not words:
            continue
        if best > COVERED:
            aspect, place = -row, -column
        else:
            aspects[aspect].insert(place, sentence)
            said[aspect].insert(place, words)
            place += 1
    return replace(
        outline, aspects=tuple(Aspect(one.name, tuple(said)) for one, said in zip(outline.aspects, aspects, strict=True))
    )
