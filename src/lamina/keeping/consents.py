"""Consent: what somebody agrees to or refuses is kept as an event, and takes effect at once."""

from __future__ import annotations

from lamina.errors import InputError
from lamina.keeping.keeper import Keeper
from lamina.keeping.writer import Writer
from lamina.records import EVENT, Filter, Item, Run
from lamina.scopes import EVERYWHERE, ROOT, check_scope
from lamina.storage.consents import CONSENT, Refusals, check_purpose, in_force, note, read_consent
from lamina.storage.protocol import Store


class ConsentKeeper:
    """Writes consents down.

    Parameters: `store`, `keeper` (hides what was derived), `writer` (gives ids), `run` (the clock).
    """

    def __init__(self, store: Store, keeper: Keeper, writer: Writer, run: Run) -> None:
        self._store = store
        self._keeper = keeper
        self._writer = writer
        self._run = run

    def tell(self, purpose: str, granted: bool, scope: str) -> str:
        """Keep that a purpose is granted or refused in a scope and below it; returns the id of the event."""
        check_scope(scope)
        name = check_purpose(purpose)
        if not isinstance(granted, bool):
            raise InputError(f"granted must be True or False, not {granted!r}")
        with self._store.transaction():
            before = in_force(self._store, scope)[name]
            # what is said last holds, also where the clock was set back meanwhile
            now = max(self._run.clock(), before.at + 1 if before.scope == scope and before.at is not None else 0)
            data = {"event": CONSENT, "purpose": name, "granted": granted}
            if scope == EVERYWHERE:
                data["everywhere"] = True
            event = Item(
                id=self._writer.new_id(now), kind="trace", text=CONSENT, at=now, recorded_at=now,
                scope=ROOT if scope == EVERYWHERE else scope, role=EVENT, data=data,
            )  # fmt: skip
            consent = read_consent(event)
            assert consent is not None
            self._store.items.add([event])
            note(self._store, [consent])
            if name == "derive" and not granted:
                self._hide_derived(scope)
        return event.id

    def _hide_derived(self, scope: str) -> None:
        """Blank what was derived in the scopes where that is refused now; it is derived again once it is granted."""
        refusals = Refusals.of(self._store, "derive", scope)
        if refusals is None:
            return
        keys = []
        for one in self._store.items.scopes(scope):
            if refusals.refuse(one):
                where = Filter(scope=one, kinds=("trace",), forgotten=True, retired=True)
                keys += [item.key for item in self._store.items.each(where) if item.scope == one]
        self._keeper.blank_derived(keys)
