"""What an episode is about, in its own words: extractive summaries and keywords, without a model.

Source: SumBasic (Nenkova and Vanderwende 2005, The Impact of Frequency on Summarization): sentences whose words are
frequent in the episode, each chosen sentence making its words less wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from lamina.errors import InputError
from lamina.records import Item
from lamina.terms import ENGLISH, terms
from lamina.text import sentences
from lamina.words import words


@dataclass(frozen=True)
class ExtractiveSummary:
    """Chooses whole sentences of an episode.

    Parameters: `most` words in all; `longest` words of one sentence (a longer one is cut there); `keywords`, how many.
    """

    most: int = 48
    longest: int = 30
    keywords: int = 8

    def __post_init__(self) -> None:
        if min(self.most, self.longest, self.keywords) < 1:
            raise InputError("most, longest and keywords must each be at least 1")

    def summarise(self, traces: Sequence[Item], language: str = ENGLISH) -> str:
        """The chosen sentences in the order they were said, each led by its speaker; `language` is that of the memory."""
        candidates: list[tuple[tuple[int, int], str, list[str]]] = []  # (place of trace and sentence), sentence, terms
        for place, trace in enumerate(traces):
            for order, sentence in enumerate(sentences(trace.text)):
                found = terms(sentence, language)
                if len(found) >= 2 and not sentence.endswith("?"):
                    candidates.append(((place, order), self._short(sentence), found))
        if not candidates:
            return self._short(" ".join(trace.text for trace in traces))
        wanted: dict[str, float] = {}
        total = sum(len(found) for _, _, found in candidates)
        for term, count in Counter(term for _, _, found in candidates for term in found).items():
            wanted[term] = count / total
        chosen: list[tuple[tuple[int, int], str]] = []
        length = 0
        while candidates and length < self.most:
            best = max(candidates, key=lambda c: (_mean(wanted, c[2]) * min(len(c[2]), 8) ** 0.5, -c[0][0], -c[0][1]))
            candidates.remove(best)
            size = len(best[1].split())
            if chosen and length + size > self.most:
                break
            chosen.append(best[:2])
            length += size
            for term in set(best[2]):
                wanted[term] **= 2
        lines = []
        for (place, _), sentence in sorted(chosen, key=lambda pair: pair[0]):
            who = traces[place].speaker
            lines.append(f"{who}: {sentence}" if who else sentence)
        return " ".join(lines)

    def _short(self, sentence: str) -> str:
        parts = sentence.split()
        return sentence if len(parts) <= self.longest else " ".join(parts[: self.longest]) + " …"

    def keywords_of(self, traces: Sequence[Item], background: Background) -> list[str]:
        """The words that mark these traces out among those of their session, as they were written most often."""
        inside: Counter[str] = Counter()
        written: dict[str, Counter[str]] = {}
        for trace in traces:
            for word in words(trace.text):
                stem = terms(word, background.language)
                if stem and word not in background.names and not word.isdigit() and len(word) > 2:
                    inside[stem[0]] += 1
                    written.setdefault(stem[0], Counter())[word] += 1
        weight = {
            term: count * log(1 + background.traces / max(background.spread.get(term, 0), 1)) for term, count in inside.items()
        }
        best = sorted(weight, key=lambda term: (-weight[term], term))[: self.keywords]
        return [min(written[term], key=lambda word: (-written[term][word], word)) for term in best]


@dataclass(frozen=True)
class Background:
    """What a session has in common: how many `traces`, in how many each term occurs (`spread`), the `names` in it, its `language`."""

    traces: int
    spread: Mapping[str, int]
    names: frozenset[str]
    language: str = ENGLISH

    @classmethod
    def of(cls, session: Sequence[Item], language: str = ENGLISH) -> Background:
        """The background of a session's traces; made once, used for each of its episodes."""
        spread: Counter[str] = Counter()
        for trace in session:
            spread.update(set(terms(trace.text, language)))
        names = frozenset(part for trace in session for part in words(trace.speaker or ""))
        return cls(len(session), spread, names, language)


def _mean(wanted: dict[str, float], found: Sequence[str]) -> float:
    return sum(wanted[term] for term in found) / len(found)
