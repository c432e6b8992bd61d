"""Heads are watched and changed where they hand on what they give; their scores are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.errors import InputError, StateError, TransferError
from lamina.kv import HeadScores, HeadTap, ModelShape, Session
from tests.kv.models import plain, text, tiny

IDS = text(40)


def test_silencing_a_head_is_removing_its_weights_from_the_projection() -> None:
    model, cut = tiny(dtype=torch.float64), tiny(dtype=torch.float64)
    with torch.no_grad():
        cut.model.layers[1].self_attn.o_proj.weight[:, 32:48] = 0  # head 2
    with HeadTap(model).zero([(1, 2)]):
        found, by_session = plain(model, IDS), Session(model).extend(IDS)
    assert (found - plain(cut, IDS)).abs().max() < 1e-12
    assert np.abs(by_session - plain(cut, IDS)[-1].numpy()).max() < 1e-9
    assert (plain(model, IDS) - found).abs().max() > 1e-3  # and afterwards it is there again


def test_turning_down_is_linear() -> None:
    model, half = tiny(dtype=torch.float64), tiny(dtype=torch.float64)
    with torch.no_grad():
        half.model.layers[0].self_attn.o_proj.weight[:, :32] *= 0.5
    with HeadTap(model).scale([(0, 0), (0, 1)], 0.5):
        assert (plain(model, IDS) - plain(half, IDS)).abs().max() < 1e-12


def test_what_is_captured_can_be_put_back_elsewhere() -> None:
    model = tiny(dtype=torch.float64)
    with HeadTap(model).capture() as tap:
        before = plain(model, IDS)
    every = {(layer, head): tap.outputs(layer)[:, head] for layer in range(3) for head in range(4)}
    assert tap.outputs(2).shape == (40, 4, 16)
    with HeadTap(model).zero(every).replace(every):
        assert (plain(model, IDS) - before).abs().max() < 1e-12
    other = text(40, seed=3)
    with HeadTap(model).replace({head: given[-1] for head, given in every.items()}, where="last"):
        patched = plain(model, other)
    assert (patched[:-1] - plain(model, other)[:-1]).abs().max() < 1e-12
    assert (patched[-1] - plain(model, other)[-1]).abs().max() > 1e-3


def test_capturing_in_blocks_is_capturing_at_once() -> None:
    model = tiny(dtype=torch.float64)
    with HeadTap(model).capture([1]) as tap:
        plain(model, IDS)
    with HeadTap(model).capture([1]) as parts, HeadTap(model).capture([1], last=True) as last:
        session = Session(model)
        session.encode(IDS[:17])
        session.encode(IDS[17:])
    assert (parts.outputs(1) - tap.outputs(1)).abs().max() < 1e-9
    assert (last.outputs(1) - tap.outputs(1)[[16, 39]]).abs().max() < 1e-9
    means = parts.means()
    assert sorted(means) == [(1, head) for head in range(4)]
    assert (means[1, 3] - tap.outputs(1)[:, 3].mean(0)).abs().max() < 1e-9


def test_bad_taps_are_refused() -> None:
    model = tiny()
    for bad in ((3, 0), (0, 4), (-1, 0)):
        with pytest.raises(InputError, match="3 layers of 4 heads"):
            HeadTap(model).zero([bad])
    with pytest.raises(InputError, match="a head gives"):
        HeadTap(model).replace({(0, 0): torch.zeros(3)})
    with pytest.raises(StateError, match="captured"):
        HeadTap(model).outputs(0)
    with HeadTap(model).replace({(0, 0): torch.zeros(3, 16)}), pytest.raises(InputError, match="as many outputs"):
        plain(model, IDS)
    with HeadTap(model).zero([(0, 0)]), pytest.raises(InputError, match="one text at a time"):
        model(torch.tensor([IDS, IDS]))


def test_scores_are_kept_and_belong_to_their_model(tmp_path: Path) -> None:
    shape = ModelShape.of(tiny())
    measured = np.random.default_rng(0).random((5, 3, 4))
    scores, path = HeadScores("retrieval", shape.fingerprint, shape.kv_heads, measured), tmp_path / "heads.json"
    scores.save(path)
    loaded = HeadScores.load(path, shape)
    assert np.array_equal(loaded.scores, measured.mean(axis=0))
    assert loaded.top(12)[0] == tuple(np.unravel_index(measured.mean(axis=0).argmax(), (3, 4)))
    assert len(loaded.top(99)) == 12
    with pytest.raises(InputError, match="another model"):
        HeadScores.load(path, ModelShape.of(tiny(seed=1)))
    path.write_text(path.read_text()[:-30])
    with pytest.raises(TransferError, match="measure"):
        HeadScores.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        HeadScores.load(tmp_path / "absent.json")
    with pytest.raises(InputError, match="finite"):
        HeadScores("x", "y", 1, [[[float("nan")]]])
    with pytest.raises(InputError, match="share"):
        HeadScores("x", "y", 3, np.zeros((1, 2, 4)))


def test_scores_are_compared_by_rank() -> None:
    rng = np.random.default_rng(1)
    a = rng.random((1, 3, 4))
    scores, shuffled = HeadScores("a", "m", 2, a), HeadScores("a", "m", 2, rng.permuted(a.reshape(-1)).reshape(1, 3, 4))
    assert scores.rank_correlation(HeadScores("b", "m", 2, np.exp(9 * a))) == pytest.approx(1)
    assert scores.rank_correlation(HeadScores("b", "m", 2, -a)) == pytest.approx(-1)
    assert abs(scores.rank_correlation(shuffled)) < 0.7
    assert scores.rank_correlation(HeadScores("b", "m", 2, np.zeros((1, 3, 4)))) == 0
    tied = HeadScores("t", "m", 2, [[[1, 1, 2, 3]]])
    assert tied.rank_correlation(HeadScores("t", "m", 2, [[[1, 2, 3, 4]]])) == pytest.approx(0.9486833)
    with pytest.raises(InputError, match="compared"):
        scores.rank_correlation(tied)
    assert scores.active().tolist() == [[1.0] * 4] * 3
