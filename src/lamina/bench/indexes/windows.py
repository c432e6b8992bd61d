"""Windows of texts: sums of token vectors over any run of words at once, by running sums; and the same windows through a sentence model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.prose import Prose
from lamina.models.static import StaticEmbedder
from lamina.models.word_pieces import load_word_pieces

SHORT: Final = 12
LENGTHS: Final = (20, 15)
"""Words of a query; words of the windows of a set."""
HELD: Final = "held-out"
TOGETHER: Final = 512  # texts embedded before they are written down
LEAST_WORDS: Final = 20_000  # of made-up prose
MOST_WORDS: Final = 400_000


@dataclass(frozen=True)
class Words:
    """The words of texts, one after the other.

    Parameters: `words`; `sums_before` (words + 1, dim), float64: token vectors summed up to each word; `ends` (texts,), where each text ends.
    """

    words: tuple[str, ...]
    sums_before: NDArray[np.float64]
    ends: NDArray[np.int64]

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return int(self.sums_before.shape[1])

    @classmethod
    def of(cls, texts: Sequence[Path], seed: int, size: int) -> Words:
        """The words of files; without any, those of made-up prose that suffices for windows of so many beginnings."""
        read = [path.read_text("utf-8", errors="replace").split() for path in texts]
        if not read:
            prose = Prose(seed=seed)
            made: list[str] = []
            while len(made) < min(max(size + 2_000, LEAST_WORDS), MOST_WORDS):
                made += prose.sentence().split()
            read = [made]
        words = [word for one in read for word in one]
        names, which = np.unique(np.array(words, dtype=object).astype(str), return_inverse=True)
        embedder = StaticEmbedder()
        pieces = load_word_pieces(embedder.files[1])
        known = np.zeros((len(names), embedder.dim))
        for row, word in enumerate(names.tolist()):
            known[row] = embedder.token_rows(pieces.ids(word).astype(np.intp)).sum(axis=0)
        sums = np.zeros((len(words) + 1, embedder.dim))
        np.cumsum(known[which], axis=0, out=sums[1:])
        return cls(tuple(words), sums, np.cumsum([len(one) for one in read]))

    def starts(self, length: int) -> NDArray[np.int64]:
        """Where a window of so many words may begin without passing the end of its text."""
        begins = np.concatenate([[0], self.ends[:-1]])
        return np.concatenate([np.arange(a, max(b - length, a)) for a, b in zip(begins, self.ends, strict=True)])

    def plan(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Beginnings and lengths of some more windows than `size`; None where the texts have too few."""
        first = self.starts(LENGTHS[0])
        wanted = size + size // 50 + 1_500
        if len(first) >= wanted:
            places = first[:: len(first) // wanted]
            return places, np.full(len(places), LENGTHS[0])
        second = self.starts(LENGTHS[1])
        if len(first) + len(second) < wanted:
            return None
        places = np.concatenate([first, second])
        return places, np.repeat(LENGTHS, [len(first), len(second)])

    def sums(self, places: NDArray[np.int64], lengths: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """The token vectors of windows, summed, shape (windows, dim)."""
        return np.asarray(self.sums_before[places + lengths] - self.sums_before[places])

    def recombined(self, count: int, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Passages of two spans of 6 to 16 words from anywhere, and the part of the texts the first is from."""
        starts = self.starts(16)
        one, other = random.choice(starts, count), random.choice(starts, count)
        rows = self.sums(one, random.integers(6, 17, count)) + self.sums(other, random.integers(6, 17, count))
        return rows.astype(np.float32), self.group(one, 64)

    def group(self, places: NDArray[np.int64], groups: int) -> NDArray[np.int32]:
        """The part of all texts, of so many equal ones, in which each window begins."""
        return np.asarray(places * groups // len(self.words), np.int32)

    def text(self, place: int, length: int = LENGTHS[0]) -> str:
        """A window as text."""
        return " ".join(self.words[place : place + length])


def embedded(words: Words, places: NDArray[np.int64], kept: Path, say: Callable[[str], None]) -> NDArray[np.float32]:
    """Windows through MiniLM, shape (windows, 384); what was embedded before is taken from the folder, also where that was interrupted.

    Raises `MissingExtraError` where something is left to embed and the model is not installed.
    """
    from lamina.bench.ranking.embedders import MINILM, load

    texts = [words.text(place) for place in places.tolist()]
    kept.mkdir(parents=True, exist_ok=True)
    parts, embedder = [], None
    for start in range(0, len(texts), TOGETHER):
        part = texts[start : start + TOGETHER]
        digest = hashlib.sha256("\0".join(part).encode()).hexdigest()
        path = kept / f"minilm-{digest[:24]}.npy"
        if not path.exists():
            embedder = embedder or load(MINILM)
            rows = np.asarray(embedder.embed(part), np.float32)
            np.save(path.with_suffix(".part.npy"), rows)
            path.with_suffix(".part.npy").replace(path)
            if start % (8 * TOGETHER) == 0:
                say(f"index: {start:,} of {len(texts):,} windows embedded")
        parts.append(np.load(path))
    return np.concatenate(parts)
