"""The stages of consolidation, run scope by scope; each is incremental, resumable and idempotent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from lamina.consolidation.stages import Consolidator, default_stages, optional
from lamina.consolidation.undoing import Recorded
from lamina.records import Filter, Report, Run
from lamina.scopes import check_scope
from lamina.storage.consents import in_force
from lamina.storage.protocol import Store


@dataclass(frozen=True)
class Pipeline:
    """All stages in order.

    Parameters: `stages`, lowest level first.
    """

    stages: Sequence[Consolidator] = field(default_factory=default_stages)

    def run(self, store: Store, scope: str, run: Run, force: bool = False) -> list[Report]:
        """Bring every scope at or below `scope` up to date; reports of what was done, those of idle stages left out.

        What it changes can be undone until it runs again; see `lamina.consolidation.undoing`.
        """
        return self._run(_recorded(store), scope, run, force)

    def _run(self, store: Store, scope: str, run: Run, force: bool) -> list[Report]:
        check_scope(scope)
        reports = []
        for one in store.items.scopes(scope):
            if not in_force(store, one)["derive"].granted:
                continue
            for stage in self.stages:
                report = stage.consolidate(store, one, run, force)
                if report.read or report.made or report.removed:
                    reports.append(report)
        return reports

    def rebuild(self, store: Store, scope: str, run: Run) -> list[Report]:
        """Derive everything anew from the traces; the same mechanisms give the same items with the same ids.

        What mechanisms that are no longer part of the pipeline left behind is removed, but for the work of stages that have to be asked for:
        it stays as it is where they were not. Forgotten items stay forgotten.
        """
        store = _recorded(store)
        reports = self._run(store, scope, run, force=True)
        known = {stage.made_by for stage in self.stages}
        where = Filter(scope=scope, forgotten=True, stale=True, retired=True)
        left = [
            item.key
            for item in store.items.each(where)
            if item.kind != "trace" and item.made_by not in known and not optional(item.made_by)
        ]
        if left:
            with store.transaction():
                store.items.delete(left)
        return reports


def _recorded(store: Store) -> Store:
    """The store, watched for what this run changes."""
    return cast("Store", Recorded(store, secrets.token_hex(8)))
