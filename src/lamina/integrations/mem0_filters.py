"""mem0's filters: whose memories, and conditions with operators, AND, OR and NOT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any, Final

from lamina.errors import InputError

IDENTITIES: Final = ("user_id", "agent_id", "run_id")
_ORDER: Final = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


def identities_of(given: Mapping[str, Any], needed: bool = True) -> dict[str, str]:
    """The ids that are given, as text without blanks at the ends. Raises `InputError` for none at all, and for an empty one.

    >>> identities_of({"user_id": " ana ", "run_id": 7, "agent_id": None})
    {'user_id': 'ana', 'run_id': '7'}
    """
    found = {name: str(value).strip() for name, value in given.items() if value is not None}
    for name, value in found.items():
        if not value or any(sign.isspace() for sign in value):
            raise InputError(f"{name} must be text without blanks, not {given[name]!r}")
    if needed and not found:
        raise InputError("filters must contain at least one of: user_id, agent_id, run_id")
    return found


def names_somebody(conditions: Mapping[str, Any]) -> bool:
    """Whether a filter lets nothing through but what belongs to ids that it names, or asks for by "*".

    >>> names_somebody({"AND": [{"user_id": "ana"}, {"stars": 3}]}), names_somebody({"OR": [{"user_id": "ana"}, {"stars": 3}]})
    (True, False)
    >>> names_somebody({"NOT": [{"user_id": "ana"}]}), names_somebody({"note": "user_id"})
    (False, False)
    """
    for name, condition in conditions.items():
        word = name.lstrip("$").upper()
        if word in ("AND", "OR"):
            parts = [part for part in _parts(name, condition) if isinstance(part, Mapping)]
            if parts and (any if word == "AND" else all)(names_somebody(part) for part in parts):
                return True
        elif name in IDENTITIES:
            if condition is None:
                raise InputError(f"{name} must be text without blanks, not None: leave it out where there is none")
            if not isinstance(condition, Mapping) or condition.keys() & {"eq", "in", "contains", "icontains"}:
                return True
    return False


def _parts(name: str, condition: Any) -> list[Any]:
    """The filters that AND, OR or NOT joins."""
    parts = list(condition) if isinstance(condition, Sequence) and not isinstance(condition, str) else [condition]
    if not all(isinstance(part, Mapping) for part in parts):
        raise InputError(f"{name} takes a list of filters, not {condition!r}")
    return parts


def _as_text(operand: Any) -> Any:
    """An id as it is kept: numbers as text."""
    if isinstance(operand, (list, tuple, set)):
        return [_as_text(one) for one in operand]
    return str(operand).strip() if isinstance(operand, (str, int)) else operand


def meets(fields: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """Whether the fields of a memory meet a filter.

    >>> meets({"stars": 4, "kind": "hotel"}, {"OR": [{"stars": {"gte": 5}}, {"kind": {"in": ["hotel", "inn"]}}]})
    True
    """
    return all(_meets(fields, name, condition) for name, condition in conditions.items())


def _meets(fields: Mapping[str, Any], name: str, condition: Any) -> bool:
    word = name.lstrip("$").upper()
    if word in ("AND", "OR", "NOT"):
        found = [meets(fields, part) for part in _parts(name, condition)]
        return {"AND": all(found), "OR": any(found), "NOT": not any(found)}[word]
    value = fields.get(name)
    if name in IDENTITIES:
        condition = (
            {op: _as_text(one) for op, one in condition.items()} if isinstance(condition, Mapping) else _as_text(condition)
        )
    if condition == "*":
        return name in fields
    if not isinstance(condition, Mapping):
        return bool(value == condition) or (isinstance(value, list) and condition in value)
    return all(_compares(value, operator, operand) for operator, operand in condition.items())


def _compares(value: Any, operator: str, operand: Any) -> bool:
    if operator in ("eq", "ne"):
        return bool(value == operand) == (operator == "eq")
    if operator in ("in", "nin"):
        if not isinstance(operand, (list, tuple, set)):
            raise InputError(f"the filter operator {operator!r} takes a list, not {operand!r}")
        return (value in operand) == (operator == "in")
    if operator in ("contains", "icontains"):
        if isinstance(value, list):
            return operand in value
        text, part = str(value or ""), str(operand)
        return part.lower() in text.lower() if operator == "icontains" else part in text
    if operator in _ORDER:
        try:
            return value is not None and bool(_ORDER[operator](value, operand))
        except TypeError:
            return False
    known = "eq, ne, in, nin, gt, gte, lt, lte, contains, icontains"
    raise InputError(f"{operator!r} is not a filter operator: use one of {known}")
