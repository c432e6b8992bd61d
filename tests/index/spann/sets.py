"""Vectors for the tests of lists, and what is counted of searches in them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.index.spann.spann import SPANN

DIM = 32


def mixture(count: int, seed: int, dim: int = DIM, spread: float = 0.8, centres: int = 150) -> np.ndarray:
    """Points around centres of very different weight: a few draw most of the points. The centres are the same for every seed."""
    fixed = np.random.default_rng(42)
    middles = fixed.normal(size=(centres, dim))
    weights = fixed.pareto(1.2, centres) + 0.05
    own = np.random.default_rng(seed)
    which = own.choice(centres, count, p=weights / weights.sum())
    return (middles[which] + own.normal(size=(count, dim)) * spread).astype(np.float32)


@functools.cache
def windows(root: Path, count: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of texts as means of their tokens' vectors, 256 dimensions, length 1: 20 words each, and others of 12 words that are asked for."""
    wordllama = pytest.importorskip("wordllama")
    tokenizers = pytest.importorskip("tokenizers")
    load_file = pytest.importorskip("safetensors.numpy").load_file
    folder = Path(wordllama.__file__).parent
    table = next(iter(load_file(next(folder.rglob("*.safetensors"))).values())).astype(np.float32)[:, :256]
    tokenizer = tokenizers.Tokenizer.from_file(str(next(folder.rglob("*tokenizer*.json"))))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = sorted((root / "booksort").glob("*.txt"))
    if not texts:
        pytest.skip("no texts in booksort")
    generator = np.random.default_rng(0)
    stored, asked = [], []
    each = -(-count // len(texts))
    for text in texts:
        words = text.read_text(encoding="utf8").split()[: 4 * each + 20]
        tokens = tokenizer.encode_batch([" " + word for word in words], add_special_tokens=False)
        sums = np.cumsum([np.zeros(256), *(table[one.ids].sum(axis=0) for one in tokens)], axis=0)

        def cut(starts: np.ndarray, length: int, sums: np.ndarray = sums) -> np.ndarray:
            rows = sums[starts + length] - sums[starts]
            return (rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)).astype(np.float32)

        stored.append(cut(np.arange(0, len(words) - 20, 4), 20))
        asked.append(cut(generator.integers(0, len(words) - 12, -(-queries // len(texts))), 12))
    return np.concatenate(stored)[:count], np.concatenate(asked)[:queries]


def nearest(rows: np.ndarray, queries: np.ndarray, k: int = 10) -> np.ndarray:
    """The right answers, by distance."""
    return np.argsort((rows**2).sum(axis=1) - 2 * queries @ rows.T, axis=1, kind="stable")[:, :k]


def build(folder: Path, rows: np.ndarray, **settings: Any) -> SPANN:
    index = SPANN(rows.shape[1], folder, **{"metric": "l2", "pages": 1, "patience": 0, **settings})
    index.build(np.arange(len(rows)), rows)
    return index


def shared(found: np.ndarray, truth: np.ndarray) -> float:
    """Recall."""
    return float(
        np.mean([len(set(one) & set(two)) for one, two in zip(found.tolist(), truth.tolist(), strict=True)]) / truth.shape[1]
    )


def asked(index: SPANN, queries: np.ndarray, truth: np.ndarray, **settings: Any) -> tuple[float, float, float]:
    """Recall, and bytes and lists read for a query."""
    size, lists = index.bytes_read, index.lists_read
    found, _ = index.search(queries, truth.shape[1], **settings)
    return shared(found, truth), (index.bytes_read - size) / len(queries), (index.lists_read - lists) / len(queries)


def at_bytes(index: SPANN, queries: np.ndarray, truth: np.ndarray, size: float) -> float:
    """The best recall for which no more bytes are read for a query."""
    best = 0.0
    for probes in (*range(1, 24), *range(24, 200, 8)):
        recall, took, _ = asked(index, queries, truth, probes=probes)
        if took <= size:
            best = max(best, recall)
        elif probes > 4:
            break
    return best


def least(index: SPANN, queries: np.ndarray, truth: np.ndarray, target: float, **settings: Any) -> tuple[float, float, float]:
    """Recall, bytes and lists with the fewest lists that reach a recall."""
    got = (0.0, 0.0, 0.0)
    for probes in range(1, 400):
        got = asked(index, queries, truth, probes=probes, **settings)
        if got[0] >= target:
            break
    return got
