"""What the HTTP server is told when it starts: where it listens, whom it lets in, and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lamina.errors import InputError

PORT: Final = 8420
BACKLOG: Final = 512
"""Connections that wait to be taken."""
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Serving:
    """Settings of one server.

    Parameters:
        host, port: where it listens. `names`: further host names clients may address it by (behind a proxy: the public one).
        allow_remote: whether it may listen elsewhere than on the loopback; it then lets nobody in without a token.
        open: let everybody on this machine read and write everything without a token. For development.
        rate: requests a second that each token may make on average (0: any number); burst: how many at once.
        concurrency: requests that are worked on or wait their turn at any time; beyond, a client is told to come again.
        readers: threads that recall; work: long pieces of work (consolidation, import, export, upload) at a time.
        body: bytes of a request; upload: bytes of an import or a streamed upload; line: bytes of one line of those.
        patience: seconds a request may wait for its turn, and a client may take to send it.
        drain: seconds that requests under way are given when the server is stopped.

    >>> Serving().address
    'http://127.0.0.1:8420'
    """

    host: str = "127.0.0.1"
    port: int = PORT
    names: Sequence[str] = ()
    allow_remote: bool = False
    open: bool = False
    rate: float = 50.0
    burst: int = 100
    concurrency: int = 64
    readers: int = 2
    work: int = 4
    body: int = 4 << 20
    upload: int = 1 << 30
    line: int = 1 << 20
    patience: float = 30.0
    drain: float = 30.0

    def __post_init__(self) -> None:
        least = {"rate": 0, "burst": 1, "concurrency": 1, "readers": 1, "work": 1, "body": 1024, "upload": 1024, "line": 1024}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} must be at least {value}, not {getattr(self, name)}")
        if self.patience <= 0 or self.drain <= 0:
            raise InputError("patience and drain must be more than 0 seconds")
        if self.open and not self.local:
            raise InputError(f"{self.host} can be reached from other machines: --open is for 127.0.0.1 alone")

    @property
    def local(self) -> bool:
        """Whether it listens on the loopback only."""
        return self.host in LOOPBACK

    @property
    def address(self) -> str:
        """The address for people."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def check(self, any_tokens: bool) -> None:
        """Raise `InputError` where it would be open to other machines without anybody having asked for that, or without a token."""
        if self.local and not self.allow_remote:
            return
        if not self.allow_remote:
            raise InputError(
                f"{self.host} can be reached from other machines: make a token with 'lamina token create', then add --allow-remote"
            )
        if not any_tokens:
            raise InputError("--allow-remote needs at least one token: make one with 'lamina token create'")
