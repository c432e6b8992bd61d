"""Other libraries: absent ones are left out, and those that are there rank as they should."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lamina.bench import peers, run_benchmark
from lamina.bench.demo import collection
from lamina.bench.peers import PEERS, Peer, is_installed, versions
from lamina.bench.ranking.baselines import Dense
from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.bench.ranking.scoring import recalls


def small() -> Collection:
    texts = ["a red boat", "a blue boat in the harbour", "the weather", "a song about rain"]
    passages = [Passage(str(place), text, "Ana", "one") for place, text in enumerate(texts)]
    return Collection(
        "conv. 1", passages, [Asked("Which boats?", frozenset({"0", "1"}), "s"), Asked("zzzz", frozenset({"3"}), "s")]
    )


def test_each_has_a_name_of_its_own() -> None:
    assert [peer.name for peer in PEERS] == ["mem0", "langgraph", "bm25s", "hnswlib"]


def test_absent_ones_are_left_out(small_locomo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert peers.installed() == []
    monkeypatch.setattr(peers, "find_spec", lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name)))
    assert peers.installed() == []
    result = run_benchmark("sessions", data=small_locomo)
    assert result.config["peers"] == {}


def test_none_is_measured_where_none_is_wanted() -> None:
    assert peers.installed(wanted=False) == []


def test_asking_what_is_there_imports_nothing() -> None:
    before = set(sys.modules)
    peers.installed()
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"mem0", "bm25s", "hnswlib"}


@pytest.fixture(params=PEERS, ids=[peer.name for peer in PEERS])
def peer(request: pytest.FixtureRequest) -> Peer:
    if not is_installed(request.param):
        pytest.skip(f"{request.param.name} is not installed")
    return request.param  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("default")
def test_a_peer_ranks_every_question_within_its_collection(peer: Peer) -> None:
    one, other = small(), Collection("other", [Passage("x", "boats, boats and boats", None, None)], [])
    found = peer.rankings([one, other], 3)
    assert set(found) == {"conv. 1", "other"}
    assert list(found["other"]) == []
    first, second = found["conv. 1"]
    assert set(first[:2]) == {"0", "1"}
    for ranking in (first, second):
        assert len(set(ranking)) == len(ranking) <= 3
        assert set(ranking) <= {"0", "1", "2", "3"}
    if peer.name == "bm25s":
        assert list(second) == [], "what shares no word with the question does not match"
    assert versions([peer])[peer.name][0].isdigit()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["langgraph", "hnswlib", "mem0"])
def test_a_peer_with_our_vectors_finds_what_our_vectors_find(name: str) -> None:
    [peer] = [one for one in PEERS if one.name == name]
    if not is_installed(peer):
        pytest.skip(f"{name} is not installed")
    one = collection()
    theirs, ours = recalls(peer.rankings([one], 20), [one]), recalls(Dense().rankings([one], 20), [one])
    assert theirs.mean(axis=0) == pytest.approx(ours.mean(axis=0), abs=0.01)
