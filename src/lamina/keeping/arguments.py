"""What callers hand in besides the content: whose memory it is, what a recall may see, ids and numbers. All of it is checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from lamina.errors import ConfigError, InputError, VectorError
from lamina.records import Asked, Filter, Hit, Item
from lamina.scopes import check_scope, covers, make_scope
from lamina.storage.sqlite.engine import KEY, Key
from lamina.text import check_text
from lamina.times import MomentLike, parse_moment


class ScopeArguments(TypedDict, total=False):
    """Whose memory: `tenant`, `user`, `agent`, or a whole `scope` as `make_scope` builds it ("*": everything)."""

    scope: str | None
    tenant: str | None
    user: str | None
    agent: str | None


class Conditions(ScopeArguments, total=False):
    """What a recall may see; see `lamina.Filter`. Times are anything `parse_moment` reads."""

    where: Filter | None
    kinds: Sequence[str] | None
    sessions: Sequence[str] | None
    speakers: Sequence[str] | None
    places: Sequence[str] | None
    roles: Sequence[str] | None
    since: MomentLike | None
    before: MomentLike | None
    as_of: MomentLike | None
    known_at: MomentLike | None
    metadata: Mapping[str, Any] | None


def read_scope(whose: ScopeArguments, default: str = "") -> str:
    """The scope that the arguments name; `default` where they name none.

    >>> read_scope({"user": "ana"}), read_scope({}, "*")
    ('/ana', '*')
    """
    _refuse_unknown(whose, ScopeArguments)
    if not whose:
        return default
    scope = whose.get("scope")
    parts = (whose.get("tenant"), whose.get("user"), whose.get("agent"))
    if scope is not None:
        if any(part is not None for part in parts):
            raise InputError("give either a scope, or tenant, user and agent")
        return check_scope(scope)
    if all(part is None for part in parts):
        return default
    return make_scope(tenant=parts[0], user=parts[1], agent=parts[2])


def read_named_scope(whose: ScopeArguments, what: str) -> str:
    """The scope that the arguments name; `InputError` where they name none: what cannot be taken back is not done to a default.

    >>> read_named_scope({"scope": "*"}, "erase")
    '*'
    """
    scope = read_scope(whose)
    if not any(value is not None for value in whose.values()):
        raise InputError(f"{what} needs a scope: name a tenant, user or agent, or scope='*' for everything")
    return scope


def read_filter(conditions: Conditions, zone: tzinfo) -> Filter:
    """The filter that the conditions of a recall make; naive times are in `zone`. Those given win over `where`.

    >>> from datetime import UTC
    >>> read_filter({"user": "ana", "kinds": "trace"}, UTC).kinds
    ('trace',)
    """
    _refuse_unknown(conditions, Conditions)
    given: Mapping[str, Any] = conditions
    base = given.get("where")
    base = Filter() if base is None else base
    if not isinstance(base, Filter):
        raise InputError(f"where must be a lamina.Filter, not {type(base).__name__}")
    changes: dict[str, Any] = {}
    whose: ScopeArguments = {name: given[name] for name in ScopeArguments.__annotations__ if given.get(name) is not None}  # type: ignore[assignment]
    if whose:
        changes["scope"] = read_scope(whose)
    for name in ("kinds", "sessions", "speakers", "places", "roles"):
        if given.get(name) is not None:
            changes[name] = _names(given[name], name)
    for name in ("since", "before"):
        if given.get(name) is not None:
            changes[name] = parse_moment(given[name], zone).at
    for name in ("as_of", "known_at"):  # a day or a year means its end
        if given.get(name) is not None:
            changes[name] = parse_moment(given[name], zone).end - 1
    metadata = given.get("metadata")
    if metadata is not None:
        if not isinstance(metadata, Mapping):
            raise InputError(f"metadata must map field names to values, not be {type(metadata).__name__}")
        changes["metadata"] = {**base.metadata, **metadata}
    return replace(base, **changes).check()


def read_asked(hit: Hit | str, item: Item, cue: str | None, where: Filter | None, now: int) -> Asked:
    """What a hit answers, or what `cue` and `where` say it does (default: asked in the item's own scope, `now`).

    Raises `InputError` where no cue is known, and for a scope that does not see the item.
    """
    known = hit.asked if isinstance(hit, Hit) else None
    if known is None:
        if cue is None:
            raise InputError(f"{item.id} comes without the cue it answers: hand in a hit of search, or give cue=")
        known = Asked(cue, Filter(scope=item.scope), now)
    asked = replace(
        known,
        cue=check_text(known.cue if cue is None else cue, "the cue"),
        where=known.where if where is None else where,
    )
    if not covers(asked.where.scope, item.scope):
        raise InputError(
            f"{item.id} lies in the scope {item.scope!r}, which no recall in {asked.where.scope!r} sees: give the scope that was asked"
        )
    return asked


def _refuse_unknown(given: Mapping[str, Any], known: type) -> None:
    if given.keys() <= known.__annotations__.keys():
        return
    unknown = sorted(set(given) - set(known.__annotations__))
    if unknown:
        raise InputError(f"there is no argument {unknown[0]!r} here: use {', '.join(sorted(known.__annotations__))}")


def _names(value: Any, what: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{what} must be text or a list of texts, not {value!r}")
    return tuple(names)


def read_ids(ids: str | Sequence[str]) -> list[str]:
    """One id or several as a list, each once, in order.

    >>> read_ids("a"), read_ids(["b", "a", "b"])
    (['a'], ['b', 'a'])
    """
    return list(dict.fromkeys(_names(ids, "ids")))


def read_key(given: str | bytes | None, path: str, environment: Mapping[str, str] | None = None) -> Key | None:
    """The key of a file: the one that is given, else that of the environment (LAMINA_KEY, or the file that LAMINA_KEY_FILE names).

    >>> read_key(None, "a.db", {}) is None, read_key(None, ":memory:", {"LAMINA_KEY": "secret"}) is None
    (True, True)
    """
    environ = os.environ if environment is None else environment
    if given is None and path != ":memory:":
        given = environ.get("LAMINA_KEY")
        place = environ.get("LAMINA_KEY_FILE")
        if given is None and place:
            given = key_in(place)
    return Key.of(given)


def key_in(path: str | os.PathLike[str]) -> str | bytes:
    """The key in a file: 32 bytes as they are, or the text of its first line."""
    try:
        with open(path, "rb") as file:
            raw = file.read(1025)
    except OSError as error:
        raise ConfigError(f"the key file {os.fspath(path)} cannot be read ({error.strerror})") from None
    if len(raw) == KEY:
        return raw
    lines = raw.decode("utf-8", "replace").splitlines()
    if len(raw) > 1024 or not lines or not lines[0].strip():
        raise ConfigError(f"the key file {os.fspath(path)} must hold a passphrase in one line, or {KEY} bytes")
    return lines[0].strip()


def whole_number(value: int, what: str, least: int) -> int:
    """A whole number of at least `least`, else `InputError`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{what} must be a whole number, not {value!r}")
    if value < least:
        raise InputError(f"{what} must be at least {least}, not {value}")
    return int(value)


def read_vector(vector: Sequence[float]) -> NDArray[np.float32]:
    """A cue's vector as float32, shape (dim,); `VectorError` where it is none."""
    try:
        array = np.asarray(vector, np.float32)
    except (TypeError, ValueError) as error:
        raise VectorError(f"a cue's vector must be a list of numbers ({error})") from None
    if array.ndim != 1 or not np.isfinite(array).all():
        raise VectorError(f"a cue's vector must be finite and of shape (dim,), not {array.shape}")
    return array
