"""A memory seen from one scope: whatever is asked, nothing outside that scope is read, changed or even acknowledged.

Both servers stand on this, so what a client may see is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import InputError, NotFoundError
from lamina.memory import Memory
from lamina.recall.explain import Explanation
from lamina.records import Hit, Item, Page, Recall, Report, Run
from lamina.scopes import EVERYWHERE, check_scope, covers
from lamina.times import isoformat

if TYPE_CHECKING:
    from lamina.storage.transfer import ImportReport


@dataclass(frozen=True)
class Confined:
    """What a client bound to `scope` can do with a memory. "*" is everything.

    A scope in an argument is absolute; left out, it is the client's own. A scope outside, and an id of anything outside, are as if they were not there.
    """

    memory: Memory
    scope: str

    def within(self, scope: str | None) -> str:
        """The scope that an argument names. Raises `NotFoundError` where that is not within the client's own."""
        if scope is None:
            return self.scope
        if not self.covers(check_scope(scope)):
            raise NotFoundError(f"there is no scope {scope!r} here")
        return scope

    def place(self, scope: str | None) -> str:
        """The one scope to write to."""
        found = self.within(scope)
        if found == EVERYWHERE:
            if scope is not None:
                raise InputError("'*' is for reading: name one scope to write to")
            return ""
        return found

    def covers(self, scope: str) -> bool:
        """Whether a scope lies within the client's own."""
        if scope == EVERYWHERE:
            return self.scope == EVERYWHERE
        return covers(self.scope, scope)

    def own(self, ids: str | Sequence[str]) -> list[Item]:
        """Items by id. Raises the same `NotFoundError` for one that is not there and for one that is another's."""
        wanted = [ids] if isinstance(ids, str) else list(ids)
        if not all(isinstance(id, str) for id in wanted):
            raise InputError("ids must be text")
        found = self.memory.store.items.get(wanted)
        for id, item in zip(wanted, found, strict=True):
            if item is None or not self.covers(item.scope):
                raise NotFoundError(f"there is no item {id!r}")
        return [item for item in found if item is not None]

    def mine(self, items: Iterable[Item]) -> list[Item]:
        """Those of some items that the client may see."""
        return [item for item in items if self.covers(item.scope)]

    # ------------------------------------------------------------------------------------------------ verbs
    def get(self, id: str) -> Item:
        """As `Memory.get`; raises `NotFoundError`."""
        [item] = self.own(id)
        return item

    def add(self, content: Any, scope: str | None = None, **more: Any) -> list[str]:  # whatever Memory.add reads
        """As `Memory.add`; an echo can only be of what the client may see."""
        echo = more.get("echo_of")
        if echo:
            self.own(echo)
        for message in content if isinstance(content, list) else [content]:
            if isinstance(message, Mapping) and message.get("echo_of"):
                self.own(message["echo_of"])
        return self.memory.add(content, scope=self.place(scope), **more)

    def search(self, cue: str, *, k: int, scope: str | None = None, **conditions: Any) -> list[Hit]:
        """As `Memory.search`."""
        return self.memory.search(cue, k=k, scope=self.within(scope), **conditions)

    def context(self, cue: str, *, budget: int, scope: str | None = None, **conditions: Any) -> Recall:
        """As `Memory.context`."""
        return self.memory.context(cue, budget=budget, scope=self.within(scope), **conditions)

    def page(self, *, limit: int, cursor: str | None, order: Any, scope: str | None = None, **conditions: Any) -> Page:
        """As `Memory.get_all`."""
        return self.memory.get_all(limit=limit, cursor=cursor, order=order, scope=self.within(scope), **conditions)

    def zoom(self, id: str, direction: str) -> list[Item]:
        """As `Memory.zoom`."""
        [item] = self.own(id)
        return self.mine(self.memory.zoom(item.id, direction))

    def history(self, id: str) -> list[Item]:
        """As `Memory.history`."""
        [item] = self.own(id)
        return self.mine(self.memory.history(item.id))

    def update(self, id: str, text: str | None, **more: Any) -> str:
        """As `Memory.update`."""
        [item] = self.own(id)
        return self.memory.update(item.id, text, **more)

    def explain(self, id: str, cue: str, **conditions: Any) -> Explanation:
        """As `Memory.explain`."""
        [item] = self.own(id)
        scope = self.within(conditions.pop("scope", None))
        asked = item.scope if not covers(scope, item.scope) else scope
        return self.memory.explain(item.id, cue=cue, scope=asked, **conditions)

    def feedback(self, ids: Sequence[str], good: bool, cue: str, scope: str | None = None) -> int:
        """As `Memory.feedback`."""
        return self.memory.feedback([item.id for item in self.own(ids)], good, cue=cue, scope=self.within(scope))

    def consent(self, purpose: str, granted: bool, scope: str | None = None) -> str:
        """As `Memory.consent`."""
        return self.memory.consent(purpose, granted, scope=self.within(scope))

    def consents(self, scope: str | None = None) -> dict[str, dict[str, Any]]:
        """As `Memory.consents`, as JSON values; where and when something was said outside the client's scope is left out."""
        found = {}
        for purpose, consent in self.memory.consents(scope=self.within(scope)).items():
            seen = consent.scope is not None and self.covers(consent.scope)
            at = isoformat(consent.at) if seen and consent.at is not None else None
            found[purpose] = {"granted": consent.granted, "scope": consent.scope if seen else None, "at": at}
        return found

    def forget(self, ids: Sequence[str], reason: str | None = None) -> int:
        """As `Memory.forget`, by ids."""
        return self.memory.forget([item.id for item in self.own(ids)], reason=reason)

    def restore(self, ids: Sequence[str]) -> int:
        """As `Memory.restore`."""
        return self.memory.restore([item.id for item in self.own(ids)])

    def delete(self, ids: Sequence[str]) -> int:
        """As `Memory.delete`."""
        return self.memory.delete([item.id for item in self.own(ids)])

    def delete_all(self, scope: str | None = None) -> int:
        """As `Memory.delete_all`."""
        return self.memory.delete_all(scope=self.within(scope))

    def consolidate(self, scope: str | None = None, run: Run | None = None) -> list[Report]:
        """As `Memory.consolidate`."""
        return self.memory.consolidate(scope=self.within(scope), run=run)

    def rebuild(self, scope: str | None = None, run: Run | None = None) -> list[Report]:
        """As `Memory.rebuild`, with the embedder that is there."""
        return self.memory.rebuild(scope=self.within(scope), run=run)

    def export(self, scope: str | None = None, vectors: bool = True) -> Generator[str, None, None]:
        """The lines of `Memory.export`, without line feeds. What forbids it is raised at once, not by the first line."""
        from lamina.storage.transfer import export_lines

        lines = export_lines(self.memory.store, self.within(scope), vectors)

        def each() -> Generator[str, None, None]:
            with closing(lines):  # type: ignore[type-var]
                yield from lines

        return each()

    def import_(self, path: Path, run: Run | None = None) -> ImportReport:
        """As `Memory.import_`; a file that holds anything outside the client's scope is refused."""
        return self.memory.import_(path, scope=self.scope, run=run)

    def stats(self, scope: str | None = None) -> dict[str, Any]:
        """As `Memory.stats`; what concerns the whole file is told only to who may see all of it."""
        found = self.memory.stats(scope=self.within(scope))
        if self.scope == EVERYWHERE:
            return found
        return {name: found[name] for name in ("items", "hidden", "embedder", "language") if name in found}

    def scopes(self) -> list[str]:
        """Every scope the client may see that something was written in."""
        return [scope for scope in self.memory.scopes("*" if self.scope == "" else self.scope) if self.covers(scope)]

    def atomically(self, call: Callable[[], Any]) -> Any:  # what the call returns
        """Run a call in one transaction."""
        with self.memory.store.transaction():
            return call()
