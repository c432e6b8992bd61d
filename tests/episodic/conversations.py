"""Conversations whose sessions were run together, for the tests of segmentation: traces, vectors, and where sessions began."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import boundary_score
from lamina.episodic.segmentation import FixedWindows, Segmenter
from lamina.models.registry import load_embedder
from lamina.records import Item, Run
from lamina.text import index_text
from lamina.times import MINUTE

TOLERANCE = 3  # turns


@dataclass(frozen=True)
class Conversation:
    """Turns a minute apart without session labels; `sessions` is where sessions began."""

    name: str
    traces: list[Item]
    vectors: NDArray[np.float32]
    sessions: list[int]

    def f1(self, cuts: Iterable[int]) -> float:
        return boundary_score(cuts, self.sessions, TOLERANCE).f1

    def cuts(self, segmenter: Segmenter) -> list[int]:
        return segmenter.boundaries(self.traces, self.vectors, Run())

    def fixed(self, events: int) -> float:
        """Windows of one size that give about as many cuts, the mean over all places to begin."""
        size = max(2, round(len(self.traces) / (events + 1)))
        cuts = FixedWindows(size=size).boundaries([*self.traces, *self.traces[:size]], self.vectors, Run())
        return float(
            np.mean([self.f1([cut - shift for cut in cuts if 0 < cut - shift < len(self.traces)]) for shift in range(size)])
        )

    def random(self, events: int, draws: int = 100) -> float:
        """As many cuts at random places."""
        generator = np.random.default_rng(0)
        places = np.arange(1, len(self.traces))
        return float(np.mean([self.f1(generator.choice(places, events, replace=False).tolist()) for _ in range(draws)]))


def joined(name: str, sessions: Iterable[Iterable[Mapping[str, Any]]]) -> Conversation:
    traces: list[Item] = []
    begins: list[int] = []
    for session in sessions:
        begins.append(len(traces))
        for turn in session:
            number = len(traces)
            data = {"speaker": turn["speaker"], "captions": turn["captions"]}
            traces.append(Item(f"{number:05d}", "trace", turn["text"], at=number * MINUTE, recorded_at=0, data=data))
    texts = [index_text(trace.text, trace.speaker, trace.captions) for trace in traces]
    return Conversation(name, traces, load_embedder("wordllama").embed(texts, "document"), begins[1:])


@cache
def demo() -> Conversation:
    """The conversation that comes with the package."""
    sessions: dict[str, list[dict[str, Any]]] = {}
    with resources.files("lamina.demo").joinpath("conversation.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            turn = json.loads(line)
            captions = [image["caption"] for image in turn.get("images", ())]
            sessions.setdefault(turn["session"], []).append(
                {"speaker": turn["speaker"], "text": turn["text"], "captions": captions}
            )
    return joined("demo", sessions.values())


def without_cues(conversation: Conversation, pattern: Any) -> Conversation:
    """The same, each text that matches replaced by one that says nothing (the vectors stay)."""
    blank = [replace(trace, text="…") if pattern(trace.text) else trace for trace in conversation.traces]
    return replace(conversation, traces=blank)


@cache
def locomo(path: Path) -> list[Conversation]:
    def sessions(talk: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        numbers = sorted(int(name.split("_")[1]) for name in talk if name.startswith("session_") and name.count("_") == 1)
        for number in numbers:
            turns = talk[f"session_{number}"]
            if turns:
                yield [{**turn, "captions": [turn["blip_caption"]] if turn.get("blip_caption") else []} for turn in turns]

    return [joined(one["sample_id"], sessions(one["conversation"])) for one in json.loads(path.read_text(encoding="utf-8"))]
