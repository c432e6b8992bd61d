"""Processes that hold indexes, and the folder that keeps what they built."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from lamina.bench.indexes.sets import Say, VectorSet
from lamina.bench.indexes.systems import System
from lamina.bench.indexes.truth import size_on_disk
from lamina.errors import LaminaError

ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ProcessFailedError(LaminaError):
    """An index could not be built, opened or asked."""


class Child:
    """A process with one system's index, which answers one request at a time. Use it in a `with`."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the `with`
        self._process = subprocess.Popen(
            system.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """What the process answers; raises `ProcessFailedError` where it cannot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:]
            raise ProcessFailedError(f"{self.system.name} ended ({self._process.returncode}) at {do}: {''.join(last)}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise ProcessFailedError(f"{self.system.name} failed at {do}: {told['error']}")
        return told

    def ready(self, data: VectorSet) -> None:
        """Load code and queries."""
        queries = {kind: str(data.asked(kind)) for kind in data.queries}
        self.ask("ready", queries=queries, setting=dict(self.system.settings[0]))

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        if kind is not None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


class Kept:
    """What was built, by set, system, parameters and version.

    Parameters: `work`, the folder; `again`, whether to build what is there already.
    """

    def __init__(self, work: Path, again: bool, say: Say) -> None:
        self.work, self.again, self.say = work, again, say
        self._done: set[Path] = set()
        self.failed: list[str] = []

    def build_all(self, systems: list[System], data: VectorSet) -> dict[str, dict[str, float]]:
        """By name what building took; another library's that could not be built is left out, and named in `failed`."""
        took = {}
        for system in systems:
            try:
                took[system.name] = self.build(system, data)
            except ProcessFailedError as error:
                if system.ours:
                    raise
                self.failed.append(f"{data.name} {data.count:,}: {error}")
        return took

    def place(self, system: System, data: VectorSet) -> Path:
        """Where its files lie."""
        told = json.dumps([data.checksum, system.kind, dict(system.parameters), system.version], sort_keys=True)
        name = f"{system.built_as or system.name}-{data.name}-{data.count}"
        return self.work / "built" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def build(self, system: System, data: VectorSet, threads: int = 1) -> dict[str, float]:
        """Build the system's index where it is not there; what that took, now or then."""
        folder = self.place(system, data)
        if threads > 1:
            folder = folder.with_name(f"{folder.name}-{threads}")
        told = folder / "built.json"
        if told.exists() and (not self.again or folder in self._done):
            return dict(json.loads(told.read_text()))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.say(f"index: {system.name} builds {data.name} of {data.count:,} with {threads} thread{'s' * (threads > 1)}")
        with Child(system) as child:
            child.ready(data)  # so that neither loading nor compiling is counted
            took = child.ask("build", base=str(data.base), folder=str(folder), threads=threads)
        found = {
            "build_seconds": took["seconds"],
            "build_processor_seconds": took["processor_seconds"],
            "bytes_on_disk": size_on_disk(folder),
        }
        if threads > 1:  # what it took is all that is wanted
            shutil.rmtree(folder)
            folder.mkdir()
        told.write_text(json.dumps(found))
        self._done.add(folder)
        return found
