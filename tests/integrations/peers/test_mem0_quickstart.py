"""mem0's quickstart, as it stands in the README of its distribution, with our client in the place of its package and no key.

The quickstart calls a language model of OpenAI's for the answers; a stand-in without a network takes its place. Everything that concerns the memory runs for
real. mem0's own tests put mocks in the place of its model, embedder and vector store and look at the calls that these get, so
none of them can be run against another client.
"""

from __future__ import annotations

import builtins
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import lamina.integrations.mem0
from tests.integrations.peers.suite import PeerSuite


class StandIn:
    """OpenAI's client as far as the quickstart uses it; keeps what it was sent."""

    def __init__(self, **settings: Any) -> None:
        self.sent: list[list[dict[str, str]]] = []
        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(create=self.create))

    def create(self, *, model: str, messages: list[dict[str, str]], **more: Any) -> Any:
        self.sent.append(list(messages))
        message = types.SimpleNamespace(content="I see.")
        return types.SimpleNamespace(choices=[types.SimpleNamespace(message=message)])


@pytest.mark.slow
def test_the_quickstart_runs_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (PeerSuite("mem0ai", "2.2.1", [], "").source() / "README.md").read_text(encoding="utf-8")
    [quickstart] = [
        block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "from mem0 import Memory" in block
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setitem(sys.modules, "mem0", lamina.integrations.mem0)
    openai = types.ModuleType("openai")
    openai.OpenAI = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openai", openai)
    said = iter(["I moved to Lisbon in March.", "My cat is called Pixel.", "What is my cat called?", "exit"])
    monkeypatch.setattr(builtins, "input", lambda prompt="": next(said))

    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(quickstart, "the README of mem0ai", "exec"), namespace)

    asked = namespace["openai_client"].sent
    assert len(asked) == 3
    assert "My cat is called Pixel." in asked[2][0]["content"]  # recalled into the system prompt
    kept = namespace["memory"].get_all(filters={"user_id": "default_user"})["results"]
    assert [one["memory"] for one in kept] == [
        "I moved to Lisbon in March.", "I see.", "My cat is called Pixel.", "I see.", "What is my cat called?", "I see.",
    ]  # fmt: skip
    namespace["memory"].close()
