"""Which stages a consolidation runs: those of every memory, and those that are asked for.

A stage is run for everybody only where it was measured to help recall; the others are there to be asked for by name, or handed over with
what they need (a model, an extractor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, Protocol

from lamina.episodic.episodes import EpisodeConsolidator
from lamina.errors import InputError
from lamina.records import Report, Run
from lamina.semantic.facts import FactStage
from lamina.semantic.told import ToldGraph
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


OPTIONAL: Final[Mapping[str, str]] = {
    "notes": "lamina.semantic.note_stage:NoteConsolidator",
    "thoughts": "lamina.semantic.thought_stage:ThoughtConsolidator",
    "topics": "lamina.semantic.forest:SemanticForest",
    "taxonomies": "lamina.semantic.taxonomy:TaxonomyStage",
    "portraits": "lamina.profile.portrait:PortraitConsolidator",
    "biographies": "lamina.profile.biography:BiographyConsolidator",
    "days": "lamina.episodic.days:DaySummaries",
}
"""Stages that are asked for by name, with the class that each is."""
HANDED: Final = ("triples", "outlines")
"""Stages that need something of the caller's, and so have to be handed over."""


def default_stages() -> tuple[Consolidator, ...]:
    """Those of every memory, lowest level first."""
    return (EpisodeConsolidator(), ToldGraph(), FactStage())


def stages_with(also: Sequence[str | Consolidator]) -> tuple[Consolidator, ...]:
    """Those of every memory, then those that are asked for, in the order given. Raises `InputError` for a name that is none.

    >>> [stage.stage for stage in stages_with(())]
    ['episodes', 'told', 'facts']
    """
    if isinstance(also, str) or not isinstance(also, Sequence):
        raise InputError(f"also must be a list of stages or of their names, not {also!r}")
    found = list(default_stages())
    for one in also:
        stage = _named(one) if isinstance(one, str) else one
        if not callable(getattr(stage, "consolidate", None)):
            raise InputError(f"{one!r} is no stage of consolidation: it must have consolidate(store, scope, run, force)")
        if stage.stage in [other.stage for other in found]:
            raise InputError(f"the stage {stage.stage!r} is there twice")
        found.append(stage)
    return tuple(found)


def _named(name: str) -> Consolidator:
    if name not in OPTIONAL:
        hint = f"hand it over as an object, such as {name}" if name in HANDED else f"use one of {', '.join(OPTIONAL) or 'none'}"
        raise InputError(f"there is no stage {name!r} to be asked for by name: {hint}")
    module, _, kind = OPTIONAL[name].partition(":")
    stage: Consolidator = getattr(import_module(module), kind)()
    return stage


def optional(made_by: str | None) -> bool:
    """Whether what was made so is the work of a stage that has to be asked for.

    >>> optional("triples/1"), optional("episodes/1"), optional(None)
    (True, False, False)
    """
    name = (made_by or "").partition("/")[0]
    return name in OPTIONAL or name in HANDED
