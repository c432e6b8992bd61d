"""The clients of the benchmark, in a process of their own: `python -m lamina.bench.serving.load PLAN`; prints one JSON object.

Each client is a thread with one connection and the token of its own scope. It does one thing after another, drawn from the mix.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MIX: Final = {"add": 0.4, "search": 0.35, "context": 0.15, "get": 0.1}
"""Shares of what clients do: an agent stores a message or two for each one that it looks something up for."""


@dataclass
class Client:
    """One client.

    Parameters: `port`; `token`; `seed`; `cues`; `messages`, texts to add; `rate`, requests a second on average with pauses drawn
    from an exponential distribution (0: no pauses).
    """

    port: int
    token: str
    seed: int
    cues: list[str]
    messages: list[str]
    rate: float
    taken: list[tuple[str, float, float]] = field(default_factory=list)  # verb, when it began, seconds it took
    acknowledged: dict[str, str] = field(default_factory=dict)  # id → text
    refused: dict[str, int] = field(default_factory=dict)  # status or error → how often
    stopped: bool = False  # set by others: ends with what it is at

    def run(self, until: float) -> None:
        """Work until a moment of the monotonic clock, or until it is stopped."""
        self._random = random.Random(self.seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._pause()
        while time.monotonic() < until and not self.stopped:
            verb = self._random.choices(list(MIX), list(MIX.values()))[0]
            if verb == "get" and not self.acknowledged:
                verb = "add"
            begin = time.monotonic()
            if self._do(verb):
                self.taken.append((verb, begin, time.monotonic() - begin))
            self._pause()
        self._connection.close()

    def _pause(self) -> None:
        if self.rate:
            time.sleep(self._random.expovariate(self.rate))

    def _do(self, verb: str) -> bool:
        """One request; False where it was refused or failed."""
        text = ""
        if verb == "add":
            text = f"{self._random.choice(self.messages)} ({self.seed}-{len(self.acknowledged)})"
            found = self._ask("POST", "/v1/memories", {"content": text, "session": f"live {len(self.acknowledged) // 20}"})
        elif verb == "search":
            found = self._ask("POST", "/v1/search", {"cue": self._random.choice(self.cues), "k": 10})
        elif verb == "context":
            found = self._ask("POST", "/v1/context", {"cue": self._random.choice(self.cues), "budget": 800})
        else:
            found = self._ask("GET", f"/v1/memories/{self._random.choice(list(self.acknowledged))}")
        if found is not None and verb == "add":
            self.acknowledged[found["ids"][0]] = text
        return found is not None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # JSON values
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._refuse(type(error).__name__)
            return None
        if response.status >= 300:
            self._refuse(str(response.status))
            return None
        return json.loads(content)

    def _refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1
        time.sleep(0.05)


def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Run all clients of a plan; what they did, and the processor time that took."""
    clients = [
        Client(plan["port"], token, plan["seed"] + number, plan["cues"], plan["messages"], plan["rate"])
        for number, token in enumerate(plan["tokens"])
    ]
    begin = time.monotonic()
    until = begin + plan["seconds"]
    threads = [threading.Thread(target=client.run, args=(until,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused: dict[str, int] = {}
    for client in clients:
        for why, count in client.refused.items():
            refused[why] = refused.get(why, 0) + count
    return {
        "taken": [(verb, at - begin, seconds) for client in clients for verb, at, seconds in client.taken],
        "acknowledged": {id: text for client in clients for id, text in client.acknowledged.items()},
        "refused": refused,
        "processor": time.process_time(),
        "elapsed": time.monotonic() - begin,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
