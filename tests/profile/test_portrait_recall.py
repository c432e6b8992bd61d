"""What portraits, biographies and day summaries do to the recall of single facts: real conversations, the same budget with and without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina import Memory
from lamina.bench.locomo import collections_of
from lamina.bench.ranking.ours import asked_at
from lamina.records import Run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "kind", "most"), [("portraits", "portrait", 0.01), ("biographies", "portrait", 0.015), ("days", "note", 0.025)]
)
def test_what_a_stage_costs_the_recall_of_single_facts(data_root: Path, stage: str, kind: str, most: float) -> None:
    file = data_root / "locomo" / "locomo_dev.json"
    if not file.is_file():
        pytest.skip("there is no locomo/locomo_dev.json among the data")
    collections = collections_of(file)[:3]
    now = asked_at(collections)
    found: dict[tuple[str, ...], tuple[float, float, float]] = {}
    for also in ((), (stage,)):
        packed = listed = shown = asked = 0.0
        with Memory(":memory:", run=Run(clock=lambda: now)) as memory:
            for one in collections:
                memory.add_many([passage.message() for passage in one.passages], user=one.name)
            memory.consolidate(also=also)
            for one in collections:
                texts = {passage.id: passage.text for passage in one.passages}
                for question in one.questions:
                    gold = [texts[id] for id in question.gold]
                    block = memory.context(question.text, user=one.name, budget=400).hits
                    hits = [hit.text for hit in memory.search(question.text, user=one.name, k=10)]
                    packed += sum(text in [hit.text for hit in block] for text in gold) / len(gold)
                    listed += sum(text in hits for text in gold) / len(gold)
                    shown += any(hit.kind == kind for hit in block)
                    asked += 1
        found[also] = (packed / asked, listed / asked, shown / asked)
        print(
            f"\n{also or 'without'}: in 400 tokens {packed / asked:.4f}, among ten {listed / asked:.4f}, {kind}s in {shown / asked:.3f} of {asked:.0f}"
        )
    for without, with_them in list(zip(*found.values(), strict=True))[:2]:
        assert abs(with_them - without) <= most
