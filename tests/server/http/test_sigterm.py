"""A server that is told to end while clients write: what it acknowledged is in the file."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import pytest

from lamina import Memory
from lamina.bench.serving import serving
from lamina.bench.serving.load import Client
from lamina.server.tokens import TokenBook


def end_under_load(path: Path, seconds: float, seed: int, workers: int = 1, least: int = 1) -> int:
    """End a server after so many seconds, and not before it has acknowledged so much; how much it was in all."""
    with Memory(path) as memory:
        tokens = [TokenBook(memory.store).create(f"/user{n}", "write")[1] for n in range(8)]
    with serving(path, "--rate", "0", "--workers", str(workers)) as (port, process):
        clients = [
            Client(port, token, seed + n, ["where is the kettle?"], ["The kettle is blue."], 0) for n, token in enumerate(tokens)
        ]
        patience = time.monotonic() + seconds + 60
        threads = [threading.Thread(target=client.run, args=(patience,)) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        while sum(len(client.acknowledged) for client in clients) < least and time.monotonic() < patience:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        time.sleep(0.5)  # they try on
        for client in clients:
            client.stopped = True
        for thread in threads:
            thread.join()
    acknowledged = {id: text for client in clients for id, text in client.acknowledged.items()}
    assert acknowledged
    with Memory(path, read_only=True) as memory:
        found = memory.store.items.get(list(acknowledged))
        assert [item and item.text for item in found] == list(acknowledged.values())
        assert memory.doctor() == []
    refused = {why for client in clients for why in client.refused}
    # nothing but a refused or a closed connection, and never half an answer
    assert refused <= {"ConnectionRefusedError", "RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}
    return len(acknowledged)


def test_what_was_acknowledged_survives_the_end_of_the_server(tmp_path: Path) -> None:
    assert end_under_load(tmp_path / "a.db", 1.0, 0, least=21) > 20


@pytest.mark.slow
def test_at_whatever_moment_it_ends(tmp_path: Path) -> None:
    generator = random.Random(0)
    for turn in range(20):
        end_under_load(tmp_path / f"{turn}.db", generator.uniform(0.05, 2.0), turn * 100, workers=1 + turn % 2)
