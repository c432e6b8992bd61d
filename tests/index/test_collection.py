"""Ids over every kind of index: who is there, what is found among what, files, mending, and searching while another thread writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import (
    Cancelled,
    CorruptStoreError,
    EmbedderMismatchError,
    InputError,
    LaminaError,
    NotFoundError,
    StateError,
    VectorError,
)
from lamina.index.collection import PART, Collection, Match
from lamina.index.flat import FlatIndex
from lamina.index.kinds import KINDS, empty_like, kind_of, make_index
from lamina.index.lsh import MultiProbeLSH
from lamina.index.names import SlotNames
from lamina.records import Run
from tests.index.conformance import DIM, vectors

OPTIONS: dict[str, dict[str, Any]] = {
    "exact": {},
    "lsh": {"buckets": 8, "probes": 8, "centre": np.full(DIM, 0.1, np.float32)},
    "usearch": {"crossover": 20},
    "hnsw": {"ef": 200},
}
Maker = Callable[[], Collection]


@pytest.fixture(params=sorted(OPTIONS))
def make(request: pytest.FixtureRequest) -> Maker:
    pytest.importorskip({"usearch": "usearch", "hnsw": "numba"}.get(request.param, "numpy"))
    return lambda: Collection(make_index(request.param, DIM, **OPTIONS[request.param]))


def names(count: int, prefix: str = "id") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def best(rows: dict[str, Any], query: Any, k: int) -> list[str]:
    return sorted(rows, key=lambda id: -float(rows[id] @ query))[:k]


def agrees(collection: Collection, rows: dict[str, Any], k: int = 5, among: Any = None, allowed: set[str] | None = None) -> None:
    assert len(collection) == len(rows)
    assert sorted(collection) == sorted(rows)
    asked = vectors(5, seed=50)
    within = {id: row for id, row in rows.items() if allowed is None or id in allowed}
    for query, found in zip(asked, collection.search(asked, k, among=among), strict=True):
        assert [match.id for match in found] == best(within, query, k)
        assert np.allclose([match.score for match in found], [rows[match.id] @ query for match in found], atol=1e-4)
    if rows:
        assert np.allclose(collection.get(list(rows)), np.stack(list(rows.values())))


def test_adding_replacing_and_deleting(make: Maker) -> None:
    collection, rows = make(), dict(zip(names(60), vectors(60), strict=True))
    collection.add(list(rows), np.stack(list(rows.values())))
    agrees(collection, rows)
    collection.upsert(["id3", "new"], vectors(2, seed=2))
    rows.update(zip(["id3", "new"], vectors(2, seed=2), strict=True))
    agrees(collection, rows)
    assert collection.delete(["id5", "id6", "id5"]) == 2
    del rows["id5"], rows["id6"]
    agrees(collection, rows)
    assert "id5" not in collection
    collection.add(["id6", "more", "most"], vectors(3, seed=3))
    rows.update(zip(["id6", "more", "most"], vectors(3, seed=3), strict=True))
    agrees(collection, rows)
    assert len(collection.index.present) == 62  # the slots of what was deleted are used again


def test_what_is_there_already_is_refused_and_nothing_added(make: Maker) -> None:
    collection = make()
    collection.add(["a", "b"], vectors(2))
    with pytest.raises(InputError, match="'b' is there already"):
        collection.add(["c", "b"], vectors(2, seed=1))
    with pytest.raises(InputError, match="'c' is named twice"):
        collection.add(["c", "c"], vectors(2, seed=1))
    with pytest.raises(NotFoundError, match="no id 'x'"):
        collection.delete(["a", "x"])
    with pytest.raises(NotFoundError, match="no id 'x'"):
        collection.get(["x"])
    agrees(collection, dict(zip("ab", vectors(2), strict=True)))
    assert collection.delete(["x", "a", "y"], missing_ok=True) == 1
    collection.upsert(["b", "b"], vectors(2, seed=4))
    agrees(collection, {"b": vectors(2, seed=4)[1]})


@pytest.mark.parametrize("ids", ["ab", [""], [None], [3], ["\ud800"], ["x" * 5000], ["a", "b", "c"]])
def test_ids_that_are_none_are_refused(ids: Any) -> None:
    collection = Collection(FlatIndex(DIM))
    with pytest.raises(InputError):
        collection.add(ids, vectors(1 if len(ids) == 1 else 2))
    assert len(collection) == 0


def test_vectors_that_are_none_are_refused(make: Maker) -> None:
    collection = make()
    bad = vectors(2)
    bad[1, 0] = np.nan
    for wrong in (bad, vectors(3), np.zeros((2, DIM + 1)), np.zeros(DIM)):
        with pytest.raises(VectorError):
            collection.add(["a", "b"], wrong)
    with pytest.raises(VectorError, match="query 1 has NaN"):
        collection.search(bad)
    with pytest.raises(VectorError, match="queries of 8 dimensions"):
        collection.search(bad[0])
    with pytest.raises(InputError, match="k must be at least 1"):
        collection.search(vectors(1), 0)
    agrees(collection, {})


def test_cosines_are_of_any_length_and_not_of_zero() -> None:
    collection = Collection(FlatIndex(DIM), metric="cosine")
    rows = vectors(20) * np.geomspace(1e-3, 1e3, 20, dtype=np.float32)[:, None]
    collection.add(names(20), rows)
    query = vectors(1, seed=9)
    cosines = (rows @ query[0]) / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    found = collection.search(query, 20)[0]
    assert [match.id for match in found] == [f"id{slot}" for slot in np.argsort(-cosines)]
    assert np.allclose([match.score for match in found], np.sort(cosines)[::-1], atol=1e-5)
    with pytest.raises(VectorError, match="vector 1 is zero"):
        collection.add(["x", "y"], np.vstack([rows[:1], np.zeros((1, DIM), np.float32)]))
    with pytest.raises(VectorError, match="query 0 is zero"):
        collection.search(np.zeros((1, DIM), np.float32))
    assert len(collection) == 20


def test_an_index_that_compares_otherwise_is_refused() -> None:
    with pytest.raises(InputError, match="compares by inner products"):
        Collection(FlatIndex(DIM), metric="l2")
    with pytest.raises(InputError, match="metric must be"):
        Collection(FlatIndex(DIM), metric="hamming")
    index = FlatIndex(DIM)
    index.add(np.arange(3), vectors(3))
    with pytest.raises(InputError, match="3 vectors of which no ids are known"):
        Collection(index)
    agrees(Collection(index, names=SlotNames(["a", "b", "c"])), dict(zip("abc", vectors(3), strict=True)))


# --------------------------------------------------------------------------------------------------------------- among what
def test_searching_among_some(make: Maker) -> None:
    collection, rows = make(), dict(zip(names(90), vectors(90), strict=True))
    collection.add(list(rows), np.stack(list(rows.values())))
    some = {id for id in rows if id.endswith("7")}
    agrees(collection, rows, among=[*some, "not there"], allowed=some)
    agrees(collection, rows, among=iter(some), allowed=some)
    agrees(collection, rows, among=some.__contains__, allowed=some)
    mask = np.zeros(90, np.bool_)
    mask[collection.slots(sorted(some))] = True
    agrees(collection, rows, among=mask, allowed=some)
    agrees(collection, rows, among=[], allowed=set())
    for wrong in ("id7", np.zeros(90), np.zeros((2, 90), np.bool_)):
        with pytest.raises(InputError):
            collection.search(vectors(1), among=wrong)


def test_a_function_is_asked_once_for_each_id_and_its_answer_kept() -> None:
    collection = Collection(FlatIndex(DIM))
    collection.add(names(50), vectors(50))
    asked: list[str] = []

    def even(id: str) -> bool:
        asked.append(id)
        return int(id[2:]) % 2 == 0

    selection = collection.select(even)
    assert len(selection) == 25
    for _ in range(3):
        assert all(int(match.id[2:]) % 2 == 0 for row in collection.search(vectors(4), among=selection) for match in row)
    assert sorted(asked) == sorted(names(50))


def test_a_selection_is_refused_once_its_slots_belong_to_others() -> None:
    collection = Collection(FlatIndex(DIM))
    collection.add(names(10), vectors(10))
    selection = collection.select(["id1", "id2"])
    collection.delete(["id1"])
    collection.add(["z"], vectors(1, seed=3), overwrite=True)  # takes the slot of id1
    with pytest.raises(StateError, match="select anew"):
        collection.search(vectors(1), among=selection)
    collection.delete(["id2"])
    selection = collection.select(["id3"])
    collection.compact()
    with pytest.raises(StateError):
        collection.search(vectors(1), among=selection)


def test_an_option_that_a_search_does_not_have_is_refused(make: Maker) -> None:
    collection = make()
    collection.add(names(3), vectors(3))
    with pytest.raises(InputError, match="has no 'width'"):
        collection.search(vectors(1), width=3)


def test_near_leaves_out_what_it_is_asked_of(make: Maker) -> None:
    collection = make()
    collection.add(names(40), vectors(40))
    for id, found in zip(["id3", "id9"], collection.near(["id3", "id9"], 4), strict=True):
        assert len(found) == 4
        assert id not in {match.id for match in found}
    assert isinstance(found[0], Match)
    with pytest.raises(NotFoundError):
        collection.near(["nobody"])


# -------------------------------------------------------------------------------------------------------- long work, threads
def test_progress_is_told_and_what_was_added_before_a_cancel_stays(make: Maker) -> None:
    collection, heard = make(), []
    count = 2 * PART + 5
    rows = np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32)
    run = Run(progress=lambda stage, done, total: heard.append((done, total)), cancelled=lambda: len(heard) >= 2)
    if collection.kind == "hnsw":
        count = 2_000  # it reports by itself
        rows = rows[:count]
    with pytest.raises(Cancelled):
        collection.add(names(count), rows, run=run)
    if collection.kind != "hnsw":
        assert heard == [(PART, count), (2 * PART, count)]
    assert len(collection) == len(collection.index) == heard[-1][0]
    assert collection.verify() == []
    collection.upsert(names(count), rows)
    assert len(collection) == count
    assert len(collection.index.present) == count


def test_searches_go_on_while_another_thread_writes(make: Maker) -> None:
    """Whatever is returned was there under that id at some time, with the score of its vector."""
    collection = make()
    rows = vectors(400)
    collection.add(names(200), rows[:200])
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                for found in collection.search(rows[:3], 5):
                    for match in found:
                        number = int(match.id[2:])
                        if not np.isclose(
                            match.score, max(rows[:3] @ rows[number], key=lambda one: -abs(one - match.score)), atol=1e-4
                        ):
                            wrong.append(match.id)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test fails
                wrong.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(30):
            ids = names(400)[200 + turn : 230 + turn]
            collection.upsert(ids, rows[200 + turn : 230 + turn])
            collection.delete(ids[:10])
            if turn % 10 == 9:
                collection.compact()
    finally:
        done.set()
        reader.join()
    assert wrong == []
    assert collection.verify() == []


# -------------------------------------------------------------------------------------------------------------------- files
def test_a_saved_collection_is_the_same_when_opened(make: Maker, tmp_path: Path) -> None:
    collection = make()
    ids = [*names(70), "ünïcode", "with\nline", "0"]
    collection.add(ids, vectors(73))
    collection.delete(["id4", "id44"])
    collection.save(tmp_path / "some" / "where")
    collection.save(tmp_path / "some" / "where")
    assert sorted(one.name for one in (tmp_path / "some" / "where").iterdir()) == ["ids-2", "index-2"]
    assert (tmp_path / "some" / "where").stat().st_mode & 0o777 == 0o700
    other = Collection.open(tmp_path / "some" / "where")
    assert (other.kind, other.metric, list(other)) == (collection.kind, collection.metric, list(collection))
    assert other.search(vectors(5, seed=8), 7) == collection.search(vectors(5, seed=8), 7)
    other.add(["id4", "x"], vectors(2, seed=6))
    assert len(other.index.present) == 73
    assert other.verify() == []


def test_a_cosine_stays_one_in_its_file(tmp_path: Path) -> None:
    collection = Collection(FlatIndex(DIM), metric="cosine", fingerprint="mini/1")
    collection.add(names(9), vectors(9))
    collection.save(tmp_path)
    other = Collection.open(tmp_path, fingerprint="mini/1")
    assert other.search(vectors(1) * 100, 3) == collection.search(vectors(1), 3)
    with pytest.raises(EmbedderMismatchError, match="'mini/1', not of 'mini/2'"):
        Collection.open(tmp_path, fingerprint="mini/2")


def test_a_save_that_breaks_off_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Collection(FlatIndex(DIM))
    collection.add(names(5), vectors(5))
    collection.save(tmp_path)
    collection.add(["late"], vectors(1, seed=1))

    def killed(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        for what in ("lamina.index.collected.write_arrays", "lamina.index.flat.FlatIndex.save"):
            patch.setattr(what, killed)
            with pytest.raises(OSError, match="No space"):
                collection.save(tmp_path)
            assert "late" not in Collection.open(tmp_path)
            assert len(list(tmp_path.iterdir())) == 2
            patch.undo()
    for name in ("ids-9", "ids-9.part", "index-8.part"):
        (tmp_path / name).write_bytes(b"of a save that was killed")
    assert "late" not in Collection.open(tmp_path)
    collection.save(tmp_path)
    assert "late" in Collection.open(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_no_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Collection.open(tmp_path / "nowhere")
    collection = Collection(FlatIndex(DIM))
    collection.add(names(30), vectors(30))
    collection.save(tmp_path)
    (tmp_path / "index-1").rename(tmp_path / "index-9")
    with pytest.raises(CorruptStoreError, match="has lost its index or its ids"):
        Collection.open(tmp_path)
    (tmp_path / "index-9").unlink()
    (tmp_path / "ids-1").unlink()
    (tmp_path / "other").touch()
    with pytest.raises(NotFoundError, match="no collection in"):
        Collection.open(tmp_path)


@pytest.mark.parametrize("name", ["ids-1", "index-1"])
def test_damaged_files_are_refused_and_cut_ones_at_every_length(tmp_path: Path, name: str) -> None:
    collection = Collection(FlatIndex(DIM))
    collection.add(names(12), vectors(12))
    collection.save(tmp_path)
    raw = (tmp_path / name).read_bytes()
    for size in range(0, len(raw), 7):
        (tmp_path / name).write_bytes(raw[:size])
        with pytest.raises(LaminaError):
            Collection.open(tmp_path)
    generator = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(raw)
        bad[int(generator.integers(len(raw)))] ^= 1 << int(generator.integers(8))
        (tmp_path / name).write_bytes(bad)
        try:
            Collection.open(tmp_path).search(vectors(1), 3)
        except LaminaError:
            continue


# ------------------------------------------------------------------------------------------------------------------ mending
def test_verify_finds_and_repair_mends_what_does_not_fit(make: Maker) -> None:
    collection = make()
    collection.add(names(30), vectors(30))
    collection.index.remove(np.array([3, 4]))
    collection.index.add(np.array([40]), vectors(1, seed=3))
    found = collection.verify()
    assert "2 ids have no vector" in found[0]
    assert "1 vectors have no id" in found[1]
    assert collection.repair() == ["id3", "id4"]
    assert collection.verify() == []
    rows = dict(zip(names(30), vectors(30), strict=True))
    del rows["id3"], rows["id4"]
    agrees(collection, rows)


def test_compact_gives_room_back(make: Maker) -> None:
    collection = make()
    count = 600
    collection.add(names(count), vectors(count))
    collection.delete(names(count)[50:])
    collection.compact()
    if collection.kind != "hnsw":  # which keeps its slots
        assert len(collection.index.present) == 50
    assert collection.stats()["vectors"] == 50
    agrees(collection, dict(zip(names(50), vectors(count)[:50], strict=True)))


def test_compact_and_files_keep_what_a_hash_is_made_of(tmp_path: Path) -> None:
    index = MultiProbeLSH(
        DIM, buckets=4, probes=2, tables=3, seed=5, limit=40, centre=np.full(DIM, 0.3, np.float32), fingerprint="m"
    )
    other = empty_like(index)
    assert (other.buckets, other.probes, other.tables, other.seed, other.limit, other.fingerprint) == (4, 2, 3, 5, 40, "m")
    assert other.centre.tolist() == index.centre.tolist()
    collection = Collection(index)
    collection.add(names(200), vectors(200))
    collection.delete(["id0"])
    collection.compact()
    collection.save(tmp_path)
    opened = Collection.open(tmp_path)
    assert opened.search(vectors(9, seed=2), 5) == collection.search(vectors(9, seed=2), 5)
    assert opened.index.stats()["tables"] == 3


def test_kinds_are_known_by_name() -> None:
    assert kind_of(MultiProbeLSH(DIM)) == "lsh"
    with pytest.raises(InputError, match="none of the kinds"):
        kind_of(object())
    with pytest.raises(InputError, match="not 'annoy'"):
        make_index("annoy", 3)
    with pytest.raises(InputError, match="cannot be made with wings"):
        make_index("exact", 3, wings=2)
    assert set(KINDS) == {"exact", "hnsw", "spann", "lsh", "usearch"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("adu"), st.lists(st.sampled_from("abcdefgh"), max_size=5, unique=True)), max_size=12))
def test_any_order_of_changes_gives_what_a_dictionary_has(steps: list[tuple[str, list[str]]]) -> None:
    collection, rows = Collection(FlatIndex(DIM)), dict[str, Any]()
    for number, (what, ids) in enumerate(steps):
        new = vectors(len(ids), seed=number)
        if what == "d":
            assert collection.delete(ids, missing_ok=True) == len([id for id in ids if rows.pop(id, None) is not None])
        elif what == "a" and any(id in rows for id in ids):
            with pytest.raises(InputError):
                collection.add(ids, new)
        else:
            collection.upsert(ids, new)
            rows.update(zip(ids, new, strict=True))
        assert collection.verify() == []
    agrees(collection, rows, k=3)
    assert len(collection.index.present) <= 8


# ------------------------------------------------------------------------------------------------------------ lists on disk
def test_lists_on_disk_are_saved_and_opened_in_their_folder(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    collection = Collection(make_index("spann", DIM, folder=tmp_path / "all" / "lists-1", metric="cosine", probes=1000))
    rows = vectors(400)
    collection.add(names(400), rows)
    found = collection.search(rows[:20], 3)
    assert np.mean([row[0].id == f"id{number}" for number, row in enumerate(found)]) >= 0.95
    with pytest.raises(InputError, match=r"save the collection into .*all"):
        collection.save(tmp_path / "other")
    collection.save(tmp_path / "all")
    collection.close()
    opened = Collection.open(tmp_path / "all")
    assert opened.search(rows[:20], 3) == found
    assert (opened.kind, opened.metric, len(opened)) == ("spann", "cosine", 400)
    assert {match.id for match in opened.search(rows[:1], 5, among=["id3", "id4"])[0]} == {"id3", "id4"}
    assert opened.verify() == []
    opened.close()
    with pytest.raises(InputError, match="say in which folder"):
        make_index("spann", DIM)


def test_what_was_not_saved_of_lists_on_disk_is_as_if_it_had_not_been(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    collection = Collection(make_index("spann", DIM, folder=tmp_path / "lists-1", metric="l2", probes=1000))
    rows = vectors(300)
    collection.add(names(300), rows)
    collection.save(tmp_path)
    collection.upsert(["id5", "new"], vectors(2, seed=4))
    collection.delete(["id9"])
    assert "id9" not in {match.id for match in collection.search(rows[9:10], 300)[0]}
    collection.close()  # without a save
    opened = Collection.open(tmp_path)
    assert set(names(300)) - {"id9"} <= set(opened) <= set(names(300))
    assert opened.verify() == []
    opened.upsert(["id9", "new"], vectors(2, seed=4))
    opened.delete(["id7"])
    opened.save(tmp_path)
    opened.close()
    again = Collection.open(tmp_path)
    assert len(again) == 300
    assert again.search(vectors(2, seed=4)[1:], 1)[0][0].id == "new"
    again.close()


def test_a_slot_whose_vector_went_to_the_disk_at_once_rests_until_the_ids_are_saved() -> None:
    """Else a kill before the save would leave an older file of ids that gives the new vector the old name."""
    book = SlotNames(["a", "b", "c"])
    book.drop(["b"], rest=True)
    assert book.places(["d"]).tolist() == [3]
    book.drop(["a"])
    assert book.places(["e"]).tolist() == [0]
    book.saved()
    assert book.places(["f"]).tolist() == [1]
