"""Layered forgetting: each layer decays at its own speed, and what pays climbs to deeper layers.

Source: "FinMem: A Performance-Enhanced LLM Trading Agent with Layered Memory and Character Design" (Yangyang Yu et
al., 2023). Its decay is per step of the agent; here a step is a stretch of time (a day), so that no trading calendar
is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from lamina.algorithms.strength import (
    Hysteresis,
    StrengthState,
    exponential_retention,
    geometric_decay,
    seeded_draw,
)
from lamina.errors import InputError
from lamina.times import DAY

IMPORTANCE_SCALE: Final = 100.0
"""Points of importance that count as 1 in a score (Yu et al., 2023)."""
_JUMPS_PER_STEP: Final = 2
"""A step moves an item at most from the shallowest of the source's three layers to its deepest."""


@dataclass(frozen=True)
class Layer:
    """The constants of one layer.

    Parameters:
        name: what it is called.
        stability: Q in steps; recency is exp(-age / Q).
        rate: alpha in (0, 1]; importance is multiplied by it at each step.
        odds: probabilities of a new item's importance being 40, 60 or 80 points.

    Raises `InputError` for values out of range.

    >>> Layer("shallow", stability=14.0, rate=0.9, odds=(0.8, 0.15, 0.05)).importance(0.85)
    60.0
    """

    name: str
    stability: float
    rate: float
    odds: tuple[float, float, float]
    LEVELS: ClassVar[tuple[float, float, float]] = (40.0, 60.0, 80.0)

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("a layer needs a name")
        if not 0 < self.stability < math.inf:
            raise InputError(f"stability of layer {self.name!r} must be finite and above 0, not {self.stability!r}")
        if not 0 < self.rate <= 1:
            raise InputError(f"rate of layer {self.name!r} must lie in (0, 1], not {self.rate!r}")
        if len(self.odds) != 3 or not all(odd >= 0 for odd in self.odds) or not math.isclose(sum(self.odds), 1.0):
            raise InputError(f"odds of layer {self.name!r} must be 3 probabilities summing to 1, not {self.odds!r}")

    def importance(self, draw: float) -> float:
        """The importance in points that a draw in [0, 1) stands for."""
        low, middle, high = self.LEVELS
        return low if draw < self.odds[0] else middle if draw < self.odds[0] + self.odds[1] else high


SHALLOW: Final = Layer("shallow", stability=14.0, rate=0.9, odds=(0.80, 0.15, 0.05))
INTERMEDIATE: Final = Layer("intermediate", stability=90.0, rate=0.967, odds=(0.05, 0.80, 0.15))
DEEP: Final = Layer("deep", stability=365.0, rate=0.988, odds=(0.05, 0.15, 0.80))


@dataclass(frozen=True)
class LayeredForgetting:
    """Recency exp(-age / Q) and importance v * alpha^age per layer, promotion and demotion by importance, and a purge.

    At each step: age grows by 1, importance decays, what is too weak is purged, the rest may change layer. Promotion
    sets recency back to 1 (age 0); demotion keeps the age. Steps are counted from an item's creation, so one `tick`
    over many days equals a tick on each of them.

    Parameters:
        layers: from the shallowest to the deepest.
        promote_at: importance in points from which an item climbs out of each layer but the deepest.
        margin: points below `promote_at` of the layer beneath under which an item falls back. 0 is the released
            code's rule, with which an item written at its layer's threshold falls after one day. Infinity, the
            default, lets every item live out its layer's own decay.
        purge_recency: purged when recency is below this.
        purge_importance: purged when importance is below this many points.
        feedback: points per event; the signal's sign says whether it paid. The paper adds 5 per event, which is done
            here; the released code multiplies by the growing access count (5, 10, 15, ...).
        step: microseconds per step; a day.
        seed: of the importance draws.

    Raises `InputError` for values out of range, unknown layers, and a `now` before what the state has seen (a memory
    from the future cannot be scored).

    >>> policy = LayeredForgetting()
    >>> news = policy.initial(0, seed_key="news-1", importance=40.0)
    >>> [policy.forgets(news, days * DAY) for days in (19, 20)]
    [False, True]
    >>> for _ in range(5):
    ...     news = policy.reinforce(news, now=0, signal=1.0)
    >>> news.importance, policy.tick(news, DAY).importance, policy.tick(news, 2 * DAY).layer
    (65.0, 58.5, 'shallow')
    """

    layers: tuple[Layer, ...] = (SHALLOW, INTERMEDIATE, DEEP)
    promote_at: tuple[float, ...] = (60.0, 80.0)
    margin: float = math.inf
    purge_recency: float = 0.05
    purge_importance: float = 5.0
    feedback: float = 5.0
    step: int = DAY
    seed: int = 0
    _rule: Hysteresis = field(init=False, repr=False, compare=False)
    _positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        positions = {layer.name: position for position, layer in enumerate(self.layers)}
        if not self.layers or len(positions) != len(self.layers):
            raise InputError(f"layers need at least one member and different names, not {self.layers!r}")
        if len(self.promote_at) != len(self.layers) - 1:
            raise InputError(f"promote_at needs one value per layer but the deepest, not {self.promote_at!r}")
        if not 0 < self.purge_recency < 1:
            raise InputError(f"purge_recency must lie between 0 and 1, not {self.purge_recency!r}")
        if not 0 < self.purge_importance < math.inf:
            raise InputError(f"purge_importance must be finite and above 0, not {self.purge_importance!r}")
        if not 0 <= self.feedback < math.inf:
            raise InputError(f"feedback must be a finite number of points from 0, not {self.feedback!r}")
        if self.step < 1:
            raise InputError(f"step must be at least 1 microsecond, not {self.step!r}")
        object.__setattr__(self, "_rule", Hysteresis(self.promote_at, self.margin))
        object.__setattr__(self, "_positions", positions)

    @property
    def name(self) -> str:
        """The mechanism and its version."""
        return "layered/1"

    def initial(self, now: int, *, seed_key: str, importance: float | None = None, layer: str | None = None) -> StrengthState:
        """A new item in `layer` (default: the shallowest), its importance drawn by the layer's odds unless given."""
        home = self.layers[0] if layer is None else self.layers[self._position(layer)]
        draw = seeded_draw(self.seed, seed_key, 0)
        return StrengthState(
            seed_key,
            created=now,
            last_access=now,
            ticked_at=now,
            importance=home.importance(draw) if importance is None else importance,
            layer=home.name,
            draw=draw,
        )

    def recency(self, state: StrengthState, now: int) -> float:
        """S_rec = exp(-age / Q) at `now`, in [0, 1]."""
        return self._recency(self.tick(state, now))

    def importance(self, state: StrengthState, now: int) -> float:
        """S_imp: importance at `now` over 100 points, at most 1."""
        return min(self.tick(state, now).importance / IMPORTANCE_SCALE, 1.0)

    def partial_score(self, state: StrengthState, now: int) -> float:
        """S_rec + S_imp at `now`, in [0, 2]."""
        current = self.tick(state, now)
        return self._recency(current) + min(current.importance / IMPORTANCE_SCALE, 1.0)

    def total_score(self, state: StrengthState, now: int, relevance: float) -> float:
        """S_rec + S_imp + the cosine of item and cue, the score by which a layer's top K are taken.

        >>> policy = LayeredForgetting()
        >>> policy.total_score(policy.initial(0, seed_key="a", importance=40.0), 0, relevance=0.5)
        1.9
        """
        if not -1 <= relevance <= 1:
            raise InputError(f"relevance is a cosine in [-1, 1], not {relevance!r}")
        return self.partial_score(state, now) + relevance

    def retention(self, state: StrengthState, now: int) -> float:
        """Half the partial score, in [0, 1]; 0 once purged."""
        current = self.tick(state, now)
        return 0.0 if current.forgotten else self.partial_score(current, now) / 2

    def reinforce(self, state: StrengthState, now: int, signal: float = 1.0) -> StrengthState:
        """Feedback at `now`: `signal` (1: it paid, -1: it cost, 0: neither) times `feedback` points of importance.

        The item may change layer at its next step, and can be reinforced in whichever layer it then lies. What is
        purged already stays as it is.
        """
        if not -1 <= signal <= 1:
            raise InputError(f"signal must lie in [-1, 1], not {signal!r}")
        current = self.tick(state, now)
        if current.forgotten:
            return current
        importance = max(current.importance + signal * self.feedback, 0.0)
        return replace(current, importance=importance, accesses=current.accesses + 1, last_access=now)

    def tick(self, state: StrengthState, now: int) -> StrengthState:
        """The state after every whole step up to `now`."""
        state.elapsed(now)
        steps = (now - state.ticked_at) // self.step
        if steps == 0 or state.forgotten:
            return state
        age, importance, forgotten = state.age, state.importance, False
        position = self._position(state.layer)
        for _ in range(steps):
            age += 1
            importance = geometric_decay(importance, self.layers[position].rate, 1)
            recency = exponential_retention(age, 1.0, self.layers[position].stability)
            if recency < self.purge_recency or importance < self.purge_importance:
                forgotten = True
                break
            for _ in range(_JUMPS_PER_STEP):
                target = self._rule.move(importance, position)
                if target > position:
                    age = 0
                position = target
        return replace(
            state,
            age=age,
            importance=importance,
            layer=self.layers[position].name,
            forgotten=forgotten,
            ticked_at=state.ticked_at + steps * self.step,
        )

    def forgets(self, state: StrengthState, now: int) -> bool:
        """Whether a step up to `now` has purged the item."""
        return self.tick(state, now).forgotten

    def lifetime(self, importance: float, layer: str) -> float:
        """Steps until an item that nobody uses and that stays in `layer` is purged, by the continuous law.

        The purge happens at the first whole step after it.

        >>> round(LayeredForgetting().lifetime(40.0, "shallow"), 1)
        19.7
        """
        home = self.layers[self._position(layer)]
        by_recency = -home.stability * math.log(self.purge_recency)
        if not 0 <= importance < math.inf:
            raise InputError(f"importance must be a finite number from 0, not {importance!r}")
        if importance < self.purge_importance:
            return 0.0
        if home.rate == 1:
            return by_recency
        return min(by_recency, math.log(self.purge_importance / importance) / math.log(home.rate))

    def _position(self, layer: str | None) -> int:
        if layer is None or layer not in self._positions:
            raise InputError(f"{layer!r} is not a layer: use one of {', '.join(self._positions)}")
        return self._positions[layer]

    def _recency(self, state: StrengthState) -> float:
        return exponential_retention(state.age, 1.0, self.layers[self._position(state.layer)].stability)
