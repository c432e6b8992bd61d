"""Taking times: medians and 95th percentiles, on the clock and in processor time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Timings:
    """How long something took, again and again; `clock` and `processor` in seconds.

    Processor time (of the whole process, all threads) hardly depends on what else the machine is doing.
    """

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def take(self, action: Callable[[], object]) -> None:
        """Do something once and note its time."""
        clock, processor = time.perf_counter(), time.process_time()
        action()
        self.clock.append(time.perf_counter() - clock)
        self.processor.append(time.process_time() - processor)

    def take_all(self, actions: Iterable[Callable[[], object]]) -> Timings:
        """Do several things; returns itself."""
        for action in actions:
            self.take(action)
        return self

    @property
    def p50(self) -> float:
        """The median on the clock."""
        return float(np.median(self.clock))

    def metrics(self, name: str) -> dict[str, float]:
        """Median and 95th percentile on the clock, and the median processor time, in seconds.

        >>> list(Timings([1.0, 3.0], [1.0, 1.0]).metrics("add"))
        ['add_p50_seconds', 'add_p95_seconds', 'add_p50_processor_seconds']
        """
        return {
            f"{name}_p50_seconds": self.p50,
            f"{name}_p95_seconds": float(np.quantile(self.clock, 0.95)),
            f"{name}_p50_processor_seconds": float(np.median(self.processor)),
        }
