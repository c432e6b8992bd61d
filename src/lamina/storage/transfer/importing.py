"""Import of an export: checked line by line, written in one transaction, the same when it is done twice."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

import numpy as np

from lamina.errors import InputError
from lamina.records import EDGE_KINDS, EVENT, Edge, Item
from lamina.scopes import EVERYWHERE, check_scope, covers
from lamina.storage.consents import Consent, note, read_consent, require
from lamina.storage.protocol import Space, Store
from lamina.storage.transfer import fields
from lamina.storage.transfer.lines import Line, Lines, Progress, at_line

OnConflict = Literal["skip", "error"]
_BATCH: Final = 1000  # records written together
_LARGE: Final = "artifact"  # written one by one


@dataclass
class ImportReport:
    """What an import did: how much it wrote, what was there before (`kept`), and how many characters it replaced."""

    items: int = 0
    edges: int = 0
    strengths: int = 0
    watermarks: int = 0
    rankers: int = 0
    vectors: int = 0
    artifacts: int = 0
    kept: int = 0
    mended: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return any(getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in ("kept", "mended"))


def import_file(
    store: Store,
    source: str | os.PathLike[str] | Iterable[str],
    *,
    on_conflict: OnConflict = "skip",
    mend: bool = False,
    within: str = EVERYWHERE,
    progress: Progress | None = None,
) -> ImportReport:
    """Import an export (a path, or its lines) into a store, all of it or nothing.

    Ids, record times and the order of items are kept; the store gives its own keys. What is there already stays as it is
    with `on_conflict="skip"` and is refused with "error". `mend` replaces lone surrogates and NUL characters and counts them.
    A stage goes on where it was only in scopes that were empty before; elsewhere it finds the new items by itself.
    `within` a scope, everything in the file must lie there, and an id must not be taken outside it; vectors of other spaces than
    the store's own are then left out. `progress(done, total)` is called with bytes of the file. Raises `TransferError` that names the line and the remedy.

    >>> from lamina.storage import open_store
    >>> from lamina.storage.transfer import export_lines
    >>> import_file(open_store(None), export_lines(open_store(None))).changed
    False
    """
    if on_conflict not in ("skip", "error"):
        raise InputError(f"on_conflict must be 'skip' or 'error', not {on_conflict!r}")
    lines = Lines(source, mend, progress)
    with store.transaction():
        work = _Import(store, on_conflict, check_scope(within))
        reading = iter(lines)
        work.begin(next(reading))
        while run := list(islice(reading, _BATCH)):
            for part in _runs(run):
                work.write(part)
        work.end()
    work.report.mended = lines.mended
    return work.report


def _runs(lines: Sequence[Line]) -> Iterable[list[Line]]:
    """Neighbours of one type together."""
    run: list[Line] = []
    for line in lines:
        if run and (line.type != run[0].type or line.type == _LARGE):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


class _Import:
    """One import under way, inside its transaction."""

    def __init__(self, store: Store, on_conflict: OnConflict, within: str) -> None:
        self.report = ImportReport()
        self._store, self._on_conflict, self._within = store, on_conflict, within
        self._keys: dict[str, int] = {}  # of the ids in the file
        self._origins: set[tuple[str, str]] = set()
        self._spaces: list[Space | None] = []  # None: its vectors are left out
        self._active: Space | None = None
        self._scopes_before = store.items.scopes()
        self._consents: list[Consent] = []
        self._asked: set[str] = set()  # scopes in which storing is not refused
        self._writers: dict[str, Callable[[list[Line]], None]] = {
            "item": self._items,
            "edge": self._edges,
            "strength": self._strengths,
            "watermark": self._watermarks,
            "ranker": self._rankers,
            "vector": self._vectors,
            "artifact": self._artifacts,
        }

    def begin(self, header: Line) -> None:
        with at_line(header, InputError, KeyError, TypeError):
            for described in header.record["spaces"]:
                fingerprint, dim, view = described["fingerprint"], described["dim"], described["view"]
                if not isinstance(fingerprint, str) or not isinstance(view, str) or not isinstance(dim, int) or dim < 1:
                    raise header.fault(f"{described!r} is no vector space")
                if self._within == EVERYWHERE:
                    self._spaces.append(space := self._store.vectors.open_space(fingerprint, dim, view))
                    if described.get("active"):
                        self._active = space
                else:  # a space is everybody's: who may write to one scope only neither makes one nor chooses it
                    known = [
                        one
                        for one in self._store.vectors.spaces()
                        if (one.fingerprint, one.dim, one.view) == (fingerprint, dim, view)
                    ]
                    self._spaces.append(known[0] if known else None)

    def write(self, lines: list[Line]) -> None:
        writer = self._writers.get(lines[0].type)
        if writer is None:
            raise lines[0].fault(f"{lines[0].type!r} is no record of this format")
        with at_line(lines[0], InputError):
            writer(lines)

    def end(self) -> None:
        note(self._store, self._consents)
        if self._active is not None and self._store.vectors.active() is None:
            self._store.vectors.activate(self._active)

    def _inside(self, line: Line, scope: str) -> str:
        """A scope that a line names, if it lies where this import may write."""
        if not covers(self._within, scope):
            raise line.fault(
                f"the scope {scope!r} is not within {self._within!r}", "nothing was imported; export the scope that is meant"
            )
        return scope

    def _key(self, line: Line, field: str = "item") -> int:
        id = line.record.get(field)
        key = self._keys.get(id) if isinstance(id, str) else None
        if key is None:
            raise line.fault(f"it names the item {id!r}, which the file does not have")
        return key

    # ---------------------------------------------------------------------------------------------------- items
    def _items(self, lines: list[Line]) -> None:
        items: list[Item] = []
        seen: set[str] = set()
        for line in lines:
            with at_line(line, InputError):
                item = fields.parse_item(line.record)
            self._inside(line, item.scope)
            place = (item.scope, item.origin or "")
            if item.id in self._keys or item.id in seen or (item.origin is not None and place in self._origins):
                raise line.fault(f"the item {item.id} comes twice")
            seen.add(item.id)
            if item.origin is not None:
                self._origins.add(place)
            items.append(item)
        there = self._store.items.keys_of([item.id for item in items])
        self._refuse_taken(lines, there)
        fresh = [item for item in items if item.id not in there]
        self._ask({item.scope for item in fresh if item.role != EVENT})
        stored = self._store.items.add(fresh)
        for item in fresh:
            consent = read_consent(item)
            if consent is None:
                continue
            if not covers(self._within, str(consent.scope)):  # "everywhere" is said in the scope without a name
                raise InputError(f"the consent {item.id} speaks for more than the scope it is imported into")
            self._consents.append(consent)
        there |= {item.id: entry.key for item, entry in zip(fresh, stored, strict=True)}
        written = sum(entry.new for entry in stored)
        if written < len(items) and self._on_conflict == "error":
            new = {item.id for item, entry in zip(fresh, stored, strict=True) if entry.new}
            line = next(line for line in lines if line.record["id"] not in new)
            raise line.fault(
                f"the item {line.record['id']} (or its origin) is in the store already",
                "nothing was imported; import with on_conflict='skip' to keep what is there",
            )
        self._keys.update(there)
        self.report.items += written
        self.report.kept += len(items) - written

    def _refuse_taken(self, lines: list[Line], there: dict[str, int]) -> None:
        """Refuse an id that belongs to an item outside: what the file says of it would be said of that one."""
        if self._within == EVERYWHERE or not there:
            return
        taken = {
            item.id for item in self._store.items.by_key(list(there.values())).values() if not covers(self._within, item.scope)
        }
        for line in lines:
            if line.record["id"] in taken:
                raise line.fault(f"the id {line.record['id']} cannot be used here", "nothing was imported")

    def _ask(self, scopes: set[str]) -> None:
        """See that nobody has refused to have things stored; what the file itself says of that holds once it is in."""
        for scope in scopes - self._asked:
            require(self._store, "store", scope)
            self._asked.add(scope)

    # ---------------------------------------------------------------------------------------------------- edges
    def _edges(self, lines: list[Line]) -> None:
        edges = [self._edge(line) for line in lines]
        there = {(edge.src, edge.kind, edge.dst) for edge in self._store.edges.out(sorted({edge.src for edge in edges}))}
        chained = [edge for edge in edges if edge.kind == "next"]
        followed = {edge.src for edge in self._store.edges.out([edge.src for edge in chained], ["next"])}
        preceded = {edge.dst for edge in self._store.edges.into([edge.dst for edge in chained], ["next"])}
        fresh = [
            edge
            for edge in edges
            if (edge.src, edge.kind, edge.dst) not in there
            and not (edge.kind == "next" and (edge.src in followed or edge.dst in preceded))  # the store's own chain stays
        ]
        self._store.edges.add(fresh)
        self.report.edges += len(fresh)
        self.report.kept += len(edges) - len(fresh)

    def _edge(self, line: Line) -> Edge:
        record = line.record
        with at_line(line, InputError):
            return Edge(
                self._key(line, "src"),
                self._key(line, "dst"),
                fields.one_of(record, "kind", EDGE_KINDS),
                fields.number(record, "weight"),
                fields.mapping(record),
                fields.text_or_none(record, "made_by"),
                fields.whole(record, "recorded_at"),
                fields.whole_or_none(record, "retired_at"),
            )

    # -------------------------------------------------------------------------------------------------- ledgers
    def _strengths(self, lines: list[Line]) -> None:
        by_policy: dict[str, dict[int, str]] = {}
        for line in lines:
            with at_line(line, InputError, ValueError):
                state = fields.text(line.record, "state")
                json.loads(state)
                by_policy.setdefault(fields.text(line.record, "policy"), {})[self._key(line)] = state
        for policy, states in by_policy.items():
            there = self._store.strengths.get(policy, list(states))
            fresh = {key: state for key, state in states.items() if key not in there}
            self._store.strengths.put(policy, fresh)
            self.report.strengths += len(fresh)
            self.report.kept += len(there)

    def _watermarks(self, lines: list[Line]) -> None:
        for line in lines:
            with at_line(line, InputError):
                stage, scope = fields.text(line.record, "stage"), check_scope(fields.text(line.record, "scope"))
            self._inside(line, scope)
            if any(covers(scope, before) for before in self._scopes_before) or self._store.watermarks.get(stage, scope):
                self.report.kept += 1
                continue
            self._store.watermarks.set(stage, scope, self._key(line, "upto"))
            self.report.watermarks += 1

    def _rankers(self, lines: list[Line]) -> None:
        for line in lines:
            with at_line(line, InputError, ValueError):
                scope, state = check_scope(fields.text(line.record, "scope")), fields.text(line.record, "state")
                json.loads(state)
            self._inside(line, scope)
            if self._store.rankers.get([scope]):
                self.report.kept += 1
                continue
            self._store.rankers.put(scope, state)
            self.report.rankers += 1

    def _vectors(self, lines: list[Line]) -> None:
        by_space: dict[int, dict[int, np.ndarray[Any, np.dtype[np.float32]]]] = {}
        for line in lines:
            number = line.record.get("space")
            if type(number) is not int or not 0 <= number < len(self._spaces):
                raise line.fault(f"{number!r} is no space of the header")
            raw, space = _bytes(line), self._spaces[number]
            if space is None:
                continue
            if len(raw) != 2 * space.dim:
                raise line.fault(f"the vector has {len(raw) / 2:g} dimensions, its space {space.dim}")
            vector = np.frombuffer(raw, "<f2").astype(np.float32)
            if not np.isfinite(vector).all():
                raise line.fault("the vector has NaN or infinite values")
            by_space.setdefault(number, {})[self._key(line)] = vector
        for number, vectors in by_space.items():
            space = self._spaces[number]
            assert space is not None
            there = self._store.vectors.get(space, list(vectors))
            fresh = [key for key in vectors if key not in there]
            if fresh:
                self.report.vectors += self._store.vectors.put(space, fresh, np.stack([vectors[key] for key in fresh]))
            self.report.kept += len(there)

    def _artifacts(self, lines: list[Line]) -> None:
        for line in lines:
            content = _bytes(line)
            if hashlib.blake2b(content, digest_size=16).hexdigest() != line.record.get("digest"):
                raise line.fault("the artifact does not have its digest")
            key, id = self._key(line), fields.text(line.record, "id")
            if any(artifact.id == id for artifact in self._store.artifacts.of(key)):
                self.report.kept += 1
                continue
            self._store.artifacts.put(
                key, fields.text(line.record, "kind"), content, inline=line.record.get("inline") is not False, id=id
            )
            self.report.artifacts += 1


def _bytes(line: Line) -> bytes:
    try:
        return base64.b64decode(str(line.record["data"]), validate=True)
    except (KeyError, binascii.Error):
        raise line.fault("'data' is not base64") from None
