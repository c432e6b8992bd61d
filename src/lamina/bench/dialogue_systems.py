"""The working memories that are compared on dialogues, and what each makes of one dialogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import process_time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.dialogue_stream import Dialogue, Probe, read
from lamina.models.protocols import Embedder
from lamina.models.tokens import WordLlamaTokens
from lamina.working.controlled import ControlledMemory, Controls, without
from lamina.working.history import FullHistory
from lamina.working.protocol import WorkingMemory
from lamina.working.steps import MESSAGE_TOKENS
from lamina.working.turns import FloatArray, Ranking

TOKENS: Final = WordLlamaTokens()
Make = Callable[[], WorkingMemory]


@dataclass(frozen=True)
class RandomRanking(Ranking):
    """The control: turns drawn at random, as many."""

    seed: int = 0

    def best(self, relevance: FloatArray, ages: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of `k` turns, in no order."""
        return np.random.default_rng([self.seed, len(relevance)]).permutation(len(relevance))[: self.k]


def controls(seed: int = 0) -> dict[str, Controls]:
    """The controlled memories by name: as it is, the released code's way, each part left out, and the control."""
    whole = Controls()
    more = replace(whole, ranking=replace(whole.ranking, k=10))
    return {
        "scm": whole,
        "scm, no controller": without(whole, "controller"),
        "scm, activation always": replace(whole, activation="always"),
        "scm, no activation memory": without(whole, "activation"),
        "scm, no flash memory": without(whole, "flash"),
        "scm, relevance alone": replace(whole, ranking=replace(whole.ranking, recency_weight=0.0)),
        "scm, vectors of whole turns": replace(whole, embed_on="text"),
        "scm, the code's way": Controls.of("code"),
        "scm, ten turns": more,
        "scm, ten turns, no controller": without(more, "controller"),
        "scm, filled": replace(whole, reorganiser=replace(whole.reorganiser, fill=True)),
        "scm, ten turns, filled": replace(more, reorganiser=replace(whole.reorganiser, fill=True)),
        "scm, random turns": replace(whole, ranking=RandomRanking(seed=seed)),
    }


def systems(embedder: Embedder, seed: int = 0, names: Sequence[str] = ()) -> dict[str, Make]:
    """Everything that is compared, by name; those named, or all."""

    def controlled(chosen: Controls) -> Make:
        return lambda: ControlledMemory(controls=chosen, embedder=embedder)

    found: dict[str, Make] = {name: controlled(chosen) for name, chosen in controls(seed).items()}
    found["newest turns"] = lambda: FullHistory(form="text")
    return {name: found[name] for name in names or found}


def asked(memory: WorkingMemory, said: str, budget: int) -> tuple[str, int]:
    """The prompt for what is said, and the tokens it has beside that; `budget` tokens beside it are allowed."""
    own = TOKENS.count(said) + MESSAGE_TOKENS
    found = memory.prompt([], budget + own, tail=said)
    if found.tokens > budget + own:
        raise AssertionError(f"{memory.name} gave a prompt of {found.tokens} tokens for a budget of {budget + own}")
    return found.text, found.tokens - own


@dataclass(frozen=True)
class Course:
    """What a memory made of a dialogue: of each probe whether it was answered, the share of its turns that were found (NaN where it
    needs none), and its prompt's tokens; of each turn the tokens of its prompt. The questions themselves are not counted."""

    probes: Sequence[Probe]
    right: Sequence[bool]
    recall: Sequence[float]
    tokens: Sequence[int]
    stream: Sequence[int]


def follow(memory: WorkingMemory, dialogue: Dialogue, budget: int) -> Course:
    """Take a memory through a dialogue: a prompt for each turn, the turn, then the questions that are asked after it."""
    waiting: dict[int, list[Probe]] = defaultdict(list)
    for probe in dialogue.probes:
        waiting[probe.after].append(probe)
    probes: list[Probe] = []
    right, recall, tokens, stream = [], [], [], []
    for number, (step, (said, _)) in enumerate(zip(dialogue.steps(), dialogue.turns, strict=True), 1):
        stream.append(asked(memory, said, budget)[1])
        memory.observe(step)
        for probe in waiting[number]:
            prompt, taken = asked(memory, probe.text, budget)
            probes.append(probe)
            right.append(read(prompt, probe))
            recall.append(_found(memory, probe))
            tokens.append(taken)
    return Course(probes, right, recall, tokens, stream)


def _found(memory: WorkingMemory, probe: Probe) -> float:
    """The share of a probe's turns among those brought back or just said; NaN where it has none or nothing is looked for."""
    if not probe.facts or probe.kind == "just said" or not isinstance(memory, ControlledMemory):
        return float("nan")
    if memory.controls.activation == "never":
        return 0.0
    found = {turn.number for turn in memory.retrieved(probe.text)} | {probe.after}
    return sum(fact.turn in found for fact in probe.facts) / len(probe.facts)


def turn_seconds(memory: WorkingMemory, dialogue: Dialogue, budget: int, spans: Mapping[str, range]) -> dict[str, float]:
    """The median seconds of processor time of a turn, its prompt and taking it in, over spans of turns (from 1)."""
    taken = []
    for step, (said, _) in zip(dialogue.steps(), dialogue.turns, strict=True):
        start = process_time()
        asked(memory, said, budget)
        memory.observe(step)
        taken.append(process_time() - start)
    return {name: median(taken[number - 1] for number in span) for name, span in spans.items()}
