"""What consolidating facts costs: a large conversation, and a little more of it."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from lamina import Memory
from lamina.consolidation.pipeline import Pipeline
from lamina.records import Run
from lamina.semantic.facts import FactStage, facts_of
from tests.keeping.embedders import WordEmbedder

HOUR = 3_600_000_000  # microseconds


@pytest.mark.slow
@pytest.mark.parametrize("per_session", [40, 10_100, None])
def test_ten_thousand_messages_take_seconds_and_a_hundred_more_less_than_one(per_session: int | None) -> None:
    rows = [json.loads(line) for line in Path("corpora/facts.jsonl").read_text(encoding="utf-8").splitlines()]
    said = [message for row in rows for message in row["messages"]]
    talk = [message["text"] for message in said if message["speaker"] == "Alex"]  # small talk alone
    draw = random.Random(0)
    messages = [
        {
            "content": draw.choice(said)["text"] if number % 4 == 0 else draw.choice(talk), "speaker": f"Speaker{draw.randrange(20)}", "at": number * HOUR,
            "session": None if per_session is None else f"s{number // per_session}",
        }
        for number in range(10_100)
    ]  # fmt: skip
    pipeline = Pipeline((FactStage(),))
    with Memory(":memory:", embedder=WordEmbedder()) as memory:
        memory.add_many(messages[:10_000], user="ana")
        began = time.process_time()
        pipeline.run(memory.store, "/ana", Run())
        first = time.process_time() - began
        memory.add_many(messages[10_000:], user="ana")
        began = time.process_time()
        pipeline.run(memory.store, "/ana", Run())
        more = time.process_time() - began
        print(
            f"sessions of {per_session}: {first:.1f} s, 100 more {more:.2f} s, {len(facts_of(memory.store, '/ana', history=True))} facts"
        )
        assert first < 30
        assert more < 1
        assert not memory.doctor()
