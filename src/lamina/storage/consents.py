"""Consents as a store holds them: events that say what somebody agreed to or refused, and what is in force for each scope.

The events are the record. What is in force is worked out from them, and kept beside, so that asking costs one look-up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from lamina.errors import ConsentError, CorruptStoreError, InputError
from lamina.records import EVENT, Item
from lamina.scopes import EVERYWHERE, ROOT, scopes_above
from lamina.storage.protocol import Store

CONSENT: Final = "consent"
"""What the events are called."""
Purpose = Literal["store", "recall", "derive", "share", "train"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a purpose is granted, and what says so.

    `scope`: where it was said ("*": for everything); `at`: when (UTC microseconds); `event`: the id of the event. All three are
    None where nobody has said anything: then it is granted.
    """

    purpose: Purpose
    granted: bool
    scope: str | None = None
    at: int | None = None
    event: str | None = None

    @property
    def _order(self) -> tuple[int, str]:
        return (self.at or 0, self.event or "")

    def later_than(self, other: Consent | None) -> bool:
        """Whether this was said after another one."""
        return other is None or self._order > other._order


def check_purpose(purpose: str) -> Purpose:
    """Return a purpose if it is one, else raise `InputError`."""
    if purpose not in PURPOSES:
        raise InputError(f"{purpose!r} is not a purpose of consent: use one of {', '.join(PURPOSES)}")
    return purpose


def read_consent(item: Item) -> Consent | None:
    """The consent an event holds; None for any other item, and for one that was damaged."""
    data = item.data
    if item.role != EVENT or data.get("event") != CONSENT:
        return None
    purpose, granted = data.get("purpose"), data.get("granted")
    if purpose not in PURPOSES or not isinstance(granted, bool):
        return None
    scope = EVERYWHERE if item.scope == ROOT and data.get("everywhere") is True else item.scope
    return Consent(purpose, granted, scope, item.recorded_at, item.id)


def note(store: Store, consents: Iterable[Consent]) -> None:
    """Put consents in force, where nothing later is; inside a transaction."""
    for scope, told in latest(consents).items():
        there = _read(scope, store.consents.get([scope]).get(scope))
        newer = {purpose: one for purpose, one in told.items() if one.later_than(there.get(purpose))}
        if newer:
            store.consents.put(scope, as_state({**there, **newer}))


def latest(consents: Iterable[Consent]) -> dict[str, dict[Purpose, Consent]]:
    """What was said last, by scope and purpose."""
    found: dict[str, dict[Purpose, Consent]] = {}
    for one in consents:
        mine = found.setdefault(str(one.scope), {})
        if one.later_than(mine.get(one.purpose)):
            mine[one.purpose] = one
    return found


def as_state(consents: Mapping[Purpose, Consent]) -> str:
    """The consents of one scope as they are kept beside the events."""
    kept = {purpose: [one.granted, one.at, one.event] for purpose, one in sorted(consents.items())}
    return json.dumps(kept, separators=(",", ":"))


def _read(scope: str, state: str | None) -> dict[Purpose, Consent]:
    if state is None:
        return {}
    try:
        saved: dict[str, Any] = json.loads(state)
        found = {}
        for name, (granted, at, event) in saved.items():
            if not isinstance(granted, bool):
                raise InputError(f"{granted!r} is neither true nor false")
            purpose = check_purpose(name)
            found[purpose] = Consent(purpose, granted, scope, int(at), str(event))
        return found
    except (AttributeError, TypeError, ValueError) as error:  # nobody may take it for a grant
        raise CorruptStoreError(
            f"the consents of the scope {scope!r} cannot be read ({error}): run 'lamina doctor --repair', which works them out again"
        ) from None


# ------------------------------------------------------------------------------------------------------- in force
def in_force(store: Store, scope: str) -> dict[Purpose, Consent]:
    """What holds in a scope, for every purpose: what was said there, else in the nearest scope above it, else everywhere."""
    found: dict[Purpose, Consent] = {purpose: Consent(purpose, True) for purpose in PURPOSES}
    above = scopes_above(scope)
    states = store.consents.get(above)
    for one in reversed(above):
        found.update(_read(one, states.get(one)))
    return found


def require(store: Store, purpose: Purpose, scope: str) -> None:
    """Raise `ConsentError` where a purpose is refused in a scope."""
    if not store.consents.get(scopes_above(scope)):
        return  # nobody has said anything: by far the most common
    consent = in_force(store, scope)[purpose]
    if not consent.granted:
        raise ConsentError(_refusal(purpose, scope, consent))


def require_within(store: Store, purpose: Purpose, scope: str) -> None:
    """Raise `ConsentError` where a purpose is refused in a scope or in one below it."""
    refusals = Refusals.of(store, purpose, scope)
    if refusals is not None:
        refused = next((one for one in refusals.said if not refusals.said[one].granted), scope)
        raise ConsentError(_refusal(purpose, scope, refusals.said[refused]))


def _refusal(purpose: Purpose, scope: str, consent: Consent) -> str:
    where = "everywhere" if consent.scope == EVERYWHERE else f"in the scope {consent.scope!r}"
    return (
        f"{purpose!r} was refused {where}, so nothing is done in {scope!r}: "
        f"if the person agrees now, record it with consent({purpose!r}, True, …)"
    )


@dataclass(frozen=True)
class Refusals:
    """Where a purpose is refused at or below a scope: what was `said`, by scope, of that purpose."""

    said: Mapping[str, Consent]

    @staticmethod
    def of(store: Store, purpose: Purpose, scope: str) -> Refusals | None:
        """The refusals that concern a scope and those below it; None where there are none."""
        states = store.consents.get(scopes_above(scope)) | dict(store.consents.each(scope))
        if not states:
            return None
        said = {one: told[purpose] for one, state in states.items() if purpose in (told := _read(one, state))}
        return Refusals(said) if any(not consent.granted for consent in said.values()) else None

    def refuse(self, scope: str) -> bool:
        """Whether the purpose is refused in exactly this scope."""
        nearest = next((self.said[one] for one in scopes_above(scope) if one in self.said), None)
        return nearest is not None and not nearest.granted
