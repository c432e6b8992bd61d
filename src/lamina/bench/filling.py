"""Ways to fill a budget from a ranking, all with the same rendering, and what counts as standing in the block."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.ranking.ours import Workbench
from lamina.models.tokens import WordLlamaTokens
from lamina.recall.pack import Packer
from lamina.recall.ranker import Ranker
from lamina.recall.rendering import Line, line_of, quote, render, shown_text
from lamina.records import Hit, Item
from lamina.text import index_text

Fill = Callable[[str, Sequence[Hit], int], str]
"""From a cue, its hits (best first) and a budget in tokens to a block of at most that many."""

TOKENS: Final = WordLlamaTokens()
HITS: Final = 100
"""Hits of a recall, as many as `Memory.context` asks for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its hits, best first, and what must stand in the block: texts, each one held or not.

    `whole`: a text counts where it is a record of its own, speaker and captions included; else, where it stands anywhere.
    """

    cue: str
    hits: Sequence[Hit]
    gold: Sequence[str]
    whole: bool = True

    @property
    def needed(self) -> NDArray[np.bool_]:
        """Which hits hold a gold text, shape (hits,)."""
        shown = [index_text(hit.text, hit.speaker, hit.item.captions) for hit in self.hits]
        gold = set(self.gold)
        return np.array([text in gold if self.whole else any(one in text for one in gold) for text in shown], np.bool_)


def cases_of(bench: Workbench, rankers: Mapping[str, Ranker]) -> dict[str, list[Case]]:
    """The questions of each conversation with the hits of a ranker of its own; what must stand are the turns that answer."""
    found = {}
    for one in bench.collections:
        shown = {passage.id: passage.shown for passage in one.passages}
        hits = bench.hits(one, rankers[one.name], HITS)
        found[one.name] = [
            Case(asked.text, ranked, [shown[id] for id in sorted(asked.gold)])
            for asked, ranked in zip(one.questions, hits, strict=True)
        ]
    return found


def standing(block: str, case: Case) -> float:
    """The share of a case's gold texts that stand in a block.

    What the block does to every text (further lines indented, delimiters marked) is done to the gold texts too; beyond that
    every character counts.
    """
    if case.whole:
        records = set(block.replace("\n  ", "\v").split("\n"))
        return float(np.mean([f"- {quote(text)}".replace("\n  ", "\v") in records for text in case.gold]))
    return float(np.mean([quote(text) in block for text in case.gold]))


def recalls(cases: Sequence[Case], fill: Fill, budgets: Sequence[int]) -> NDArray[np.float64]:
    """The share of gold texts in the block of each case at each budget, shape (cases, budgets)."""
    return np.array([[standing(fill(case.cue, case.hits, budget), case) for budget in budgets] for case in cases], np.float64)


def packed(packer: Packer) -> Fill:
    """Packing as the library does it."""
    return lambda cue, hits, budget: packer.pack(hits, budget, TOKENS, cue=cue).text


def prefix(cue: str, hits: Sequence[Hit], budget: int) -> str:
    """The ranking, cut where the next hit no longer fits."""
    return _fitting(_lines(hits), budget)[0]


def skip(cue: str, hits: Sequence[Hit], budget: int) -> str:
    """The ranking, best first, hits that do not fit passed over."""
    lines = _lines(hits)
    block, fitting = _fitting(lines, budget)
    chosen = lines[:fitting]
    left = budget - TOKENS.count(block)
    for line in lines[fitting:]:
        if TOKENS.count(line.text) > left + 2:  # a line alone would not fit: the whole need not be counted
            continue
        more = render([*chosen, line])
        tokens = TOKENS.count(more)
        if tokens <= budget:
            chosen.append(line)
            block, left = more, budget - tokens
    return block


def shuffled(items: Sequence[Item], seed: int) -> Fill:
    """The control: everything that could be found, in random order, cut where the next no longer fits."""
    generator = random.Random(seed)

    def fill(cue: str, hits: Sequence[Hit], budget: int) -> str:
        few = generator.sample(list(items), min(len(items), len(hits)))
        return prefix(cue, [Hit(item, 0.0) for item in few], budget)

    return fill


def history_tokens(items: Sequence[Item]) -> int:
    """The tokens of everything, in the same rendering."""
    return TOKENS.count(render([line_of(item) for item in items]))


def _lines(hits: Sequence[Hit]) -> list[Line]:
    """The records of hits, each text of a speaker once."""
    found: dict[tuple[str | None, str], Line] = {}
    for hit in hits:
        said = (hit.speaker, shown_text(hit.item))
        if said not in found:
            found[said] = line_of(hit.item)
    return list(found.values())


def _fitting(lines: Sequence[Line], budget: int) -> tuple[str, int]:
    """The block of the first lines that fit together, and how many they are."""
    block, fitting, beyond = "", 0, len(lines) + 1
    step = 1
    while beyond - fitting > 1:
        middle = min(fitting + step, (fitting + beyond) // 2) if beyond > len(lines) else (fitting + beyond) // 2
        more = render(lines[:middle])
        if TOKENS.count(more) <= budget:
            block, fitting, step = more, middle, 2 * step
        else:
            beyond = middle
    return block, fitting
