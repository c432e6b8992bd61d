"""The index that a view holds: exact while small, with a graph when grown; right at every moment in between."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.errors import BudgetError, Cancelled, ConfigError, MissingExtraError
from lamina.index import background, planned, plans
from lamina.index.background import Background
from lamina.index.flat import FlatIndex
from lamina.index.planned import PlannedIndex
from lamina.index.plans import Means, choose
from lamina.index.scattered import FileRows, GraphRows
from lamina.index.views import Views
from lamina.records import Run
from lamina.storage import SQLiteStore
from tests.index.conformance import DIM, IndexConformance

WIDTH = 16


def rows_of(count: int, seed: int = 0, dim: int = WIDTH) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vectors in clusters, as those of texts are; what float16 holds of them."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(77).normal(size=(40, dim))
    rows = centres[chance.integers(0, 40, count)] + 0.5 * chance.normal(size=(count, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)


def grown(count: int = 1200, **settings: Any) -> tuple[PlannedIndex, FlatIndex]:
    """An index with a graph, and an exact one with the same vectors."""
    index, exact = PlannedIndex(WIDTH, crossover=500, **settings), FlatIndex(WIDTH)
    for one in (index, exact):
        one.add(np.arange(count), rows_of(count))
    index.settle()
    assert isinstance(index._flat, GraphRows)
    return index, exact


def agree(index: PlannedIndex, exact: FlatIndex, k: int = 10, allow: Any = None, recall: float = 0.95) -> None:
    """Both hold the same, and find nearly the same."""
    assert len(index) == len(exact)
    assert np.array_equal(index.present, exact.present)
    every = np.arange(len(exact.present))
    assert np.allclose(index.rows(every), exact.rows(every), atol=1e-3)
    queries = rows_of(40, seed=5)
    found, scores = index.search(queries, k, allow)
    right, best = exact.search(queries, k, allow)
    assert ((found >= 0).sum(axis=1) == (right >= 0).sum(axis=1)).all()
    hits = [len(set(one[one >= 0]) & set(other[other >= 0])) for one, other in zip(found, right, strict=True)]
    assert sum(hits) >= recall * (right >= 0).sum()
    there = found >= 0
    assert exact.present[found[there]].all()
    assert allow is None or allow[found[there]].all()
    for query, one, given in zip(queries, found, scores, strict=True):
        assert np.allclose(given[one >= 0], exact.rows(one[one >= 0]) @ query, atol=1e-3)
    assert (np.diff(np.where(there, scores, -9), axis=1) <= 1e-5).all()
    assert best.shape == scores.shape


class Settling(PlannedIndex):
    """Links at once what comes."""

    def add(self, slots: Any, vectors: Any) -> None:
        super().add(slots, vectors)
        self.settle()

    def remove(self, slots: Any) -> None:
        super().remove(slots)
        self.settle()


# ----------------------------------------------------------------------------------------------------------- conformance
class TestBelowTheCrossover(IndexConformance):
    def make(self, dim: int = DIM) -> Any:
        return PlannedIndex(dim)


class TestNotYetLinked(IndexConformance):
    def make(self, dim: int = DIM) -> Any:
        return PlannedIndex(dim, crossover=1)


class TestWithAGraph(IndexConformance):
    recall = 0.9
    exact = 5e-3  # stores hold float16, and so does the graph: of vectors that are finer something is lost

    def make(self, dim: int = DIM) -> Any:
        return Settling(dim, crossover=1)

    def test_a_saved_index_is_the_same_when_loaded(self, tmp_path: Path) -> None:
        """The file has the vectors; the graph is made anew."""
        index, rows = self.filled()
        index.remove(np.arange(0, 300, 7))
        index.save(tmp_path / "index")
        other = self.make()
        other.load(tmp_path / "index")
        self.agree(other, {slot: row for slot, row in rows.items() if slot % 7}, 10)
        assert not other.approximate
        other.add(np.array([300]), rows[1][None])
        assert other.approximate


class TestOnDisk(IndexConformance):
    exact = 5e-3

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder = tmp_path_factory.mktemp("rows")

    def make(self, dim: int = DIM) -> Any:
        return PlannedIndex(dim, crossover=10**9, means=Means(budget=0, folder=self.folder))

    def test_bytes_grow_with_the_vectors(self) -> None:
        index = self.filled(5_000)[0]
        assert 5_000 * 2 * DIM > index._flat.nbytes() > 5_000
        assert index._flat.file_bytes() == 5_000 * 2 * DIM


# ------------------------------------------------------------------------------------------------- exact, then a graph
def test_below_the_crossover_answers_are_those_of_exact_search_to_the_bit() -> None:
    index, exact = PlannedIndex(WIDTH), FlatIndex(WIDTH)
    for one in (index, exact):
        one.add(np.arange(1200), rows_of(1200))
        one.remove(np.arange(0, 1200, 7))
    index.settle()
    assert not index.approximate
    assert not index.due
    for one, other in zip(index.search(rows_of(30, seed=5), 25), exact.search(rows_of(30, seed=5), 25), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(index.scores(rows_of(1, seed=5)[0]), exact.scores(rows_of(1, seed=5)[0]))


def test_from_the_crossover_on_a_graph_is_due_and_until_it_is_there_search_is_exact() -> None:
    index = PlannedIndex(WIDTH, crossover=500)
    index.add(np.arange(499), rows_of(499))
    assert not index.due
    index.add(np.array([499]), rows_of(1, seed=3))
    assert index.due
    assert not index.approximate
    assert index.pending == 500
    index.settle()
    assert index.approximate
    assert index.pending == 0
    assert index.stats()["state"] == "ready"


@pytest.mark.parametrize("k", [1, 10, 100])
def test_a_graph_finds_nearly_all_of_the_best(k: int) -> None:
    agree(*grown(), k)


@pytest.mark.parametrize("share", [0.9, 0.3, 0.03, 0.0])
def test_a_mask_is_kept(share: float) -> None:
    index, exact = grown()
    agree(index, exact, 10, np.random.default_rng(2).random(1200) < share)


def test_vectors_that_come_later_are_found_at_once_and_linked_when_there_are_many() -> None:
    index, exact = grown()
    for number in range(5):
        slots = np.arange(1200 + 100 * number, 1300 + 100 * number)
        for one in (index, exact):
            one.add(slots, rows_of(100, seed=10 + number))
        agree(index, exact)
        found = index.search(rows_of(100, seed=10 + number), 1)[0][:, 0]
        assert np.isin(found, slots).all()
    assert index.pending == 500
    assert not index.due  # fewer than LEAST_PENDING
    index.settle()
    assert index.pending == 0
    agree(index, exact)


def test_what_is_removed_or_replaced_is_so_at_once() -> None:
    index, exact = grown()
    for one in (index, exact):
        one.remove(np.arange(0, 300))
        one.add(np.arange(300, 500), rows_of(200, seed=21))
        one.add(np.arange(0, 50), rows_of(50, seed=22))
    agree(index, exact)
    assert index.pending == 250 + 500  # those to be linked, and those to be taken out
    index.settle()
    assert index.pending == 0
    agree(index, exact)


def test_changes_while_a_graph_is_built_are_not_lost() -> None:
    """The graph gets vectors that have changed meanwhile: none of the old ones is ever found under their slots."""
    index, exact = PlannedIndex(WIDTH, crossover=500), FlatIndex(WIDTH)
    for one in (index, exact):
        one.add(np.arange(1200), rows_of(1200))

    def change(stage: str, done: int, total: int) -> None:
        if stage == "indexing" and not changed:
            changed.append(stage)
            for one in (index, exact):
                one.remove(np.arange(0, 100))
                one.add(np.arange(100, 200), rows_of(100, seed=31))
                one.add(np.arange(1200, 1300), rows_of(100, seed=32))

    changed: list[str] = []
    index.settle(Run(progress=change))
    assert changed
    agree(index, exact)
    index.settle()
    agree(index, exact)
    assert index.pending == 0


def test_searching_while_others_add_remove_and_link(recwarn: Any) -> None:
    index, exact = grown()
    stop, wrong = threading.Event(), list[str]()

    def ask() -> None:
        while not stop.is_set():
            found, scores = index.search(rows_of(5, seed=5), 20)
            for row, given in zip(found, scores, strict=True):
                if len(set(row.tolist())) != 20 or (row < 0).any() or (np.diff(given) > 1e-5).any():
                    wrong.append(f"{row} {given}")

    def link() -> None:
        while not stop.is_set():
            index.settle()

    threads = [threading.Thread(target=ask), threading.Thread(target=ask), threading.Thread(target=link)]
    for thread in threads:
        thread.start()
    chance = np.random.default_rng(4)
    for number in range(60):
        slots = chance.integers(0, 1500, 20)
        for one in (index, exact):
            if number % 3:
                one.add(np.unique(slots), rows_of(len(np.unique(slots)), seed=number))
            else:
                one.remove(slots)
        time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    index.settle()
    agree(index, exact)


def test_building_is_cancelled_between_two_batches_and_can_be_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "CHUNK", 200)
    index = PlannedIndex(WIDTH, crossover=500)
    index.add(np.arange(1200), rows_of(1200))
    seen: list[int] = []

    def cancelled() -> bool:
        return len(seen) >= 2

    with pytest.raises(Cancelled):
        index.settle(Run(progress=lambda stage, done, total: seen.append(done), cancelled=cancelled))
    assert not index.approximate
    index.settle()
    assert index.approximate


def test_ef_is_tuned_to_recent_queries_and_the_recall_is_told() -> None:
    index, exact = grown()
    told = index.stats()
    assert told["ef"] >= 100
    assert 0.9 <= told["recall"] <= 1
    asked = rows_of(300, seed=50)
    index.search(asked, 10)
    assert index._asked == 256  # the newest of one call
    assert {row.tobytes() for row in index._recent} == {row.tobytes() for row in asked[-256:]}
    agree(index, exact, 100)


# ---------------------------------------------------------------------------------------------------------- background
def waited(worker: Background) -> None:
    worker.start()
    assert worker.wait(60)


def test_the_background_builds_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LINGER", 0.0)
    index, exact, called = PlannedIndex(WIDTH, crossover=500), FlatIndex(WIDTH), list[int]()
    worker = Background(index, lambda: called.append(1))
    index.add(np.arange(400), rows_of(400))
    worker.start()
    assert worker._thread is None
    index.add(np.arange(400, 800), rows_of(400, seed=2))
    exact.add(np.arange(800), np.concatenate([rows_of(400), rows_of(400, seed=2)]))
    waited(worker)
    assert called == [1]
    assert index.approximate
    agree(index, exact)
    assert not any(thread.name == "lamina-index" for thread in threading.enumerate())


def test_closing_gives_the_work_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LINGER", 0.0)
    monkeypatch.setattr(planned, "CHUNK", 10)
    index = PlannedIndex(WIDTH, crossover=500)
    index.add(np.arange(3000), rows_of(3000))
    worker = Background(index, lambda: None)
    worker.start()
    while index.doing != "building":
        time.sleep(0.001)
    worker.close()
    assert worker.wait(0)
    assert not index.approximate
    worker.start()
    assert worker.wait(0)
    index.search(rows_of(3), 5)


def test_a_failure_leaves_exact_search_and_is_not_tried_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "LINGER", 0.0)
    index = PlannedIndex(WIDTH, crossover=500)
    index.add(np.arange(600), rows_of(600))
    monkeypatch.setattr(index, "_new_graph", lambda plan: 1 / 0)
    worker = Background(index, lambda: None)
    waited(worker)
    waited(worker)
    assert caplog.text.count("search stays exact") == 1
    assert index.search(rows_of(600)[:1], 1)[0].tolist() == [[0]]


def test_a_failure_that_an_end_explains_is_no_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(background, "LINGER", 0.0)
    index = PlannedIndex(WIDTH, crossover=500)
    index.add(np.arange(600), rows_of(600))
    worker = Background(index, lambda: None)

    def fails(plan: object) -> None:
        threading.Timer(0.05, worker.give_up).start()
        raise RuntimeError("can't register atexit after shutdown")

    monkeypatch.setattr(index, "_new_graph", fails)
    waited(worker)
    assert caplog.text == ""


def test_an_index_that_is_forgotten_takes_its_thread_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LINGER", 0.2)
    index: PlannedIndex | None = PlannedIndex(WIDTH, crossover=500)
    assert index is not None
    index.add(np.arange(600), rows_of(600))
    worker = Background(index, lambda: None)
    worker.start()
    index = None
    assert worker.wait(5)


def _in_child(index: PlannedIndex, worker: Background, answers: Any) -> None:
    worker.start()
    found = index.search(rows_of(600)[:1], 1)[0].tolist()
    answers.put((worker._thread is None, found))


def test_a_child_of_the_process_begins_nothing_and_still_answers() -> None:
    index = PlannedIndex(WIDTH, crossover=500)
    index.add(np.arange(600), rows_of(600))
    worker, context = Background(index, lambda: None), multiprocessing.get_context("fork")
    answers: Any = context.Queue()
    child = context.Process(target=_in_child, args=(index, worker, answers))
    child.start()
    assert answers.get(timeout=30) == (True, [[0]])
    child.join(30)
    assert child.exitcode == 0


# ---------------------------------------------------------------------------------------------------------- plans
def test_the_plan_follows_the_budget(tmp_path: Path) -> None:
    rows, graph = 4 * 256 * 100_000, plans.estimate(100_000, 256, "graph")
    roomy = choose(100_000, 256, Means(budget=10**10, folder=tmp_path), 0, method="graph")
    assert (roomy.name, roomy.nbytes, roomy.notice) == ("graph", rows + graph, "")
    assert choose(100_000, 256, Means(budget=10**10, folder=tmp_path), 10**10 - rows, method="graph").on_disk
    small = choose(100_000, 256, Means(budget=rows + graph - 1, folder=tmp_path), 0, method="graph")
    assert (small.name, small.nbytes < 0.4 * roomy.nbytes) == ("graph, vectors on disk", True)
    assert choose(1000, 256, Means(budget=2_000_000), 0, method="exact").name == "exact"
    assert choose(1000, 256, Means(budget=100_000, folder=tmp_path), 0, method="exact").name == "exact, vectors on disk"


@pytest.mark.parametrize("dim", [16, 256, 300])
def test_estimates_are_those_of_the_indexes(dim: int) -> None:
    from lamina.index.hnsw import HNSW
    from lamina.index.spann.spann import SPANN

    for count in (10_000, 3_000_000):
        assert plans.estimate(count, dim, "graph") == pytest.approx(HNSW.estimate(count, dim, form="int8"), rel=0.1)
        on_disk = plans.estimate(count, dim, "graph", on_disk=True)
        assert on_disk == pytest.approx(HNSW.estimate(count, dim, form="int8", full=True), rel=0.1)
        if dim > 64:
            assert plans.estimate(count, dim, "lists") == pytest.approx(SPANN.estimate(count, dim), rel=0.1)


def test_where_nothing_fits_the_plan_that_takes_least_is_taken_and_says_so(tmp_path: Path) -> None:
    plan = choose(100_000, 256, Means(budget=1_000_000, folder=tmp_path), 0, method="graph", disk=False)
    assert plan.on_disk
    assert "100,000 vectors of 256 dimensions need at least" in plan.notice
    assert "memory_budget=" in plan.notice
    with pytest.raises(BudgetError, match="room for 1,000,000"):
        plan.require()
    without = choose(1000, 256, Means(budget=1000), 0, method="exact")
    assert "nothing is kept on disk here" in without.notice


def test_vectors_move_to_disk_when_they_outgrow_the_budget(tmp_path: Path) -> None:
    index, exact = PlannedIndex(WIDTH, means=Means(budget=4 * WIDTH * 1000, folder=tmp_path / "index")), FlatIndex(WIDTH)
    for start in range(0, 2000, 250):
        for one in (index, exact):
            one.add(np.arange(start, start + 250), rows_of(250, seed=start))
        assert isinstance(index._flat, FileRows) == (start >= 1000 or start + 250 > 1000)
        agree(index, exact, recall=1.0)
    for one in (index, exact):
        one.remove(np.arange(0, 500, 3))
        one.add(np.arange(100, 200), rows_of(100, seed=41))
    agree(index, exact, recall=1.0)
    assert list((tmp_path / "index").iterdir()) == []  # the file has no name
    assert (tmp_path / "index").stat().st_mode & 0o777 == 0o700


def test_a_warning_is_given_once_where_the_budget_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    index = PlannedIndex(WIDTH, means=Means(budget=1000))
    for start in range(0, 500, 50):
        index.add(np.arange(start, start + 50), rows_of(50))
    assert caplog.text.count("memory budget of 1,000") == 1
    assert "memory budget" in index.stats()["notice"]


def test_without_the_extra_search_stays_exact_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(planned, "has_kernels", lambda: False)
    monkeypatch.setattr(planned, "_said", False)
    for _ in range(2):
        index = PlannedIndex(WIDTH, crossover=10)
        index.add(np.arange(50), rows_of(50))
        assert not index.due
        index.settle()
        assert not index.approximate
    assert caplog.text.count('pip install "lamina[index]"') == 1
    for kind in ("hnsw", "spann"):
        with pytest.raises(MissingExtraError, match=f"index='{kind}'"):
            PlannedIndex(WIDTH, kind=kind)


def test_another_kind_is_refused() -> None:
    store = SQLiteStore(None)
    with pytest.raises(ConfigError, match="'annoy'"):
        Views(store, index="annoy")
    store.close()


def test_nothing_of_the_compiler_is_imported_below_the_crossover() -> None:
    import subprocess

    code = (
        "import sys, numpy as np\n"
        "from lamina.index.planned import PlannedIndex\n"
        "index = PlannedIndex(8)\n"
        "index.add(np.arange(100), np.ones((100, 8), np.float32))\n"
        "index.settle(); index.search(np.ones((1, 8), np.float32), 3); index.stats()\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('numba', 'llvmlite')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_graph_goes_through_a_file(tmp_path: Path) -> None:
    index, exact = grown()
    for one in (index, exact):
        one.remove(np.arange(0, 100))
        one.add(np.arange(1200, 1250), rows_of(50, seed=61))
    assert index.save_graph(tmp_path / "graph")
    for one in (index, exact):  # after the file was written
        one.remove(np.arange(100, 150))
        one.add(np.arange(150, 200), rows_of(50, seed=62))
    other = PlannedIndex(WIDTH, crossover=500)
    there = np.flatnonzero(exact.present)
    old = np.setdiff1d(there, np.arange(150, 200))
    other.add(np.append(old, np.arange(150, 200)), np.concatenate([exact.rows(old), rows_of(50, seed=63)]))
    other.grow(len(exact.present))
    other.open_graph(tmp_path / "graph", {"ef": 123, "recall": 0.98})
    other.add(np.arange(150, 200), rows_of(50, seed=62))
    assert not other.approximate  # the file is read when somebody settles
    other.settle()
    assert other.approximate
    agree(other, exact)


def test_a_damaged_graph_is_built_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    index, exact = grown()
    index.save_graph(tmp_path / "graph")
    raw = bytearray((tmp_path / "graph").read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    (tmp_path / "graph").write_bytes(raw)
    for path in (tmp_path / "graph", tmp_path / "none"):
        other = PlannedIndex(WIDTH, crossover=500)
        other.add(np.arange(1200), rows_of(1200))
        other.open_graph(path, {})
        other.settle()
        agree(other, exact)
    assert caplog.text.count("of a view is built anew") == 2


def test_a_graph_with_its_vectors_on_disk(tmp_path: Path) -> None:
    """In the budget: 1,200 places and codes, and not the vectors."""
    means = Means(budget=plans.estimate(1300, WIDTH, "graph", on_disk=True) + plans.PLACE * 1400, folder=tmp_path / "index")
    index, exact = grown(means=means)
    assert index.plan.name == "graph, vectors on disk"
    in_memory, _ = grown()
    assert index._flat.nbytes() < in_memory._flat.nbytes() - 1200 * WIDTH
    agree(index, exact)
    for one in (index, exact):
        one.remove(np.arange(100))
        one.add(np.arange(1200, 1300), rows_of(100, seed=81))
    agree(index, exact)
    index.settle()
    gone = rows_of(1200)[:50]
    assert index.save_graph(tmp_path / "token.graph")
    saved = sorted(tmp_path.glob("token.*"))
    assert [path.suffixes[0] for path in saved] == [".graph", ".rows"]
    assert not any(holds(path, gone) for path in saved)
    for one in (index, exact):  # what is done now is in no file of others
        one.remove(np.arange(100, 200))
        one.add(np.arange(100, 150), rows_of(50, seed=82))
    index.settle()
    again = PlannedIndex(WIDTH, crossover=500, means=means)
    there = np.flatnonzero(exact.present)
    again.add(there, exact.rows(there))
    again.open_graph(tmp_path / "token.graph", {})
    again.add(np.arange(100, 150), rows_of(50, seed=82))
    again.settle()
    agree(again, exact)
    assert len(list((tmp_path / "index").glob("*.work"))) == 2
    del index, again
    assert list((tmp_path / "index").iterdir()) == []


def test_lists_on_disk(tmp_path: Path) -> None:
    means = Means(budget=plans.PLACE * 1500 + plans.estimate(1500, WIDTH, "lists"), folder=tmp_path / "index")
    index, exact = grown(means=means)
    assert index.plan.name == "lists, vectors on disk"
    agree(index, exact)
    agree(index, exact, 100)
    for one in (index, exact):
        one.remove(np.arange(100))
        one.add(np.arange(1200, 1250), rows_of(50, seed=81))
        one.add(np.arange(100, 120), rows_of(20, seed=83))
    agree(index, exact)
    agree(index, exact, 10, np.random.default_rng(2).random(1250) < 0.3)
    index.settle()
    assert index.pending == 70 + 120  # lists are not changed: it is too little to build them anew
    name = index.save_graph(tmp_path / "index" / "token.graph")
    assert name is not None
    assert name.endswith(".lists")
    told = index.tuned
    assert len(told["stale"]) == 120
    again = PlannedIndex(WIDTH, crossover=500, means=means)
    there = np.flatnonzero(exact.present)
    again.add(there, exact.rows(there))
    again.open_graph(tmp_path / "index" / name, told)
    again.add(np.arange(200, 210), rows_of(10, seed=84))
    exact.add(np.arange(200, 210), rows_of(10, seed=84))
    again.settle()
    assert again.stats()["state"] == "ready"
    agree(again, exact)
    for one in (again, exact):
        one.add(np.arange(1300, 2800), rows_of(1500, seed=85))
    assert again.due
    again.settle()
    assert again.pending == 0
    agree(again, exact)
    assert again.save_graph(tmp_path / "index" / "token.graph") != name


def holds(path: Path, vectors: Any) -> bool:
    raw = path.read_bytes()
    return any(np.asarray(vector, form).tobytes() in raw for vector in vectors for form in (np.float16, np.float32))


def test_no_byte_of_a_removed_vector_is_in_the_file_of_a_graph(tmp_path: Path) -> None:
    index, _ = grown()
    gone = rows_of(1200)[:40]
    index.save_graph(tmp_path / "before")
    assert holds(tmp_path / "before", gone)
    index.remove(np.arange(20))
    index.add(np.arange(20, 40), rows_of(20, seed=71))
    index.save_graph(tmp_path / "graph")
    assert not holds(tmp_path / "graph", gone)


def test_a_tuned_graph_plans_by_what_was_measured() -> None:
    index, _ = grown()
    assert isinstance(index._flat, GraphRows)
    planner = index._flat.graph.planner
    assert planner.costs is not None
    assert planner.measured is not None
    ef, distances = planner.measured
    assert ef == index.ef
    assert 0 < distances <= len(index)
