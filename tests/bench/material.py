"""A small LoCoMo file, written for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

THINGS = [
    "boat",
    "violin",
    "garden",
    "bicycle",
    "kitchen",
    "telescope",
    "painting",
    "recipe",
    "mountain",
    "library",
    "dog",
    "letter",
]
DEEDS = ["bought", "lost", "repaired", "described", "painted"]


def sample(place: int) -> dict[str, Any]:
    """A conversation of two sessions about things; each question asks who did what with one of them."""
    speakers = (f"Ana{place}", f"Ben{place}")
    conversation: dict[str, Any] = {"speaker_a": speakers[0], "speaker_b": speakers[1]}
    questions = []
    for session in (1, 2):
        turns = []
        for row, thing in enumerate(THINGS):
            deed = DEEDS[(row + session + place) % len(DEEDS)]
            speaker = speakers[(row + session) % 2]
            turns.append(
                {"speaker": speaker, "dia_id": f"D{session}:{row + 1}", "text": f"I {deed} the {thing} in week {session}."}
            )
            question = {"question": f"Who {deed} the {thing}?", "answer": speaker, "evidence": [f"D{session}:{row + 1}"]}
            questions.append({**question, "category": row % 5 + 1})
        turns[0]["blip_caption"] = "a photo of a harbour"
        conversation[f"session_{session}"] = turns
        conversation[f"session_{session}_date_time"] = f"{session}:30 pm on {session + 3} May, 2023"
    questions.append({"question": "Nothing?", "answer": "", "evidence": ["D9:99"], "category": 1})
    return {"sample_id": f"conv-{place}", "conversation": conversation, "qa": questions}


def write_locomo(folder: Path, samples: int = 3) -> Path:
    """Write the file; returns its path."""
    path = folder / "locomo_small.json"
    path.write_text(json.dumps([sample(place) for place in range(samples)]), encoding="utf-8")
    return path


def write_hotpot(folder: Path) -> Path:
    """A file of questions about passages of marked sentences, in the form of HotpotQA."""
    questions = []
    for place, thing in enumerate(THINGS):
        context = [
            [
                f"{other} {row}",
                [
                    f"The {other} of house {row} is very old.",
                    f" It was {deed} by the tall man of house {row}.",
                    " Nobody knows why.",
                ],
            ]
            for row, (other, deed) in enumerate([(thing, DEEDS[place % 5]), (THINGS[(place + 5) % 12], DEEDS[(place + 1) % 5])])
        ]
        questions.append(
            {
                "question": f"Which {thing} was {DEEDS[place % 5]} by the tall man?", "answer": thing, "context": context,
                "supporting_facts": [[f"{thing} 0", 1], [f"{thing} 0", 9]],
            }
        )  # fmt: skip
    path = folder / "hipporag" / "hotpotqa_train.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(questions), encoding="utf-8")
    return path
