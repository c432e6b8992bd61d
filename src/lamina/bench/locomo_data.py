"""LoCoMo files: long conversations of two people with dated sessions, pictures, and questions with their evidence.

Source: A. Maharana, D.-H. Lee, S. Tulyakov, M. Bansal, F. Barbieri, Y. Fang, "Evaluating Very Long-Term Conversational Memory of
LLM Agents", 2024.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError

CATEGORIES: Final[Mapping[int, str]] = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}

_SESSION = re.compile(r"session_(\d+)")
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_DATE = re.compile(r"(\d{1,2}):(\d{2})\s*([ap])\.?m\.?\s+on\s+(\d{1,2})\s+([a-z]+),?\s+(\d{4})", re.I)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Turn:
    """One dialog turn: who said what in which session and when; `captions` say what the shared picture shows."""

    dia_id: str
    speaker: str
    text: str
    session: str
    at: datetime | None
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a conversation.

    `evidence` holds the dia_ids of the turns that answer it, those alone that exist; `category` is a key of `CATEGORIES`.
    """

    text: str
    answer: str | None
    evidence: tuple[str, ...]
    category: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: its turns in order, and the questions about them."""

    sample_id: str
    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def parse_session_time(words: str) -> datetime:
    """The date of a session, read as UTC; raises `InputError` for another form.

    >>> parse_session_time("1:56 pm on 8 May, 2023").isoformat()
    '2023-05-08T13:56:00+00:00'
    """
    found = _DATE.fullmatch(words.strip())
    month = found[5][:3].lower() if found else ""
    if found is None or month not in _MONTHS or not 1 <= int(found[1]) <= 12:
        raise InputError(f"{words!r} is not a session date such as '1:56 pm on 8 May, 2023'")
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "p" else 0)
    try:
        return datetime(int(found[6]), _MONTHS.index(month) + 1, int(found[4]), hour, int(found[2]), tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"{words!r} is not a date: {error}") from None


def evidence_ids(values: object) -> list[str]:
    """The dia_ids that the evidence of a question names, however it is written; each once, in order.

    >>> evidence_ids(["D8:6; D9:17", "D:11:26", "D30:05", "D"])
    ['D8:6', 'D9:17', 'D11:26', 'D30:5']
    """
    texts = (
        [values]
        if isinstance(values, str)
        else [one for one in values if isinstance(one, str)]
        if isinstance(values, list)
        else []
    )
    found = [f"D{int(session)}:{int(turn)}" for text in texts for session, turn in _EVIDENCE.findall(text)]
    return list(dict.fromkeys(found))


def load_locomo(path: str | os.PathLike[str]) -> list[Conversation]:
    """All conversations of a LoCoMo file (or of the one JSON file in a folder). Raises `InputError` for anything else."""
    file = Path(path)
    if file.is_dir():
        candidates = sorted(file.glob("locomo*.json"))
        if len(candidates) != 1:
            raise InputError(f"{file} has {len(candidates)} files locomo*.json: name one of them")
        file = candidates[0]
    try:
        samples = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): check the path") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not a LoCoMo file: it is not JSON ({error})") from None
    if isinstance(samples, dict):
        samples = [samples]
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{file} is not a LoCoMo file: it must hold a list of samples")
    return [_conversation(sample, place, file) for place, sample in enumerate(samples)]


def is_locomo(path: Path) -> bool:
    """Whether a JSON file looks like LoCoMo: a list of samples with a conversation in each."""
    try:
        samples = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    first = samples[0] if isinstance(samples, list) and samples else samples
    return isinstance(first, dict) and isinstance(first.get("conversation"), dict)


def _conversation(sample: Any, place: int, file: Path) -> Conversation:
    what = f"{file}: sample {place}"
    conversation = sample.get("conversation") if isinstance(sample, dict) else None
    if not isinstance(conversation, dict):
        raise InputError(f"{what} has no 'conversation'")
    numbers = sorted(int(found[1]) for name in conversation if (found := _SESSION.fullmatch(name)))
    turns: list[Turn] = []
    for number in numbers:
        name = f"session_{number}"
        listed = conversation[name]
        if not isinstance(listed, list):
            raise InputError(f"{what}: {name} must be a list of turns")
        date = conversation.get(f"{name}_date_time")
        at = parse_session_time(date) if isinstance(date, str) and date.strip() else None
        turns += [_turn(turn, name, at, f"{what}: {name}, turn {row}") for row, turn in enumerate(listed)]
    known = {turn.dia_id for turn in turns}
    names = [conversation.get("speaker_a"), conversation.get("speaker_b")]
    speakers = [name for name in names if isinstance(name, str)] or list(dict.fromkeys(turn.speaker for turn in turns))
    asked = sample.get("qa") or []
    questions = [_question(one, known, f"{what}: question {row}") for row, one in enumerate(asked)]
    return Conversation(str(sample.get("sample_id") or f"sample-{place}"), tuple(speakers), tuple(turns), tuple(questions))


def _turn(turn: Any, session: str, at: datetime | None, what: str) -> Turn:
    if not isinstance(turn, dict) or not all(isinstance(turn.get(name), str) for name in ("speaker", "dia_id", "text")):
        raise InputError(f"{what} must be an object with 'speaker', 'dia_id' and 'text'")
    caption = turn.get("blip_caption")
    captions = (caption,) if isinstance(caption, str) and caption.strip() else ()
    return Turn(turn["dia_id"], turn["speaker"], turn["text"], session, at, captions)


def _question(question: Any, known: set[str], what: str) -> Question:
    if not isinstance(question, dict) or not isinstance(question.get("question"), str):
        raise InputError(f"{what} must be an object with 'question'")
    answer = question.get("answer", question.get("adversarial_answer"))
    evidence = tuple(id for id in evidence_ids(question.get("evidence")) if id in known)
    try:
        category = int(question.get("category", 0))
    except (TypeError, ValueError):
        raise InputError(f"{what}: category must be a number from 1 to 5, not {question.get('category')!r}") from None
    return Question(question["question"], None if answer is None else str(answer), evidence, category)
