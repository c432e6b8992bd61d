"""Collections in the form of the corpora of this project: items and questions as JSON lines.

`NAME.jsonl` holds items as `Memory.add` takes them (`origin`, `text`, and where they are messages `session`, `at`, `role`,
`speaker`, `images`), `NAME.questions.jsonl` holds `question`, `evidence` (origins) and `category`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.errors import InputError

QUESTIONS = ".questions.jsonl"


def read_collection(name: str, items: Iterable[str], questions: Iterable[str]) -> Collection:
    """A collection from the lines of its two files; raises `InputError` where a line or an evidence makes no sense.

    >>> read_collection("a", ['{"origin": "1", "text": "It rained."}'], ['{"question": "Rain?", "evidence": ["1"]}']).questions[0].gold
    frozenset({'1'})
    """
    passages = [
        Passage(
            line["origin"], line["text"], line.get("speaker"), line.get("session"),
            tuple(image["caption"] for image in line.get("images", ())), line.get("at"), line.get("role"),
        )
        for line in _objects(name, items, ("origin", "text"))
    ]  # fmt: skip
    known = {passage.id for passage in passages}
    asked = []
    for line in _objects(f"the questions of {name}", questions, ("question", "evidence")):
        gold = frozenset(line["evidence"])
        if not gold or not gold <= known:
            raise InputError(f"{name}: the evidence of {line['question']!r} must name items, not {sorted(gold - known)}")
        asked.append(Asked(line["question"], gold, line.get("category", "all")))
    return Collection(name, passages, asked)


def read_folder(folder: Path) -> list[Collection]:
    """Every collection in a folder, by name; raises `InputError` where there is none."""
    found = sorted(folder.glob(f"*{QUESTIONS}"))
    if not found:
        raise InputError(f"{folder} has no files *{QUESTIONS}: name the folder of a corpus")
    collections = []
    for questions in found:
        items = questions.with_name(questions.name.removesuffix(QUESTIONS) + ".jsonl")
        if not items.is_file():
            raise InputError(f"{items} is missing: {questions.name} asks about it")
        texts = (path.read_text(encoding="utf-8").splitlines() for path in (items, questions))
        collections.append(read_collection(items.stem, *texts))
    return collections


def whole_sessions(collection: Collection, every: int = 1) -> Collection:
    """The sessions of a conversation as items of their own, without speakers, and every so many of its questions."""
    texts: dict[str, list[str]] = {}
    session: dict[str, str] = {}
    times: dict[str, Any] = {}
    for passage in collection.passages:
        place = passage.session or ""
        texts.setdefault(place, []).append(passage.shown)
        times.setdefault(place, passage.at)
        session[passage.id] = place
    passages = [Passage(place, "\n".join(lines), None, None, at=times[place]) for place, lines in texts.items()]
    asked = [Asked(one.text, frozenset(session[id] for id in one.gold), one.slice) for one in collection.questions[::every]]
    return Collection(f"{collection.name}-sessions", passages, asked)


def _objects(what: str, lines: Iterable[str], needed: tuple[str, ...]) -> list[dict[str, Any]]:
    """The objects of JSON lines."""
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{what}, line {number}: not JSON ({error})") from None
        if not isinstance(value, dict) or any(name not in value for name in needed):
            raise InputError(f"{what}, line {number}: must be an object with {' and '.join(map(repr, needed))}")
        found.append(value)
    return found
