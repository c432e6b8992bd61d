"""What every cache policy must do. A file of tests subclasses `Conformance` and names two settings of its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lamina.errors import InputError, StateError, TransferError
from lamina.kv import CachePolicy, Full, RandomRetrieval, Session
from lamina.kv.policies.sliding_window import SlidingWindow
from tests.kv.models import CONTEXT, plain, text, tiny

IDS = text(120)
SPLITS: dict[str, Callable[[Session, list[int]], Any]] = {
    "at once": lambda session, ids: session.extend(ids),
    "in two calls": lambda session, ids: (session.encode(ids[:50]), session.extend(ids[50:]))[1],
    "by single tokens at the end": lambda session, ids: (session.encode(ids[:100]), [session.extend([one]) for one in ids[100:]])[
        1
    ][-1],
}


class Conformance:
    """`covering`: a budget that covers 150 tokens, in blocks of 16. `tight`: one that does not cover 60, in such blocks."""

    covering: CachePolicy
    tight: CachePolicy

    # ------------------------------------------------------------------------------- a budget that covers everything
    @pytest.mark.parametrize("split", SPLITS)
    def test_logits_are_those_of_full_attention(self, split: str) -> None:
        model = model_of()
        found = SPLITS[split](Session(model, self.covering), IDS)
        assert np.abs(found - plain(model, IDS)[-1].numpy()).max() < 1e-9

    @pytest.mark.parametrize("kv_heads", [4, 1])
    def test_heads_may_share_keys_or_not(self, kv_heads: int) -> None:
        model = model_of(num_key_value_heads=kv_heads)
        found = Session(model, self.covering).extend(IDS)
        assert np.abs(found - plain(model, IDS)[-1].numpy()).max() < 1e-9

    @pytest.mark.parametrize("block", [1, 50, 512])
    def test_logits_do_not_depend_on_the_blocks(self, block: int) -> None:
        model = model_of()
        found = Session(model, self._cut_in(self.covering, block)).extend(IDS)
        assert np.abs(found - plain(model, IDS)[-1].numpy()).max() < 1e-9

    def test_each_layer_attends_as_full_attention_does(self) -> None:
        model = model_of(torch.float32, initializer_range=0.12)  # with larger weights the model's own two kernels differ by more
        with _outputs(model) as expected:
            plain(model, IDS)
        with _outputs(model) as found:
            Session(model, self.covering).encode(IDS)
        assert len(expected) == len(found) == 3
        for layer in range(3):
            assert torch.cat(expected[layer]).abs().max() > 0.1
            assert (torch.cat(found[layer]) - torch.cat(expected[layer])).abs().max() < 1e-5

    @pytest.mark.parametrize("family", ["qwen2", "qwen3", "mistral"])
    def test_other_families_do_the_same(self, family: str) -> None:
        model = model_of(family=family)
        assert np.abs(Session(model, self.covering).extend(IDS) - plain(model, IDS)[-1].numpy()).max() < 1e-9

    def test_scores_are_those_of_full_attention(self) -> None:
        model = model_of()
        found = Session(model, self.covering).score(IDS)
        logs = plain(model, IDS).log_softmax(-1)
        assert np.abs(found - logs[torch.arange(len(IDS) - 1), torch.tensor(IDS[1:])].numpy()).max() < 1e-9

    def test_a_cropped_text_goes_on_as_if_the_rest_had_not_been_read(self) -> None:
        model = model_of()
        session = Session(model, self.covering)
        session.encode(IDS)
        for length in (90, 90, 48):
            session.crop(length)
            tail = text(12, seed=length)
            assert np.abs(session.extend(tail) - plain(model, IDS[:length] + tail)[-1].numpy()).max() < 1e-9

    def test_what_is_attended_is_everything(self) -> None:
        session = Session(model_of(torch.float32), self.covering)
        session.encode(IDS)
        assert session.attended().tolist() == [len(IDS)] * 3

    def test_saved_keys_and_values_stand_for_their_text_or_are_refused(self) -> None:
        model = model_of()
        source = Session(model, Full())
        source.encode(IDS[:64])
        keys, values = source.cache.stretch()  # type: ignore[attr-defined]
        session = Session(model, self.covering)
        try:
            session.preload(keys, values, 0)
        except InputError as refused:
            assert "queries" in str(refused)  # noqa: PT017 (either is right)
            return
        assert session.length == 64
        assert np.abs(session.extend(IDS[64:]) - plain(model, IDS)[-1].numpy()).max() < 1e-9

    # ------------------------------------------------------------------------------------------------------ any budget
    @pytest.mark.parametrize("which", ["covering", "tight"])
    def test_forks_go_on_apart(self, which: str) -> None:
        model, policy = model_of(), getattr(self, which)
        tails = [text(21, seed=seed) for seed in range(3)]
        session = Session(model, policy)
        session.encode(IDS)
        forks = [session, session.fork(), session.fork()]
        for fork, tail in zip(forks, tails, strict=True):  # by turns, so that one could write into another
            fork.encode(tail[:1])
        for fork, tail in zip(forks, tails, strict=True):
            fork.encode(tail[1:18])
        for fork, tail in zip(forks, tails, strict=True):
            alone = Session(model, policy)
            for part in (IDS, tail[:1], tail[1:18]):
                alone.encode(part)
            assert np.allclose(fork.extend(tail[18:]), alone.extend(tail[18:]), rtol=0, atol=1e-9)
            assert fork.nbytes() == alone.nbytes()

    @pytest.mark.parametrize("which", ["covering", "tight"])
    def test_a_saved_text_goes_on_where_it_was(self, which: str, tmp_path: Path) -> None:
        model, policy = model_of(), getattr(self, which)
        session, other = Session(model, policy), Session(model, policy)
        session.encode(IDS)
        session.encode(IDS[:1])
        session.save(tmp_path / "text.kv")
        other.encode(IDS[:5])
        other.load(tmp_path / "text.kv")
        assert (other.length, other.nbytes()) == (session.length, session.nbytes())
        assert np.array_equal(other.attended(), session.attended())
        assert np.allclose(other.logits(), session.logits(), rtol=0, atol=1e-9)
        for tail in ([3], text(40, seed=9), [4]):
            assert np.allclose(other.extend(tail), session.extend(tail), rtol=0, atol=1e-9)

    def test_damaged_and_foreign_files_are_refused_and_change_nothing(self, tmp_path: Path) -> None:
        session, path = Session(model_of(torch.float32), self.tight), tmp_path / "text.kv"
        session.encode(IDS)
        session.save(path)
        whole, before = path.read_bytes(), session.logits()
        for damaged in (whole[:-5], whole[: len(whole) // 2], b"nothing", whole[:-2] + bytes([whole[-2] ^ 4]) + whole[-1:]):
            path.write_bytes(damaged)
            with pytest.raises(TransferError):
                session.load(path)
        path.write_bytes(whole)
        with pytest.raises(InputError, match="another model"):
            Session(tiny(seed=1), self.tight).load(path)
        other = SlidingWindow(window=3) if not isinstance(self.tight, SlidingWindow) else Full()
        with pytest.raises(InputError, match="another policy"):
            Session(model_of(torch.float32), other).load(path)
        assert np.allclose(session.logits(), before, rtol=0, atol=1e-5)

    def test_the_same_reading_gives_the_same_result(self) -> None:
        model = model_of(torch.float32)
        results = []
        for _ in range(2):
            session = Session(model, self.tight)
            session.encode(IDS)
            results.append(session.extend(IDS[:3]))
        assert np.allclose(*results, rtol=0, atol=1e-5)

    def test_a_tight_crop_works_or_says_why_not(self) -> None:
        session = Session(model_of(torch.float32), self.tight)
        session.encode(IDS)
        try:
            session.crop(40)
        except StateError:
            assert session.length == len(IDS)
        else:
            assert session.length == 40
        assert np.isfinite(session.extend(IDS[:9])).all()

    def test_bytes_are_told_and_what_is_in_memory_is_stored(self) -> None:
        session = Session(model_of(torch.float32), self.tight)
        assert session.nbytes() == {"stored": 0, "resident": 0}
        session.encode(IDS)
        held = session.nbytes()
        assert 0 < held["resident"] <= held["stored"]
        assert held["resident"] < len(IDS) * session.shape.token_bytes or isinstance(self.tight, Full | RandomRetrieval)

    def test_a_text_beyond_the_model_is_read_only_where_positions_are_bounded(self) -> None:
        session = Session(model_of(torch.float32), self.tight)
        if not self.tight.beyond_context:
            with pytest.raises(InputError, match=f"{CONTEXT} that the model was made for"):
                session.encode(text(CONTEXT + 1))
            assert session.length == 0
            return
        session.encode(text(2 * CONTEXT))
        assert np.isfinite(session.extend([1])).all()
        assert session.length == 2 * CONTEXT + 1
        assert (session.attended() <= CONTEXT).all()

    def test_half_precision_is_near(self) -> None:
        model = tiny()
        session = Session(model.to(torch.bfloat16), self.covering)
        found = session.extend(IDS)
        assert found.dtype == np.float32
        expected = plain(model, IDS)[-1].float().numpy()
        assert np.abs(found - expected).max() < 0.2 * np.abs(expected).max()

    @staticmethod
    def _cut_in(policy: CachePolicy, block: int) -> CachePolicy:
        return replace(policy, block=block)


@cache
def model_of(dtype: torch.dtype = torch.float64, family: str = "llama", **changed: Any) -> Any:
    """A tiny model, made once; not to be changed."""
    return tiny(family, dtype, **changed)


@contextmanager
def _outputs(model: Any) -> Iterator[list[list[torch.Tensor]]]:
    """What each layer's attention gives, before its output projection: one list a layer, of (n, heads * dim)."""
    found: list[list[torch.Tensor]] = [[] for _ in model.model.layers]
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, given, at=at: found[at].append(given[0][0].clone()))
        for at, layer in enumerate(model.model.layers)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
