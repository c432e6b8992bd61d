"""Feedback, learning and explanations from the shell."""

from __future__ import annotations

import pytest

from lamina import Memory
from tests.cli.conftest import Shell
from tests.recall.peculiar import THINGS, fill

CUE = "when does the ferry leave?"


@pytest.fixture
def filled(shell: Shell) -> Shell:
    for text, speaker in (
        ("When does the ferry leave?", "Ana"),
        ("At seven, from the harbour.", "Ben"),
        ("The bakery is new.", "Ana"),
    ):
        shell("add", "agent.db", text, "--user", "ana", "--session", "quay", "--speaker", speaker)
    return shell


def test_a_search_says_why(filled: Shell) -> None:
    out = filled("search", "agent.db", CUE, "-u", "ana", "--why")
    assert out.count("For it: ") == 3
    [first, *_] = filled.json("search", "agent.db", CUE, "-u", "ana", "--why")
    assert first["why"].startswith("For it: ")
    assert "why" not in filled.json("search", "agent.db", CUE, "-u", "ana")[0]


def test_an_explanation_unfolds(filled: Shell) -> None:
    sentence = filled("explain", "agent.db", CUE, "-u", "ana", "--depth", "0")
    assert sentence.count("\n") == 2
    assert "details)" in sentence
    groups = filled("explain", "agent.db", CUE, "-u", "ana", "-d", "1")
    features = filled("explain", "agent.db", CUE, "-u", "ana")
    evidence = filled("explain", "agent.db", CUE, "-u", "ana", "-d", "3")
    sources = filled("explain", "agent.db", CUE, "-u", "ana", "-d", "4")
    assert sentence.count("\n") < groups.count("\n") < features.count("\n") < evidence.count("\n") < sources.count("\n")
    assert " × " in features
    assert " × " not in groups
    assert "of the cue's 2 words" in evidence
    assert "rests on trace" in sources


def test_any_item_can_be_explained_by_its_id_or_its_place(filled: Shell) -> None:
    ids = filled.ids("agent.db", CUE, "-u", "ana")
    for place, id in enumerate(ids, 1):
        by_place = filled.json("explain", "agent.db", CUE, "-u", "ana", "--hit", place)
        by_id = filled.json("explain", "agent.db", CUE, "-u", "ana", "--id", id)
        assert by_place["text"] == by_id["text"]
        assert by_place["evidence"] == by_id["evidence"] == [id]
    filled("explain", "agent.db", CUE, "-u", "ana", "--hit", "9")
    assert "there are only 3 hits" in filled.err
    filled("explain", "agent.db", CUE)
    assert "use --user" in filled.err
    filled("explain", "agent.db", CUE, "--id", ids[0], "-u", "ben", code=2)
    assert "which no recall in '/ben' sees" in filled.err
    filled("explain", "agent.db", code=2)
    assert "CUE is missing" in filled.err


def test_what_is_told_is_learned_and_unlearned(shell: Shell) -> None:
    with Memory(shell.folder / "agent.db") as memory:
        wanted = fill(memory)
    for thing in THINGS[:8]:
        cue = f"the {thing}"
        others = [id for id in shell.ids("agent.db", cue, "-u", "ana", "-k", 5) if id != wanted[thing]]
        assert shell("feedback", "agent.db", wanted[thing], "--cue", cue, "-u", "ana") == "told of 1 hit: good\n"
        told = shell("feedback", "agent.db", "-", "--cue", cue, "-u", "ana", "--bad", given="\n".join(others[:2]))
        assert told == "told of 2 hits: bad\n"
    assert "feedback  24" in shell("stats", "agent.db")
    out = shell("learn", "agent.db", "-u", "ana", "--quiet")
    assert "learned from 8 cues: 8 good hits, 16 bad ones" in out
    assert "right with cues that were left out in turn: 100.0 % before, 100.0 % after" in out
    assert "moved most: is_question +" in out
    assert shell.ids("agent.db", f"the {THINGS[20]}", "-u", "ana")[0] == wanted[THINGS[20]]
    assert shell.json("learn", "agent.db", "-u", "ana")["scope"] == "/ana"
    assert "learned)" in shell("ranker", "agent.db", "-u", "ana")
    assert "learned in '/ana' from 8 cues" in shell.err
    assert "(learned in 1 scope)" in shell("stats", "agent.db")
    shell("ranker", "agent.db")
    assert "the shipped weights" in shell.err
    shell("delete", "agent.db", wanted[THINGS[0]])
    assert shell.json("ranker", "agent.db", "-u", "ana")["learned"]["current"] is False
    shell("ranker", "agent.db", "-u", "ana")
    assert "the feedback has changed since: learn again" in shell.err
    assert shell("unlearn", "agent.db", "-u", "ana") == "unlearned\n"
    assert shell.json("stats", "agent.db")["feedback"] == 23
    shell("unlearn", "agent.db", "-u", "ana", "--feedback")
    assert shell.json("stats", "agent.db")["feedback"] == 0
    assert shell("unlearn", "agent.db", "-u", "ana") == "there was nothing to unlearn\n"


def test_learning_says_where_it_does_not_help(filled: Shell) -> None:
    cues = (CUE, "ferry", "harbour", "bakery", "seven")
    for number, cue in enumerate(cues):
        filled("feedback", "agent.db", filled.ids("agent.db", cue, "-u", "ana")[0], "--cue", cue, "-u", "ana")
        said = "too few to see" if number < 4 else "it does not help: nothing is changed"
        assert said in filled("learn", "agent.db", "-u", "ana")


def test_what_is_missing_is_said(filled: Shell) -> None:
    id = filled.ids("agent.db", CUE, "-u", "ana")[0]
    for words, said in (
        (("feedback", "agent.db", "--cue", CUE), "ID is missing"),
        (("feedback", "agent.db", id), "--cue"),
        (("feedback", "agent.db", "nobody", "--cue", CUE), "there is no item 'nobody'"),
        (("learn", "agent.db"), "no feedback to learn from"),
        (("search", "agent.db", CUE, "--rerank", "5"), "there is no reranker"),
        (("search", "agent.db", CUE, "--reranker", "bm25"), "'bm25' is not a reranker"),
    ):
        filled(*words, code=2)
        assert said in filled.err
