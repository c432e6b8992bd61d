"""Cache policies by name, at a number of tokens to attend to or of bytes to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.kv import CachePolicy

SINKS: Final = 16  # first tokens that are always seen (EM-LLM's for a small model)
BLOCK: Final = 128  # tokens read at once by policies that fetch for each block
EVENT: Final = 32  # tokens of an event at most: with the source's 128 few would fit a small budget
OBSERVED: Final = 32  # tokens at the end of a text by whose attention SnapKV chooses
QUESTION: Final = 64  # room that a question and its answer take of the attended tokens
LARGE: Final = 1 << 20

EPISODIC: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "episodic": ("SM+C", {}),
    "episodic-share": ("SM", {"likeness": "share", "gamma": 0.5, "n_local": 256}),
    "episodic-each": ("SM", {"likeness": "share", "gamma": 0.5, "n_local": 256, "standing": "each"}),
    "episodic-half": ("SM", {"likeness": "share", "gamma": 0.5, "standing": "each"}),
    "episodic-S": ("S", {}),
    "episodic-SM": ("SM", {}),
    "episodic-S+C": ("S+C", {}),
    "episodic-fixed": ("fixed", {}),
    "episodic-random": ("random retrieval", {}),
}
"""Variants of EM-LLM's table, and changed fields, by the names they have here; the second finds events by the share of attention they would get, and has many of them; the third compares every token that stands for an event by itself, and the fourth does so with half of the budget as its window."""


def _full(budget: int) -> CachePolicy:
    from lamina.kv.policies.full import Full

    return Full(extrapolate=True)


def _window(budget: int) -> CachePolicy:
    from lamina.kv.policies.sliding_window import SlidingWindow

    return SlidingWindow(sinks=SINKS, window=budget - SINKS)


def _snap(budget: int) -> CachePolicy:
    from lamina.kv.policies.snapkv import SnapKV

    return SnapKV(budget=budget - QUESTION, observed=OBSERVED)


def _random(budget: int) -> CachePolicy:
    from lamina.kv.policies.random_retrieval import RandomRetrieval

    near = (budget - SINKS) // 2
    return RandomRetrieval(sinks=SINKS, window=near, retrieved=budget - SINKS - near, run=EVENT, block=BLOCK)


def _int8(budget: int) -> CachePolicy:
    from lamina.kv.policies.quantised import QuantisedCache

    return QuantisedCache(keys="channel")


def _paged(budget: int) -> CachePolicy:
    from lamina.kv.policies.paged import PagedRetrieval

    near = max(32, budget // 8)
    return PagedRetrieval(window=near, retrieved=budget - near - QUESTION)


def _episodic(variant: str, fields: Mapping[str, Any]) -> Callable[[int], CachePolicy]:
    def make(budget: int) -> CachePolicy:
        from lamina.kv.policies.episodic import EpisodicCache

        near = min(
            fields.get("n_local", budget), (budget - SINKS - 2 * EVENT) // 2
        )  # tokens that left the window wait for their event: up to two of them
        sizes = {"n_local": near, "n_init": SINKS, "n_mem": budget - SINKS - 2 * EVENT - near, "max_block": EVENT, "block": BLOCK}
        return EpisodicCache.variant(variant, **{**fields, **sizes})

    return make


POLICIES: Final[Mapping[str, Callable[[int], CachePolicy]]] = {
    "full": _full,
    "window": _window,
    "snap": _snap,
    "random": _random,
    "int8": _int8,
    "paged": _paged,
    **{name: _episodic(*how) for name, how in EPISODIC.items()},
}
"""What makes each policy of a number of tokens that it may attend to."""

WHOLE: Final = ("full", "int8")
"""Those that attend to everything, whatever the budget."""


def policy(name: str, budget: int) -> CachePolicy:
    """A policy that attends to about `budget` tokens; raises `InputError` for an unknown name and for fewer than 256.

    >>> policy("lamina", 512)
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: 'lamina' is no policy of this benchmark: use full, window, snap, random, int8, paged, episodic, episodic-share, episodic-each, episodic-half, episodic-S, episodic-SM, episodic-S+C, episodic-fixed, episodic-random
    """
    check([name])
    if budget < 256 and name not in WHOLE:
        raise InputError(f"a policy has 256 tokens at least, not {budget}")
    return POLICIES[name](budget)


def check(names: Sequence[str]) -> None:
    """Raise `InputError` for a name that is no policy's."""
    unknown = [name for name in names if name not in POLICIES]
    if unknown:
        raise InputError(f"{', '.join(map(repr, unknown))} is no policy of this benchmark: use {', '.join(POLICIES)}")


def told(one: CachePolicy) -> dict[str, Any]:
    """A policy's class and fields, as JSON has them."""
    from dataclasses import asdict

    return {"kind": type(one).__name__, **asdict(one)}
