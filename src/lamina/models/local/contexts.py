"""How much of a text a local model sees while it reads and writes: cache policies by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lamina.errors import ConfigError

if TYPE_CHECKING:
    from lamina.kv import CachePolicy

CONTEXTS: Final[Mapping[str, str]] = {"full": "Full", "window": "SlidingWindow", "episodic": "EpisodicCache"}
"""Names of contexts, and of the policies of `lamina.kv`: everything; the first tokens and the last; events that are fetched when they fit (EM-LLM)."""


def contexts() -> tuple[str, ...]:
    """The names that can be used here; raises `MissingExtraError` where torch is not installed."""
    import lamina.kv

    return tuple(name for name, policy in CONTEXTS.items() if hasattr(lamina.kv, policy))


def context_policy(given: CachePolicy | str | None = None) -> CachePolicy:
    """The policy itself, the one of a name with its source's numbers, or everything where None is given.

    Raises `ConfigError` for a name that is none, or none here, and `MissingExtraError` where torch is not installed.
    """
    if given is not None and not isinstance(given, str):
        return given
    import lamina.kv

    if given is not None and given not in contexts():
        raise ConfigError(f"{given!r} is not a context: use one of {', '.join(contexts())}")
    policy: CachePolicy = getattr(lamina.kv, CONTEXTS[given or "full"])()
    return policy
