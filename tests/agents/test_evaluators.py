"""Checks: every outcome by its name, and none of them an exception."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from lamina.agents.evaluators import Evaluation, ProseEvaluator, PythonEvaluator, _counts, shortened
from lamina.agents.sandbox import Sandbox, confined
from lamina.errors import InputError
from lamina.working.files import Snapshot

needs_namespaces = pytest.mark.skipif(confined() is None, reason="namespaces cannot be made here")


def check(files: dict[str, str], seconds: float = 20) -> Evaluation:
    return PythonEvaluator(Sandbox(seconds=30), seconds).evaluate(Snapshot.of(files))


@needs_namespaces
def test_tests_are_counted_by_file() -> None:
    found = check(
        {
            "kit/__init__.py": "", "kit/a.py": "def double(x):\n    return 2 * x\n",
            "tests/test_a.py": "from kit.a import double\ndef test_one(): assert double(2) == 4\ndef test_two(): assert double(2) == 5\n",
            "tests/test_b.py": "import pytest\nclass TestB:\n    def test_b(self): pass\n@pytest.mark.skip\ndef test_c(): pass\n",
            "tests/test_c.py": "import nothing_like_it\n",
        }
    )  # fmt: skip
    assert (found.outcome, found.passed, found.failed) == ("failed", 2, 2)
    assert found.by_file == {"tests/test_a.py": (1, 1), "tests/test_b.py": (1, 0), "tests/test_c.py": (0, 1)}
    assert "assert 4 == 5" in found.output
    assert "nothing_like_it" in found.told


@needs_namespaces
def test_passing_tests_pass() -> None:
    found = check({"a.py": "x = 1", "test_a.py": "import a\ndef test_a(): assert a.x == 1"})
    assert (found.outcome, found.passed, found.failed) == ("passed", 1, 0)
    assert found.told == "Check: passed. 1 passed, 0 failed."


@needs_namespaces
def test_syntax_comes_before_tests() -> None:
    found = check({"a.py": "def f(:\n    pass", "b.py": "x = 1\x00", "test_a.py": "def test_a(): pass"})
    assert found.outcome == "failed"
    assert [(one.path, one.line) for one in found.problems] == [("a.py", 1), ("b.py", 0)]
    assert (found.passed, found.failed) == (0, 0)


@needs_namespaces
@pytest.mark.parametrize("files", [{"a.py": "x = 1"}, {"test_a.py": "x = 1"}, {"a.md": "text"}, {}])
def test_that_there_are_no_tests_is_an_outcome_of_its_own(files: dict[str, str]) -> None:
    assert check(files).outcome == "no tests"


@needs_namespaces
def test_that_tests_do_not_end_is_an_outcome_of_its_own() -> None:
    found = check({"test_a.py": "def test_a():\n    while True: pass"}, seconds=1.5)
    assert found.outcome == "timed out"
    assert "1.5 seconds" in found.told


@needs_namespaces
@pytest.mark.parametrize("code", ["import os\ndef test_a(): os._exit(0)", "raise SystemExit(0)\ndef test_a(): pass"])
def test_tests_that_end_the_run_do_not_pass(code: str) -> None:
    assert check({"test_a.py": code}).outcome == "failed"


@needs_namespaces
@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
def test_names_that_are_never_defined_are_errors_where_that_is_asked_for() -> None:
    files = Snapshot.of({"kit/a.py": "def f():\n    return missing\n"})
    assert PythonEvaluator(Sandbox(seconds=30)).evaluate(files).outcome == "no tests"
    found = PythonEvaluator(Sandbox(seconds=30), lint=True).evaluate(files)
    assert (found.outcome, [(one.path, one.line) for one in found.problems]) == ("failed", [("kit/a.py", 2)])


@needs_namespaces
def test_nested_beyond_reason_is_a_problem_not_a_crash() -> None:
    assert check({"a.py": "x = " + "(" * 5000 + ")" * 5000}).outcome == "failed"


def test_reports_that_are_none_are_not_counted() -> None:
    assert _counts(None) is None
    assert _counts(b"<testsuites><broken") is None
    assert _counts(b"<testsuites/>") == {}


def test_prose_is_judged_by_length_headings_and_gaps() -> None:
    evaluator = ProseEvaluator(least=3, most=6, headings=("One", "Two"))
    good = Snapshot.of({"a.md": "# one\nThere it begins.", "b.md": "## Two ##\nand it ends."})
    assert evaluator.evaluate(good).outcome == "passed"
    bad = Snapshot.of({"a.md": "# One\nTODO", "b.md": "it goes on and on [insert the end]"})
    found = evaluator.evaluate(bad)
    assert [str(one).split(":")[0] for one in found.problems] == ["a.md", "b.md", "b.md", "(all texts)"]
    assert (found.outcome, found.failed) == ("failed", 4)
    assert evaluator.evaluate(Snapshot.of({"a.py": "x"})).outcome == "no tests"


def test_demands_that_make_no_sense_are_refused() -> None:
    for given in ({"least": 0}, {"least": 5, "most": 4}):
        with pytest.raises(InputError, match="words"):
            ProseEvaluator(**given)
    with pytest.raises(InputError, match="regular expression"):
        ProseEvaluator(placeholders=("(",))
    with pytest.raises(InputError, match="seconds"):
        PythonEvaluator(seconds=0)


def test_long_output_keeps_both_ends() -> None:
    assert shortened("a" * 50 + "b" * 50, 20).startswith("a" * 10 + "[…")
    assert shortened("short", 20) == "short"
