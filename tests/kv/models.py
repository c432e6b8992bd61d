"""Tiny models with random weights, of every family that is supported."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, Qwen2Config, Qwen3Config

VOCABULARY = 97
CONTEXT = 256
FAMILIES = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}


def tiny(family: str = "llama", dtype: torch.dtype = torch.float32, seed: int = 0, **changed: Any) -> Any:
    """A model of 3 layers, 4 heads of queries and 2 of keys, 16 wide each, whose attention is far from even."""
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.25,
        "tie_word_embeddings": False,
        "attn_implementation": "sdpa",  # the eager one works in 32 bits whatever the type
    }
    if family == "mistral":
        sizes["sliding_window"] = None
    torch.manual_seed(seed)
    from transformers import AutoModelForCausalLM

    config = FAMILIES[family](**{**sizes, **changed})
    model = LlamaForCausalLM(config) if family == "llama" else AutoModelForCausalLM.from_config(config)
    return model.to(dtype).eval()


def text(n: int, seed: int = 0) -> list[int]:
    """Random tokens."""
    return torch.randint(VOCABULARY, (n,), generator=torch.Generator().manual_seed(seed)).tolist()


def plain(model: Any, ids: list[int]) -> torch.Tensor:
    """The model's own logits (n, vocabulary), without any session."""
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]
