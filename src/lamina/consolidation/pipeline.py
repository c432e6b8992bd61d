"""The stages of consolidation, run scope by scope; each is incremental, resumable and idempotent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from lamina.consolidation.undoing import Recorded
from lamina.episodic.episodes import EpisodeConsolidator
from lamina.records import Filter, Report, Run, check_scope
from lamina.semantic.facts import FactStage
from lamina.semantic.told import ToldGraph
from lamina.storage.consents import in_force
from lamina.storage.protocol import Store


class Consolidator(Protocol):
    """One stage: derives the items of a level from those below it."""

    @property
    def stage(self) -> str:
        """The name its watermarks and reports go by."""
        ...

    @property
    def made_by(self) -> str:
        """Mechanism and version, as the items it makes carry it."""
        ...

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring what it derives in exactly this scope up to date; `force` makes all of it anew, with the same ids."""
        ...


def _stages() -> tuple[Consolidator, ...]:
    return (EpisodeConsolidator(), ToldGraph(), FactStage())


@dataclass(frozen=True)
class Pipeline:
    """All stages in order.

    Parameters: `stages`, lowest level first.
    """

    stages: Sequence[Consolidator] = field(default_factory=_stages)

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

        What mechanisms that are no longer part of the pipeline left behind is removed. Forgotten items stay forgotten.
        """
        store = _recorded(store)
        reports = self._run(store, scope, run, force=True)
        known = {stage.made_by for stage in self.stages}
        where = Filter(scope=scope, forgotten=True, stale=True, retired=True)
        left = [item.key for item in store.items.each(where) if item.kind != "trace" and item.made_by not in known]
        if left:
            with store.transaction():
                store.items.delete(left)
        return reports


def _recorded(store: Store) -> Store:
    """The store, watched for what this run changes."""
    return cast("Store", Recorded(store, secrets.token_hex(8)))
