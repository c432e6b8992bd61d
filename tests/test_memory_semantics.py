"""What a memory promises its caller: times, origins, corrections, echoes, chains, pages, and who waits for whom."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lamina import Memory
from lamina.errors import ClosedError, InputError, NotFoundError
from lamina.records import Filter, Run, isoformat
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import EVERYTHING, derived, episodes, everything, unsourced

TALK = [
    {"role": "user", "name": "Ana", "content": "I moved from Porto to Lisbon in March."},
    {"role": "assistant", "content": "How do you like Lisbon so far?"},
    {"role": "user", "name": "Ana", "content": "The hills of Lisbon are steep, but the light is wonderful."},
]


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock))


def chain(memory: Memory) -> list[str]:
    """The texts of the traces along the `next` edges, from the first on."""
    items = {item.key: item for item in memory.store.items.each(EVERYTHING)}
    edges = {edge.src: edge.dst for edge in memory.store.edges.out(list(items), ["next"])}
    starts = [key for key in items if key in edges and key not in edges.values()]
    texts = []
    for key in starts:
        step: int | None = key
        while step is not None:
            texts.append(items[step].text)
            step = edges.get(step)
    return texts


# ------------------------------------------------------------------------------------------------------------- times
def test_a_naive_datetime_is_in_the_configured_zone(clock: Clock) -> None:
    with Memory(":memory:", embedder=WordEmbedder(), zone="Europe/Lisbon", run=Run(clock=clock)) as memory:
        item = memory.get(memory.add("a picnic", at=datetime(2023, 7, 1, 12))[0])
    assert item is not None
    assert isoformat(item.at, item.offset) == "2023-07-01T12:00:00+01:00"


def test_precision_and_offset_are_kept(memory: Memory) -> None:
    ids = memory.add(
        [{"content": "a", "at": "2023-05"}, {"content": "b", "at": "2023-05-08T10:00:00+05:30"}, {"content": "c", "at": "2023"}]
    )
    kept = [memory.get(id) for id in ids]
    assert [(item.precision, item.offset) for item in kept if item] == [("month", 0), ("instant", 330), ("year", 0)]


def test_as_of_sees_what_was_true_then(memory: Memory) -> None:
    memory.add("Ana lives in Porto", at="2020-01-01", until="2023-03-01")
    memory.add("Ana lives in Lisbon", at="2023-03-01", until="2030-01-01")
    assert [hit.text for hit in memory.search("where does Ana live?", as_of="2021")] == ["Ana lives in Porto"]
    assert [hit.text for hit in memory.search("where does Ana live?", as_of="2024-06")] == ["Ana lives in Lisbon"]


def test_known_at_sees_what_was_known_then(memory: Memory, clock: Clock) -> None:
    id = memory.add("Ana lives in Porto")[0]
    before = clock()
    clock.advance(days=1)
    memory.update(id, "Ana lives in Lisbon")
    assert [item.text for item in memory.get_all(known_at=before)] == ["Ana lives in Porto"]
    assert [hit.text for hit in memory.search("where does Ana live?", known_at=before)] == ["Ana lives in Porto"]
    assert [item.text for item in memory.get_all()] == ["Ana lives in Lisbon"]
    assert memory.count(known_at=before - 1) == 0


def test_a_day_as_record_time_means_its_end(memory: Memory, clock: Clock) -> None:
    memory.add("noted at noon")
    assert memory.count(known_at="2026-01-01") == 1
    assert memory.count(known_at="2025-12-31") == 0


# ----------------------------------------------------------------------------------------------------------- origins
def test_an_origin_makes_a_call_repeatable(memory: Memory) -> None:
    first = memory.add(TALK, origin="chat", user="ana")
    assert memory.add(TALK, origin="chat", user="ana") == first
    assert memory.count(user="ana") == 3
    assert memory.add(TALK, origin="chat", user="ben") != first


def test_a_list_with_more_messages_under_the_same_origin_adds_only_these(memory: Memory) -> None:
    first = memory.add(TALK[:2], origin="chat", session="s")
    again = memory.add(TALK, origin="chat", session="s")
    assert again[:2] == first
    assert chain(memory) == [message["content"] for message in TALK]


def test_a_long_message_under_a_known_origin_adds_no_piece_to_the_stored_one(memory: Memory) -> None:
    first = memory.add("a " * 9000, origin="document")
    assert len(first) == 3
    again = memory.add("b " * 20000, origin="document")
    assert set(again) <= set(first)
    assert memory.count() == 3


def test_pictures_and_tool_calls_go_with_the_first_piece_of_a_long_message_only(memory: Memory) -> None:
    ids = memory.add({"content": "a " * 9000, "captions": ["a red boat"], "metadata": {"file": "x"}})
    items = [memory.get(id) for id in ids]
    assert [item.captions for item in items if item] == [["a red boat"], [], []]
    assert all(item.metadata == {"file": "x"} for item in items if item)


# ------------------------------------------------------------------------------------------------------- corrections
def test_a_correction_takes_the_place_of_the_old_and_keeps_it_in_history(memory: Memory) -> None:
    id = memory.add({"role": "user", "name": "Ana", "content": "I am 30"}, at="2023-05-08", session="s", metadata={"a": 1})[0]
    new = memory.update(id, "I am 31", metadata={"b": 2})
    item = memory.get(new)
    assert item is not None
    assert (item.text, item.speaker, item.session, item.precision, item.metadata) == (
        "I am 31",
        "Ana",
        "s",
        "day",
        {"a": 1, "b": 2},
    )
    assert [one.id for one in memory.history(id)] == [one.id for one in memory.history(new)] == [id, new]
    assert [one.id for one in memory.get_all()] == [new]


def test_a_correction_can_move_a_trace_to_another_session(memory: Memory) -> None:
    first, second = memory.add(["I live in Porto.", "I like sardines."], session="monday", user="ana")
    memory.consolidate(user="ana")
    new = memory.update(first, "I live in Braga.", session="friday")
    memory.consolidate(user="ana")
    assert [item.text for item in memory.get_all(user="ana", sessions="friday", kinds="trace")] == ["I live in Braga."]
    assert [item.id for item in memory.get_all(user="ana", sessions="monday", kinds="trace")] == [second]
    assert [item.session for item in memory.history(new)] == ["monday", "friday"]
    assert all("Porto" not in item.text for item in memory.get_all(user="ana"))
    with pytest.raises(InputError):
        memory.update(new, session="")


def test_what_was_corrected_is_not_corrected_again(memory: Memory) -> None:
    id = memory.add("one")[0]
    memory.update(id, "two")
    with pytest.raises(InputError, match="newest version"):
        memory.update(id, "three")
    assert memory.count() == 1


def test_deleting_the_newest_version_revives_the_one_before(memory: Memory) -> None:
    first = memory.add("one")[0]
    second = memory.update(first, "two")
    third = memory.update(second, "three")
    memory.delete(third)
    assert [item.id for item in memory.get_all()] == [second]
    assert [item.role for item in memory.history(second)] == [None, None, "event"]


def test_deleting_a_version_in_the_middle_revives_nothing(memory: Memory) -> None:
    first = memory.add("one")[0]
    second = memory.update(first, "two")
    third = memory.update(second, "three")
    memory.delete(second)
    assert [item.id for item in memory.get_all()] == [third]
    assert [item.id for item in memory.history(third)] == [first, third]
    memory.delete(third)
    assert [item.id for item in memory.get_all()] == [first]


def test_only_traces_are_corrected(memory: Memory) -> None:
    memory.add(TALK, session="s")
    memory.consolidate()
    with pytest.raises(InputError, match="only traces"):
        memory.update(next(iter(derived(memory))), "something else")
    with pytest.raises(NotFoundError, match="nobody"):
        memory.update("nobody", "x")


# --------------------------------------------------------------------------------------------- forgetting, deleting
def test_what_is_forgotten_is_hidden_with_what_rests_on_it_and_comes_back(memory: Memory) -> None:
    ids = memory.add(TALK, session="s")
    memory.consolidate()
    before = episodes(memory)
    assert memory.forget(ids[2], reason="private") == 1
    assert memory.forget(ids[2]) == 0
    assert not any(hit.id == ids[2] for hit in memory.search("steep hills of Lisbon"))
    assert episodes(memory) == {}
    memory.consolidate()
    assert not any("hills" in shown[0] for shown in episodes(memory).values())
    assert memory.restore(ids[2]) == 1
    memory.consolidate()
    assert episodes(memory) == before
    assert memory.search("steep hills of Lisbon")[0].id == ids[2]


def test_a_deleted_derived_item_is_not_derived_again(memory: Memory) -> None:
    memory.add(TALK, session="s")
    memory.consolidate()
    (episode,) = episodes(memory)
    memory.delete(episode)
    memory.consolidate()
    assert episodes(memory) == {}
    memory.rebuild()
    assert episodes(memory) == {}
    memory.add("We bought a piano.", session="s")
    memory.consolidate()
    assert episode not in episodes(memory)


def test_deleting_the_only_trace_of_an_episode_has_the_rest_of_the_session_looked_at_again(memory: Memory) -> None:
    ids = []
    for day, topic in enumerate(["the roof leaks rain again", "violin lessons with the teacher", "a train ticket to Porto"] * 2):
        ids += memory.add([f"{topic} {n}" for n in range(day % 3 + 1)], session="s", at=f"2023-05-{day + 1:02d}")
    for id in ids:
        memory.consolidate()
        memory.delete(id)
        memory.consolidate()
        left = derived(memory)
        memory.rebuild()
        assert derived(memory) == left
    assert everything(memory) == {}


def test_an_id_given_twice_counts_once(memory: Memory) -> None:
    id = memory.add("one")[0]
    assert memory.forget([id, id]) == 1
    assert memory.restore([id, id]) == 1
    assert memory.delete([id, id]) == 1


def test_a_deletion_that_names_an_unknown_id_deletes_nothing(memory: Memory) -> None:
    id = memory.add("one")[0]
    with pytest.raises(NotFoundError, match="nobody"):
        memory.delete([id, "nobody"])
    assert memory.get(id) is not None


def test_delete_all_needs_a_scope_and_takes_only_that(memory: Memory) -> None:
    for user in ("ana", "ana2", "ben"):
        memory.add(TALK, user=user, session="s")
    memory.add("nobody's")
    memory.consolidate()
    with pytest.raises(InputError, match="needs a scope"):
        memory.delete_all()
    with pytest.raises(InputError, match="there is no argument 'sessions' here"):
        memory.delete_all(user="ana", sessions=["s"])  # type: ignore[call-arg]
    memory.delete_all(user="ana")
    assert {item.scope for item in everything(memory).values()} == {"", "/ana2", "/ben"}
    assert unsourced(memory) == []
    memory.delete_all(scope="*")
    assert everything(memory) == {}


@pytest.mark.parametrize("gone", [[0], [4], [1, 2], [0, 1, 3], [1, 3], [0, 1, 2, 3]])
def test_the_chain_of_a_session_leads_around_what_is_deleted(memory: Memory, gone: list[int]) -> None:
    ids = memory.add([f"line {number}" for number in range(5)], session="s")
    memory.add("elsewhere", session="t")
    memory.delete([ids[number] for number in gone])
    memory.add("line 5", session="s")
    assert chain(memory) == [f"line {number}" for number in range(6) if number not in gone]
    assert memory.doctor() == []


# ------------------------------------------------------------------------------------------------------------ echoes
def test_recalled_text_that_an_assistant_says_again_is_an_echo(memory: Memory) -> None:
    original = memory.add(TALK[0], session="s")[0]
    memory.search("where does Ana live?")
    echo = memory.add({"role": "assistant", "content": "Ana: I moved from Porto to Lisbon in March!"}, session="t")[0]
    item, source = memory.get(echo), memory.get(original)
    assert item is not None
    assert source is not None
    assert [(edge.kind, edge.dst) for edge in memory.store.edges.out([item.key], ["echo_of"])] == [("echo_of", source.key)]
    memory.consolidate()
    assert all(echo not in shown[4] for shown in derived(memory).values())
    hits = [hit.id for hit in memory.search("moved from Porto to Lisbon")]
    assert hits.index(original) < hits.index(echo)


def test_what_a_user_says_again_is_a_trace_like_any_other(memory: Memory) -> None:
    memory.add(["yes", "no"], role="user", session="s")
    memory.search("yes")
    text = "I moved from Porto to Lisbon in March."
    memory.add(text, role="user", session="s")
    memory.search(text)
    for id in memory.add(["yes", text], role="user", session="s"):
        item = memory.get(id)
        assert item is not None
        assert "echo" not in item.data
    memory.consolidate()
    assert sum(len(shown[4]) for shown in episodes(memory).values()) == 5


def test_a_packed_recall_that_comes_back_is_recognised_with_all_it_quotes(memory: Memory) -> None:
    ids = memory.add([*TALK, "A note\nof two lines, about Lisbon and its hills."], session="s")
    recall = memory.context("Lisbon", budget=500)
    assert len(recall.hits) == 4
    for role in ("user", "assistant"):
        echo = memory.get(memory.add(f"Given this:\n{recall.text}\nwhat now?", role=role, session="t")[0])
        assert echo is not None
        originals = [edge.dst for edge in memory.store.edges.out([echo.key], ["echo_of"])]
        assert {item.id for item in memory.store.items.by_key(originals).values()} == set(ids)


def test_an_echo_can_be_declared(memory: Memory) -> None:
    original = memory.add("The kettle is blue.")[0]
    echo = memory.get(memory.add("Her kettle is blue.", echo_of=[original])[0])
    assert echo is not None
    assert echo.data["echo"] is True


# ----------------------------------------------------------------------------------------------------- pages, zooming
def test_pages_lead_through_everything_once_in_each_order(memory: Memory) -> None:
    memory.add_many([{"content": f"line {number}", "at": f"2023-01-{number % 28 + 1:02d}"} for number in range(250)], batch=100)
    for order in ("recorded", "-recorded", "at", "-at"):
        seen, cursor = [], None
        while True:
            page = memory.get_all(limit=33, cursor=cursor, order=order)  # type: ignore[arg-type]
            seen += page.items
            cursor = page.cursor
            if cursor is None:
                break
        assert len({item.id for item in seen}) == len(seen) == 250
        value = [item.key if "recorded" in order else item.at for item in seen]
        assert value == sorted(value, reverse=order.startswith("-"))


def test_zoom_goes_from_an_episode_to_its_traces_and_back(memory: Memory) -> None:
    ids = memory.add(TALK, session="s")
    memory.consolidate()
    (episode,) = episodes(memory)
    assert [item.id for item in memory.zoom(episode)] == ids
    assert [item.id for item in memory.zoom(ids[0], "out") if item.kind == "episode"] == [episode]
    memory.forget(ids[0])
    memory.consolidate()
    assert memory.zoom(ids[0], "out") == []


def test_filters_narrow_a_recall(memory: Memory) -> None:
    memory.add(TALK, session="s", place="Lisbon", metadata={"stars": 3})
    memory.add("Ben lives in Porto", session="t", speaker="Ben", at="2020")
    assert memory.count(sessions="s") == 3
    assert memory.count(speakers=["Ana", "Ben"]) == 3
    assert memory.count(places="Lisbon", roles=["assistant"]) == 1
    assert memory.count(before="2021") == 1
    assert memory.count(since="2021", metadata={"stars": {"gte": 3}}) == 3
    assert memory.count(where=Filter(sessions=("t",)), speakers="Ben") == 1


# ---------------------------------------------------------------------------------------------------- who waits for whom
def test_add_never_waits_for_a_slow_embedder(tmp_path: Path) -> None:
    embedder = WordEmbedder(instant=False, seconds=1.0)
    with Memory(tmp_path / "a.db", embedder=embedder) as memory:
        memory.add("first")
        assert embedder.called.wait(10)
        slowest = 0.0
        for number in range(10):
            began = time.perf_counter()
            memory.add(f"line {number}")
            slowest = max(slowest, time.perf_counter() - began)
        assert slowest < 0.05
        assert memory.flush() >= 0


def test_reports_of_progress_go_through_add_many(memory: Memory) -> None:
    seen: list[int] = []
    assert memory.add_many((f"line {number}" for number in range(25)), batch=10, progress=seen.append) == 25
    assert seen == [10, 20, 25]


# ------------------------------------------------------------------------------------------------------------ conduct
def test_logs_at_info_and_above_never_show_what_is_remembered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    word = "xylocarp"
    caplog.set_level(logging.INFO, "lamina")
    embedder = WordEmbedder()
    embedder.broken = ValueError(f"cannot embed 'a {word}'")
    with Memory(tmp_path / "a.db", embedder=embedder) as memory:
        ids = memory.add([f"a {word}", f"another {word} indeed it was"], session=word, metadata={"a": word})
        memory.search(word)
        time.sleep(0.4)  # the background thread fails as well
        embedder.broken = None
        memory.consolidate()
        memory.forget(ids[0], reason=word)
        memory.update(ids[1], f"the last {word}")
        memory.delete(ids)
        memory.scrub()
        memory.export(tmp_path / "b.jsonl")
        embedder.broken = ValueError(word)
        memory.add(word)
    assert "lamina" in {record.name.split(".")[0] for record in caplog.records}
    assert word not in caplog.text


@pytest.mark.parametrize("name", ["a.db", "a.db-wal", "a.db-shm", "b.jsonl", "c.db"])
def test_files_are_the_owners_alone(tmp_path: Path, name: str) -> None:
    with Memory(tmp_path / "a.db", embedder=WordEmbedder()) as memory:
        memory.add("hello there")
        memory.export(tmp_path / "b.jsonl")
        memory.backup(tmp_path / "c.db")
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_close_is_done_once_and_everything_after_it_says_so(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db", embedder=WordEmbedder()) as memory:
        id = memory.add("hello")[0]
    memory.close()
    for call in (
        lambda: memory.add("x"),
        lambda: memory.search("x"),
        lambda: memory.get(id),
        lambda: memory.delete(id),
        lambda: memory.consolidate(),
        lambda: memory.flush(),
        lambda: memory.scrub(),
        lambda: memory.export(tmp_path / "x.jsonl"),
    ):
        with pytest.raises(ClosedError, match="was closed"):
            call()
    assert not (tmp_path / "x.jsonl").exists()
    assert not list(tmp_path.glob("*.part"))


def test_what_waits_for_a_vector_gets_it_on_closing(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db", embedder=WordEmbedder()) as memory:
        memory.add("hello")
    with Memory(tmp_path / "a.db", embedder=WordEmbedder()) as memory:
        assert memory.stats()["pending_embeddings"] == 0


def test_a_policy_forgets_in_its_scope_and_spares_what_is_still_to_come(memory: Memory, clock: Clock) -> None:
    from lamina.episodic.forgetting import EbbinghausForgetting

    memory.add(["We had soup.", "The dentist is on 12 December."], user="ana")
    memory.add("We had bread.", user="ben")
    clock.advance(days=200)
    forgotten = memory.forget(policy=EbbinghausForgetting(), user="ana")
    assert forgotten <= 1
    assert [item.text for item in memory.get_all(user="ben")] == ["We had bread."]
    assert "The dentist is on 12 December." in [item.text for item in memory.get_all(user="ana")]


def test_times_of_a_trace_are_those_of_the_clock(memory: Memory, clock: Clock) -> None:
    item = memory.get(memory.add("now")[0])
    assert item is not None
    assert (item.at, item.recorded_at) == (clock(), clock())
    assert isoformat(clock() + int(timedelta(days=1) / timedelta(microseconds=1))).startswith("2026-01-02")
