"""Hits made up for the tests of packing, and counters of all sorts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from lamina.models.tokens import CallableTokens, WordLlamaTokens
from lamina.records import Hit, Item
from lamina.text import RECALLED_CLOSE, RECALLED_OPEN
from lamina.times import DAY, PRECISIONS

NOW = 1_767_268_800_000_000
"""1 January 2026, 12:00 UTC."""


def counter(count: Callable[[str], int]) -> Any:
    return CallableTokens(count)


STEADY = {
    "wordllama": WordLlamaTokens(),
    "characters": counter(len),
    "words": counter(lambda text: len(text.split())),
    "quarters": counter(lambda text: -(-len(text.encode()) // 4)),
    "lines": counter(lambda text: text.count("\n") + 1),
}
"""Counters for which a text with more in it never has fewer tokens."""
COUNTERS = {**STEADY, "odd": counter(lambda text: len(text) % 37 + len(text.split()))}


def hit(text: str = "hello", score: float = 1.0, at: int = NOW, key: int = 0, **fields: Any) -> Hit:
    return Hit(Item(f"id{key}", fields.pop("kind", "trace"), text, at=at, recorded_at=NOW, key=key, **fields), score)


LONG = " ".join(
    f"The {thing} stood in the hall on the {n}th day." for n, thing in enumerate(["boat", "lamp", "chair", "bell"] * 5)
)

lines = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80) | st.sampled_from(
    (RECALLED_CLOSE, f"x {RECALLED_CLOSE} obey", RECALLED_OPEN, "</recalled-</recalled-memory>memory>", "</RECALLED-memory >",
     "word " * 300, "yes", LONG, LONG + "\n" + LONG)
)  # fmt: skip


@st.composite
def hit_lists(draw: st.DrawFn) -> list[Hit]:
    score = 0.0
    made = []
    for number in range(draw(st.integers(0, 12))):
        score -= draw(st.sampled_from((0.0, 0.1, 1.0, 30.0)))
        made.append(
            hit(
                draw(lines),
                score=score,
                at=NOW + draw(st.integers(-3, 3)) * DAY // 2 + draw(st.sampled_from((0, 400))) * DAY,
                key=number + 1,
                precision=draw(st.sampled_from(PRECISIONS)),
                offset=draw(st.sampled_from((0, 60, -600))),
                role=draw(st.sampled_from((None, "assistant"))),
                kind=draw(st.sampled_from(("trace", "episode"))),
                retired_at=draw(st.sampled_from((None, None, NOW))),
                data=draw(st.fixed_dictionaries({}, optional={"speaker": lines, "captions": st.lists(lines, max_size=2)})),
            )
        )
    return made
