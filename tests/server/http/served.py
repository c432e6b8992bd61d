"""A served memory with tenants, for the tests of the HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from lamina import Memory
from lamina.server.http.application import http_application
from lamina.server.http.settings import Serving
from lamina.server.tokens import Right, TokenBook

ADDRESS = "http://127.0.0.1:8420"


@dataclass
class Served:
    """A memory, its application, and a client that sends what it is told to."""

    memory: Memory
    client: TestClient
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def token(self, scope: str, right: Right = "admin") -> dict[str, str]:
        """The header of a token."""
        if (scope, right) not in self.tokens:
            self.tokens[scope, right] = TokenBook(self.memory.store).create(scope, right)[1]
        return {"Authorization": f"Bearer {self.tokens[scope, right]}"}

    def ask(self, method: str, path: str, scope: str | None = "/ana", right: Right = "admin", **more: Any) -> Any:
        """A request with a token of a scope (None: without)."""
        headers = {} if scope is None else self.token(scope, right)
        return self.client.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)


@contextmanager
def served(path: Path, **settings: Any) -> Iterator[Served]:
    given = {"rate": 0.0, **settings}
    with Memory(path) as memory, TestClient(http_application(memory, Serving(**given)), base_url=ADDRESS) as client:
        yield Served(memory, client)
