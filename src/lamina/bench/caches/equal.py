"""Systems that hold no more than so many bytes of a context: this library's policies, and the presses of kvpress in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lamina.bench.caches.asking import SPARE
from lamina.bench.caches.needles import Context
from lamina.bench.caches.policies import OBSERVED, SINKS
from lamina.bench.processes import Asked

if TYPE_CHECKING:
    from lamina.kv import CachePolicy, ModelShape

PRESSES: Final[Mapping[str, str]] = {
    "kvpress-streaming": "StreamingLLMPress",
    "kvpress-snapkv": "SnapKVPress",
    "kvpress-expected": "ExpectedAttentionPress",
    "kvpress-kvzip": "KVzipPress",
    "kvpress-knorm": "KnormPress",
}
"""The fixed list of what ours is compared with."""
KVPRESS: Final = "0.5.5"
PAGE: Final = 16  # tokens
NEAR: Final = 32  # newest tokens that stay beside pages
SCALED: Final = 2  # bytes of a scale in 8 bits


def _packed(shape: ModelShape) -> int:
    """Bytes of a token in 8 bits with its scales."""
    return shape.layers * shape.kv_heads * 2 * (shape.head_dim + SCALED)


def _window(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from lamina.kv.policies.sliding_window import SlidingWindow

    return SlidingWindow(sinks=SINKS, window=bytes_ // shape.token_bytes - SINKS, positions="own")


def _snap(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from lamina.kv.policies.snapkv import SnapKV

    return SnapKV(budget=bytes_ // shape.token_bytes, observed=OBSERVED)


def _snap_int8(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from lamina.kv.policies.snapkv import SnapKV

    return SnapKV(budget=bytes_ // _packed(shape), observed=OBSERVED, quantised=True)


def _rehearsed(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from lamina.kv.policies.rehearsed import Rehearsed

    return Rehearsed(budget=bytes_ // _packed(shape))


def _rehearsed_16(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from lamina.kv.policies.rehearsed import Rehearsed

    return Rehearsed(budget=bytes_ // shape.token_bytes, quantised=False)


def _paged(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from lamina.kv.policies.paged import PagedRetrieval

    pages = (length - NEAR) // PAGE
    near = (length - pages * PAGE) * shape.token_bytes
    summaries = pages * shape.layers * shape.kv_heads * 2 * (shape.head_dim + SCALED)
    fetched = (bytes_ - near - summaries) // (shape.token_bytes * PAGE)
    return PagedRetrieval(page=PAGE, window=NEAR, retrieved=max(1, fetched) * PAGE)


def _episodic(bytes_: int, length: int, shape: ModelShape) -> CachePolicy:
    from dataclasses import replace

    from lamina.bench.caches.policies import policy
    from lamina.kv.policies.episodic import EpisodicCache

    one = policy("episodic-each", bytes_ // shape.token_bytes)
    return replace(one, offload=True) if isinstance(one, EpisodicCache) else one


OURS: Final[Mapping[str, Callable[[int, int, ModelShape], CachePolicy]]] = {
    "window": _window,
    "snap": _snap,
    "snap-int8": _snap_int8,
    "paged": _paged,
    "rehearsed": _rehearsed,
    "rehearsed-16": _rehearsed_16,
    "episodic": _episodic,
}
"""What makes each of our policies of bytes that may be resident after a context of so many tokens."""


class Press:
    """kvpress in a process of its own: what it does with contexts. Use it in a `with`.

    Parameters: `python`, the interpreter that has kvpress; `folder`, the model's; `precision`.
    """

    def __init__(self, python: str, folder: str, precision: str) -> None:
        self._child = Asked("kvpress", [python, str(Path(__file__).with_name("kvpress_child.py"))])
        self._folder, self._precision = folder, precision
        self.versions: dict[str, Any] = {}

    def __enter__(self) -> Press:
        self._child.__enter__()
        try:
            self.versions = self._child.ask("load", folder=self._folder, precision=self._precision)
        except BaseException as error:
            self._child.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        self._child.__exit__(*error)

    def record(self, press: str, share: float, context: Context, decode: Callable[[list[int]], str]) -> dict[str, Any]:
        """Read a context, keep a share of it, and ask its questions: as `measuring.record`."""
        told = self._child.ask("encode", ids=list(context.ids), press=press, share=share)
        answers, spent = [], 0.0
        for one in context.questions:
            found = self._child.ask(
                "ask", asked=list(one.asked), lead=list(one.lead), options=[list(option) for option in one.options], steps=len(one.options[0]) + SPARE
            )  # fmt: skip
            spent += found["processor_seconds"]
            about = {
                "depth": one.depth,
                "start": one.start,
                "stop": one.stop,
                "answer": one.answer,
                "tokens": len(one.options[0]),
            }
            seen = told["attended"] + len(one.asked) + len(one.lead)
            answers.append({**about, "said": decode(found["said"]), "nats": found["nats"], "attended": seen})
        return {
            "stored": told["bytes"], "resident": told["bytes"], "encode_seconds": told["processor_seconds"],
            "question_seconds": spent / max(len(answers), 1), "length": len(context.ids), "answers": answers,
        }  # fmt: skip
