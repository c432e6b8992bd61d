"""An agent that plans anew when the world changes: in a kitchen of text in which things are moved, doors closed, and actions fail silently.

Every system has the same planner, a search over what it believes, and the same seeds. `closed` judges each call before it is made and watches what comes of
it; `open` plans once. Rows: closed against open; without the critic, or with one that rejects at random as often; without what was seen where; over
thresholds; the belief over 200 steps. Intervals resample seeds. No language model takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from lamina.bench.closed_loop import checks as measured
from lamina.bench.closed_loop.trials import LENGTHS, LIMIT
from lamina.bench.results import Result, Row
from lamina.errors import InputError

CHECKS: Final[Mapping[str, Callable[[Sequence[int], Callable[[str], None]], list[Row]]]] = {
    "loops": measured.loops,
    "critics": measured.critics,
    "maps": measured.maps,
    "thresholds": measured.thresholds,
    "belief": measured.beliefs,
}
"""What is measured, by the name to be set."""


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], seeds: int = 300, checks: Sequence[str] = tuple(CHECKS)
) -> Result:  # fmt: skip
    """Measure; `seeds`: how many tasks; `checks`: only some of them."""
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 2:
        raise InputError(f"seeds must be a whole number of at least 2, not {seeds!r}")
    unknown = [name for name in ([checks] if isinstance(checks, str) else checks) if name not in CHECKS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no check of this benchmark: use one of {', '.join(CHECKS)}")
    chosen = [checks] if isinstance(checks, str) else checks
    tasks = range(seed, seed + seeds)
    rows = [row for name in chosen for row in CHECKS[name](tasks, progress)]
    config = {"seed": seed, "seeds": seeds, "checks": list(chosen), "calls_of_a_plan": list(LENGTHS), "limit": LIMIT}
    return Result("closed-loop", "kitchen of text, 2 robots, 8 objects, 4 places, 4 containers", config, rows)
