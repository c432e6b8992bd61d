"""A belief: what it keeps, what it forgets, and that it never exceeds its cap."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import InputError, ModelError
from lamina.models import CallableTokens, Completion, Message
from lamina.models.tokens import WordLlamaTokens
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import MOST, Fact, Sighting, Sightings, distance
from lamina.working.steps import Step
from lamina.working.summariser import ModelSummariser

LETTERS = CallableTokens(len)
WORDS = CallableTokens(lambda text: len(text.split()))
CUP = Fact("cup", "in", "drawer")


def seen(*facts: Fact, denied: tuple[Fact, ...] = ()) -> Sighting:
    return Sighting(frozenset(facts), frozenset(denied))


def looked(step: int, *facts: Fact) -> Record:
    return Record(f"look {step}", f"look({step})", seen=seen(*facts))


class Writer:
    """A language model that answers what it is given to say."""

    name = "writer"

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), []

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0) -> Completion:
        self.asked.append("\n".join(message.content for message in messages))
        if not self.answers:
            raise ModelError("it is away")
        return Completion(self.answers.pop(0))


# ------------------------------------------------------------------------------------------------------------- sightings
def test_a_new_value_takes_the_place_of_the_old_one_and_a_denial_stays_until_the_thing_is_seen():
    table = Sightings()
    table.see(seen(CUP, Fact("drawer", "is", "open")), 1)
    gone = table.see(seen(Fact("drawer", "is", "open"), denied=(CUP,)), 2)
    assert gone.contradicted == {CUP}
    assert gone.score == 0.5
    assert (table.get(CUP.key), table.is_contradicted(CUP)) == (None, True)
    assert table.lines() == ["drawer is open (step 2)", "cup not in drawer (step 2)"]
    table.see(seen(Fact("cup", "in", "oven")), 3)
    assert table.denied == {}
    assert table.is_contradicted(CUP)


def test_a_discovery_is_no_surprise_and_what_was_expected_but_did_not_happen_is():
    table = Sightings()
    assert table.see(seen(CUP), 1).score == 0
    assert table.see(seen(Fact("fork", "in", "sink")), 2).score == 0
    moved = Fact("cup", "in", "hand")
    assert table.see(seen(CUP), 3, expected=[moved]).contradicted == {moved}
    assert table.see(seen(CUP), 4, expected=[moved], relevant=["fork"]).score == 0


def test_all_denials_of_a_look_count_once_the_thing_is_gone():
    others = tuple(Fact("cup", "in", place) for place in ("oven", "sink", "table", "shelf", "box"))
    table = Sightings()
    table.see(seen(CUP), 1)
    table.see(seen(denied=(CUP, *others)), 2)
    assert table.denied == dict.fromkeys((CUP, *others), 2)


def test_a_sighting_that_contradicts_itself_is_refused():
    with pytest.raises(InputError, match="contradicts itself"):
        seen(CUP, Fact("cup", "in", "oven"))
    with pytest.raises(InputError, match="contradicts itself"):
        seen(CUP, denied=(CUP,))


def test_a_table_stays_bounded_and_keeps_what_was_seen_last():
    table = Sightings()
    for step in range(MOST + 50):
        table.see(seen(Fact(f"thing {step}", "in", "box"), denied=(Fact(f"other {step}", "in", "box"),)), step)
    assert (len(table.held), len(table.denied)) == (MOST, MOST)
    assert table.get(("thing 0", "in")) is None
    assert table.get((f"thing {MOST + 49}", "in")) is not None


@given(st.sets(st.integers(0, 6)), st.sets(st.integers(0, 6)))
def test_the_distance_is_jaccards(one: set[int], other: set[int]):
    facts = [{Fact(f"f{number}") for number in numbers} for numbers in (one, other)]
    assert distance(*facts) == pytest.approx(1 - len(one & other) / len(one | other) if one | other else 0)
    assert distance(facts[0], facts[0]) == 0


# ---------------------------------------------------------------------------------------------------------------- belief
@settings(max_examples=60, deadline=None)
@given(
    cap=st.integers(32, 200),
    counter=st.sampled_from([LETTERS, WORDS, WordLlamaTokens()]),
    records=st.lists(
        st.tuples(st.text("ab \n.,(✓é", max_size=60), st.text("xy(z) ", max_size=20), st.integers(0, 9)), max_size=25
    ),
    variant=st.sampled_from(["rolling", "code"]),
)
def test_the_belief_never_exceeds_its_cap_nor_a_prompt_its_budget(cap, counter, records, variant):
    belief = BeliefMemory(cap=cap, counter=counter, records=7, variant=variant, form="text")
    for words, action, number in records:
        belief.record(Record(words, action, seen=seen(Fact(f"thing {number}", "in", f"place {len(words)}")) if number else None))
        assert counter.count(belief.text) <= cap
        for room in (0, 40, cap):
            assert counter.count(belief.within(room)) <= room
        rendered = belief.prompt([Message("user", "Goal")], 600, tail="What now?")
        assert rendered.tokens <= 600


def test_rolling_keeps_old_facts_and_making_it_anew_loses_them():
    texts = {}
    for variant in ("rolling", "code"):
        belief = BeliefMemory(variant=variant, records=30)
        belief.record(Record("A cup is in the drawer.", seen=seen(CUP)))
        for step in range(200):
            belief.record(looked(step, Fact("robot", "at", f"place {step % 4}")))
            assert belief.counter.count(belief.text) <= belief.cap
        texts[variant] = belief.text
        assert len(belief.buffer) == 30
    assert "cup in drawer (step 1)" in texts["rolling"]
    assert "Before that: " in texts["rolling"]
    assert "cup" not in texts["code"]


def test_without_a_spatial_section_only_the_last_look_counts():
    belief = BeliefMemory(spatial=False)
    belief.record(looked(1, CUP))
    belief.record(looked(2, Fact("robot", "at", "oven")))
    assert [fact.text for fact in belief.sightings] == ["robot at oven"]


def test_failures_are_counted_when_lines_are_folded():
    belief = BeliefMemory(records=2)
    for step in range(6):
        belief.record(Record("", "open(door)", "It is locked.", failed=step % 2 == 0))
    assert "Before that: open 4; 2 failed" in belief.text


def test_a_step_without_facts_is_remembered_by_its_sentences():
    belief = BeliefMemory(form="text")
    belief.observe(Step.acted("open the boot", "The boot is open. A wheel lies in it."))
    belief.observe(Step.acted("look", "A wheel lies in it."))
    assert belief.text.splitlines()[-2:] == ["A wheel lies in it. (step 2)", "The boot is open. (step 1)"]
    prompt = belief.prompt([Message("system", "Act.")], 300, tail="What now?").text
    assert prompt.index("Belief:") < prompt.index("Action: look") < prompt.index("What now?")


def test_a_small_budget_leaves_the_belief_out_rather_than_the_last_step():
    belief = BeliefMemory(form="text", counter=WORDS)
    belief.observe(Step.acted("look", "A hall."))
    shown = belief.prompt([Message("system", "Act.")], 40)
    assert "Belief" not in shown.text
    assert "A hall." in shown.text


# ------------------------------------------------------------------------------------------------------------ summariser
GOOD = "Trajectory\n1. looked\nSpatial\ncup in drawer"


def test_a_model_writes_the_belief_from_the_one_before_and_what_is_new():
    writer = Writer(GOOD, GOOD + ", fork in sink")
    belief = BeliefMemory(summariser=ModelSummariser(writer))
    belief.record(looked(1, CUP))
    assert belief.text == belief.text == GOOD
    belief.record(looked(2))
    assert belief.text.endswith("fork in sink")
    assert len(writer.asked) == 2
    assert "cup in drawer" in writer.asked[1]
    assert "look(1)" not in writer.asked[1].split("New records:")[1]


@pytest.mark.parametrize("answers", [(), ("I do not know.",), ("Trajectory\nSpatial\n" + "long " * 700,)])
def test_a_model_that_fails_or_answers_badly_loses_nothing(answers):
    belief = BeliefMemory(summariser=ModelSummariser(Writer(*answers)))
    belief.record(looked(1, CUP))
    assert "cup in drawer (step 1)" in belief.text
    assert belief.fallbacks == 1


def test_the_variant_of_the_code_shows_the_model_the_whole_buffer_each_time():
    writer = Writer(GOOD, GOOD)
    belief = BeliefMemory(summariser=ModelSummariser(writer), variant="code")
    for step in (1, 2):
        belief.record(looked(step))
        assert belief.text == GOOD
    assert "look(1)" in writer.asked[1].split("New records:")[1]
    assert "(nothing yet)" in writer.asked[1]


# -------------------------------------------------------------------------------------------------------------- the rest
def test_steps_reach_the_sink_with_their_subgoal():
    kept = []

    class Sink:
        def keep(self, step, title):
            kept.append((step.text, title))

        def close(self, outcome):
            kept.append(outcome)

    belief = BeliefMemory(sink=Sink())
    belief.record(Record("It is open.", "open(oven)", "Done.", subgoal="get the cup"))
    belief.observe(Step.observed("A hall."))
    belief.close_task("done")
    assert kept == [
        ("Action: open(oven)\nObservation: Done.\nIt is open.", "get the cup"),
        ("Observation: A hall.", None),
        "done",
    ]


@pytest.mark.parametrize(
    "wrong", [{"records": 0}, {"records": True}, {"cap": 31}, {"cap": 1.5}, {"variant": "paper"}, {"form": "html"}]
)
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(InputError, match=r"belief|form"):
        BeliefMemory(**wrong)


def test_it_has_no_tools():
    assert BeliefMemory().tools() == ()
    with pytest.raises(InputError, match="no tool 'zoom'"):
        BeliefMemory().call("zoom", {})
