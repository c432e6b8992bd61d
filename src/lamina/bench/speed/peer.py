"""The same writes and searches with mem0, in turns with ours, both with the same static vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lamina.bench.peers import versions
from lamina.bench.peers.mem0 import Mem0, open_mem0
from lamina.bench.results import Row
from lamina.bench.speed.child import USER
from lamina.bench.speed.timing import Timings
from lamina.memory import Memory

HITS = 20
BLOCK = 50  # adds in a row by each of the two


def beside_mem0(
    path: Path, messages: Sequence[dict[str, Any]], cues: Sequence[str], timed: int, say: Callable[[str], None]
) -> list[Row]:
    """Fill both with all but the last `timed` messages, then add those and search, taking turns.

    Adds are timed twice: the first half in blocks of `BLOCK`, the other half one by one in turns. In turns each finds the
    processor's caches full of what the other left there, which costs the quicker one more.
    """
    first, rest = messages[:-timed], messages[-timed:]
    half = len(rest) // 2
    adds, searches = {"lamina": Timings(), "mem0": Timings()}, {"lamina": Timings(), "mem0": Timings()}
    turns = {"lamina": Timings(), "mem0": Timings()}
    with open_mem0() as other, Memory(path, embedder="wordllama") as ours:
        ours.add_many(first, user=USER)
        ours.flush()
        for place, message in enumerate(first):
            if place % 500 == 0:
                say(f"speed: mem0 has {place:,} of {len(messages):,} messages")
            _add(other, message)
        for start in range(0, half, BLOCK):
            block = rest[start : min(start + BLOCK, half)]
            adds["lamina"].take_all(partial(ours.add, message, user=USER) for message in block)
            adds["mem0"].take_all(partial(_add, other, message) for message in block)
        for message in rest[half:]:
            turns["lamina"].take(partial(ours.add, message, user=USER))
            turns["mem0"].take(partial(_add, other, message))
        ours.flush()
        for cue in cues:
            searches["lamina"].take(partial(ours.search, cue, k=HITS, user=USER))
            searches["mem0"].take(partial(other.search, cue, top_k=HITS, filters={"user_id": USER}, threshold=0.0))
    ratios = {
        "add_times_faster": adds["mem0"].p50 / adds["lamina"].p50,
        "add_in_turns_times_faster": turns["mem0"].p50 / turns["lamina"].p50,
        "search_times_faster": searches["mem0"].p50 / searches["lamina"].p50,
    }
    size = f"at {len(messages):,} messages"
    return [
        Row(
            name,
            {
                **adds[system].metrics("add"),
                **turns[system].metrics("add_in_turns"),
                **searches[system].metrics("search"),
                **(ratios if system == "lamina" else {}),
            },
        )
        for system, name in (("lamina", f"lamina {size}"), ("mem0", f"mem0 {versions([Mem0()])[Mem0.name]} {size}"))
    ]


def _add(memory: Any, message: dict[str, Any]) -> None:
    shown = f"{message['speaker']}: {message['content']}"
    memory.add(shown, user_id=USER, metadata={"session": message["session"]}, infer=False)
