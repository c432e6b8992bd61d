"""What of a model a cache of its keys and values depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import torch

from lamina.errors import ConfigError

FAMILIES: Final = ("llama", "mistral", "qwen2", "qwen3")
"""Kinds of models that are known to work: decoders with rotary positions, as transformers names them."""

ROTARY: Final = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary positions whose frequencies stay the same however long the text is, so that keys can be turned."""

_SAMPLED: Final = 16  # numbers of each weight that go into the fingerprint


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a causal language model.

    `family`: as transformers names it. `layers`, `heads`, `kv_heads` (heads of keys and values: each serves heads / kv_heads
    heads of queries), `head_dim`. `context`: tokens the model was made for. `vocabulary`: tokens it knows. `dtype`: of its
    weights and so of its keys ("float32"). `device`: where it lies. `scaling`: what scores are multiplied with before the
    softmax. `frequencies`: radians a position that each pair of key components is turned by (head_dim / 2,).
    `rotary_scale`: the factor that rotary positions multiply keys with, besides. `fingerprint`: a hash of the sizes and of a
    sample of every weight, which tells the caches of two models apart.
    """

    family: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    vocabulary: int
    dtype: str
    device: str
    scaling: float
    frequencies: tuple[float, ...]
    rotary_scale: float
    fingerprint: str

    @property
    def groups(self) -> int:
        """Heads of queries that share a head of keys and values."""
        return self.heads // self.kv_heads

    @property
    def torch_dtype(self) -> Any:
        """The type of keys and values (torch's, an optional library, so of any type)."""
        return getattr(torch, self.dtype)

    @property
    def token_bytes(self) -> int:
        """Bytes that the keys and values of one token take when all are kept as the model makes them."""
        return 2 * self.layers * self.kv_heads * self.head_dim * int(self.torch_dtype.itemsize)

    @classmethod
    def of(cls, model: Any) -> ModelShape:
        """The shape of a causal language model of transformers (of any type: an optional library).

        Raises `ConfigError` for what cannot be read with: another kind of model, layers that see only a window, rotary
        positions that change with the length of the text.
        """
        config: Any = getattr(model, "config", None)
        family = getattr(config, "model_type", None)
        if family not in FAMILIES or not hasattr(model, "get_output_embeddings") or model.get_output_embeddings() is None:
            raise ConfigError(
                f"keys and values of {type(model).__name__} (kind {family!r}) cannot be managed: take a causal language model of one of {', '.join(FAMILIES)}"
            )
        heads = int(config.num_attention_heads)
        dim = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
        frequencies, rotary_scale = _rotary(model, config, dim)
        _refuse_windows(config)
        weight = model.get_output_embeddings().weight
        sizes = {
            "family": str(family),
            "layers": int(config.num_hidden_layers),
            "heads": heads,
            "kv_heads": int(getattr(config, "num_key_value_heads", None) or heads),
            "head_dim": dim,
            "context": int(config.max_position_embeddings),
            "vocabulary": int(weight.shape[0]),
            "dtype": str(weight.dtype).removeprefix("torch."),
            "scaling": dim**-0.5,
            "frequencies": frequencies,
            "rotary_scale": rotary_scale,
        }
        return cls(**sizes, device=str(weight.device), fingerprint=_fingerprint(model, sizes))


def _rotary(model: Any, config: Any, dim: int) -> tuple[tuple[float, ...], float]:
    kind = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if kind not in ROTARY:
        raise ConfigError(
            f"rotary positions of the kind {kind!r} change with the length of the text, and keys cannot be turned: take one of {', '.join(ROTARY)}"
        )
    rotary = model.get_decoder().rotary_emb
    frequencies = tuple(float(one) for one in rotary.inv_freq.double().cpu())
    if len(frequencies) * 2 != dim:
        raise ConfigError(f"only {2 * len(frequencies)} of {dim} components of a key carry its position: not supported")
    return frequencies, float(rotary.attention_scaling)


def _refuse_windows(config: Any) -> None:
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if kinds - {"full_attention"} or (not kinds and window is not None and window < config.max_position_embeddings):
        raise ConfigError(
            f"this {config.model_type} model has layers that see only a window of {window} tokens: not supported, take a model without sliding windows"
        )


def _fingerprint(model: Any, sizes: dict[str, Any]) -> str:
    """Sixteen numbers of every weight, evenly spread, and the sizes: milliseconds, and any training shows."""
    digest = hashlib.blake2b(json.dumps(sizes, sort_keys=True).encode(), digest_size=16)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            flat = weight.reshape(-1)
            step = max(1, flat.numel() // _SAMPLED)
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(flat[::step][:_SAMPLED].double().cpu().numpy().tobytes())
    return digest.hexdigest()
