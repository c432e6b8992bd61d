"""Saved keys and values as files: what they hold comes back, and whatever is not such a file is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import CorruptStoreError, InputError
from lamina.kv.coding import Coding, bytes_of, coded
from lamina.kv.saved import SavedForm, SavedText, digest, digest_ids, pack, unpack

FORM = SavedForm("model", "tokenizer", "rotary", "float32", layers=2, heads=2, width=8, coding="int8", behind="")


def saved_text(tokens: int = 5, coding: Coding = "int8", seed: int = 0) -> SavedText:
    form = replace(FORM, coding=coding)
    draw = np.random.default_rng(seed)
    shape = (form.layers, form.heads, tokens, form.width)
    keys, values = (coded(draw.normal(size=shape).astype(np.float32), coding) for _ in range(2))
    return SavedText(form, digest("a text"), 3, np.arange(tokens, dtype=np.int32), keys, values)


# ------------------------------------------------------------------------------------------------------------ coding
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_int8_is_off_by_half_a_step_at_most(seed: int, scale: float) -> None:
    vectors = (np.random.default_rng(seed).normal(size=(3, 4, 16)) * scale).astype(np.float32)
    one = coded(vectors, "int8")
    step = np.abs(vectors).max(axis=-1, keepdims=True) / 127
    assert one.data.dtype == np.int8
    assert (np.abs(one.decoded() - vectors) <= 0.5 * step * 1.002 + 127 * step * 2.0**-11).all()


def test_bfloat16_is_exact_for_what_comes_from_it_and_rounds_the_rest() -> None:
    exact = np.array([[0.0, -1.5, 3.140625, 1e30, 2.0**-120]], np.float32)
    assert (coded(exact, "bfloat16").decoded() == exact).sum() >= 4
    assert coded(np.array([[1.0, -1.5, 3.140625]], np.float32), "bfloat16").decoded().tolist() == [[1.0, -1.5, 3.140625]]
    draw = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    assert np.abs(coded(draw, "bfloat16").decoded() / draw - 1).max() <= 2.0**-8


def test_zeros_stay_zeros_and_what_is_not_finite_is_refused() -> None:
    assert not coded(np.zeros((2, 3, 4), np.float32), "int8").decoded().any()
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(InputError, match="finite"):
            coded(np.array([[1.0, wrong]], np.float32), "int8")
    with pytest.raises(InputError, match="too large"):
        coded(np.array([[1e9]], np.float32), "int8")
    with pytest.raises(InputError, match="int4"):
        coded(np.zeros((1, 1), np.float32), "int4")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("coding", ["int8", "bfloat16"])
def test_what_is_packed_comes_back(coding: Coding) -> None:
    saved = saved_text(coding=coding)
    again = unpack(pack(saved))
    assert (again.form, again.text, again.first, len(again)) == (saved.form, saved.text, 3, 5)
    assert (again.tokens == saved.tokens).all()
    assert (again.keys.decoded() == saved.keys.decoded()).all()
    assert (again.values.decoded() == saved.values.decoded()).all()


@pytest.mark.parametrize("coding", ["int8", "bfloat16"])
@pytest.mark.parametrize("tokens", [1, 7, 300])
def test_the_estimate_is_kept_and_close(coding: Coding, tokens: int) -> None:
    saved = saved_text(tokens, coding)
    size, estimate = len(pack(saved)), saved.form.estimate(tokens)
    assert size <= estimate <= size + 1024
    assert bytes_of(coding, 4, 8) * 2 + 4 == saved.form.token_bytes


def test_an_address_depends_on_everything_that_the_numbers_depend_on() -> None:
    others = [replace(FORM, **{name: "other"}) for name in ("model", "tokenizer", "rotary", "dtype", "behind")] + [
        replace(FORM, layers=3),
        replace(FORM, coding="bfloat16"),
    ]
    addresses = {one.address("item", "text") for one in (FORM, *others)} | {
        FORM.address("item", "text!"),
        FORM.address("it", "text"),
    }
    assert len(addresses) == len(others) + 3
    assert FORM.address("item", "text") in addresses
    assert FORM.differences(others[0]) == ["model"]
    assert digest_ids([1, 2]) != digest_ids([2, 1])


@given(st.data())
def test_a_damaged_file_is_refused_or_has_the_shapes_of_its_form(data: st.DataObject) -> None:
    content = bytearray(pack(saved_text()))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(len(content), 1200) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = unpack(bytes(content))
    except (CorruptStoreError, InputError):
        return
    shape = (found.form.layers, found.form.heads, len(found), found.form.width)
    assert found.keys.data.shape == found.values.data.shape == shape


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_file_that_is_cut_off_is_refused(length: int) -> None:
    content = pack(saved_text())
    with pytest.raises(CorruptStoreError, match="lamina kv prune"):
        unpack(content[:length])


def test_another_kind_of_file_is_refused() -> None:
    content = pack(saved_text())
    with pytest.raises(CorruptStoreError, match="kind"):
        unpack(content.replace(b"kv/1", b"kv/9"))
    header = json.dumps({"keys": 3}).encode()
    with pytest.raises(CorruptStoreError):
        unpack(len(header).to_bytes(8, "little") + header)


def test_a_form_that_cannot_be_is_refused() -> None:
    for wrong in ({"layers": 0}, {"coding": "int4"}):
        with pytest.raises(InputError):
            replace(FORM, **wrong)  # type: ignore[arg-type]
