"""HippoRAG's graph of phrases: paths of two steps, additions and deletions, and what happens where nothing says where to start."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import InputError, NotFoundError
from lamina.models.protocols import Completion
from lamina.models.static import StaticEmbedder
from lamina.semantic.graph import HippoRAG, PhraseGraph
from lamina.semantic.recognition import Recognition
from lamina.semantic.triples import Triple

EMBED = StaticEmbedder().embed
FIRST = "Ana Ben Cleo Dora Emil Fay Gus Hal Ida Jon Kai Lea Mia Ned Ola Pia Rui Sol Tom Uma".split()


def by_hash(texts: list[str]) -> np.ndarray:
    """Vectors that say nothing: every text its own."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=32) for text in texts]).astype(np.float32)


def world(
    seed: int, people: int = 500, things: int = 50, joint: bool = True
) -> tuple[dict[str, list[Triple]], list[tuple[str, str, str]]]:
    """Who teaches where and studies what; pairs of a university and a disease that exactly one person has."""
    drawn = random.Random(seed)
    universities = [f"University {chr(65 + n % 26)}{n}" for n in range(things)]
    diseases = [f"Disease {chr(65 + n % 26)}{n}" for n in range(things)]
    texts: dict[str, list[Triple]] = {}
    have: dict[tuple[str, str], list[str]] = {}
    for n in range(people):
        person, place, disease = f"{drawn.choice(FIRST)} Smith{n}", drawn.choice(universities), drawn.choice(diseases)
        texts[f"{n} teaches"] = [(person, "is a professor at", place)]
        if joint:
            texts[f"{n} studies"] = [(person, "does research on", disease)]
        have.setdefault((place, disease), []).append(f"{n}\t{person}")
    alone = [(place, disease, who[0]) for (place, disease), who in sorted(have.items()) if len(who) == 1]
    return texts, drawn.sample(alone, min(60, len(alone)))


def build(texts: dict[str, list[Triple]], rules: HippoRAG) -> PhraseGraph:
    graph = PhraseGraph(by_hash, rules)
    for id, triples in texts.items():
        graph.insert(id, triples)
    return graph


def test_the_one_person_at_the_end_of_two_paths_is_found() -> None:
    texts, asked = world(0)
    plain = build(texts, HippoRAG(specificity=False, synonym=2))
    specific = build(texts, HippoRAG(synonym=2))
    recall: dict[str, list[float]] = {"plain": [], "specific": []}
    person = []
    for place, disease, who in asked:
        number, name = who.split("\t")
        gold = {f"{number} teaches", f"{number} studies"}
        for label, graph in (("plain", plain), ("specific", specific)):
            recall[label].append(len(gold & {id for id, _ in graph.search([place, disease])[:2]}) / 2)
        mass = {phrase: value for phrase, value in specific.mass([place, disease]).items() if "smith" in phrase}
        person.append(max(mass, key=mass.__getitem__) == name.lower())
    figures = {name: round(float(np.mean(values)), 3) for name, values in recall.items()}
    print(figures, np.mean(person))
    assert figures["plain"] >= 0.95
    assert figures["specific"] < 0.7  # the rarer cue draws both places to itself
    assert np.mean(person) >= 0.9


def test_without_the_joint_fact_the_advantage_is_gone() -> None:
    texts, asked = world(0, joint=False)
    graph = build(texts, HippoRAG(specificity=False, synonym=2))
    hits = [f"{who.split(chr(9))[0]} teaches" == graph.search([place, disease])[0][0] for place, disease, who in asked]
    assert np.mean(hits) < 0.4


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["v1", "v2"]))
def test_added_and_deleted_one_by_one_it_is_what_a_rebuild_gives(seed: int, variant: str) -> None:
    texts, _ = world(seed, people=70, things=8)
    drawn = random.Random(seed)
    rules = HippoRAG(variant=variant)  # type: ignore[arg-type]
    graph = PhraseGraph(EMBED, rules)
    for id in drawn.sample(list(texts), len(texts)):
        graph.insert(id, texts[id])
        if drawn.random() < 0.1:
            graph.edges()
    gone = drawn.sample(list(texts), len(texts) // 3)
    for id in gone:
        graph.delete(id)
    fresh = PhraseGraph(EMBED, rules)
    for id, triples in texts.items():
        if id not in gone:
            fresh.insert(id, triples)
    assert graph.edges() == fresh.edges()


def test_what_is_added_and_unrelated_hardly_disturbs() -> None:
    texts, asked = world(3, people=60, things=40)
    graph = build(texts, HippoRAG(specificity=False, synonym=2))

    def found() -> float:
        gold = [
            (place, disease, {f"{who.split(chr(9))[0]} teaches", f"{who.split(chr(9))[0]} studies"})
            for place, disease, who in asked[:40]
        ]
        return float(
            np.mean([len(ids & {id for id, _ in graph.search([place, disease])[:5]}) / 2 for place, disease, ids in gold])
        )

    before = found()
    others, _ = world(4, people=600, things=300)
    for id, triples in others.items():
        graph.insert(f"other {id}", [(f"x {s}", r, f"x {o}") for s, r, o in triples])
    assert found() > before - 0.03


def test_where_no_fact_is_kept_the_order_is_that_of_the_vectors() -> None:
    texts, _ = world(5, people=20, things=5)
    graph = PhraseGraph(EMBED, HippoRAG(variant="v2"))
    for id, triples in texts.items():
        graph.insert(id, triples)
    dense = {id: random.Random(id).random() for id in texts}
    found = graph.search([], cue=EMBED(["who teaches?"])[0], dense=dense, keep=lambda facts: [])
    assert [id for id, _ in found] == sorted(texts, key=lambda id: -dense[id])
    kept = graph.search([], cue=EMBED(["who is a professor at University A0?"])[0], dense=dense)
    assert kept != found


def test_what_makes_no_sense_is_refused() -> None:
    graph = PhraseGraph(EMBED)
    with pytest.raises(InputError, match="empty"):
        graph.search(["Ana"])
    graph.insert("a", [("Ana", "likes", "Braga"), ("?", "x", "y")])
    with pytest.raises(InputError, match="already"):
        graph.insert("a", [])
    with pytest.raises(InputError, match="nothing to start from"):
        graph.search([])
    assert graph.search([], dense={"a": 1.0}) == [("a", 1.0)]
    with pytest.raises(NotFoundError):
        graph.delete("b")
    second = PhraseGraph(EMBED, HippoRAG(variant="v2"))
    second.insert("a", [("x", "y", "z")])
    with pytest.raises(InputError, match="cue"):
        second.search(["x"])
    for wrong in ({"damping": 1.0}, {"synonym": -1.0}, {"variant": "v3"}, {"facts": 0}):
        with pytest.raises(InputError):
            HippoRAG(**wrong)  # type: ignore[arg-type]


class Judge:
    """A language model that answers what it is told to; a string raises no error and is no answer."""

    name = "judge"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def complete(self, messages: object, *, schema: object = None, max_tokens: int = 0) -> Completion:
        return Completion("", self.answer)


FACTS: list[Triple] = [("ana", "likes", "braga"), ("ben", "works at", "the mill"), ("cleo", "met", "ana")]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ({"facts": [["Ben", "works at", "the Mill"]]}, [FACTS[1]]),  # near enough
        ({"facts": [["cleo", "met", "ana"], ["ana", "likes", "braga"]]}, [FACTS[0], FACTS[2]]),
        ({"facts": []}, []),
        ({"wrong": 1}, FACTS),
        (None, FACTS),
    ],
)
def test_a_model_says_which_facts_matter(answer: object, kept: list[Triple]) -> None:
    assert Recognition(Judge(answer), "where does Ben work?")(FACTS) == kept  # type: ignore[arg-type]


def test_recognition_narrows_where_a_walk_starts() -> None:
    graph = PhraseGraph(EMBED, HippoRAG(variant="v2", facts=3))
    for number, fact in enumerate(FACTS):
        graph.insert(str(number), [fact])
    cue, dense = EMBED(["where does ben work?"])[0], {"0": 0.5, "1": 0.5, "2": 0.5}
    found = graph.search([], cue=cue, dense=dense, keep=Recognition(Judge({"facts": [["ben", "works at", "the mill"]]}), "?"))  # type: ignore[arg-type]
    assert found[0][0] == "1"
