"""The source's check of retrieval: fifteen people, ten days, 97 probes; turns alone against turns with day summaries, at the same number of hits and of tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from lamina import Memory
from lamina.episodic.days import DaySummaries, RuleDayWriter, days_of
from lamina.records import Item, make_scope
from tests.agents.dialogues import Probe, Turn, probes


def remembered(turns: dict[str, list[Turn]], stage: DaySummaries) -> Memory:
    memory = Memory(":memory:")
    for person, some in turns.items():
        memory.add_many(
            [{"role": one.role, "content": one.text, "at": one.day, "session": one.day, **({"speaker": person} if one.role == "user" else {})} for one in some],
            user=person,
        )  # fmt: skip
    memory.consolidate(also=[stage])
    return memory


@dataclass(frozen=True)
class RandomWriter(RuleDayWriter):
    """Control: turns of the day at random, as many words as the rules would take."""

    name: str = "random"

    def day(self, traces: Sequence[Item], language: str = "english") -> str:
        drawn = random.Random(traces[0].id)
        most, chosen = len(super().day(traces, language).split()), []
        for one in drawn.sample(list(traces), len(traces)):
            if len(" ".join([*chosen, one.text]).split()) <= most:
                chosen.append(one.text)
        return " ".join(chosen)


def share(texts: list[str], probe: Probe) -> float:
    """The share of what is asked for that stands in some texts."""
    return sum(any(said in text for text in texts) for said in probe.gold) / len(probe.gold)


def found(memory: Memory, asked: list[Probe], kinds: list[str]) -> dict[str, float]:
    """Accuracy at 6 of single facts and of days (all of the day is there), and the share of days in 6 hits and in 200 tokens."""
    rows: dict[str, list[float]] = {"facts": [], "days": [], "share": [], "packed": []}
    for probe in asked:
        hits = memory.search(probe.text, user=probe.person, k=6, kinds=kinds)
        assert all(hit.item.scope == make_scope(user=probe.person) for hit in hits)  # never anything of another's
        part = share([hit.text for hit in hits], probe)
        rows["days" if probe.whole else "facts"].append(float(part == 1.0))
        if probe.whole:
            rows["share"].append(part)
            rows["packed"].append(share([memory.context(probe.text, user=probe.person, budget=200, kinds=kinds).text], probe))
    return {name: float(np.mean(values)) for name, values in rows.items()} | {
        "all": float(np.mean([*rows["facts"], *rows["days"]]))
    }


@pytest.mark.slow
def test_day_summaries_help_with_whole_days_and_do_not_harm_single_facts() -> None:
    scores: dict[str, list[dict[str, float]]] = {"turns": [], "turns and days": [], "turns and random ones": [], "six at random": []}
    for seed in range(2):
        turns, asked = probes(seed)
        assert len(asked) == 97
        with remembered(turns, DaySummaries()) as memory:
            assert len(days_of(memory.store, "*")) == 150
            scores["turns"].append(found(memory, asked, ["trace"]))
            scores["turns and days"].append(found(memory, asked, ["trace", "note"]))
            drawn = random.Random(seed)
            words = [len(one.data["summary"].split()) for one in days_of(memory.store, "*")]
            said = [sum(len(one.text.split()) for one in some) / 10 for some in turns.values()]
            chance = [share(drawn.sample([one.text for one in turns[probe.person]], 6), probe) == 1.0 for probe in asked]
            scores["six at random"].append({"all": float(np.mean(chance))})
        with remembered(turns, DaySummaries(RandomWriter())) as memory:
            scores["turns and random ones"].append(found(memory, asked, ["trace", "note"]))
    print(f"\na summary has {np.mean(words):.0f} words, a day {np.mean(said):.0f}")
    mean = {name: {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} for name, rows in scores.items()}
    for name, row in mean.items():
        print(f"\n{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    alone, both = mean["turns"], mean["turns and days"]
    assert both["all"] >= 0.75
    assert both["days"] >= alone["days"] + 0.03
    assert both["share"] >= alone["share"]
    assert both["facts"] >= alone["facts"] - 0.02
    assert both["days"] > mean["turns and random ones"]["days"] + 0.1
    assert mean["six at random"]["all"] < 0.3


@pytest.mark.parametrize("person", ["Ana", "Ben"])
def test_every_planted_fact_of_a_day_can_be_asked_for(person: str) -> None:
    turns, asked = probes(0)
    said = {one.text for one in turns[person]}
    assert all(set(probe.gold) <= said for probe in asked if probe.person == person)
