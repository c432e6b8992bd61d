"""Policies that hold no more than so many bytes of a context, ours and those of kvpress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lamina.bench.caches.asking import Answer
from lamina.bench.caches.needles import Context
from lamina.bench.caches.policies import OBSERVED, SINKS
from lamina.bench.processes import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.kv import CachePolicy, ModelShape

PRESSES: Final[Mapping[str, str]] = {
    "kvpress-streaming": "StreamingLLMPress",
    "kvpress-snapkv": "SnapKVPress",
    "kvpress-expected": "ExpectedAttentionPress",
    "kvpress-kvzip": "KVzipPress",
    "kvpress-knorm": "KnormPress",
}
"""The fixed list of what ours is compared with."""
