"""Keys and values: what a transformer remembers while it reads, and what of it is kept. Needs the extra `local`.

`Session(model, policy)` reads tokens with a causal language model of transformers; a `CachePolicy` decides what stays. Nothing
heavy is imported before one of the names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import MissingExtraError

if TYPE_CHECKING:
    from lamina.kv.blocks import BlockStore
    from lamina.kv.head_scores import HeadScores
    from lamina.kv.head_tap import HeadTap
    from lamina.kv.policies.episodic import EpisodicCache
    from lamina.kv.policies.full import Full
    from lamina.kv.policies.paged import PagedRetrieval
    from lamina.kv.policies.quantised import QuantisedCache
    from lamina.kv.policies.random_retrieval import RandomRetrieval
    from lamina.kv.policies.rehearsed import Rehearsed, rehearse
    from lamina.kv.policies.sliding_window import SlidingWindow
    from lamina.kv.policies.snapkv import SnapKV
    from lamina.kv.policy import Cache, CachePolicy
    from lamina.kv.session import Session
    from lamina.kv.shape import ModelShape

__all__ = [
    "BlockStore",
    "Cache",
    "CachePolicy",
    "EpisodicCache",
    "Full",
    "HeadScores",
    "HeadTap",
    "ModelShape",
    "PagedRetrieval",
    "QuantisedCache",
    "RandomRetrieval",
    "Rehearsed",
    "Session",
    "SlidingWindow",
    "SnapKV",
    "rehearse",
]

_MODULES: Final = {
    "BlockStore": "blocks",
    "Cache": "policy",
    "CachePolicy": "policy",
    "EpisodicCache": "policies.episodic",
    "Full": "policies.full",
    "HeadScores": "head_scores",
    "HeadTap": "head_tap",
    "ModelShape": "shape",
    "PagedRetrieval": "policies.paged",
    "QuantisedCache": "policies.quantised",
    "RandomRetrieval": "policies.random_retrieval",
    "Rehearsed": "policies.rehearsed",
    "Session": "session",
    "SlidingWindow": "policies.sliding_window",
    "SnapKV": "policies.snapkv",
    "rehearse": "policies.rehearsed",
}


def __getattr__(name: str) -> Any:  # PEP 562: the type depends on the name
    if name not in _MODULES:
        raise AttributeError(f"module 'lamina.kv' has no attribute {name!r}")
    try:
        return getattr(import_module(f"lamina.kv.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lamina"):
            raise
        raise MissingExtraError.for_extra("local", "memory inside attention", error.name) from error
