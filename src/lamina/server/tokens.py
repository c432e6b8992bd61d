"""Tokens that let a client into one scope: made, listed, revoked, and recognised. Only hashes are kept."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, Literal, get_args

from lamina.errors import CorruptStoreError, InputError, NotFoundError
from lamina.records import wall_clock
from lamina.scopes import check_scope
from lamina.storage.protocol import Store
from lamina.text import check_text

Right = Literal["read", "write", "admin"]
RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
"""From the least to the most; each includes those before it."""
META: Final = "tokens"
"""Where the store keeps them: beside its settings, so that no export of memories carries them."""
MOST: Final = 10_000
"""Tokens in one file."""

_FORM: Final = re.compile(r"lamina_([0-9a-f]{12})_([0-9a-f]{48})")
_LONGEST_LABEL: Final = 200


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: `id`, hash, the `scope` it is bound to, its `right`, and times in UTC microseconds."""

    id: str
    digest: str
    scope: str
    right: Right
    created_at: int
    expires_at: int | None = None
    label: str | None = None

    def allows(self, right: Right) -> bool:
        """Whether it carries a right.

        >>> Token("1", "", "acme", "write", 0).allows("read"), Token("1", "", "acme", "write", 0).allows("admin")
        (True, False)
        """
        return RIGHTS.index(right) <= RIGHTS.index(self.right)

    def expired(self, now: int) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class TokenBook:
    """The tokens of one store. What another process makes or revokes holds at once.

    Parameters: `store`; `clock`, UTC microseconds.

    >>> from lamina.storage import open_store
    >>> book = TokenBook(open_store(None))
    >>> token, secret = book.create("acme/ana", "write")
    >>> book.find(secret) == token, book.find(secret[:-1] + "x")
    (True, None)
    >>> _ = book.revoke(token.id)
    >>> book.find(secret) is None
    True
    """

    def __init__(self, store: Store, clock: Callable[[], int] = wall_clock) -> None:
        self._store = store
        self._clock = clock
        self._read: tuple[str | None, dict[str, Token]] = (None, {})

    def create(self, scope: str, right: Right, *, label: str | None = None, expires_at: int | None = None) -> tuple[Token, str]:
        """A new token and the secret that is its only copy. Raises `InputError` for what cannot be one."""
        if right not in RIGHTS:
            raise InputError(f"{right!r} is no right: use {', '.join(RIGHTS)}")
        now = self._clock()
        if expires_at is not None and expires_at <= now:
            raise InputError("the token would have expired already: give a time to come")
        if label is not None and len(check_text(label, "the label")) > _LONGEST_LABEL:
            raise InputError(f"the label has {len(label)} characters; the most is {_LONGEST_LABEL}")
        id, key = secrets.token_hex(6), secrets.token_hex(24)
        secret = f"lamina_{id}_{key}"
        token = Token(id, _digest(secret), check_scope(scope), right, now, expires_at, label)
        with self._store.transaction():
            there = self._tokens()
            if len(there) >= MOST:
                raise InputError(f"the file has {len(there):,} tokens: revoke some first")
            self._write({**there, id: token})
        return token, secret

    def all(self) -> list[Token]:
        """Every token, the oldest first."""
        return sorted(self._tokens().values(), key=lambda token: (token.created_at, token.id))

    def __bool__(self) -> bool:
        """Whether there is any token, expired ones included: a file that had one does not open by the passing of time."""
        return bool(self._tokens())

    def revoke(self, id: str) -> Token:
        """Take a token back. Raises `NotFoundError` where there is none of this id."""
        with self._store.transaction():
            there = dict(self._tokens())
            token = there.pop(id, None)
            if token is None:
                raise NotFoundError(f"there is no token {id!r}: 'lamina token list' shows those there are")
            self._write(there)
        return token

    def find(self, secret: str) -> Token | None:
        """The token that a secret belongs to; None for a wrong, revoked or expired one. Takes the same time for all of them."""
        form = _FORM.fullmatch(secret)
        token = self._tokens().get(form[1] if form else "")
        expected = token.digest if token is not None else _digest("")
        fits = secrets.compare_digest(_digest(secret), expected)
        return token if fits and token is not None and not token.expired(self._clock()) else None

    def _tokens(self) -> dict[str, Token]:
        raw = self._store.meta(META)
        seen, tokens = self._read
        if raw != seen:
            try:
                tokens = {one["id"]: Token(**one) for one in json.loads(raw or "[]")}
            except (ValueError, TypeError, KeyError):
                raise CorruptStoreError("the tokens in the file cannot be read: nobody is let in") from None
            self._read = (raw, tokens)
        return tokens

    def _write(self, tokens: dict[str, Token]) -> None:
        self._store.set_meta(META, json.dumps([asdict(token) for token in tokens.values()]) if tokens else "[]")


def _digest(secret: str) -> str:
    """A plain hash is enough: a secret is 192 random bits, which nobody guesses however fast he hashes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
