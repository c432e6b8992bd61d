"""Personalized PageRank against the dense linear solve, and what it refuses."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms.pagerank import Graph, PersonalizedPageRank
from lamina.errors import InputError


def random_graph(seed: int, nodes: int = 200, edges: int = 600) -> tuple[Graph, np.ndarray]:
    """A graph with isolated nodes, and its matrix of weights."""
    drawn = np.random.default_rng(seed)
    left, right = drawn.integers(0, nodes - 5, edges), drawn.integers(0, nodes - 5, edges)
    weights = drawn.uniform(0.1, 3, edges)
    dense = np.zeros((nodes, nodes))
    for one, other, weight in zip(left, right, weights, strict=True):
        if one != other:
            dense[one, other] += weight
            dense[other, one] += weight
    return Graph.of(nodes, left, right, weights), dense


def solved(dense: np.ndarray, restart: np.ndarray, damping: float) -> np.ndarray:
    """x = damping · W x + (1 − damping) · r, where a node without edges hands its mass to itself."""
    totals = dense.sum(axis=0)
    walk = np.where(totals > 0, dense / np.where(totals > 0, totals, 1), np.eye(len(dense)))
    return np.linalg.solve(np.eye(len(dense)) - damping * walk, (1 - damping) * restart / restart.sum())


@given(st.integers(0, 50), st.sampled_from([0.1, 0.5, 0.9]))
def test_it_is_the_solution_of_the_linear_system(seed: int, damping: float) -> None:
    graph, dense = random_graph(seed)
    drawn = np.random.default_rng(seed)
    restart = np.where(drawn.random(200) < 0.05, drawn.random(200), 0)
    restart[0] = 0.3
    found = PersonalizedPageRank(damping, residual=1e-9).of(graph, restart)
    assert np.abs(found - solved(dense, restart, damping)).sum() < 1e-6
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_the_residual_is_what_was_asked_for() -> None:
    graph, dense = random_graph(3)
    restart = np.ones(200)
    walk = dense / np.maximum(dense.sum(axis=0), 1e-12)
    for residual in (1e-2, 1e-4, 1e-8):
        found = PersonalizedPageRank(0.5, residual).of(graph, restart)
        left = found - 0.5 * walk @ found - 0.5 * restart / 200
        some = dense.sum(axis=0) > 0
        assert np.abs(left[some]).sum() <= residual * 1.01


def test_an_isolated_start_keeps_everything() -> None:
    graph, _ = random_graph(1)
    restart = np.zeros(200)
    restart[199] = 2
    assert PersonalizedPageRank().of(graph, restart)[199] == 1


def test_a_few_starts_are_spread_as_many_are() -> None:
    graph, _ = random_graph(2, 5000, 9000)
    few = np.zeros(5000)
    few[[3, 17]] = 1.5
    slow = graph._sums(np.take(few * graph._roots, graph.ends) * graph.weights) * graph._roots
    np.testing.assert_allclose(graph.spread(few), slow, atol=1e-12)


def test_what_is_no_graph_and_no_start_is_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        Graph.of(2, np.array([0]), np.array([2]))
    with pytest.raises(InputError, match="finite and more than 0"):
        Graph.of(2, np.array([0]), np.array([1]), np.array([np.nan]))
    with pytest.raises(InputError, match="two ends"):
        Graph.of(2, np.array([0]), np.array([1, 0]))
    graph = Graph.of(2, np.array([0]), np.array([1]))
    for restart in (np.zeros(2), np.array([-1.0, 2]), np.array([np.inf, 0]), np.ones(3)):
        with pytest.raises(InputError, match="restart"):
            PersonalizedPageRank().of(graph, restart)
    for damping in (0, 1, -0.5, 2):
        with pytest.raises(InputError, match="damping"):
            PersonalizedPageRank(damping)


@pytest.mark.slow
def test_a_million_edges_take_75_milliseconds() -> None:
    drawn = np.random.default_rng(0)
    nodes = 100_000
    graph = Graph.of(nodes, drawn.integers(0, nodes, 1_000_000), drawn.integers(0, nodes, 1_000_000))
    restart = np.zeros(nodes)
    restart[drawn.integers(0, nodes, 5)] = 1
    ranking, taken = PersonalizedPageRank(), []
    for _ in range(9):
        begin = time.perf_counter()
        ranking.of(graph, restart)
        taken.append(time.perf_counter() - begin)
    print(f"{len(graph.ends) // 2:,} edges: {1000 * float(np.median(taken)):.1f} ms")
    assert np.median(taken) < 0.075
