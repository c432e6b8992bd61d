"""Forgetting along an Ebbinghaus curve that every recall flattens.

Source: "MemoryBank: Enhancing Large Language Models with Long-Term Memory" (Wanjun Zhong et al., 2023; AAAI 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from lamina.algorithms.strength import StrengthState, exponential_retention, seeded_draw
from lamina.errors import InputError
from lamina.times import DAY


@dataclass(frozen=True)
class EbbinghausForgetting:
    """Retention R = exp(-t / (tau S)): t days since the last recall, S growing by 1 with each recall.

    Each item holds one random draw u from its last recall on and is forgotten when R < u, so the share still held
    after t days is exactly R, whatever the schedule of checks. `tick` therefore has nothing to do.

    Parameters:
        tau_days: the time constant in days. The paper has 1 day, after which three days leave 5 % of what is never
            recalled; 5 days is what the constant in the released code intends, and the default here.
        gain: what one recall adds to S (source: 1).
        threshold: None draws as above; a number in (0, 1) forgets, without chance, when R < threshold.
        variant: "paper", or "code" for comparison only: the released code multiplies by S where the paper divides, so
            that firmer memories fade *faster*, and draws anew at every check (here: every `tick` on a later moment),
            so that survival is the product of all checks.
        seed: of the draws.

    Raises `InputError` for values out of range, for a `now` before the last access, and for a negative signal (this
    curve knows none; `LayeredForgetting` does).

    >>> policy = EbbinghausForgetting(tau_days=5)
    >>> new = policy.initial(0, seed_key="trace-1")
    >>> recalled = policy.reinforce(new, now=0)
    >>> [round(policy.retention(state, 5 * DAY), 3) for state in (new, recalled)]
    [0.368, 0.607]
    """

    tau_days: float = 5.0
    gain: float = 1.0
    threshold: float | None = None
    variant: Literal["paper", "code"] = "paper"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.tau_days < math.inf:
            raise InputError(f"tau_days must be a finite number of days above 0, not {self.tau_days!r}")
        if not 0 <= self.gain < math.inf:
            raise InputError(f"gain must be a finite number from 0, not {self.gain!r}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise InputError(f"threshold must lie between 0 and 1, or be None for a draw, not {self.threshold!r}")
        if self.variant not in ("paper", "code"):
            raise InputError(f"variant must be 'paper' or 'code', not {self.variant!r}")

    @property
    def name(self) -> str:
        """The mechanism and its version."""
        return "ebbinghaus/1" if self.variant == "paper" else "ebbinghaus-code/1"

    def initial(self, now: int, *, seed_key: str, importance: float | None = None, layer: str | None = None) -> StrengthState:
        """A new item: S = 1, t = 0. `importance`, which the source lacks, is S at the start; a layer is refused."""
        if layer is not None:
            raise InputError(f"the Ebbinghaus curve has no layers: leave out layer={layer!r}")
        strength = 1.0 if importance is None else importance
        draw = seeded_draw(self.seed, seed_key, 0)
        return StrengthState(seed_key, created=now, last_access=now, ticked_at=now, strength=strength, draw=draw)

    def retention(self, state: StrengthState, now: int) -> float:
        """R at `now`, in [0, 1]; 0 for what a check of the "code" variant has dropped."""
        days = state.elapsed(now) / DAY
        if state.forgotten:
            return 0.0
        if self.variant == "code":
            return math.exp(-days * state.strength / self.tau_days)
        return exponential_retention(days, state.strength, self.tau_days)

    def reinforce(self, state: StrengthState, now: int, signal: float = 1.0) -> StrengthState:
        """Recall at `now`: S grows by `signal` times the gain, the clock restarts, a new draw is made.

        A signal of 0 (seen, not used) restarts the clock only. What is forgotten already stays as it is.
        """
        if not 0 <= signal < math.inf:
            raise InputError(f"signal must be a finite number from 0 on an Ebbinghaus curve, not {signal!r}")
        if self.forgets(state, now):
            return state
        accesses = state.accesses + 1
        return replace(
            state,
            strength=state.strength + self.gain * signal,
            accesses=accesses,
            last_access=now,
            ticked_at=now,
            age=0,
            draw=seeded_draw(self.seed, state.seed_key, accesses),
        )

    def tick(self, state: StrengthState, now: int) -> StrengthState:
        """The state itself; in the "code" variant one more check with a fresh draw, once per moment."""
        state.elapsed(now)
        if self.variant == "paper" or state.forgotten or now == state.ticked_at:
            return state
        age = state.age + 1
        draw = seeded_draw(self.seed, state.seed_key, state.accesses, age)
        drawn = replace(state, age=age, ticked_at=now, draw=draw)
        return replace(drawn, forgotten=self.forgets(drawn, now))

    def forgets(self, state: StrengthState, now: int) -> bool:
        """Whether R has fallen below the item's draw (or the threshold)."""
        bound = state.draw if self.threshold is None else self.threshold
        return state.forgotten or self.retention(state, now) < bound
