"""Plans chosen by cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lamina.index.planning import Costs, Planner, Situation, choose, expected_distances


def usual(ef: float) -> float:
    return expected_distances(ef, 32)


def situation(count: int, share: float, local: float | None = None, ef: int = 40, k: int = 10) -> Situation:
    return Situation(count, round(count * share), share if local is None else local, k, ef, 32, usual)


@pytest.mark.parametrize("width", [256, 512, 1024, 4096])
@pytest.mark.parametrize("count", [2_000, 30_000, 170_000, 1_000_000])
def test_few_are_compared_and_many_are_searched_for(count: int, width: int) -> None:
    costs = Costs.of(width)
    assert choose(situation(count, 10 / count), costs).name == "exact"
    if count > 30_000:
        assert choose(situation(count, 0.5), costs).name == "graph"
        assert choose(situation(count, 0.99), costs).name == "graph"


def test_the_choice_is_by_cost_and_not_by_share() -> None:
    here = situation(1_000_000, 0.1)
    small = replace(here, count=20_000, allowed=2_000)
    assert choose(here, Costs()).name != "exact"
    assert choose(small, Costs()).name == "exact"
    assert choose(situation(170_000, 0.1), Costs()).name == "sketches"
    assert choose(situation(170_000, 0.1), replace(Costs(), sketch=40)).name != "sketches"
    assert choose(replace(situation(170_000, 0.1), sketches=False), Costs()).name in ("graph", "exact")


def test_a_region_of_a_large_set_is_searched_by_two_hops() -> None:
    assert choose(situation(10_000_000, 0.1, local=0.9), Costs()).name == "two-hop"
    assert choose(situation(10_000_000, 0.1), Costs()).name == "graph"


def test_the_chosen_plan_costs_least_and_says_what_it_is_expected_to_cost() -> None:
    for share in (0.9, 0.3, 0.05, 0.01, 0.001):
        plan = choose(situation(100_000, share), Costs())
        assert plan.cost == min(plan.costs.values()) == plan.costs[plan.name]
        assert plan.name in plan.describe()
        assert f"{plan.allowed:,} allowed" in plan.describe()


def test_costs_rise_with_what_is_allowed_or_with_what_lies_between() -> None:
    shares = [0.001, 0.01, 0.1, 0.5, 1.0]
    plans = [choose(situation(100_000, share), Costs()).costs for share in shares]
    assert (np.diff([costs["exact"] for costs in plans]) > 0).all()
    assert (np.diff([costs["graph"] for costs in plans]) < 0).all()


def test_fewer_candidates_are_kept_where_more_lies_between_them() -> None:
    kept = [situation(100_000, share, ef=100).kept for share in (1.0, 0.5, 0.1, 0.01)]
    assert kept[0] == 100
    assert (np.diff(kept) < 0).all()
    assert all(10 <= many <= 100 for many in kept)
    assert situation(100_000, 0.5, ef=5).kept == 10


def test_without_anything_allowed_there_is_a_plan() -> None:
    assert choose(situation(1000, 0.0), Costs()).name == "exact"


def test_measured_distances_take_the_place_of_the_usual_ones() -> None:
    assert expected_distances(50, 32, (50, 777)) == 777
    assert expected_distances(100, 32, (50, 777)) > 777
    assert Planner().measured is None


@pytest.fixture(scope="module")
def made() -> Any:
    pytest.importorskip("numba")
    from lamina.index.hnsw import HNSW
    from tests.index.sets import clustered

    rows, _ = clustered(6100, 32)
    index = HNSW(32, ef_construction=100)
    index.add(np.arange(6000), rows[:6000])
    return index, rows[6000:]


class TestOfAnIndex:
    def test_masks_are_remembered_until_something_changes(self, made: Any) -> None:
        index, _ = made
        allow = np.random.default_rng(0).random(6000) < 0.5
        planner = Planner()
        first = planner.allowance(index.snapshot(), allow)
        assert planner.allowance(index.snapshot(), allow.copy()) is first
        assert planner.nbytes() > 6000
        allow[3] ^= True
        other = planner.allowance(index.snapshot(), allow)
        assert other is not first
        assert abs(len(other.nodes) - len(first.nodes)) == 1
        for seed in range(10):
            planner.allowance(index.snapshot(), np.random.default_rng(seed).random(6000) < 0.5)
        assert planner.nbytes() < 5 * 6 * 8000

    def test_a_mask_is_folded_to_living_nodes(self, made: Any) -> None:
        from lamina.index.planning import Allowance

        index, _ = made
        allow = np.random.default_rng(0).random(3000) < 0.3
        folded = Allowance.of(index.snapshot(), allow)
        assert sorted(index.slot_of[folded.nodes].tolist()) == np.flatnonzero(allow).tolist()
        assert folded.mask.sum() == len(folded.nodes)
        assert folded.mask[folded.nodes].all()
        assert 0.02 < folded.local < 0.4
        region = np.zeros(6000, np.bool_)
        region[np.argsort(-(index.rows(np.arange(6000)) @ index.rows(np.array([5]))[0]))[:300]] = True
        assert Allowance.of(index.snapshot(), region).local > 5 * 300 / 6000

    @pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
    def test_the_graph_takes_about_as_many_distances_as_expected(self, made: Any, share: float) -> None:
        from lamina.index.graphs.filtering import search_filtered
        from lamina.index.tuning import tune

        index, queries = made
        index.planner.learn(tune(index, queries[:50]))
        index.planner.costs = Costs(graph=1e-3)
        allow = np.random.default_rng(2).random(6000) < share
        before = index.computed
        search_filtered(index, index.snapshot(), queries, 10, allow, index.ef, "graph")
        took = (index.computed - before) / len(queries)
        assert 0.4 * took < index.planner.last.costs["graph"] < 2.5 * took

    def test_costs_are_measured_on_the_index_itself(self, made: Any) -> None:
        from lamina.index.graphs.filtering import measured_costs

        index, _ = made
        costs = measured_costs(index.snapshot(), index.guide)
        assert costs.graph > 0
        assert costs.scan > 0
        assert costs.sketch >= 1
        assert costs.scan < 5 * costs.graph  # a scan has less to do for each

    def test_what_was_tuned_is_taken_over(self, made: Any) -> None:
        from lamina.index.graphs.filtering import adopt
        from lamina.index.tuning import tune

        index, queries = made
        before = index.ef
        tuned = tune(index, queries, target=0.9)
        adopt(index, tuned)
        assert index.ef == tuned.ef
        assert index.planner.measured == (tuned.ef, tuned.distances)
        assert index.planner.costs is not None
        index.ef, index.planner.measured, index.planner.costs = before, None, None

    def test_sketches_are_used_only_where_they_are_good(self, made: Any) -> None:
        from lamina.index.hnsw import HNSW

        allow = np.ones(6000, np.bool_)
        costs = Costs(graph=1e6, scan=1e6, sketch=1, setting=1)
        index, queries = made
        index.planner.costs = costs
        index.search(queries, 10, allow)
        assert index.plan == "sketches"
        rows = np.random.default_rng(0).random((6000, 6)).astype(np.float32)  # of 6 components the signs say little
        poor = HNSW(6, metric="l2", M=4, ef_construction=20)
        poor.add(np.arange(6000), rows)
        poor.planner.costs = costs
        slots, _ = poor.search(rows[:20], 10, allow)
        assert poor.plan != "sketches"
        assert "sketches" not in poor.planner.last.costs
        assert (slots[:, 0] == np.arange(20)).mean() >= 0.9
