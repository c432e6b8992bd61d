"""Export and import: the round trip is the identity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import InputError, TransferError
from lamina.records import Filter
from lamina.scopes import covers, make_scope
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import examine
from lamina.storage.transfer import export_lines, import_file
from tests.storage.exports import first, records
from tests.storage.material import (
    EVERYTHING,
    HOSTILE_SEGMENTS,
    NOW,
    add,
    add_derived,
    connect,
    derived,
    trace,
    worlds,
)


@pytest.fixture
def store(filled: SQLiteStore) -> SQLiteStore:
    return filled


# --------------------------------------------------------------------------------------------------- round trips
def test_a_round_trip_changes_nothing(store: SQLiteStore, empty: SQLiteStore) -> None:
    lines = list(export_lines(store))
    report = import_file(empty, lines)
    assert list(export_lines(empty)) == lines
    assert (report.items, report.edges, report.strengths, report.watermarks, report.artifacts) == (9, 16, 2, 1, 2)
    assert (report.vectors, report.rankers) == (7, 1)
    assert empty.rankers.each("*") == store.rankers.each("*") == [("/ana", '{"shift":{"dense":0.25}}')]
    assert (report.kept, report.mended) == (0, 0)
    assert examine(empty) == []
    assert [item.id for item in empty.items.each(EVERYTHING)] == [item.id for item in store.items.each(EVERYTHING)]
    assert len(empty.vectors.pending()) == len(store.vectors.pending()) == 1
    assert sorted(empty.artifacts.get(one.id) for one in empty.artifacts.each("*")) == [b"large content", b"small content"]
    assert [one.path is None for one in empty.artifacts.each("*")] == [True, False]


def test_saved_keys_and_values_are_in_no_export(store: SQLiteStore) -> None:
    before = list(export_lines(store))
    with store.transaction():
        store.artifacts.put(store.artifacts.each("*")[0].item, "kv/1", b"can be made again")
    assert list(export_lines(store)) == before


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_round_trip_of_any_store_is_the_identity(data: st.DataObject) -> None:
    source, target, again = SQLiteStore(None), SQLiteStore(None), SQLiteStore(None)
    data.draw(worlds(source))
    lines = list(export_lines(source))
    report = import_file(target, lines)
    assert list(export_lines(target)) == lines
    assert report.kept == 0
    kept = [target.items.get([item.id])[0] for item in source.items.each(EVERYTHING)]
    assert [(item.id, item.text, item.data, item.recorded_at) for item in kept if item] == [
        (item.id, item.text, item.data, item.recorded_at) for item in source.items.each(EVERYTHING)
    ]
    assert not import_file(target, lines).changed
    assert list(export_lines(target)) == lines
    scope = data.draw(st.sampled_from([*source.items.scopes(), "acme"]))
    part = list(export_lines(source, scope))
    import_file(again, part)
    assert list(export_lines(again, scope)) == part
    assert again.items.count(EVERYTHING) == sum(covers(scope, item.scope) for item in source.items.each(EVERYTHING))
    for one in (source, target, again):
        one.close()


def test_importing_twice_changes_nothing(store: SQLiteStore, empty: SQLiteStore) -> None:
    lines = list(export_lines(store))
    import_file(empty, lines)
    before = empty.version()
    report = import_file(empty, lines)
    assert not report.changed
    assert report.kept == len(lines) - 2
    assert empty.version() == before
    assert not import_file(store, lines).changed


def test_an_export_is_of_one_state(store: SQLiteStore) -> None:
    lines = export_lines(store)
    taken = [next(lines) for _ in range(3)]
    names = {item.text: item.key for item in store.items.each(EVERYTHING)}
    with store.transaction():
        store.items.delete(list(names.values())[2:])
        store.items.add([trace("later")])
    taken += lines
    content = records(taken)
    assert first(content, "footer")["counts"]["item"] == 9
    assert first(content, "footer")["counts"]["artifact"] == 1  # the other one's file went with its item
    import_file(SQLiteStore(None), taken)


def test_an_export_of_a_scope_has_only_links_inside_it() -> None:
    store = SQLiteStore(None)
    scopes = [make_scope(a) for a in HOSTILE_SEGMENTS]
    keys = {scope: add(store, trace("x", scope=scope), trace("y", scope=scope + "/bot")) for scope in scopes}
    for scope in scopes:
        for other in scopes:
            connect(store, keys[scope][0], keys[other][1], "links")
    for scope in scopes:
        content = records(export_lines(store, scope))
        assert {one["scope"] for one in content if one["type"] == "item"} == {scope, scope + "/bot"}
        assert first(content, "footer")["counts"]["edge"] == 1
        assert import_file(SQLiteStore(None), export_lines(store, scope)).items == 2


def test_vectors_can_be_left_out(store: SQLiteStore, empty: SQLiteStore) -> None:
    import_file(empty, export_lines(store, vectors=False))
    assert empty.vectors.spaces() == []
    assert len(empty.vectors.pending()) == 8
    assert examine(empty) == []


def test_an_import_goes_from_a_file_and_tells_how_far_it_is(store: SQLiteStore, empty: SQLiteStore, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(export_lines(store)) + "\n", encoding="utf-8")
    told: list[tuple[int, int]] = []
    import_file(empty, path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (path.stat().st_size,) * 2
    windows = tmp_path / "windows.jsonl"
    windows.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not import_file(empty, str(windows)).changed


# ------------------------------------------------------------------------------------------- into a store with content
def test_what_is_there_stays_or_is_refused(store: SQLiteStore, empty: SQLiteStore) -> None:
    lines = list(export_lines(store))
    id = first(records(lines), "item")["id"]
    add(empty, trace("mine", id=id))
    before = list(export_lines(empty))
    with pytest.raises(TransferError, match=f"line 2: the item {id}.*on_conflict='skip'"):
        import_file(empty, lines, on_conflict="error")
    assert list(export_lines(empty)) == before
    report = import_file(empty, lines)
    assert report.kept == 1
    found = empty.items.get([id])[0]
    assert found is not None
    assert found.text == "mine"
    with pytest.raises(InputError):
        import_file(empty, lines, on_conflict="overwrite")  # type: ignore[arg-type]


def test_an_origin_that_is_known_is_the_same_item(empty: SQLiteStore) -> None:
    source = SQLiteStore(None)
    key, follower = add(source, trace("theirs", origin="mail/1"), trace("next", origin="mail/2"))
    connect(source, key, follower, "next")
    (mine,) = add(empty, trace("mine", origin="mail/1"))
    lines = list(export_lines(source))
    with pytest.raises(TransferError, match="origin"):
        import_file(empty, lines, on_conflict="error")
    report = import_file(empty, lines)
    assert (report.items, report.kept, report.edges) == (1, 1, 1)
    assert [edge.src for edge in empty.edges.into([mine + 1])] == [mine]


def test_a_ranker_that_is_there_stays_and_one_that_is_none_is_refused(store: SQLiteStore, empty: SQLiteStore) -> None:
    with empty.transaction():
        empty.rankers.put("/ana", '{"mine":1}')
    assert import_file(empty, export_lines(store)).rankers == 0
    assert empty.rankers.each("*") == [("/ana", '{"mine":1}')]
    for state, scope in (("learned", "/ana"), ("{}", "no//scope/")):
        with store.transaction():
            store.rankers.put(scope, state)
        with pytest.raises(TransferError, match="line"):
            import_file(SQLiteStore(None), export_lines(store))
        with store.transaction():
            store.rankers.remove(scope)


def test_an_export_without_rankers_is_what_it_was_before_there_were_any(store: SQLiteStore) -> None:
    with store.transaction():
        store.rankers.remove("/ana")
    footer = json.loads(list(export_lines(store))[-1])
    assert set(footer["counts"]) == {"item", "edge", "strength", "watermark", "vector", "artifact"}


def test_a_scope_is_exported_with_what_was_learned_in_it_and_below(store: SQLiteStore) -> None:
    with store.transaction():
        for scope in ("/ana/bot", "/ben", "", "*"):
            store.rankers.put(scope, "{}")
    lines = [json.loads(line) for line in export_lines(store, "/ana")]
    assert [line["scope"] for line in lines if line["type"] == "ranker"] == ["/ana", "/ana/bot"]


def test_a_chain_that_went_on_is_not_forked(store: SQLiteStore, empty: SQLiteStore) -> None:
    lines = list(export_lines(store))
    import_file(empty, lines)
    chain = [item.key for item in empty.items.session_traces("/ana", "s1")]
    with empty.transaction():
        empty.items.delete(chain[1:2])
    connect(empty, chain[0], chain[2], "next")
    import_file(empty, lines)
    assert "chains" not in {finding.check for finding in examine(empty)}


def test_a_stage_goes_on_only_where_nothing_was(store: SQLiteStore, empty: SQLiteStore) -> None:
    add(empty, trace("unseen", scope="/ana/bot"))
    report = import_file(empty, export_lines(store))
    assert report.watermarks == 0
    assert empty.watermarks.get("segment", "/ana") == 0
    fresh = SQLiteStore(None)
    add(fresh, trace("elsewhere", scope="/anabel"))
    import_file(fresh, export_lines(store))
    seen = fresh.watermarks.get("segment", "/ana")
    assert fresh.items.by_key([seen])[seen].role == "event"


def test_another_active_space_stays(store: SQLiteStore, empty: SQLiteStore) -> None:
    with empty.transaction():
        mine = empty.vectors.open_space("mine/1", 2)
        empty.vectors.activate(mine)
    import_file(empty, export_lines(store))
    assert empty.vectors.active() == mine
    assert len(empty.vectors.pending()) == 8
    assert examine(empty) == []


def test_an_export_does_not_hold_the_store_in_memory(empty: SQLiteStore) -> None:
    import tracemalloc

    add(empty, *(trace(f"{number} " + "x" * 2000, at=NOW) for number in range(10_000)))
    tracemalloc.start()
    size = sum(len(line) for line in export_lines(empty))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 20_000_000
    assert peak < size / 3  # what it holds at once, 5.4 MB, does not depend on how much there is


def test_derived_items_keep_their_sources(store: SQLiteStore, empty: SQLiteStore) -> None:
    line = trace("seen", scope="/bob")
    (key,) = add(store, line)
    add_derived(store, derived("note", "inferred", [line]), [key])
    import_file(empty, export_lines(store, "/bob"))
    note = next(empty.items.each(Filter(scope="*", kinds=("note",))))
    source = empty.edges.out([note.key], ["cites"])[0].dst
    assert empty.items.by_key([source])[source].id == line.id
