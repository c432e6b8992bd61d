"""What was learned from feedback in a scope: how far each weight moved, and the ranker that ranks accordingly.

The shipped weights stay what they are; a scope keeps only its own shift, so that what was learned can be seen and taken away.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.index.flat import inner_products
from lamina.recall.features import FEATURES, Feature
from lamina.recall.ranker import Ranker
from lamina.records import Reason
from lamina.scopes import scopes_above
from lamina.storage.feedback import Feedback, feedback_in
from lamina.storage.protocol import Store

log = logging.getLogger("lamina.recall")


@dataclass(frozen=True)
class Learned:
    """What the feedback of a scope taught, and what it rests on.

    `scope`: where it was learned; `shift`: what is added to each feature's weight; `kept`: whether it is in force, since it
    helps with cues that were left out while fitting; `cues`, `good`, `bad`: how much was told; `l2`: the strength of the pull
    towards the shipped weights; `before` and `after`: the share of good hits of cues that were left out among the first ten,
    under the shipped and under the learned weights (None with too few cues); `at`: when (UTC microseconds); `base`: which
    ranker it moves away from; `told`: a digest of the feedback; `current`: whether that is still the feedback there is.
    """

    scope: str
    shift: Mapping[str, float]
    kept: bool
    cues: int
    good: int
    bad: int
    l2: float
    before: float | None
    after: float | None
    at: int
    base: str
    told: str
    current: bool = True

    def to_json(self) -> str:
        """The state as it is stored."""
        saved = asdict(self)
        del saved["scope"], saved["current"]
        return json.dumps({**saved, "shift": dict(self.shift)}, allow_nan=False, separators=(",", ":"))

    @staticmethod
    def from_json(scope: str, state: str) -> Learned:
        """The state as it was stored; raises `InputError` for what is none.

        >>> one = Learned("/ana", {"dense": 0.25}, True, 7, 6, 1, 30.0, 0.5, 0.75, 7, "base", "told")
        >>> Learned.from_json("/ana", one.to_json()) == one
        True
        """
        try:
            saved: dict[str, Any] = json.loads(state)
            learned = Learned(scope=scope, **saved)
            shift = {str(name): float(value) for name, value in learned.shift.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(f"what was learned in {scope!r} cannot be read ({error}): learn again") from None
        if not all(math.isfinite(value) for value in shift.values()):
            raise InputError(f"what was learned in {scope!r} has NaN or infinity in it: learn again")
        return learned


@dataclass(frozen=True)
class LearnedRanker:
    """score = score of another ranker + features · shift. The reasons say the whole of each feature's part.

    Parameters: `base`; `shift` by feature name (a feature without one stays as it is).
    """

    base: Ranker
    shift: Mapping[str, float]
    features: Sequence[Feature] = field(default=FEATURES, repr=False)

    @cached_property
    def vector(self) -> NDArray[np.float32]:
        """The shift in the order of the features, shape (features,)."""
        return np.array([self.shift.get(feature.name, 0.0) for feature in self.features], np.float32)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of candidates, shape (candidates,), from features of shape (candidates, features)."""
        return self.base.score(matrix) + inner_products(matrix, self.vector)

    def reasons(self, row: NDArray[np.float32]) -> tuple[Reason, ...]:
        """What each feature added to one candidate's score, the largest first; the parts sum to the score."""
        parts = {reason.feature: reason for reason in self.base.reasons(row)}
        for feature, value, moved in zip(self.features, row.tolist(), (row * self.vector).tolist(), strict=True):
            if moved:
                before = parts[feature.name].contribution if feature.name in parts else 0.0
                parts[feature.name] = Reason(feature.name, value, before + moved, feature.words)
        return tuple(sorted(parts.values(), key=lambda part: -abs(part.contribution)))


def ranker_print(*rankers: Ranker, features: Sequence[Feature] = FEATURES) -> str:
    """What tells some rankers over these features from others: what was learned on top of them does not fit any other.

    >>> from lamina.recall.ranker import LinearRanker
    >>> ranker_print(LinearRanker({"dense": 1.0})) == ranker_print(LinearRanker({"dense": 2.0}))
    False
    """
    ones = np.eye(len(features), dtype=np.float32)
    scores = [[round(score, 4) for score in ranker.score(ones).tolist()] for ranker in rankers]
    described = [[feature.name for feature in features], *scores]
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=8).hexdigest()


def nearest(store: Store, scope: str) -> Learned | None:
    """What was learned in a scope, else in the nearest one above it; None where nothing was, or it cannot be read."""
    above = scopes_above(scope)
    states = store.rankers.get(above)
    found = next((one for one in above if one in states), None)
    return None if found is None else _read(found, states[found])


@lru_cache(maxsize=256)
def _read(scope: str, state: str) -> Learned | None:
    try:
        return Learned.from_json(scope, state)
    except InputError as error:
        log.warning("%s", error)
        return None


def ranker_in_force(store: Store, scope: str, base: Ranker, base_print: str) -> Ranker:
    """The ranker for recalls in a scope: `base` with what was learned there or above it, if that was on top of the same one."""
    learned = nearest(store, scope)
    if learned is None:
        return base
    if learned.base != base_print:
        _say_outdated(learned.scope, learned.base)
        return base
    return LearnedRanker(base, learned.shift)


@dataclass(frozen=True)
class RankerInUse:
    """The ranker of recalls in a scope.

    `weights` by feature, as they are in force for what the scope holds now; `learned`: what feedback added to the shipped ones, None where nothing was
    learned here or above; `outdated`: that it is not in force, since it belongs to other features or weights; `feedback`: how
    much was told of items in the scope; `provenance` of the shipped weights.
    """

    weights: Mapping[str, float]
    learned: Learned | None
    outdated: bool
    feedback: int
    provenance: str


def ranker_in_use(store: Store, scope: str, base: Ranker, base_print: str, features: Sequence[Feature] = FEATURES) -> RankerInUse:
    """What is in force in a scope, and what it rests on."""
    learned = nearest(store, scope)
    if learned is not None:
        learned = replace(learned, current=learned.told == digest(feedback_in(store, learned.scope)))
    ranker = ranker_in_force(store, scope, base, base_print)
    scores = ranker.score(np.eye(len(features), dtype=np.float32)).tolist()
    return RankerInUse(
        weights={feature.name: score for feature, score in zip(features, scores, strict=True)},
        learned=learned,
        outdated=learned is not None and learned.base != base_print,
        feedback=sum(1 for _ in feedback_in(store, scope)),
        provenance=str(getattr(base, "provenance", "")),
    )


def digest(told: Iterable[Feedback]) -> str:
    """What tells this feedback from any other."""
    return hashlib.blake2b("\n".join(sorted(one.event for one in told)).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=256)
def _say_outdated(scope: str, base: str) -> None:
    """Said once: a new release has other features or weights."""
    log.warning(
        "what was learned from feedback in the scope %r belongs to other features or weights (%s) and is not used: learn again",
        scope,
        base,
    )
