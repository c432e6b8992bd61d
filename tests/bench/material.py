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


TOWNS = {
    "Arlow": "Arlow is a town on the river Tess, known for its glass works.",
    "Tess": "The Tess rises in the Hale hills and flows past two mills.",
    "Mirren Cole": "Mirren Cole, a maker of lenses, was born in Arlow and worked for the harbour observatory.",
    "Harbour observatory": "The harbour observatory was founded by a guild of sailors.",
    "Old bridge": "The old bridge carries the road over the water beside the market.",
    "Linnet": "The linnet is a small finch that sings in hedges.",
}


def musique(corpus: list[dict[str, str]] | None = None) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Questions and corpus in the form of MuSiQue; the passages of each question stand together in the corpus."""
    passages = [{"title": title, "text": text} for title, text in TOWNS.items()] if corpus is None else corpus

    def asked(id: str, question: str, *titles: str) -> dict[str, Any]:
        paragraphs = [{"title": title, "paragraph_text": text, "is_supporting": title in titles} for title, text in TOWNS.items()]
        return {"id": id, "question": question, "paragraphs": paragraphs, "answer": ""}

    return [
        asked("2hop__1_2", "Which river flows past the birthplace of Mirren Cole?", "Mirren Cole", "Arlow"),
        asked("3hop1__1_2_3", "Who founded the observatory that employed the lens maker?", "Mirren Cole", "Harbour observatory"),
    ], passages


def hotpot() -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """The same in the form of HotpotQA: titles with sentences, supporting facts as pairs."""
    corpus = {title: [text, " More is not known."] for title, text in TOWNS.items()}
    facts = [["Tess", 0], ["Arlow", 0], ["Arlow", 1]]
    return [
        {"_id": "a", "question": "In which hills rises the river of Arlow?", "supporting_facts": facts, "type": "bridge"}
    ], corpus


def write_set(folder: Path, name: str, questions: object, corpus: object) -> Path:
    """Write the two files of a set; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(questions), encoding="utf-8")
    (folder / f"{name}_corpus.json").write_text(json.dumps(corpus), encoding="utf-8")
    return folder


def write_passages(folder: Path) -> Path:
    """Write both sets; returns the folder."""
    write_set(folder, "musique_train", *musique())
    return write_set(folder, "hotpotqa_train", *hotpot())


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
