"""Asking a forest: explicit, implicit and global queries, nearness, the control, and a language model that chooses where to descend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lamina import Memory
from lamina.algorithms.hierarchy import Likeness
from lamina.bench.poses import load_poses
from lamina.bench.topics import TOWN, Townhall, seen
from lamina.bench.town import Town
from lamina.errors import InputError
from lamina.models.static import StaticEmbedder
from lamina.records import Run
from lamina.semantic.topics import Nearby, TopicForest
from tests.semantic.language import Scripted, failing

EMBEDDER = StaticEmbedder()
found: dict[str, Townhall] = {}


def vector(cue: str) -> np.ndarray:
    return EMBEDDER.embed([cue], "query")[0]


PLACES = replace(TOWN, builder=replace(TOWN.builder, likeness=Likeness(meaning=0, place=1)), made_by="topics/1, by place")


@pytest.fixture(scope="module")
def hall() -> Iterator[Townhall]:
    places, explicit, implicit = Town(places=800, stray=0.4).built()
    with Memory(":memory:", embedder=EMBEDDER) as memory:
        seen(memory, ((one.caption, {"x": one.position[0], "y": one.position[1]}) for one in places))
        TOWN.consolidate(memory.store, "", Run())
        PLACES.consolidate(memory.store, "", Run())
        found["by place"] = Townhall(places, explicit, implicit, TopicForest(memory.store, "", PLACES))
        yield Townhall(places, explicit, implicit, TopicForest(memory.store, "", TOWN))


@pytest.fixture(scope="module")
def by_place(hall: Townhall) -> Townhall:
    return found["by place"]


def test_an_explicit_query_finds_the_one_place_with_its_topics_the_highest_first(hall: Townhall) -> None:
    query = hall.explicit[0]
    found = hall.forest_.explicit(query.text, vector(query.text)).found
    assert found[0].item.origin == str(query.target)
    levels = [topic.data["level"] for topic in found[0].topics]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == 1


def test_where_captions_mislead_topics_of_places_find_the_right_district_more_often_than_a_flat_search(
    hall: Townhall, by_place: Townhall
) -> None:
    assert by_place.forest()["implicit_hit@1"] >= hall.flat()["implicit_hit@1"] + 0.05
    assert by_place.forest()["implicit_hit@1"] > hall.forest()["implicit_hit@1"]


def test_topics_find_the_right_district_more_often_than_shuffled_ones_and_read_little(hall: Townhall) -> None:
    flat, forest = hall.flat(), hall.forest()
    shuffled = Townhall(hall.places, hall.explicit, hall.implicit, hall.forest_.shuffled(0)).forest()
    assert forest["implicit_hit@1"] > shuffled["implicit_hit@1"] + 0.1
    assert forest["purity"] > 0.9 > 0.5 > shuffled["purity"]
    assert forest["explicit_hit@5"] >= flat["explicit_hit@5"] - 0.05
    assert forest["districts_named"] >= 0.9
    assert forest["read"] < 0.15  # of the leaves; with 2,000 of them 0.04


def test_a_wider_beam_reads_more_and_never_the_whole(hall: Townhall) -> None:
    reads = [hall.forest_.implicit("", vector("ducks on the pond"), beam=beam).read for beam in (1, 3, 5)]
    assert reads == sorted(reads)
    assert reads[-1] < len(hall.forest_.leaves)


def test_the_overview_opens_the_largest_topics_and_keeps_to_its_size(hall: Townhall) -> None:
    for most in (1, 6, 20):
        topics = hall.forest_.overview(most)
        assert 1 <= len(topics) <= most
        sizes = [topic.data["leaves"] for topic in topics]
        assert sizes == sorted(sizes, reverse=True)
    whole = hall.forest_.overview(20)
    assert sum(topic.data["leaves"] for topic in whole) == len(hall.forest_.leaves)  # nothing twice, nothing left out


def test_nearness_brings_what_is_close_first(hall: Townhall) -> None:
    cue = "a bench, a lamp and a sign"
    corner = (0.0, 0.0)
    far = [item.item for item in hall.forest_.explicit(cue, vector(cue), k=10).found]
    near = [item.item for item in hall.forest_.explicit(cue, vector(cue), k=10, nearby=Nearby(corner, reach=100)).found]

    def metres(items: Any) -> float:
        return float(np.mean([np.hypot(one.metadata["position"]["x"], one.metadata["position"]["y"]) for one in items]))

    assert metres(near) < metres(far)
    same = [item.item.id for item in hall.forest_.explicit(cue, vector(cue), k=10, nearby=Nearby(corner, place=0)).found]
    assert same == [item.id for item in far]


def test_a_model_that_chooses_is_followed_and_one_that_fails_is_not_needed(hall: Townhall) -> None:
    forest = hall.forest_
    cue = "where do students read?"
    plain = forest.implicit(cue, vector(cue), beam=1)

    def last(messages: Any) -> Any:
        listed = [line for line in messages[-1].content.splitlines() if line[:1].isdigit()]
        return {"best": [len(listed), len(listed), 10_000, "x"]}

    model = Scripted(last)
    forest._model = model
    try:
        chosen = forest.implicit(cue, vector(cue), beam=1)
        assert model.asked
        assert [one.item.id for one in chosen.found] != [one.item.id for one in plain.found]
        for broken in (failing, lambda messages: {"best": "none"}, lambda messages: "?"):
            forest._model = Scripted(broken)
            assert forest.implicit(cue, vector(cue), beam=1) == plain
    finally:
        forest._model = None


def test_values_that_cannot_be_are_refused(hall: Townhall) -> None:
    forest, cue = hall.forest_, vector("a pond")
    for wrong in (
        lambda: forest.implicit("x", cue, beam=0), lambda: forest.implicit("x", cue, k=0), lambda: forest.explicit("x", cue, candidates=0),
        lambda: forest.overview(0), lambda: forest.implicit("x", cue[:3]), lambda: forest.implicit("x", cue * np.nan), lambda: Nearby((np.nan, 0)),
        lambda: Nearby((0, 0), reach=0), lambda: Nearby((0, 0), meaning=2),
    ):  # fmt: skip
        with pytest.raises(InputError):
            wrong()


def test_an_empty_scope_answers_nothing() -> None:
    with Memory(":memory:") as memory:
        forest = TopicForest(memory.store, "")
        assert forest.overview() == []
        assert forest.implicit("x", np.zeros(len(forest.leaves.centre), np.float32)).found == ()


def test_poses_are_read_from_a_forest_and_anything_else_is_refused(tmp_path: Any) -> None:
    leaf = 'graph [\n  node [\n    id 0\n    position [\n      x -79.9\n      y 40.4\n    ]\n    name "A &#34;road&#34;"\n    caption "Trees."\n    level 0\n  ]\n'
    topic = (
        '  node [\n    id 1\n    position [\n      x 1\n      y 2\n    ]\n    name "B"\n    caption "C"\n    level 1\n  ]\n]\n'
    )
    file = tmp_path / "a_forest.gml"
    file.write_text(leaf + topic)
    assert [(pose.name, pose.caption, pose.latitude, pose.longitude) for pose in load_poses(file)] == [
        ('A "road"', "Trees.", 40.4, -79.9)
    ]
    file.write_text("graph []")
    with pytest.raises(InputError):
        load_poses(file)
