"""How scripts without spaces are best cut into pieces, on the conversations in this folder.

`python -m tests.recall.languages.comparison` prints the tables of docs/guides/languages.md. Each file has 60 messages of two
people in six sessions, and 30 questions with the message that answers each; they were written for this comparison. The English
one is the Japanese one again: a yardstick for what vectors do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina import Memory, words
from lamina.index.view import ScopeView
from lamina.models.protocols import TextKind
from lamina.models.static import StaticEmbedder
from lamina.recall.cue import read_cue
from lamina.recall.signals import Signals
from lamina.records import Filter, Run
from lamina.text import index_text
from lamina.times import MINUTE, parse_moment

LANGUAGES = ("japanese", "chinese", "thai", "korean")
YARDSTICK = "english"
DEPTHS = (1, 5)
BEGAN = parse_moment("2026-01-01T09:00:00+00:00").at


@dataclass(frozen=True)
class Way:
    """A way to cut the runs of all scripts: `lengths` of pieces, and whether each Han character is a piece too."""

    name: str
    lengths: tuple[int, ...]
    ideographs: bool = False


WHOLE = Way("whole runs (the control)", ())
PAIRS = Way("pairs", (2,))
TRIPLES = Way("triples", (3,))
WAYS = (
    WHOLE,
    Way("single characters", (1,)),
    PAIRS,
    TRIPLES,
    Way("pairs and triples", (2, 3)),
    Way("pairs and single characters", (2, 1)),
    Way("pairs and Han characters", (2,), ideographs=True),
    Way("pairs, triples and single characters", (2, 3, 1)),
)
SYSTEMS = ("BM25", "without vectors", "with vectors")


class NoVectors:
    """An embedder that says nothing."""

    name = fingerprint = "nothing"
    dim = 1
    instant = True

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        return np.zeros((len(texts), 1), np.float32)


@dataclass(frozen=True)
class Conversation:
    """Messages by id, and questions with the id of the message that answers each."""

    messages: dict[str, dict[str, str]]
    questions: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, language: str) -> Conversation:
        lines = Path(__file__).with_name(f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        return cls(
            {record["id"]: record for record in records if "id" in record},
            tuple((record["question"], record["gold"][0]) for record in records if "question" in record),
        )

    def memory(self, vectors: bool) -> Memory:
        """A new memory of it, with static vectors or with none that say anything."""
        memory = Memory(
            ":memory:", embedder="wordllama" if vectors else NoVectors(), run=Run(clock=lambda: BEGAN + 1440 * MINUTE)
        )
        memory.add_many(
            {
                "content": message["text"], "speaker": message["speaker"], "session": message["session"], "role": "user",
                "origin": id, "at": BEGAN + number * MINUTE,
            }
            for number, (id, message) in enumerate(self.messages.items())
        )  # fmt: skip
        return memory

    def found(self, rankings: Sequence[Sequence[str]], depth: int) -> float:
        """The share of questions whose message is among the first so many."""
        pairs = zip(rankings, self.questions, strict=True)
        return sum(gold in ranking[:depth] for ranking, (_, gold) in pairs) / len(self.questions)


@contextmanager
def cut(way: Way | None) -> Iterator[None]:
    """Cut all scripts in one way while the block runs (None: as they are shipped)."""
    shipped = words.CUTS
    if way is not None:
        words.CUTS = tuple(replace(one, lengths=way.lengths, ideographs=way.ideographs) for one in shipped)
    try:
        yield
    finally:
        words.CUTS = shipped


def rankings(conversation: Conversation, way: Way | None = None) -> dict[str, list[list[str]]]:
    """What each system of `SYSTEMS` finds first for each question: ids, best first."""
    found: dict[str, list[list[str]]] = {}
    with cut(way), conversation.memory(vectors=False) as bare, conversation.memory(vectors=True) as full:
        found["BM25"] = [_by_bm25(bare, question) for question, _ in conversation.questions]
        for system, memory in (("without vectors", bare), ("with vectors", full)):
            found[system] = [
                [hit.item.origin or "" for hit in memory.search(question, k=max(DEPTHS))]
                for question, _ in conversation.questions
            ]
    return found


def _by_bm25(memory: Memory, question: str) -> list[str]:
    view = ScopeView(memory.store, "").refresh()
    cue = read_cue(question, speakers=[str(name) for name in view.speakers.names])
    best = Signals(view, cue, view.mask(Filter())).lexical_best(max(DEPTHS))
    keys = view.keys[best].tolist()
    items = memory.store.items.by_key(keys)
    return [items[key].origin or "" for key in keys]


def by_vectors(conversation: Conversation) -> list[list[str]]:
    """The ids whose static vectors are closest to each question's."""
    embedder, ids = StaticEmbedder(), list(conversation.messages)
    shown = [index_text(message["text"], message["speaker"]) for message in conversation.messages.values()]
    cosines = embedder.embed([question for question, _ in conversation.questions], "query") @ embedder.embed(shown).T
    return [[ids[place] for place in row[: max(DEPTHS)]] for row in np.argsort(-cosines, axis=1, kind="stable")]


def shipped(language: str, way: Way) -> bool:
    """Whether a way is what the library does with the script of a language."""
    place = {"japanese": 0, "chinese": 0, "thai": 1, "korean": 2}[language]
    return (words.CUTS[place].lengths, words.CUTS[place].ideographs) == (way.lengths, way.ideographs)


def _row(conversation: Conversation, name: str, found: Sequence[Sequence[Sequence[str]]]) -> str:
    cells = [" / ".join(f"{100 * conversation.found(one, depth):.0f}" for depth in DEPTHS) for one in found]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print recall@1 / @5 in percent of every way, language and system."""
    for language in LANGUAGES:
        conversation = Conversation.read(language)
        print(f"\n{language.capitalize()}\n\n| looked up as | {' | '.join(SYSTEMS)} |\n|---|{'---|' * len(SYSTEMS)}")
        for way in WAYS:
            found = rankings(conversation, way)
            name = f"**{way.name}**" if shipped(language, way) else way.name
            print(_row(conversation, name, [found[system] for system in SYSTEMS]))
    _print_vectors()


def _print_vectors() -> None:
    """What static vectors do alone, beside the whole recall."""
    print("\n| language | vectors alone | without vectors | with vectors |\n|---|---|---|---|")
    for language in (YARDSTICK, *LANGUAGES):
        conversation = Conversation.read(language)
        found = rankings(conversation)
        print(_row(conversation, language.capitalize(), [by_vectors(conversation), *(found[system] for system in SYSTEMS[1:])]))


if __name__ == "__main__":
    main()
