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


def meets(fields: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """Whether the fields of a memory meet a filter.

    >>> meets({"stars": 4, "kind": "hotel"}, {"OR": [{"stars": {"gte": 5}}, {"kind": {"in": ["hotel", "inn"]}}]})
    True
    """
    return all(_meets(fields, name, condition) for name, condition in conditions.items())


def _meets(fields: Mapping[str, Any], name: str, condition: Any) -> bool:
    word = name.lstrip("$").upper()
    if word in ("AND", "OR", "NOT"):
        parts = condition if isinstance(condition, Sequence) and not isinstance(condition, str) else [condition]
        if not all(isinstance(part, Mapping) for part in parts):
            raise InputError(f"{name} takes a list of filters, not {condition!r}")
        found = [meets(fields, part) for part in parts]
        return {"AND": all(found), "OR": any(found), "NOT": not any(found)}[word]
    value = fields.get(name)
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
