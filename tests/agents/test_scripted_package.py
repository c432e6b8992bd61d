"""A package written from a specification: many files, in a small context, run and tested in the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.agents import scripted_code as code
from lamina.agents.access_map import access_lines, access_map, plot_accesses
from lamina.agents.control_unit import Budget, ControlUnit
from lamina.agents.evaluators import PythonEvaluator
from lamina.agents.program_tools import ProgramTools
from lamina.agents.sandbox import confined
from lamina.agents.scripted_processor import ScriptedProcessor
from lamina.models import ToolCall
from lamina.models.tokens import WordLlamaTokens
from lamina.working.files import Access, FileStore, Snapshot
from lamina.working.program import StoredProgram

needs_namespaces = pytest.mark.skipif(confined() is None, reason="namespaces cannot be made here")
TASK = "Write the package kit.\nbread: 3x+2\ncheese: 5x+1\nlunch: 1x+2 bread cheese\nChange bread: another name, and a scale."


@needs_namespaces
def test_a_package_is_written_tested_changed_and_mended(tmp_path: Path) -> None:
    program = StoredProgram.open(tmp_path, TASK)
    processor = ScriptedProcessor(faults=0.9, seed=1)
    report = ControlUnit(processor, program, evaluator=PythonEvaluator(), budget=Budget(context=2000, margin=250)).run()
    assert report.finished
    assert program.spent.largest_prompt <= 2000
    files = program.store.snapshot()
    pieces = code.pieces_in(TASK)
    hidden = {
        f"accept/test_accept_{name}.py": code.acceptance_text(piece, pieces, name == "bread") for name, piece in pieces.items()
    }
    found = PythonEvaluator().evaluate(Snapshot.of({**files.files, **hidden}))
    assert (found.outcome, set(hidden) <= set(found.by_file)) == ("passed", True)
    assert any(one.kind == "write" for one in program.store.accesses)  # what was wrong was written again


@needs_namespaces
def test_files_are_run_and_tested_by_name(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.change(
        {
            "main.py": "import sys\nprint('hello', *sys.argv[1:])", "wrong.py": "1 / 0", "slow.py": "while True: pass",
            "test_a.py": "def test_a(): pass", "test_b.py": "def test_b(): assert False",
        }
    )  # fmt: skip
    evaluator = PythonEvaluator()
    tools = ProgramTools(store, evaluator, evaluator.sandbox, WordLlamaTokens(), run_seconds=1)

    def use(name: str, arguments: str) -> tuple[str, str, bool]:
        result = tools.use(ToolCall("c", name, arguments), 500)
        return result.text, result.status, result.proof

    assert use("run_file", '{"path": "main.py", "args": ["you"]}') == ("main.py: exit code 0.\nhello you", "ok", True)
    assert "ZeroDivisionError" in use("run_file", '{"path": "wrong.py"}')[0]
    assert use("run_file", '{"path": "slow.py"}') == ("slow.py: stopped after 1 seconds.", "error", False)
    assert "no file" in use("run_file", '{"path": "none.py"}')[0]
    assert use("pytest_files", '{"paths": ["test_a.py"]}') == ("Check: passed. 1 passed, 0 failed.", "ok", True)
    assert "1 passed, 1 failed" in use("pytest_files", "{}")[0]
    assert use("sub_task_step_complete", "{}")[1:] == ("error", False)


def test_the_little_language_is_read_and_written() -> None:
    pieces = code.pieces_in(TASK)
    assert [piece.line for piece in pieces.values()] == ["bread: 3x+2", "cheese: 5x+1", "lunch: 1x+2 bread cheese"]
    assert code.changes_in(TASK) == ["bread"]
    assert code.value_of("lunch", 2, pieces) == (2 + 2) + (6 + 2) + (10 + 1)
    own = code.chosen("lunch", False)
    used = {name: code.chosen(name, name == "bread") for name in ("bread", "cheese")}
    text = code.module_text(pieces["lunch"], own, used)
    assert code.interfaces_in(text) == {"lunch": own}
    compile(text, "lunch", "exec")
    with pytest.raises(SyntaxError):
        compile(code.module_text(pieces["lunch"], own, used, "syntax"), "lunch", "exec")
    assert code.module_text(pieces["lunch"], own, used, "logic") != text


def test_accesses_make_a_map(tmp_path: Path) -> None:
    accesses = [Access(1, "a.py", "create"), Access(1, "a.py", "read"), Access(3, "a.py", "same"), Access(3, "b.py", "delete")]
    paths, ranks = access_map(accesses)
    assert (paths, ranks.tolist()) == (["a.py", "b.py"], [[3, 0, 2], [0, 0, 4]])
    assert access_lines(accesses) == ["a.py  c·w", "b.py  ··×"]
    assert access_lines([Access(n, "a", "read") for n in range(1, 50)], 20) == ["a  " + "r" * 17]
    assert access_map([])[1].shape == (0, 0)
    pytest.importorskip("matplotlib")
    plot_accesses(accesses, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000
