"""A browser for the tests of the page, and memories to look at."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lamina import Memory

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `make browser` installs it")

WATCH = """
window.tasks = []; window.paints = {};
new PerformanceObserver((list) => { for (const one of list.getEntries()) tasks.push(one.duration); }).observe({ type: "longtask", buffered: true });
new PerformanceObserver((list) => { for (const one of list.getEntries()) paints[one.name] = one.startTime; }).observe({ type: "paint", buffered: true });
window.policy = []; document.addEventListener("securitypolicyviolation", (event) => policy.push(event.violatedDirective + " " + event.blockedURI));
"""


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def visit(running: Any, url: str, *, offline: bool = True, timeout: int = 90_000, **settings: Any) -> Iterator[Any]:
    """A page in a context of its own; fails on errors in it, on what its policy blocks, and offline on any request but for the file."""
    context = running.new_context(offline=offline, **{"viewport": {"width": 1280, "height": 860}, **settings})
    context.add_init_script(WATCH)
    page = context.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.wait_for_selector("html[data-ready]", timeout=timeout, state="attached")
    yield page
    assert errors == []
    assert page.evaluate("policy") == []
    origin = url.split("/")[0:3]
    assert all(one.split("/")[0:3] == origin for one in asked), asked
    if url.startswith("file:"):
        assert asked == [url]
    context.close()


def until(page: Any, expression: str, seconds: float = 10) -> None:
    """Wait until an expression holds. (The page's policy forbids the browser's own way of waiting for one.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def filled(memory: Memory, count: int) -> None:
    """So many messages over a year, in sessions, with episodes."""
    pick = random.Random(4)
    nouns = "ferry harbour kettle sardines garden balcony bicycle train lighthouse invoice meeting branch database parser token budget".split()
    start = 1_750_000_000

    def messages() -> Iterator[dict[str, Any]]:
        for n in range(count):
            words = " ".join(pick.choices(nouns, k=pick.randint(4, 16)))
            yield {
                "text": f"{words.capitalize()}, number {n}.", "speaker": pick.choice(["Ana", "Ben", "Clara"]), "session": f"s{n // 40}",
                "at": (start + n * 300) * 1_000_000,
            }  # fmt: skip

    memory.add_many(messages(), user="ana")
    memory.consolidate()
