"""What the bench of episode caches reads: documents of eight episodes, with questions about each of them and what comes next.

From books (or prose that is made up): passages that follow one another; a question quotes a sentence and asks for the next. From LoCoMo: stretches of
conversations, with the questions that one of their turns answers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from lamina.bench.locomo_data import Conversation, load_locomo
from lamina.bench.prose import TOKENS, Prose, text_files
from lamina.bench.results import find_data
from lamina.errors import InputError
from lamina.text import mend_text, sentences

EPISODES: Final = 8
"""Episodes of a document."""
TOKENS_EACH: Final = 240
"""Tokens of an episode at least, by the packaged counter."""
MOST: Final = 12
"""Questions about a document of a conversation, at most."""
SHORT: Final = 30  # characters below which a sentence is neither quoted nor asked for
EDGE: Final = 0.1  # of a book at each end, which is left out: titles and licences


@dataclass(frozen=True)
class Asked:
    """A question about the episode at a place, and its answer; `kind`: "next sentence" or "conversation"."""

    place: int
    text: str
    answer: str
    kind: str


@dataclass(frozen=True)
class Document:
    """Episodes that follow one another, what comes after the last of them, and questions. `source`: whose they are."""

    name: str
    source: str
    episodes: tuple[str, ...]
    after: str
    questions: tuple[Asked, ...]
    told: bool
    """Whether it is a text that goes on, so that a continuation can be asked for."""


def documents(data: Path | None, texts: str | None, count: int, seed: int) -> list[Document]:
    """So many documents: half of books, half of conversations where LoCoMo is there. Raises `InputError` for folders without texts."""
    file = find_data(data, "locomo", "locomo*.json")
    talks = conversations(load_locomo(file), count - count // 2) if file is not None else []
    paths = text_files(texts) or _books(data)
    told = books(paths, count - len(talks), seed)
    mixed: list[Document] = []
    for place in range(max(len(talks), len(told))):
        mixed += [*told[place : place + 1], *talks[place : place + 1]]
    return mixed


def _books(data: Path | None) -> list[Path]:
    root = data or (Path(os.environ["LAMINA_DATA"]) if os.environ.get("LAMINA_DATA") else None)
    return [] if root is None else sorted((root / "booksort").glob("*.txt"))


def books(paths: Sequence[Path], count: int, seed: int) -> list[Document]:
    """Documents of books, one book after another, each from a place that is drawn; of made-up prose where there are no books."""
    chance = random.Random(seed)
    whole = {path.stem: _sentences(path) for path in paths} or {f"prose {number}": _prose(number) for number in range(4)}
    found = []
    for number in range(count):
        name = list(whole)[number % len(whole)]
        said = whole[name]
        start = chance.randrange(int(len(said) * EDGE), int(len(said) * (1 - EDGE)))
        found.append(_told(f"book {number}", name, said[start:] + said[:start], chance))
    return found


def _sentences(path: Path) -> list[str]:
    found = [" ".join(one.split()) for one in sentences(mend_text(path.read_text("utf-8", errors="replace"))[0])]
    if len(found) < 500:
        raise InputError(f"{path} has {len(found)} sentences, and 500 are needed: leave it out")
    return found


def _prose(seed: int) -> list[str]:
    flow = Prose(seed)
    return [flow.sentence() for _ in range(2000)]


def _told(name: str, source: str, said: Sequence[str], chance: random.Random) -> Document:
    cut: list[list[str]] = [[]]
    size = 0
    for one in said:
        cut[-1].append(one)
        size += TOKENS.count(one)
        if size >= TOKENS_EACH:
            if len(cut) > EPISODES:
                break
            cut.append([])
            size = 0
    asked = []
    for place, parts in enumerate(cut[:EPISODES]):
        pairs = [(one, after) for one, after in pairwise(parts) if min(len(one), len(after)) >= SHORT]
        for one, after in chance.sample(pairs, min(1, len(pairs))):
            asked.append(Asked(place, f"Which sentence comes right after this one? “{one}”", after, "next sentence"))
    texts = [" ".join(parts) for parts in cut]
    return Document(name, source, tuple(f"{one}\n\n" for one in texts[:EPISODES]), texts[EPISODES], tuple(asked), True)


def conversations(samples: Sequence[Conversation], count: int) -> list[Document]:
    """Documents of conversations, those with the most questions first; no two share a turn."""
    found: list[Document] = []
    for sample in samples:
        pieces = _pieces(sample)
        for start in range(0, len(pieces) - EPISODES + 1, EPISODES):
            window = pieces[start : start + EPISODES]
            where = {id: place for place, (_, ids) in enumerate(window) for id in ids}
            asked = [
                Asked(where[one.evidence[0]], one.text, one.answer, "conversation")
                for one in sample.questions
                if one.answer and one.category != 5 and len(one.evidence) == 1 and one.evidence[0] in where
            ]
            name = f"conversation {sample.sample_id}, {start}"
            found.append(Document(name, sample.sample_id, tuple(text for text, _ in window), "", tuple(asked[:MOST]), False))
    return sorted(found, key=lambda one: (-len(one.questions), one.name))[:count]


def _pieces(sample: Conversation) -> list[tuple[str, list[str]]]:
    """A conversation in stretches of one session, each with the ids of its turns."""
    found: list[tuple[str, list[str]]] = []
    session, size = "", 0
    for turn in sample.turns:
        day = f"[{turn.at:%Y-%m-%d}]\n" if turn.at else ""
        pictures = "".join(f" [image: {caption}]" for caption in turn.captions)
        line = f"{turn.speaker}: {turn.text}{pictures}\n"
        if not found or turn.session != session or size >= TOKENS_EACH:
            found.append((day, []))
            session, size = turn.session, 0
        text, ids = found[-1]
        found[-1] = text + line, [*ids, turn.dia_id]
        size += TOKENS.count(line)
    return [(f"{text}\n", ids) for text, ids in found]
