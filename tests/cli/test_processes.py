"""The command line as processes: how it starts and ends, what it prints into a pipe, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import lamina
from tests.cli.conftest import ANSI, Process, environment

ROOT = Path(__file__).resolve().parent.parent.parent
MESSAGES = 12_000


def test_version_and_help(process: Process) -> None:
    assert process("--version").stdout.strip() == f"lamina {lamina.__version__}"
    shown = process("--help")
    assert shown.returncode == 0
    assert "ingest" in shown.stdout
    assert not ANSI.search(shown.stdout)


def test_the_installed_command_is_the_module(tmp_path: Path, process: Process) -> None:
    from lamina.__main__ import main as module_main
    from lamina.cli import main

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"lamina": "lamina.cli:main"}
    assert module_main is main
    script = Path(sys.executable).parent / "lamina"
    if not script.exists():
        pytest.skip("the package is not installed here")
    done = subprocess.run(
        [str(script), "--help"], capture_output=True, text=True, cwd=tmp_path, env=environment(), check=True, timeout=60
    )
    assert done.stdout == process("--help").stdout


def test_help_starts_without_what_it_does_not_need() -> None:
    code = (
        "import sys; sys.argv = ['lamina', '--help']\n"
        "from lamina.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'tokenizers', 'sqlite3', 'lamina.memory', 'lamina.bench', 'asyncio'} & set(sys.modules)\n"
        "print('heavy:', heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True, timeout=60)
    assert done.stdout.endswith("heavy: set()\n")


def test_an_error_is_one_line_without_a_traceback(process: Process, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database at all, whatever its name says")
    for words in (
        ["stats", "notes.db"],
        ["search", "nowhere.db", "x"],
        ["add", "new.db", "x", "--at", "whenever"],
        ["stats", "."],
    ):
        done = process(*words)
        assert done.returncode == 2
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert not ANSI.search(line)
    assert "Traceback" in process("--debug", "stats", "notes.db").stderr
    assert "Traceback" in process("stats", "notes.db", LAMINA_DEBUG="1").stderr


def test_nothing_is_made_by_a_command_that_only_reads(process: Process, tmp_path: Path) -> None:
    for words in (["search", "x"], ["context", "x"], ["show"], ["stats"], ["consolidate"], ["doctor"], ["ingest", "nowhere"]):
        assert process(*words).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_what_is_piped_is_plain_and_whole(process: Process) -> None:
    long = "The ferry to the island leaves at nine. " * 20
    process("add", "agent.db", long)
    process("consolidate", "agent.db")
    for words in (["search", "agent.db", "ferry"], ["context", "agent.db", "ferry"]):
        shown = process(*words).stdout
        assert long.strip() in shown
        assert not ANSI.search(shown)
    assert not ANSI.search(process("show", "agent.db", "--depth", "4").stdout)
    assert json.loads(process("search", "agent.db", "ferry", "--json").stdout)[0]["text"] == long


def test_signs_that_the_terminal_lacks_do_no_harm(process: Process) -> None:
    process("add", "agent.db", "São Bento, 東京")
    done = process("search", "agent.db", "Bento", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "S?o Bento" in done.stdout


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    lines = [json.dumps({"content": f"Message {number} of the ferry.", "session": str(number)}) for number in range(3000)]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    lam = [sys.executable, "-m", "lamina"]
    subprocess.run(
        [*lam, "ingest", "m.db", "m.jsonl"], cwd=tmp_path, env=environment(), check=True, capture_output=True, timeout=60
    )
    child = subprocess.Popen(
        [*lam, "show", "m.db", "-d", "4", "-n", "3000"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    errors = child.stderr.read().decode()
    child.stderr.close()
    assert child.wait(timeout=60) in (0, -signal.SIGPIPE)
    assert errors == ""


def _stored(path: Path) -> int:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return int(database.execute("SELECT count(*) FROM item").fetchone()[0])
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ingest_stops_at_ctrl_c_and_goes_on_from_there(tmp_path: Path, process: Process, number: signal.Signals) -> None:
    rows = (
        {"content": f"Message {row} about the river.", "session": f"s{row // 100}", "role": "user"} for row in range(MESSAGES)
    )
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    child = subprocess.Popen(
        [sys.executable, "-m", "lamina", "ingest", "m.db", "m.jsonl"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not _stored(tmp_path / "m.db") and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    assert "goes on from there" in errors
    there = _stored(tmp_path / "m.db")
    assert 0 < there < MESSAGES
    assert f"{there:,} messages are safe" in errors
    assert process("doctor", "m.db").returncode == 0

    again = json.loads(process("ingest", "m.db", "m.jsonl", "--json").stdout)
    assert (again["read"], again["new"]) == (MESSAGES, MESSAGES - there)
    assert _stored(tmp_path / "m.db") == MESSAGES
    assert process("doctor", "m.db").returncode == 0
