"""Excerpts: the sentences of a long text that carry the most of a cue, verbatim, with a mark where something is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.terms import terms
from lamina.text import chunks, sentences

GAP: Final = "[…]"
"""Stands in an excerpt where something is left out."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some sentences of a text; `share`: the chance that what is needed of the whole is among them, if anything is."""

    text: str
    share: float


@dataclass(frozen=True)
class Excerpts:
    """Makes excerpts of texts, each from the one best sentence upwards.

    A sentence's chance to be the one that is needed is its share of a softmax over the sentences of its text, of `sharpness`
    times the square root of the share of the cue's words that it has (words by how rare they are among all sentences).

    Parameters:
        sharpness: fitted on the 173 passages that answer 100 questions of HotpotQA (Yang et al. 2018), whose sentences are
            marked. There the best sentence holds 72 % of what is needed, the first 53 %, one at random 34 %. The place of a
            sentence, its length, and whether it names a time or number that is asked for told nothing more.
        longest: characters of a part; a sentence beyond that (a log, a table) is cut where words end.
        most: the largest share of a text that is still an excerpt; beyond it the whole costs hardly more. 0: no excerpts.
        kept: what an excerpt is worth beside the same sentences amid their text. Set by hand: who "she" is may be left out.
    """

    sharpness: float = 4.8
    longest: int = 300
    most: float = 0.7
    kept: float = 0.9

    def of(self, texts: Sequence[str], words: Sequence[str]) -> list[list[Excerpt]]:
        """Excerpts of each text, the smallest first; none of a text that is one sentence. `words`: the cue's stemmed terms.

        >>> text = "It rained all day. The red boat sank at noon. We went home by bus."
        >>> [one.text for one in Excerpts().of([text], ["boat", "sank"])[0]]
        ['[…] The red boat sank at noon. […]', 'It rained all day. The red boat sank at noon. […]']
        """
        spans = [self._parts(text) for text in texts]
        parts = [[text[start:end] for start, end in some] for text, some in zip(texts, spans, strict=True)]
        return [
            self._chain(text, some, self.chances(share))
            for text, some, share in zip(texts, spans, carried(parts, words), strict=True)
        ]

    def chances(self, carried: NDArray[np.float64]) -> NDArray[np.float64]:
        """The chance of each sentence of a text to be the one that is needed, from what it carries; shape (sentences,)."""
        weights = self.sharpness * np.sqrt(carried)
        shares = np.exp(weights - weights.max())
        chances: NDArray[np.float64] = shares / shares.sum()
        return chances

    def _chain(self, text: str, parts: Sequence[Span], chance: NDArray[np.float64]) -> list[Excerpt]:
        """The best 1, 2, 4, … parts of a text, as long as they are less than `most` of it."""
        if len(parts) < 2:
            return []
        order = np.argsort(-chance, kind="stable").tolist()
        room = self.most * sum(b - a for a, b in parts)
        made: list[Excerpt] = []
        count = 1
        while count < len(parts):
            chosen = sorted(order[:count])
            if sum(parts[place][1] - parts[place][0] for place in chosen) > room:
                break
            made.append(Excerpt(_joined(text, parts, chosen), self.kept * float(chance[chosen].sum())))
            count *= 2
        return made

    def _parts(self, text: str) -> list[Span]:
        """Where the sentences of a text begin and end; long ones in pieces."""
        spans: list[Span] = []
        place = 0
        for sentence in sentences(text):
            pieces = [sentence] if len(sentence) <= self.longest else chunks(sentence, self.longest)
            for piece in pieces:
                bare = piece.strip()
                if bare:
                    start = text.index(bare, place)
                    place = start + len(bare)
                    spans.append((start, place))
        return spans or [(0, len(text))]


def _joined(text: str, parts: Sequence[Span], chosen: Sequence[int]) -> str:
    """The chosen parts in order; neighbours as they stand in the text, the mark between others."""
    pieces: list[str] = []
    last = -1
    for place in chosen:
        start, end = parts[place]
        if pieces and place == last + 1:
            pieces[-1] += text[parts[last][1] : end]
        else:
            if place > last + 1:
                pieces.append(GAP)
            pieces.append(text[start:end])
        last = place
    if last + 1 < len(parts):
        pieces.append(GAP)
    return " ".join(pieces)


def carried(texts: Sequence[Sequence[str]], words: Sequence[str]) -> list[NDArray[np.float64]]:
    """The share of a cue's words in each sentence of each text, shape (sentences,); words count by their rarity in all of them.

    >>> [part.round(2).tolist() for part in carried([["A red boat.", "It sank."], ["A boat."]], ["boat", "sank", "harbour"])]
    [[0.43, 0.57], [0.43]]
    """
    wanted = set(words)
    matched = [[wanted.intersection(terms(sentence)) for sentence in text] for text in texts]
    every = [found for text in matched for found in text]
    counts = {word: sum(word in found for found in every) for word in sorted(wanted)}
    rarity = {word: float(np.log1p(len(every) / (1 + count))) for word, count in counts.items() if count}
    total = sum(rarity.values()) or 1.0
    return [np.array([sum(rarity[word] for word in sorted(found)) / total for found in text]) for text in matched]
