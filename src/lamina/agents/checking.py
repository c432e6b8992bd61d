"""What the evaluator of Python runs in the sandbox: every file is compiled, then the tests are run. It uses the standard library, pytest, and ruff where
it is asked to.

It is run as a script of its own, in the folder of the program. It writes what does not compile into one file and leaves the report of the
tests in another, both outside the tests' way.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Final

SYNTAX: Final = "lamina-syntax.json"
REPORT: Final = "lamina-report.xml"
MOST: Final = 20  # errors that are told


def problems(folder: str) -> list[dict[str, object]]:
    """The files below a folder that do not compile: path, line, and what is wrong."""
    found: list[dict[str, object]] = []
    for path in sorted(Path(folder).rglob("*.py")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes(), str(path))
                compile(tree, str(path), "exec", dont_inherit=True)
        except SyntaxError as error:
            found.append({"path": path.relative_to(folder).as_posix(), "line": error.lineno or 0, "text": str(error.msg)})
        except (ValueError, RecursionError, MemoryError) as error:
            found.append({"path": path.relative_to(folder).as_posix(), "line": 0, "text": str(error) or type(error).__name__})
    return found[:MOST]


def undefined(folder: str) -> list[dict[str, object]]:
    """Names that are used and never defined, as ruff finds them; nothing where it is not installed."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "F821,F822,F823",
        "--output-format",
        "json",
        ".",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return []
    return [
        {"path": os.path.relpath(one["filename"], os.path.realpath(folder)), "line": one["location"]["row"], "text": one["message"]}
        for one in told
    ][:MOST]  # fmt: skip


def main() -> int:
    """Compile, and where all files do, run the tests named on the command line."""
    found = problems(".")
    if not found and "--lint" in sys.argv:
        sys.argv.remove("--lint")
        found = undefined(".")
    Path(SYNTAX).write_text(json.dumps(found), encoding="utf-8")
    if found or "--compile" in sys.argv[1:]:
        return 0
    sys.path.insert(0, os.getcwd())
    import pytest

    return int(
        pytest.main(
            [
                f"--junitxml={REPORT}",
                "-q",
                "-p",
                "no:cacheprovider",
                "--continue-on-collection-errors",
                "--tb=short",
                "--color=no",
                *sys.argv[1:],
            ]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
