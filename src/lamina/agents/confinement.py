"""The first program in a sandbox: it builds the small world that the code of others sees, starts that code, and ends with it.

It is run as a script of its own, by `sandbox`, in new namespaces, and uses the standard library alone. The world is a file system in
memory: the interpreter and the system's libraries, read-only, a working folder and /tmp of limited size. The rest of the machine is not
in it. The code runs without any privilege, as another user where that can be, and all that it started ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any, Final

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2
MOUNT_SETATTR: Final = 442  # the same number on all machines
AT_FDCWD: Final = -100
AT_RECURSIVE: Final = 0x8000
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAPBSET_DROP: Final = 24
CAPABILITIES: Final = 64

WORK: Final = "/program"
"""Where the code lies in its world."""
DEVICES: Final = ("null", "zero", "full", "random", "urandom")
TICK: Final = 0.02
"""Seconds between two counts of the processes."""

TIMED_OUT: Final = 124
TOO_MANY: Final = 125
UNBUILT: Final = 126
"""What this program ends with where it ended the code, or could not start it. The code may end with the same: `said` tells which."""


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "namespace")]


def _checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _mount(libc: Any, source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    given = (source.encode(), os.fsencode(target), kind.encode() if kind else None, flags, data.encode() or None)
    _checked(libc.mount(given[0], given[1], given[2], ctypes.c_ulong(given[3]), given[4]), f"mount {target}")


def _protect(libc: Any, target: str, flags: int, recursive: bool = True) -> None:
    attributes = _Attributes(flags, 0, 0, 0)
    result = libc.syscall(
        MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), AT_RECURSIVE if recursive else 0,
        ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes)),
    )  # fmt: skip
    _checked(result, f"protect {target}")


def _show(libc: Any, root: str, path: str) -> None:
    """Make a file or folder of the machine visible at the same place, read-only."""
    target = root + path
    if os.path.islink(path):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    _mount(libc, path, target, None, MS_BIND | MS_REC)
    _protect(libc, target, MS_RDONLY | MS_NOSUID)


def _build(libc: Any, told: dict[str, Any]) -> None:
    """The world: what is shown, devices, a folder for the work and one for what is temporary; then nothing else."""
    bottom, root = told["root"], told["root"] + "/world"
    _mount(libc, "none", "/", None, MS_REC | MS_PRIVATE)
    _mount(libc, "none", bottom, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path in told["visible"]:
        if os.path.lexists(path) and not os.path.lexists(root + path):
            _show(libc, root, path)
    for name in ("dev", "proc", "tmp", WORK[1:], "../old"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    for name in DEVICES:
        Path(f"{root}/dev/{name}").touch()
        _mount(libc, f"/dev/{name}", f"{root}/dev/{name}", None, MS_BIND)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{root}/dev/{name}")
    os.makedirs(f"{root}/dev/shm", exist_ok=True)
    for place in ("/tmp", "/dev/shm", WORK):
        _mount(libc, "none", root + place, "tmpfs", MS_NOSUID | MS_NODEV, f"size={told['disk']},mode=1777,nr_inodes=20000")
    with contextlib.suppress(OSError):  # where it may not be mounted, processes are counted by the kernel alone
        _mount(libc, "none", root + "/proc", "proc", MS_NOSUID | MS_NODEV)
    shutil.copytree(told["work"], root + WORK, dirs_exist_ok=True, copy_function=shutil.copyfile)
    _checked(libc.pivot_root(os.fsencode(bottom), os.fsencode(bottom + "/old")), "pivot_root")
    os.chdir("/")
    _checked(libc.umount2(b"/old", MNT_DETACH), "umount2")
    os.rmdir("/old")
    _protect(libc, "/", MS_RDONLY, recursive=False)
    os.chroot("/world")  # whoever lives below the bottom may make no user namespace, in which it would be privileged again
    os.chdir(WORK)


def _give_away(user: int) -> None:
    """Hand the working folder to another user."""
    for folder, _, names in os.walk("."):
        os.chown(folder, user, user)
        for name in names:
            os.chown(os.path.join(folder, name), user, user)


def limit(told: dict[str, Any]) -> None:
    """The limits of this process and of those it starts; one below what is asked for stays."""
    wanted = {
        resource.RLIMIT_AS: told["memory"],
        resource.RLIMIT_FSIZE: told["disk"],
        resource.RLIMIT_NPROC: told["processes"] or resource.RLIM_INFINITY,
        resource.RLIMIT_CPU: int(told["seconds"]) * 2 + 2,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in wanted.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or most > hard):
            most = hard
        with contextlib.suppress(ValueError, OSError):  # a system that lacks one of them
            resource.setrlimit(kind, (most, most))


def _become_nobody(libc: Any, user: int) -> None:
    """Drop every privilege for good: no capability can be gained again, whatever is run."""
    for number in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def _processes() -> int:
    try:
        return sum(name.isdigit() for name in os.listdir("/proc"))
    except OSError:
        return 0


def _wait(child: int, told: dict[str, Any]) -> tuple[int, str]:
    """Until the code ends, or is to be ended: its exit code, and why it was ended, if it was."""
    end = time.monotonic() + told["seconds"]
    while True:
        found, status = os.waitpid(-1, os.WNOHANG)
        while found not in (0, child):
            found, status = os.waitpid(-1, os.WNOHANG)
        if found == child:
            return os.waitstatus_to_exitcode(status), ""
        if time.monotonic() > end:
            return TIMED_OUT, "time"
        if _processes() > told["processes"] + 1:
            return TOO_MANY, "processes"
        time.sleep(TICK)


def _bring_back(told: dict[str, Any], out: int) -> None:
    """Copy the results that are asked for, if they are plain files of a decent size."""
    for place, name in enumerate(told["results"]):
        with contextlib.suppress(OSError):
            source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if not stat.S_ISREG(os.fstat(source).st_mode):
                    continue
                with os.fdopen(os.dup(source), "rb") as file:
                    content = file.read(told["largest"])
            finally:
                os.close(source)
            target = os.open(str(place), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=out)
            with os.fdopen(target, "wb") as file:
                file.write(content)


def main() -> int:
    """Build the world, run the code in it, bring back its results, say how it ended."""
    told = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    out = os.open(told["out"], os.O_RDONLY | os.O_DIRECTORY)
    try:
        _build(libc, told)
        if told["user"]:
            _give_away(told["user"])
    except OSError as error:
        os.write(2, f"the sandbox cannot be built: {error}\n".encode())
        return UNBUILT
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            _become_nobody(libc, told["user"])
            limit(told)
            os.execve(told["command"][0], told["command"], told["environment"])
        except OSError as error:
            os.write(2, f"the sandbox cannot start the code: {error}\n".encode())
        os._exit(UNBUILT)
    code, ended = _wait(child, told)
    if ended:
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)
    _bring_back(told, out)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=out)
    os.write(said, json.dumps({"code": code, "ended": ended}).encode())
    os.close(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
