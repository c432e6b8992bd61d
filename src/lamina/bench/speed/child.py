"""What is measured in a process of its own: memory after opening a file, and writes whose syncs somebody counts.

Run as `python -m lamina.bench.speed.child WHAT PATH …`; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

USER = "reader"
"""The scope of everything the benchmark writes."""

RESIDENT = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB", re.M)


def resident(path: str, *cues: str) -> dict[str, float]:
    """Open a file, search it, and tell what that took."""
    begin = time.perf_counter()
    from lamina import Memory

    memory = Memory(path, read_only=True)
    opened = time.perf_counter()
    memory.search(cues[0], k=20, user=USER)
    searched = time.perf_counter()
    for cue in cues[1:]:
        memory.search(cue, k=20, user=USER)
    found = {"open_seconds": opened - begin, "first_search_seconds": searched - opened}
    status = Path("/proc/self/status")
    if status.exists():
        taken = {name: 1024.0 * int(kilobytes) for name, kilobytes in RESIDENT.findall(status.read_text())}
        found |= {"resident_bytes": taken["VmRSS"], "resident_peak_bytes": taken["VmHWM"]}
    memory.close()
    return found | {"view_bytes": _view_bytes(path)}


def _view_bytes(path: str) -> float:
    from lamina.index.views import Views
    from lamina.scopes import make_scope
    from lamina.storage import open_store

    store = open_store(path, read_only=True)
    size = Views(store).get(make_scope(user=USER)).nbytes()
    store.close()
    return float(size)


def commits(path: str, count: str) -> dict[str, float]:
    """Write messages one by one at durability "power", with nothing embedded: as many commits as messages."""
    from lamina.keeping.echoes import Echoes
    from lamina.keeping.embedding import Embedding
    from lamina.keeping.messages import read_drafts
    from lamina.keeping.writer import Writer
    from lamina.records import Run
    from lamina.storage import open_store

    class Later:
        """Stands where the embedding would be told of new messages."""

        def notify(self) -> None:
            """Do nothing."""

    store = open_store(path, durability="power")
    writer = Writer(store, cast(Embedding, Later()), Echoes(), Run())
    for place in range(int(count)):
        writer.write(read_drafts(f"message {place} of many", session="one"), "")
    os._exit(0)  # closing the file would add syncs of its own


WHAT: Mapping[str, Callable[..., dict[str, float]]] = {"resident": resident, "commits": commits}


def ask(what: str, *arguments: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run this module in a fresh process, under another program if `before` names one."""
    command = [*before, sys.executable, "-m", "lamina.bench.speed.child", what, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(WHAT[sys.argv[1]](*sys.argv[2:])))
