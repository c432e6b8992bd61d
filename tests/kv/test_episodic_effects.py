"""EM-LLM's effects on a real model (SmolLM2-135M-Instruct): where it cuts, what it finds again, and what that is worth.

Needs the packaged model and the evaluation data: pytest -s -m slow tests/kv/test_episodic_effects.py
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")


from lamina.algorithms.boundaries import BoundaryRefinement
from lamina.errors import MissingExtraError
from lamina.kv import Full, Session
from lamina.kv.event_cutting import EventCutter, SurpriseMarks
from lamina.models.local import LocalModel

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {"n_local": 512, "n_init": 16, "n_mem": 512, "block": 128, "max_block": 64}
TOP = slice(20, 30)
TOLERANCE = 3  # tokens between a cut and a change that count as the same


@pytest.fixture(scope="module")
def local() -> Any:
    try:
        return LocalModel.load(precision="bfloat16", threads=1).runner
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def books(data_root: Path) -> list[list[str]]:
    """The sentences of public-domain books, without what stands before and after them."""
    files = sorted((data_root / "booksort").glob("*.txt"))
    if not files:
        pytest.skip("no books in LAMINA_DATA/booksort")
    return [list(_sentences(one.read_text("utf-8", errors="replace"))) for one in files]


def _sentences(text: str) -> Iterator[str]:
    paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
    body = [one for one in paragraphs if len(one) > 120]
    for one in body[len(body) // 10 : -len(body) // 10]:
        yield from (part for part in re.split(r"(?<=[.!?]) ", one) if len(part) > 20)


# -------------------------------------------------------------------------------------------------------------- boundaries
def _f1(cuts: Sequence[int], true: Sequence[int]) -> float:
    """Of one-to-one pairs within the tolerance, taken from left to right."""
    left, hits = list(true), 0
    for cut in cuts:
        for one in left:
            if abs(cut - one) <= TOLERANCE:
                left.remove(one)
                hits += 1
                break
    return 2 * hits / (len(cuts) + len(true))


def _likeness(similarity: Any, cuts: Sequence[int]) -> float:
    """Mean similarity within events over that across them, of tokens up to 64 apart."""
    rows = len(similarity)
    event = np.searchsorted(cuts, np.arange(rows), side="right")
    distance = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))
    near = (distance > 0) & (distance <= 64)
    same = np.equal.outer(event, event)
    return float(similarity[near & same].mean() / similarity[near & ~same].mean())


def test_effect_surprise_finds_changes_of_passages(local: Any, books: list[list[str]]) -> None:
    """Passages of 60 to 150 tokens from different books, one after another; the same number of cuts for all."""
    found: dict[str, list[float]] = {}
    for seed in range(3):
        chance, ids, true = random.Random(seed), list[int](), list[int]()
        last = None
        while len(ids) < 2400:
            book = chance.choice([one for one in books if one is not last])
            last, place, passage, size = book, chance.randrange(len(book) - 20), list[int](), chance.randint(60, 150)
            while len(passage) < size:
                passage += local.encode(" " + book[place])
                place += 1
            true.append(len(ids))
            ids += passage[:size]
        true = true[1:]
        session = Session(local._model, Full(block=256))
        surprises = np.concatenate([[np.nan], -session.score(ids)])
        keys = session.cache.stretch()[0][20:].float().permute(2, 0, 1, 3).reshape(len(ids), -1).double()  # type: ignore[attr-defined]
        similarity = np.maximum((keys @ keys.T).numpy(), 0)
        for gamma in (1.0, 2.5):
            marks = SurpriseMarks(gamma, 512).marks(np.array(ids), surprises, 0)
            limit = len(ids) - 64
            cuts, _ = EventCutter(8, 128).cut(0, 0, marks, limit)
            refined, _ = EventCutter(8, 128, BoundaryRefinement("modularity", 8)).cut(
                0, 0, marks, limit, lambda a, b, by=similarity: by[a:b, a:b]
            )
            even = np.linspace(0, limit, len(cuts) + 1)[1:].astype(int).tolist()
            here = [one for one in true if one < limit]
            lots = [sorted(chance.sample(range(1, limit), len(cuts))) for _ in range(5)]
            for name, value in (
                ("events", len(cuts)),
                ("S", _f1(cuts, here)),
                ("SM", _f1(refined, here)),
                ("fixed", _f1(even, here)),
                ("random", float(np.mean([_f1(one, here) for one in lots]))),
                ("likeness S", _likeness(similarity, cuts)),
                ("likeness SM", _likeness(similarity, refined)),
                ("likeness fixed", _likeness(similarity, even)),
                ("likeness random", float(np.mean([_likeness(similarity, one) for one in lots[:2]]))),
            ):
                found.setdefault(f"gamma {gamma}: {name}", []).append(value)
    means = {name: round(float(np.mean(one)), 3) for name, one in found.items()}
    print("\n", *(f"{name}: {one}" for name, one in means.items()), sep="\n")
    assert means["gamma 2.5: S"] >= 1.5 * max(means["gamma 2.5: fixed"], means["gamma 2.5: random"])
    assert means["gamma 1.0: likeness SM"] > means["gamma 1.0: likeness S"]
    assert means["gamma 1.0: likeness SM"] > means["gamma 1.0: likeness fixed"]
