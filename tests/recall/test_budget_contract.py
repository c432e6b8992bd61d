"""A budget is a contract: whatever is asked of a memory, and by whatever counter, the whole text never has more tokens.

Few cues by default, 2,000 in the slow form; on the conversation that comes with the package, and on LoCoMo where the data is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina import Memory
from lamina.bench.demo import collection
from lamina.bench.locomo import collections_of, data_file
from lamina.bench.ranking.collections import Collection
from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.recall.cue import read_cue
from lamina.recall.excerpts import Excerpts
from lamina.recall.rendering import line_of, render, shown_text
from lamina.records import Hit
from lamina.words import words

SMALLEST, LARGEST = 16, 8192
FEW, MANY = 40, 2000
COUNTERS: dict[str, Callable[[str], int]] = {
    "the packaged tokenizer": WordLlamaTokens().count,
    "words": lambda text: len(text.split()),
    "characters": len,
}


def remembered(one: Collection, path: Path) -> Path:
    with Memory(path, embedder="wordllama") as memory:
        memory.add_many([passage.message() for passage in one.passages])
        memory.add(
            " ".join(passage.text for passage in one.passages[:150]), speaker="Summary", at="2026-01-01"
        )  # some long texts
        memory.flush()
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, Path]:
    return collection(), remembered(collection(), tmp_path_factory.mktemp("contract") / "demo.db")


@pytest.fixture(scope="module")
def locomo(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, Path]:
    try:
        one = collections_of(data_file(data_root))[0]
    except InputError:
        pytest.skip("no LoCoMo file in the evaluation data")
    return one, remembered(one, tmp_path_factory.mktemp("contract") / "locomo.db")


def cues(one: Collection, count: int, seed: int) -> Iterator[tuple[str, int]]:
    """Questions, scraps of what was said, words thrown together, and signs; each with a budget, small ones as often as large ones."""
    generator = random.Random(seed)
    vocabulary = sorted({word for passage in one.passages for word in words(passage.text)})
    for _ in range(count):
        kind = generator.random()
        if kind < 0.3:
            cue = generator.choice(one.questions).text
        elif kind < 0.6:
            said = generator.choice(one.passages).text
            start = generator.randrange(len(said))
            cue = said[start : start + generator.randrange(1, 60)]
        elif kind < 0.9:
            cue = " ".join(generator.choice(vocabulary) for _ in range(generator.randrange(1, 9)))
        else:
            cue = "".join(chr(generator.randrange(33, 0x2FF)) for _ in range(generator.randrange(1, 20)))
        yield cue if cue.strip() else "?", round(math.exp(generator.uniform(math.log(SMALLEST), math.log(LARGEST))))


def singles(hits: list[Hit], cue: str) -> Iterator[str]:
    """Every hit by itself, in every form."""
    cut = Excerpts().of([shown_text(hit.item) for hit in hits], read_cue(cue).words)
    for hit, excerpts in zip(hits, cut, strict=True):
        for text in (None, *(one.text for one in excerpts)):
            yield render([line_of(hit.item, text)])


def check(one: Collection, path: Path, count: int) -> None:
    empty = 0
    with Memory(path, read_only=True) as memory:
        for place, (cue, budget) in enumerate(cues(one, count, seed=0)):
            names = ["the packaged tokenizer", ("words", "characters")[place % 2]]
            for name in names:
                counter = COUNTERS[name]
                recall = memory.context(cue, budget=budget, counter=None if name == names[0] else counter)
                assert recall.tokens == (counter(recall.text) if recall.text else 0) <= budget, (cue, budget, name)
                if not recall.text:
                    empty += 1
                    smallest = min(map(counter, singles(memory.search(cue, k=100), cue)), default=math.inf)
                    assert smallest > budget, (cue, budget, name)
    assert 0 < empty < count, "budgets below and above what one hit takes were tried"


def test_contexts_of_the_packaged_conversation_keep_to_their_budgets(demo: tuple[Collection, Path]) -> None:
    check(*demo, FEW)


def test_contexts_of_a_long_conversation_keep_to_their_budgets(locomo: tuple[Collection, Path]) -> None:
    check(*locomo, FEW)


@pytest.mark.slow
def test_many_contexts_of_the_packaged_conversation_keep_to_their_budgets(demo: tuple[Collection, Path]) -> None:
    check(*demo, MANY)


@pytest.mark.slow
def test_many_contexts_of_a_long_conversation_keep_to_their_budgets(locomo: tuple[Collection, Path]) -> None:
    check(*locomo, MANY)
