"""mem0's forms: what it takes as messages, times, days and settings, and how it shows a memory."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError
from lamina.integrations.mem0_filters import IDENTITIES
from lamina.records import Hit, Item
from lamina.scopes import make_scope, split_scope
from lamina.times import MomentLike, isoformat

log = logging.getLogger("lamina.integrations")

OWN: Final = "mem0"
"""The field of a trace's metadata that holds what mem0 keeps beside the caller's own fields."""
NEVER: Final = "9999-12-31"
"""The day on which what does not expire does."""

Messages = str | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def result_of(item: Item) -> dict[str, Any]:
    """A trace as mem0 shows a memory."""
    own = item.metadata.get(OWN, {})
    found: dict[str, Any] = {
        "id": own.get("id", item.id),
        "memory": item.text,
        "hash": hashlib.md5(item.text.encode(), usedforsecurity=False).hexdigest(),
        "created_at": isoformat(own.get("created", item.recorded_at)),
        "updated_at": isoformat(item.recorded_at),
        **_whose(item),
    }
    if item.speaker:
        found["actor_id"] = item.speaker
    if item.role:
        found["role"] = item.role
    if own.get("expires", NEVER) != NEVER:
        found["expiration_date"] = own["expires"]
    more = {name: value for name, value in item.metadata.items() if name != OWN}
    if more:
        found["metadata"] = more
    return found


def fields_of(item: Item) -> dict[str, Any]:
    """What a filter may ask for: the caller's metadata, and the fields of the result."""
    result = result_of(item)
    return {**result.pop("metadata", {}), **result}


def messages_in(messages: Messages) -> list[Mapping[str, Any]]:
    """Messages as a list."""
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    found = [messages] if isinstance(messages, Mapping) else messages
    if not isinstance(found, Sequence) or not all(isinstance(one, Mapping) for one in found):
        raise InputError(f"messages must be text, a message or a list of messages, not {type(messages).__name__}")
    return list(found)


def says_something(message: Mapping[str, Any]) -> bool:
    """Whether there is anything to keep: mem0 passes over messages without content too."""
    content = message.get("content", message.get("text"))
    return bool(content.strip() if isinstance(content, str) else content) or bool(message.get("tool_calls"))


def options_in(options: Any, settings: Mapping[str, Any]) -> dict[str, Any]:  # a dict, or one of mem0's option objects
    """What a call of the hosted client's shape was given, the ids out of its filters too; what is named by itself wins."""
    given = options.model_dump(exclude_unset=True) if hasattr(options, "model_dump") else dict(options or {})
    return {name: value for name, value in {**given, **settings}.items() if value is not None or name == "expiration_date"}


def own_fields(metadata: Any) -> dict[str, Any]:  # the caller's
    """The caller's metadata without the ids, which only the arguments set."""
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InputError(f"metadata must map field names to values, not be {type(metadata).__name__}")
    if OWN in (metadata or {}):
        raise InputError(f"the metadata field {OWN!r} is kept for this client: use another name")
    return {name: value for name, value in (metadata or {}).items() if name not in IDENTITIES}


def moment(value: MomentLike | None) -> MomentLike | None:
    """A time as mem0 writes it: a number counts seconds since 1970."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _whose(item: Item) -> dict[str, str]:
    """The ids a memory belongs to."""
    segments = (*split_scope(item.scope), None, None, None)
    found = {"user_id": segments[1], "agent_id": segments[2], "run_id": item.session}
    return {name: value for name, value in found.items() if value}


def scope_of(whose: Mapping[str, str]) -> str:
    """The scope of what belongs to some ids."""
    return make_scope(user=whose.get("user_id"), agent=whose.get("agent_id"))


def day_of(value: str | date | None) -> str | None:
    """A day as YYYY-MM-DD. Raises `InputError` for what is none."""
    if value is None:
        return None
    text = value.isoformat()[:10] if isinstance(value, date) else value
    try:
        return date.fromisoformat(str(text)).isoformat()
    except ValueError:
        raise InputError(f"expiration_date must be a day such as 2026-12-31, not {value!r}") from None


def squashed(hit: Hit) -> float:
    """The score of a hit between 0 and 1."""
    return round(1 / (1 + math.exp(-max(-30.0, min(30.0, hit.score)))), 4)


def details(hit: Hit, explain: bool) -> dict[str, Any]:
    """What each feature added to a score, where that is asked for."""
    if not explain:
        return {}
    return {"score_details": {reason.feature: round(reason.contribution, 4) for reason in hit.reasons}}


def path_in(config: Any) -> str | None:
    """The file that mem0's settings lead to; None where they name no folder."""
    given = config if isinstance(config, Mapping) else getattr(config, "__dict__", {})
    store = given.get("vector_store") or {}
    settings = store.get("config", {}) if isinstance(store, Mapping) else getattr(store, "config", {})
    folder = settings.get("path") if isinstance(settings, Mapping) else getattr(settings, "path", None)
    ignored = sorted(name for name in given if name not in ("vector_store", "version", "history_db_path"))
    if ignored:
        log.info("of mem0's settings these are not needed and are ignored: %s", ", ".join(ignored))
    if folder is None or folder == ":memory:":
        return folder
    Path(folder).mkdir(parents=True, exist_ok=True)
    return str(Path(folder) / "lamina.db")
