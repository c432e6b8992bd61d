"""The keys and values of all layers of a model, as they are made, told apart and put into files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch

from lamina.kv.packed_rows import PackedRows
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.rows import Rows
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
AnyRows: TypeAlias = Rows | PackedRows


def empty_rows(shape: ModelShape) -> Rows:
    """Rows of a layer without a token yet, in the type of the model."""
    none = torch.empty(1, shape.kv_heads, 0, shape.head_dim, dtype=shape.torch_dtype, device=shape.device)
    return Rows(none, none)


def empty_layers(shape: ModelShape, quantised: bool = False) -> list[AnyRows]:
    """Rows of all layers, `quantised` to 8 bits with a scale a token and head or not."""
    return [PackedRows.empty(empty_rows(shape)) if quantised else empty_rows(shape) for _ in range(shape.layers)]


def joined(layers: Sequence[AnyRows], prefix: str = "") -> dict[str, Tensor]:
    """The arrays of all layers by name, (layers, kv_heads, n, …) each; all layers hold equally many tokens."""
    parts = zip(*(rows.parts for rows in layers), strict=True)
    return {f"{prefix}{name}": torch.cat(part) for name, part in zip(type(layers[0]).NAMES, parts, strict=True)}


def parted(arrays: Mapping[str, Tensor], shape: ModelShape, prefix: str = "") -> list[AnyRows]:
    """What `joined` put together, in the form that `empty_layers` gave. Raises `ValueError` where sizes or types do not fit."""
    keys, values = arrays[f"{prefix}keys"], arrays[f"{prefix}values"]
    kind = keys.dtype
    expected = (shape.layers, shape.kv_heads, keys.shape[2], shape.head_dim)
    if any(one.shape != expected or one.dtype != kind for one in (keys, values)) or kind not in (torch.int8, shape.torch_dtype):
        raise ValueError(f"keys {tuple(keys.shape)} and values {tuple(values.shape)} must be {expected}")
    if kind != torch.int8:
        return [Rows(k[None], v[None]) for k, v in zip(keys, values, strict=True)]
    scales = [arrays[f"{prefix}{name}"] for name in ("key_scales", "value_scales")]
    if any(one.shape != (*expected[:3], 1) or one.dtype != torch.bfloat16 for one in scales):
        raise ValueError("scales do not fit the keys and values")
    layers = zip(keys, values, *scales, strict=True)
    return [PackedRows(k[None], v[None], ks[None], vs[None], shape.torch_dtype) for k, v, ks, vs in layers]


class LayeredCache(Cache):
    """A cache that holds rows for each layer, `quantised` to 8 bits or not, and nothing of tokens besides."""

    def __init__(self, policy: CachePolicy, shape: ModelShape, quantised: bool = False) -> None:
        super().__init__(policy, shape)
        self._rows = empty_layers(shape, quantised)

    def _forked(self) -> None:
        self._rows = [rows.fork() for rows in self._rows]

    def _nbytes(self) -> tuple[int, int]:
        held = sum(rows.nbytes for rows in self._rows)
        return held, held

    def _arrays(self) -> dict[str, Tensor]:
        return joined(self._rows)

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        self._rows = parted(arrays, self.shape)
