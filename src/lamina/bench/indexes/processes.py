"""Processes that hold indexes, and the folder that keeps what they built."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from lamina.bench.indexes.sets import Say, VectorSet
from lamina.bench.indexes.systems import System
from lamina.bench.indexes.truth import size_on_disk
from lamina.bench.processes import Asked, ProcessFailedError


class Child(Asked):
    """A process with one system's index, which answers one request at a time. Use it in a `with`."""

    def __init__(self, system: System) -> None:
        super().__init__(system.name, system.command())
        self.system = system

    def ready(self, data: VectorSet) -> None:
        """Load code and queries."""
        queries = {kind: str(data.asked(kind)) for kind in data.queries}
        self.ask("ready", queries=queries, setting=dict(self.system.settings[0]))


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
