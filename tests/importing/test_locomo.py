"""LoCoMo files: what is read of them, however their dates and evidence are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.bench.locomo_data import Conversation, evidence_ids, is_locomo, load_locomo, parse_session_time
from lamina.errors import InputError
from lamina.importing.locomo import questions, samples_of


def sample(**changes: Any) -> dict[str, Any]:
    conversation = {
        "speaker_a": "Ana", "speaker_b": "Ben",
        "session_1_date_time": "12:05 am on 1 January, 2023",
        "session_1": [{"speaker": "Ana", "dia_id": "D1:1", "text": "Hi!"}],
        "session_10": [{"speaker": "Ben", "dia_id": "D10:1", "text": "Look", "blip_caption": "a photo of a boat"}],
        "session_10_date_time": "1:56 pm on 8 May, 2023",
        "session_2": [{"speaker": "Ben", "dia_id": "D2:1", "text": "Hello."}],
        "session_2_date_time": "10:37 am on 27 June, 2023",
        "session_11_date_time": "3:00 pm on 9 May, 2023",
    }  # fmt: skip
    qa = [
        {"question": "Who?", "answer": 2, "evidence": ["D1:1; D10:01", "D99:9"], "category": 4},
        {"question": "Why?", "category": 5},
    ]
    return {"sample_id": "conv-1", "conversation": conversation, "qa": qa, **changes}


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_sessions_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    [conversation] = load_locomo(write(tmp_path / "locomo.json", [sample()]))
    assert [turn.session for turn in conversation.turns] == ["session_1", "session_2", "session_10"]
    assert str(conversation.turns[0].at) == "2023-01-01 00:05:00+00:00"
    assert conversation.turns[2].captions == ("a photo of a boat",)
    assert conversation.speakers == ("Ana", "Ben")


def test_evidence_keeps_to_turns_that_exist(tmp_path: Path) -> None:
    [reader] = samples_of(write(tmp_path / "locomo.json", [sample()]))
    assert list(questions(reader)) == [("Who?", 4, ("D1:1", "D10:1")), ("Why?", 5, ())]
    assert evidence_ids(["D:11:26", "D30:05", "D", None]) == ["D11:26", "D30:5"]
    assert evidence_ids(None) == []


def test_messages_keep_what_a_turn_has(tmp_path: Path) -> None:
    [reader] = samples_of(write(tmp_path / "locomo.json", sample()))
    messages = list(reader)
    assert reader.user == "conv-1"
    assert reader.done == reader.size
    assert {name: messages[2][name] for name in ("speaker", "origin", "session", "captions")} == {
        "speaker": "Ben", "origin": "D10:1", "session": "session_10", "captions": ["a photo of a boat"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "words", ["", "8 May 2023", "1:56 pm on 31 February, 2023", "25:00 pm on 8 May, 2023", "1:56 pm on 8 Mai, 2023!"]
)
def test_other_dates_are_refused(words: str) -> None:
    with pytest.raises(InputError):
        parse_session_time(words)


@pytest.mark.parametrize(
    "value",
    [[], {}, 3, [{"qa": []}], [sample(conversation={"session_1": {}})], [sample(conversation={"session_1": [{"text": "x"}]})],
     [sample(qa=[3])], [sample(qa=[{"question": "x", "category": "y"}])]],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError):
        load_locomo(write(tmp_path / "locomo.json", value))


def test_files_that_are_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "locomo.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        load_locomo(tmp_path)
    with pytest.raises(InputError, match="check the path"):
        load_locomo(tmp_path / "nowhere.json")
    assert not is_locomo(tmp_path / "locomo.json")


def test_the_development_half(data_root: Path) -> None:
    conversations: list[Conversation] = load_locomo(data_root / "locomo")
    assert [one.sample_id for one in conversations] == ["conv-26", "conv-30", "conv-41", "conv-42", "conv-43"]
    assert [len(one.turns) for one in conversations] == [419, 369, 663, 629, 680]
    assert all(turn.at is not None for one in conversations for turn in one.turns)
    assert sum(len(turn.captions) for one in conversations for turn in one.turns) == 602
    assert sum(len(one.questions) for one in conversations) == 999
