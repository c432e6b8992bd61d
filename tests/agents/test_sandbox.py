"""Code of others: whatever it does, it ends in time, stays in its folder, and reaches nobody."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lamina.agents import sandbox as rooms
from lamina.agents.sandbox import Ran, Sandbox, SandboxError, confined
from lamina.errors import InputError

needs_namespaces = pytest.mark.skipif(confined() is None, reason="namespaces cannot be made here")
QUICK = Sandbox(seconds=5, memory=256 << 20, processes=10, disk=4 << 20, output=2000)


def run(code: str, sandbox: Sandbox = QUICK, **given: object) -> Ran:
    return sandbox.run(["main.py"], {"main.py": code}, **given)  # type: ignore[arg-type]


@needs_namespaces
def test_code_runs_among_its_files_and_nothing_of_the_user_is_there() -> None:
    code = """
import os, data.values
assert data.values.n == 3
print(sorted(name for name in os.listdir('/') if name in ('home', 'program', 'mnt', 'srv')), os.getcwd(), os.environ.get('LAMINA_SECRET'))
print(os.path.exists('/etc/passwd'), os.listdir('/tmp'), open('data/text.txt').read())
"""
    os.environ["LAMINA_SECRET"] = "x"
    try:
        ran = QUICK.run(["main.py"], {"main.py": code, "data/values.py": "n = 3", "data/text.txt": "é\r\n"})
    finally:
        del os.environ["LAMINA_SECRET"]
    assert ran.output == "['program'] /program None\nFalse [] é\n\n", ran.output
    assert ran.code == 0


@needs_namespaces
def test_a_loop_without_end_is_ended() -> None:
    began = time.monotonic()
    ran = run("print('begun', flush=True)\nwhile True: pass", seconds=0.5)
    assert ran.timed_out
    assert ran.output == "begun\n"
    assert time.monotonic() - began < 5


@needs_namespaces
def test_memory_has_a_limit() -> None:
    ran = run("x = []\nwhile True: x.append(bytearray(1 << 22))", Sandbox(seconds=10, memory=96 << 20))
    assert ran.code != 0
    assert "MemoryError" in ran.output


@needs_namespaces
def test_a_fork_bomb_stays_small_and_goes_out() -> None:
    code = """
import os, time
made = 0
for _ in range(100):
    try:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
    except OSError:
        pass
print(made, flush=True)
time.sleep(60)
"""
    ran = run(code, seconds=1)
    made = int(ran.output.splitlines()[0]) if ran.output.strip() else 0
    assert made < 12
    assert ran.ended in ("time", "processes")


@needs_namespaces
def test_processes_that_leave_their_group_end_with_the_run() -> None:
    mark = "lamina-test-orphan"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', {mark!r}], start_new_session=True)"
    ran = run(code)
    assert (ran.code, ran.ended) == (0, "")
    assert ran.seconds < 4
    if Path("/proc").is_dir():
        alive = [
            path
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if path.parent.name != str(os.getpid()) and mark.encode() in _bytes(path)
        ]
        assert not alive


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@needs_namespaces
@pytest.mark.parametrize(
    "place", ["/etc/mine", "/usr/mine", "/mine", "../mine", "/bin/mine", "/proc/sys/kernel/hostname", "/dev/mine"]
)
def test_nothing_is_written_outside(place: str) -> None:
    ran = run(f"open({place!r}, 'w').write('x')")
    assert ran.code == 1
    assert any(word in ran.output for word in ("Read-only", "Permission", "No such file"))


@needs_namespaces
def test_there_is_no_network() -> None:
    code = """
import socket
for family, address in ((socket.AF_INET, ('1.1.1.1', 53)), (socket.AF_INET, ('127.0.0.1', 22)), (socket.AF_INET6, ('::1', 22))):
    try:
        socket.socket(family).connect(address)
        print('reached', address)
    except OSError as error:
        print('not reached')
print(socket.if_nameindex())
"""
    assert run(code).output.splitlines()[:3] == ["not reached"] * 3


@needs_namespaces
def test_output_without_end_is_cut_in_the_middle() -> None:
    ran = run("import sys\nprint('first')\nfor _ in range(20000): sys.stdout.write('x' * 100)\nprint('\\nlast')")
    assert ran.cut > 1_900_000
    assert len(ran.output) < 2200
    assert ran.output.startswith("first")
    assert ran.output.endswith("last\n")


@needs_namespaces
def test_disk_has_a_limit() -> None:
    ran = run("for n in range(100): open(f'f{n}', 'wb').write(bytes(1 << 20))")
    assert ran.code == 1
    assert "space" in ran.output or "too large" in ran.output


@needs_namespaces
def test_privileges_cannot_be_had_back() -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print([libc.unshare(flag) for flag in (0x10000000, 0x00020000, 0x40000000)])
print(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), libc.umount2(b'/program', 2), libc.chroot(b'/tmp'))
for act in (lambda: os.setuid(0) or os.listdir('/root') and 1 / 0, lambda: os.kill(1, 9)):
    try: act()
    except (OSError, ZeroDivisionError) as error: pass
print('still here')
"""
    ran = run(code)
    assert ran.output == "[-1, -1, -1]\n-1 -1 -1\nstill here\n", ran.output


@needs_namespaces
def test_results_come_back_and_links_do_not() -> None:
    code = (
        "import os\nopen('good', 'w').write('yes')\nos.symlink('/etc/ld.so.cache', 'link')\nos.mkdir('folder')\nos.mkfifo('pipe')"
    )
    ran = run(code, results=["good", "link", "folder", "pipe", "none"])
    assert ran.files == {"good": b"yes"}


@needs_namespaces
def test_the_exit_code_and_the_signal_are_told() -> None:
    assert run("raise SystemExit(7)").code == 7
    assert run("import os; os.kill(os.getpid(), 11)").code == -11
    assert run("1 +").code == 1


def test_without_namespaces_code_is_refused_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "confined", lambda python: None)
    with pytest.raises(SandboxError, match="network='allow'"):
        run("print(1)")
    allowed = Sandbox(seconds=5, network="allow", output=1000)
    assert run("import os; print(os.path.basename(os.getcwd()), __file__)", allowed).output == "work /program/main.py\n"
    assert run("while True: pass", allowed, seconds=0.5).timed_out
    assert run("open('r', 'w').write('x')", allowed, results=["r"]).files == {"r": b"x"}


def test_limits_and_files_that_make_no_sense_are_refused() -> None:
    for given in ({"seconds": 0}, {"memory": -1}, {"processes": float("nan")}, {"output": True}, {"disk": "much"}):
        with pytest.raises(InputError, match="must be a number above 0"):
            Sandbox(**given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'none' or 'allow'"):
        Sandbox(network="some")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a Python interpreter"):
        rooms._homes("/no/such/python")
    if confined() is not None:
        with pytest.raises(InputError, match="leads out"):
            QUICK.run(["main.py"], {"../main.py": ""})
