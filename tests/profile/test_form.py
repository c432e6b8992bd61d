"""Forms: filled with what was said last, with sources, and handed out only where somebody said so."""

from __future__ import annotations

import random

import pytest

from lamina import Memory
from lamina.errors import InputError, ModelError
from lamina.profile.form import Filled, Form, prefill
from lamina.profile.sharing import ANY, decide, sharing
from lamina.profile.values import FormField, ModelValues, RuleValues
from tests.profile.test_portrait import Model

FIELDS = (
    FormField("full_name", "first and last name"), FormField("email"), FormField("phone", "with country code"), FormField("city", "where you live"),
    FormField("occupation"), FormField("employer"), FormField("date of birth"), FormField("place of birth"), FormField("allergies"), FormField("languages"),
    FormField("shoe size"), FormField("favourite colour"), FormField("blood type", "if known"),
)  # fmt: skip


def filled(
    memory: Memory, *names: str, recipient: str = "the clinic", scope: str = "/ana", person: str = "Ana", **more: object
) -> Form:
    chosen = [one for one in FIELDS if one.name in names] or list(FIELDS)
    return prefill(memory.store, scope, chosen, recipient, person=person, **more)  # type: ignore[arg-type]


def value(form: Form, name: str) -> Filled:
    return next(one for one in form.fields if one.field.name == name)


def told(memory: Memory, text: str, at: str = "2026-01-01", user: str = "ana", speaker: str = "Ana", **more: str) -> str:
    return memory.add(text, user=user, speaker=speaker, at=at, **more)[0]


# ------------------------------------------------------------------------------------------------------------ values
def test_forms_of_made_people_are_filled_with_what_was_said_last() -> None:
    """Thirty people, each with old and new values among talk of others; controls: the value said first, and any value that any pattern finds at random."""
    cities, jobs = ("Porto", "Lisbon", "Braga", "Faro", "Vila Real"), ("nurse", "baker", "civil engineer", "teacher", "cook")
    firms, colours = ("Sonae", "the town hall", "Galp", "a small bakery"), ("green", "dark blue", "red")
    right = asked = wrong = first = 0
    for seed in range(30):
        drawn = random.Random(seed)
        with Memory(":memory:") as memory:
            truth, old = {}, {}
            for name, pool, frame in (
                (
                    "city",
                    cities,
                    drawn.choice(("I live in {} now.", "We talked, and then I moved to {}.", "I'm living in {}, near the sea.")),
                ),
                ("occupation", jobs, drawn.choice(("I work as a {}.", "I'm working as a {} these days."))),
                ("favourite colour", colours, "My favourite colour is {}."),
                ("shoe size", ("38", "41"), "My shoe size is {}, by the way."),
                ("allergies", ("nuts", "bee stings"), "I'm allergic to {}."),
                ("email", ("ana@example.org", "a.silva@mail.example.pt"), "You can write to me at {} any time."),
            ):
                if drawn.random() < 0.25:
                    continue  # it is never said, and must stay empty
                old[name], truth[name] = drawn.sample(pool, 2)
                told(memory, frame.format(old[name]), "2025-01-01")
                told(memory, f"Hello! {frame.format(truth[name])} It rains.", f"2026-01-{drawn.randint(1, 28):02d}")
            told(memory, f"I work at {drawn.choice(firms)} and the walls are white.")
            told(memory, "Do I live in Madrid? My sister lives in Paris, and she works as a pilot.", "2026-02-01")
            told(memory, "I live in Rome.", "2026-02-01", speaker="Ben")
            memory.add("I live in the cloud. My shoe size is zero.", user="ana", role="assistant", speaker="Ana", at="2026-02-01")
            form = filled(memory)
            for name in ("city", "occupation", "favourite colour", "shoe size", "allergies", "email"):
                asked += 1
                found = value(form, name)
                right += found.value == truth.get(name)
                wrong += found.value is not None and found.value != truth.get(name)
                first += old.get(name) == truth.get(name)
                if found.value is not None:
                    [source] = found.sources
                    item = memory.get(source)
                    assert item is not None
                    assert found.value in item.text
                    assert old[name] in found.others
            assert value(form, "blood type").value is None
    print(f"\n{asked} fields: right {right / asked:.3f}, wrong {wrong / asked:.3f}; with what was said first {first / asked:.3f}")
    assert right / asked >= 0.95
    assert wrong / asked <= 0.02
    assert first / asked <= 0.4


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("My name is Ana Silva.", "full_name", "Ana Silva"), ("I work as a nurse in a clinic.", "occupation", "nurse"),
        ("I work as a nurse at Sao Joao.", "employer", "Sao Joao"), ("I was born on 3 May 1990.", "date of birth", "3 May 1990"),
        ("I was born in Tavira.", "place of birth", "Tavira"), ("I was born in Tavira.", "date of birth", None), ("I'm from Tavira.", "place of birth", "Tavira"),
        ("I was born in Tavira.", "city", None), ("Call +351 912 345 678.", "phone", "+351 912 345 678"), ("I speak Portuguese and German.", "languages", "Portuguese and German"),
        ("I moved from Porto to Lisbon in March.", "city", "Lisbon"), ("My left shoe is red.", "shoe size", None), ("Is my shoe size 38?", "shoe size", None),
    ],
)  # fmt: skip
def test_what_the_rules_read(text: str, name: str, said: str | None) -> None:
    with Memory(":memory:") as memory:
        told(memory, text)
        found = value(filled(memory, name), name)
        assert found.value == said
        assert bool(found.sources) == (said is not None)
        assert (found.confidence > 0) == (said is not None)


def test_what_is_said_on_more_days_is_surer_and_what_is_forgotten_or_corrected_is_not_used() -> None:
    with Memory(":memory:") as memory:
        for day in (1, 2):
            told(memory, "I live in Porto.", f"2026-01-0{day}")
        assert value(filled(memory, "city"), "city").confidence == 0.84
        late = told(memory, "I live in Faro.", "2026-01-09")
        assert value(filled(memory, "city"), "city").value == "Faro"
        memory.update(late, "I live in Braga.")
        assert value(filled(memory, "city"), "city").value == "Braga"
        memory.forget(memory.history(late)[-1].id)
        assert value(filled(memory, "city"), "city").value == "Porto"


# ----------------------------------------------------------------------------------------------------------- consent
def test_nothing_is_handed_out_that_nobody_has_agreed_to() -> None:
    with Memory(":memory:") as memory:
        told(memory, "I live in Porto. My shoe size is 38.")
        form = filled(memory, "city", "shoe size", "blood type")
        assert form.handed_out() == {}
        assert [one.name for one in form.to_ask()] == ["city", "shoe size"]
        decide(memory.store, "/ana", "City", "The Clinic", True)
        assert filled(memory, "city", "shoe size").handed_out() == {"city": "Porto"}
        assert filled(memory, "city", "shoe size", recipient="a shop").handed_out() == {}
        decide(memory.store, "/ana", "city", "the clinic", False)
        found = value(filled(memory, "city"), "city")
        assert (found.consent, found.value, found.sources) == ("refused", None, ())


def test_a_refusal_to_share_comes_before_any_decision_on_a_field() -> None:
    with Memory(":memory:") as memory:
        decide(memory.store, "/ana", ANY, ANY, True)
        told(memory, "I live in Porto.", "2025-01-01")
        told(memory, "I live in Faro.", agent="diary")
        assert filled(memory, "city").handed_out() == {"city": "Faro"}
        memory.consent("share", False, user="ana", agent="diary")
        found = value(filled(memory, "city"), "city")
        assert (found.consent, found.value, found.others) == ("refused", None, ())  # not the older value, which is no longer true
        memory.consent("recall", False, user="ana", agent="diary")
        assert filled(memory, "city").handed_out() == {"city": "Porto"}
        memory.consent("share", False, scope="*")
        assert filled(memory, "city").handed_out() == {}


def test_the_nearest_scope_and_the_most_exact_decision_hold() -> None:
    with Memory(":memory:") as memory:
        store = memory.store
        told(memory, "I live in Porto.", tenant="acme")
        decide(store, "acme", ANY, ANY, False)
        decide(store, "acme/ana", "city", ANY, True)
        decide(store, "acme/ana", ANY, "a shop", False)
        decide(store, "acme/ana", "city", "the press", False)
        rules = sharing(store, "acme/ana")
        assert [rules.of("city", who) for who in ("a friend", "a shop", "the press")] == ["granted", "granted", "refused"]
        assert [rules.of("email", who) for who in ("a friend", "a shop")] == ["refused", "refused"]
        assert sharing(store, "other/ana").of("city", "a friend") == "unasked"
        assert sharing(store, "acme/anabel").of("city", "a friend") == "refused"


def test_decisions_outlive_the_traces_and_travel_with_an_export(tmp_path: object) -> None:
    with Memory(":memory:") as memory, Memory(":memory:") as other:
        id = told(memory, "I live in Porto.")
        decide(memory.store, "/ana", "city", "the clinic", False)
        memory.export(f"{tmp_path}/out.jsonl")
        other.import_(f"{tmp_path}/out.jsonl")
        memory.delete(id)
        for one in (memory, other):
            assert sharing(one.store, "/ana").of("city", "the clinic") == "refused"
        assert not memory.doctor()
        assert memory.search("share-field", user="ana") == []
        memory.delete_all(user="ana")
        assert sharing(memory.store, "/ana").of("city", "the clinic") == "unasked"


# ----------------------------------------------------------------------------------------------------------- a model
def test_a_value_of_a_model_stays_only_if_it_stands_in_what_it_cites() -> None:
    with Memory(":memory:") as memory:
        first = told(memory, "These days the river Douro is what I see from my window in Gaia.")
        told(memory, "I live in Porto.", "2025-01-01")
        rows = [
            {"field": "city", "value": "gaia", "cites": [2]}, {"field": "city", "value": "Madrid", "cites": [1, 2]}, {"field": "city", "value": "Porto", "cites": [2, 9]},
            {"field": "horse", "value": "Gaia", "cites": [2]}, {"field": "email", "value": "", "cites": [1]},
        ]  # fmt: skip
        form = filled(memory, "city", "email", finder=ModelValues(Model({"values": rows})))
        assert (value(form, "city").value, value(form, "city").sources) == ("gaia", (first,))
        assert value(form, "email").value is None
        for broken in (ModelError("down"), {"wrong": 1}, {"values": [{"field": 1}]}):
            assert value(filled(memory, "city", finder=ModelValues(Model(broken))), "city").value == "Porto"
        assert ModelValues(Model()).values(FIELDS, []) == {}
        assert RuleValues().values(FIELDS, []) == {}


# ---------------------------------------------------------------------------------------------------------- refusals
def test_what_cannot_be_is_refused() -> None:
    with Memory(":memory:") as memory:
        for fields, words in (
            ([], "at least one"),
            (["city", "City"], "there twice"),
            ([" "], "is empty"),
            ([3], "a list of fields"),
        ):
            with pytest.raises(InputError, match=words):
                prefill(memory.store, "/ana", fields, "the clinic")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="the recipient is empty"):
            prefill(memory.store, "/ana", ["city"], "")
        with pytest.raises(InputError, match="name the scope"):
            prefill(memory.store, "*", ["city"], "the clinic")
        with pytest.raises(InputError, match="True or False"):
            decide(memory.store, "/ana", "city", "the clinic", 1)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="somebody's"):
            decide(memory.store, "*", "city", "the clinic", True)
        assert filled(memory, "city").fields[0].as_json()["value"] is None
