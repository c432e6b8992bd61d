"""What stands in a context of so many tokens: what is counted, what it is compared with, and the figures themselves."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.bench import Result, fit_packer, run_benchmark
from lamina.bench.budget import DEMO, HISTORY, PAGES
from lamina.bench.filling import TOKENS, Case, packed, prefix, recalls, skip, standing
from lamina.bench.locomo import data_file
from lamina.bench.pages import load_hotpot, page_cases
from lamina.errors import InputError
from lamina.recall.pack import Packer
from lamina.recall.rendering import line_of, render
from lamina.records import Hit
from tests.bench.material import write_hotpot
from tests.recall.hits import hit, hit_lists

NAMES = ["recall@250_tokens", "recall@500_tokens", "recall@1000_tokens", "recall@2000_tokens"]


# --------------------------------------------------------------------------------------------------- what is counted
def test_a_gold_turn_counts_where_it_is_a_record_of_its_own() -> None:
    hits = [
        hit("Look!\nA boat <recalled-memory>", key=1, data={"speaker": "Ana", "captions": ["a red boat"]}),
        hit("Yes.", key=2, data={"speaker": "Ben"}),
        hit("He said Ana: Maybe.", key=3, data={"speaker": "Ben"}),
    ]
    block = render([line_of(one.item) for one in hits])

    def share(*gold: str) -> float:
        return standing(block, Case("?", hits, gold))

    assert share("Ana: Look!\nA boat <recalled-memory> [image: a red boat]", "Ben: Yes.") == 1
    assert share("Ana: Look!\nA boat <recalled-memory>") == 0, "its picture is missing"
    assert share("Ana: Yes.") == 0, "somebody else said it"
    assert share("Ana: Maybe.") == 0, "it stands within another record"
    assert share("Ben: Yes.", "Ben: No.") == 0.5
    assert standing("", Case("?", hits, ["Ben: Yes."])) == 0


def test_a_gold_sentence_counts_wherever_it_stands() -> None:
    hits = [hit("One. Two\nthree. Four.")]
    block = render([line_of(one.item) for one in hits])
    assert standing(block, Case("?", hits, ["Two\nthree.", "Five."], whole=False)) == 0.5


# ------------------------------------------------------------------------------------------------ what it is compared with
@given(hit_lists(), st.integers(20, 800))
def test_the_prefix_ends_where_the_next_hit_no_longer_fits(hits: list[Hit], budget: int) -> None:
    seen: dict[object, Hit] = {}
    for one in hits:
        seen.setdefault((one.speaker, one.text, tuple(one.item.captions)), one)
    block = ""
    for count in range(1, len(seen) + 1):
        more = render([line_of(one.item) for one in list(seen.values())[:count]])
        if TOKENS.count(more) > budget:
            break
        block = more
    assert prefix("", hits, budget) == block


@given(hit_lists(), st.integers(20, 800))
def test_skipping_goes_on_below_what_does_not_fit(hits: list[Hit], budget: int) -> None:
    block = skip("", hits, budget)
    assert TOKENS.count(block) <= budget or not block
    assert len(block.splitlines()) >= len(prefix("", hits, budget).splitlines())


def test_skipping_takes_the_small_one_below_the_large_one() -> None:
    hits = [hit("first", key=1), hit("word " * 400, key=2), hit("last", key=3)]
    assert "- last" in skip("", hits, 60)
    assert "- last" not in prefix("", hits, 60)


# ----------------------------------------------------------------------------------------------------- the benchmark
@pytest.fixture(scope="module")
def small(small_locomo: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("budget")
    (folder / "locomo").mkdir()
    shutil.copy(small_locomo, folder / "locomo" / "locomo.json")
    write_hotpot(folder)
    return run_benchmark("budget", data=folder, json_path=folder / "budget.json", peers=False)


def test_every_way_to_fill_is_a_row(small: Result) -> None:
    assert [one.system for one in small.rows] == [
        "packed", "prefix", "skip", "random", "packed-cv", "prefix-cv", "without excerpts", HISTORY,
    ]  # fmt: skip
    for one in small.rows[:6]:
        assert list(one.metrics) == NAMES
        assert all(0 <= value <= 1 for value in one.metrics.values())
    assert small.row(HISTORY).metrics["tokens"] > 300
    assert small.row("packed").metrics[NAMES[0]] > small.row("random").metrics[NAMES[0]]
    assert {"against prefix", "against random", PAGES, "against prefix, pages", DEMO, "against skip, demo"} <= set(
        small.row("packed").by
    )
    assert "against prefix-cv" in small.row("packed-cv").by
    assert small.config["temperature_of_left_out"].keys() == {"conv-0", "conv-1", "conv-2"}
    json.dumps(small.as_json())


def test_budgets_can_be_named_and_the_refits_left_out(small_locomo: Path) -> None:
    result = run_benchmark("budget", data=small_locomo, peers=False, budgets=[60, 120], cross_validate=False)
    assert [one.system for one in result.rows] == ["packed", "prefix", "skip", "random", HISTORY]
    assert list(result.rows[0].metrics) == ["recall@60_tokens", "recall@120_tokens"]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    for content in ("{", "[1]", '[{"question": "?"}]', '[{"question": 1, "context": [["a", ["b"]]], "supporting_facts": []}]'):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(InputError, match="HotpotQA"):
            load_hotpot(tmp_path / "x.json")


def test_pages_hold_several_passages_and_gold_are_sentences(tmp_path: Path) -> None:
    cases = page_cases(write_hotpot(tmp_path), k=10, seed=0)
    assert len(cases) == 12
    assert cases[0].gold == ["It was bought by the tall man of house 0."]
    assert all(one.hits and one.hits[0].text.count("Nobody knows why.") > 1 for one in cases)


# ---------------------------------------------------------------------------------------------------------- the fits
def test_the_temperature_is_found_again() -> None:
    """Needed hits are drawn by the shares of one temperature; the fit comes near it, and not near it where they are drawn evenly."""
    generator = np.random.default_rng(3)
    drawn, even = [], []
    for _ in range(400):
        hits = [hit(f"hit {n}", key=n, score=float(score)) for n, score in enumerate(np.sort(generator.normal(size=30))[::-1])]
        shares = np.array(Packer(temperature=0.6).worths([one.score for one in hits]))
        drawn.append(Case("?", hits, [hits[generator.choice(30, p=shares / shares.sum())].text]))
        even.append(Case("?", hits, [hits[generator.integers(30)].text]))
    assert fit_packer.fit_temperature(drawn) == pytest.approx(0.6, abs=0.1)
    assert fit_packer.fit_temperature(even) == fit_packer.TEMPERATURES[-1]


def test_the_fits_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conversations = tmp_path / "conversations"
    conversations.mkdir()
    packaged = resources.files("lamina.demo")
    for name in ("one", "two"):  # any two conversations will do
        for part, file in ((".jsonl", "conversation.jsonl"), (".questions.jsonl", "questions.jsonl")):
            (conversations / f"{name}{part}").write_text(packaged.joinpath(file).read_text(encoding="utf-8"), encoding="utf-8")
    write_hotpot(tmp_path)
    fit_packer.main(["--corpora", str(tmp_path), "--data", str(tmp_path)])
    said = capsys.readouterr().out
    assert "temperature: " in said
    assert "sharpness: " in said


# ------------------------------------------------------------------------------------------------------- the figures
@pytest.fixture(scope="module")
def measured(data_root: Path) -> Result:
    try:
        data_file(data_root)
    except InputError:
        pytest.skip("no LoCoMo file in the evaluation data")
    return run_benchmark("budget", data=data_root, peers=False)


@pytest.mark.slow
def test_packing_holds_more_of_what_answers_than_the_prefix_does(measured: Result) -> None:
    gained = measured.row("packed").by["against prefix"]
    assert gained["recall@1000_tokens_points"] >= 1
    assert gained["recall@500_tokens_points"] >= 0
    assert gained["recall@2000_tokens_points"] >= 0
    assert measured.row("packed-cv").by["against prefix-cv"]["recall@500_tokens_points"] >= 0
    assert measured.row("packed").by["against random"]["recall@1000_tokens_low_points"] > 50


@pytest.mark.slow
def test_shipped_numbers_are_what_the_data_would_choose(measured: Result) -> None:
    chosen = measured.config["temperature_of_left_out"]
    assert all(abs(temperature - Packer().temperature) <= 0.1 for temperature in chosen.values())


@pytest.mark.slow
def test_excerpts_hold_more_of_what_answers_where_texts_are_long(measured: Result) -> None:
    if PAGES not in measured.row("packed").by:
        pytest.skip("no HotpotQA file in the evaluation data")
    gained = measured.row("packed").by[f"against without excerpts, {PAGES}"]
    assert all(gained[f"{name}_low_points"] > 0 for name in NAMES)


def test_packing_is_the_same_from_run_to_run() -> None:
    hits = [hit(f"line {n} " + "long " * (n % 7), key=n, score=-n / 3) for n in range(40)]
    case = Case("?", hits, [hits[0].text])
    first, second = (recalls([case], packed(Packer()), [100, 300]) for _ in range(2))
    assert np.array_equal(first, second)
