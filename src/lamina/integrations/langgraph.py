"""LangGraph's long-term store on a memory: `LaminaStore` is a `BaseStore`. Needs the extra "langgraph"."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from operator import ge, gt, le, lt
from typing import Any, Final

from lamina.errors import InputError, LaminaError, MissingExtraError
from lamina.integrations.documents import FIELD, Document, Documents, document_of
from lamina.memory import Memory
from lamina.plain import texts_in
from lamina.records import Filter, wall_clock
from lamina.records import Item as Trace
from lamina.scopes import EVERYWHERE, make_scope, split_scope

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        Item,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        TTLConfig,
        get_text_at_path,
        tokenize_path,
        validate_op_namespace,
    )
except ImportError:
    raise MissingExtraError.for_extra("langgraph", "the LangGraph store", "langgraph-checkpoint") from None

log = logging.getLogger("lamina.integrations")

POLICY: Final = "time-to-live"
"""The name under which the store keeps how long an item may live."""

PAGE: Final = 200
"""Items that are read at a time when they are listed."""
EXACT: Final = 2**53
"""From here on a number is not compared in the store: there it may have lost digits."""

Namespace = tuple[str, ...]


class LaminaStore(BaseStore):
    """A LangGraph store whose items are traces of a memory, found by everything recall knows.

    A namespace is a scope below `base`, a key is a document in it, and a value is kept as it is. What was put before stays in the
    history of the item. `search` with a query is a recall in the namespace and below; without one it lists, newest first. Filters hold before anything is
    ranked. `created_at` is kept when a value is put anew.

    Parameters:
        memory: where it is kept.
        base: segments of the scope that namespaces lie under, so that what else the memory holds stays apart; () for none.
        fields: which fields of a value a query can find ("$": all of it), as LangGraph's paths name them.
        ttl: LangGraph's settings for how long items live: `default_ttl` in minutes, `refresh_on_read`, `sweep_interval_minutes`.
            What has expired is never returned, and is deleted by the next sweep.

    >>> store = LaminaStore(Memory(":memory:"))
    >>> store.put(("ana", "preferences"), "food", {"text": "Ana loves grilled sardines."})
    >>> store.search(("ana",), query="what does she like to eat?")[0].value["text"]
    'Ana loves grilled sardines.'
    """

    supports_ttl = True

    def __init__(
        self,
        memory: Memory,
        *,
        base: Sequence[str] = ("langgraph",),
        fields: Sequence[str] = ("$",),
        ttl: TTLConfig | None = None,
    ) -> None:
        self.memory = memory
        self.base = tuple(base)
        self.fields = tuple(fields)
        self.ttl_config = ttl
        self._documents = Documents(memory)
        self._stop = threading.Event()
        self._sweeper: threading.Thread | None = None

    # ------------------------------------------------------------------------------------------------ LangGraph's two verbs
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations: what is read is the state before any of them, and of several puts of one key the last one counts."""
        todo = list(ops)
        for op in todo:
            validate_op_namespace(op)
        results: list[Result] = [self._read(op) for op in todo]
        puts = {(op.namespace, op.key): op for op in todo if isinstance(op, PutOp)}
        if puts:
            with self.memory.store.transaction():
                for op in puts.values():
                    self._put(op)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The same, in a thread."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return self._get(op)
        if isinstance(op, SearchOp):
            return self._search(op)
        if isinstance(op, ListNamespacesOp):
            return self._namespaces(op)
        if isinstance(op, PutOp):
            return None
        raise ValueError(f"{type(op).__name__} is not an operation of a LangGraph store")

    # ------------------------------------------------------------------------------------------------ get and put
    def _get(self, op: GetOp) -> Item | None:
        found = self._documents.get(self.scope(op.namespace), op.key)
        if found is None or not self._alive([found]):
            return None
        if op.refresh_ttl:
            self._refresh([found])
        return Item(**self._fields(found))

    def _put(self, op: PutOp) -> None:
        scope = self.scope(op.namespace)
        if op.value is None:
            self._documents.delete(scope, op.key)
            return
        old = self._documents.get(scope, op.key)
        if old is not None and not self._alive([old]):  # what has expired is not a version of what comes now
            self._documents.delete(scope, op.key)
        value = _plain(op.value)
        text = "" if op.index is False else "\n".join(self._texts(value, op.index))
        made = self._documents.put(scope, op.key, value, text or op.key, searchable=bool(text))
        self._live(made, op.ttl)

    def _texts(self, value: Mapping[str, Any], paths: Sequence[str] | None) -> Iterator[str]:
        """What a query can find of a value."""
        for path in self.fields if paths is None else paths:
            if path == "$":
                yield from texts_in(value)
            else:
                yield from (text for text in get_text_at_path(value, tokenize_path(path)) if text.strip())

    def scope(self, namespace: Namespace) -> str:
        """The scope of a namespace ("*" for the empty one without a base)."""
        return make_scope(*self.base, *namespace) or EVERYWHERE

    def _fields(self, found: Document) -> dict[str, Any]:
        namespace = tuple(part or "" for part in split_scope(found.item.scope))[len(self.base) :]
        times = {"created_at": _moment(found.created_at), "updated_at": _moment(found.updated_at)}
        return {"namespace": namespace, "key": found.name, "value": found.value, **times}

    # ------------------------------------------------------------------------------------------------ search
    def _search(self, op: SearchOp) -> list[SearchItem]:
        if op.limit < 0 or op.offset < 0:
            raise InputError(f"limit and offset must not be below 0, not {op.limit} and {op.offset}")
        last = op.offset + op.limit
        metadata, rest = _in_store(op.filter)
        where = Filter(scope=self.scope(op.namespace_prefix), kinds=("trace",), metadata=metadata)
        scores: dict[str, float] = {}
        chosen: list[Document] = []
        query = (op.query or "").strip()
        if query and last:
            narrowed = where
            if rest:
                narrowed = where.within(ids=tuple(one.item.id for one in self._documents.each(where) if _passes(one.value, rest)))
            chosen = self._ranked(query, narrowed, last, scores)
        if len(chosen) < last:  # with a query, the rest follows without a score, as in LangGraph's own store
            known = {one.item.id for one in chosen}
            others = (one for one in self._newest(where, rest) if one.item.id not in known)
            chosen += islice(others, last - len(chosen))
        page = chosen[op.offset : last]
        if op.refresh_ttl:
            self._refresh(page)
        return [SearchItem(**self._fields(one), score=scores.get(one.item.id)) for one in page]

    def _newest(self, where: Filter, rest: Mapping[str, Any]) -> Iterator[Document]:
        """Documents that are alive and meet the rest of a filter, the newest first; no more are read than are asked for."""
        keys = self.memory.store.items.matching(where)[::-1].tolist()
        for start in range(0, len(keys), PAGE):
            part = keys[start : start + PAGE]
            found = self.memory.store.items.by_key(part)
            documents = [
                document_of(found[key]) for key in part if key in found and found[key].metadata.keys() >= {FIELD, "value"}
            ]
            yield from (one for one in self._alive(documents) if _passes(one.value, rest))

    def _ranked(self, query: str, where: Filter, count: int, scores: dict[str, float]) -> list[Document]:
        """Documents by recall, each once, at the rank of its best piece."""
        if where.ids is not None and not where.ids:
            return []
        allowed = where.within(metadata={**where.metadata, "searchable": True})
        asked = max(count * 2, 20)
        while True:  # pieces of long texts and what has expired take places: then more are asked for
            hits = self.memory.search(query, k=asked, where=allowed)
            found: dict[str, Document] = {}
            for hit in hits:
                one = self._document_of(hit.item)
                if one is not None and one.item.id not in found:
                    found[one.item.id] = one
                    scores[one.item.id] = hit.score
            alive = self._alive(found.values())
            if len(alive) >= count or len(hits) < asked:
                return alive[:count]
            asked *= 4

    def _document_of(self, trace: Trace) -> Document | None:
        """The document that a trace is in, or is a later piece of."""
        if FIELD not in trace.metadata:
            return None
        return document_of(trace) if "value" in trace.metadata else self._documents.get(trace.scope, trace.session or "")

    # ------------------------------------------------------------------------------------------------ namespaces
    def _namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        self.sweep_ttl()
        depth = len(self.base)
        under = make_scope(*self.base) or EVERYWHERE
        found: dict[Namespace, None] = {}
        for scope in self.memory.scopes(under):
            namespace = tuple(part or "" for part in split_scope(scope))[depth:]
            if namespace and all(_matches(namespace, one) for one in op.match_conditions or ()) and self._holds(scope):
                found[namespace[: op.max_depth]] = None
        return sorted(found)[op.offset : op.offset + op.limit]

    def _holds(self, scope: str) -> bool:
        """Whether anything of the store's own lies in a scope: without a base, other traces lie beside it."""
        where = Filter(scope=scope, kinds=("trace",), metadata={FIELD: {"exists": True}})
        return bool(self.base) or any(one.item.scope == scope for one in self._documents.each(where))

    # ------------------------------------------------------------------------------------------------ time to live
    def _live(self, document: Document, minutes: float | None) -> None:
        """Note how long a document may live, inside a transaction; for ever without a number."""
        if minutes is not None:
            state = {"minutes": minutes, "expires_at": wall_clock() + round(minutes * 60e6)}
            self.memory.store.strengths.put(POLICY, {document.item.key: json.dumps(state)})

    def _states(self, documents: Sequence[Document]) -> dict[int, dict[str, Any]]:
        found = self.memory.store.strengths.get(POLICY, [one.item.key for one in documents])
        return {key: json.loads(state) for key, state in found.items()}

    def _alive(self, documents: Iterable[Document]) -> list[Document]:
        """Those that have not expired."""
        every = list(documents)
        states, now = self._states(every), wall_clock()
        return [one for one in every if states.get(one.item.key, {}).get("expires_at", now + 1) > now]

    def _refresh(self, documents: Sequence[Document]) -> None:
        """Begin the time of these anew, where they have one.

        What an operation asks for includes the settings; where those say nothing of reads, it does not count, as in LangGraph's own stores.
        """
        if self.ttl_config is not None and "refresh_on_read" not in self.ttl_config:
            return
        states = self._states(documents)
        for state in states.values():
            state["expires_at"] = wall_clock() + round(state["minutes"] * 60e6)
        if states:
            with self.memory.store.transaction():
                self.memory.store.strengths.put(POLICY, {key: json.dumps(state) for key, state in states.items()})

    def sweep_ttl(self) -> int:
        """Delete what has expired; returns how many items."""
        now = wall_clock()
        states = self.memory.store.strengths.each(POLICY, make_scope(*self.base) or EVERYWHERE)
        keys = [key for key, state in states if json.loads(state)["expires_at"] <= now]
        gone = 0
        for item in self.memory.store.items.by_key(keys).values():
            if item.retired_at is None:
                gone += self._documents.delete(item.scope, document_of(item).name)
        return gone

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> threading.Thread:
        """Sweep now and then in a thread, until `stop_ttl_sweeper`; returns the thread."""
        every = sweep_interval_minutes or (self.ttl_config or {}).get("sweep_interval_minutes") or 5
        if self._sweeper is None or not self._sweeper.is_alive():
            self._stop.clear()
            self._sweeper = threading.Thread(target=self._sweep, args=(every * 60,), name="lamina-ttl-sweeper", daemon=True)
            self._sweeper.start()
        return self._sweeper

    def _sweep(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                self.sweep_ttl()
            except LaminaError as error:  # another process may hold the lock for long: the next round does it
                log.warning("what has expired could not be swept (%s)", type(error).__name__)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeping; says whether the thread has ended within `timeout` seconds."""
        self._stop.set()
        if self._sweeper is None:
            return True
        self._sweeper.join(timeout)
        return not self._sweeper.is_alive()


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A value as JSON gives it back."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"a value must be plain JSON (text, finite numbers, true, false, null, lists, objects): {error}"
        ) from None
    return plain


def _in_store(conditions: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of a filter the store can decide by itself, as conditions on metadata, and the rest of it."""
    inside: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, condition in (conditions or {}).items():
        asked = condition if isinstance(condition, Mapping) and condition else {"$eq": condition}
        if name.isidentifier() and asked.keys() <= {"$eq", "$ne"} and all(_is_simple(one) for one in asked.values()):
            inside[f"value.{name}"] = {operator[1:]: operand for operator, operand in asked.items()}
        else:
            rest[name] = condition
    return inside, rest


def _is_simple(operand: Any) -> bool:
    """Whether the store compares with it as Python does."""
    if isinstance(operand, str):
        return operand.isprintable()
    if isinstance(operand, (int, float)):
        return math.isfinite(operand) and abs(operand) < EXACT
    return operand is None


def _passes(value: Mapping[str, Any], conditions: Mapping[str, Any] | None) -> bool:
    """Whether a value meets a LangGraph filter."""
    return all(_meets(_field(value, field), condition) for field, condition in (conditions or {}).items())


def _field(value: Mapping[str, Any], name: str) -> Any:
    """A field of a value; dots go deeper where there is no field of the whole name."""
    if name in value or "." not in name:
        return value.get(name)
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None  # type: ignore[assignment]
    return value


def _meets(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return bool(value == condition)
    if not any(str(name).startswith("$") for name in condition):
        return isinstance(value, Mapping) and all(_meets(value.get(name), one) for name, one in condition.items())
    return all(_compares(value, operator, operand) for operator, operand in condition.items())


def _compares(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(value == operand)
    if operator == "$ne":
        return bool(value != operand)
    compare: Callable[[Any, Any], bool] | None = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}.get(operator)
    if compare is None:
        raise InputError(f"{operator!r} is not a filter operator: use $eq, $ne, $gt, $gte, $lt or $lte")
    if isinstance(value, str) and isinstance(operand, str):
        return compare(value, operand)
    try:
        return compare(float(value), float(operand))
    except (TypeError, ValueError):
        return False


def _matches(namespace: Namespace, condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if len(path) > len(namespace):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))
