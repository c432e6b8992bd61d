"""Processes that answer one JSON object a line with one: what is measured in another process, or by another interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from lamina.errors import LaminaError

ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ProcessFailedError(LaminaError):
    """A process ended, or could not do what it was asked for."""


class Asked:
    """A process that answers one request at a time. Use it in a `with`.

    Parameters: `name`, for errors; `command`, what is started, with one thread.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the `with`
        self._process = subprocess.Popen(
            list(command),
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
            raise ProcessFailedError(f"{self.name} ended ({self._process.returncode}) at {do}: {''.join(last)}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise ProcessFailedError(f"{self.name} failed at {do}: {told['error']}")
        return told

    def __enter__(self) -> Self:
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
