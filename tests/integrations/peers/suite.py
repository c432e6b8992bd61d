"""A peer's own tests, run against an adapter: taken from its source distribution at run time, never kept in the repository.

The tests run as they are, in a folder of their own, with a plugin of ours that puts the adapter in the place of the peer's class.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build" / "peer-tests"


@dataclass(frozen=True)
class PeerSuite:
    """Tests of a peer and how they are run.

    `package` and `version` name the source distribution; `files` are the test files in it, kept under their paths; `plugin` is the module that
    puts the adapter in place; `left_out` maps what is not run (names as `file::test`, all its parameters) to the reason.
    """

    package: str
    version: str
    files: Sequence[str]
    plugin: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()

    def source(self) -> Path:
        """The unpacked source distribution, downloaded where it is not there yet; skips the test where that fails.

        PEER_<PACKAGE> names a folder that takes its place, for packages whose distribution holds no tests.
        """
        given = os.environ.get(f"PEER_{self.package.replace('-', '_').upper()}")
        if given:
            return Path(given).resolve()
        BUILD.mkdir(parents=True, exist_ok=True)
        stem = f"{self.package.replace('-', '_')}-{self.version}"
        folder = BUILD / stem
        if folder.is_dir():
            return folder
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-binary",
            ":all:",
        ]
        done = subprocess.run(
            [*command, "--dest", str(BUILD), f"{self.package}=={self.version}"], capture_output=True, text=True, check=False
        )
        archive = next(
            (path for path in BUILD.glob("*.tar.gz") if path.name.replace("-", "_").startswith(stem.replace("-", "_"))), None
        )
        if archive is None:
            pytest.skip(f"the source of {self.package} {self.version} could not be downloaded: {done.stderr.strip()[-200:]}")
        with tarfile.open(archive) as packed:
            packed.extractall(BUILD, filter="data")
        return next(path for path in BUILD.iterdir() if path.is_dir() and path.name.replace("-", "_") == stem.replace("-", "_"))

    def run(self, folder: Path) -> Outcome:
        """Run the tests in an empty folder."""
        source = self.source()
        missing = [name for name in self.files if not (source / name).is_file()]
        if missing:
            pytest.skip(f"the source of {self.package} {self.version} holds no {missing[0]}")
        for name in self.files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target)
        report = folder / "report.xml"
        deselected = [option for name in self.left_out for option in ("--deselect", name)]
        path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent), str(folder)])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", self.plugin, "--rootdir", str(folder), "-c", os.devnull, "-o", "asyncio_mode=auto",
             "--junitxml", str(report), "-p", "no:cacheprovider", *self.options, *deselected, *[name for name in self.files if "test_" in Path(name).name]],
            cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert report.exists(), done.stdout + done.stderr
        root = ET.parse(report).getroot()
        suite = root if root.tag == "testsuite" else root[0]
        numbers = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        return Outcome(numbers["tests"], numbers["failures"] + numbers["errors"], numbers["skipped"], done.stdout)


def check(suite: PeerSuite, folder: Path, least: int) -> None:
    """Run a suite; fail where a test of it fails, or where fewer ran than there are at least."""
    outcome = suite.run(folder)
    print(f"{suite.package} {suite.version}: {outcome}; left out: {dict(suite.left_out)}")
    assert outcome.run >= least
    assert not outcome.failed, outcome.output


@dataclass(frozen=True)
class Outcome:
    """How a peer's tests went, and what pytest printed."""

    run: int
    failed: int
    skipped: int
    output: str

    def __str__(self) -> str:
        return f"{self.run} run, {self.failed} failed, {self.skipped} skipped by themselves"
