"""The benchmark of vector indexes on a few vectors: sets, truth, figures at equal recall, processes; figures themselves are no business of a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamina.bench import run_benchmark
from lamina.bench.index import numbers
from lamina.bench.indexes.curves import at_levels, at_recall
from lamina.bench.indexes.filters import masks
from lamina.bench.indexes.growth import fitted
from lamina.bench.indexes.processes import Child, Kept
from lamina.bench.indexes.sets import VectorSet, prepare
from lamina.bench.indexes.systems import chosen, systems
from lamina.bench.indexes.truth import recall, region, truth
from lamina.bench.indexes.windows import Words
from lamina.bench.processes import ProcessFailedError
from lamina.bench.prose import Prose
from lamina.errors import InputError
from tests.bench.test_harness import check_form

SIZE, ASKED = 600, 40


def silent(words: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def windows(work: Path) -> VectorSet:
    return prepare("windows", SIZE, work, texts=[], seed=0, asked=ASKED, say=silent)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "one.txt"
    path.write_text(Prose(seed=5).novel(2_000))
    return path


# ---------------------------------------------------------------------------------------------------------------- sets
def test_a_set_has_vectors_of_length_one_and_is_made_once(work: Path, windows: VectorSet) -> None:
    said: list[str] = []
    again = prepare("windows", SIZE, work, texts=[], seed=0, asked=ASKED, say=said.append)
    assert again == windows
    assert not said
    assert windows.count == len(windows.vectors()) == SIZE
    assert np.allclose(np.linalg.norm(windows.vectors(), axis=1), 1, atol=1e-5)
    assert windows.queries == ("held-out", "short")


def test_another_seed_or_size_gives_another_checksum(windows: VectorSet, tmp_path: Path) -> None:
    others = [
        prepare("windows", size, tmp_path, texts=[], seed=seed, asked=ASKED, say=silent) for size, seed in ((SIZE, 1), (500, 0))
    ]
    assert len({windows.checksum, *(one.checksum for one in others)}) == 3


def test_the_vector_of_a_window_is_the_mean_of_its_tokens(text: Path) -> None:
    from lamina.models.static import StaticEmbedder

    words = Words.of([text], 0, 0)
    place = 17
    mine = words.sums(np.array([place]), 12)[0]
    theirs = StaticEmbedder().embed([words.text(place, 12)])[0]
    assert float(mine @ theirs / np.linalg.norm(mine)) > 0.999


def test_no_window_passes_the_end_of_its_text(text: Path) -> None:
    words = Words.of([text, text], 0, 0)
    starts, half = words.starts(20), len(words.words) // 2
    assert not ((starts < half) & (starts + 20 > half)).any()
    assert starts.max() + 20 <= len(words.words)


def test_held_out_windows_are_not_in_the_set(windows: VectorSet, text: Path, tmp_path: Path) -> None:
    one = prepare("windows", 300, tmp_path, texts=[text], seed=0, asked=20, say=silent)
    best = (np.load(one.asked("held-out")) @ one.vectors().T).max(axis=1)
    assert (best < 1 - 1e-6).mean() > 0.9  # the same words may stand in two places


def test_more_vectors_than_there_are_windows_come_from_passages_of_two_spans(text: Path, tmp_path: Path) -> None:
    one = prepare("windows", 9_000, tmp_path, texts=[text], seed=0, asked=20, say=silent)
    assert one.count == 9_000
    assert len(np.unique(one.vectors()[:, 0])) > 8_000


def test_vectors_of_ones_own_are_taken_from_a_file(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    np.save(tmp_path / "mine.npy", rows)
    one = prepare(str(tmp_path / "mine.npy"), 200, tmp_path, texts=[], seed=0, asked=50, say=silent)
    assert (one.name, one.count, one.dim) == ("mine", 200, 8)
    assert np.allclose(np.load(one.asked("held-out"))[0], rows[250] / np.linalg.norm(rows[250]), atol=1e-6)


@pytest.mark.parametrize("name", ["word2vec", "nowhere.npy"])
def test_an_unknown_set_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        prepare(name, 100, tmp_path, texts=[], seed=0, asked=10, say=silent)


# --------------------------------------------------------------------------------------------------------------- truth
def test_recall_is_one_for_exact_answers_and_counts_each_vector_once(windows: VectorSet) -> None:
    queries, base = np.load(windows.asked("short")), windows.vectors()
    edge = truth(windows, "short")
    best = np.argsort(-(queries @ base.T), axis=1)[:, :10]
    assert recall(base, queries, best, edge) == 1
    assert recall(base, queries, np.repeat(best[:, :1], 10, axis=1), edge) == pytest.approx(0.1)
    assert recall(base, queries, np.full_like(best, -1), edge) == 0


def test_filtered_recall_wants_allowed_vectors_alone(windows: VectorSet) -> None:
    queries, base = np.load(windows.asked("short")), windows.vectors()
    allow = np.zeros(SIZE, np.bool_)
    allow[:4] = True
    edge = truth(windows, "short", allow, "four")
    all_four = np.tile(np.arange(10), (ASKED, 1))
    assert recall(base, queries, all_four, edge, allow) == 1
    assert recall(base, queries, all_four + 4, edge, allow) == 0


def test_a_region_lies_together_and_filters_have_the_shares_they_name(windows: VectorSet) -> None:
    allow, base = region(windows.vectors(), 0.05, 0), np.asarray(windows.vectors())
    inside, outside = base[allow], base[~allow]
    assert allow.sum() == 30
    assert (inside @ inside.T).mean() > (inside @ outside.T).mean() + 0.05
    found = masks(windows, 0)
    assert found["0.5 of all"].sum() == 300
    assert found["0.01 of all"].sum() == 6
    assert 0 < found["scope"].sum() < SIZE / 20


# ------------------------------------------------------------------------------------------------------------- figures
def test_figures_at_equal_recall_lie_between_the_settings_around_it() -> None:
    points = {"a": {"recall": 0.9, "x": 400.0}, "b": {"recall": 0.97, "x": 100.0}, "c": {"recall": 0.93, "x": 200.0}}
    assert at_recall(points, 0.95, "x") == pytest.approx(100 * 2**0.5)
    assert at_recall(points, 0.93, "x") == pytest.approx(200)
    assert at_recall(points, 0.99, "x") is None
    assert at_recall(points, 0.8, "x") == 400


def test_the_fit_of_growth_tells_a_logarithm_from_a_line() -> None:
    sizes = (1_000.0, 4_000.0, 16_000.0, 64_000.0)
    slow = fitted({str(n): {"vectors": n, "distances": 50 + 30 * float(np.log(n))} for n in sizes})
    fast = fitted({str(n): {"vectors": n, "distances": n / 10} for n in sizes})
    assert slow["r_squared"] == pytest.approx(1)
    assert slow["largest_to_smallest"] < 2
    assert fast["r_squared"] < 0.8
    assert fast["exponent"] == pytest.approx(1)


def test_ratios_are_taken_where_both_curves_have_begun() -> None:
    quick = {"a": {"recall": 0.96, "queries_per_second": 900.0}, "b": {"recall": 0.99, "queries_per_second": 300.0}}
    slow = {"a": {"recall": 0.90, "queries_per_second": 800.0}, "b": {"recall": 0.96, "queries_per_second": 450.0}}
    found = at_levels(quick, slow)
    assert found["times_hnswlib_at_95"] == pytest.approx(2)
    assert "times_hnswlib_at_99" not in found
    assert found["queries_per_second_at_99"] == 300


def test_a_library_that_cannot_build_is_left_out_and_told_of(work: Path, windows: VectorSet) -> None:
    known = systems()
    broken = replace(known["hnswlib"], name="broken", parameters={"M": "many"}, package="numpy")
    kept = Kept(work, False, silent)
    assert list(kept.build_all([known["lamina-exact"], broken], windows)) == ["lamina-exact"]
    assert "broken" in kept.failed[0]


@pytest.mark.parametrize("given", ["many", "30kk", "10", [], 5])
def test_sizes_that_are_none_are_refused(given: object) -> None:
    with pytest.raises(InputError, match="sizes"):
        numbers(given)  # type: ignore[arg-type]


def test_systems_that_are_not_here_are_told_of() -> None:
    known = systems()
    found, skipped = chosen(["lamina-exact", "diskann", "hnswlib"], known, peers=False)
    assert [one.name for one in found] == ["lamina-exact"]
    assert len(skipped) == 2
    assert "diskann=PYTHON" in chosen(["diskann"], known, peers=True)[1][0]
    with pytest.raises(InputError, match="annoy"):
        chosen(["annoy"], known, peers=True)


# ----------------------------------------------------------------------------------------------------------- processes
def test_a_process_says_why_it_cannot_and_goes_on(windows: VectorSet) -> None:
    with Child(systems()["lamina-exact"]) as child:
        with pytest.raises(ProcessFailedError, match=r"lamina-exact failed at open: FileNotFoundError"):
            child.ask("open", base="nowhere.npy", folder=".")
        child.ready(windows)
        child.ask("open", base=str(windows.base), folder=".")
        told = child.ask("round", kind="short", setting={})
        assert told["processor_seconds"] > 0


def test_exact_search_finds_everything_and_what_was_built_is_used_again(work: Path, windows: VectorSet, tmp_path: Path) -> None:
    system, kept = systems()["lamina-exact"], Kept(work, False, silent)
    assert kept.build(system, windows) == Kept(work, False, silent).build(system, windows)
    with Child(system) as child:
        child.ready(windows)
        child.ask("open", base=str(windows.base), folder=str(kept.place(system, windows)))
        child.ask("round", kind="short", setting={}, keep=str(tmp_path / "found.npy"))
        assert child.ask("memory")["resident_bytes"] > windows.vectors().nbytes / 2
    queries = np.load(windows.asked("short"))
    assert recall(windows.vectors(), queries, np.load(tmp_path / "found.npy"), truth(windows, "short")) == 1


def test_curves_are_measured_kept_and_drawn(work: Path, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    pytest.importorskip("matplotlib")
    said: list[str] = []
    settings = {
        "sets": "windows", "sizes": SIZE, "asked": ASKED, "rounds": 1, "two_threads": False, "work": str(work),
        "systems": "lamina-exact,lamina-hnsw,hnswlib,faiss-ivf,diskann",
    }  # fmt: skip
    result = run_benchmark("index", json_path=tmp_path / "index.json", progress=said.append, **settings)
    check_form(result.as_json())
    assert (tmp_path / "index.png").stat().st_size > 10_000
    exact = result.row("lamina-exact, windows 600, short queries")
    assert exact.by["all"]["recall"] == 1
    graph = result.row("lamina-hnsw, windows 600, held-out queries")
    assert max(one["recall"] for one in graph.by.values()) > 0.95
    assert graph.metrics["resident_bytes"] > 0
    assert any(name.startswith("diskann") for name in result.config["skipped"])
    assert json.loads((tmp_path / "index.json").read_text())["config"]["sets"][0]["checksum"]
    again = run_benchmark("index", progress=said.append, **settings)
    assert "there already" in said[-1]
    assert [row.system for row in again.rows] == [row.system for row in result.rows]
    assert again.rows[0].metrics == result.rows[0].metrics


@pytest.mark.slow
def test_every_part_is_measured(work: Path) -> None:
    pytest.importorskip("numba")
    result = run_benchmark(
        "index", sets="windows", sizes=SIZE, asked=ASKED, rounds=1, two_threads=False, work=str(work), parts="filters,growth,updates",
        steps="200,400", systems="lamina-exact,lamina-hnsw,lamina-spann,hnswlib,faiss-hnsw,usearch",
    )  # fmt: skip
    check_form(result.as_json())
    filters = result.row("filters: lamina-exact, windows 600, held-out queries")
    assert set(filters.by) >= {"all", "0.5 of all", "0.001 of all", "region", "scope"}
    assert all(one["recall"] == 1 for one in filters.by.values())
    assert result.row("distances: lamina-hnsw, uniform, 4 dimensions").by["400"]["distances"] < 400
    assert result.row("updates: lamina-hnsw, windows 600, held-out queries").metrics["deleted_found_repaired"] == 0
    assert result.row("updates: lamina-spann, windows 600, held-out queries").metrics["recall_afterwards"] > 0.9


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InputError, match="speed"):
        run_benchmark("index", parts="speed")
