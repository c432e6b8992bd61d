"""Arguments and options that several commands share, and how the words of a command line are told apart."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

File = Annotated[
    str | None, typer.Argument(metavar="[FILE]", help="The memory file. [default: LAMINA_PATH or lamina.db]", show_default=False)
]
Tenant = Annotated[str | None, typer.Option("--tenant", "-t", help="Scope: the tenant (company, project).")]
User = Annotated[str | None, typer.Option("--user", "-u", help="Scope: the user.")]
Agent = Annotated[str | None, typer.Option("--agent", "-a", help="Scope: the agent.")]
Scope = Annotated[
    str | None,
    typer.Option("--scope", help="Scope as stored, such as 'acme/ana', in place of the three above; '*' is everything."),
]
OneScope = Annotated[
    str | None, typer.Option("--scope", help="Scope as stored, such as 'acme/ana', in place of the three above.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]

Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind (trace, episode, …). May be repeated.")]
Sessions = Annotated[list[str] | None, typer.Option("--session", help="Only this session. May be repeated.")]
Speakers = Annotated[list[str] | None, typer.Option("--speaker", help="Only what this person said. May be repeated.")]
Places = Annotated[list[str] | None, typer.Option("--place", help="Only what happened here. May be repeated.")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="Only this role (user, assistant, tool, …). May be repeated.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only from this time on, such as 2026-03 or 2026-03-14T09:30.")
]
Before = Annotated[str | None, typer.Option("--before", metavar="TIME", help="Only before this time.")]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="What was true at this time.")]
KnownAt = Annotated[str | None, typer.Option("--known-at", metavar="TIME", help="What had been recorded by this time.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="FIELD=VALUE", help="Only where this metadata field has this value. May be repeated."),
]

_STORE: Final = re.compile(r"\.(?:db|sqlite3?|lamina)$", re.I)
_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[a-z]+-[0-9A-HJKMNP-TV-Z]{24}")
_COMPARISONS: Final = {">=": "gte", "<=": "lte", "!=": "ne", ">": "gt", "<": "lt", "=": "eq"}
_CONDITION: Final = re.compile(r"(.+?)(>=|<=|!=|>|<|=)(.*)", re.S)


def is_store(word: str) -> bool:
    """Whether a word of the command line means a memory file rather than a text.

    >>> is_store("agent.db"), is_store("where does Ana live?")
    (True, False)
    """
    if _STORE.search(word):
        return True
    try:
        with Path(word).open("rb") as file:
            return file.read(15) == b"SQLite format 3"
    except (OSError, ValueError):
        return False


def is_id(word: str) -> bool:
    """Whether a word has the form of an item's id."""
    return _ID.fullmatch(word) is not None


def arrange(file: str | None, text: str | None, name: str) -> tuple[str | None, str]:
    """FILE and the one word after it, where FILE may have been left out. Raises a usage error where the word is missing.

    >>> arrange("agent.db", "hello", "TEXT"), arrange("hello", None, "TEXT")
    (('agent.db', 'hello'), (None, 'hello'))
    """
    if text is None and file is not None and not is_store(file):
        return None, file
    if text is None:
        raise typer.BadParameter(f"{name} is missing", param_hint=name)
    return file, text


def arrange_ids(file: str | None, ids: Sequence[str] | None) -> tuple[str | None, list[str]]:
    """FILE and the ids after it, where FILE may have been left out."""
    found = list(ids or ())
    if file is not None and is_id(file) and not is_store(file):
        return None, [file, *found]
    return file, found


def whose(tenant: str | None, user: str | None, agent: str | None, scope: str | None = None) -> dict[str, Any]:
    """The scope arguments of `Memory`, those alone that were given."""
    given = {"tenant": tenant, "user": user, "agent": agent, "scope": scope}
    return {name: value for name, value in given.items() if value is not None}


def metadata_conditions(words: Sequence[str] | None) -> dict[str, Any] | None:
    """Conditions on metadata fields from words such as 'project=x' or 'stars>=3'; numbers, true and false are read as such.

    >>> metadata_conditions(["project=x", "stars>=3"])
    {'project': {'eq': 'x'}, 'stars': {'gte': 3}}
    """
    found: dict[str, Any] = {}
    for word in words or ():
        match = _CONDITION.fullmatch(word)
        if match is None:
            raise typer.BadParameter(f"{word!r} must be of the form FIELD=VALUE (or !=, <, <=, >, >=)", param_hint="--where")
        found.setdefault(match[1], {})[_COMPARISONS[match[2]]] = plain_value(match[3])
    return found or None


def plain_value(text: str) -> Any:
    """A value as it is written on a command line: a JSON number, true or false where it is one, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float, bool)) else text
