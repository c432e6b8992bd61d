"""Cursors as clients get them: sealed, so that they tell nothing of the store's numbers and fit only the listing they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from lamina.errors import NotFoundError
from lamina.storage.protocol import Store

META: Final = "cursors"
_SEAL: Final = 12  # bytes


class Cursors:
    """Seals and opens cursors. The key lies in the store, so that any process that serves it opens what another one sealed.

    Parameters: `store`.

    >>> from lamina.storage import open_store
    >>> cursors = Cursors(open_store(None))
    >>> sealed = cursors.seal("17:4", "acme")
    >>> cursors.open(sealed, "acme")
    '17:4'
    >>> cursors.open(sealed, "other")
    Traceback (most recent call last):
        ...
    lamina.errors.NotFoundError: this is no cursor of this listing: hand in the one that came with the page before, and ask for the same
    """

    def __init__(self, store: Store) -> None:
        found = store.meta(META)
        if found is None and not store.read_only:
            with store.transaction():
                found = store.meta(META)
                if found is None:
                    found = secrets.token_hex(32)
                    store.set_meta(META, found)
        self._key = bytes.fromhex(found) if found is not None else secrets.token_bytes(32)

    def seal(self, cursor: str, listing: str) -> str:
        """The cursor for a client; `listing` says what was asked for, and by whom."""
        plain = cursor.encode()
        seal = self._mac(b"seal", listing.encode(), plain)[:_SEAL]
        return base64.urlsafe_b64encode(seal + self._mask(plain, seal)).decode().rstrip("=")

    def open(self, sealed: str, listing: str) -> str:
        """The cursor behind one that `seal` made for the same listing. Raises `NotFoundError` for any other."""
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        seal, masked = raw[:_SEAL], raw[_SEAL:]
        plain = self._mask(masked, seal)
        if not masked or not hmac.compare_digest(self._mac(b"seal", listing.encode(), plain)[:_SEAL], seal):
            raise NotFoundError(
                "this is no cursor of this listing: hand in the one that came with the page before, and ask for the same"
            )
        return plain.decode()

    def _mask(self, plain: bytes, seal: bytes) -> bytes:
        stream = self._mac(b"mask", seal, b"")
        return bytes(one ^ other for one, other in zip(plain[:64], stream, strict=False))

    def _mac(self, use: bytes, first: bytes, second: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=64)
        for part in (use, first, second):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()
