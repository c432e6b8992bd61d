"""Packing: what goes into the prompt, in how much detail, so that the budget is never exceeded and most of what is needed is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from lamina.errors import BudgetError, InputError
from lamina.recall.cue import read_cue
from lamina.recall.excerpts import Excerpts
from lamina.recall.metering import Meter
from lamina.recall.offers import Block, Offers, shown
from lamina.recall.rendering import FRAME
from lamina.recall.standing import Standing
from lamina.records import Hit, Recall

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter

LEAST: Final = 1e-9
"""What the last of many hits is still worth, so that room that is left goes to it."""


@dataclass(frozen=True)
class Packer:
    """Packs the hits of one recall into a block for a prompt.

    A hit's worth is an estimate of the chance that it is needed: its share of a softmax over the scores of the list, measured
    in standard deviations of that list. So it does not matter on which scale a ranker scores, and little how many hits it is
    asked for. What goes in is chosen by worth per token (see `lamina.recall.choosing`).

    Parameters:
        temperature: of the softmax, in standard deviations of the scores. Fitted on the hits of the 800 questions about the
            conversations of `corpora/` by the likelihood of those that hold gold turns, each conversation ranked by weights from
            the others; it is the same without any one of the eight (`python -m lamina.bench.fit_packer`).
        long: characters from which a text may be shown as an excerpt; below, it is a few dozen tokens and stays whole.
        excerpted: hits, best first, that may be shown as excerpts; to cut up the others would be work in vain.
        excerpts: how excerpts are made.
        rounds: how often at most a block is rendered and counted before the best that fits is taken.
    """

    temperature: float = 1.05
    long: int = 480
    excerpted: int = 20
    excerpts: Excerpts = field(default_factory=Excerpts)
    rounds: int = 6

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"the temperature of packing must be above 0, not {self.temperature!r}")
        if self.rounds < 1:
            raise InputError(f"packing needs at least one round, not {self.rounds!r}")

    def pack(
        self, hits: Sequence[Hit], budget: int, counter: TokenCounter, *, cue: str = "", standing: Standing | None = None
    ) -> Recall:
        """The block for some hits, best first: at most `budget` tokens of `counter`, delimiters and headings included.

        A text said twice by one speaker enters once, an echo not beside its original, a superseded statement with a label
        that says so. `cue` tells which sentences of a long text matter, `standing` what the store knows of the hits. The very
        string that is returned has been counted. It is not empty where any hit fits by itself in any form (by a counter for
        which a text with more in it never has fewer tokens). Raises `BudgetError` for a negative budget.
        """
        if budget < 0:
            raise BudgetError(f"a budget must not be negative, not {budget} tokens")
        nothing = Recall("", (), 0, budget)
        meter = Meter(counter)
        if not hits or meter.count(FRAME) > budget:
            return nothing
        offers = Offers(
            hits, self.worths([hit.score for hit in hits]), standing or Standing(), _words(cue),
            long=self.long, excerpted=self.excerpted, excerpts=self.excerpts, meter=meter,
        )  # fmt: skip
        block = self._best(offers, budget, meter) or _first_single(offers, budget, meter)
        if block is None:
            return nothing
        text = shown(block)
        return Recall(text, tuple(hits[place] for place in sorted(block)), meter.count(text), budget)

    def worths(self, scores: Sequence[float]) -> list[float]:
        """The chance that each hit is needed, as far as the scores tell.

        >>> [round(worth, 3) for worth in Packer().worths([5.0, 3.0, 1.0])]
        [0.71, 0.221, 0.069]
        """
        values = np.asarray(scores, np.float64)
        spread = float(values.std())
        shares = np.exp((values - values.max()) / (self.temperature * spread)) if spread > 0 else np.ones(len(values))
        worths: list[float] = np.maximum(shares / shares.sum(), LEAST).tolist()
        return worths

    def _best(self, offers: Offers, budget: int, meter: Meter) -> Block | None:
        """The best choice whose whole block fits.

        Estimated lines do not quite add up to the tokens of a whole: what a block really takes corrects what may be chosen.
        """
        best: dict[int, int] | None = None
        tried: list[dict[int, int]] = []
        allowance = float(budget) - offers.frame
        for _ in range(self.rounds):
            choice = offers.choose(allowance)
            if not choice or choice in tried:
                break
            tried.append(choice)
            tokens, estimate = meter.count(shown(offers.block(choice))), offers.cost(choice)
            if tokens <= budget and (best is None or offers.worth(choice) > offers.worth(best)):
                best = choice
            corrected = estimate * (budget - offers.frame) / max(tokens - offers.frame, 1.0)
            allowance = max(corrected, allowance) if tokens <= budget else min(corrected, estimate * (1 - 1e-9))
        while best is None and tried and len(tried[-1]) > 1:  # an odd counter: give up half, and half again
            tried.append(offers.better_half(tried[-1]))
            best = tried[-1] if meter.count(shown(offers.block(tried[-1]))) <= budget else None
        return None if best is None else offers.block(best)


def _first_single(offers: Offers, budget: int, meter: Meter) -> Block | None:
    """One hit by itself: the first that fits, in the most detail that does."""
    return next((block for block in offers.singles() if meter.count(shown(block)) <= budget), None)


def _words(cue: str) -> Sequence[str]:
    return read_cue(cue).words if cue and not cue.isspace() else ()


def pack(hits: Sequence[Hit], budget: int, counter: TokenCounter, *, cue: str = "", standing: Standing | None = None) -> Recall:
    """`Packer.pack` with the numbers that come with the library."""
    return Packer().pack(hits, budget, counter, cue=cue, standing=standing)
