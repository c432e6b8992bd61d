"""What may be shared with whom: for a field of a form and a recipient, what was said last in the nearest scope.

Decisions are events among the traces, as consents are, so that they are exported and erased with their scope. They stand below the consent to share: where that is
refused for what a value rests on, no decision on a field lets it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lamina.errors import InputError
from lamina.records import EVENT, Filter, Item, Run, TraceIds
from lamina.scopes import EVERYWHERE, check_scope, scopes_above
from lamina.storage.protocol import Store
from lamina.text import check_text, fold

SHARE: Final = "share-field"
"""What the events are called."""
ANY: Final = "*"
"""Any field, or any recipient."""

Consent = Literal["granted", "refused", "unasked"]
_IDS = TraceIds()


@dataclass(frozen=True)
class Sharing:
    """The decisions in force for a scope: whether a field may go to a recipient, by scope, field and recipient (folded)."""

    said: Mapping[str, Mapping[tuple[str, str], bool]]
    scope: str

    def of(self, field: str, recipient: str) -> Consent:
        """What holds for a field and a recipient: the nearest scope decides, and in it the decision that names both, then the field, then the recipient.

        "unasked" where nobody has decided.
        """
        one, who = fold(field), fold(recipient)
        for scope in scopes_above(self.scope):
            told = self.said.get(scope, {})
            for key in ((one, who), (one, ANY), (ANY, who), (ANY, ANY)):
                if key in told:
                    return "granted" if told[key] else "refused"
        return "unasked"


def decide(store: Store, scope: str, field: str, recipient: str, granted: bool, run: Run | None = None) -> str:
    """Record whether a field may be shared with a recipient in a scope and below it ("*": any); returns the id of the event.

    Raises `InputError` for an empty name, a value that is neither true nor false, and the scope "*": decisions are somebody's.
    """
    check_scope(scope)
    if scope == EVERYWHERE:
        raise InputError("a decision on a field is somebody's: name the scope it holds in")
    names = [check_text(field, "the field"), check_text(recipient, "the recipient")]
    if not isinstance(granted, bool):
        raise InputError(f"granted must be True or False, not {granted!r}")
    with store.transaction():
        now = (run or Run()).clock()
        event = Item(
            id=_IDS.make(now), kind="trace", text=SHARE, at=now, recorded_at=now, scope=scope, session=SHARE, role=EVENT,
            data={"event": SHARE, "field": names[0], "recipient": names[1], "granted": granted},
        )  # fmt: skip
        store.items.add([event])
    return event.id


def sharing(store: Store, scope: str) -> Sharing:
    """The decisions that concern a scope: its own and those of the scopes above it."""
    check_scope(scope)
    said: dict[str, dict[tuple[str, str], bool]] = {}
    for one in scopes_above(scope):
        if one == EVERYWHERE:
            continue
        events = store.items.each(Filter(scope=one, roles=(EVENT,), sessions=(SHARE,), events=True))
        for event in sorted((row for row in events if row.scope == one), key=lambda row: row.key):
            data = event.data
            field, recipient, granted = data.get("field"), data.get("recipient"), data.get("granted")
            if data.get("event") == SHARE and isinstance(field, str) and isinstance(recipient, str) and isinstance(granted, bool):
                said.setdefault(one, {})[fold(field), fold(recipient)] = granted
    return Sharing(said, scope)
