"""Recall as a whole: what must be found, and what must never be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import ConfigError, InputError
from lamina.index.approximate import UsearchIndex
from lamina.recall.cue import MAX_CUE
from lamina.records import Filter, Run
from lamina.times import DAY
from tests.conftest import Clock


@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        yield one


def texts(hits: Any) -> list[str]:
    return [hit.text for hit in hits]


# ----------------------------------------------------------------------------------------------------- filters
@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({"metadata": {"project": "x"}}, {"metadata": {"project": "x"}}),
        ({"session": "s"}, {"sessions": ["s"]}),
        ({"speaker": "Zoe"}, {"speakers": ["Zoe"]}),
        ({"place": "Porto"}, {"places": "Porto"}),
        ({"role": "tool"}, {"roles": ["tool"]}),
        ({"at": "1999-05-05"}, {"before": "2000"}),
        ({"user": "zoe"}, {"user": "zoe"}),
    ],
)
@pytest.mark.parametrize("cue", ["the boat in the harbour", "nothing of the kind"])
def test_one_that_matches_is_found_among_a_thousand_that_do_not(
    memory: Memory, fields: dict[str, Any], condition: dict[str, Any], cue: str
) -> None:
    """The filter holds before the best are chosen: all the others answer the cue better."""
    same = {"user": "ben"} if "user" in fields else {}
    memory.add_many(({"content": f"The boat in the harbour, number {number}."} for number in range(1000)), **same)
    memory.add("A kettle.", **fields)
    assert texts(memory.search(cue, k=3, **condition)) == ["A kettle."]


def test_k_is_the_most(memory: Memory) -> None:
    memory.add([f"Boat number {number}" for number in range(300)])
    for k in (1, 10, 250, 1000):
        hits = memory.search("boat", k=k)
        assert len(hits) == min(k, 300)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert len({hit.id for hit in hits}) == len(hits)


def test_reasons_sum_to_the_score(memory: Memory) -> None:
    memory.add([{"content": f"Boat {n} sails in May?", "role": "assistant", "speaker": "Ana"} for n in range(20)])
    hits = memory.search("When does Ana sail boat 3 in May?")
    memory.add("Boat 3 sails in May?", role="assistant")
    for hit in [*hits, *memory.search("When does Ana sail boat 3 in May?", k=30)]:
        assert sum(reason.contribution for reason in hit.reasons) == pytest.approx(hit.score, abs=1e-4)
        assert hit.sources == (hit.id,)


# ------------------------------------------------------------------------------------------------ hostile cues
@pytest.mark.parametrize("cue", ["", "  ", "a\0", "\ud800"])
def test_what_is_no_cue_is_refused(memory: Memory, cue: str) -> None:
    memory.add("A boat.")
    with pytest.raises(InputError, match="the cue"):
        memory.search(cue)


@pytest.mark.parametrize(
    "cue", ["🙂", "of the", "?", "Ana", "東京", "'; DROP TABLE item; --", "NEAR(", "* OR *", "boat " * 100_000]
)
def test_any_other_cue_is_answered(memory: Memory, cue: str) -> None:
    assert memory.search(cue) == []
    memory.add("A boat in 東京.", speaker="Ana")
    assert len(memory.search(cue)) <= 1


def test_a_huge_cue_is_embedded_in_part(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.add("A boat.")
    memory.flush()
    seen: list[str] = []
    real = memory._recaller._embedder()

    class Watched:
        def embed(self, texts: list[str], kind: Any = "document") -> Any:
            seen.extend(texts)
            return real.embed(texts, kind)

    monkeypatch.setattr(memory._recaller, "_embedder", Watched)
    memory.search("boat " * 1_000_000)
    assert [len(text) for text in seen] == [MAX_CUE]


def test_bad_arguments_are_refused(memory: Memory) -> None:
    memory.add("A boat.")
    memory.flush()
    for arguments in ({"k": 0}, {"vector": [1.0]}, {"vector": [float("nan")] * 256}, {"kinds": ["boat"]}):
        with pytest.raises(InputError):
            memory.search("boat", **arguments)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------- echoes, deletion, forgetting
def test_an_echo_ranks_below_its_original(memory: Memory) -> None:
    """Also where the echo stands in the better place: right after the question that is asked again."""
    memory.add("Ana moved from Porto to Lisbon in March.", speaker="Ana", session="1")
    memory.add("Ben stayed at home with his seven cats.", speaker="Ben", session="1")
    original = memory.search("where did Ana move in March?")[0]
    memory.add("Where did Ana move in March? Porto? Lisbon?", role="user", session="2")
    memory.add(original.text, role="assistant", speaker="Ana", session="2")
    hits = [hit for hit in memory.search("where did Ana move in March?") if hit.text == original.text]
    assert [hit.id for hit in hits].index(original.id) == 0
    assert hits[1].item.data["echo"]
    assert "echo" in {reason.feature for reason in hits[1].reasons}
    assert hits[1].score < hits[0].score
    assert sum(reason.contribution for reason in hits[1].reasons) == pytest.approx(hits[1].score, abs=1e-4)


def test_what_was_deleted_or_forgotten_is_not_returned_and_comes_back_when_restored(memory: Memory) -> None:
    ids = memory.add([f"Boat number {number}" for number in range(6)])
    memory.search("boat")
    memory.delete(ids[0])
    memory.forget(ids[1])
    assert {hit.id for hit in memory.search("boat")} == set(ids[2:])
    assert {hit.id for hit in memory.search("boat", where=Filter(forgotten=True))} == set(ids[1:])
    memory.restore(ids[1])
    assert {hit.id for hit in memory.search("boat")} == set(ids[1:])


@pytest.mark.parametrize("what", ["delete", "forget", "update"])
def test_the_store_has_the_last_word_where_the_view_is_behind(memory: Memory, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    ids = memory.add([f"Boat number {number}" for number in range(6)])
    view = memory._views.get("")
    monkeypatch.setattr(view, "refresh", lambda: view)
    getattr(memory, what)(ids[0], *(["Kettle"] if what == "update" else []))
    assert {hit.id for hit in memory.search("boat")} == set(ids[1:])


def test_containers_are_returned_only_when_asked_for(memory: Memory) -> None:
    memory.add([{"content": f"The regatta of boat {n} begins at noon.", "speaker": "Ana"} for n in range(12)], session="s")
    memory.consolidate()
    memory.flush()
    assert {hit.kind for hit in memory.search("regatta boat", k=50)} == {"trace"}
    episodes = memory.search("regatta boat", kinds=["episode"])
    assert {hit.kind for hit in episodes} == {"episode"}
    assert sorted(source for hit in episodes for source in hit.sources) == sorted(
        item.id for item in memory.get_all(kinds=["trace"])
    )
    assert {hit.kind for hit in memory.search("regatta boat", k=50, kinds=["episode", "trace"])} == {"episode", "trace"}


# ------------------------------------------------------------------------------------------------ time travel
def test_what_was_known_then_is_recalled_as_it_was(memory: Memory, clock: Clock) -> None:
    began = clock.now
    (old,) = memory.add("The boat is blue.")
    clock.advance(days=1)
    between = clock.now
    clock.advance(days=1)
    new = memory.update(old, "The boat is green.")
    clock.advance(days=1)
    later = memory.add("The boat is sold.")[0]
    assert {hit.id for hit in memory.search("boat")} == {new, later}
    assert {hit.id for hit in memory.search("boat", known_at=between)} == {old}
    assert memory.search("boat", known_at=began - 1) == []
    assert {hit.id for hit in memory.search("boat", known_at=clock.now)} == {new, later}
    newest = memory.update(new, "The boat is red.")
    assert {hit.id for hit in memory.search("boat")} == {newest, later}
    assert {hit.id for hit in memory.search("boat", where=Filter(retired=True))} == {old, new, newest, later}


def test_what_was_true_then_is_recalled(memory: Memory) -> None:
    memory.add("Ana rents a boat.", at="2026-02-01", until="2026-04-01")
    memory.add("Ana owns a boat.", at="2026-04-01")
    assert texts(memory.search("boat", as_of="2026-01")) == []
    assert texts(memory.search("boat", as_of="2026-03-10")) == ["Ana rents a boat."]
    assert texts(memory.search("boat", as_of="2026-05-01")) == ["Ana owns a boat."]


def test_a_stretch_the_cue_names_is_seen_from_the_time_asked_about(memory: Memory, clock: Clock) -> None:
    ids = memory.add([{"content": f"Log {n}", "at": clock.now - 400 * DAY + n * DAY} for n in range(400)])
    found = {hit.id for hit in memory.search("what was there yesterday?", k=400, as_of="2025-06-15")}
    assert memory.get(ids[0]) is not None
    day = [item.id for item in memory.get_all(since="2025-06-14", before="2025-06-15", limit=10)]
    assert set(day) <= found
    assert len(day) == 1


# ------------------------------------------------------------------------------------------------ the graph
def test_a_graph_answers_as_exact_search_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("usearch")
    monkeypatch.setenv("LAMINA_INDEX", "usearch")
    answers = []
    for crossover in (None, 1):
        with Memory(":memory:", run=Run(clock=Clock(1_767_268_800_000_000))) as memory:
            if crossover is not None:
                memory._views._make_index = lambda dim: UsearchIndex(dim, crossover=1)
            ids = memory.add_many({"content": f"The {noun} is {colour}.", "session": noun, "origin": f"{noun} {colour}"} for noun in ("boat", "kettle", "house", "car") for colour in ("blue", "red", "green", "white", "old"))  # fmt: skip
            assert ids == 20
            memory.flush()
            memory.forget(memory.store.items.by_origin("", "boat red").id)  # type: ignore[union-attr]
            hits = [*memory.search("which colour has the boat?", k=5), *memory.search("a crimson automobile", k=5)]
            hits += memory.search("the colour of the house", k=3, sessions=["car", "kettle"])
            assert memory._views.get("").flat.approximate == (crossover == 1)
            answers.append([(hit.text, round(hit.score, 3)) for hit in hits])
    assert answers[0] == answers[1]


def test_another_kind_of_index_is_refused() -> None:
    with pytest.raises(ConfigError, match="'auto' or 'exact' or 'hnsw'"):
        Memory(":memory:", index="annoy")


# ------------------------------------------------------------------------------------------------ all together
actions = st.lists(st.tuples(st.sampled_from(("add", "delete", "forget", "restore", "update", "consolidate")), st.integers(0, 9)), max_size=14)  # fmt: skip


@given(actions)
def test_recall_shows_the_visible_traces_and_nothing_else(steps: list[tuple[str, int]]) -> None:
    clock, numbers = Clock(1_767_268_800_000_000), itertools.count()
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        shown, hidden, older = set[str](), set[str](), dict[str, str]()
        for what, number in steps:
            clock.advance(days=1)
            some = sorted(hidden if what == "restore" else shown)
            one = some[number % len(some)] if some else None
            if what == "add":
                shown |= set(memory.add([f"boat {next(numbers)} at sea" for _ in range(number + 1)], session=f"s{number % 2}"))
            elif what == "consolidate":
                memory.consolidate()
            elif one is not None and what == "update":
                new = memory.update(one, f"boat {next(numbers)} in port")
                shown ^= {one, new}
                older[new] = one
            elif one is not None:
                getattr(memory, what)(one)
                if what == "delete":
                    shown.discard(one)
                    shown |= {older.pop(one)} if one in older else set()  # the older version holds again
                else:
                    shown ^= {one}
                    hidden ^= {one}
        assert {hit.id for hit in memory.search("boat", k=1000)} == shown
        assert {item.id for item in memory.get_all(kinds=["trace"], limit=1000)} == shown
