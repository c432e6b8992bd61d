"""The stage that writes biographies: for everybody who speaks in a scope, shades, what they come to in a few lines, and what he or she has been busy with lately.

Source: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (L1: shades, a biography of them in the third person that is shifted to the second, a status biography of recent notes).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from lamina.errors import InputError
from lamina.models.protocols import TokenCounter
from lamina.profile.biographer import STAGES, Biographer, Draft, RuleBiographer, Told
from lamina.profile.lines import Line, sureness
from lamina.profile.perspective import Person
from lamina.profile.portrait import deleted_at, person_of, written_by
from lamina.profile.shades import Shade, ShadeMaker, telling
from lamina.records import EVENT, FORGOTTEN, Edge, Filter, Item, Report, Run, derived_id
from lamina.storage.consents import Refusals
from lamina.storage.protocol import Store, Version
from lamina.times import DAY

MADE_BY: Final = "biographies/1"
COUNTED: Final = ".count"
"""What follows the stage's name in the watermark that holds how many traces there were."""


@dataclass(frozen=True, slots=True)
class Biography:
    """What is known of one person: `shades`, `lately` (lines of what he or she did in the last days, the newest first), and both in words (`told`, by person: "first", "second",
    "third"). `by` says who worded each stage; `failed`, which stages a language model failed at, so that rules took its place."""

    id: str
    scope: str
    person: str
    shades: tuple[Shade, ...]
    lately: tuple[Line, ...]
    told: Mapping[str, Told]
    by: Mapping[str, str]
    failed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The biography as JSON values."""
        return {
            "id": self.id, "scope": self.scope, "person": self.person, "shades": [one.as_json() for one in self.shades],
            "lately": [one.as_json() for one in self.lately], "told": {name: told.as_json() for name, told in self.told.items()},
            "by": dict(self.by), "failed": list(self.failed),
        }  # fmt: skip

    def text(self, person: Person = "third", budget: int | None = None, counter: TokenCounter | None = None) -> str:
        """The biography in words, whole lines of it in at most `budget` tokens; what came first is kept first. Raises `InputError` for a budget without a counter."""
        if person not in self.told:
            raise InputError(f"a biography is told in one of {', '.join(self.told)}, not in {person!r}")
        if (budget is None) != (counter is None):
            raise InputError("give a budget together with the counter of its tokens, or neither")
        told = self.told[person]
        if budget is None or counter is None:
            return told.rendered()
        whole = [*((one, "about") for one in told.about), *((one, "lately") for one in told.lately)]
        chosen: list[tuple[str, str]] = []
        for one in whole:
            if counter.count(_part(told, [*chosen, one]).rendered()) <= budget:
                chosen.append(one)
        return _part(told, chosen).rendered() if chosen else ""


@dataclass(frozen=True)
class BiographyConsolidator:
    """An item of kind "portrait" for each biography and for each shade of it, with edges `cites` to the traces it rests on.

    A person is gone through anew from all that he or she said, where that changed; what comes out the same is left as it is. By rules exact: the order of arrival does not matter, and
    after deletions everything is as if what was deleted had never been said. A shade is the same one while its memories are. A biography that was deleted by its own id begins
    again with what is said after that; a shade that was stays away until its memories change.

    Parameters: `maker` of the shades; `biographer`, who words them (where a model fails at a stage, rules do it, and it is asked again the next time); `days` before the newest memory that are
    "lately" (not before now, so that a rebuild gives the same), and `recent` lines of these. Raises `InputError` for numbers below 1.
    """

    maker: ShadeMaker = field(default_factory=ShadeMaker)
    biographer: Biographer = field(default_factory=RuleBiographer)
    days: int = 14
    recent: int = 6
    stage: str = field(default="biographies", init=False)
    made_by: str = field(default=MADE_BY, init=False)

    def __post_init__(self) -> None:
        if self.days < 1 or self.recent < 1:
            raise InputError(f"days and recent must be at least 1, not {self.days!r} and {self.recent!r}")

    def biography_id(self, scope: str, person: str) -> str:
        """The id of a biography, and the session of its shades: a hash of the person's name and the scope."""
        return derived_id("portrait", scope, self.made_by, (), person)

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the biographies of exactly this scope up to date."""
        began = time.monotonic()
        newest = store.version().item
        there = self._derived(store, scope)
        counted = store.items.count(Filter(scope=scope, kinds=("trace",)))
        if not force and not self._due(store, scope, there, counted):
            return Report(self.stage, scope, seconds=time.monotonic() - began)
        seen: Version | None = store.version()
        traces = [one for one in store.items.each(Filter(scope=scope, kinds=("trace",))) if one.scope == scope]
        people = sorted({person for one in traces if (person := person_of(one)) is not None})
        sessions = {self.biography_id(scope, person) for person in people}
        orphans = [one.key for one in there if one.session not in sessions]
        if orphans:
            with store.transaction():
                store.items.delete(orphans)
        read, made, kept, removed = 0, 0, 0, len(orphans)
        for done, person in enumerate(people):
            run.report(self.stage, done, len(people))
            after = deleted_at(store, scope, self.biography_id(scope, person))
            said = sorted(
                (one for one in traces if person_of(one) == person and one.key > after), key=lambda one: (one.at, one.id)
            )
            counts, seen = self._person(store, scope, person, said, force, seen)
            read, made, kept, removed = (a + b for a, b in zip((read, made, kept, removed), counts, strict=True))
        with store.transaction():
            store.watermarks.set(self.stage, scope, newest)
            store.watermarks.set(self.stage + COUNTED, scope, counted)
        return Report(self.stage, scope, read, made, kept, removed, time.monotonic() - began)

    def _due(self, store: Store, scope: str, there: Sequence[Item], counted: int) -> bool:
        """Whether anything came, changed or went, or a model has to be asked again."""
        since = store.watermarks.get(self.stage, scope)
        return (
            any(one.stale or self._unfinished(one) for one in there)
            or bool(store.items.sessions_since(scope, since))
            or store.watermarks.get(self.stage + COUNTED, scope) != counted
        )

    def _unfinished(self, item: Item) -> bool:
        return bool(item.data.get("failed")) and not isinstance(self.biographer, RuleBiographer)

    def _derived(self, store: Store, scope: str, session: str | None = None) -> list[Item]:
        where = Filter(
            scope=scope, kinds=("portrait",), sessions=None if session is None else (session,), stale=True, forgotten=True
        )
        return [one for one in store.items.each(where) if one.scope == scope and one.made_by == self.made_by]

    # ------------------------------------------------------------------------------------------------- one person
    def _person(
        self, store: Store, scope: str, person: str, traces: Sequence[Item], force: bool, seen: Version | None
    ) -> tuple[tuple[int, int, int, int], Version | None]:
        """Bring one biography up to date; returns how many traces were read, and items made, kept and removed, and how far the store then was: None where somebody else wrote since `seen`."""
        id = self.biography_id(scope, person)
        there = self._derived(store, scope, id)
        sign = _sign(traces)
        own = next((one for one in there if one.id == id), None)
        fresh = own is not None and own.data.get("of") == sign and not self._unfinished(own)
        if fresh and not force and not any(one.stale for one in there):
            return (0, 0, len(there), 0), seen
        draft = self._drafted(store, scope, person, traces, there)
        with store.transaction():
            alone = seen is not None and store.version() == seen
            now = traces if alone else self._said(store, scope, person)
            if _sign(now) != sign:  # somebody wrote or deleted while a model thought: by rules now, and it is asked the next time
                traces = now
                draft = replace(self, biographer=RuleBiographer())._drafted(store, scope, person, now, ())
                draft = replace(draft, failed=() if isinstance(self.biographer, RuleBiographer) else STAGES)
            wanted = self._items(scope, person, traces, draft)
            retracted = _retracted(store, scope, id)
            counts = self._write(store, [one for one in wanted if one[0].id not in retracted], there, traces)
            seen = store.version() if alone else None
        return (len(traces), *counts), seen

    def _said(self, store: Store, scope: str, person: str) -> list[Item]:
        return written_by(store, scope, {person: deleted_at(store, scope, self.biography_id(scope, person))})[person]

    def _drafted(self, store: Store, scope: str, person: str, traces: Sequence[Item], there: Sequence[Item]) -> Draft:
        """Shades, lately and the words of both; what a model worded stays while its memories are the same."""
        space = store.vectors.active()
        vectors = {} if space is None else store.vectors.get(space, [one.key for one in traces])
        shades, _ = self.maker.shades(traces, vectors, store.language)
        worded = {
            tuple(shade.cites): shade for one in there if "shade" in one.data for shade in [Shade.from_json(one.data["shade"])]
        }
        kept = {cites: shade for cites, shade in worded.items() if shade.by == self.biographer.name}
        return self.biographer.drafted(person, shades, self.lately(traces, shades, store.language), kept)

    def lately(self, traces: Sequence[Item], shades: Sequence[Shade], language: str) -> list[Line]:
        """What somebody did in the last days that there are memories of: the newest of each shade in turn with the newest of none, at most `recent` lines, the newest first."""
        if not traces:
            return []
        since = max(one.at for one in traces) - self.days * DAY
        of = {id: shade.title for shade in shades for id in shade.cites}
        queues: dict[str, list[Line]] = {}
        seen: set[str] = set()
        for one in sorted((one for one in traces if one.at > since), key=lambda one: (-one.at, one.id)):
            line = telling(one.text, language)
            if line and line.casefold() not in seen:
                seen.add(line.casefold())
                queues.setdefault(of.get(one.id, ""), []).append(
                    Line(line, of.get(one.id, ""), sureness([one]), (one.id,), one.at)
                )
        order = sorted(queues, key=lambda title: (not title, -len(queues[title]), title))
        turns = max(map(len, queues.values()), default=0)
        chosen = [queues[title][turn] for turn in range(turns) for title in order if turn < len(queues[title])][: self.recent]
        return sorted(chosen, key=lambda line: (-line.at, line.text))

    def _items(self, scope: str, person: str, traces: Sequence[Item], draft: Draft) -> list[tuple[Item, tuple[str, ...]]]:
        """The biography and its shades as items, each with the ids of the traces it cites."""
        by_id = {one.id: one for one in traces}
        session = self.biography_id(scope, person)

        def item(id: str, text: str, cites: Sequence[str], data: dict[str, Any]) -> tuple[Item, tuple[str, ...]]:
            cited = [by_id[one] for one in cites]
            made = Item(
                id=id, kind="portrait", text=text, at=max(one.at for one in cited), recorded_at=max(one.recorded_at for one in cited),
                scope=scope, session=session, made_by=self.made_by, data={"person": person, **data},
            )  # fmt: skip
            return made, tuple(cites)

        found = [
            item(derived_id("portrait", scope, self.made_by, one.cites), f"{person or 'Who writes here'}: {one.title}. {one.description}", one.cites, {"shade": one.as_json()})
            for one in draft.shades
        ]  # fmt: skip
        shaded = {id for one in draft.shades for id in one.cites}
        cites = sorted(shaded | {id for line in draft.lately for id in line.cites})
        if cites:
            data = {
                "of": _sign(traces), "shades": [one.id for one, _ in found], "lately": [line.as_json() for line in draft.lately],
                "told": {name: told.as_json() for name, told in draft.told.items()}, "by": dict(draft.by), "failed": list(draft.failed),
            }  # fmt: skip
            found.insert(0, item(session, draft.told["third"].rendered(), cites, data))
        return found

    def _write(
        self, store: Store, wanted: Sequence[tuple[Item, tuple[str, ...]]], there: Sequence[Item], traces: Sequence[Item]
    ) -> tuple[int, int, int]:
        """Make the store's items of a person the given ones; returns how many were made, kept and removed; inside a transaction."""
        keys = {one.id: one.key for one in traces}
        old = {one.id: one for one in there}
        gone = [one.key for id, one in old.items() if id not in {item.id for item, _ in wanted}]
        removed = store.items.delete(gone)
        made = kept = 0
        for item, cites in wanted:
            before = old.get(item.id)
            if before is not None and not before.stale and (before.text, before.data) == (item.text, item.data):
                kept += 1
                continue
            if (
                before is not None and before.recorded_at != item.recorded_at
            ):  # what is known now must not be found in what was known then
                store.items.delete([before.key])
                item = replace(item, status=before.status & FORGOTTEN)
            key = store.items.put(item)
            store.edges.remove_from([key], ["cites"])
            store.edges.add(Edge(key, keys[id], "cites", made_by=self.made_by, recorded_at=item.recorded_at) for id in cites)
            made += 1
        return made, kept, removed


def biographies(store: Store, scope: str, person: str | None = None) -> list[Biography]:
    """The biographies in a scope and below it, of everybody or of one person, by scope and name; none from where recall was refused."""
    refusals = Refusals.of(store, "recall", scope)
    items = [
        one
        for one in store.items.each(Filter(scope=scope, kinds=("portrait",)))
        if one.made_by == MADE_BY
        and (refusals is None or not refusals.refuse(one.scope))
        and person in (None, one.data.get("person"))
    ]
    shades = {one.id: Shade.from_json(one.data["shade"]) for one in items if "shade" in one.data}
    found = [
        Biography(
            one.id, one.scope, str(one.data["person"]), tuple(shades[id] for id in one.data["shades"] if id in shades),
            tuple(map(Line.from_json, one.data["lately"])), {name: Told.from_json(told) for name, told in one.data["told"].items()},
            dict(one.data["by"]), tuple(one.data["failed"]),
        )
        for one in items
        if "shade" not in one.data
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.scope, one.person))


def _part(told: Told, chosen: Sequence[tuple[str, str]]) -> Told:
    """Some lines of a biography, each with the part it stands in."""
    about, recent = (tuple(one for one, part in chosen if part == name) for name in ("about", "lately"))
    return replace(told, about=about, lately=recent)


def _sign(traces: Sequence[Item]) -> str:
    """What tells one set of traces from another."""
    return blake2b("\0".join(one.id for one in traces).encode(), digest_size=12).hexdigest()


def _retracted(store: Store, scope: str, session: str) -> frozenset[str]:
    """Ids of shades that were deleted on purpose."""
    where = Filter(scope=scope, roles=(EVENT,), sessions=(session,), events=True)
    events = (one for one in store.items.each(where) if one.scope == scope and one.data.get("event") == "retract")
    return frozenset(id for one in events for id in one.data.get("targets", ()) if id != session)
