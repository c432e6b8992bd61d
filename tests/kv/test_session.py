"""What a session reads is what the model reads by itself; everything kept, nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.errors import ConfigError, InputError, ModelError, StateError, TransferError
from lamina.kv import Full, ModelShape, Session
from tests.kv.models import CONTEXT, FAMILIES, VOCABULARY, plain, text, tiny

IDS = text(90)


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny(dtype=torch.float64)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_gives_its_own_logits(family: str) -> None:
    model = tiny(family, torch.float64)
    for block in (512, 32, 7):
        assert np.allclose(Session(model, Full(block=block)).extend(IDS), plain(model, IDS)[-1], rtol=0, atol=1e-9)


def test_scores_are_the_likelihoods_of_the_plain_model(model: Any) -> None:
    logs = plain(model, IDS).log_softmax(-1)
    expected = logs[torch.arange(len(IDS) - 1), torch.tensor(IDS[1:])].numpy()
    assert np.allclose(Session(model, Full(block=32)).score(IDS), expected, rtol=0, atol=1e-9)
    parts = Session(model, Full(block=32))
    parts.encode(IDS[:40])
    assert np.allclose(parts.score(IDS[40:]), expected[40:], rtol=0, atol=1e-9)


def test_decoding_says_what_the_plain_model_would(model: Any) -> None:
    session = Session(model)
    session.encode(IDS[:20])
    said = list(session.decode(8))
    ids = IDS[:20]
    for token in said:
        assert token == int(plain(model, ids)[-1].argmax())
        ids.append(token)
    assert session.length == 28
    assert np.allclose(session.logits(), plain(model, ids)[-1], rtol=0, atol=1e-9)


def test_decoding_stops_before_an_end_and_repeats_by_its_seed(model: Any) -> None:
    session = Session(model)
    session.encode(IDS[:20])
    greedy = list(session.fork().decode(6))
    assert list(session.fork().decode(6, ends={greedy[2]})) == greedy[: greedy.index(greedy[2])]
    drawn = [list(session.fork().decode(6, temperature=2.0, seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    only = np.full(VOCABULARY, -np.inf)
    only[7] = 0
    assert list(session.fork().decode(3, lambda _, logits: logits + only)) == [7, 7, 7]
    with pytest.raises(ModelError, match="no token is allowed"):
        list(session.decode(3, lambda _, logits: logits - np.inf))


def test_a_text_cut_back_goes_on_as_if_the_rest_had_not_been_read(model: Any) -> None:
    session = Session(model)
    session.encode(IDS)
    session.crop(50)
    other = text(20, seed=1)
    assert np.allclose(session.extend(other), plain(model, IDS[:50] + other)[-1], rtol=0, atol=1e-9)
    session.crop(session.length)  # cuts nothing
    assert session.logits() is not None


def test_forks_do_not_see_each_other(model: Any) -> None:
    session = Session(model)
    session.encode(IDS[:60])
    session.encode(IDS[60:61])  # there is room behind it now
    one, two = session.fork(), session.fork()
    tails = [text(9, seed=seed) for seed in range(3)]
    for fork, tail in zip((one, session, two), tails, strict=True):
        fork.encode(tail[:4])
    for fork, tail in zip((one, session, two), tails, strict=True):
        assert np.allclose(fork.extend(tail[4:]), plain(model, IDS[:61] + tail)[-1], rtol=0, atol=1e-9)
    one.crop(30)
    assert np.allclose(one.extend(tails[0]), plain(model, IDS[:30] + tails[0])[-1], rtol=0, atol=1e-9)
    assert np.allclose(session.extend([1]), plain(model, [*IDS[:61], *tails[1], 1])[-1], rtol=0, atol=1e-9)


def test_saved_keys_and_values_stand_for_the_text_they_came_from(model: Any) -> None:
    source = Session(model)
    source.encode(IDS)
    keys, values = source.cache.stretch(0, 64)
    session = Session(model)
    session.preload(keys, values, start=0)
    assert session.length == 64
    with pytest.raises(StateError, match="read"):
        session.logits()
    assert np.allclose(session.extend(IDS[64:]), plain(model, IDS)[-1], rtol=0, atol=1e-9)
    with pytest.raises(InputError, match="begin at position 3"):
        session.preload(keys, values, start=3)
    with pytest.raises(InputError, match="must be"):
        session.preload(keys[:, :1], values)
    with pytest.raises(InputError, match="layers"):
        session.preload(keys[:1], values[:1])


def test_a_saved_session_goes_on_where_it_was(model: Any, tmp_path: Path) -> None:
    session = Session(model)
    session.encode(IDS[:70])
    path = tmp_path / "text.kv"
    session.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    other = Session(model)
    other.load(path)
    assert other.length == 70
    assert np.array_equal(other.logits(), session.logits())
    assert np.array_equal(other.extend(IDS[70:]), session.extend(IDS[70:]))


def test_damaged_and_foreign_files_are_refused_and_change_nothing(model: Any, tmp_path: Path) -> None:
    session = Session(model)
    session.encode(IDS[:30])
    path = tmp_path / "text.kv"
    session.save(path)
    whole = path.read_bytes()
    other = Session(model)
    other.encode(IDS[:3])
    for damaged in (
        whole[:-9],
        whole[:40],
        b"",
        whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
        whole.replace(b"30", b"31", 1),
    ):
        path.write_bytes(damaged)
        with pytest.raises(TransferError):
            other.load(path)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="another model"):
        Session(tiny(dtype=torch.float64, seed=1)).load(path)
    with pytest.raises(InputError, match="another parameters"):
        Session(model, Full(block=9)).load(path)
    with pytest.raises(InputError, match="no file"):
        other.load(tmp_path / "absent.kv")
    assert other.length == 3


def test_the_model_can_be_used_otherwise_between_calls() -> None:
    model = tiny()
    before = plain(model, IDS)
    session = Session(model)
    session.encode(IDS)
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(plain(model, IDS), before)


def test_bad_input_is_refused_before_anything_is_read(model: Any) -> None:
    session = Session(model)
    for bad, why in (([[1, 2], [3, 4]], "one text"), ([1.5], "whole numbers"), ([-1], "whole"), ([VOCABULARY], "whole")):
        with pytest.raises(InputError, match=why):
            session.extend(bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least"):
        session.extend([])
    with pytest.raises(InputError, match=f"{CONTEXT} that the model was made for"):
        session.encode(text(CONTEXT + 1))
    with pytest.raises(InputError, match="cut back"):
        session.crop(1)
    assert session.length == 0
    Session(model, Full(extrapolate=True)).encode(text(CONTEXT + 1))
    with pytest.raises(InputError, match="block"):
        Full(block=0)


def test_numbers_that_are_not_finite_are_told_and_end_the_session() -> None:
    model = tiny()
    session = Session(model)
    session.encode(IDS[:5])
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        session.encode(IDS)
    with pytest.raises(StateError, match="not whole"):
        session.encode(IDS)
    head = tiny(seed=2)
    with torch.no_grad():
        head.lm_head.weight[3] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        Session(head).extend(IDS)


def test_models_that_are_not_supported_are_refused_by_name() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaModel

    with pytest.raises(ConfigError, match="gpt2"):
        Session(GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9)))
    with pytest.raises(ConfigError, match="LlamaModel"):
        Session(LlamaModel(LlamaConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)))
    with pytest.raises(ConfigError, match="window of 64"):
        Session(tiny("mistral", sliding_window=64))
    with pytest.raises(ConfigError, match="dynamic"):
        Session(tiny(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}))


def test_the_shape_tells_models_apart(model: Any) -> None:
    shape = ModelShape.of(model)
    assert (shape.layers, shape.heads, shape.kv_heads, shape.head_dim, shape.groups) == (3, 4, 2, 16, 2)
    assert shape == ModelShape.of(tiny(dtype=torch.float64))
    assert shape.fingerprint != ModelShape.of(tiny()).fingerprint
    assert shape.token_bytes == 2 * 3 * 2 * 16 * 8
    session = Session(model)
    session.encode(IDS)
    assert session.nbytes() == {"stored": 90 * shape.token_bytes, "resident": 90 * shape.token_bytes}
    assert session.attended().tolist() == [90.0] * 3
