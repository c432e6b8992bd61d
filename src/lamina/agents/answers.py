"""What a model answered in a block of YAML or JSON, read as fields of text and lists: never evaluated, and no other YAML than this.

Read are lines `Name: value`, lists of lines `- item` below a name, and quotes around values; a JSON object too, with or without a fence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lamina.models.structured import parse_json

_FENCED: Final = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_FIELD: Final = re.compile(r"^\s*[\"']?([A-Za-z][A-Za-z _]{0,40}?)[\"']?\s*:(?:\s+(.*))?$")
_ITEM: Final = re.compile(r"^\s*(?:-|\d{1,2}[.)])\s+(\S.*)$")
_YES: Final = frozenset({"true", "yes", "suitable", "1"})
_NO: Final = frozenset({"false", "no", "unsuitable", "not suitable", "0"})

Fields = Mapping[str, str | list[str]]
"""Values by name; names are in lower case with single blanks."""


def fields_of(text: str) -> Fields:
    """The fields of an answer; empty where it has none. Of several fenced blocks the last one counts.

    >>> fields_of('I think.\\n```yaml\\nSubgoal: "find the cup"\\nAction Plan:\\n  - open("robot_1", "oven")\\n```')
    {'subgoal': 'find the cup', 'action plan': ['open("robot_1", "oven")']}
    >>> fields_of('{"Action Suitability": false, "Feedback": null}')
    {'action suitability': 'false', 'feedback': ''}
    """
    blocks = _FENCED.findall(text)
    body = blocks[-1] if blocks else text
    try:
        found = parse_json(body) if "{" in body else None
    except ValueError:
        found = None
    if isinstance(found, dict):
        return {_name(str(name)): _plain(value) for name, value in found.items()}
    return _lines(body)


def _lines(body: str) -> Fields:
    fields: dict[str, str | list[str]] = {}
    current = ""
    for line in body.splitlines():
        item, field = _ITEM.match(line), _FIELD.match(line)
        if item is not None and current:
            value = fields[current]
            fields[current] = [*(value if isinstance(value, list) else [value] if value else []), _bare(item[1])]
        elif field is not None:
            current = _name(field[1])
            value = (field[2] or "").strip()
            listed = value.startswith("[") and value.endswith("]")
            fields[current] = _listed(value) if listed else "" if value in ("|", ">", "|-", ">-") else _bare(value)
        elif line.strip() and current and isinstance(fields[current], str):
            fields[current] = f"{fields[current]} {line.strip()}".strip()  # a value that goes on in the next line
    return fields


def truth_of(value: object) -> bool | None:
    """Whether a value says yes or no; None where it says neither. The text "False" is no yes.

    >>> truth_of("'False'"), truth_of("TRUE."), truth_of("perhaps")
    (False, True, None)
    """
    word = _bare(" ".join(str(value).split())).strip(" .!\"'*`").casefold()
    return True if word in _YES else False if word in _NO else None


def _name(text: str) -> str:
    return " ".join(text.replace("_", " ").lower().split())


def _plain(value: object) -> str | list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(value: str) -> list[str]:
    """The items of a list in one line: commas inside brackets and quotes part nothing."""
    items, depth, quote, start = [], 0, "", 1
    for place, sign in enumerate(value[:-1]):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "," and depth == 1:
            items.append(value[start:place])
            start = place + 1
    return [_bare(item) for item in [*items, value[start:-1]] if item.strip()]


def _bare(value: str) -> str:
    """The value without the quotes around it."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" and value[0] not in value[1:-1]:
        return value[1:-1]
    return value
