"""The benchmark of dialogues: what a controller is worth against its parts left out, and that reader, data and bounds are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.bench import run_benchmark
from lamina.bench.dialogue import book_rows, growth_rows, recency_rows, stream_rows, talk_rows
from lamina.bench.dialogue_data import load_talks
from lamina.bench.dialogue_stream import Fact, Probe, Stream, read, value_in
from lamina.bench.dialogue_systems import follow, systems
from lamina.bench.prose import Prose, text_files
from lamina.bench.ranking.embedders import static
from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.working.controlled import ControlledMemory
from tests.bench.test_harness import check_form

BUDGET = 600
COMPARED = (
    "scm", "scm, no controller", "scm, activation always", "scm, no activation memory", "scm, no flash memory", "scm, random turns", "newest turns",
)  # fmt: skip
FACT = Fact("sister", "car", "Fiat", 1)


@pytest.fixture(scope="module")
def rows():
    made = [Stream(100, facts=20, probes=28, chatter=8, seed=seed).made() for seed in (501, 502, 503)]
    return {row.system: row for row in stream_rows(made, static(), BUDGET, 0, lambda words: None, COMPARED)}


def metric(rows, name: str, system: str = "scm") -> float:
    return rows[system].metrics[name]


def test_the_effect_of_the_controller_at_equal_budget(rows):
    assert metric(rows, "answered") >= metric(rows, "answered", "scm, no controller") + 0.15
    assert abs(metric(rows, "recall") - metric(rows, "recall", "scm, no controller")) <= 0.04  # two dialogues: a turn or two
    assert metric(rows, "answered", "scm, random turns") <= metric(rows, "no_history") * 0.25 + 0.1
    assert metric(rows, "one_fact_or_two_facts", "newest turns") <= 0.05


def test_the_effect_of_activation_and_flash_memory(rows):
    assert metric(rows, "one_fact_or_two_facts", "scm, no activation memory") <= 0.05
    assert metric(rows, "one_fact_or_two_facts") >= 0.7
    assert abs(metric(rows, "one_fact", "scm, no flash memory") - metric(rows, "one_fact")) <= 0.05
    assert metric(rows, "just_said", "scm, no flash memory") <= 0.2
    assert metric(rows, "just_said") >= 0.8


def test_the_effect_of_asking_whether_history_is_needed(rows):
    def spent(system):
        return 100 * metric(rows, "turn_tokens", system) + 35 * metric(rows, "question_tokens", system)

    assert spent("scm") <= 0.85 * spent("scm, activation always")
    assert metric(rows, "answered") >= metric(rows, "answered", "scm, activation always") - 0.04


def test_no_system_is_over_the_budget(rows):
    assert all(row.metrics["most_tokens"] <= BUDGET for row in rows.values())


def test_prompts_have_a_bound_and_turns_do_not_get_slower():
    found = {
        row.system: row.metrics
        for row in growth_rows(Stream(seed=503, turns=120, length=(120, 120), chatter=0), static(), BUDGET)
    }
    assert max(found["growth: scm"][f"turn_{place}_tokens"] for place in (30, 60, 120)) <= BUDGET
    whole = found["growth: whole history"]
    assert 1.6 <= whole["turn_120_tokens"] / whole["turn_60_tokens"] <= 2.4
    assert found["growth: scm"]["late_to_early_times"] <= 2.5  # the benchmark measures it; here other work may run beside


def test_the_effect_of_recency_on_facts_that_change():
    found = {
        row.system: row.metrics["newest@1"]
        for row in recency_rows(
            [Stream(seed=504, length=(50, 200)).overwritten(), Stream(seed=505, length=(50, 200)).overwritten()], static()
        )
    }
    assert found["overwritten: recency 0"] <= 0.5
    assert found["overwritten: recency 0.5"] >= 0.8


def test_a_book_ends_in_a_summary_within_its_sizes():
    for row in book_rows(Prose(seed=506).novel(30_000), static()):
        assert row.metrics["largest_group_tokens"] <= 2300
        assert row.metrics["summary_tokens"] <= 1500


# ------------------------------------------------------------------------------------------------------ the reader, the data
@pytest.mark.parametrize(
    ("prompt", "right"),
    [
        ("[Turn 1] User: My sister's car is Fiat.\n---\n{q}", True), ("[Turn 1] User: My sister's car is Fiat.\n[Turn 2] User: My sister's car is Kia.\n---\n{q}", False),
        ("[Turn 1] User: My brother's car is Fiat.\n---\n{q}", False), ("[Turn 1] User: My sister's car is\n---\n{q}", False), ("{q}", False),
        ("[Turn 1] User: Is my sister's car a Fiat?\n---\n{q}", False), ("[Turn 1] User: My sister. A car. Fiat.\n---\n{q}", False),
    ],
)  # fmt: skip
def test_the_reader_knows_only_what_stands_in_the_prompt(prompt, right):
    probe = Probe(1, "What is my sister's car?", "one fact", (FACT,))
    assert read(prompt.format(q=probe.text), probe) is right


def test_the_reader_takes_what_was_just_said_from_the_last_turn_alone():
    probe = Probe(2, "What did I just say?", "just said", (FACT,))
    told, other = "[Turn 1] User: My sister's car is Fiat.", "[Turn 2] User: It rains."
    assert read(f"{other}\n{told}\n---\n{probe.text}", probe)
    assert not read(f"{told}\n{other}\n---\n{probe.text}", probe)
    assert not read(probe.text, probe)


def test_dialogues_are_what_their_parameters_say():
    made = Stream(seed=7).made()
    counter = WordLlamaTokens()
    assert made == Stream(seed=7).made() != Stream(seed=8).made()
    assert (len(made.turns), len(made.facts), len(made.probes)) == (200, 30, 50)
    kinds = [probe.kind for probe in made.probes]
    assert [kinds.count(kind) for kind in ("one fact", "two facts", "no history", "just said")] == [20, 10, 10, 10]
    assert all(value_in(made.turns[fact.turn - 1][0], fact) == fact.value for fact in made.facts)
    assert max(counter.count(f"{said} {answered}") for said, answered in made.turns) <= 1300
    for probe in made.probes:
        assert all(fact.turn <= probe.after - (0 if probe.kind == "just said" else 3) for fact in probe.facts)
    pairs = [probe.facts for probe in made.probes if probe.kind == "two facts"]
    assert all(abs(first.turn - second.turn) >= 20 for first, second in pairs)


def test_a_memory_is_followed_through_a_dialogue_made_of_texts_from_files(tmp_path: Path):
    (tmp_path / "one.txt").write_text(
        "\n".join(f"The lamp of number {number} burned all through the long night." for number in range(200))
    )
    made = Stream(turns=30, facts=6, probes=8, chatter=2, seed=1, texts=text_files(tmp_path)).made()
    assert any("burned all through" in said + answered for said, answered in made.turns)
    course = follow(systems(static(), names=["scm"])["scm"](), made, 300)
    assert len(course.right) == len(course.tokens) == 10
    assert len(course.stream) == 30
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no \*\.txt"):
        text_files(tmp_path / "empty")


def write_talks(folder: Path, questions: list[dict[str, str]]) -> Path:
    said = []
    for number in range(8):
        said += [
            f"Tell me about tree number {number}.",
            f"Tree number {number} stands in a park of the city, and " + "birds sing in it. " * 40,
        ]
    said[4:6] = ["When was the lighthouse built?", "The lighthouse was erected in 1837, and Petronella Voss of Emden built it."]
    (folder / "scm").mkdir(exist_ok=True)
    (folder / "scm" / "dialogue_en.json").write_text(json.dumps([{"id": "talk", "token_count": 1, "dialogue": said}]))
    (folder / "scm" / "dialogue_en_questions.json").write_text(json.dumps(questions))
    return folder


QUESTION = {
    "question_id": "q1",
    "id": "talk",
    "mode": "single-turn",
    "question": "Who built the lighthouse, and when?",
    "answer": "Petronella Voss, in 1837.",
}


def test_the_turn_that_answers_is_the_one_that_says_most_of_the_answer(tmp_path: Path):
    (talk,) = load_talks(
        write_talks(tmp_path, [QUESTION, QUESTION | {"question_id": "q2", "answer": "Unheard-of zebras"}]) / "scm"
    )
    assert [question.id for question in talk.questions] == ["q1"]  # of the other answer the dialogue says nothing
    assert talk.answering(talk.questions[0]) == 3
    memory = ControlledMemory(embedder=static())
    for step in talk.steps():
        memory.observe(step)
    assert "Petronella" in memory.prompt([], 300, tail=talk.questions[0].text).text


@pytest.mark.parametrize("questions", [[{"id": "talk"}], [QUESTION | {"id": "other"}]])
def test_files_of_another_form_are_refused(tmp_path: Path, questions):
    folder = write_talks(tmp_path, questions)
    with pytest.raises(InputError, match="published"):
        talk_rows(load_talks(folder / "scm"), static(), [100], 0, lambda words: None)


def test_the_benchmark_has_the_common_form(tmp_path: Path):
    result = run_benchmark(
        "dialogue", data=write_talks(tmp_path, [QUESTION]), peers=False, dialogues=1, turns=90, budgets=[300], book=5000
    )
    check_form(result.as_json())
    assert result.row("published, 300 tokens: scm").metrics["answerable"] == 1.0
    assert result.row("published, 300 tokens: newest turns").metrics["answerable"] == 0.0
    with pytest.raises(InputError, match="dialogues"):
        run_benchmark("dialogue", data=None, peers=False, dialogues=0)
