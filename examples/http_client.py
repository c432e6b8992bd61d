"""A served memory and two clients: each has a token of its own, and neither sees what the other has stored."""

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from lamina import Memory
from lamina.server.http.lifecycle import Server
from lamina.server.http.settings import Serving
from lamina.server.tokens import TokenBook

PORT = 8429

with TemporaryDirectory() as folder, Memory(Path(folder) / "agent.db") as memory:
    tokens = {name: TokenBook(memory.store).create(f"/{name}", "write")[1] for name in ("ana", "ben")}
    server = Server(memory, Serving(port=PORT))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)

    def client(name: str) -> httpx.Client:
        """A client that brings its token with every request."""
        headers = {"Authorization": f"Bearer {tokens[name]}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=60, trust_env=False)

    with client("ana") as ana, client("ben") as ben:
        added = ana.post("/v1/memories", json={"content": "I moved from Porto to Lisbon in March.", "speaker": "Ana"})
        [id] = added.raise_for_status().json()["ids"]
        found = ana.post("/v1/search", json={"cue": "where does Ana live?"}).json()["hits"]
        print("Ana finds:", found[0]["text"])
        print(ana.post("/v1/context", json={"cue": "where does Ana live?", "budget": 200}).json()["text"])

        print("Ben finds:", ben.post("/v1/search", json={"cue": "where does Ana live?"}).json()["hits"])
        print("Ben asks for it by its id:", ben.get(f"/v1/memories/{id}").json()["title"])

        with ana.stream("POST", "/v1/consolidate", json={}) as lines:
            print("Consolidation:", list(lines.iter_lines())[-1])

    server.stop()
    thread.join()
