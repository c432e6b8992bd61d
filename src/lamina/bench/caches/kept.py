"""A folder of what was measured already, one JSON object a line, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Kept:
    """Records by everything that they depend on.

    Parameters: `folder`, None to keep them in memory alone; `name` of the file in it. What was written half when a run was ended is left out.

    >>> kept = Kept(None, "needle")
    >>> kept.put({"length": 512}, {"right": 1.0})
    >>> kept.get({"length": 512}), kept.get({"length": 1024})
    ({'right': 1.0}, None)
    """

    def __init__(self, folder: str | Path | None, name: str) -> None:
        self._path = None if folder is None else Path(folder) / f"{name}.jsonl"
        self._found: dict[str, dict[str, Any]] = {}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for line in self._path.read_text("utf-8").splitlines() if self._path.exists() else ():
            try:
                record = json.loads(line)
                self._found[record["key"]] = record["value"]
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """What was measured with this key; None where it was not."""
        return self._found.get(_digest(key))

    def put(self, key: Mapping[str, Any], value: dict[str, Any]) -> None:
        """Keep what was measured."""
        self._found[_digest(key)] = value
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:  # on a line of its own, also after one that was cut off
                file.write("\n" + json.dumps({"key": _digest(key), "of": key, "value": value}, ensure_ascii=False) + "\n")


def _digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
