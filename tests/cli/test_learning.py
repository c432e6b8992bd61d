"""Feedback, learning and explanations from the shell."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell

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


def test_what_is_told_is_learned_and_unlearned(filled: Shell) -> None:
    ids = filled.ids("agent.db", CUE, "-u", "ana")
    assert filled("feedback", "agent.db", ids[0], "--cue", CUE, "-u", "ana") == "told of 1 hit: good\n"
    assert (
        filled("feedback", "agent.db", "-", "--cue", CUE, "-u", "ana", "--bad", given="\n".join(ids[1:]))
        == "told of 2 hits: bad\n"
    )
    assert "feedback  3" in filled("stats", "agent.db")
    out = filled("learn", "agent.db", "-u", "ana", "--quiet")
    assert "learned from 1 cue: 1 good hit, 2 bad ones" in out
    assert filled.json("learn", "agent.db", "-u", "ana")["scope"] == "/ana"
    assert "learned)" in filled("ranker", "agent.db", "-u", "ana")
    assert "learned in '/ana' from 1 cue" in filled.err
    assert "(learned in 1 scope)" in filled("stats", "agent.db")
    filled("ranker", "agent.db")
    assert "the shipped weights" in filled.err
    filled("delete", "agent.db", ids[2])
    assert filled.json("ranker", "agent.db", "-u", "ana")["learned"]["current"] is False
    filled("ranker", "agent.db", "-u", "ana")
    assert "the feedback has changed since: learn again" in filled.err
    assert filled("unlearn", "agent.db", "-u", "ana") == "unlearned\n"
    assert filled.json("stats", "agent.db")["feedback"] == 2
    filled("unlearn", "agent.db", "-u", "ana", "--feedback")
    assert filled.json("stats", "agent.db")["feedback"] == 0
    assert filled("unlearn", "agent.db", "-u", "ana") == "there was nothing to unlearn\n"


def test_learning_says_whether_it_helps(filled: Shell) -> None:
    for cue in (CUE, "ferry", "harbour", "bakery"):
        filled("feedback", "agent.db", filled.ids("agent.db", cue, "-u", "ana")[0], "--cue", cue, "-u", "ana")
    assert "on feedback left out in turn it does" in filled("learn", "agent.db", "-u", "ana")


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
