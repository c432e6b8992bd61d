"""Choosing under a budget: which candidates to show, and in how much detail, so that most of what is needed is there.

A knapsack with several forms of each thing, of which at most one goes in, and a heading to be paid for where a day comes in for
the first time. It is filled by value per token (Dantzig 1957, Discrete-Variable Extremum Problems), each step the best one from
where things are: a new candidate, or more of one that is in. The usual safeguard (Kellerer, Pferschy and Pisinger 2004, Knapsack
Problems): one form that is worth more than all that was chosen takes its place. Exchanging pairs afterwards, or weighing all
of a day at once, was tried on LoCoMo and changed next to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush


@dataclass(frozen=True, slots=True)
class Form:
    """One way to show a candidate: what it is worth, and the tokens of its line."""

    value: float
    cost: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to show: its forms, dearer ones worth more, and the day (a number) under whose heading it stands."""

    forms: Sequence[Form]
    day: int


Choice = Mapping[int, int]
"""Which form (its place) of which candidates (their places)."""


def choose(
    candidates: Sequence[Candidate], headings: Sequence[float], allowance: float, without: Collection[int] = ()
) -> dict[int, int]:
    """The choice for an allowance of tokens; `headings`: the tokens of each day's heading; `without`: not to be chosen.

    >>> short, long = Candidate([Form(0.4, 4)], day=0), Candidate([Form(0.3, 3), Form(0.6, 12)], day=1)
    >>> choose([short, long], [2, 2], 14), choose([short, long], [2, 2], 30), choose([short, long], [2, 2], 14, without=[0])
    ({0: 0, 1: 0}, {0: 0, 1: 1}, {1: 1})
    """
    filling = _Filling(candidates, headings, allowance, without)
    chosen = filling.fill()
    best = filling.best_single()
    return best if worth(candidates, best) > worth(candidates, chosen) else chosen


def worth(candidates: Sequence[Candidate], choice: Choice) -> float:
    """The value of a choice."""
    return sum(candidates[place].forms[form].value for place, form in choice.items())


def cost(candidates: Sequence[Candidate], headings: Sequence[float], choice: Choice) -> float:
    """The tokens of a choice, headings included."""
    days = {candidates[place].day for place in choice}
    return sum(candidates[place].forms[form].cost for place, form in choice.items()) + sum(headings[day] for day in days)


class _Filling:
    """A block that is being filled."""

    def __init__(
        self, candidates: Sequence[Candidate], headings: Sequence[float], allowance: float, without: Collection[int]
    ) -> None:
        self._candidates = candidates
        self._headings = headings
        self._room = allowance
        self._places = [place for place in range(len(candidates)) if place not in without]
        self._of_day: dict[int, list[int]] = {}
        for place in self._places:
            self._of_day.setdefault(candidates[place].day, []).append(place)
        self._open: set[int] = set()
        self._level: dict[int, int] = {}
        self._most = {place: len(candidates[place].forms) for place in self._places}  # forms from here on do not fit
        self._turn = dict.fromkeys(self._places, 0)  # a step on the heap counts only if it is the latest of its candidate

    def fill(self) -> dict[int, int]:
        """Take the best step as long as one fits."""
        heap = [step for place in self._places if (step := self._step(place))]
        heapify(heap)
        left = self._room
        while heap:
            _, place, form, turn = heappop(heap)
            if turn != self._turn[place]:
                continue
            price = self._price(place, form)
            again = [place]
            if price > left:
                self._most[place] = form  # a smaller form may still fit
            else:
                left -= price
                self._level[place] = form
                day = self._candidates[place].day
                if day not in self._open:
                    self._open.add(day)  # what stands under the same heading is cheaper from now on
                    again = self._of_day[day]
                    for other in again:
                        self._most[other] = len(self._candidates[other].forms)
            for other in again:
                self._turn[other] += 1
                if step := self._step(other):
                    heappush(heap, step)
        return dict(self._level)

    def best_single(self) -> dict[int, int]:
        """The one form that is worth most by itself."""
        best, most = {}, 0.0
        for place in self._places:
            candidate = self._candidates[place]
            for form, shown in enumerate(candidate.forms):
                if shown.value > most and shown.cost + self._headings[candidate.day] <= self._room:
                    best, most = {place: form}, shown.value
        return best

    def _price(self, place: int, form: int) -> float:
        candidate = self._candidates[place]
        level = self._level.get(place)
        if level is not None:
            return candidate.forms[form].cost - candidate.forms[level].cost
        return candidate.forms[form].cost + (0.0 if candidate.day in self._open else self._headings[candidate.day])

    def _step(self, place: int) -> tuple[float, int, int, int] | None:
        """The step with the most value per token from where a candidate is; None where there is none that gains."""
        candidate = self._candidates[place]
        level = self._level.get(place)
        have = 0.0 if level is None else candidate.forms[level].value
        best: tuple[float, int, int, int] | None = None
        for form in range(0 if level is None else level + 1, self._most[place]):
            gain = candidate.forms[form].value - have
            if gain <= 0:
                continue
            rate = gain / max(self._price(place, form), 1e-9)
            if best is None or -rate < best[0]:
                best = (-rate, place, form, self._turn[place])
        return best
