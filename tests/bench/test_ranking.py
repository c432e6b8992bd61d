"""How recall is counted, the baselines, and the fitting with its control."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamina.bench import run_benchmark
from lamina.bench.locomo import CROSS_VALIDATED, collections_of
from lamina.bench.ranking.baselines import Blend, Chance, Dense, Fts5
from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.bench.ranking.embedders import EmbedOnce, installed, load, static
from lamina.bench.ranking.fitting import choose_ridge, fit, held_out
from lamina.bench.ranking.ours import Group, Lamina, Workbench
from lamina.bench.ranking.scoring import against, recalls, row
from lamina.errors import InputError, MissingExtraError
from lamina.recall.features import FEATURES
from lamina.recall.ranker import fit_listwise

NAMES = [feature.name for feature in FEATURES]

PASSAGES = [
    Passage(str(place), text, "Ana", "one") for place, text in enumerate(["a red boat", "a blue boat", "the weather", "a song"])
]
ASKED = [Asked("Which boat?", frozenset({"0", "1"}), "several"), Asked("What song?", frozenset({"3"}), "single")]
COLLECTION = Collection("small", PASSAGES, ASKED)


def test_recall_is_the_share_of_gold_found_averaged_over_questions() -> None:
    values = recalls({"small": [["0", "2", "3", "2", "2", "1"], ["0", "1"]]}, [COLLECTION])
    assert values.tolist() == [[0.5, 1.0, 1.0], [0.0, 0.0, 0.0]]
    made = row("some", values, [COLLECTION])
    assert made.metrics == {"recall@5": 0.25, "recall@10": 0.5, "recall@20": 0.5}
    assert made.by["several"] == {"recall@5": 0.5, "recall@10": 1.0, "recall@20": 1.0, "questions": 1.0}


def test_a_missing_ranking_is_refused() -> None:
    with pytest.raises(InputError, match="1 rankings for the 2 questions"):
        recalls({"small": [["0"]]}, [COLLECTION])


def test_questions_that_do_not_count_are_left_out(small_locomo: Path) -> None:
    collections = collections_of(small_locomo)
    assert [len(one.passages) for one in collections] == [24, 24, 24]
    assert {asked.slice for one in collections for asked in one.questions} == {
        "multi-hop",
        "temporal",
        "open-domain",
        "single-hop",
    }
    assert "[image: a photo of a harbour]" in collections[0].passages[0].shown
    assert all(asked.gold for one in collections for asked in one.questions)


def test_full_text_search_stems_and_returns_matches_only() -> None:
    assert Fts5().rankings([COLLECTION], 20)["small"] == [["0", "1"], ["3"]]


def test_the_blend_follows_what_stands_beside_a_match_and_who_is_named() -> None:
    passages = [
        Passage("0", "Shall we?", "Ben", "one"), Passage("1", "the harbour then", "Ben", "one"), Passage("2", "Fine.", "Ben", "one"),
        Passage("3", "Fine.", "Ben", "two"), Passage("4", "Fine.", "Ana", "two"),
    ]  # fmt: skip
    one = Collection(
        "c",
        passages,
        [Asked("harbour", frozenset({"1"}), "s"), Asked("What did Ana say about a harbour?", frozenset({"4"}), "s")],
    )
    plain = Blend(dense=0.0).rankings([one], 5)["c"]
    assert plain[0][0] == "1"
    assert set(plain[0][1:3]) == {"0", "2"}
    assert plain[1].index("4") < plain[1].index("3")


def test_the_blend_gives_what_has_no_session_no_neighbours() -> None:
    def best(session: str | None) -> list[str]:
        passages = [Passage("0", "the harbour", None, session), Passage("1", "Fine.", None, session)]
        one = Collection("c", passages, [Asked("harbour", frozenset({"0"}), "s")])
        return list(Blend(dense=0.0, neighbour=100.0).rankings([one], 1)["c"][0])

    assert best("one") == ["1"]
    assert best(None) == ["0"]


def test_systems_take_an_embedder_and_each_text_is_embedded_once(small_locomo: Path) -> None:
    class Counting:
        """The static embedder, which notes what it is asked to embed."""

        name, dim, fingerprint, instant = "counting", static().dim, "counting/1", False

        def __init__(self) -> None:
            self.seen: list[tuple[str, str]] = []

        def embed(self, texts: list[str], kind: str = "document") -> np.ndarray:  # type: ignore[type-arg]
            self.seen += [(kind, text) for text in texts]
            return -static().embed(texts)  # type: ignore[no-any-return]

    counting = Counting()
    once = EmbedOnce(counting)  # type: ignore[arg-type]
    collections = collections_of(small_locomo)
    for system in (Lamina("ours", once), Dense("theirs", once), Blend(embedder=once)):
        found = system.rankings(collections, 5)
        assert set(found) == {one.name for one in collections}
    assert len(counting.seen) == len(set(counting.seen))
    assert {kind for kind, _ in counting.seen} == {"document", "query"}
    with Workbench(collections[:1], once) as bench:
        assert len(bench.groups(collections[0])) == len(collections[0].questions)
    texts = ["a boat", "a song", "a boat"]
    np.testing.assert_array_equal(EmbedOnce(static()).embed(texts), static().embed(texts))


def test_embedders_go_by_name() -> None:
    assert load("wordllama").name == "wordllama"
    assert installed()[0] == "wordllama"
    with pytest.raises(InputError, match="use wordllama or minilm"):
        load("word2vec")
    if "minilm" not in installed():
        with pytest.raises(MissingExtraError, match=r"lamina\[minilm\]"):
            load("minilm")


def test_each_system_ranks_every_question_and_no_passage_twice(small_locomo: Path) -> None:
    collections = collections_of(small_locomo)
    for system in (Lamina(), Fts5(), Dense(), Blend(), Chance(3)):
        found = system.rankings(collections, 20)
        for one in collections:
            known = {passage.id for passage in one.passages}
            assert len(found[one.name]) == len(one.questions)
            for ranking in found[one.name]:
                assert len(set(ranking)) == len(ranking) <= 20
                assert set(ranking) <= known


def test_the_same_seed_gives_the_same_result(small_locomo: Path) -> None:
    first, second = (run_benchmark("locomo", data=small_locomo, peers=False, seed=7).as_json()["rows"] for _ in range(2))
    assert first == second
    other = run_benchmark("locomo", data=small_locomo, peers=False, seed=8).as_json()["rows"]
    assert first[-1]["system"] == "random"
    assert first[-1] != other[-1]


def test_our_row_is_compared_with_every_other() -> None:
    values = np.array([[1.0, 1.0, 1.0]] * 30)
    found = against(values, {"fts5": np.zeros((30, 3))})["against fts5"]
    assert found["recall@5_points"] == found["recall@5_low_points"] == 100.0
    assert found["recall@5_p_value"] < 0.01


def test_refits_never_see_the_conversation_they_are_judged_on(small_locomo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collections = collections_of(small_locomo)
    seen: list[int] = []
    monkeypatch.setattr(
        "lamina.bench.ranking.fitting.fit", lambda folds, *rest, **more: seen.append(len(folds)) or fit(folds, *rest)
    )
    with Workbench(collections) as bench:
        from lamina.bench.ranking.fitting import leave_one_out

        found, _ = leave_one_out(bench, 20)
        assert seen == [len(collections) - 1] * len(collections)
        assert set(found) == {one.name for one in collections}
        leave_one_out(bench, 20, also=[made_groups(0, shuffled=False)])
    assert seen[len(collections) :] == [len(collections)] * len(collections)


def made_groups(seed: int, shuffled: bool, queries: int = 150) -> list[Group]:
    """Queries of 40 candidates each, of which the one with the largest mixture of two features answers."""
    generator = np.random.default_rng(seed)
    groups = []
    for _ in range(queries):
        matrix = generator.normal(size=(40, len(NAMES))).astype(np.float32)
        relevance = np.zeros(40, np.float32)
        relevance[
            np.argmax(2 * matrix[:, NAMES.index("soft")] + matrix[:, NAMES.index("dense")] + 0.5 * generator.normal(size=40))
        ] = 1
        if shuffled:
            generator.shuffle(relevance)
        groups.append((matrix, relevance))
    return groups


def test_fitted_weights_rank_what_was_held_out() -> None:
    folds = [made_groups(seed, shuffled=False) for seed in range(3)]
    assert held_out(folds, 0.1) > 0.95
    ranker = fit(folds, 0.1)
    assert ranker.weights["soft"] > 1.5 * ranker.weights["dense"] > 0
    assert ranker.weights["derived"] == -0.5


def test_shuffled_relevance_gives_weights_at_the_level_of_chance() -> None:
    """The control: where answers have nothing to do with the features, nothing is learned."""
    folds = [made_groups(seed, shuffled=True) for seed in range(3)]
    chance = (5 + 10 + 20) / 40 / 3
    assert held_out(folds, 0.1) == pytest.approx(chance, abs=0.06)
    learned, nothing = fit([made_groups(0, shuffled=False)], 0.1).vector, fit([made_groups(0, shuffled=True)], 0.1).vector
    assert np.abs(nothing[:-1]).max() < 0.25 * np.abs(learned[:-1]).max()


def test_the_ridge_is_chosen_by_what_it_does_on_the_left_out() -> None:
    folds = [made_groups(seed, shuffled=False, queries=30) for seed in range(3)]
    ridges = (0.01, 0.1, 1000.0)
    assert choose_ridge(folds, ridges) == max(ridges, key=lambda ridge: held_out(folds, ridge))
    assert choose_ridge(folds, (5.0,)) == 5.0


def test_a_ridge_of_zero_and_nothing_to_fit_are_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        fit_listwise(made_groups(0, shuffled=False, queries=2), l2=0.0)
    with pytest.raises(InputError, match="nothing to fit"):
        fit_listwise([(np.zeros((3, 26), np.float32), np.zeros(3, np.float32))])


def test_without_enough_conversations_there_is_no_cross_validation(tmp_path: Path) -> None:
    from tests.bench.material import write_locomo

    result = run_benchmark("locomo", data=write_locomo(tmp_path, samples=2), peers=False)
    assert CROSS_VALIDATED not in {made.system for made in result.rows}
