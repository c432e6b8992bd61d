"""What the parts of the suite share: how a store is opened, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lamina.storage.protocol import Store

Opener = Callable[[], Store]


class Conformance:
    """The suite. Subclasses give the fixture `opener`: each call opens the same store anew; `shared` says whether they share it."""

    shared = True

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def store(self, opener: Opener) -> Any:
        store = opener()
        yield store
        store.close()

    @pytest.fixture
    def other(self, store: Store, opener: Opener) -> Any:
        if not self.shared:
            pytest.skip("such a store is private to its object")
        other = opener()
        yield other
        other.close()
