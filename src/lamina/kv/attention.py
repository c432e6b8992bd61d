"""The attention function that a model calls while a session reads with it.

Transformers asks a registered function for the attention of each layer. Ours gets the queries, keys and values of the new
tokens alone, at their own positions, and hands them to the cache of the session that reads; what the tokens see of the
past is the cache's affair. A model runs with it only while a session reads, and is then as it was before.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import torch
from transformers import AttentionInterface, AttentionMaskInterface

from lamina.errors import ModelError

if TYPE_CHECKING:
    from lamina.kv.policy import Cache

NAME: Final = "lamina"
Tensor: TypeAlias = torch.Tensor

_locks: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
_locking = threading.Lock()


class Reading:
    """One block of tokens on its way through a model: the cache it is read into, and which layers have asked."""

    def __init__(self, cache: Cache, start: int) -> None:
        self.cache, self.start, self.asked = cache, start, 0

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The attention of a layer: (1, heads, n, dim)."""
        self.asked += 1
        return self.cache.attend(layer, q, k, v, self.start)


@contextmanager
def reading(model: Any, cache: Cache, start: int) -> Iterator[Reading]:
    """Let the model (of transformers, so of any type) attend through `cache`, for one thread at a time.

    The call of the model inside is given what this yields, as `lamina_session`. Raises `ModelError` if not every layer has
    asked once.
    """
    with _locking:
        lock = _locks.setdefault(model, threading.RLock())
    config, block = model.config, Reading(cache, start)
    with lock:
        before = config._attn_implementation
        config._attn_implementation = NAME
        try:
            yield block
        finally:
            config._attn_implementation = before
    if block.asked != cache.shape.layers:
        raise ModelError(f"{block.asked} of {cache.shape.layers} layers attended through the cache: the model was changed")


def _attend(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **given: Any) -> Any:
    """The function that is registered: see `transformers.AttentionInterface`."""
    block = given.get("lamina_session")
    if not isinstance(block, Reading):
        raise ModelError('the attention "lamina" works only while a session reads: call Session, or set another attention')
    return block.attend(module.layer_idx, query, key, value).transpose(1, 2), None  # (1, n, heads, dim)


def _no_mask(*args: Any, **given: Any) -> None:
    """Masks are the cache's affair."""


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, _no_mask)
