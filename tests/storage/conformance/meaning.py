"""What a filter means, written without a database, and generated items and filters."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lamina.records import EVENT, FORGOTTEN, STALE, Filter, Item, conditions
from lamina.scopes import covers, make_scope
from tests.storage.material import HOSTILE_SEGMENTS, NOW


# ------------------------------------------------------------------------------------ what a filter means, in plain words
def lets_through(where: Filter, item: Item) -> bool:
    """The meaning of a filter, written without a database."""
    if not covers(where.scope, item.scope):
        return False
    for wanted, value in (
        (where.kinds, item.kind),
        (where.ids, item.id),
        (where.roles, item.role),
        (where.sessions, item.session),
        (where.speakers, item.speaker),
        (where.places, item.place),
    ):
        if wanted is not None and value not in wanted:
            return False
    end = item.at + 1 if item.until is None else item.until
    if where.since is not None and end <= where.since:
        return False
    if where.before is not None and item.at >= where.before:
        return False
    if where.as_of is not None and not (item.at <= where.as_of and (item.until is None or item.until > where.as_of)):
        return False
    if where.known_at is not None:
        if item.recorded_at > where.known_at or (item.retired_at is not None and item.retired_at <= where.known_at):
            return False
    elif item.retired_at is not None and not where.retired:
        return False
    if (item.forgotten and not where.forgotten) or (item.stale and not where.stale) or (item.role == EVENT and not where.events):
        return False
    return all(
        holds(item, name, operator, value)
        for name, condition in where.metadata.items()
        for operator, value in conditions(condition)
    )


def holds(item: Item, name: str, operator: str, value: Any) -> bool:
    there: Any = item.data.get("metadata")
    exists = True
    for part in name.split("."):
        exists = exists and isinstance(there, dict) and part in there
        there = there[part] if exists else None
    same_type = isinstance(value, str) == isinstance(there, str) and not isinstance(there, (list, dict, type(None)))
    match operator:
        case "exists":
            return exists == bool(value)
        case "eq":
            return (value is None and there is None) or (same_type and there == value)
        case "ne":
            return not holds(item, name, "eq", value)
        case "in":
            return any(holds(item, name, "eq", one) for one in value)
        case "nin":
            return not holds(item, name, "in", value)
        case "contains" if isinstance(there, list):
            return any(one == value and isinstance(one, str) == isinstance(value, str) for one in there)
        case "contains":
            return isinstance(there, str) and isinstance(value, str) and value in there
        case "gt":
            return same_type and there > value
        case "gte":
            return same_type and there >= value
        case "lt":
            return same_type and there < value
        case "lte":
            return same_type and there <= value
    raise AssertionError(operator)


NAMES = ("stars", "project", "tags", "deep.er", "it's", "tab\there", "back\\slash", "día")
scalars = st.sampled_from([0, 1, 2, 3, 2.5, -1, "x", "xy", "y", "", "3", "é", None, True, False])
plain_lists = st.lists(st.sampled_from(["x", "y", 1, 2.5]), max_size=3)


@st.composite
def described(draw: st.DrawFn) -> dict[str, Any]:
    """Metadata that the filters below are about."""
    metadata: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        value = draw(scalars | plain_lists)
        if name == "deep.er":
            metadata["deep"] = {"er": value}
        else:
            metadata[name] = value
    return metadata


comparable = st.sampled_from([0, 1, 2, 2.5, "x", "xy", ""])
metadata_conditions = (
    scalars
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("gt", "gte", "lt", "lte"), comparable))
    | st.fixed_dictionaries({}, optional={"eq": scalars, "ne": scalars, "exists": st.booleans()})
    | st.fixed_dictionaries({}, optional={"in": st.lists(scalars, max_size=3), "nin": st.lists(scalars, max_size=3)})
    | st.fixed_dictionaries({"contains": st.sampled_from(["x", "y", 1, 2.5])})
)
scopes = st.lists(st.sampled_from(HOSTILE_SEGMENTS[:8]), max_size=2).map(lambda parts: make_scope(*parts) if parts else "")
moments = st.integers(0, 12).map(lambda step: NOW + step)


@st.composite
def filtered_items(draw: st.DrawFn, number: int) -> Item:
    at, recorded_at = draw(moments), draw(moments)
    kind = draw(st.sampled_from(("trace", "note", "fact")))
    optional = {"speaker": st.sampled_from("AB"), "place": st.sampled_from("AB"), "metadata": described()}
    return Item(
        id=f"{kind}-{number}",
        kind=kind,  # type: ignore[arg-type]
        text=f"text {number}",
        at=at,
        recorded_at=recorded_at,
        scope=draw(scopes),
        session=draw(st.sampled_from((None, "s", "t"))),
        role=draw(st.sampled_from((None, "user", "event"))),
        until=draw(st.none() | st.integers(1, 6).map(lambda length: at + length)),
        retired_at=draw(st.none() | st.integers(0, 6).map(lambda later: recorded_at + later)),
        made_by=None if kind == "trace" else "test/1",
        status=draw(st.sampled_from((0, 0, FORGOTTEN, STALE, FORGOTTEN | STALE))),
        data=draw(st.fixed_dictionaries({}, optional=optional)),
    )


optional_moments = st.none() | moments
filters = st.builds(
    Filter,
    scope=st.sampled_from(["*", "*"]) | scopes,
    kinds=st.none() | st.sampled_from([("trace",), ("note", "fact"), ()]),
    ids=st.none() | st.just(("trace-0", "note-1", "trace-2")),
    roles=st.none() | st.just(("user", "event")),
    sessions=st.none() | st.just(("s",)),
    speakers=st.none() | st.just(("A",)),
    places=st.none() | st.just(("B",)),
    since=optional_moments,
    before=optional_moments,
    as_of=optional_moments,
    known_at=optional_moments,
    metadata=st.dictionaries(st.sampled_from(NAMES), metadata_conditions, max_size=2),
    forgotten=st.booleans(),
    stale=st.booleans(),
    events=st.booleans(),
    retired=st.booleans(),
)
