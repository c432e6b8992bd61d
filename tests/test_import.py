"""Importing the core is quick and loads nothing that only some users need."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

NOT_YET = ["torch", "scipy", "httpx", "tokenizers", "pydantic", "rich", "typer", "sentence_transformers", "usearch", "matplotlib"]
SECONDS = 0.3
"""What `import lamina` may take, as the median of five fresh processes …"""
TIMES_NUMPY = 4
"""… or so many times what numpy alone takes in them, where that is more: on a machine that gives a fraction of its speed to us."""

FRONT_DOORS = ["import lamina", "from lamina import Memory", "from lamina import AsyncMemory, Filter, Hit, Item, Recall"]


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as wherever it is installed
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd, check=False, env=kept
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.mark.parametrize("statement", FRONT_DOORS)
def test_importing_the_core_loads_nothing_that_only_some_users_need(statement: str, tmp_path: Path) -> None:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    loaded = json.loads(python("-c", code, cwd=tmp_path).stdout)
    assert "lamina" in loaded
    assert not set(NOT_YET) & set(loaded)


def import_seconds(statement: str, cwd: Path) -> tuple[float, float]:
    """Time spent in modules that `statement` loads: the outermost entries, without those of the interpreter's own start; and in numpy."""
    lines = python("-X", "importtime", "-c", statement, cwd=cwd).stderr.splitlines()
    total = numpy = 0
    for line in lines:
        inside = re.fullmatch(r"import time:\s*\d+ \|\s*(\d+) \| +numpy", line)
        numpy += int(inside[1]) if inside is not None else 0
        found = re.fullmatch(r"import time:\s*\d+ \|\s*(\d+) \| (\w[\w.]*)", line)  # no indent: loaded by the statement itself
        if found is not None and found[2].split(".")[0] == "lamina":
            total += int(found[1])
    assert total > 0, "the import was not timed"
    return total / 1e6, numpy / 1e6


@pytest.mark.parametrize("statement", FRONT_DOORS[:2])
def test_importing_the_core_takes_a_fraction_of_a_second(statement: str, tmp_path: Path) -> None:
    import_seconds(statement, tmp_path)  # the first one compiles
    medians = []
    for _ in range(3):  # a busy neighbour slows a round of five, seldom three of them
        took, numpy = map(statistics.median, zip(*(import_seconds(statement, tmp_path) for _ in range(5)), strict=True))
        medians.append((took, numpy))
        if took <= max(SECONDS, TIMES_NUMPY * numpy):
            return
    raise AssertionError(f"{statement} took, and numpy in it: {medians} s")
