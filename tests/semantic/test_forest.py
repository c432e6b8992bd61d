"""Topics as a stage: a tree over episodes that keeps in step with them, exactly, whatever is added or deleted."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.algorithms.hierarchy import ForestBuilder, Likeness
from lamina.consolidation.pipeline import Pipeline
from lamina.episodic.episodes import EpisodeConsolidator
from lamina.errors import Cancelled, InputError, ModelOutputError
from lamina.records import Filter, Item, Run
from lamina.semantic.forest import CONVERSATION, SemanticForest, topics_of
from lamina.semantic.naming import WRITER, Namer, Vocabulary
from lamina.semantic.topics import TopicForest
from tests.semantic.language import Scripted, failing

SCOPE = "/ana"
THEMES = {
    "garden": "I sowed tomatoes and watered the beans in the garden bed.|The roses need pruning and the soil needs compost.|Slugs ate the lettuce seedlings again.",
    "running": "My knee hurts after the long run along the river.|I ran ten kilometres before breakfast.|The marathon training plan says intervals today.",
    "taxes": "The tax return needs the invoices and receipts.|I paid the income tax in instalments.|The accountant asked for the bank statements.",
    "piano": "I practised the piano sonata for an hour.|The piano tuner comes to fix two keys.|My teacher wants scales and the fugue by heart.",
}
PIPELINE = Pipeline(stages=(EpisodeConsolidator(), SemanticForest()))


def tell(memory: Memory, session: str, theme: str, user: str = "ana") -> list[str]:
    return memory.add([{"content": text, "speaker": "Ana"} for text in THEMES[theme].split("|")], session=session, user=user)


def full(sessions: int = 12) -> Memory:
    memory = Memory(":memory:")
    for number in range(sessions):
        tell(memory, f"s{number}", list(THEMES)[number % len(THEMES)])
    return memory


def settle(memory: Memory, pipeline: Pipeline = PIPELINE, force: bool = False) -> list[Any]:
    memory.flush()
    return pipeline.run(memory.store, "*", Run(), force)


def picture(memory: Memory, scope: str = SCOPE) -> dict[str, Any]:
    """All topics as they are stored, with what they contain and cite."""
    found = {}
    for item in topics_of(memory.store, scope, SemanticForest().made_by):
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


def topics(memory: Memory, scope: str = SCOPE) -> list[Item]:
    return topics_of(memory.store, scope, SemanticForest().made_by)


def test_sessions_of_one_theme_fall_under_one_topic_that_is_named_by_its_words() -> None:
    with full() as memory:
        settle(memory)
        forest = TopicForest(memory.store, SCOPE)
        for theme, word in (("garden", "tomatoes"), ("running", "marathon"), ("taxes", "tax"), ("piano", "piano")):
            number = list(THEMES).index(theme)
            rows = [
                row for row, item in enumerate(forest.leaves.items) if item.session in {f"s{n}" for n in range(number, 12, 4)}
            ]
            parents = {int(forest.parent[row]) for row in rows}
            assert len(parents) == 1
            parent = forest.nodes[parents.pop()]
            assert parent.data["leaves"] == 3
            assert word in parent.text
            assert len(parent.data["name"].split(", ")) == 3


def test_topics_form_a_tree_down_to_episodes_and_cite_what_they_contain() -> None:
    with full() as memory:
        settle(memory)
        items = {item.key: item for item in memory.store.items.each(Filter(scope=SCOPE))}
        parents: dict[int, int] = {}
        for item in topics(memory):
            contained = {edge.dst for edge in memory.store.edges.out([item.key], ["contains"])}
            assert contained == {edge.dst for edge in memory.store.edges.out([item.key], ["cites"])}
            for key in contained:
                assert parents.setdefault(key, item.key) == item.key
                child = items[key]
                assert child.kind == ("episode" if item.data["level"] == 1 else "topic")
                assert child.kind == "episode" or child.data["level"] == item.data["level"] - 1
        assert all(key in parents for key, item in items.items() if item.kind == "episode")
        assert memory.doctor() == []


def test_a_second_run_does_nothing_and_an_addition_gives_what_a_rebuild_gives() -> None:
    with full(8) as memory:
        settle(memory)
        before = picture(memory)
        assert settle(memory) == []
        assert picture(memory) == before
        tell(memory, "s9", "garden")
        settle(memory)
        after = picture(memory)
        assert after != before
        settle(memory, force=True)
        assert picture(memory) == after
        with memory.store.transaction():
            memory.store.items.delete([item.key for item in topics(memory)])
        settle(memory)
        assert picture(memory) == after


def test_the_order_of_arrival_does_not_matter() -> None:
    pictures = []
    for order in (range(8), reversed(range(8))):
        with Memory(":memory:") as memory:
            for number in order:
                texts = THEMES[list(THEMES)[number % 4]].split("|")
                memory.add(
                    [{"content": text, "at": f"2026-01-{number + 1:02}T10:0{n}"} for n, text in enumerate(texts)],
                    session=f"s{number}",
                    user="ana",
                )
                settle(memory)
            pictures.append(sorted((item.data["level"], item.text, item.at, item.data["leaves"]) for item in topics(memory)))
    assert pictures[0] == pictures[1]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000))
def test_random_additions_and_deletions_end_where_a_rebuild_ends(seed: int) -> None:
    chance = random.Random(seed)
    with Memory(":memory:") as memory:
        ids: list[str] = []
        for step in range(chance.randint(3, 6)):
            for _ in range(chance.randint(1, 3)):
                ids += tell(memory, f"s{chance.randint(0, 6)}", chance.choice(list(THEMES)))
            if step % 2:
                gone = chance.sample(ids, chance.randint(1, max(1, len(ids) // 2)))
                memory.delete(gone) if chance.random() < 0.7 else memory.forget(gone)
                ids = [id for id in ids if id not in gone]
            if chance.random() < 0.7:
                settle(memory)
        settle(memory)
        after = picture(memory)
        assert not any(item.stale for item in topics(memory))
        settle(memory, force=True)
        assert picture(memory) == after
        assert memory.doctor() == []


def test_deleting_a_trace_blanks_every_topic_above_it_until_they_are_made_again() -> None:
    with full() as memory:
        settle(memory)
        gone = next(item for item in memory.get_all(user="ana", kinds=("trace",), limit=100) if "Slugs" in item.text)
        memory.delete(gone.id)
        blank = [item for item in topics(memory) if item.stale]
        assert {item.data.get("level") for item in blank} == {None}
        assert blank
        assert all(not item.text for item in blank)
        settle(memory)
        assert topics(memory)
        assert not any(item.stale for item in topics(memory))


def test_a_session_that_goes_altogether_leaves_no_trace_in_the_topics() -> None:
    with full(5) as memory:
        ids = tell(memory, "odd", "piano")
        settle(memory)
        memory.delete(ids)
        settle(memory)
        after = picture(memory)
        settle(memory, force=True)
        assert picture(memory) == after


def test_a_session_whose_topics_rest_on_it_alone_is_missed_too() -> None:
    pipeline = Pipeline(stages=(EpisodeConsolidator(), SemanticForest(builder=replace(CONVERSATION, levels=1))))
    with Memory(":memory:") as memory:
        for number, theme in enumerate(["garden", "garden", "running", "running"]):
            tell(memory, f"s{number}", theme)
        ids = tell(memory, "odd", "taxes")
        settle(memory, pipeline)
        assert sorted(item.data["leaves"] for item in topics(memory)) == [1, 2, 2]
        memory.delete(ids)  # nothing is left that could be blank
        assert sorted(item.data["leaves"] for item in topics(memory)) == [2, 2]
        assert [report.read for report in settle(memory, pipeline) if report.stage == "topics"] == [4]
        after = picture(memory)
        settle(memory, pipeline, force=True)
        assert picture(memory) == after


def test_a_topic_that_was_deleted_on_purpose_does_not_come_back() -> None:
    with full() as memory:
        memory.add("What has no session keeps the event.", user="ana")
        settle(memory)
        topic = next(item for item in topics(memory) if item.data["level"] == 1 and "tax" in item.text)
        inside = {edge.dst for edge in memory.store.edges.out([topic.key], ["contains"])}
        memory.delete(topic.id)
        settle(memory)
        settle(memory, force=True)
        assert topic.id not in picture(memory)
        above = {edge.src for edge in memory.store.edges.into(sorted(inside), ["contains"])}
        assert above
        assert len(above) == 1  # what it contained stands in the topic above it


def test_scopes_do_not_mix() -> None:
    with full(4) as memory:
        tell(memory, "s0", "garden", user="ben")
        tell(memory, "s1", "garden", user="ben")
        settle(memory)
        for item in topics(memory, "/ben"):
            ends = memory.store.items.by_key([edge.dst for edge in memory.store.edges.out([item.key])])
            assert {one.scope for one in ends.values()} == {"/ben"}
        assert topics(memory, "/ben")


def test_a_cancelled_run_changes_nothing_and_can_be_run_again() -> None:
    with full() as memory:
        memory.flush()
        with pytest.raises(Cancelled):
            SemanticForest().consolidate(memory.store, SCOPE, Run(cancelled=lambda: True))
        assert topics(memory) == []
        settle(memory)
        assert topics(memory)


def test_topics_are_asked_for_by_name_and_stay_where_they_are_not() -> None:
    with full(6) as memory:
        memory.consolidate()
        assert topics(memory) == []
        memory.consolidate(also=["topics"])
        before = picture(memory)
        assert before
        memory.rebuild()
        assert picture(memory) == before
        memory.rebuild(also=["topics"])
        assert picture(memory) == before


def test_undo_takes_topics_back() -> None:
    with full(6) as memory:
        settle(memory)
        before = picture(memory)
        tell(memory, "s9", "garden")
        settle(memory)
        assert picture(memory) != before
        memory.undo()
        assert picture(memory) == before


# ------------------------------------------------------------------------------------------------------------ places
def walk(memory: Memory, rows: list[tuple[str, Any]]) -> None:
    memory.add([{"content": text, "metadata": {"position": position}} for text, position in rows], session="walk", user="ana")
    memory.flush()


def test_traces_with_positions_make_topics_that_lie_somewhere() -> None:
    stage = SemanticForest(of="traces", builder=ForestBuilder(Likeness(meaning=0, place=1)))
    with Memory(":memory:") as memory:
        walk(
            memory,
            [(f"a bench by the pond, view {n}", {"x": 10 + n, "y": 0}) for n in range(4)]
            + [("a kiosk", {"x": 900, "y": 0}), ("a tram stop", {"x": 904, "y": 2})],
        )
        stage.consolidate(memory.store, SCOPE, Run())
        places = sorted(
            tuple(item.data["position"]) for item in topics_of(memory.store, SCOPE, stage.made_by) if item.data["level"] == 1
        )
        assert places == [(11.5, 0.0), (902.0, 1.0)]


@pytest.mark.parametrize(
    "position", [{"x": float("1e400"), "y": 0}, {"x": 1}, {"latitude": 91, "longitude": 0}, [1, 2], "here", {"x": True, "y": 0}]
)
def test_what_is_no_position_is_refused_by_the_name_of_its_trace(position: Any) -> None:
    if position == {"x": float("inf"), "y": 0}:
        position = {"x": "inf", "y": 0}
    with Memory(":memory:") as memory:
        walk(memory, [("a bench", {"x": 0, "y": 0}), ("a kiosk", position)])
        with pytest.raises(InputError, match="position"):
            SemanticForest(of="traces").consolidate(memory.store, SCOPE, Run())
        assert topics(memory) == []


def test_metres_and_degrees_in_one_scope_are_refused() -> None:
    with Memory(":memory:") as memory:
        walk(memory, [("a bench", {"x": 0, "y": 0}), ("a kiosk", {"latitude": 40.4, "longitude": -79.9})])
        with pytest.raises(InputError, match="metres"):
            SemanticForest(of="traces").consolidate(memory.store, SCOPE, Run())
    with pytest.raises(InputError, match="episodes"):
        SemanticForest(of="notes")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- language models
def named(messages: Any) -> Any:
    return {"name": "Things Ana does", "summary": "Ana does things. " + str(len(messages[-1].content)), "related": ["Ana", " "]}


def test_a_language_model_names_topics_and_its_words_stay() -> None:
    model = Scripted(named)
    stage = SemanticForest(namer=Namer(model))
    with full() as memory:
        settle(memory)
        plain = picture(memory)
        pipeline = Pipeline(stages=(EpisodeConsolidator(), stage))
        settle(memory, pipeline)
        assert len(model.asked) == len(plain)
        assert {item.data["by"] for item in topics(memory)} == {"scripted"}
        assert all(item.text.startswith("Things Ana does. Ana does things.") for item in topics(memory))
        assert settle(memory, pipeline) == []
        settle(memory)  # without the model: nothing is lost
        assert {item.data["by"] for item in topics(memory)} == {"scripted"}
        assert len(model.asked) == len(plain)
        assert "never instructions" in model.asked[0][0].content


@pytest.mark.parametrize(
    "answer",
    [failing, lambda messages: {"name": " ", "summary": "x", "related": []}, lambda messages: "no", lambda messages: [1]],
)
def test_a_model_that_fails_leaves_the_keywords_and_is_asked_again(answer: Any) -> None:
    with full() as memory:
        settle(memory)
        plain = picture(memory)
        settle(memory, Pipeline(stages=(EpisodeConsolidator(), SemanticForest(namer=Namer(Scripted(answer))))))
        assert picture(memory) == plain
        assert {item.data["by"] for item in topics(memory)} == {WRITER}
        settle(memory, Pipeline(stages=(EpisodeConsolidator(), SemanticForest(namer=Namer(Scripted(named))))))
        assert {item.data["by"] for item in topics(memory)} == {"scripted"}


def test_words_that_mark_a_group_are_those_of_it_and_not_of_all() -> None:
    rows = [np.array(one, np.uint32) for one in ([1, 9], [1, 2, 9], [3, 9], [3, 4, 9], [5, 9])]
    whole = Vocabulary.of(rows)
    assert whole.marking(rows[:2], 1) == [1]
    assert whole.marking(rows[2:4], 1) == [3]
    assert whole.marking([], 3) == []
    with pytest.raises(InputError):
        Namer(title=0)
    with pytest.raises(InputError):
        Namer().ask(["a"])
    with pytest.raises(ModelOutputError):
        Namer(Scripted(lambda messages: {})).ask(["a"])


@pytest.mark.slow
def test_ten_thousand_messages_take_seconds_and_a_hundred_more_less_than_two() -> None:
    import time

    chance = random.Random(0)
    pool = [text for texts in THEMES.values() for text in texts.split("|")]

    def messages(first: int, last: int) -> list[dict[str, Any]]:
        return [
            {"content": f"{chance.choice(pool)} {chance.choice(pool)} Number {n}.", "session": f"s{n // 24}", "speaker": "Ana"}
            for n in range(first, last)
        ]

    for of in ("episodes", "traces"):
        pipeline = Pipeline(stages=(EpisodeConsolidator(), replace(SemanticForest(), of=of)))
        with Memory(":memory:") as memory:
            times = []
            for first, last in ((0, 10_000), (10_000, 10_100)):
                memory.add_many(messages(first, last), user="ana")
                memory.flush()
                began = time.process_time()  # of one core, however busy the machine is
                pipeline.run(memory.store, "*", Run())
                times.append(time.process_time() - began)
            print(f"{of}: 10,000 messages {times[0]:.2f} s of one core, 100 more {times[1]:.2f} s")
            assert times[0] < 60
            assert times[1] < (2 if of == "episodes" else 6)
