"""Taxonomies: categories over items that people correct, and corrections that stick whatever comes and goes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.bench.ranking.embedders import static
from lamina.bench.studies import Reviews
from lamina.errors import InputError, NotFoundError
from lamina.records import Item, Run
from lamina.semantic.assignment import Corrector, Example
from lamina.semantic.corrections import Correction
from lamina.semantic.organising import REST, Organiser
from lamina.semantic.taxonomy import Taxonomy, TaxonomyStage, categories_of, taxonomies
from tests.semantic.language import Scripted, failing

SCOPE = "/lab"
STAGE = TaxonomyStage()
KITCHEN = [
    "The kitchen needs paint.",
    "The kitchen floor is wet.",
    "We painted the kitchen wall white.",
    "The oven in the kitchen is broken.",
]
RUNNING = [
    "I ran in the park.",
    "Running hurts my knee.",
    "The marathon is in May; I run daily.",
    "New running shoes help the knee.",
]
MONEY = ["The bank raised its fees.", "I paid the bank loan.", "The tax office wants money.", "My savings account pays interest."]


def add(memory: Memory, texts: list[str]) -> list[str]:
    ids = memory.add(texts, session="s", user="lab")
    memory.flush()
    return ids


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory(":memory:") as memory:
        add(memory, KITCHEN + RUNNING + MONEY)
        yield memory


def defined(memory: Memory, stage: TaxonomyStage = STAGE, **what: Any) -> Taxonomy:
    taxonomy = Taxonomy(memory.store, SCOPE, "subjects", stage)
    taxonomy.define(**what)
    run(memory, stage)
    return taxonomy


def run(memory: Memory, stage: TaxonomyStage = STAGE, force: bool = False) -> Any:
    memory.flush()
    return stage.consolidate(memory.store, SCOPE, Run(), force)


def tree(taxonomy: Taxonomy) -> dict[tuple[str, ...], list[str]]:
    return {tuple(item.data["path"]): [one.text for one in taxonomy.members(item.data["path"])] for item in taxonomy.categories()}


def picture(memory: Memory) -> dict[str, Any]:
    found = {}
    for item in categories_of(memory.store, SCOPE, STAGE.made_by):
        edges = memory.store.edges.out([item.key])
        ends = memory.store.items.by_key([edge.dst for edge in edges])
        found[item.id] = (
            item.text,
            item.at,
            item.until,
            item.status,
            dict(item.data),
            sorted((edge.kind, ends[edge.dst].id) for edge in edges),
        )
    return found


def home(found: dict[tuple[str, ...], list[str]], text: str) -> tuple[str, ...]:
    return max((path for path, texts in found.items() if text in texts), key=len)


def test_items_fall_into_categories_that_hold_cite_and_contain_what_they_should(memory: Memory) -> None:
    taxonomy = defined(memory)
    found = tree(taxonomy)
    assert sorted({text for path, texts in found.items() if len(path) == 1 for text in texts}) == sorted(
        KITCHEN + RUNNING + MONEY
    )
    assert home(found, KITCHEN[0])[0] == home(found, KITCHEN[1])[0] != home(found, RUNNING[1])[0]
    for path, texts in found.items():
        if len(path) > 1:
            assert set(texts) <= set(found[path[:-1]])
    for item in taxonomy.categories():
        edges = memory.store.edges.out([item.key])
        assert {edge.dst for edge in edges if edge.kind == "assigned"} == {edge.dst for edge in edges if edge.kind == "cites"}
    assert memory.doctor() == []
    assert run(memory).made == 0


def test_corrections_hold_at_once_and_after_every_later_run(memory: Memory) -> None:
    taxonomy = defined(memory)
    loan = next(one for one in taxonomy.items() if one.text == MONEY[1])
    paint = next(one for one in taxonomy.items() if one.text == KITCHEN[0])
    kitchen = home(tree(taxonomy), KITCHEN[0])[:1]
    taxonomy.assign(loan.id, ["Home", "Costs"])
    taxonomy.rename(kitchen, "Kitchen")
    taxonomy.unassign(paint.id, ["Kitchen"])
    taxonomy.move(["Kitchen"], ["Home"])

    def check() -> None:
        found = tree(taxonomy)
        assert MONEY[1] in found["Home", "Costs"]
        assert MONEY[1] in found["Home",]
        assert ("Home", "Kitchen") in found
        assert KITCHEN[0] not in found["Home", "Kitchen"]
        assert not any(KITCHEN[0] in texts for path, texts in found.items() if path[:2] == ("Home", "Kitchen"))
        assert KITCHEN[1] in found["Home", "Kitchen"]

    check()
    run(memory, force=True)
    check()
    add(memory, ["The kitchen has a new sink.", "My knee is fine.", "A cheque from the bank came."])
    run(memory)
    check()
    assert len(taxonomy.corrections()) == 4
    assert loan.id in next(one for one in taxonomy.categories() if one.data["path"] == ["Home", "Costs"]).data["said"]


def test_removing_a_category_lifts_what_is_below_and_equal_names_become_one(memory: Memory) -> None:
    model = Scripted(
        lambda messages: (
            "- Home (Claim 0-3)\n    - Rooms (Claim 0-3)\n        - Kitchen (Claim 0, 1)\n- Body (Claim 4-7)\n- Sport (Claim 4)"
        )
    )
    taxonomy = defined(memory, TaxonomyStage(organiser=Organiser(model)))
    assert set(tree(taxonomy)) == {("Home",), ("Home", "Rooms"), ("Home", "Rooms", "Kitchen"), ("Body",), ("Sport",), (REST,)}
    taxonomy.remove(["Home", "Rooms"])
    taxonomy.rename(["Sport"], "Body")
    assert set(tree(taxonomy)) == {("Home",), ("Home", "Kitchen"), ("Body",), (REST,)}
    assert tree(taxonomy)["Body",] == RUNNING
    assert len(model.asked) == 1  # corrections do not ask again


def test_a_model_that_fails_is_replaced_by_clusters_and_asked_again(memory: Memory) -> None:
    for answer in (failing, lambda messages: "- A (Claim 99)", lambda messages: ""):
        model = Scripted(answer)
        taxonomy = defined(memory, TaxonomyStage(organiser=Organiser(model)))
        assert tree(taxonomy)
        asked = len(model.asked)
        run(memory, TaxonomyStage(organiser=Organiser(model)))
        assert len(model.asked) == asked + 1
    good = TaxonomyStage(organiser=Organiser(Scripted(lambda messages: "- All (Claim 0-11)", "good")))
    run(memory, good)
    assert set(tree(Taxonomy(memory.store, SCOPE, "subjects", good))) == {("All",)}


def test_deleting_an_item_blanks_its_categories_and_corrections_about_it_go(memory: Memory) -> None:
    taxonomy = defined(memory)
    gone = next(one for one in taxonomy.items() if one.text == MONEY[1])
    taxonomy.assign(gone.id, ["Debts"])
    taxonomy.rename(["Debts"], "Loans")
    memory.delete(gone.id)
    assert not any("loan" in item.text.lower() for item in taxonomy.categories())
    run(memory)
    assert not any(MONEY[1] in texts for texts in tree(taxonomy).values())
    assert ("Loans",) not in tree(taxonomy)
    assert memory.doctor() == []
    after = picture(memory)
    run(memory, force=True)
    assert picture(memory) == after


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000))
def test_random_additions_deletions_and_corrections_end_where_a_rebuild_ends(seed: int) -> None:
    chance = random.Random(seed)
    with Memory(":memory:") as memory:
        ids = add(memory, KITCHEN + RUNNING)
        taxonomy = defined(memory)
        for _ in range(5):
            what = chance.random()
            if what < 0.4:
                ids += add(memory, chance.sample(MONEY + RUNNING, 2))
            elif what < 0.6 and len(ids) > 4:
                gone = chance.sample(ids, 2)
                memory.delete(gone)
                ids = [id for id in ids if id not in gone]
            else:
                run(memory)
                correct(taxonomy, chance, ids)
        run(memory)
        after = picture(memory)
        found = tree(taxonomy)
        assert all(set(texts) <= set(found[path[:-1]]) for path, texts in found.items() if len(path) > 1)
        run(memory, force=True)
        assert picture(memory) == after
        assert memory.doctor() == []


def correct(taxonomy: Taxonomy, chance: random.Random, ids: list[str]) -> None:
    path = chance.choice([item.data["path"] for item in taxonomy.categories()])
    do = chance.randrange(4)
    if do == 0:
        taxonomy.assign(chance.choice(ids), [*path, "Own"])
    elif do == 1:
        taxonomy.unassign(chance.choice(ids), path)
    elif do == 2:
        taxonomy.rename(path, "Renamed")
    else:
        taxonomy.remove(path)


def test_a_category_is_known_again_by_its_items_where_its_name_changed(memory: Memory) -> None:
    names = iter(["Cooking place", "Culinary room"])
    stage = TaxonomyStage(
        organiser=Organiser(Scripted(lambda messages: f"- {next(names)} (Claim 0-3)\n- Rest of life (Claim 4-11)"))
    )
    taxonomy = defined(memory, stage)
    taxonomy.rename(["Cooking place"], "Kitchen")
    run(memory, stage, force=True)
    assert set(tree(taxonomy)) == {("Kitchen",), ("Rest of life",)}


def test_two_taxonomies_of_a_scope_keep_apart_and_one_can_be_dropped(memory: Memory) -> None:
    first = defined(memory)
    ids = [one.id for one in first.items()][:4]
    second = Taxonomy(memory.store, SCOPE, "four", STAGE)
    second.define(ids=ids)
    run(memory)
    assert taxonomies(memory.store, SCOPE) == ["four", "subjects"]
    memory.delete(ids[0])
    run(memory)
    assert sorted(one.id for one in second.items()) == sorted(ids[1:])
    assert {text for texts in tree(second).values() for text in texts} < {
        text for texts in tree(first).values() for text in texts
    }
    first.drop()
    run(memory)
    assert taxonomies(memory.store, SCOPE) == ["four"]
    assert {item.data["taxonomy"] for item in categories_of(memory.store, SCOPE, STAGE.made_by)} == {"four"}
    with pytest.raises(NotFoundError):
        first.items()


def test_a_trained_corrector_judges_what_belongs_before_people_do(memory: Memory) -> None:
    reviews = [Reviews().made(seed) for seed in range(8)]
    corrector = Corrector.fit(
        [Example(one.generated, one.generated.features(one.claims, static()), one.truth) for one in reviews]
    )
    listed = "- Kitchen (Claim 4, 8)\n- Running (Claim 4-7)"  # the first lists a run and a bank
    stage = TaxonomyStage(organiser=Organiser(Scripted(lambda messages: listed)), corrector=corrector, embedder=static())
    assert set(tree(defined(memory, stage))["Kitchen",]) & set(KITCHEN)
    with pytest.raises(InputError):
        TaxonomyStage(corrector=corrector)


def test_values_that_cannot_be_are_refused(memory: Memory) -> None:
    taxonomy = defined(memory)
    item: Item = taxonomy.items()[0]
    before = picture(memory)
    for wrong in (
        lambda: taxonomy.assign(item.id, []), lambda: taxonomy.assign(item.id, [" "]), lambda: taxonomy.define(ids=[]), lambda: taxonomy.define(ids=["x"]),
        lambda: taxonomy.define(kinds=["thing"]), lambda: Taxonomy(memory.store, SCOPE, " "), lambda: Correction("explode", ("a",)),  # type: ignore[arg-type]
        lambda: Correction("move", ("a",), under=("a", "b")), lambda: Correction("rename", ("a",)), lambda: Correction("assign", ("a",)),
        lambda: taxonomy.assign("nobody", ["a"]), lambda: taxonomy.rename(["nowhere"], "x"), lambda: taxonomy.members(["nowhere"]),
    ):  # fmt: skip
        with pytest.raises((InputError, NotFoundError)):
            wrong()
    assert picture(memory) == before
