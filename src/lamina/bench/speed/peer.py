"""The same writes and searches with mem0, in turns with ours, both with the same static vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lamina.bench import mem0_peer
from lamina.bench.results import Row
from lamina.bench.speed.child import USER
from lamina.bench.speed.timing import Timings
from lamina.memory import Memory

HITS = 20


def beside_mem0(
    path: Path, messages: Sequence[dict[str, Any]], cues: Sequence[str], timed: int, say: Callable[[str], None]
) -> list[Row]:
    """Fill both with all but the last `timed` messages, then add those and search, taking turns."""
    first, rest = messages[:-timed], messages[-timed:]
    adds, searches = {"lamina": Timings(), "mem0": Timings()}, {"lamina": Timings(), "mem0": Timings()}
    with mem0_peer.open_mem0() as other, Memory(path, embedder="wordllama") as ours:
        ours.add_many(first, user=USER)
        ours.flush()
        for place, message in enumerate(first):
            if place % 500 == 0:
                say(f"speed: mem0 has {place:,} of {len(messages):,} messages")
            _add(other, message)
        for message in rest:
            adds["lamina"].take(partial(ours.add, message, user=USER))
            adds["mem0"].take(partial(_add, other, message))
        ours.flush()
        for cue in cues:
            searches["lamina"].take(partial(ours.search, cue, k=HITS, user=USER))
            searches["mem0"].take(partial(other.search, cue, top_k=HITS, filters={"user_id": USER}, threshold=0.0))
    ratios = {
        "add_times_faster": adds["mem0"].p50 / adds["lamina"].p50,
        "search_times_faster": searches["mem0"].p50 / searches["lamina"].p50,
    }
    size = f"at {len(messages):,} messages"
    return [
        Row(f"lamina {size}", {**adds["lamina"].metrics("add"), **searches["lamina"].metrics("search"), **ratios}),
        Row(f"mem0 {mem0_peer.version()} {size}", {**adds["mem0"].metrics("add"), **searches["mem0"].metrics("search")}),
    ]


def _add(memory: Any, message: dict[str, Any]) -> None:
    shown = f"{message['speaker']}: {message['content']}"
    memory.add(shown, user_id=USER, metadata={"session": message["session"]}, infer=False)
