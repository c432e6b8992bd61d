"""Long texts with marked sentences: passages of HotpotQA, several on a page, and the sentences that answer a question.

Data: Z. Yang et al., "HotpotQA: A Dataset for Diverse, Explainable Multi-hop Question Answering", 2018 (CC BY-SA 4.0); a training
sample of 100 questions with all passages they come with.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lamina.bench.filling import Case
from lamina.bench.results import find_data
from lamina.errors import InputError
from lamina.memory import Memory
from lamina.records import Run

TOGETHER: Final = 5
"""Passages on a page, which then has some 2,900 characters."""
DAY: Final = 1_767_225_600_000_000  # all pages are of 1 January 2026 (UTC microseconds)


def pages_file(data: Path | None) -> Path | None:
    """The file with the questions and their passages, None where there is none."""
    if data is not None and data.is_file():
        return None
    return find_data(data, "hipporag", "hotpotqa_train.json")


def page_cases(file: Path, k: int, seed: int) -> list[Case]:
    """The questions with the pages a memory finds for each, as the library is shipped; gold are single sentences.

    Passages are put together at random, so that what stands beside a sentence mostly has nothing to do with it.
    """
    questions, passages = load_hotpot(file)
    titles = [title for title in passages if "".join(passages[title]).strip()]
    random.Random(seed).shuffle(titles)
    pages = [
        "\n".join(f"{title}: {''.join(passages[title]).strip()}" for title in titles[start : start + TOGETHER])
        for start in range(0, len(titles), TOGETHER)
    ]
    with Memory(":memory:", embedder="wordllama", run=Run(clock=lambda: DAY)) as memory:
        memory.add_many([{"text": page, "at": DAY} for page in pages])
        memory.flush()
        return [
            Case(question["question"], memory.search(question["question"], k=k), gold, whole=False)
            for question in questions
            if (gold := _gold(question, passages))
        ]


def load_hotpot(file: Path) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """The questions as they stand in the file, and the sentences of all passages by title. Raises `InputError` for anything else."""
    try:
        questions = json.loads(file.read_text(encoding="utf-8"))
        passages = {title: list(sentences) for question in questions for title, sentences in question["context"]}
        if all(isinstance(one["question"], str) and one["supporting_facts"] for one in questions):
            return list(questions), passages
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{file} is not a file of HotpotQA: it must hold a list of questions with 'context' and 'supporting_facts'")


def _gold(question: dict[str, Any], passages: Mapping[str, Sequence[str]]) -> list[str]:
    """The sentences marked as needed, those alone that exist."""
    named = [(title, place) for title, place in question["supporting_facts"] if place < len(passages.get(title, ()))]
    return [sentence for title, place in named if (sentence := passages[title][place].strip())]
