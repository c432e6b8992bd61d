"""Checks what a program has written: Python by compiling and testing it in a sandbox, prose by its length, headings and gaps.

A check that failed is an answer, never an exception. That there are no tests, and that they did not end, are outcomes of their own: to
count them as passed would hide empty suites and loops without end.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol
from xml.etree import ElementTree as ET

from lamina.agents import checking
from lamina.agents.sandbox import Ran, Sandbox
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.working.files import Snapshot

Outcome = Literal["passed", "failed", "no tests", "timed out"]

_TEST_FILE: Final = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$")
_SETTINGS: Final = frozenset({"pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"})  # they may say that tests have other names
_SHOWN: Final = 3000  # characters of output that a check tells


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file; line 0 where it is not one line."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a check found. `passed`, `failed`: numbers of tests (or of demands on prose); `problems`: what stands in the way of testing;
    `by_file`: for each file of tests, how many passed and failed; `output`: for the model to read, cut."""

    outcome: Outcome
    passed: int = 0
    failed: int = 0
    problems: tuple[Problem, ...] = ()
    by_file: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    output: str = ""

    @property
    def told(self) -> str:
        """The outcome in words.

        >>> Evaluation("failed", passed=3, failed=1, output="assert 1 == 2").told
        'Check: failed. 3 passed, 1 failed.\\nassert 1 == 2'
        """
        counted = f" {self.passed} passed, {self.failed} failed." if self.passed or self.failed else ""
        lines = [f"Check: {self.outcome}.{counted}", *map(str, self.problems)]
        return "\n".join([*lines, self.output] if self.output and self.outcome != "passed" else lines)


class Evaluator(Protocol):
    """Checks all files of a program. `advice`: what the model is told about how its work is checked."""

    @property
    def advice(self) -> str:
        """One or two sentences."""
        ...

    def evaluate(self, files: Snapshot) -> Evaluation:
        """Check the files; never raises for what is in them."""
        ...


@dataclass(frozen=True, slots=True)
class PythonEvaluator:
    """Compiles every Python file and runs all tests, in a sandbox.

    Parameters: `sandbox`; `seconds` for all tests together (60 in the source); `lint`, whether names that are never defined are errors
    too, where ruff is installed.

    >>> from lamina.working.files import Snapshot
    >>> bad = Snapshot.of({"shop.py": "def total(:"})
    >>> PythonEvaluator(Sandbox(network="allow")).evaluate(bad).problems[0].path
    'shop.py'
    """

    sandbox: Sandbox = field(default_factory=Sandbox)
    seconds: float = 60.0
    lint: bool = False
    advice: str = (
        "After each change every Python file is compiled and all tests are run with pytest: write tests as files test_*.py, in the "
        "same instruction as what they test."
    )

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"tests need a time in seconds above 0, not {self.seconds!r}")

    def evaluate(self, files: Snapshot) -> Evaluation:
        """See `Evaluator`."""
        return self.test(files, ())

    def test(self, files: Snapshot, paths: Sequence[str]) -> Evaluation:
        """Compile everything, then run the tests in these files (all where none is named). Raises `SandboxError` where no code can be
        run here."""
        python = {path: text for path, text in files.files.items() if path.endswith(".py")}
        if not python:
            return Evaluation("no tests")
        tested = bool(paths) or any(_TEST_FILE.search(path) for path in python) or not _SETTINGS.isdisjoint(files.files)
        named = [f"./{path}" for path in paths] if tested else ["--compile"]
        named += ["--lint"] if self.lint else []
        ran = self.sandbox.run(
            ["-c", _script(), *named], files.files, seconds=self.seconds, results=(checking.SYNTAX, checking.REPORT)
        )
        return _evaluated(ran, self.seconds, tested)


def _evaluated(ran: Ran, seconds: float, tested: bool) -> Evaluation:
    problems: tuple[Problem, ...] = ()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        told = json.loads(ran.files.get(checking.SYNTAX, b"[]"))
        problems = tuple(Problem(str(one["path"]), int(one["line"]), str(one["text"])) for one in told)
    if problems:
        return Evaluation("failed", problems=problems)
    output = shortened(ran.output.strip(), _SHOWN)
    if ran.timed_out:
        return Evaluation("timed out", output=f"the tests did not end within {seconds:g} seconds\n{output}".strip())
    if ran.ended:
        return Evaluation("failed", output=f"the tests were stopped: they started too many {ran.ended}\n{output}".strip())
    if checking.SYNTAX not in ran.files:
        return Evaluation("failed", output=f"the files could not be compiled (exit code {ran.code})\n{output}".strip())
    if not tested:
        return Evaluation("no tests")
    counts = _counts(ran.files.get(checking.REPORT))
    if counts is None:
        return Evaluation("failed", output=f"the tests ended without a report (exit code {ran.code})\n{output}".strip())
    passed, failed = (sum(pair[place] for pair in counts.values()) for place in (0, 1))
    if failed or ran.code not in (0, 5):
        return Evaluation("failed", passed, failed, by_file=counts, output=output)
    return Evaluation("passed" if passed else "no tests", passed, by_file=counts)


def _counts(report: bytes | None) -> dict[str, tuple[int, int]] | None:
    """Passed and failed tests by module, from pytest's report; None where it cannot be read."""
    try:
        root = ET.fromstring(report or b"")
    except (ET.ParseError, ValueError):
        return None
    counts: dict[str, tuple[int, int]] = {}
    for case in root.iter("testcase"):
        name = case.get("classname") or case.get("name") or "?"
        module = name.partition(".Test")[0].replace(".", "/") + ".py"
        passed, failed = counts.get(module, (0, 0))
        kinds = {child.tag for child in case}
        if "skipped" not in kinds:
            wrong = bool(kinds & {"failure", "error"})
            passed, failed = passed + (not wrong), failed + wrong
        counts[module] = (passed, failed)
    return counts


def shortened(text: str, most: int) -> str:
    """A text of at most about `most` characters: its beginning and its end.

    >>> shortened("abcdefgh", 4)
    'ab[… 4 characters left out …]gh'
    """
    if len(text) <= most:
        return text
    half = max(most // 2, 1)
    return f"{text[:half]}[… {len(text) - 2 * half:,} characters left out …]{text[-half:]}"


@functools.cache
def _script() -> str:
    return Path(checking.__file__).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ProseEvaluator:
    """Checks texts: how long each is, which headings there are, and that nothing was left to be filled in.

    Parameters: `least`, `most`: words of each text; `headings` that must stand somewhere (compared without regard to case);
    `placeholders`: expressions that must stand nowhere; `suffixes` of the files that are texts.

    >>> from lamina.working.files import Snapshot
    >>> check = ProseEvaluator(least=3, headings=("Ferries",))
    >>> check.evaluate(Snapshot.of({"guide.md": "# Ferries\\nThey leave at noon."})).outcome
    'passed'
    >>> print(check.evaluate(Snapshot.of({"guide.md": "# Trains\\nTODO: times"})).told)
    Check: failed. 1 passed, 2 failed.
    guide.md:2: 'TODO' is a placeholder: write what belongs there
    (all texts): the heading 'Ferries' is missing
    """

    least: int = 1
    most: int = 1_000_000
    headings: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = (
        r"\bTODO\b", r"\bTBD\b", r"\bFIXME\b", r"(?i)\blorem ipsum\b", r"(?i)\[(?:insert|your|to be|placeholder)[^\]]*\]",
        r"(?i)\b(?:to be written|to be continued|rest of (?:the )?chapter)\b",
    )  # fmt: skip
    suffixes: tuple[str, ...] = (".md", ".txt", ".rst")
    advice: str = (
        "After each change the texts are checked: their length, the headings asked for, and that nothing is left to be filled in."
    )

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise InputError(
                f"texts have from {self.least!r} to {self.most!r} words: give numbers of at least 1, the smaller first"
            )
        for expression in self.placeholders:
            try:
                re.compile(expression)
            except re.error as error:
                raise InputError(f"the placeholder {expression!r} is not a regular expression: {error}") from None

    def evaluate(self, files: Snapshot) -> Evaluation:
        """See `Evaluator`."""
        texts = {path: text for path, text in files.files.items() if path.endswith(self.suffixes)}
        if not texts:
            return Evaluation("no tests")
        problems: list[Problem] = []
        for path, text in texts.items():
            words = len(text.split())
            if not self.least <= words <= self.most:
                problems.append(Problem(path, 0, f"{words:,} words, and it should have {self.least:,} to {self.most:,}"))
            for number, line in enumerate(text.splitlines(), start=1):
                gap = next((found for one in self.placeholders if (found := re.search(one, line))), None)
                if gap is not None:
                    problems.append(Problem(path, number, f"{gap[0]!r} is a placeholder: write what belongs there"))
        present = {line.strip("# =*").casefold() for text in texts.values() for line in text.splitlines() if line.startswith("#")}
        missing = [heading for heading in self.headings if heading.casefold() not in present]
        problems += [Problem("(all texts)", 0, f"the heading {heading!r} is missing") for heading in missing]
        passed = 2 * len(texts) + len(self.headings) - len(problems)
        return Evaluation("failed" if problems else "passed", max(passed, 0), len(problems), tuple(problems[: checking.MOST]))
