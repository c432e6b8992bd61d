"""Static vectors of words, by the hash of their stem: what lets an index of term hashes compare meanings of single words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lamina.models.protocols import normalise_rows
from lamina.models.static import StaticEmbedder
from lamina.models.word_pieces import load_word_pieces
from lamina.terms import ENGLISH, hash_of

AXES = 64  # directions kept of what words are about; all 256 cost four times as much and gain next to nothing
REMEMBERED = 4096  # words whose likenesses are remembered: some ten neighbours each, 1 MB
RARE = 300.0  # rank in the vocabulary from which a word counts as rare; the first few hundred are words of all topics

_Alike = tuple[NDArray[np.intp], NDArray[np.float32]]
"""Rows of the table that are like a word, and the squares of their cosines."""


@dataclass(frozen=True, eq=False)
class WordTable:
    """The whole words of a static embedder's vocabulary.

    `hashes`: term hashes, ascending, shape (words,); `vectors`: rows of length 1, shape (words, dim), the mean of all words
    with one stem; `rarity`: log(1 + rank / 300) of the commonest of them, shape (words,); `centre`: the mean vector,
    which says what all words have in common, shape (dim,); `axes`: the 64 directions in which the words differ most, shape
    (dim, 64); `topics`: (vectors - centre) · axes · rarity, shape (words, 64).

    The vocabulary is in the order in which a byte-pair encoder merged it, so a word's place stands for its frequency (Zipf).
    Source of weighting by rarity and of taking out what is common: Arora, Liang and Ma 2017, A Simple but Tough-to-Beat
    Baseline for Sentence Embeddings (there: inverse frequency and the first principal component).
    """

    hashes: NDArray[np.uint32]
    vectors: NDArray[np.float32]
    rarity: NDArray[np.float32]
    centre: NDArray[np.float32]
    axes: NDArray[np.float32]
    topics: NDArray[np.float32]
    embedder: StaticEmbedder
    _found: dict[tuple[str, float], _Alike] = field(default_factory=dict, repr=False)  # by word and threshold

    def rows(self, hashes: NDArray[np.uint32]) -> NDArray[np.intp]:
        """The rows of some term hashes, the number of words for one that is not in the table; same shape.

        >>> from lamina.terms import term_hashes
        >>> table = word_table()
        >>> bool(table.rows(term_hashes("dogs"))[0] < len(table.hashes)), int(table.rows(term_hashes("qwrtzp"))[0]) == len(table.hashes)
        (True, True)
        """
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[places] == hashes, places, len(self.hashes))

    def likeness(self, vectors: NDArray[np.float32], above: float, among: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """Squared cosines of the vectors of some words with those of the table where the cosine is larger than `above`, else 0.

        Shape (words, table + 1): the last column is 0, for terms that are not in the table. With `among` only these rows of the
        table are compared (each may be named many times), and the rest stays 0.

        >>> from lamina.terms import term_hashes
        >>> table = word_table()
        >>> dog = table.likeness(table.embedder.word_vectors(["dog"]), 0.35)[0]
        >>> bool(dog[table.rows(term_hashes("pets"))[0]] > 0.3), float(dog[table.rows(term_hashes("tax"))[0]])
        (True, 0.0)
        """
        squares = np.zeros((len(vectors), len(self.hashes) + 1), np.float32)
        if among is None:
            cosines = vectors @ self.vectors.T
            np.multiply(cosines, cosines, out=squares[:, :-1], where=cosines > above)
            return squares
        compared = np.zeros(len(self.hashes) + 1, np.bool_)
        compared[among] = True
        rows = np.flatnonzero(compared[:-1])
        cosines = vectors @ self.vectors[rows].T
        squares[:, rows] = np.where(cosines > above, cosines * cosines, 0)
        return squares

    def likeness_of(self, words: Sequence[str], vectors: NDArray[np.float32], above: float) -> NDArray[np.float32]:
        """The same as `likeness` for words that come again and again: what was found for a word with its vector is remembered.

        Each word is compared by itself, so that what is found does not depend, in its last bits, on the words beside it.

        >>> table = word_table()
        >>> vectors = table.embedder.word_vectors(["dog", "tax"])
        >>> bool(np.allclose(table.likeness_of(["dog", "tax"], vectors, 0.35), table.likeness(vectors, 0.35)))
        True
        """
        squares = np.zeros((len(words), len(self.hashes) + 1), np.float32)
        for row, word, vector in zip(squares, words, vectors, strict=True):
            found = self._found.get((word, above))
            if found is None:
                cosines = self.vectors @ vector
                alike = np.flatnonzero(cosines > above)
                found = (alike, cosines[alike] ** 2)
                if len(self._found) >= REMEMBERED:
                    self._found.clear()
                self._found[word, above] = found
            row[found[0]] = found[1]
        return squares

    def topic(self, vectors: NDArray[np.float32], hashes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """What some words, given by their vectors and term hashes, are about, shape (64,): the direction of the sum of their topics."""
        rarity = np.append(self.rarity, self.rarity.max())[self.rows(hashes)]  # a word outside the vocabulary is a rare one
        total = rarity @ (vectors - self.centre) @ self.axes
        length = float(np.linalg.norm(total))
        return np.asarray(total / length if length > 0 else total, np.float32)


def word_table(language: str = ENGLISH) -> WordTable:
    """The whole words of the packaged embedder by their stems in a language, read once in a process (some 0.2 s).

    Raises `MissingExtraError` where wordllama is not installed, `ConfigError` where its files are damaged.
    """
    return _build(language)


@lru_cache(maxsize=4)
def _build(language: str) -> WordTable:
    """Read the vocabulary, and join words that have one stem."""
    embedder = StaticEmbedder()
    ids, hashes = [], []
    for word, number in sorted(load_word_pieces(embedder.files[1]).whole_words().items(), key=lambda pair: pair[1]):
        if number < embedder.size and (found := hash_of(word, language)):
            ids.append(number)
            hashes.append(found)
    unique, first, place = np.unique(np.array(hashes, np.uint32), return_index=True, return_inverse=True)
    sums = np.zeros((len(unique), embedder.dim), np.float32)
    np.add.at(sums, place, normalise_rows(embedder.token_rows(np.array(ids, np.intp))))
    vectors = normalise_rows(sums)
    rarity = np.log1p(np.array(ids, np.float32)[first] / np.float32(RARE))  # ids ascend, so the first is the commonest
    centre = vectors.mean(0)
    apart = vectors - centre
    axes = np.linalg.eigh(apart.T @ apart)[1][:, : -AXES - 1 : -1].copy()  # eigenvalues ascend
    return WordTable(unique, vectors, rarity, centre, axes, apart @ axes * rarity[:, None], embedder)
