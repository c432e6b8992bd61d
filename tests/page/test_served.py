"""The page as the server hands it out: with a token, searching with reasons, forgetting and restoring."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import lamina
from lamina import Memory
from tests.page.browsing import browser, filled, needs_browser, until, visit
from tests.page.test_browser import shot, violations

pytestmark = needs_browser
SOURCE = str(Path(lamina.__file__).resolve().parent.parent)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("served") / "m.db"
    with Memory(path) as memory:
        filled(memory, 10_000)
        memory.add("The vault code is 7741, says Clara.", user="ana", speaker="Clara", session="secret")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "lamina", "serve", str(path), "--port", str(port), "--open", "--rate", "0"]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": SOURCE}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/"
    end = time.monotonic() + 60
    while True:
        try:
            if httpx.get(url + "readyz").status_code == 200:
                break
        except httpx.HTTPError:
            assert time.monotonic() < end
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(30)


def test_one_searches_with_reasons_forgets_and_restores(served: str) -> None:
    with browser() as running, visit(running, served, offline=False) as page:
        assert page.evaluate("paints['first-contentful-paint']") <= 1000
        page.fill("#cue", "what is the code of the vault?")
        page.press("#cue", "Enter")
        until(page, "document.activeElement.id === 'list'")
        page.keyboard.press("Enter")
        page.wait_for_selector("#card .actions button")
        assert "7741" in page.inner_text("#card .said")
        assert page.locator("#card .bars span.bar").count() >= 2
        assert violations(page) == []
        shot(page, "served-item")
        page.click("#card .actions button")
        assert "again" in page.inner_text("#card .actions button")
        page.click("#card .actions button")
        until(page, "document.querySelector('#card .actions button')?.textContent === 'Restore'")
        assert page.locator("#list .row.gone").count() == 1
        found: Any = httpx.post(served + "v1/search", json={"cue": "code of the vault", "k": 3}).json()
        assert not any("7741" in hit["text"] for hit in found["hits"])
        page.keyboard.press("Enter")  # the button has the focus
        until(page, "document.querySelector('#card .actions button')?.textContent === 'Forget'")
        found = httpx.post(served + "v1/search", json={"cue": "code of the vault", "k": 3}).json()
        assert any("7741" in hit["text"] for hit in found["hits"])
