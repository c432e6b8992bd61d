"""Which blocks are chosen under a budget of tokens: by rank, with their neighbours in time, by chance."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.kv.selecting import LikenessAndContiguity, RandomBlocks, likeness, top_blocks

TEN = np.full(10, 10)


def ranked(*best: int, blocks: int = 10):
    """Scores by which these blocks come first, in this order, and the others after them from left to right."""
    scores = -torch.arange(blocks, dtype=torch.float32)
    for rank, one in enumerate(best):
        scores[one] = 100.0 - rank
    return scores


def test_everything_is_taken_where_it_fits() -> None:
    assert LikenessAndContiguity(100, 30).select(torch.zeros(10), TEN) == list(range(10))
    assert RandomBlocks(100).select(torch.zeros(10), TEN) == list(range(10))


def test_the_best_come_first_then_the_one_after_and_the_one_before() -> None:
    assert LikenessAndContiguity(40, 20).select(ranked(4, 8), TEN) == [3, 4, 5, 8]
    assert LikenessAndContiguity(40, 10).select(ranked(4, 8, 6), TEN) == [4, 5, 6, 8]
    assert LikenessAndContiguity(30, 20).select(ranked(9), TEN) == [8, 9], "there is none after the last"
    assert LikenessAndContiguity(40, 0).select(ranked(4, 8), TEN) == [0, 1, 4, 8]


def test_neighbours_stay_in_the_buffer_until_newer_ones_need_the_room() -> None:
    selector = LikenessAndContiguity(40, 30)
    assert selector.select(ranked(4), TEN) == [3, 4, 5]
    assert selector.select(ranked(8), TEN) == [5, 7, 8, 9], "of the older ones the one that came first into the buffer"
    copy = selector.fork()
    assert copy.select(ranked(1), TEN) == [0, 1, 2, 9]
    assert selector.state() == [9, 7, 5]
    copy.restore(selector.state())
    assert copy.select(ranked(1), TEN) == [0, 1, 2, 9]


def test_the_sources_rule_may_end_beyond_the_budget_where_that_is_nearer() -> None:
    sizes = np.array([6, 9, 20, 3])
    scores = ranked(0, 1, blocks=4)
    assert LikenessAndContiguity(12, overshoot=True).select(scores, sizes) == [0, 1], "15 is nearer to 12 than 6 is"
    assert LikenessAndContiguity(9, overshoot=True).select(scores, sizes) == [0], "6 is nearer to 9 than 15 is"
    assert LikenessAndContiguity(12).select(scores, sizes) == [0, 3], "never beyond it, and smaller ones are tried"


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    budget=st.integers(0, 200),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_budgets_are_never_exceeded(sizes: list[int], budget: int, share: float, seed: int) -> None:
    scores = torch.randn(len(sizes), generator=torch.Generator().manual_seed(seed))
    lengths = np.array(sizes)
    for selector in (LikenessAndContiguity(budget, int(share * budget)), RandomBlocks(budget, seed)):
        for _ in range(3):
            chosen = selector.select(scores, lengths)
            assert chosen == sorted(set(chosen))
            assert lengths[chosen].sum() <= budget
            scores = scores.roll(1)


def test_chance_is_repeatable_and_fair() -> None:
    first, second = RandomBlocks(20, seed=3), RandomBlocks(20, seed=3)
    drawn = [first.select(torch.zeros(10), TEN) for _ in range(400)]
    assert drawn == [second.select(torch.zeros(10), TEN) for _ in range(400)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert 50 < counts.min() <= counts.max() < 110, "80 expected of each"
    assert first.fork().select(torch.zeros(10), TEN) == first.select(torch.zeros(10), TEN)
    second.restore(first.state())
    assert second.state() == [401]


def test_effect_a_share_of_attention_finds_what_one_query_of_one_head_looks_for() -> None:
    """Beside a head with large keys that looks for nothing in particular: how often the block looked for comes first."""
    found = {"mean": 0, "share": 0}
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        summaries = torch.randn(4, 50, 8, generator=generator)
        summaries[0] *= 8
        queries = 0.2 * torch.randn(4, 40, 8, generator=generator)
        queries[2, 3] = 3 * summaries[2, 17]
        for by in found:
            found[by] += int(likeness(queries, summaries, 8**-0.5, by).argmax()) == 17  # type: ignore[arg-type]
    print("\nfirst of 50 blocks, in 50 trials:", found)
    assert found["share"] >= 20
    assert found["share"] >= 2 * found["mean"]
    plain = [sum(float(queries[head].mean(0) @ summaries[head, one]) for head in range(4)) for one in range(50)]
    assert np.allclose(likeness(queries, summaries, 1.0), plain, atol=1e-4)


def test_bad_budgets_are_refused() -> None:
    with pytest.raises(InputError, match="contiguity must lie between"):
        LikenessAndContiguity(10, 11)
    with pytest.raises(InputError, match="at least 1 block"):
        top_blocks(torch.zeros(3), 0)
    assert top_blocks(torch.tensor([[0.1, 0.2]]), 5).tolist() == [[0, 1]]


def test_of_several_vectors_the_best_stands_for_a_block_and_heads_may_share_them() -> None:
    draw = torch.Generator().manual_seed(3)
    queries, vectors = torch.randn(4, 5, 8, generator=draw), torch.randn(2, 3, 7, 8, generator=draw)
    scores = torch.stack([queries[head] @ vectors[head // 2].mT for head in range(4)])  # (heads, vectors, n, blocks)
    best = scores.amax(dim=1) * 0.3
    assert torch.allclose(likeness(queries, vectors, 0.3, "share"), best.softmax(-1).amax(1).sum(0), atol=1e-6)
    means = torch.stack([queries[head].mean(0) @ vectors[head // 2].mT for head in range(4)])  # (heads, vectors, blocks)
    assert torch.allclose(likeness(queries, vectors, 0.3), means.amax(1).sum(0), atol=1e-5)
    apart = vectors.repeat_interleave(2, dim=0)
    for by in ("mean", "share"):
        assert torch.allclose(likeness(queries, vectors, 0.3, by), likeness(queries, apart, 0.3, by), atol=1e-6)  # type: ignore[arg-type]
