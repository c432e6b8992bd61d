from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.material import write_locomo


@pytest.fixture(scope="session")
def small_locomo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_locomo(tmp_path_factory.mktemp("locomo"))
