"""Walks over names: what hangs together with a cue by way of something else is found, and only what may be touched is."""

from __future__ import annotations

import random

import pytest

from lamina import Memory
from lamina.algorithms.pagerank import PersonalizedPageRank
from lamina.names import name_hash
from lamina.recall.features import WALK
from lamina.recall.ranker import shipped_regimes
from lamina.recall.walk import Walk
from lamina.records import Asked, Edge, Filter, Item, derived_id

FILLER = [f"The {thing} factory of {town} makes {thing}s." for thing in ("chair", "lamp", "clock", "glove", "kettle") for town in
          ("Faro", "Evora", "Beja", "Tomar", "Leiria", "Viseu", "Guarda", "Aveiro")]  # fmt: skip
CHAIN = [
    "Marta Quill founded the Lantern Society in 1911.",
    "The Lantern Society had its seat in Odermouth.",
    "Odermouth lies on the river Vess.",
]


@pytest.fixture
def memory() -> Memory:
    made = Memory(":memory:")
    texts = [*FILLER, *CHAIN]
    random.Random(0).shuffle(texts)
    made.add_many(texts)
    made.flush()
    return made


def places(memory: Memory, cue: str, **conditions: object) -> dict[str, int]:
    return {hit.text: place for place, hit in enumerate(memory.search(cue, k=20, **conditions))}  # type: ignore[arg-type]


def without_walk(memory: Memory) -> Memory:
    ranker = shipped_regimes().documents
    memory._recaller._ranker = type(ranker)({**ranker.weights, "walk": 0.0})
    return memory


def test_what_is_two_steps_away_is_found(memory: Memory) -> None:
    cue = "On which river lies the seat of the society that Marta Quill founded?"
    found = memory.search(cue, k=20)
    assert {hit.text for hit in found[:3]} == set(CHAIN)
    reasons = {hit.text: {reason.feature: reason.contribution for reason in hit.reasons} for hit in found}
    assert reasons[CHAIN[1]]["walk"] > 0.5
    score = {hit.text: hit.score for hit in found}
    before = {hit.text: hit.score for hit in without_walk(memory).search(cue, k=20)}
    filler = max(score[text] for text in FILLER if text in score)
    assert score[CHAIN[2]] - filler > before[CHAIN[2]] - max(before[text] for text in FILLER if text in before)


def test_reasons_sum_to_the_score_and_do_not_depend_on_how_many_are_asked_for(memory: Memory) -> None:
    cue = "Where was the society that Marta Quill founded?"
    few, many = memory.search(cue, k=3), memory.search(cue, k=30)
    assert [(hit.text, hit.score) for hit in few] == [(hit.text, hit.score) for hit in many[:3]]
    for hit in many:
        assert sum(reason.contribution for reason in hit.reasons) == pytest.approx(hit.score, abs=1e-3)


def test_an_explanation_tells_which_names_lead_there(memory: Memory) -> None:
    cue = "On which river lies the seat of the society that Marta Quill founded?"
    found = {hit.text: hit for hit in memory.search(cue, k=5)}
    assert "odermouth (as the item" in repr(memory.explain(found[CHAIN[2]]))
    assert "marta quill (as the cue does)" in repr(memory.explain(found[CHAIN[0]]))


def test_conversations_are_not_walked(memory: Memory) -> None:
    talk = Memory(":memory:")
    talk.add_many([{"content": text, "role": "user", "session": "s"} for text in [*FILLER, *CHAIN]])
    assert all(reason.feature != "walk" for hit in talk.search("Marta Quill", k=20) for reason in hit.reasons)


@pytest.mark.parametrize("way", ["forget", "delete", "other scope", "filter"])
def test_what_may_not_be_seen_leads_nowhere(memory: Memory, way: str) -> None:
    cue = "On which river lies the seat of the society that Marta Quill founded?"
    conditions: dict[str, object] = {}
    [link] = [hit.item for hit in memory.search("Lantern Society seat Odermouth", k=3) if hit.text == CHAIN[1]]
    if way == "forget":
        memory.forget(link.id)
    elif way == "delete":
        memory.delete(link.id)
    elif way == "other scope":
        memory.delete(link.id)
        memory.add(CHAIN[1], user="ben")
    else:
        memory.delete(link.id)
        memory.add(CHAIN[1], metadata={"draft": True})
        for text in [*FILLER, CHAIN[0], CHAIN[2]]:
            memory.update(next(hit.id for hit in memory.search(text, k=1)), metadata={"draft": False})
        conditions = {"metadata": {"draft": False}}
    with Memory(":memory:") as fresh:  # the same as if it had never been there
        fresh.add_many([hit.text for hit in memory.search("x", k=100, **conditions)])  # type: ignore[arg-type]
        fresh.flush()
        lifts = {}
        for one, given in ((memory, conditions), (fresh, {})):
            one.flush()
            lifts[one] = {
                hit.text: next((r.contribution for r in hit.reasons if r.feature == "walk"), 0.0)
                for hit in one.search(cue, k=100, **given)
            }  # type: ignore[arg-type]
        assert lifts[memory].keys() == lifts[fresh].keys()
        for text, lift in lifts[memory].items():
            assert lift == pytest.approx(lifts[fresh][text], abs=0.02), text


def test_a_walk_passes_through_facts_to_what_they_cite(memory: Memory) -> None:
    """A fact joins two texts that share no name in capitals."""
    low = memory.add("the old lighthouse keeper wrote poems about gulls in his spare time")[0]
    memory.flush()
    trace = memory.get(low)
    assert trace is not None
    name = "marta quill"
    fact = Item(
        id=derived_id("fact", "", "test/1", (), "x"), kind="fact", text="lighthouse keeper was uncle of Marta Quill", at=0, recorded_at=0, made_by="test/1",
        data={"names": ["lighthouse keeper", name]},
    )  # fmt: skip
    with memory.store.transaction():
        key = memory.store.items.add([fact])[0].key
        memory.store.edges.add([Edge(key, trace.key, "cites", recorded_at=0)])
    asked = Asked("What did Marta Quill do?", Filter(kinds=("trace",)), 1)
    with memory._recaller.survey(asked, 10) as survey:
        lift = dict(zip(survey.signals.view.keys[survey.slots].tolist(), survey.matrix[:, WALK].tolist(), strict=True))
    assert key not in lift  # it was not asked for
    assert lift[trace.key] > 0.05
    view = memory._views.get("")
    assert len(view.names.postings(name_hash(name))[0]) == 2


def test_where_everything_shares_a_name_the_order_stays() -> None:
    with Memory(":memory:") as memory:
        memory.add_many(
            [f"Lisbon has a {thing} in it." for thing in ("bridge", "tower", "tram", "castle", "market", "museum")] * 10
        )
        memory.flush()
        walked, plain = (  # the second without walks
            [hit.text for hit in one.search("the castle in Lisbon", k=60)] for one in (memory, without_walk(memory))
        )
        assert walked[:10] == plain[:10] == ["Lisbon has a castle in it."] * 10


def test_hyper_parameters_reach_the_walk(memory: Memory) -> None:
    cue = "On which river lies the seat of the society that Marta Quill founded?"
    memory._recaller._walk = Walk(ranking=PersonalizedPageRank(damping=0.01))
    short = {hit.text: {r.feature: r.contribution for r in hit.reasons}.get("walk", 0.0) for hit in memory.search(cue, k=20)}
    memory._recaller._walk = Walk()
    usual = {hit.text: {r.feature: r.contribution for r in hit.reasons}.get("walk", 0.0) for hit in memory.search(cue, k=20)}
    assert max(short.values()) < max(usual.values())
