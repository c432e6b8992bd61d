"""`lamina demo`: it runs, soon, says what it measured, and keeps its memory only where it is told to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina import Memory
from lamina.cli.demo import measures
from lamina.cli.demo.material import KINDS, load_material
from tests.cli.conftest import Process, Shell


def test_the_demo_tells_its_story(process: Process, tmp_path: Path) -> None:
    done = process("demo")
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    for words in (
        "403 messages in 33 sessions",
        "Questions",
        "✓",
        "A fact that changes",
        "<recalled-memory>",
        "full history",
        "Now you",
    ):
        assert words in shown
    first = re.search(r"First answer (\d+\.\d) s", shown)
    assert first is not None
    assert float(first[1]) < 60
    assert list(tmp_path.iterdir()) == []


def test_a_kept_demo_can_be_asked_and_shown_again(shell: Shell) -> None:
    shell("demo", "demo.db", "--no-compare")
    shell("demo", "demo.db", "--no-compare", "--all")
    assert shell.json("stats", "demo.db")["items"]["trace"] == 403
    assert any("electrician" in hit["text"] for hit in shell.json("search", "demo.db", "Who does the wiring in the shop?"))
    shell("doctor", "demo.db")


def test_a_memory_of_something_else_is_left_alone(shell: Shell) -> None:
    shell("add", "mine.db", "The kettle is blue.")
    shell("demo", "mine.db", code=2)
    assert "other memories" in shell.err
    assert shell.json("stats", "mine.db")["items"]["trace"] == 1


def test_the_material_is_whole() -> None:
    material = load_material()
    assert len(material.messages) == 403
    assert len(material.questions) == 58
    assert {question.category for question in material.questions} == set(KINDS)
    assert all(origin in material.lines for question in material.questions for origin in question.evidence)


@pytest.fixture(scope="module")
def memory() -> Memory:
    made = Memory(":memory:")
    made.add_many(load_material().messages)
    made.flush()
    return made


def test_the_memory_finds_more_than_the_last_messages(memory: Memory) -> None:
    material = load_material()
    mine = measures.recall_at(material.questions, measures.lamina_ranking(memory, material.last))
    last = measures.recall_at(material.questions, measures.newest_first(material))
    full_text = measures.full_text_ranking(material)
    assert full_text is not None
    theirs = measures.recall_at(material.questions, full_text)
    assert all(one > other for one, other in zip(mine, last, strict=True))
    assert mine[0] > 0.3
    assert sum(mine) > sum(theirs)


def test_the_budget_is_kept_and_buys_more_than_the_newest_messages(memory: Memory) -> None:
    from lamina.models.tokens import WordLlamaTokens

    material, counter = load_material(), WordLlamaTokens()
    spent = measures.spending(memory, material.questions[:12], 300, material.last)
    newest = measures.last_messages(material, material.questions[:12], 300, counter)
    assert spent.tokens <= 300
    assert newest.tokens <= 300
    assert spent.evidence > newest.evidence


def test_the_full_text_baseline_is_a_fair_one() -> None:
    material = load_material()
    rank = measures.full_text_ranking(material)
    assert rank is not None
    for message in material.messages[:40:4]:
        if len(message["text"].split()) > 8:
            assert rank(message["text"])[0] == message["origin"]
    assert rank("and the of") == []


def test_shares_are_counted_by_hand() -> None:
    question = next(one for one in load_material().questions if len(one.evidence) == 2)
    one, other = question.evidence
    assert measures.found(question, []) == 0
    assert measures.found(question, [one, "demo:999"]) == 0.5
    assert measures.found(question, [other, one]) == 1
    assert measures.recall_at([question], lambda text: ["x", one, other], (1, 2, 3)) == [0, 0.5, 1]
