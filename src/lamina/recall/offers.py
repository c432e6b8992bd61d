"""What could be shown of the hits of a recall: the forms of each, what they are worth and cost, and what rules each other out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lamina.recall.choosing import Candidate, Form, choose, cost, worth
from lamina.recall.excerpts import Excerpts
from lamina.recall.metering import Meter
from lamina.recall.rendering import FRAME, Heading, Line, line_of, render, shown_text
from lamina.recall.standing import Standing
from lamina.records import Hit
from lamina.text import RECALLED_OPEN

Block = Mapping[int, Line]
"""The lines that are shown, by the place of their hit."""


class Offers:
    """The hits of one recall as candidates for a block.

    Parameters: `hits`, best first; `worths`, the chance that each is needed; `standing`, what the edges say of them; `words`,
    the cue's stemmed terms; `long`, characters from which a text may be shown as an excerpt, and `excerpted`, how many hits
    may; `excerpts`, how they are made; `meter`, what lines cost.

    A text said twice by one speaker is offered once: as the better hit of those that still hold.
    """

    def __init__(
        self,
        hits: Sequence[Hit],
        worths: Sequence[float],
        standing: Standing,
        words: Sequence[str],
        *,
        long: int,
        excerpted: int,
        excerpts: Excerpts,
        meter: Meter,
    ) -> None:
        self._hits = hits
        self._standing = standing
        self._words = words
        self._excerpts = excerpts
        self._said = [(hit.speaker, shown_text(hit.item)) for hit in hits]
        self._superseded = [standing.superseded_at(hit) for hit in hits]
        self._number: dict[int, int] = {}  # by key: the candidate that shows what the item says
        self._places, values = self._distinct(worths)
        cut = [place for place in self._places[:excerpted] if len(self._said[place][1]) >= long]
        parts = dict(zip(cut, excerpts.of([self._said[place][1] for place in cut], words), strict=True))
        self._lines = [
            [*(self._line(place, one.text) for one in parts.get(place, ())), self._line(place)] for place in self._places
        ]
        shares = [[*(one.share for one in parts.get(place, ())), 1.0] for place in self._places]
        self._measure(meter, values, shares)
        self._originals = self._echoing()

    def _distinct(self, worths: Sequence[float]) -> tuple[list[int], list[float]]:
        """The places of the hits that are offered, best first, and what they are worth."""
        groups: dict[tuple[str | None, str], list[int]] = {}
        for place, said in enumerate(self._said):
            groups.setdefault(said, []).append(place)
        kept = {min(group, key=lambda place: (self._superseded[place] is not None, place)): group for group in groups.values()}
        places = sorted(kept)
        self._number = {self._hits[one].item.key: number for number, place in enumerate(places) for one in kept[place]}
        return places, [max(worths[one] for one in kept[place]) for place in places]

    def _line(self, place: int, text: str | None = None) -> Line:
        return line_of(self._hits[place].item, text, self._superseded[place])

    def _measure(self, meter: Meter, values: Sequence[float], shares: Sequence[Sequence[float]]) -> None:
        """Make candidates of the lines, and estimate what the frame and the years in its headings take."""
        days: dict[Heading, int] = {}
        for lines in self._lines:
            days.setdefault(lines[0].heading, len(days))
        first = next(iter(days)).full
        costs = iter(
            meter.lines([first, *(heading.short for heading in days), *(one.text for forms in self._lines for one in forms)])
        )
        year = next(costs)
        self.headings = [next(costs) for _ in days]
        self.candidates = [
            Candidate([Form(value * share, next(costs)) for share in forms], days[lines[0].heading])
            for value, forms, lines in zip(values, shares, self._lines, strict=True)
        ]
        self.frame = meter.count(FRAME) + len({heading.year for heading in days}) * (year - self.headings[0])

    def _echoing(self) -> dict[int, set[int]]:
        """Candidates that repeat others: an echo rests with its originals, unless it quotes a block and may say more."""
        found: dict[int, set[int]] = {}
        for number, place in enumerate(self._places):
            originals = self._standing.echoes.get(self._hits[place].item.key, frozenset())
            if originals <= self._number.keys() and RECALLED_OPEN not in self._hits[place].text:
                others = {self._number[key] for key in originals} - {number}
                if others:
                    found[number] = others
        return found

    def choose(self, allowance: float) -> dict[int, int]:
        """The choice for an allowance of tokens; no echo beside its originals."""
        without: set[int] = set()
        while True:
            choice = choose(self.candidates, self.headings, allowance, without)
            echoes = {number for number, originals in self._originals.items() if number in choice and originals <= choice.keys()}
            if not echoes:
                return choice
            without |= echoes

    def worth(self, choice: Mapping[int, int]) -> float:
        """The value of a choice."""
        return worth(self.candidates, choice)

    def cost(self, choice: Mapping[int, int]) -> float:
        """The tokens of a choice by estimate, those of the frame left out."""
        return cost(self.candidates, self.headings, choice)

    def block(self, choice: Mapping[int, int]) -> Block:
        """The lines of a choice."""
        return {self._places[number]: self._lines[number][form] for number, form in choice.items()}

    def better_half(self, choice: Mapping[int, int]) -> dict[int, int]:
        """The half of a choice that is worth more."""
        ranked = sorted(choice, key=lambda number: -self.candidates[number].forms[choice[number]].value)
        return {number: choice[number] for number in ranked[: len(ranked) // 2]}

    def singles(self) -> Iterator[Block]:
        """Every hit by itself in every form, best hits first, whole before excerpts; every text is cut, the short ones too."""
        cut = self._excerpts.of([text for _, text in self._said], self._words)
        for place, forms in enumerate(cut):
            yield {place: self._line(place)}
            for one in reversed(forms):
                yield {place: self._line(place, one.text)}


def shown(block: Block) -> str:
    """The rendered block."""
    return render(block.values())
