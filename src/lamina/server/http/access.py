"""Who may come in, and with what right: tokens, host names, and what is open without a token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from lamina.errors import LaminaError
from lamina.scopes import EVERYWHERE
from lamina.server.http.problems import Problem
from lamina.server.http.settings import LOOPBACK, Serving
from lamina.server.tokens import RIGHTS, Right, TokenBook

PUBLIC: Final = frozenset(("/", "/healthz", "/readyz", "/openapi.json"))
"""Paths that tell nothing of what is remembered."""
ONCE: Final = (b"authorization", b"host", b"content-length", b"content-type", b"origin", b"transfer-encoding")
"""Headers that mean something here: two of them would leave open which one counts."""

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do: the scope it is bound to, its right, and the client whose limits it counts against."""

    scope: str
    right: Right
    client: str

    def allows(self, right: Right) -> bool:
        """Whether it carries a right."""
        return RIGHTS.index(right) <= RIGHTS.index(self.right)


class Access:
    """Decides on requests by their headers alone, before anything of them is read.

    Parameters: `settings`; `tokens`.
    """

    def __init__(self, settings: Serving, tokens: TokenBook) -> None:
        self._settings = settings
        self._tokens = tokens
        self._names = frozenset(name.lower() for name in (*LOOPBACK, settings.host, *settings.names))

    def check_headers(self, headers: Headers) -> None:
        """Refuse requests meant for another host (a page in a browser whose name was bound to this address), or from one."""
        names = [name for name, _ in headers]
        for name in ONCE:
            if names.count(name) > 1:
                raise Problem(400, f"the header {name.decode()} comes twice")
        given = dict(headers)
        if not self._known(f"//{_text(given.get(b'host', b''))}"):
            raise Problem(400, "this server does not answer to that host name: start it with --allow-host NAME")
        origin = _text(given.get(b"origin", b""))
        if origin and not self._known(origin):
            raise Problem(403, "pages of other sites may not use this server")

    def _known(self, address: str) -> bool:
        try:
            return (urlsplit(address).hostname or "").lower() in self._names
        except ValueError:
            return False

    def grant(self, headers: Headers, client: str) -> Grant:
        """What the request may do. Raises a problem where it brings no token that is good, and none is needed only for reading here."""
        given = next((_text(value) for name, value in headers if name == b"authorization"), None)
        try:
            if given is None:
                return self._without(client)
            kind, _, secret = given.partition(" ")
            token = self._tokens.find(secret.strip()) if kind.lower() == "bearer" else None
        except LaminaError:
            raise Problem(503, "tokens cannot be checked now", {"Retry-After": "1"}) from None
        if token is None:
            raise unknown("the token is not known here: it is wrong, was revoked, or has expired")
        return Grant(token.scope, token.right, token.id)

    def _without(self, client: str) -> Grant:
        """What is open without a token."""
        if self._settings.open:
            return Grant(EVERYWHERE, "admin", client)
        if self._settings.allow_remote or self._tokens:
            raise unknown("bring a token in the header 'Authorization: Bearer …'")
        return Grant(EVERYWHERE, "read", client)


def unknown(detail: str) -> Problem:
    """The problem of who brings no token that is good."""
    return Problem(401, detail, {"WWW-Authenticate": 'Bearer realm="lamina"'})


def length_of(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The length a request declares."""
    value = next((value for name, value in headers if name == b"content-length"), None)
    return int(value) if value is not None and value.isdigit() else None


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()
