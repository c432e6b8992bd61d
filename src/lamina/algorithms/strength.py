"""How strongly something is remembered: its state, the laws it decays by, and the rule by which it changes layer.

A `ForgettingPolicy` is stateless; what it knows of one item travels in a `StrengthState`. Recall only reads: states
change through `reinforce` (explicit, batched) and `tick` (time steps), and both return a new state. Times are UTC
microseconds.

Sources: "MemoryBank: Enhancing Large Language Models with Long-Term Memory" (Wanjun Zhong et al., 2023), after
Hermann Ebbinghaus, "Über das Gedächtnis" (1885); "FinMem: A Performance-Enhanced LLM Trading Agent with Layered
Memory and Character Design" (Yangyang Yu et al., 2023).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final, Protocol, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

FloatArray = NDArray[np.float64]

_JSON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "seed_key": (str,),
    "created": (int,),
    "last_access": (int,),
    "ticked_at": (int,),
    "strength": (int, float),
    "importance": (int, float),
    "draw": (int, float),
    "accesses": (int,),
    "age": (int,),
    "layer": (str, type(None)),
    "forgotten": (bool,),
}


# ---------------------------------------------------------------------------------------------------------- state
@dataclass(frozen=True, slots=True)
class StrengthState:
    """What a forgetting policy keeps of one item. Every field is plain data; `to_json` is what the store holds.

    Parameters:
        seed_key: names the item to the random draws; an id that a rebuild makes again.
        created: when the item entered the memory, UTC microseconds.
        last_access: the last reinforcement (or the creation), UTC microseconds.
        ticked_at: up to when time steps have been counted, UTC microseconds.
        strength: S of the forgetting curve, > 0.
        importance: v of a layered memory, in points, >= 0.
        accesses: how often it was reinforced.
        age: time steps since recency was last set to 1.
        layer: the name of the layer it lies in; None for a policy without layers.
        draw: the item's present random number, in [0, 1).
        forgotten: a step has already found it too weak; it stays so.

    Raises `InputError` where a value is outside its range.

    >>> state = StrengthState("trace-1", created=0, last_access=0, ticked_at=0, strength=2.0)
    >>> StrengthState.from_json(state.to_json()) == state
    True
    """

    seed_key: str
    created: int
    last_access: int
    ticked_at: int
    strength: float = 1.0
    importance: float = 0.0
    accesses: int = 0
    age: int = 0
    layer: str | None = None
    draw: float = 0.0
    forgotten: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.strength < math.inf:
            raise InputError(f"strength must be a finite number above 0, not {self.strength!r}")
        if not 0 <= self.importance < math.inf:
            raise InputError(f"importance must be a finite number from 0, not {self.importance!r}")
        if not 0 <= self.draw < 1:
            raise InputError(f"draw must lie in [0, 1), not {self.draw!r}")
        if self.accesses < 0 or self.age < 0:
            raise InputError(f"accesses and age are counts from 0, not {self.accesses!r} and {self.age!r}")
        if self.last_access < self.created or self.ticked_at < self.created:
            raise InputError(f"last_access {self.last_access} and ticked_at {self.ticked_at} lie before created {self.created}")

    def to_json(self) -> str:
        """The state as one JSON object, keys in field order; the same state gives the same text."""
        return json.dumps({field.name: getattr(self, field.name) for field in fields(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> StrengthState:
        """Read what `to_json` wrote; raises `InputError` for anything else."""
        try:
            values = json.loads(text)
        except (ValueError, TypeError):
            raise InputError(f"a strength state must be JSON, not {text!r}") from None
        if not isinstance(values, dict) or values.keys() != _JSON_TYPES.keys():
            raise InputError(f"a strength state has exactly the fields {', '.join(_JSON_TYPES)}; this is {text!r}")
        for name, allowed in _JSON_TYPES.items():
            value = values[name]
            if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
                raise InputError(f"the field {name!r} of a strength state cannot be {value!r}")
        return cls(**values)

    def elapsed(self, now: int) -> int:
        """Microseconds from the last access to `now`; raises `InputError` where `now` lies before what is recorded.

        >>> StrengthState("a", created=0, last_access=5, ticked_at=0).elapsed(7)
        2
        """
        if now < self.last_access or now < self.ticked_at:
            raise InputError(
                f"now ({now}) lies before the last access or step ({max(self.last_access, self.ticked_at)}) of "
                f"{self.seed_key!r}: strengths are read and changed in the order of time"
            )
        return now - self.last_access


@runtime_checkable
class ForgettingPolicy(Protocol):
    """Decides how firmly an item is held and when it is let go.

    A forgotten item stays forgotten: no later `tick` or `reinforce` brings it back, however often or seldom the
    memory is swept. Restoring one is a new beginning: `initial`.
    """

    @property
    def name(self) -> str:
        """The mechanism and its version, such as 'ebbinghaus/1'."""
        ...

    def initial(self, now: int, *, seed_key: str, importance: float | None = None, layer: str | None = None) -> StrengthState:
        """The state of an item that enters the memory at `now`."""
        ...

    def retention(self, state: StrengthState, now: int) -> float:
        """How well the item is held at `now`, in [0, 1]."""
        ...

    def reinforce(self, state: StrengthState, now: int, signal: float = 1.0) -> StrengthState:
        """The state after the item was used at `now`; `signal` says how well that went (1 well, -1 badly)."""
        ...

    def tick(self, state: StrengthState, now: int) -> StrengthState:
        """The state after the time steps up to `now`: decay, promotion, demotion, purge."""
        ...

    def forgets(self, state: StrengthState, now: int) -> bool:
        """Whether the item is to be forgotten at `now`."""
        ...


# ----------------------------------------------------------------------------------------------------- decay laws
@overload
def exponential_retention(elapsed: float, strength: float, tau: float) -> float: ...
@overload
def exponential_retention(elapsed: FloatArray, strength: float | FloatArray, tau: float) -> FloatArray: ...
def exponential_retention(elapsed: float | FloatArray, strength: float | FloatArray, tau: float) -> float | FloatArray:
    """Ebbinghaus retention exp(-t / (tau S)): what is left after `elapsed` time.

    `elapsed` (>= 0) and `tau` (> 0) are in one unit of time, `strength` > 0 is a factor; `elapsed` and `strength` may
    be arrays of shape (items,). Raises `InputError` for values outside. Source: Zhong et al., 2023.

    >>> round(exponential_retention(2.0, 2.0, 1.0), 3)
    0.368
    """
    if not 0 < tau < math.inf:
        raise InputError(f"tau must be a finite time above 0, not {tau!r}")
    if isinstance(elapsed, np.ndarray) or isinstance(strength, np.ndarray):
        if not (np.all(np.asarray(elapsed) >= 0) and np.all(np.asarray(strength) > 0)):
            raise InputError("every elapsed time must be >= 0 and every strength > 0")
        scaled: FloatArray = np.asarray(elapsed, dtype=np.float64) / (tau * np.asarray(strength, dtype=np.float64))
        return np.exp(-scaled)
    if not (elapsed >= 0 and strength > 0):
        raise InputError(f"elapsed time must be >= 0 and strength > 0, not {elapsed!r} and {strength!r}")
    return math.exp(-elapsed / (tau * strength))


@overload
def geometric_decay(value: float, rate: float, steps: int) -> float: ...
@overload
def geometric_decay(value: FloatArray, rate: float, steps: int | NDArray[np.int64]) -> FloatArray: ...
def geometric_decay(value: float | FloatArray, rate: float, steps: int | NDArray[np.int64]) -> float | FloatArray:
    """Importance after so many steps, v * rate**steps, with 0 < rate <= 1; arrays of shape (items,) are welcome.

    Raises `InputError` for a rate or a number of steps outside. Source: Yu et al., 2023.

    >>> round(geometric_decay(60.0, 0.9, 10), 2)
    20.92
    """
    if not 0 < rate <= 1:
        raise InputError(f"a decay rate must lie in (0, 1], not {rate!r}")
    if isinstance(steps, int):
        if steps < 0:
            raise InputError(f"steps are counted from 0, not {steps!r}")
        return value * rate**steps
    if (steps < 0).any():
        raise InputError("every number of steps must be >= 0")
    factors: FloatArray = np.power(rate, steps)
    return value * factors


# ------------------------------------------------------------------------------------------------- change of layer
@dataclass(frozen=True)
class Hysteresis:
    """Which layer a value belongs in, with a margin against going back and forth.

    An item climbs from layer i when its value reaches `upper[i]`, and falls from layer i + 1 only when its value is
    below `upper[i] - margin`.

    Parameters:
        upper: promotion thresholds from the shallowest layer on, strictly increasing, one fewer than layers.
        margin: points below the threshold that an item may lose before it falls; 0 is the source's released rule,
            infinity means that nothing falls.

    Raises `InputError` where the thresholds do not increase or the margin is negative. Source: Yu et al., 2023; the
    margin is ours: with 0, an item that enters a layer at its threshold leaves it after one step of decay.

    >>> rule = Hysteresis(upper=(60.0, 80.0), margin=10.0)
    >>> rule.move(60.0, 0), rule.move(55.0, 1), rule.move(45.0, 1)
    (1, 1, 0)
    """

    upper: tuple[float, ...]
    margin: float = 0.0

    def __post_init__(self) -> None:
        if any(math.isnan(value) for value in self.upper) or any(above <= below for below, above in pairwise(self.upper)):
            raise InputError(f"promotion thresholds must increase from layer to layer, not {self.upper!r}")
        if not self.margin >= 0:
            raise InputError(f"the margin must be >= 0, not {self.margin!r}")

    def move(self, value: float, position: int) -> int:
        """The layer (0 = shallowest) that an item of this value in layer `position` belongs in: at most one away."""
        if not 0 <= position <= len(self.upper):
            raise InputError(f"layer {position} does not exist: there are {len(self.upper) + 1}")
        if position < len(self.upper) and value >= self.upper[position]:
            return position + 1
        if position > 0 and value < self.upper[position - 1] - self.margin:
            return position - 1
        return position


# ---------------------------------------------------------------------------------------------------------- draws
def seeded_draw(seed: int, seed_key: str, *counters: int) -> float:
    """A number in [0, 1), uniform over keys and the same on every machine and in every rebuild.

    `counters` tell apart the draws of one item, such as its number of accesses.

    >>> seeded_draw(0, "trace-1", 0) == seeded_draw(0, "trace-1", 0) != seeded_draw(0, "trace-1", 1)
    True
    """
    head = ",".join(str(int(number)) for number in (seed, *counters))
    digest = hashlib.blake2b(f"{head}|{seed_key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
