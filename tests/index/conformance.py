"""What every vector index must do. An index's own tests subclass `IndexConformance` and say how one is made."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import CorruptStoreError, InputError, LaminaError, NotFoundError, StoreFullError, VectorError
from lamina.index.arrays import write_arrays

DIM = 8
SHARED = settings(max_examples=40, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture])


def vectors(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


def score(row: Any, query: Any, metric: str = "ip") -> float:
    """What an index must say of two vectors: larger is better."""
    if metric == "l2":
        return -float(((row.astype(np.float64) - query) ** 2).sum())
    product = float(row.astype(np.float64) @ query)
    return product / float(np.linalg.norm(row) * np.linalg.norm(query)) if metric == "cosine" else product


def best(rows: dict[int, Any], query: Any, k: int, allow: Any = None, metric: str = "ip") -> list[int]:
    """The naive answer: every vector compared, equal scores in the order of the slots."""
    slots = [slot for slot in sorted(rows) if allow is None or (slot < len(allow) and allow[slot])]
    if not slots:
        return []
    every = np.array([rows[slot] for slot in slots], np.float64)
    if metric == "l2":
        scores = -((every - query) ** 2).sum(axis=1)
    else:
        scores = (every * query).sum(axis=1)  # each row by itself, so that equal vectors have equal scores
        scores = scores / np.linalg.norm(every, axis=1) if metric == "cosine" else scores
    return [slots[place] for place in np.argsort(-scores, kind="stable")[:k]]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """While inside, no file of this process can grow beyond this: what a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SlotConformance:
    """What has nothing to do with files. A class for one kind of index says how it is made, and in what it differs from an exact one."""

    recall = 1.0  # share of the true best that must be found
    metric = "ip"  # what it compares by: "ip", "cosine" or "l2"
    exact = 1e-4  # how far a score may be from that of the vectors that were added
    width = 4  # bytes of a component of a vector that it holds, at least
    snapshots = False  # whether searches may go on in other threads while one writes

    def make(self, dim: int = DIM) -> Any:
        """An empty index for vectors of this width. One that keeps a file of its own puts it into a new folder each time."""
        raise NotImplementedError

    def filled(self, count: int = 300, seed: int = 0) -> tuple[Any, dict[int, Any]]:
        rows = vectors(count, seed)
        index = self.make()
        index.add(np.arange(count), rows)
        return index, dict(enumerate(rows))

    def agree(self, index: Any, rows: dict[int, Any], k: int, allow: Any = None, queries: int = 20) -> None:
        """What is found is allowed, there, exactly scored, in order, as many as there can be, and nearly all the best."""
        asked = vectors(queries, seed=99)
        slots, scores = index.search(asked, k, allow)
        assert slots.shape == scores.shape == (queries, k)
        hits = wanted = 0
        for query, found, given_scores in zip(asked, slots, scores, strict=True):
            right = best(rows, query, k, allow, self.metric)
            here = found[found >= 0].tolist()
            assert len(here) == len(right) == len(set(here))
            assert (found[len(here) :] == -1).all()
            assert np.isneginf(given_scores[len(here) :]).all()
            assert all(slot in rows and (allow is None or (slot < len(allow) and allow[slot])) for slot in here)
            right_scores = [score(rows[slot], query, self.metric) for slot in here]
            assert np.allclose(given_scores[: len(here)], right_scores, atol=self.exact, rtol=self.exact)
            assert (np.diff(given_scores[: len(here)]) <= 1e-5).all()
            hits += len(set(here) & set(right))
            wanted += len(right)
        assert hits >= self.recall * wanted

    @pytest.mark.parametrize("k", [1, 10, 50])
    def test_the_best_are_found(self, k: int) -> None:
        self.agree(*self.filled(), k)

    def test_an_empty_index_finds_nothing(self) -> None:
        slots, scores = self.make().search(vectors(2), 3)
        assert slots.tolist() == [[-1] * 3] * 2
        assert np.isneginf(scores).all()

    def test_no_query_no_answer(self) -> None:
        index, _ = self.filled(20)
        assert index.search(np.empty((0, DIM), np.float32), 3)[0].shape == (0, 3)

    def test_more_are_asked_for_than_there_are(self) -> None:
        self.agree(*self.filled(7), 50)

    def test_slots_may_come_in_any_order_and_leave_gaps(self) -> None:
        index, rows = self.make(), vectors(60)
        places = np.random.default_rng(1).permutation(500)[:60]
        for part in range(0, 60, 20):
            index.add(places[part : part + 20], rows[part : part + 20])
        assert len(index) == 60
        self.agree(index, {int(slot): row for slot, row in zip(places, rows, strict=True)}, 10)

    def test_a_replaced_vector_is_the_new_one(self) -> None:
        index, rows = self.filled()
        other = vectors(150, seed=5)
        index.add(np.arange(0, 300, 2), other)
        rows.update(zip(range(0, 300, 2), other, strict=True))
        assert len(index) == 300
        self.agree(index, rows, 10)

    def test_of_a_slot_named_twice_the_last_counts(self) -> None:
        index = self.make()
        rows = vectors(2)
        index.add(np.array([4, 4]), rows)
        assert len(index) == 1
        assert index.search(rows[1:], 1)[1][0, 0] == pytest.approx(score(rows[1], rows[1], self.metric), abs=10 * self.exact)

    def test_a_removed_vector_is_not_found(self) -> None:
        index, rows = self.filled()
        gone = np.arange(0, 300, 3)
        index.remove(np.append(gone, [299_999, 0]))
        for slot in gone.tolist():
            del rows[slot]
        assert len(index) == 200
        self.agree(index, rows, 10)
        index.add(gone[:10], vectors(10, seed=7))
        rows.update(zip(gone[:10].tolist(), vectors(10, seed=7), strict=True))
        self.agree(index, rows, 10)

    def test_everything_may_be_removed(self) -> None:
        index, _ = self.filled(40)
        index.remove(np.arange(40))
        assert len(index) == 0
        self.agree(index, {}, 5)

    @pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.02, 0.0])
    def test_what_a_mask_forbids_is_not_found(self, share: float) -> None:
        index, rows = self.filled(400)
        self.agree(index, rows, 10, np.random.default_rng(3).random(400) < share)

    def test_a_mask_against_the_query_is_kept(self) -> None:
        """Everything near a query is forbidden: the search must go far afield."""
        index, rows = self.filled(400)
        query = vectors(1, seed=99)
        order = best(rows, query[0], 400, metric=self.metric)
        allow = np.ones(400, np.bool_)
        allow[order[:200]] = False
        found = index.search(query, 10, allow)[0][0].tolist()
        assert len(set(found) & set(order[200:210])) >= 10 * self.recall
        assert not set(found) & set(order[:200])

    @pytest.mark.parametrize("size", [0, 10, 1000])
    def test_a_mask_of_another_length_forbids_what_lies_beyond_it(self, size: int) -> None:
        index, rows = self.filled(100)
        allow = np.ones(size, np.bool_)
        self.agree(index, rows, 5, allow)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_a_vector_that_is_no_number_is_refused_and_nothing_is_set(self, bad: float) -> None:
        index, rows = self.filled(30)
        wrong = vectors(3, seed=8)
        wrong[1, 2] = bad
        with pytest.raises(VectorError, match="vector 1 has NaN or infinite"):
            index.add(np.array([0, 31, 32]), wrong)
        with pytest.raises(VectorError, match="query 1 has NaN or infinite"):
            index.search(wrong, 3)
        assert len(index) == 30
        self.agree(index, rows, 5)

    @pytest.mark.parametrize("shape", [(2, DIM + 1), (3, DIM), (2,), (2, DIM, 1)])
    def test_vectors_of_another_form_are_refused(self, shape: tuple[int, ...]) -> None:
        index = self.make()
        with pytest.raises(VectorError, match=r"expected (2 vectors|a vector) of 8 dimensions"):
            index.add(np.array([0, 1]), np.zeros(shape, np.float32))

    @pytest.mark.parametrize("shape", [(2, DIM + 1), (DIM,), (0,)])
    def test_queries_of_another_form_are_refused(self, shape: tuple[int, ...]) -> None:
        index, _ = self.filled(5)
        with pytest.raises(VectorError, match="queries of 8 dimensions"):
            index.search(np.zeros(shape, np.float32), 1)

    def test_other_nonsense_is_refused(self) -> None:
        index, _ = self.filled(5)
        with pytest.raises(InputError, match="k must be at least 1"):
            index.search(vectors(1), 0)
        with pytest.raises(InputError, match=r"slots? (is a number|are numbers) from 0"):
            index.add(np.array([-1]), vectors(1))
        with pytest.raises(InputError):
            self.make(0)

    def test_bytes_grow_with_the_vectors(self) -> None:
        small, large = self.filled(100)[0].nbytes(), self.filled(5_000)[0].nbytes()
        assert 100 * DIM * self.width < small < large
        assert large > 5_000 * DIM * self.width

    def test_a_zero_vector_has_no_cosine(self) -> None:
        """Where cosines are compared it is refused; elsewhere it is a vector like any other."""
        index, rows = self.filled(30)
        some = np.vstack([vectors(1, seed=6), np.zeros((1, DIM), np.float32)])
        if self.metric == "cosine":
            with pytest.raises(VectorError, match="vector 1 is zero"):
                index.add(np.array([30, 31]), some)
            with pytest.raises(VectorError, match=r"(query|vector) 1 is zero"):
                index.search(some, 3)
        else:
            index.add(np.array([30, 31]), some)
            rows.update({30: some[0], 31: some[1]})
            assert index.search(some, 3)[0].shape == (2, 3)
        self.agree(index, rows, 40)

    def test_many_equal_vectors_are_all_found(self) -> None:
        index = self.make()
        rows = np.repeat(vectors(3), 40, axis=0)
        index.add(np.arange(120), rows)
        slots, scores = index.search(rows[:1], 40)
        found = slots[0][slots[0] >= 0].tolist()
        assert len(found) == len(set(found)) == 40
        right = sorted((score(row, rows[0], self.metric) for row in rows), reverse=True)[:40]
        assert np.mean(np.abs(scores[0] - right) <= 10 * self.exact) >= self.recall - 0.03

    def test_searches_go_on_while_one_thread_writes(self) -> None:
        """Whatever is found was there, with a score that its old or its new vector has."""
        if not self.snapshots:
            pytest.skip("its searches wait for the writer (Collection sees to it)")
        index, rows = self.filled(200)
        other, asked, wrong, done = vectors(400, seed=5), vectors(4, seed=99), list[Any](), threading.Event()

        def read() -> None:
            while not done.is_set():
                try:
                    slots, scores = index.search(asked, 5)
                    for query, some, said in zip(asked, slots.tolist(), scores.tolist(), strict=True):
                        for slot, one in zip(some, said, strict=True):
                            ways = [score(row, query, self.metric) for row in (rows.get(slot), other[slot]) if row is not None]
                            if slot >= 0 and not np.isclose(ways, one, atol=10 * self.exact, rtol=self.exact).any():
                                wrong.append((slot, one, ways))
                except Exception as error:  # noqa: BLE001 - whatever it is, the test fails
                    wrong.append(error)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for first in range(0, 400, 20):
            index.add(np.arange(first, first + 20), other[first : first + 20])
            if first >= 100:
                index.remove(np.arange(first - 100, first - 95))
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []
        left = {slot: other[slot] for slot in range(400) if not (slot < 300 and slot % 20 < 5)}
        self.agree(index, left, 5)

    @SHARED
    @given(st.data())
    def test_any_order_of_adds_and_removes_gives_the_naive_answer(self, data: st.DataObject) -> None:
        index, rows = self.make(), dict[int, Any]()
        slots = st.lists(st.integers(0, 40), max_size=12, unique=True)
        for step in range(data.draw(st.integers(1, 6))):
            some = np.array(data.draw(slots), np.int64)
            if data.draw(st.booleans()):
                new = vectors(len(some), seed=step)
                index.add(some, new)
                rows.update(zip(some.tolist(), new, strict=True))
            else:
                index.remove(some)
                for slot in some.tolist():
                    rows.pop(slot, None)
        allow = None
        if data.draw(st.booleans()):
            allow = np.array(data.draw(st.lists(st.booleans(), min_size=41, max_size=41)))
        self.agree(index, rows, data.draw(st.integers(1, 20)), allow, queries=3)


class IndexConformance(SlotConformance):
    """The whole suite, for an index that is saved to a file and loaded from it."""

    files = ("index",)  # what `save` to a file "index" leaves in the folder

    def test_a_saved_index_is_the_same_when_loaded(self, tmp_path: Path) -> None:
        index, rows = self.filled()
        index.remove(np.arange(0, 300, 7))
        index.add(np.arange(5), vectors(5, seed=4))
        for slot in range(0, 300, 7):
            del rows[slot]
        rows.update(enumerate(vectors(5, seed=4)))
        index.save(tmp_path / "index")
        assert (tmp_path / "index").stat().st_mode & 0o777 == 0o600
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(self.files)
        other = self.make()
        other.add(np.array([0]), vectors(1, seed=77))
        other.load(tmp_path / "index")
        assert len(other) == len(index)
        for one, two in zip(index.search(vectors(9), 10), other.search(vectors(9), 10), strict=True):
            assert one.tolist() == two.tolist()
        other.add(np.array([300]), vectors(1, seed=78))
        self.agree(other, {**rows, 300: vectors(1, seed=78)[0]}, 10)

    def test_an_empty_index_can_be_saved(self, tmp_path: Path) -> None:
        self.make().save(tmp_path / "index")
        index, _ = self.filled(4)
        index.load(tmp_path / "index")
        assert len(index) == 0

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04broken", bytes(500)])
    def test_a_file_that_is_no_index_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "index").write_bytes(content)
        index, rows = self.filled(20)
        with pytest.raises(CorruptStoreError, match="delete it"):
            index.load(tmp_path / "index")
        self.agree(index, rows, 3)

    def test_a_file_cut_at_any_length_is_refused(self, tmp_path: Path) -> None:
        index, _ = self.filled(12)
        index.save(tmp_path / "index")
        raw = (tmp_path / "index").read_bytes()
        lengths = {*range(100), *range(0, len(raw), max(1, len(raw) // 150)), len(raw) - 1}
        for size in sorted(lengths):
            (tmp_path / "index").write_bytes(raw[:size])
            other = self.make()
            with pytest.raises(CorruptStoreError):
                other.load(tmp_path / "index")
            assert len(other) == 0

    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path) -> None:
        write_arrays(tmp_path / "index", "something else", {}, {"vectors": vectors(3), "present": np.ones(3, np.bool_)})
        index, rows = self.filled(20)
        with pytest.raises(CorruptStoreError):
            index.load(tmp_path / "index")
        self.agree(index, rows, 3)

    def test_a_full_disk_leaves_the_older_file(self, tmp_path: Path) -> None:
        index, rows = self.filled(20)
        index.save(tmp_path / "index")
        index.remove(np.array([3]))
        with files_of_at_most(256), pytest.raises(StoreFullError, match="free disk space"):
            index.save(tmp_path / "index")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(self.files)
        other = self.make()
        other.load(tmp_path / "index")
        self.agree(other, rows, 5)

    @SHARED
    @given(cut=st.floats(0, 0.999), flip=st.none() | st.floats(0, 0.999))
    def test_a_damaged_file_is_refused_or_harmless(self, tmp_path: Path, cut: float, flip: float | None) -> None:
        index, _ = self.filled(30)
        index.save(tmp_path / "index")
        raw = bytearray((tmp_path / "index").read_bytes())
        if flip is None:
            raw = raw[: int(cut * len(raw))]
        else:
            raw[int(flip * len(raw))] ^= 0xFF
        (tmp_path / "index").write_bytes(raw)
        other = self.make()
        try:
            other.load(tmp_path / "index")
        except LaminaError:
            assert len(other) == 0
        other.search(vectors(1), 3)

    def test_a_file_of_another_width_or_none_is_refused(self, tmp_path: Path) -> None:
        self.filled(5)[0].save(tmp_path / "index")
        with pytest.raises(VectorError, match="8 dimensions, not 9"):
            self.make(9).load(tmp_path / "index")
        with pytest.raises(NotFoundError, match="no index file"):
            self.make().load(tmp_path / "other")
