"""The source's check of retrieval: fifteen people, ten days, 97 probes; turns alone against turns with day summaries, at the same number of hits and of tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lamina import Memory
from lamina.agents.companion import Companion
from lamina.episodic.days import DaySummaries, RuleDayWriter, days_of
from lamina.models.protocols import Completion, Message
from lamina.models.tokens import WordLlamaTokens
from lamina.records import Item
from lamina.scopes import make_scope
from tests.agents.dialogues import PEOPLE, Probe, Turn, probes


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
    scores: dict[str, list[dict[str, float]]] = {
        "turns": [],
        "turns and days": [],
        "turns and random ones": [],
        "six at random": [],
    }
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


@pytest.mark.slow
def test_a_companion_has_at_hand_what_it_is_asked_for() -> None:
    """Prompts of 600 tokens on the eleventh day. Baseline: the last turns in as many tokens; control: turns at random."""
    counter = WordLlamaTokens()
    turns, asked = probes(1)
    shares: dict[str, list[float]] = {"companion": [], "last turns": [], "turns at random": []}
    with remembered(turns, DaySummaries()) as memory:
        for person in PEOPLE:
            friend = Companion(memory, Silent(), budget=600, person=person, session="the eleventh day", user=person)
            friend.rest()
            said = [one.text for one in turns[person]]
            for n, probe in enumerate(one for one in asked if one.person == person):
                prompt = friend.prompt(probe.text)
                assert prompt.tokens <= 600
                shares["companion"].append(share([prompt.messages[0].content], probe))
                for name, order in (("last turns", said[::-1]), ("turns at random", random.Random(n).sample(said, len(said)))):
                    fitting = [
                        text
                        for text, size in zip(order, np.cumsum([counter.count(text) + 4 for text in order]), strict=True)
                        if size <= 600
                    ]
                    shares[name].append(share(fitting, probe))
    found = {name: float(np.mean(values)) for name, values in shares.items()}
    print(f"\nwhat is asked for is in the prompt: { ({name: round(value, 3) for name, value in found.items()}) }")
    assert found["companion"] >= 0.75
    assert found["companion"] >= max(found["last turns"], found["turns at random"]) + 0.2


class Silent:
    """A model that is not asked."""

    name = "silent"

    def complete(
        self, messages: Sequence[Message], *, schema: Any = None, max_tokens: int = 0, temperature: float = 0.0
    ) -> Completion:
        raise AssertionError("nobody was to be asked")


@pytest.mark.parametrize("person", ["Ana", "Ben"])
def test_every_planted_fact_of_a_day_can_be_asked_for(person: str) -> None:
    turns, asked = probes(0)
    said = {one.text for one in turns[person]}
    assert all(set(probe.gold) <= said for probe in asked if probe.person == person)
