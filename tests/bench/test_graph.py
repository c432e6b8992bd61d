"""Walks, and HippoRAG on given triples, on the passages of MuSiQue and HotpotQA; skipped without their data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.graph import CACHE, DEPTHS, SETS, Phrases
from lamina.bench.passages_data import load_set
from lamina.bench.ranking.scoring import measured, recall_measures
from lamina.bench.results import find_data
from lamina.errors import InputError
from lamina.semantic.graph import HippoRAG
from lamina.semantic.triples import ReplayExtractor


@pytest.fixture(scope="module")
def folder() -> Path:
    found = find_data(None, "hipporag", CACHE)
    if found is None:
        pytest.skip("needs the passages and the cached triples: set LAMINA_DATA")
    return found.parent


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return run_benchmark("graph", data=folder)


def at(result: Result, system: str, name: str, k: int = 5) -> float:
    return 100 * result.row(f"{system}, {name}").metrics[f"recall@{k}"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_walks_help_and_names_of_others_do_not(result: Result, name: str) -> None:
    by = result.row(f"lamina, {name}").by
    assert by["against lamina, walk off"]["recall@5_low_points"] > 0
    assert by["against lamina, names shuffled"]["recall@5_low_points"] > 0
    assert at(result, "lamina, names shuffled", name) < at(result, "lamina, walk off", name)
    assert at(result, "lamina", name) > max(at(result, "lamina, walk off", name), at(result, "dense", name)) - 1


@pytest.mark.slow
def test_what_is_reached_on_musique(result: Result) -> None:
    assert at(result, "lamina", SETS[0]) >= 68
    assert at(result, "lamina, no titles", SETS[0]) >= 58
    assert at(result, "lamina with triples", SETS[0]) >= 68
    assert at(result, "lamina with triples", SETS[0], 2) >= 50


@pytest.mark.slow
def test_hipporag_does_what_its_authors_say(result: Result) -> None:
    v1 = at(result, "hipporag v1", SETS[0])
    assert v1 >= 61
    assert at(result, "hipporag v1", SETS[0], 2) >= 48
    assert v1 - at(result, "hipporag v1, no walk", SETS[0]) >= 10
    for ablation in ("no synonyms", "no specificity"):
        assert v1 >= at(result, f"hipporag v1, {ablation}", SETS[0]) - 0.5


@pytest.mark.slow
def test_the_damping_hardly_matters(folder: Path) -> None:
    collection, cache = load_set(folder, SETS[0], 0), ReplayExtractor.of(folder / CACHE)
    found = []
    for damping in (0.1, 0.3, 0.5, 0.7, 0.9):
        system = Phrases("v1", HippoRAG(damping=damping), cache)
        found.append(100 * measured(system.rankings([collection], DEPTHS[-1]), [collection], recall_measures((5,))).mean())
    print([round(one, 1) for one in found])
    assert np.ptp(found) <= 2


def test_it_runs_on_a_set_of_ones_own(tmp_path: Path) -> None:
    corpus = [{"title": f"Town {n}", "text": f"Town {n} lies on the river Vess. It has {n} bridges."} for n in range(30)]
    (tmp_path / "mine_corpus.json").write_text(json.dumps(corpus))
    paragraphs = [{"title": one["title"], "paragraph_text": one["text"], "is_supporting": True} for one in corpus[:2]]
    (tmp_path / "mine.json").write_text(
        json.dumps([{"id": "2hop__1", "question": "What do Town 0 and Town 1 lie on?", "paragraphs": paragraphs}])
    )
    result = run_benchmark("graph", data=tmp_path, sets="mine")
    assert at(result, "lamina", "mine", 20) > 0
    with pytest.raises(InputError, match="needs its data"):
        run_benchmark("graph", data=tmp_path, sets="another")
