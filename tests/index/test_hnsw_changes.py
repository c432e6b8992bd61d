"""What happens to an HNSW as vectors come and go: equal vectors, removal, repair, re-use, packing, threads, forks."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from lamina.errors import Cancelled, InputError
from lamina.index.hnsw import HNSW
from lamina.records import Run

FORMS = [("float32", False), ("float16", False), ("int8", False), ("int8", True)]


def normal(count: int, dim: int = 16, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def found(index: HNSW, rows: Any, alive: Any, queries: Any, k: int = 10, ef: int | None = None) -> float:
    """Recall by score, so that equal vectors count alike; what is returned is alive and there are k."""
    slots, _ = index.search(queries, k, ef=ef)
    scores = queries @ rows.T if index.metric == "ip" else -((queries[:, None] - rows[None]) ** 2).sum(-1)
    scores = np.where(alive, scores, -np.inf)
    edge = -np.sort(-scores, axis=1)[:, k - 1]
    assert (slots >= 0).all()
    assert alive[slots].all()
    assert all(len(set(row)) == k for row in slots.tolist())
    return float((np.take_along_axis(scores, slots, 1) >= edge[:, None] - 1e-3).mean())


# ------------------------------------------------------------------------------------------------------ slots
@pytest.mark.parametrize("slots", [[1.0, 2.7], [True, False], ["0", "1"], np.array([1, 2], object)])
def test_slots_that_are_no_whole_numbers_are_refused_and_nothing_is_set(slots: Any) -> None:
    index = HNSW(16)
    index.add(np.arange(3), normal(3))
    with pytest.raises(InputError, match="whole numbers"):
        index.add(np.array(slots), normal(2, seed=1))
    with pytest.raises(InputError, match="whole numbers"):
        index.remove(np.array(slots))
    assert np.array_equal(index.rows(np.arange(3)), normal(3))
    assert len(index) == 3


def test_slots_may_be_whole_numbers_of_any_width_or_none_at_all() -> None:
    index = HNSW(16)
    for slot, kind in enumerate((np.int8, np.uint8, np.int32, np.uint64)):
        index.add(np.array([slot], kind), normal(1, seed=slot))
    index.remove(np.array([]))
    index.remove(np.array([1], np.uint16))
    assert index.present.tolist() == [True, False, True, True]


@pytest.mark.parametrize(("form", "file"), FORMS)
def test_rows_of_slots_without_a_vector_are_zeros_and_those_of_others_are_copies(tmp_path: Path, form: str, file: bool) -> None:
    index = HNSW(16, form=form, full=tmp_path / "rows" if file else None)
    index.add(np.array([0, 2]), normal(2))
    rows, there = index.rows(np.array([2, 1, 0])), index.rows(np.array([2, 0]))
    assert np.allclose(rows, [normal(2)[1], np.zeros(16), normal(2)[0]], atol=2e-3)
    assert np.array_equal(there, rows[::2])
    there[:] = 7
    assert np.array_equal(index.rows(np.array([2, 1, 0])), rows)
    assert index.rows(np.array([], np.int64)).shape == (0, 16)


# ------------------------------------------------------------------------------------------------------ ways to all
def of_many_lengths(count: int) -> Any:
    """Vectors of which the short ones are in nobody's interest: by inner product the long ones are nearest to all."""
    return normal(count) * np.random.default_rng(1).lognormal(0, 1, (count, 1)).astype(np.float32)


def test_every_vector_can_be_reached_after_an_addition_of_many() -> None:
    index = HNSW(16, selection="simple")
    index.add(np.arange(2000), of_many_lengths(2000))
    assert index.stats()["reachable"] < 0.98  # what becomes of them where nobody sees to it
    index = HNSW(16)
    index.add(np.arange(2000), of_many_lengths(2000))
    assert index.stats()["reachable"] == 1
    assert index.verify() == []


def test_every_vector_can_be_reached_whenever_a_sixteenth_was_added() -> None:
    index, rows, seen = HNSW(16), of_many_lengths(2000), 0
    for start in range(0, 2000, 10):
        index.add(np.arange(start, start + 10), rows[start : start + 10])
        if not index._new:
            seen += 1
            assert index.stats()["reachable"] == 1
    assert 20 < seen < 100
    assert index.stats()["reachable"] > 0.97


# ------------------------------------------------------------------------------------------------------ equal vectors
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_thousands_of_equal_vectors_hide_nothing(metric: str) -> None:
    rows = np.concatenate([normal(1000), np.repeat(normal(10), 300, axis=0)])
    index = HNSW(16, metric=metric)
    index.add(np.arange(len(rows)), rows)
    assert index.stats()["nodes"] == len(rows)
    assert index.stats()["twins"] == 10 * 300
    assert found(index, rows, np.ones(len(rows), bool), normal(100, seed=1)) >= 0.99
    assert found(index, rows, np.ones(len(rows), bool), normal(10) + 0.01, k=100) >= 0.99
    assert index.verify() == []


def test_a_mask_may_allow_some_of_equal_vectors() -> None:
    rows = np.concatenate([normal(1500), np.repeat(normal(5), 100, axis=0)])
    index = HNSW(16)
    index.add(np.arange(len(rows)), rows)
    for seed, share in enumerate((0.6, 0.3, 0.05)):
        allow = np.random.default_rng(seed).random(len(rows)) < share
        slots, scores = index.search(normal(5), 10, allow)
        right = -np.sort(-np.where(allow, normal(5) @ rows.T, -np.inf), axis=1)[:, :10]
        assert allow[slots].all()
        assert all(len(set(row)) == 10 for row in slots.tolist())
        assert (scores >= right - 1e-3).mean() >= 0.95


def test_setting_the_same_vectors_again_changes_nothing() -> None:
    index, rows = HNSW(16), normal(200)
    index.add(np.arange(200), rows)
    before = index.stats()
    index.add(np.arange(200), rows)
    after = index.stats()
    assert after.pop("bytes") < 1.1 * before.pop("bytes")
    assert after == before


def test_of_equal_vectors_the_next_takes_the_place_of_a_removed_one() -> None:
    rows = np.concatenate([normal(500), np.repeat(normal(20), 10, axis=0)])
    index = HNSW(16, share=0.9)
    index.add(np.arange(len(rows)), rows)
    alive = np.ones(len(rows), bool)
    alive[:20] = alive[500:600:3] = False
    index.remove(np.flatnonzero(~alive))
    assert found(index, rows, alive, normal(20)) == 1.0
    index.repair()
    assert index.verify() == []
    assert found(index, rows, alive, normal(20)) == 1.0
    assert index.stats()["tombstones"] == 0


# -------------------------------------------------------------------------------------------------------- removal
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_half_of_the_vectors_removed_costs_no_recall(metric: str) -> None:
    """The card's fifth check, as tombstones and after repair."""
    rows, queries = normal(4000), normal(200, seed=1)
    index = HNSW(16, metric=metric, share=0.99)
    index.add(np.arange(4000), rows)
    alive = np.ones(4000, bool)
    before = found(index, rows, alive, queries)
    alive[np.random.default_rng(2).permutation(4000)[:2000]] = False
    index.remove(np.flatnonzero(~alive))
    assert index.stats()["tombstones"] == 2000
    dead = found(index, rows, alive, queries)
    index.repair()
    healed = found(index, rows, alive, queries)
    print(f"{metric}: recall@10 {before:.3f} of all, {dead:.3f} past tombstones, {healed:.3f} after repair")
    assert min(dead, healed) >= before - 0.03
    assert index.verify() == []


def test_all_survivors_are_found_where_the_nearest_are_dead() -> None:
    rows, query = normal(3000), normal(1, seed=1)
    index = HNSW(16, share=0.99)
    index.add(np.arange(3000), rows)
    order = np.argsort(-(rows @ query[0]))
    index.remove(order[:200])
    alive = np.ones(3000, bool)
    alive[order[:200]] = False
    assert found(index, rows, alive, query) >= 0.9
    index.remove(order[200:2990])
    slots, _ = index.search(query, 10)
    assert sorted(slots[0].tolist()) == sorted(order[2990:].tolist())


def test_a_whole_cluster_may_go() -> None:
    generator = np.random.default_rng(0)
    rows = (5 * normal(20)[generator.integers(0, 20, 3000)] + 0.1 * normal(3000)).astype(np.float32)
    centre = rows[0]
    near = ((rows - centre) ** 2).sum(1) < 10
    assert 50 < near.sum() < 400
    index = HNSW(16, metric="l2", share=0.99)
    index.add(np.arange(3000), rows)
    index.remove(np.flatnonzero(near))
    index.repair()
    assert index.verify() == []
    index.computed = 0
    assert found(index, rows, ~near, centre[None] + normal(20, seed=3) * 0.1) >= 0.9
    assert index.computed < 20 * 1500


def test_the_entry_may_be_removed() -> None:
    index, rows = HNSW(16, share=0.99), normal(1000)
    index.add(np.arange(1000), rows)
    alive = np.ones(1000, bool)
    for _ in range(5):
        slot = int(index.slot_of[index.entry])
        alive[slot] = False
        index.remove(np.array([slot]))
        assert found(index, rows, alive, normal(30, seed=1)) >= 0.95
        index.repair()
        assert not index.dead[index.entry]
        assert index.graph.levels[index.entry] == index.top
    assert found(index, rows, alive, normal(30, seed=1)) >= 0.95


def test_replacing_again_and_again_keeps_size_and_recall() -> None:
    index, rows = HNSW(16, ef_construction=60), normal(2000)
    index.add(np.arange(2000), rows)
    before = found(index, rows, np.ones(2000, bool), normal(100, seed=1))
    for turn in range(8):
        some = np.random.default_rng(turn).permutation(2000)[:500]
        rows[some] = normal(500, seed=100 + turn)
        index.add(some, rows[some])
    figures = index.stats()
    assert figures["nodes"] <= 2000 * 1.6
    assert found(index, rows, np.ones(2000, bool), normal(100, seed=1)) >= before - 0.02
    index.repair()
    assert index.verify() == []
    index.compact()
    assert index.stats()["nodes"] == len(index) == 2000
    assert index.verify() == []
    assert found(index, rows, np.ones(2000, bool), normal(100, seed=1)) >= before - 0.02


def test_packing_frees_memory() -> None:
    index = HNSW(16)
    index.add(np.arange(3000), normal(3000))
    before = index.nbytes()
    index.remove(np.arange(0, 2900))
    index.compact()
    assert index.nbytes() < 0.2 * before
    assert len(index.present) == 3000


def test_nothing_of_a_removed_vector_is_left_after_repair_and_save(tmp_path: Path) -> None:
    for form, file in FORMS:
        index = HNSW(16, form=form, full=tmp_path / "rows" if file else None)
        rows = normal(300)
        rows[7] = 0.123 * np.arange(16)
        index.add(np.arange(300), rows)
        told = [array[index.node_of[7]].tobytes() for array in index.graph[:1]]
        told += [np.asarray(rows[7], np.float16).tobytes()] if form != "float32" else []
        index.save(tmp_path / "index")
        holding = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert all(part in holding for part in told)
        index.remove(np.array([7]))
        index.repair()
        index.save(tmp_path / "index")
        holding = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert not any(part in holding for part in told)
        assert not any(part in index.graph.vectors.tobytes() for part in told[:1])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
@given(st.data())
def test_any_order_of_changes_keeps_the_graph_whole(tmp_path: Path, data: st.DataObject) -> None:
    """Few distinct vectors, so that equal ones come, go and take each other's places."""
    form, file = data.draw(st.sampled_from(FORMS))
    metric = data.draw(st.sampled_from(["ip", "l2", "cosine"]))
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    full = folder / "rows" if file else None
    kinds, slots = normal(12, 4), st.lists(st.integers(0, 60), max_size=40, unique=True)
    index, held = HNSW(4, metric=metric, form=form, full=full, M=4, ef_construction=20, ef=8), dict[int, int]()
    for step in range(data.draw(st.integers(1, 8))):
        some = np.array(data.draw(slots), np.int64)
        action = data.draw(st.sampled_from(["add", "add", "remove", "repair", "compact", "reload"]))
        if action == "add":
            which = np.random.default_rng(step).integers(0, 12, len(some))
            index.add(some, kinds[which])
            held.update(zip(some.tolist(), which.tolist(), strict=True))
        elif action == "remove":
            index.remove(some)
            for slot in some.tolist():
                held.pop(slot, None)
        elif action == "repair":
            index.repair()
            assert index.verify() == []
        elif action == "compact":
            index.compact()
            assert index.verify() == []
        else:
            index.save(folder / "index")
            index = HNSW.open(folder / "index", mapped=data.draw(st.booleans()))
        assert len(index) == len(held) == int(index.present.sum())
        given, _ = index.search(kinds[:3], 5)
        assert ((given >= 0).sum(axis=1) == min(5, len(held))).all()
        assert all(slot in held for slot in given[given >= 0].tolist())
        own = kinds[[held[slot] for slot in sorted(held)]].reshape(-1, 4)
        own = own / np.linalg.norm(own, axis=1, keepdims=True) if metric == "cosine" else own
        assert np.allclose(index.rows(np.array(sorted(held), np.int64)), own, atol=5e-3)


# ------------------------------------------------------------------------------------------------------- order of work
@pytest.mark.parametrize("form", ["float32", "int8"])
def test_the_graph_is_the_same_with_any_number_of_threads(form: str) -> None:
    made = []
    for threads in (1, 2, 3):
        index = HNSW(16, form=form, threads=threads, share=0.3, ef_construction=60)
        index.add(np.arange(2500), normal(2500))
        index.remove(np.arange(0, 2500, 3))
        index.add(np.arange(300), normal(300, seed=2))
        made.append(index)
    for other in made[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(made[0].graph, other.graph, strict=True))
        assert made[0].search(normal(40, seed=1), 5)[0].tolist() == other.search(normal(40, seed=1), 5)[0].tolist()


def test_sorted_vectors_make_as_good_a_graph() -> None:
    generator = np.random.default_rng(0)
    rows = (normal(50)[np.sort(generator.integers(0, 50, 4000))] + 0.05 * normal(4000, seed=1)).astype(np.float32)
    queries = (normal(50)[generator.integers(0, 50, 100)] + 0.05 * normal(100, seed=2)).astype(np.float32)
    index = HNSW(16, metric="l2")
    index.add(np.arange(4000), rows)
    assert found(index, rows, np.ones(4000, bool), queries) >= 0.95


def test_a_cancelled_addition_keeps_what_was_linked() -> None:
    index, rows = HNSW(16), normal(2000)
    seen: list[int] = []
    run = Run(progress=lambda _, done, __: seen.append(done), cancelled=lambda: seen[-1] > 700)
    with pytest.raises(Cancelled, match="linking vectors was cancelled"):
        index.add(np.arange(2000), rows, run)
    assert len(index) == seen[-1] < 2000
    assert index.verify() == []
    assert found(index, rows, index.present, normal(50, seed=1)) >= 0.95
    index.add(np.arange(2000), rows)
    assert len(index) == 2000
    assert index.verify() == []


@pytest.mark.parametrize(("form", "file"), [("float32", False), ("int8", True)])
def test_others_search_while_one_changes(tmp_path: Path, form: str, file: bool) -> None:
    """No search fails, returns a slot twice, or gives a vector another one's score; what stays is found throughout."""
    rows = normal(2000)
    index = HNSW(16, metric="l2", form=form, full=tmp_path / "rows" if file else None, ef_construction=60)
    index.add(np.arange(1000), rows[:1000])
    index.search(rows[:5], 5)
    wrong: list[str] = []
    over = threading.Event()

    def searching(seed: int) -> None:
        generator = np.random.default_rng(seed)
        while not over.is_set():
            some = generator.integers(0, 500, 8)  # these never change
            slots, scores = index.search(rows[some], 5)
            if (slots[:, 0] != some).any():
                wrong.append(f"{some.tolist()} were not found first: {slots[:, 0].tolist()}")
            right = -((rows[some][:, None] - rows[np.maximum(slots, 0)]) ** 2).sum(-1)
            if not np.allclose(scores, right, atol=0.1):
                wrong.append("a score belongs to another vector")
            if any(len(set(row)) < len(row) for row in slots.tolist()):
                wrong.append("a slot came twice")

    threads = [threading.Thread(target=searching, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(2):
            index.add(np.arange(1000, 2000), rows[1000:])
            index.remove(np.arange(500 + turn, 2000, 2))
            index.add(np.arange(500, 1000), rows[500:1000])
        index.compact()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    index.repair()
    assert index.verify() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_searches_and_changes_its_own_copy() -> None:
    rows = normal(500)
    index = HNSW(16, threads=2)
    index.add(np.arange(500), rows)
    before = index.search(rows[:20], 3)[0].tolist()
    child = os.fork()
    if child == 0:
        try:
            same = index.search(rows[:20], 3)[0].tolist() == before
            index.remove(np.arange(250))
            index.add(np.arange(600, 700), normal(100, seed=1))
            os._exit(0 if same and len(index) == 350 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert len(index) == 500
    assert index.search(rows[:20], 3)[0].tolist() == before
