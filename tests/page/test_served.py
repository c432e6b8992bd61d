"""The page as the server hands it out: with a token, searching with reasons, forgetting and restoring."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import lamina
from lamina import Memory
from lamina.server.tokens import TokenBook
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
    with serving(path, "--open") as url:
        yield url


@contextmanager
def serving(path: Path, *options: str) -> Iterator[str]:
    """A server of its own process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "lamina", "serve", str(path), "--port", str(port), *options, "--rate", "0"]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": SOURCE}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/"
    end = time.monotonic() + 120
    while True:
        try:
            if httpx.get(url + "readyz").status_code == 200:
                break
        except httpx.HTTPError:
            assert time.monotonic() < end
            time.sleep(0.1)
    try:
        yield url
    finally:
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


def test_what_was_remembered_since_the_page_was_opened_is_found(served: str) -> None:
    with browser() as running, visit(running, served, offline=False) as page:
        httpx.post(served + "v1/memories", json={"content": "The zeppelin lands in Horta.", "scope": "/ana"}).raise_for_status()
        page.fill("#cue", "where does the zeppelin land?")
        page.press("#cue", "Enter")
        until(page, "document.querySelector('#list .text')?.textContent === 'The zeppelin lands in Horta.'")


def test_nobody_may_frame_it(served: str) -> None:
    headers = httpx.get(served).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"] == "frame-ancestors 'none'"


def test_a_token_is_asked_for_once_and_again_where_it_is_wrong(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory:
        memory.add("The vault code is 7741.", user="ana")
        _, token = TokenBook(memory.store).create("*", "read")
    with serving(tmp_path / "m.db") as url, browser() as running:
        context = running.new_context()
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#asking[open]")
        assert violations(page) == []
        assert page.locator("#timeline").bounding_box()["height"] < 100  # nothing jumps when the items come
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#asking[open] #refused:not([hidden])")
        page.keyboard.type(token)
        shot(page, "token")
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.click("#list .row")
        page.wait_for_selector("#card .said")
        assert "7741" in page.inner_text("#card .said")
        assert page.is_hidden("#asking")
        page.reload()  # kept for this window
        page.wait_for_selector("html[data-ready]", state="attached")
        page.evaluate("sessionStorage.clear()")
        page.reload()
        page.wait_for_selector("#asking[open]")
        page.keyboard.press("Escape")
        until(page, "document.getElementById('count').textContent.length > 3")
        context.close()
