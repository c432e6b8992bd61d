"""Scopes: whose memory something is, as a path of escaped segments, and which scope sees which."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from lamina.errors import InputError

ROOT: Final = ""
"""The scope of what is written without one."""
EVERYWHERE: Final = "*"
"""The scope that sees all."""


def make_scope(*segments: str | None, tenant: str | None = None, user: str | None = None, agent: str | None = None) -> str:
    """The stored form of a scope: segments in order (tenant, user, agent, …), escaped, joined by '/'.

    A missing segment before a given one is left empty. Raises `InputError` for a segment that is empty text, too long
    (512 characters) or not a string.

    >>> make_scope(user="ana"), make_scope(tenant="acme", user="a/b", agent="bot"), make_scope()
    ('/ana', 'acme/a%2Fb/bot', '')
    >>> make_scope("notes", "2026")
    'notes/2026'
    """
    if segments and (tenant is not None or user is not None or agent is not None):
        raise InputError("give a scope either as segments or as tenant, user and agent")
    path: Sequence[str | None] = segments or (tenant, user, agent)
    while path and path[-1] is None:
        path = path[:-1]
    return "/".join(["" if segment is None else _escape(segment) for segment in path])


@lru_cache(maxsize=4096)
def _escape(segment: object) -> str:
    if not isinstance(segment, str) or not segment:
        raise InputError(f"a scope segment must be non-empty text, not {segment!r}")
    if len(segment) > 512:
        raise InputError(f"a scope segment has {len(segment)} characters; the most is 512")
    try:
        return quote(segment, safe=" !$&'()+,;:@=-._~")
    except UnicodeEncodeError:
        raise InputError(f"scope segment {segment!r} has a lone surrogate") from None


def split_scope(scope: str) -> tuple[str | None, ...]:
    """The segments of a stored scope, unescaped.

    >>> split_scope("acme/a%2Fb")
    ('acme', 'a/b')
    """
    return tuple(unquote(segment) or None for segment in scope.split("/")) if scope else ()


def check_scope(scope: str) -> str:
    """Return a scope if it is in stored form (see `make_scope`), else raise `InputError`."""
    if not isinstance(scope, str):
        raise InputError(f"a scope must be text such as 'tenant/user', not {scope!r}")
    if not _is_scope(scope):
        raise InputError(f"{scope!r} is not a scope: build it with make_scope(tenant=…, user=…, agent=…)")
    return scope


@lru_cache(maxsize=4096)
def _is_scope(scope: str) -> bool:
    """Whether a text is a scope in stored form. (A cache, since every trace is checked.)"""
    if scope in (ROOT, EVERYWHERE):
        return True
    segments = split_scope(scope)
    return segments[-1] is not None and make_scope(*segments) == scope


def covers(outer: str, inner: str) -> bool:
    """Whether a recall in `outer` sees what was written in `inner`.

    >>> covers("acme", "acme/ana"), covers("acme", "acme2"), covers("", "acme"), covers("*", "acme")
    (True, False, False, True)
    """
    return outer == EVERYWHERE or inner == outer or (outer != ROOT and inner.startswith(outer + "/"))


def scopes_above(scope: str) -> list[str]:
    """A scope and those that cover it, the nearest first; "*" covers all.

    >>> scopes_above("acme/ana/bot"), scopes_above("/ana"), scopes_above("")
    (['acme/ana/bot', 'acme/ana', 'acme', '*'], ['/ana', '*'], ['', '*'])
    """
    found = [scope]
    while "/" in scope:
        scope = scope.rpartition("/")[0]
        if scope:
            found.append(scope)
    return found if found[-1] == EVERYWHERE else [*found, EVERYWHERE]
