"""Keys and values: what a transformer remembers while it reads, and what of it is kept. Needs the extra `local`.

`Session(model, policy)` reads tokens with a causal language model of transformers; a `CachePolicy` decides what stays.
"""

from __future__ import annotations

from lamina.errors import MissingExtraError

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    raise MissingExtraError.for_extra("local", "memory inside attention", error.name or "torch") from error

from lamina.kv.policies.full import Full
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.session import Session
from lamina.kv.shape import ModelShape

__all__ = ["Cache", "CachePolicy", "Full", "ModelShape", "Session"]
