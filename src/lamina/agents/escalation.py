"""How far back a plan is thrown: its calls, its subgoal, or everything, by how sure the critic is and how much the world surprised.

Level 1 replaces the list of calls and keeps the subgoal: the chance is below τ and not below τ_low, or one fact is off that is not
about the subgoal's object. Level 2 lets the subgoal go: the chance is below τ_low, what was seen is further from what was expected than the
`surprise` allowed, or `in_a_row` level-1 re-plans came one after the other. Level 3 after `patience` level-2 re-plans without progress: the
world is looked at anew, the belief is made anew, the task is taken up from its start. Then the task is given up.

M. Lei et al., "CLEA", 2025, speak of hierarchical re-planning; the numbers and this order are this project's interpretation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.agents.roles import Plan, Verdict
    from lamina.agents.skills import Call
    from lamina.working.sightings import Surprise

ACCEPTED: Final = 0
GIVEN_UP: Final = 4
"""The level after the last."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a plan is given up. `tau`, `tau_low`: chances; `surprise`: Jaccard distance; the others are counts.

    >>> Thresholds(tau=0.1)
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: tau_low must not be above tau, but 0.2 is above 0.1
    """

    tau: float = 0.5
    tau_low: float = 0.2
    surprise: float = 0.3
    in_a_row: int = 2
    patience: int = 3
    identical: int = 2

    def __post_init__(self) -> None:
        for name in ("tau", "tau_low", "surprise"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name} lies in [0, 1], not at {value!r}")
        if self.tau_low > self.tau:
            raise InputError(f"tau_low must not be above tau, but {self.tau_low} is above {self.tau}")
        for name in ("in_a_row", "patience", "identical"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is a whole number of at least 1, not {value!r}")


@dataclass
class Escalation:
    """Decides the level of each re-plan, and remembers what was rejected before.

    Parameters: `thresholds`. `rejected`: reasons with how often; `reason`: the last one, and `base`, the level it has by itself.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    rejected: Counter[str] = field(default_factory=Counter)
    reason: str = ""
    base: int = ACCEPTED
    _row: int = 0
    _fruitless: int = 0
    _anew: bool = False

    @property
    def reflection(self) -> tuple[str, ...]:
        """All that was rejected since the last progress, with how often."""
        return tuple(f"{reason} (rejected {count} times)" if count > 1 else reason for reason, count in self.rejected.items())

    def judged(self, call: Call, verdict: Verdict, plan: Plan) -> int:
        """The level of a verdict: `ACCEPTED`, 1, 2, 3 or `GIVEN_UP`."""
        if verdict.chance >= self.thresholds.tau:
            return ACCEPTED
        alone = len(verdict.contradicted) == 1 and not _about(verdict.contradicted, plan)
        level = 1 if alone or verdict.chance >= self.thresholds.tau_low else 2
        return self._raised(level, verdict.reason or f"{call.text} was rejected without a reason")

    def surprised(self, surprise: Surprise, plan: Plan) -> int:
        """The level of what was seen after a call: `ACCEPTED` where it was as expected."""
        if not surprise.score:
            self._row = 0
            return ACCEPTED
        alone = len(surprise.contradicted) == 1 and not _about(surprise.contradicted, plan)
        if alone or surprise.score > self.thresholds.surprise:
            told = "; ".join(sorted(fact.text for fact in surprise.contradicted))
            return self._raised(1 if alone else 2, f"it was expected, and is not so: {told}")
        return ACCEPTED

    def failed(self, reason: str, level: int = 1) -> int:
        """The level of a plan that could not be made, or that says wrongly that all is done."""
        return self._raised(level, reason)

    def progressed(self) -> None:
        """A subgoal was reached: what was rejected before counts no more."""
        self.rejected.clear()
        self._row = self._fruitless = 0
        self._anew = False

    def _raised(self, level: int, reason: str) -> int:
        """The level with what came before it: the same rejection again, several in a row, several without progress."""
        self.reason, self.base = reason, level
        self.rejected[reason] += 1
        if self.rejected[reason] > self.thresholds.identical:
            level += 1
        if level == 1:
            self._row += 1
            if self._row > self.thresholds.in_a_row:
                level = 2
        if level == 2:
            self._row = 0
            self._fruitless += 1
            if self._fruitless > self.thresholds.patience:
                level = 3
        if level >= 3:
            if self._anew:
                return GIVEN_UP
            self._anew, self._row, self._fruitless = True, 0, 0
            self.rejected.clear()
            return 3
        return level


def _about(facts: frozenset[object], plan: Plan) -> bool:
    """Whether any of the facts is about the subgoal's object."""
    return any(getattr(fact, "subject", None) in plan.objects for fact in facts)
