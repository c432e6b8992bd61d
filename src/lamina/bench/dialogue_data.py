"""Real long dialogues with questions about them, as published with Self-Controlled Memory: what of an answer stands in a prompt.

The questions name no turns. The turn that answers is taken to be the one that says most of the answer's words (those that are not in the question,
rare ones weighing more); where no turn says half of them, the question has no such turn and does not count for recall.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError
from lamina.terms import terms
from lamina.working.control import Vocabulary
from lamina.working.steps import Step

DIALOGUES: Final = "dialogue_en.json"
QUESTIONS: Final = "dialogue_en_questions.json"
SUPPORT: Final = 0.5
"""The share of an answer's words that a turn must say to count as the one that answers."""
ENOUGH: Final = 0.8
"""The share of what the whole dialogue says of an answer that must stand in a prompt for it to be answerable."""


@dataclass(frozen=True)
class Question:
    """A question about a dialogue. `mode`: "single-turn" or "multi-turn"."""

    id: str
    text: str
    answer: str
    mode: str


@dataclass(frozen=True)
class Talk:
    """A dialogue: pairs of what the user and the assistant say, and the questions about it."""

    id: str
    turns: Sequence[tuple[str, str]]
    questions: Sequence[Question]

    def steps(self) -> list[Step]:
        """The turns as steps."""
        return [Step.turn(*turn) for turn in self.turns]

    @cached_property
    def said(self) -> list[frozenset[str]]:
        """The terms of each turn."""
        return [frozenset(terms(f"{said}\n{answered}")) for said, answered in self.turns]

    @cached_property
    def known(self) -> Vocabulary:
        """How rare each term is."""
        known = Vocabulary()
        for said, answered in self.turns:
            known.add(f"{said}\n{answered}")
        return known

    def wanted(self, question: Question) -> dict[str, float]:
        """The terms of an answer that the question does not give away and the dialogue says, by how much they tell."""
        weights = {term: self.known.rarity(term) for term in set(terms(question.answer)) - set(terms(question.text))}
        return {term: weight for term, weight in weights.items() if weight}

    def answering(self, question: Question) -> int | None:
        """The turn that says most of the answer, from 1; None where none says enough."""
        wanted = self.wanted(question)
        shares = [share(wanted, said) for said in self.said]
        best = max(range(len(shares)), key=lambda place: shares[place])
        return best + 1 if shares[best] >= SUPPORT else None


def share(wanted: Mapping[str, float], said: Set[str]) -> float:
    """How much of what is wanted was said, by weight.

    >>> share({"rome": 3.0, "tea": 1.0}, {"rome"})
    0.75
    """
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in said) / total if total else 0.0


def load_talks(folder: Path) -> list[Talk]:
    """The dialogues of a folder, with those of their questions whose answers are made of something the dialogue says.

    Raises `InputError` where a file is missing or has another form.
    """
    try:
        talks: Any = json.loads((folder / DIALOGUES).read_text("utf-8"))
        asked: Any = json.loads((folder / QUESTIONS).read_text("utf-8"))
        found = []
        for one in talks:
            said = [str(text) for text in one["dialogue"]]
            turns = [(said[place], said[place + 1]) for place in range(0, len(said) - 1, 2)]
            questions = [Question(q["question_id"], q["question"], q["answer"], q["mode"]) for q in asked if q["id"] == one["id"]]
            talk = Talk(one["id"], turns, questions)
            found.append(Talk(talk.id, turns, [question for question in questions if talk.wanted(question)]))
    except OSError as error:
        raise InputError(f"{folder} must have {DIALOGUES} and {QUESTIONS}: {error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{DIALOGUES} and {QUESTIONS} in {folder} are not the published ones ({error!r})") from None
    return found
