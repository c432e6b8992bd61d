"""How the HTTP server answers many clients at once: a file of many scopes, a client for each, paced and without pauses.

The server is a process of its own, started by the command that users start it with; so are the clients, on the same cores: how much of a
core each took is told. Every id that was acknowledged is looked for in the file when the server has been ended by SIGTERM.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from lamina.bench.demo import collection
from lamina.bench.results import Result, Row
from lamina.bench.serving.load import MIX
from lamina.bench.speed.corpus import Corpus
from lamina.errors import InputError, ModelError
from lamina.memory import Memory

WARM: Final = 5.0  # seconds at the beginning of a phase that do not count: views are read for the first time
SETTLE: Final = 60.0  # seconds to wait for a server to begin or to end


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    memories: int = 100_000,
    clients: int = 16,
    seconds: float = 120,
    rate: float = 3.0,
    paced: bool = True,
    workers: int = 1,
    readers: int = 2,
    keep: str | None = None,
) -> Result:
    """Measure both phases.

    Parameters: `memories` in all, an equal share in the scope of each of the `clients`; `seconds` of each phase; `rate`, requests a second of
    each client in the paced phase; `paced`, whether there is that phase at all; `workers`, processes that serve; `readers`, threads of
    each that recall; `keep`, a file to keep the memories in for another run.
    """
    if min(memories // clients if clients > 0 else 0, clients, seconds, rate) <= 0:
        raise InputError("memories, clients, seconds and rate must be more than 0, with a memory for each client at least")
    asked = collection()
    corpus = Corpus([(one.speaker or "somebody", one.text) for one in asked.passages], seed)
    messages = list(corpus.messages(memories))
    cues = [one.text for one in asked.questions]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path = Path(keep) if keep is not None else folder / "served.db"
        if not path.exists():
            progress(f"serving: {memories:,} memories in {clients} scopes")
            _fill(path, messages, clients)
        tokens = [_token(path, _scope(number)) for number in range(clients)]
        plan = {
            "tokens": tokens, "cues": cues, "messages": [one["content"] for one in random.Random(seed).sample(messages, min(2_000, memories))],
            "seconds": seconds + WARM,
        }  # fmt: skip
        for name, pace in ((("paced", rate),) if paced else ()) + (("without pauses", 0.0),):
            progress(f"serving: {name}, {seconds:g} seconds")
            with serving(path, "--rate", "0", "--workers", str(workers), "--readers", str(readers)) as (port, process):
                rows.append(
                    _phase(name, {**plan, "port": port, "rate": pace, "seed": seed + len(rows) * 1_000}, process, folder, path)
                )
        _revoke_all(path, tokens)
    config = {
        "memories": memories, "clients": clients, "scopes": clients, "seconds": seconds, "rate_per_client": rate, "mix": MIX, "k": 10,
        "budget": 800, "seed": seed, "warm_seconds": WARM, "workers": workers, "readers": readers, "embedder": "wordllama", "durability": "process",
    }  # fmt: skip
    return Result("serving", "recombined sentences of the packaged conversation", config, rows)


def _scope(number: int) -> str:
    return f"/user{number}"


def _fill(path: Path, messages: Sequence[Mapping[str, Any]], clients: int) -> None:
    share = len(messages) // clients
    with Memory(path) as memory:
        for number in range(clients):
            memory.add_many(messages[number * share : (number + 1) * share], scope=_scope(number))
        memory.flush()


def _lamina(*words: str) -> list[str]:
    return [sys.executable, "-m", "lamina", *words]


def _token(path: Path, scope: str) -> str:
    made = subprocess.run(
        _lamina("token", "create", str(path), "--scope", scope, "--right", "write", "--json"),
        capture_output=True,
        text=True,
        check=True,
    )
    token: str = json.loads(made.stdout)["token"]
    return token


def _revoke_all(path: Path, tokens: Sequence[str]) -> None:
    for token in tokens:
        subprocess.run(_lamina("token", "revoke", str(path), token.split("_")[1]), capture_output=True, check=True)


@contextmanager
def serving(path: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server on a free port in a process of its own, ready; ended at the latest when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(_lamina("serve", str(path), "--port", str(port), *options), stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + SETTLE
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    said = process.stderr.read().decode() if process.stderr is not None and process.poll() is not None else ""
                    raise ModelError(f"the server did not begin: {said.strip() or 'it took too long'}") from None
                time.sleep(0.1)
        yield port, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _phase(name: str, plan: dict[str, Any], process: subprocess.Popen[bytes], folder: Path, path: Path) -> Row:
    """One phase: the load, the end of the server, and the search for what was acknowledged."""
    written = folder / "plan.json"
    written.write_text(json.dumps(plan), encoding="utf-8")
    before = _processor(process.pid)
    ran = subprocess.run(
        [sys.executable, "-m", "lamina.bench.serving.load", str(written)], capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout)
    used = _processor(process.pid) - before
    process.send_signal(signal.SIGTERM)
    process.wait(SETTLE)
    with Memory(path, read_only=True) as memory:
        items = dict(zip(found["acknowledged"], memory.store.items.get(list(found["acknowledged"])), strict=True))
    lost = sum(1 for id, text in found["acknowledged"].items() if items[id] is None or items[id].text != text)
    taken = [(verb, took) for verb, at, took in found["taken"] if at >= WARM]
    every = [took for _, took in taken]
    metrics = {
        "requests": float(len(found["taken"])), "per_second": len(taken) / (found["elapsed"] - WARM),
        **_latencies(every), "refused": float(sum(found["refused"].values())), "acknowledged": float(len(items)), "lost": float(lost),
        "server_cores": used / found["elapsed"], "clients_cores": found["processor"] / found["elapsed"],
        "exit_code": float(process.returncode), "load_average": os.getloadavg()[0],
    }  # fmt: skip
    by = {verb: _latencies([took for one, took in taken if one == verb]) for verb in MIX}
    return Row(name, metrics, {**by, **{f"refused {why}": {"requests": float(count)} for why, count in found["refused"].items()}})


def _latencies(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    values = np.quantile(np.asarray(seconds), [0.5, 0.95, 0.99, 1.0])
    names = ("p50_seconds", "p95_seconds", "p99_seconds", "max_seconds")
    return {"counted": float(len(seconds)), **dict(zip(names, values.tolist(), strict=True))}


def _processor(pid: int) -> float:
    """Seconds of processor time that a process and its children have taken; 0 where the system does not say."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(_processor(int(child)) for child in children)
