"""A client in mem0's shape: the same calls and the same results, with a memory in one file behind it.

    from lamina.integrations.mem0 import Memory     # instead of: from mem0 import Memory

No key, no model and no network are needed. Nothing of mem0 is imported.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from lamina import memory as facade
from lamina.errors import InputError, NotFoundError
from lamina.integrations.mem0_filters import IDENTITIES, identities_of, meets, names_somebody
from lamina.integrations.mem0_forms import (
    NEVER,
    OWN,
    Messages,
    day_of,
    details,
    fields_of,
    messages_in,
    moment,
    options_in,
    own_fields,
    path_in,
    result_of,
    says_something,
    scope_of,
    squashed,
)
from lamina.keeping.arguments import whole_number
from lamina.records import EVENT, Filter, Item
from lamina.scopes import EVERYWHERE, make_scope
from lamina.times import MomentLike, isoformat

log = logging.getLogger("lamina.integrations")

_UNSET: Any = object()

Results = dict[str, list[dict[str, Any]]]


class Memory:
    """mem0's `Memory` on a Lamina memory.

    What is added is kept word for word, message by message; system messages are left out, as mem0 leaves them out. `infer`, `prompt` and
    `memory_type` are accepted and change nothing: no model extracts anything. A `user_id` is the user and an `agent_id` the agent of the
    scope, a `run_id` is the session. An id stays the same when a memory is updated. `score` lies between 0 and 1.

    Parameters:
        config: mem0's settings as a dict or object; of these, the `path` of the vector store says in which folder the file lies. The rest is about
            models and services that are not needed, and is ignored.
        path: the file, instead.
        memory: a `lamina.Memory` to use, instead.

    >>> memory = Memory(path=":memory:")
    >>> added = memory.add("I moved to Lisbon in March.", user_id="ana")
    >>> found = memory.search("where does she live?", filters={"user_id": "ana"})
    >>> found["results"][0]["memory"], found["results"][0]["id"] == added["results"][0]["id"]
    ('I moved to Lisbon in March.', True)
    """

    def __init__(
        self, config: Any = None, *, path: str | None = None, memory: facade.Memory | None = None
    ) -> None:  # config: theirs
        self.memory = memory if memory is not None else facade.Memory(path or path_in(config))

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any]) -> Memory:
        """A memory from mem0's settings."""
        return cls(config_dict)

    # ------------------------------------------------------------------------------------------------ writing
    def add(
        self,
        messages: Messages,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: MomentLike | None = None,
        expiration_date: str | date | None = None,
        infer: bool = True,
        memory_type: str | None = None,
        prompt: str | None = None,
        **others: object,
    ) -> Results:
        """Remember messages; at least one of `user_id`, `agent_id` and `run_id` says whose they are.

        `timestamp`: when it was so. `expiration_date` (YYYY-MM-DD): hidden after that day. Raises `InputError` (a `ValueError`) for what
        cannot be kept; nothing is then stored.
        """
        whose = identities_of({"user_id": user_id, "agent_id": agent_id, "run_id": run_id})
        own = {**whose, "expires": day_of(expiration_date) or NEVER}
        kept = [message for message in messages_in(messages) if message.get("role") != "system" and says_something(message)]
        given = own_fields(metadata)
        results: list[dict[str, Any]] = []
        with self.memory.store.transaction():
            for message in kept:
                fields = {**given, **own_fields(message.get("metadata")), OWN: own}
                said = {**message, "metadata": fields, "session": whose.get("run_id")}
                for id in self.memory.add([said], at=moment(timestamp), scope=scope_of(whose)):
                    results.append(self._added(id, whose))
        return {"results": results}

    def _added(self, id: str, whose: Mapping[str, str]) -> dict[str, Any]:
        """What `add` tells of a trace; "NONE" where a write gate hides it."""
        item = self.memory.get(id)
        assert item is not None
        if item.metadata[OWN].get("agent_id") != whose.get("agent_id"):
            raise InputError(
                f"the redactor of this memory changes the agent_id {whose['agent_id']!r}: use an id that is no personal data"
            )
        told = {"id": id, "memory": item.text, "event": "NONE" if item.forgotten else "ADD", "role": item.role}
        return {**told, "actor_id": item.speaker} if item.speaker else told

    def update(
        self,
        memory_id: str,
        text: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expiration_date: str | date | None = _UNSET,
        data: str | None = None,
    ) -> dict[str, str]:
        """Correct a memory; what it said before stays in its history. `data` is an older name of `text`."""
        text = data if text is None else text
        if text is None and metadata is None and expiration_date is _UNSET:
            raise InputError("give text, metadata or expiration_date to update")
        old = self._newest(memory_id)
        memory_id = old.metadata.get(OWN, {}).get("id", old.id)
        own = {"created": old.recorded_at, **old.metadata.get(OWN, {}), "id": memory_id}
        if expiration_date is not _UNSET:
            own["expires"] = day_of(expiration_date) or NEVER
        self.memory.update(old.id, text, metadata={**own_fields(metadata), OWN: own})
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> dict[str, str]:
        """Remove a memory with all its versions, for good."""
        versions = [item.id for item in self.memory.history(self._newest(memory_id).id) if item.role != EVENT]
        self.memory.delete(versions)
        return {"message": "Memory deleted successfully!"}

    def delete_all(
        self, user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None, **others: object
    ) -> dict[str, str]:
        """Remove every memory that belongs to all of the ids that are given; one must be."""
        where = self._where(identities_of({"user_id": user_id, "agent_id": agent_id, "run_id": run_id}), True)
        ids = [
            item.id for item in self.memory.store.items.each(where.within(retired=True, forgotten=True)) if OWN in item.metadata
        ]
        if ids:
            self.memory.delete(ids)
        return {"message": "Memories deleted successfully!"}

    def reset(self) -> None:
        """Remove everything."""
        self.memory.delete_all(scope=EVERYWHERE)

    # ------------------------------------------------------------------------------------------------ reading
    def search(
        self,
        query: str,
        *,
        top_k: int | None = 20,
        filters: Mapping[str, Any] | None = None,
        threshold: float | None = 0.1,
        rerank: bool = False,
        explain: bool = False,
        reference_date: MomentLike | None = None,
        show_expired: bool = False,
        **others: Any,  # what earlier releases called things: user_id, agent_id, run_id, limit, …
    ) -> Results:
        """The `top_k` memories that answer a query best, best first.

        `filters` hold before anything is ranked; they name at least one of user_id, agent_id and run_id (which may also be given by themselves), and may
        have mem0's operators. `threshold` cuts off scores below it; the score orders, it is not a probability, and 0.1 lets
        nearly everything through. `reference_date`: what was known and true then. `explain` adds the reasons.
        """
        whose, rest = self._split(filters, others)
        count = others.get("limit", top_k)
        count = 20 if count is None else whole_number(count, "top_k", 0)
        if not isinstance(threshold or 0, (int, float)) or not 0 <= (threshold or 0) <= 1:
            raise InputError(f"threshold must be a number between 0 and 1, not {threshold!r}")
        if not isinstance(query, str) or not query.strip():
            raise InputError(f"a query must be text that says something, not {query!r}")
        where = self._where(whose, show_expired)
        if rest:
            where = where.within(ids=tuple(item.id for item in self._each(where) if meets(fields_of(item), rest)))
        if count < 1 or where.ids == ():
            return {"results": []}
        again = None if rerank else 0
        hits = self.memory.search(query.strip(), k=count, where=where, as_of=moment(reference_date), rerank=again)
        results = [{**result_of(hit.item), "score": squashed(hit), **details(hit, explain)} for hit in hits]
        return {"results": [one for one in results if one["score"] >= (threshold or 0)]}

    def get(self, memory_id: str) -> dict[str, Any] | None:
        """One memory by its id, or None."""
        try:
            return result_of(self._newest(memory_id))
        except NotFoundError:
            return None

    def get_all(
        self, *, filters: Mapping[str, Any] | None = None, top_k: int | None = None, show_expired: bool = False, **others: Any
    ) -> Results:
        """All memories of somebody, oldest first. `top_k` caps them if it is given; by itself nothing is left out."""
        whose, rest = self._split(filters, others)
        count = others.get("limit", top_k)
        found = (item for item in self._each(self._where(whose, show_expired)) if not rest or meets(fields_of(item), rest))
        wanted = found if count is None else islice(found, whole_number(count, "top_k", 0))
        return {"results": [result_of(item) for item in wanted]}

    def history(self, memory_id: str) -> list[dict[str, Any]]:
        """What was done to a memory, oldest first; nothing once it is deleted."""
        try:
            items = self.memory.history(self._newest(memory_id).id)
        except NotFoundError:
            return []
        versions = [item for item in items if item.role != EVENT]
        told, before = [], None
        for item in versions:
            told.append(
                {
                    "id": item.id, "memory_id": memory_id, "old_memory": before, "new_memory": item.text,
                    "event": "ADD" if before is None else "UPDATE", "created_at": isoformat(versions[0].recorded_at),
                    "updated_at": isoformat(item.recorded_at), "is_deleted": False,
                }
            )  # fmt: skip
            before = item.text
        return told

    def chat(self, query: str) -> str:
        """mem0 does not have it either."""
        raise NotImplementedError("there is no chat here: search, and hand what is found to your model")

    def close(self) -> None:
        """Close the file."""
        self.memory.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ inside
    def _split(self, filters: Mapping[str, Any] | None, others: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Whose memories are asked for, and the other conditions."""
        given = dict(filters or {})
        plain = {name: given.pop(name) for name in IDENTITIES if isinstance(given.get(name), (str, int)) and given[name] != "*"}
        plain |= {name: others[name] for name in IDENTITIES if others.get(name) is not None}
        return identities_of(plain, needed=not names_somebody(given)), given

    def _where(self, whose: Mapping[str, str], show_expired: bool) -> Filter:
        user, agent, run = (whose.get(name) for name in IDENTITIES)
        scope = make_scope(user=user, agent=agent) if user else EVERYWHERE  # by scope and session: no redactor changes those
        metadata: dict[str, Any] = {f"{OWN}.agent_id": agent} if agent and not user else {}
        if not show_expired:
            metadata[f"{OWN}.expires"] = {"gte": datetime.now(UTC).date().isoformat()}
        return Filter(scope=scope, kinds=("trace",), sessions=(run,) if run else None, metadata=metadata)

    def _each(self, where: Filter) -> Iterator[Item]:
        return (item for item in self.memory.store.items.each(where) if OWN in item.metadata)

    def _newest(self, memory_id: str) -> Item:
        """The version of a memory that holds. Raises `NotFoundError`."""
        try:
            found = self.memory.history(str(memory_id))
        except NotFoundError:  # an id that mem0 gave, of a memory that was taken over from there
            known = Filter(scope=EVERYWHERE, kinds=("trace",), metadata={f"{OWN}.id": str(memory_id)})
            found = list(self.memory.store.items.each(known))
        versions = [item for item in found if item.role != EVENT and item.retired_at is None]
        if not versions:
            raise NotFoundError(f"there is no memory {memory_id!r}")
        return versions[-1]


class AsyncMemory:
    """The same for asyncio: every call runs in a thread. Takes what `Memory` takes.

    >>> async def main():
    ...     memory = AsyncMemory(path=":memory:")
    ...     await memory.add("The kettle is blue.", user_id="ana")
    ...     return (await memory.get_all(filters={"user_id": "ana"}))["results"][0]["memory"]
    >>> asyncio.run(main())
    'The kettle is blue.'
    """

    def __init__(self, config: Any = None, **settings: Any) -> None:  # those of Memory
        self.sync = Memory(config, **settings)

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any]) -> AsyncMemory:
        """A memory from mem0's settings; it may be awaited, as in mem0 1.x, or not, as in 2.x."""
        return cls(config_dict)

    def __await__(self) -> Generator[Any, None, AsyncMemory]:
        return self
        yield  # makes it a generator

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; not a coroutine, as in mem0."""
        self.sync.close()

    def __getattr__(self, name: str) -> Any:  # each method of Memory, as a coroutine function
        if name == "sync" or name.startswith("__"):
            raise AttributeError(name)
        method = getattr(self.sync, name)
        if not callable(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


class MemoryClient(Memory):
    """The shape of mem0's client of its hosted service: options may be handed in as one argument, and `get_all` has pages.

    `api_key`, `host` and the like are accepted and not needed.

    >>> client = MemoryClient(api_key="any", path=":memory:")
    >>> _ = client.add("I am vegetarian.", {"filters": {"user_id": "ana"}})
    >>> client.get_all({"filters": {"user_id": "ana"}}, page=1, page_size=50)["count"]
    1
    """

    def __init__(
        self, api_key: str | None = None, host: str | None = None, **settings: Any
    ) -> None:  # those of Memory and of theirs
        known = {name: settings[name] for name in ("path", "memory") if name in settings}
        super().__init__(**known)

    def add(self, messages: Messages, options: Any = None, **settings: Any) -> Results:  # options: theirs, or a dict
        """As in `Memory`; the ids may stand in `filters`."""
        given = options_in(options, settings)
        ids = {name: value for name, value in (given.pop("filters", None) or {}).items() if name in IDENTITIES}
        return super().add(messages, **{**ids, **given})

    def search(self, query: str, options: Any = None, **settings: Any) -> Results:  # as above
        """As in `Memory`."""
        return super().search(query, **options_in(options, settings))

    def update(self, memory_id: str, options: Any = None, **settings: Any) -> dict[str, str]:  # type: ignore[override]  # as above; or the text, as in 1.x
        """As in `Memory`."""
        given = options_in({"text": options} if isinstance(options, str) else options, settings)
        return super().update(memory_id, **{name: value for name, value in given.items() if name != "timestamp"})

    def delete_all(self, options: Any = None, **settings: Any) -> dict[str, str]:  # type: ignore[override]  # as above
        """As in `Memory`; the ids may stand in `filters`."""
        given = options_in({"user_id": options} if isinstance(options, str) else options, settings)
        return super().delete_all(**{**(given.pop("filters", None) or {}), **given})

    def get_all(self, options: Any = None, **settings: Any) -> dict[str, Any]:  # the service tells more
        """All memories of somebody, or `page` of them with `page_size` a page (100 if none is given), and how many there are."""
        given = options_in(options, settings)
        page, size = given.pop("page", None), given.pop("page_size", None)
        found = super().get_all(**given)["results"]
        if page is None and size is None:
            return {"count": len(found), "next": None, "previous": None, "results": found}
        first, size = whole_number(page or 1, "page", 1), whole_number(size or 100, "page_size", 1)
        part = found[(first - 1) * size : first * size]
        after = f"page={first + 1}" if first * size < len(found) else None
        return {"count": len(found), "next": after, "previous": f"page={first - 1}" if first > 1 else None, "results": part}


class AsyncMemoryClient(AsyncMemory):
    """The same for asyncio."""

    def __init__(self, api_key: str | None = None, host: str | None = None, **settings: Any) -> None:  # as above
        self.sync = MemoryClient(api_key, host, **settings)
