"""What travels between the rooms: items, edges, filters, hits, and the context of a piece of work.

All of them are frozen dataclasses; none does I/O.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, Literal, get_args

from lamina.errors import Cancelled, InputError
from lamina.scopes import ROOT, check_scope
from lamina.times import Moment, Precision, isoformat

Kind = Literal["trace", "episode", "note", "thought", "entity", "fact", "topic", "portrait"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

EdgeKind = Literal[
    "cites", "contains", "assigned", "subject", "object", "mentions", "links", "synonym", "next", "supersedes",
    "refutes", "echo_of",
]  # fmt: skip
EDGE_KINDS: Final[tuple[EdgeKind, ...]] = get_args(EdgeKind)

FORGOTTEN: Final = 1
"""Status bit: hidden from recall, restorable."""
STALE: Final = 2
"""Status bit: a source was deleted; the text is blank until the stage that made the item runs again."""

EVENT: Final = "event"
"""Role of traces that record what was done to the memory: corrections, retractions, consents, feedback."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]


# ------------------------------------------------------------------------------------------------------------ ids
class TraceIds:
    """Makes trace ids: 26 characters that sort by record time, then by the order of making (ULID form).

    >>> ids = TraceIds()
    >>> first, second = ids.make(1_000_000), ids.make(1_000_000)
    >>> first < second, len(first)
    (True, 26)
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)
        self._process = os.getpid()
        self._random = Random(os.urandom(32))  # asking the system for each id would cost more than storing it

    def make(self, recorded_at: int) -> str:
        """A new id for something recorded at UTC microseconds `recorded_at`."""
        millis = max(recorded_at // 1000, 0)
        if self._process != os.getpid():  # a forked child must not go on with its parent's series
            self._begin()
        with self._lock:
            last_millis, last_random = self._last
            if millis <= last_millis:
                millis, random = last_millis, last_random + 1
            else:
                random = self._random.getrandbits(79)
            self._last = (millis, random)
        number = (millis << 80) | random
        return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def derived_id(kind: Kind, scope: str, made_by: str, sources: Sequence[str], salt: str = "") -> str:
    """The id of a derived item: a hash of what it is, where, by which mechanism and from what.

    The same sources in any order give the same id. `salt` tells apart several items one mechanism makes of the same sources.

    >>> derived_id("episode", "", "segment/1", ["b", "a"]) == derived_id("episode", "", "segment/1", ["a", "b"])
    True
    """
    digest = hashlib.blake2b(digest_size=15)
    for part in (kind, scope, made_by, salt, *sorted(sources)):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    number = int.from_bytes(digest.digest(), "big")
    return f"{kind}-" + "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(115, -1, -5))


# ---------------------------------------------------------------------------------------------------------- items
@dataclass(frozen=True, slots=True)
class Item:
    """One thing remembered, at any level.

    `at`, `until`: world time in UTC microseconds; `recorded_at`, `retired_at`: record time. `made_by` names the mechanism and
    version of a derived item and is None for a trace. `data` is JSON: `speaker`, `place`, `captions`, `metadata`, `tool_calls`, …
    `key` is the store's own number of the item (0 before it is stored).
    """

    id: str
    kind: Kind
    text: str
    at: int
    recorded_at: int
    scope: str = ROOT
    session: str | None = None
    origin: str | None = None
    role: str | None = None
    until: int | None = None
    precision: Precision = "instant"
    offset: int = 0
    retired_at: int | None = None
    made_by: str | None = None
    status: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    key: int = 0

    @property
    def speaker(self) -> str | None:
        """Who said it, where that is known."""
        value = self.data.get("speaker")
        return value if isinstance(value, str) else None

    @property
    def place(self) -> str | None:
        """Where it happened, where that is known."""
        value = self.data.get("place")
        return value if isinstance(value, str) else None

    @property
    def captions(self) -> list[str]:
        """What the pictures beside the text show."""
        return list(self.data.get("captions", ()))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The caller's own fields."""
        value = self.data.get("metadata", {})
        return value if isinstance(value, Mapping) else {}

    @property
    def moment(self) -> Moment:
        """World time with its precision and offset."""
        return Moment(self.at, self.precision, self.offset)

    @property
    def forgotten(self) -> bool:
        """Hidden from recall by `forget`."""
        return bool(self.status & FORGOTTEN)

    @property
    def stale(self) -> bool:
        """Blanked because a source was deleted; waiting for its stage to run again."""
        return bool(self.status & STALE)

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "…"
        return f"<{self.kind} {self.id} {isoformat(self.at, self.offset)} {shown!r}>"


@dataclass(frozen=True, slots=True)
class Edge:
    """A directed, typed link between two items (their store keys)."""

    src: int
    dst: int
    kind: EdgeKind
    weight: float = 1.0
    data: Mapping[str, Any] = field(default_factory=dict)
    made_by: str | None = None
    recorded_at: int = 0
    retired_at: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; `cursor` is what to hand in for the next page, None on the last one."""

    items: list[Item]
    cursor: str | None = None

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


# -------------------------------------------------------------------------------------------------------- filters
OPERATORS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "exists")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listing or a recall may see. Every condition holds before the top k are taken.

    `scope` covers its descendants. Times are UTC microseconds: `since` ≤ at < `before` (or the stretch at–until touches it);
    `as_of`: true at that world time; `known_at`: known at that record time (default: now). `metadata` maps a field
    (dots go deeper) to a value or to `{operator: value}` with operators eq, ne, gt, gte, lt, lte, in, nin, contains, exists.

    >>> Filter(kinds=("trace",), metadata={"project": "x", "stars": {"gte": 3}}).check().kinds
    ('trace',)
    """

    scope: str = ROOT
    kinds: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    sessions: tuple[str, ...] | None = None
    speakers: tuple[str, ...] | None = None
    places: tuple[str, ...] | None = None
    since: int | None = None
    before: int | None = None
    as_of: int | None = None
    known_at: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    forgotten: bool = False
    stale: bool = False
    events: bool = False
    retired: bool = False

    def check(self) -> Filter:
        """Return itself if every condition is well-formed, else raise `InputError`."""
        check_scope(self.scope)
        for kind in self.kinds or ():
            if kind not in KINDS:
                raise InputError(f"{kind!r} is not a kind: use one of {', '.join(KINDS)}")
        for name, condition in self.metadata.items():
            if not name or '"' in name or "\0" in name:
                raise InputError(f"{name!r} cannot be a metadata field name")
            for operator, value in conditions(condition):
                if operator not in OPERATORS:
                    raise InputError(f"{operator!r} is not a filter operator: use one of {', '.join(OPERATORS)}")
                values = value if operator in ("in", "nin") else [value]
                if not isinstance(values, (list, tuple, set, frozenset)):
                    raise InputError(f"the filter operator {operator!r} takes a list of values, not {value!r}")
                for one in values:
                    if one is not None and not isinstance(one, (str, int, float, bool)):
                        raise InputError(f"a filter value must be text, a number, true, false or null, not {one!r}")
                    if isinstance(one, float) and not math.isfinite(one):
                        raise InputError(f"a filter value must be finite, not {one!r}")
        return self

    def within(self, **changes: Any) -> Filter:
        """A copy with some conditions changed."""
        return replace(self, **changes)


def conditions(condition: Any) -> list[tuple[str, Any]]:
    """The (operator, value) pairs of one metadata condition.

    >>> conditions(3), conditions({"gte": 3, "lt": 5})
    ([('eq', 3)], [('gte', 3), ('lt', 5)])
    """
    return list(condition.items()) if isinstance(condition, Mapping) else [("eq", condition)]


# ----------------------------------------------------------------------------------------------------------- hits
@dataclass(frozen=True, slots=True)
class Asked:
    """What a hit answers: the cue, what could be seen, and the moment from which it was asked (UTC microseconds).

    `reranked`: whether the best hits were judged once more (None: nobody asked for it; False: the reranker failed, and the
    order is that of the ranker alone).
    """

    cue: str
    where: Filter
    now: int
    reranked: bool | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a hit's score: the feature, its value, and what it added."""

    feature: str
    value: float
    contribution: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A recalled item with its score and the reasons for it.

    `sources` are the ids of the traces it rests on; `asked` says what it answers (None for a hit that no search made).
    """

    item: Item
    score: float
    sources: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    asked: Asked | None = field(default=None, repr=False, compare=False)

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item.id

    @property
    def text(self) -> str:
        """The item's text, verbatim for a trace."""
        return self.item.text

    @property
    def kind(self) -> Kind:
        """The item's kind."""
        return self.item.kind

    @property
    def speaker(self) -> str | None:
        """Who said it."""
        return self.item.speaker

    @property
    def session(self) -> str | None:
        """The session it belongs to."""
        return self.item.session

    @property
    def at(self) -> int:
        """World time in UTC microseconds."""
        return self.item.at

    @property
    def when(self) -> str:
        """World time as ISO 8601 text in the offset it was told in."""
        return isoformat(self.item.at, self.item.offset)


@dataclass(frozen=True, slots=True)
class Recall:
    """What a recall found, packed under a budget: the text for a prompt, the hits in it, and the tokens it takes."""

    text: str
    hits: tuple[Hit, ...]
    tokens: int
    budget: int

    def __str__(self) -> str:
        return self.text


# ------------------------------------------------------------------------------------------------------------ run
def wall_clock() -> int:
    """Now, in UTC microseconds."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Run:
    """What a piece of work takes in from outside: the clock, the seed, progress and cancellation.

    `progress(stage, done, total)` is called now and then; `cancelled()` is asked between units of work.
    """

    clock: Callable[[], int] = wall_clock
    seed: int = 0
    progress: Callable[[str, int, int], None] | None = None
    cancelled: Callable[[], bool] | None = None

    def report(self, stage: str, done: int, total: int) -> None:
        """Tell whoever watches how far `stage` is; raises `Cancelled` where the caller wants to stop."""
        if self.progress is not None:
            self.progress(stage, done, total)
        if self.cancelled is not None and self.cancelled():
            raise Cancelled(f"{stage} was cancelled after {done:,} of {total:,}; run it again to go on")


@dataclass(frozen=True, slots=True)
class Report:
    """What a stage of consolidation did in one scope."""

    stage: str
    scope: str
    read: int = 0
    made: int = 0
    kept: int = 0
    removed: int = 0
    seconds: float = 0.0
