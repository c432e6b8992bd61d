"""Stores of blocks: what is put in comes back, by layer, head and token; the oldest go; copies do not disturb each other."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.errors import InputError, NotFoundError
from lamina.kv.blocks import BlockStore
from lamina.kv.summaries import LastKey, MeanKey, MostAttended

HEADS, WIDTH = 3, 4
SIZES = (2, 5, 3, 1)


def filled(sizes=SIZES, *, capacity: int | None = None, seed: int = 0) -> tuple[BlockStore, list[dict]]:
    """A store of blocks of these sizes, and what was put in: keys (heads, tokens, width), values of another width."""
    generator = torch.Generator().manual_seed(seed)
    store, blocks, start = BlockStore(MeanKey(), capacity=capacity), [], 0
    for size in sizes:
        block = {
            "keys": torch.randn(HEADS, size, WIDTH, generator=generator),
            "values": torch.randn(HEADS, size, 2, generator=generator),
        }
        assert store.append(start, block) == len(blocks)
        blocks.append(block)
        start += size
    return store, blocks


def test_blocks_come_back_in_the_order_they_are_asked_for() -> None:
    store, blocks = filled()
    found = store.gather(["keys", "values"], [3, 1])
    for name in ("keys", "values"):
        assert torch.equal(found.arrays[name], torch.cat([blocks[3][name], blocks[1][name]], dim=-2))
    assert found.present.all()
    assert found.present.shape == (6,)
    assert store.starts.tolist() == [0, 2, 7, 10]
    assert store.sizes.tolist() == list(SIZES)
    assert store.tokens == 11
    assert store.nbytes == 4 * (11 * HEADS * (WIDTH + 2) + 4 * HEADS * WIDTH)


def test_a_layer_of_blocks_that_hold_all_layers_is_fetched_by_itself() -> None:
    store = BlockStore(MeanKey())
    keys = torch.randn(5, HEADS, 2, WIDTH)
    store.append(0, {"keys": keys})
    assert torch.equal(store.gather(["keys"], [0], (3,)).arrays["keys"], keys[3])
    assert store.summaries().shape == (5, HEADS, 1, WIDTH)


@pytest.mark.parametrize("shape", [(HEADS, 2), (4, HEADS, 2), (1, HEADS, 1)])
def test_each_head_and_each_token_gets_the_blocks_it_chose(shape: tuple[int, ...]) -> None:
    store, blocks = filled()
    generator = torch.Generator().manual_seed(1)
    chosen = torch.rand(*shape[:-1], len(SIZES), generator=generator).argsort(dim=-1)[..., : shape[-1]]
    found = store.gather(["keys", "values"], chosen)
    for name in ("keys", "values"):
        for place in torch.cartesian_prod(*(torch.arange(one) for one in shape[:-1])).reshape(-1, len(shape) - 1).tolist():
            here = tuple(place)
            wanted = torch.cat([blocks[one][name][here[-1]] for one in chosen[here].tolist()])
            assert torch.equal(found.arrays[name][here][found.present[here]], wanted)
            assert not found.arrays[name][here][~found.present[here]].any()


def test_the_oldest_blocks_go_and_the_others_keep_their_numbers() -> None:
    store, blocks = filled(capacity=2)
    assert (len(store), store.first) == (2, 2)
    assert torch.equal(store.gather(["keys"], [3, 2]).arrays["keys"], torch.cat([blocks[3]["keys"], blocks[2]["keys"]], dim=-2))
    assert torch.allclose(store.summaries()[:, 0], blocks[2]["keys"].mean(dim=-2))
    with pytest.raises(NotFoundError, match="block 1 is not kept: those from 2 to 3 are"):
        store.gather(["keys"], [1])


def test_a_stream_for_each_row_and_copies_go_on_apart() -> None:
    store, _ = filled()
    other, second = store.fork(), filled(seed=2)[0]
    other.append(11, {"keys": torch.zeros(HEADS, 1, WIDTH), "values": torch.zeros(HEADS, 1, 2)})
    assert (len(store), len(other), len(second)) == (4, 5, 4)
    assert store.summaries().shape[-2] == 4
    assert other.summaries().shape[-2] == 5
    assert not torch.equal(store.block(0)["keys"], second.block(0)["keys"])


def test_a_store_is_rebuilt_from_its_arrays() -> None:
    store, blocks = filled(capacity=3)
    other = BlockStore(MeanKey(), capacity=3)
    other.restore(store.arrays())
    assert (other.first, other.starts.tolist(), other.sizes.tolist()) == (1, store.starts.tolist(), store.sizes.tolist())
    assert torch.equal(other.summaries(), store.summaries())
    assert torch.equal(other.block(2)["values"], blocks[2]["values"])
    empty = BlockStore(MeanKey())
    empty.restore(BlockStore(MeanKey()).arrays())
    assert len(empty) == 0


def test_what_stands_for_a_block() -> None:
    keys = torch.randn(2, 6, WIDTH)
    received = torch.rand(4, 6)
    assert torch.equal(LastKey().summarise(keys, None), keys[:, -1])
    found = MostAttended(count=2).summarise(keys, received)
    for head in range(4):  # two heads of queries share a head of keys
        best = received[head].argsort(descending=True)[:2]
        assert torch.allclose(found[head], keys[head // 2, best].mean(dim=0))
    nothing = MostAttended(count=2).summarise(keys, torch.zeros(4, 6))
    assert torch.allclose(nothing[3], keys[1].mean(dim=0), atol=1e-6)
    assert MostAttended(count=9).summarise(keys, received).shape == (4, WIDTH)
    with pytest.raises(InputError, match="needed"):
        MostAttended().summarise(keys, None)
    with pytest.raises(InputError, match="does not fit"):
        MostAttended().summarise(keys, torch.rand(3, 6))
    with pytest.raises(InputError, match="at least 1"):
        MostAttended(count=0)


def test_each_of_the_most_attended_may_stand_for_a_block() -> None:
    keys, received = torch.randn(2, 6, WIDTH), torch.rand(4, 6)
    found = MostAttended(count=2, each=True).summarise(keys, received)
    assert found.shape == (2, 2, WIDTH)
    for head in range(2):  # two heads of queries share a head of keys
        best = received[2 * head : 2 * head + 2].sum(0).argsort(descending=True)[:2]
        assert torch.equal(found[head], keys[head, best])
    spread = MostAttended(count=2, each=True).summarise(keys, torch.zeros(4, 6))
    assert torch.equal(spread, keys[:, [0, 5]])
    few = MostAttended(count=8, each=True).summarise(keys, received)
    assert few.shape == (2, 8, WIDTH)
    assert torch.equal(few[:, 5:], few[:, 5:6].expand(2, 3, WIDTH))


def test_blocks_that_do_not_fit_are_refused() -> None:
    store, _ = filled()
    good = {"keys": torch.zeros(HEADS, 2, WIDTH), "values": torch.zeros(HEADS, 2, 2)}
    for bad, message in (
        ({"values": good["values"]}, "needs an array 'keys'"),
        (good | {"values": torch.zeros(HEADS, 3, 2)}, "as many tokens each"),
        (good | {"more": torch.zeros(1, 2, 1)}, "has the arrays"),
        (good | {"keys": torch.zeros(HEADS, 2, WIDTH + 1)}, "of this store is"),
        (good | {"keys": good["keys"].double()}, "of this store is"),
        (good | {"keys": good["keys"] * torch.nan}, "NaN"),
    ):
        with pytest.raises(InputError, match=message):
            store.append(11, bad)
    assert len(store) == 4
    with pytest.raises(InputError, match="by layer"):
        store.gather(["keys"], [])
    with pytest.raises(InputError, match="by head"):
        store.gather(["keys"], torch.zeros(HEADS + 1, 1, dtype=torch.int64))
    with pytest.raises(InputError, match="capacity"):
        BlockStore(MeanKey(), capacity=0)
    with pytest.raises(NotFoundError, match="empty"):
        BlockStore(MeanKey()).summaries()
