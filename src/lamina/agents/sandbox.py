"""Runs Python that a model wrote: in a process of its own, without network, in a small world, within limits.

Linux with namespaces is needed for that (`unshare` of util-linux; kernel 5.12 or newer). Where they cannot be had the code is refused,
unless `network="allow"` says that it may be run as a plain process: with the limits, but seeing the network and the user's files.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal, get_args

from lamina.agents import confinement
from lamina.errors import InputError, LaminaError

Network = Literal["none", "allow"]
Ended = Literal["", "time", "processes"]

SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
)  # fmt: skip
"""What programs need of the system, where it is there."""
LARGEST: Final = 4 << 20
"""Bytes of a result that are brought back."""
GRACE: Final = 10.0
"""Seconds that the sandbox may take beside the code."""
FIRST_USER: Final = 200_000
USERS: Final = 100_000
"""Users whom nobody is: each run as the superuser becomes one of them, so that its processes are counted apart."""


class SandboxError(LaminaError):
    """Code of others cannot be confined here, and nothing was run."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended. `code`: its exit code, negative for a signal; `ended`: what it was ended for ("time", "processes"), if it was;
    `output`: what it wrote, standard error among it, cut in the middle where it was more than allowed (`cut` bytes left out);
    `files`: the results that were asked for and are there."""

    code: int
    output: str
    seconds: float
    ended: Ended = ""
    cut: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because its time was over."""
        return self.ended == "time"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Limits, and the runs within them.

    Parameters: `seconds` of one run; `memory` in bytes, of each process; `processes` at a time; `disk` in bytes, of all files
    together; `output` in bytes; `network`, "none" or "allow" (see the module); `python`, the interpreter that runs the code, with the
    packages it has.

    >>> ran = Sandbox(seconds=10, network="allow").run(["main.py"], {"main.py": "print(6 * 7)"})
    >>> ran.code, ran.output
    (0, '42\\n')
    """

    seconds: float = 60.0
    memory: int = 1 << 30
    processes: int = 32
    disk: int = 64 << 20
    output: int = 20_000
    network: Network = "none"
    python: str = sys.executable

    def __post_init__(self) -> None:
        for name in ("seconds", "memory", "processes", "disk", "output"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                raise InputError(f"{name} of a sandbox must be a number above 0, not {value!r}")
        if self.network not in get_args(Network):
            raise InputError(f"{self.network!r} is not a network of a sandbox: use 'none' or 'allow'")

    def check(self) -> None:
        """Raise `SandboxError` where nothing could be run."""
        if confined(self.python) is None and self.network == "none":
            raise SandboxError(
                "code that a model wrote cannot be run without network and apart from your files here: that needs Linux with 'unshare' "
                "and user namespaces. Run it there, or allow it to run as a plain process (network='allow') where that can do no harm"
            )

    def run(
        self,
        arguments: Sequence[str],
        files: Mapping[str, str],
        *,
        seconds: float | None = None,
        results: Sequence[str] = (),
    ) -> Ran:
        """Run the interpreter with these arguments in a folder with these files (path to text), which goes afterwards.

        `results`: paths in that folder of files to bring back. Whatever the code does, this returns; raises `SandboxError` where it
        cannot be confined.
        """
        limit = self.seconds if seconds is None else min(seconds, self.seconds)
        self.check()
        way = confined(self.python)
        with tempfile.TemporaryDirectory(prefix="lamina-run-", ignore_cleanup_errors=True) as folder:
            base = Path(os.path.realpath(folder))
            for name in ("work", "out", "root"):
                (base / name).mkdir()
            _lay_out(base / "work", files)
            if way is None:
                return self._plain(arguments, base / "work", limit, results)
            return self._confined(way, arguments, base, limit, results)

    def _confined(self, way: tuple[str, ...], arguments: Sequence[str], base: Path, limit: float, results: Sequence[str]) -> Ran:
        told = {
            **{name: str(base / name) for name in ("work", "out", "root")},
            "visible": [*SYSTEM, *_homes(self.python)],
            "command": [self.python, *arguments],
            "environment": _environment(confinement.WORK, "/tmp"),
            "user": FIRST_USER + secrets.randbelow(USERS) if "--user" not in way else 0,
            "results": list(results),
            "largest": LARGEST,
            **self._limits(limit),
        }
        apart = way if self.network == "none" else tuple(one for one in way if one != "--net")
        command = [*apart, self.python, "-I", "-S", "-c", _script(), json.dumps(told)]
        ran = _watched(command, str(base / "out"), _environment(str(base), str(base)), limit + GRACE, self.output)
        try:
            said = json.loads((base / "out" / "said").read_bytes())
        except (OSError, ValueError):
            if ran.ended:  # the first program itself was ended from outside
                return ran
            raise SandboxError(f"the sandbox failed, and nothing was run: {ran.output.strip()[-300:]}") from None
        found = {
            name: (base / "out" / str(place)).read_bytes()
            for place, name in enumerate(results)
            if (base / "out" / str(place)).is_file()
        }
        return Ran(said["code"], ran.output, ran.seconds, said["ended"], ran.cut, found)

    def _plain(self, arguments: Sequence[str], work: Path, limit: float, results: Sequence[str]) -> Ran:
        """A plain process with the limits a process can have."""
        told = {**self._limits(limit), "processes": 0}
        script = f"{_script(main=False)}\nlimit(json.loads(sys.argv[1]))\nos.execv(sys.argv[2], sys.argv[2:])"
        command = [self.python, "-I", "-S", "-c", script, json.dumps(told), self.python, *arguments]
        ran = _watched(command, str(work), _environment(str(work), str(work)), limit, self.output)
        found: dict[str, bytes] = {}
        for name in results:
            path = work / name
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    found[name] = file.read(LARGEST)
        return Ran(ran.code, ran.output.replace(str(work), confinement.WORK), ran.seconds, ran.ended, ran.cut, found)

    def _limits(self, seconds: float) -> dict[str, Any]:
        return {"seconds": seconds, "memory": int(self.memory), "disk": int(self.disk), "processes": int(self.processes)}


@functools.cache
def confined(python: str = sys.executable) -> tuple[str, ...] | None:
    """The command that puts a program into namespaces of its own here, tried once; None where there is none that works."""
    tool = shutil.which("unshare")
    if tool is None or not sys.platform.startswith("linux"):
        return None
    apart = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
    # the superuser of the machine needs no user namespace, and in one of its own the kernel would not count its processes
    way = (tool, *apart) if os.geteuid() == 0 else (tool, "--user", "--map-root-user", *apart)
    sandbox = Sandbox(seconds=10, output=1000, python=python)
    with tempfile.TemporaryDirectory(prefix="lamina-run-") as folder, contextlib.suppress(SandboxError, OSError):
        base = Path(os.path.realpath(folder))
        for name in ("work", "out", "root"):
            (base / name).mkdir()
        if sandbox._confined(way, ["-I", "-S", "-c", "print('here')"], base, 10, ()).output == "here\n":
            return way
    return None


@functools.cache
def _homes(python: str) -> tuple[str, ...]:
    """The folders that an interpreter needs: where it is installed, and the environment it belongs to."""
    code = "import sys; print('\\n'.join(dict.fromkeys((sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix))))"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        raise InputError(f"{python!r} is not a Python interpreter that can be started") from None
    found = [*done.stdout.splitlines(), os.path.dirname(os.path.realpath(python))]
    kept: list[str] = []
    for path in sorted(dict.fromkeys(found), key=len):
        if not any(path == one or path.startswith(one + "/") for one in [*kept, *SYSTEM]):
            kept.append(path)
    return tuple(kept)


@functools.cache
def _script(main: bool = True) -> str:
    text = Path(confinement.__file__).read_text(encoding="utf-8")
    return text if main else text.partition('\nif __name__ == "__main__":')[0]


def _environment(home: str, temporary: str) -> dict[str, str]:
    """What the code is told of where it runs: nothing of the user's own environment."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "TMPDIR": temporary, "LANG": "C.UTF-8", "TZ": "UTC",
        "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip


def _lay_out(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder):
            raise InputError(f"{name!r} leads out of the folder that code runs in")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def _watched(command: Sequence[str], folder: str, environment: Mapping[str, str], limit: float, most: int) -> Ran:
    """Run a command in a session of its own; when its time is over, kill all of it."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    kept = _Kept(most)
    reader = threading.Thread(target=kept.read, args=(process.stdout,), daemon=True)
    reader.start()
    ended: Ended = ""
    try:
        code = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        ended, code = "time", -int(signal.SIGKILL)
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # it is a group of its own; what it left behind goes too
        process.wait()
    reader.join(timeout=1)  # a process that left the group may still hold the pipe: what it says is not waited for
    return Ran(code, kept.text, time.monotonic() - began, ended, kept.left_out)


class _Kept:
    """The beginning and the end of what a process writes: half of what is allowed each."""

    def __init__(self, most: int) -> None:
        self._half = max(most // 2, 1)
        self._head, self._tail = bytearray(), bytearray()
        self._total = 0

    def read(self, pipe: IO[bytes]) -> None:
        """Until nobody writes any more."""
        with pipe, contextlib.suppress(OSError, ValueError):
            while block := os.read(pipe.fileno(), 1 << 16):
                self._total += len(block)
                room = self._half - len(self._head)
                self._head += block[:room] if room > 0 else b""
                self._tail = (self._tail + (block[room:] if room > 0 else block))[-self._half :]

    @property
    def left_out(self) -> int:
        """Bytes that are not kept."""
        return self._total - len(self._head) - len(self._tail)

    @property
    def text(self) -> str:
        """What is kept, with a mark where something is left out."""
        head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        return f"{head}\n[… {self.left_out:,} bytes left out …]\n{tail}" if self.left_out else head + tail
