"""What single heads of attention give: watched, silenced, turned down, or put in the place of another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, Self, TypeAlias

import torch

from lamina.errors import InputError, StateError
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
Head: TypeAlias = tuple[int, int]
"""A layer and a head of queries in it, both counted from 0."""
Change: TypeAlias = Callable[[Tensor], Tensor]


class HeadTap:
    """Heads of a model, at the input of the output projection: there the outputs of all heads stand side by side, and what is
    changed is exactly what a head hands on.

    It works for whatever runs the model inside the `with`: a session, or the model by itself. Changes are made in the order in
    which they were asked for; what is captured is what is left after them. `model` is a causal language model of transformers
    (of any type: an optional library).

    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=50, max_position_embeddings=64, **sizes))
    >>> with HeadTap(model).zero([(1, 0)]).capture() as tap:
    ...     _ = model(torch.tensor([[3, 1, 4]]))
    >>> tap.outputs(1).shape, float(tap.outputs(1)[:, 0].detach().abs().max())
    (torch.Size([3, 2, 8]), 0.0)

    Sources: "Retrieval Head Mechanistically Explains Long-Context Factuality" (Wenhao Wu et al., 2024), for silencing heads;
    "Cutting Off the Head Ends the Conflict" (Zhuoran Jin et al., 2024), for putting in what a head gave elsewhere.
    """

    def __init__(self, model: Any) -> None:
        self._shape = ModelShape.of(model)
        self._layers = list(model.get_decoder().layers)
        self._changes: dict[int, list[Change]] = {}
        self._captured: dict[int, list[Tensor]] | None = None
        self._last = False
        self._hooks: list[Any] = []

    def zero(self, heads: Iterable[Head]) -> Self:
        """Silence these heads."""
        return self.scale(heads, 0.0)

    def scale(self, heads: Iterable[Head], factor: float) -> Self:
        """Multiply what these heads give."""
        for layer, chosen in self._by_layer(heads).items():
            self._changes.setdefault(layer, []).append(partial(_scaled, chosen=chosen, factor=factor))
        return self

    def replace(self, outputs: Mapping[Head, Tensor], where: Literal["all", "last"] = "all") -> Self:
        """Put other outputs in the place of what heads give: (dim,) for every token alike, or (tokens, dim) for each.

        `where`: at all tokens of a call of the model, or at its last one. A mean over other texts (`means`) takes a head's
        content away and leaves it in its usual range.
        """
        for head, given in outputs.items():
            if given.shape[-1] != self._shape.head_dim or given.ndim > 2:
                raise InputError(f"a head gives (tokens, {self._shape.head_dim}), not {tuple(given.shape)}")
            for layer, chosen in self._by_layer([head]).items():
                self._changes.setdefault(layer, []).append(partial(_replaced, chosen=chosen, given=given, where=where))
        return self

    def capture(self, layers: Iterable[int] | None = None, last: bool = False) -> Self:
        """Keep what heads give in these layers (None: in all), `last`: of the last token of each call alone."""
        every = range(self._shape.layers)
        wanted = every if layers is None else [one for one in layers if self._by_layer([(one, 0)])]
        self._captured, self._last = {layer: [] for layer in wanted}, last
        return self

    def outputs(self, layer: int) -> Tensor:
        """What was captured in a layer so far: (tokens, heads, dim)."""
        if not self._captured or not self._captured.get(layer):
            raise StateError(f"nothing was captured in layer {layer}: call capture, then run the model inside the `with`")
        return torch.cat(self._captured[layer])

    def means(self) -> dict[Head, Tensor]:
        """The mean output (dim,) of each head over the captured tokens, as `replace` takes it."""
        heads = range(self._shape.heads)
        return {(layer, head): self.outputs(layer)[:, head].mean(dim=0) for layer in self._captured or () for head in heads}

    def __enter__(self) -> Self:
        for layer in sorted(self._changes.keys() | (self._captured or {}).keys()):
            projection = self._layers[layer].self_attn.o_proj
            self._hooks.append(projection.register_forward_pre_hook(partial(self._pass, layer)))
        return self

    def __exit__(self, *raised: object) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def _pass(self, layer: int, module: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        flat = given[0]  # (batch, tokens, heads * dim)
        if flat.shape[0] != 1:
            raise InputError(f"heads are tapped of one text at a time, not of {flat.shape[0]}")
        outputs = flat[0].unflatten(-1, (self._shape.heads, self._shape.head_dim))  # (tokens, heads, dim)
        for change in self._changes.get(layer, ()):
            outputs = change(outputs)
        if self._captured is not None and layer in self._captured:
            self._captured[layer].append((outputs[-1:] if self._last else outputs).clone())
        return (outputs.flatten(1)[None], *given[1:])

    def _by_layer(self, heads: Iterable[Head]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for layer, head in heads:
            if not (0 <= layer < self._shape.layers and 0 <= head < self._shape.heads):
                raise InputError(
                    f"there is no head {head} in layer {layer}: the model has {self._shape.layers} layers of {self._shape.heads} heads"
                )
            found.setdefault(layer, []).append(head)
        return found


def _scaled(outputs: Tensor, chosen: list[int], factor: float) -> Tensor:
    outputs = outputs.clone()
    outputs[:, chosen] *= factor
    return outputs


def _replaced(outputs: Tensor, chosen: list[int], given: Tensor, where: str) -> Tensor:
    outputs, tokens = outputs.clone(), slice(-1, None) if where == "last" else slice(None)
    if given.ndim == 2 and len(given) != len(outputs[tokens]):
        raise InputError(f"{len(outputs[tokens])} tokens need as many outputs of a head, not {len(given)}")
    outputs[tokens, chosen[0]] = given.to(outputs)
    return outputs
