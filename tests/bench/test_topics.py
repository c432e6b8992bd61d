"""The benchmark of topics: what it says of a small town, and of conversations where LoCoMo is."""

from __future__ import annotations

from lamina.bench.poses import Pose
from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.bench.topics import conversation_rows, pose_rows, town_rows
from lamina.bench.town import Town


def test_a_town_is_asked_flat_by_its_topics_and_by_shuffled_ones() -> None:
    rows = {row.system.split(": ")[1]: row.metrics for row in town_rows(Town(places=300, stray=0.3, seed=1))}
    assert list(rows) == ["flat", "forest", "shuffled", "by place alone", "by meaning alone"]
    assert rows["forest"]["purity"] > rows["by meaning alone"]["purity"] > rows["shuffled"]["purity"]
    assert rows["flat"]["read"] == 1 > rows["forest"]["read"]
    again = town_rows(Town(places=300, stray=0.3, seed=1))
    assert [row.metrics for row in again] == list(rows.values())


def test_poses_near_the_asker_are_found_more_often() -> None:
    poses = [Pose(f"bench {n}", f"A bench and a lamp by tree {n % 7}.", 40.4 + n / 3000, -79.9) for n in range(120)]
    rows = {row.system: row.metrics for row in pose_rows(poses, 0)}
    assert rows["poses: flat and near, 200 m"]["hit@10"] > rows["poses: flat"]["hit@10"]
    assert rows["poses: beam 3"]["read"] < rows["poses: beam 10"]["read"]


def test_conversations_are_ranked_with_and_without_topics() -> None:
    said = [("Ana", f"I planted {what} in bed {n}.") for n, what in enumerate(["beans", "peas", "kale", "leeks"] * 6)]
    passages = [Passage(f"p{n}", text, who, f"s{n // 6}") for n, (who, text) in enumerate(said)]
    questions = [Asked("Where are the leeks of bed 3?", frozenset({"p3"}), "one")]
    rows = {row.system: row.metrics for row in conversation_rows([Collection("c", passages, questions)], 0)}
    assert rows["conversations: topics"]["recall@20"] >= rows["conversations: no topics"]["recall@20"]
    assert 0 < rows["conversations: only topics"]["candidates"] <= 50
