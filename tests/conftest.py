"""What every test may use: the evaluation data where there is any, a clock that stands still, and the property-test profiles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# "ci" is repeatable and does not care how busy the machine is; "search" (HYPOTHESIS_PROFILE=search) looks harder, with new seeds.
SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=SLOW_MACHINE)
settings.register_profile("search", derandomize=False, deadline=None, max_examples=1000, suppress_health_check=SLOW_MACHINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


class Clock:
    """A clock in UTC microseconds that moves only when it is told to. Calling it gives the time.

    >>> clock = Clock(0)
    >>> clock.advance(days=1, seconds=2)
    86402000000
    >>> clock()
    86402000000
    """

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def set(self, now: int) -> int:
        self.now = now
        return self.now

    def advance(self, micros: int = 0, *, seconds: float = 0, hours: float = 0, days: float = 0) -> int:
        self.now += micros + round((seconds + 3600 * hours + 86400 * days) * 1_000_000)
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A settable clock that starts on 1 January 2026, 12:00 UTC."""
    return Clock(1_767_268_800_000_000)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the evaluation data: LAMINA_DATA, else `data` in a folder `shared` beside the checkout."""
    named = os.environ.get("LAMINA_DATA")
    if named:
        root = Path(named).resolve()
        if not root.is_dir():
            pytest.fail(f"LAMINA_DATA names {named}, which is not a folder")
        return root
    beside = ROOT.parent / "shared" / "data"
    if beside.is_dir():
        return beside
    pytest.skip("no evaluation data: set LAMINA_DATA to the folder that has it")
    raise AssertionError


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and keys of whoever runs the tests do not reach them (LAMINA_DATA apart)."""
    for name in os.environ:
        if (name.startswith("LAMINA_") or name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")) and name != "LAMINA_DATA":
            monkeypatch.delenv(name)
