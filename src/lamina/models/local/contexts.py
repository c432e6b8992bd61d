"""How much of a text a local model sees while it reads and writes: cache policies by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import ConfigError

if TYPE_CHECKING:
    from lamina.kv import CachePolicy

CONTEXTS: Final[Mapping[str, str]] = {"full": "Full", "window": "SlidingWindow", "episodic": "EpisodicCache"}
"""Names of contexts, and of the policies of `lamina.kv`: everything; the first tokens and the last; events that are fetched when they fit (EM-LLM)."""

SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "episodic": {
        "n_local": 2048, "n_init": 16, "n_mem": 1024, "max_block": 32, "block": 128, "gamma": 0.5, "contiguity": 0, "refine_from_layer": -10,
        "likeness": "share", "standing": "each",
    },
}  # fmt: skip
"""What differs from a policy's own defaults: of events, how they were found best with a small model (docs/results.md), with a larger window, which was not measured."""


def contexts() -> tuple[str, ...]:
    """The names that can be used here; raises `MissingExtraError` where torch is not installed."""
    import lamina.kv

    return tuple(name for name, policy in CONTEXTS.items() if hasattr(lamina.kv, policy))


def context_policy(given: CachePolicy | str | None = None) -> CachePolicy:
    """The policy itself, the one of a name, or everything where None is given.

    Raises `ConfigError` for a name that is none, or none here, and `MissingExtraError` where torch is not installed.
    """
    if given is not None and not isinstance(given, str):
        return given
    import lamina.kv

    if given is not None and given not in contexts():
        raise ConfigError(f"{given!r} is not a context: use one of {', '.join(contexts())}")
    name = given or "full"
    policy: CachePolicy = getattr(lamina.kv, CONTEXTS[name])(**SETTINGS.get(name, {}))
    return policy
