"""The MCP server as a process: 10,000 memories through the official client over standard input and output, and the inspector."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

import lamina
from lamina import Memory
from lamina.models.tokens import WordLlamaTokens
from tests.server.mcp_calls import BAD, ERROR, GOOD, stated

SOURCE = str(Path(lamina.__file__).resolve().parent.parent)
CORPORA = Path(__file__).resolve().parents[2] / "corpora" / "conversations"
MEMORIES = 10_000
RECALLS = 200
GOAL = 30.0  # milliseconds, the median of a recall
EVERY = ("--tools", "core", "--tools", "graph", "--tools", "mem0")


def lines(name: str, field: str) -> list[str]:
    """Texts of the written corpora, in a shuffled order that is always the same."""
    found = [json.loads(line).get(field) for path in sorted(CORPORA.glob(name)) for line in path.open(encoding="utf-8")]
    texts = [text for text in found if isinstance(text, str)]
    random.Random(7).shuffle(texts)
    return texts


def fill(path: Path, count: int) -> None:
    """So many different messages in sessions of fifty."""
    texts = lines("[a-z]*.jsonl", "text") or lines("[a-z]*.jsonl", "content")
    with Memory(path) as memory:
        memory.add_many(
            (
                {
                    "text": f"{texts[n % len(texts)]} ({n})" if n >= len(texts) else texts[n],
                    "session": f"s{n // 50}",
                    "speaker": "Ana",
                }
                for n in range(count)
            ),
            user="ana",
        )
        memory.flush()


def server(path: Path, *more: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "lamina", "mcp", str(path), "--user", "ana", *more],
        env={"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
    )


async def call(client: Any, name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    result = await client.call_tool(name, arguments)
    return "".join(part.text for part in result.content), bool(result.is_error)


def test_a_process_answers_over_stdio(tmp_path: Path) -> None:
    async def work() -> None:
        async with Client(stdio_client(server(tmp_path / "m.db"))) as client:
            assert not (await call(client, "remember", {"text": "The ferry leaves at nine."}))[1]
            assert "nine" in (await call(client, "recall", {"cue": "when does the ferry leave?"}))[0]
            assert (await call(client, "recall", {"cue": ""}))[1]

    asyncio.run(work())
    with Memory(tmp_path / "m.db") as memory:
        assert memory.count(user="ana") == 1


def test_lines_that_are_no_messages_do_not_bring_it_down(tmp_path: Path) -> None:
    parameters = server(tmp_path / "m.db")
    process = subprocess.Popen(
        [parameters.command, *parameters.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, **(parameters.env or {})},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    }  # fmt: skip
    recall = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "recall", "arguments": {"cue": "hello"}}}
    rubbish = [b"not json", b"{}", b"[1, 2]", b"\xff\xfe\x00", b'{"jsonrpc": "2.0", "id": {}, "method": 3}', b"x" * 100_000, b""]
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for line in [json.dumps(hello).encode(), json.dumps(ready).encode(), *rubbish, json.dumps(recall).encode()]:
        process.stdin.write(line + b"\n")
    process.stdin.flush()
    answers = []
    while not any(answer.get("id") == 2 for answer in answers):
        line = process.stdout.readline()
        assert line, "the server has hung up"
        answers.append(json.loads(line))  # and nothing but messages is written
    process.stdin.close()
    assert process.wait(20) == 0
    assert "result" in next(answer for answer in answers if answer.get("id") == 2)


@pytest.mark.slow
def test_among_ten_thousand_memories_answers_keep_their_size_and_recall_is_quick(tmp_path: Path) -> None:
    fill(tmp_path / "m.db", MEMORIES)
    questions = [
        json.loads(line)["question"] for path in sorted(CORPORA.glob("*.questions.jsonl")) for line in path.open(encoding="utf-8")
    ]
    random.Random(3).shuffle(questions)
    count = WordLlamaTokens().count

    async def work() -> list[float]:
        async with Client(stdio_client(server(tmp_path / "m.db", *EVERY))) as client:
            for cue in questions[:10]:
                await call(client, "recall", {"cue": cue})
            took = []
            for cue in questions[10 : 10 + RECALLS]:
                start = time.perf_counter()
                text, wrong = await call(client, "recall", {"cue": cue})
                took.append((time.perf_counter() - start) * 1000)
                assert not wrong
                assert count(text) <= 800
            sizes: dict[str, int] = {}
            id = "-"
            for name, arguments in GOOD.items():
                for more in (
                    ({}, {"max_characters": 500}, {"max_characters": 40_000})
                    if name in ("search", "read_graph", "open_nodes", "profile")
                    else ({},)
                ):
                    filled = json.loads(json.dumps({**arguments, **more}).replace('"-"', json.dumps(id)))
                    text, wrong = await call(client, name, filled)
                    assert not wrong, (name, text)
                    assert len(text) <= stated(name, filled), name
                    sizes[name] = max(sizes.get(name, 0), len(text))
                    if name == "remember":
                        id = json.loads(text)["remembered"]
            entities = [{"name": f"Entity {n}", "entityType": "thing", "observations": [f"seen {n}"]} for n in range(2000)]
            for start_at in range(0, 2000, 500):
                await call(client, "create_entities", {"entities": entities[start_at : start_at + 500]})
            text, wrong = await call(client, "read_graph", {"observations": True})
            assert not wrong
            assert len(text) <= 6000
            for name, arguments in BAD:
                text, wrong = await call(client, name, arguments)
                assert wrong
                assert len(text) <= ERROR
            assert not (await call(client, "recall", {"cue": "are you there?"}))[1]
            print(f"\nlargest answers in characters: {sizes}")
            return took

    took = asyncio.run(work())
    p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    print(f"recall over stdio among {MEMORIES:,} memories, {len(took)} recalls: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    assert p50 <= GOAL


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npx") is None, reason="the inspector needs npx")
def test_the_inspector_lists_and_calls_the_tools(tmp_path: Path) -> None:
    fill(tmp_path / "m.db", 100)
    command = ["npx", "--yes", "@modelcontextprotocol/inspector", "--cli", "-e", f"PYTHONPATH={SOURCE}", sys.executable, "-m", "lamina", "mcp", str(tmp_path / "m.db"), "--user", "ana"]  # fmt: skip
    listed = subprocess.run([*command, "--method", "tools/list"], capture_output=True, text=True, check=False, timeout=300)
    if listed.returncode and "npm" in listed.stderr:
        pytest.skip(f"the inspector could not be installed: {listed.stderr[-200:]}")
    assert listed.returncode == 0, listed.stderr
    assert {"recall", "read_graph"} <= {tool["name"] for tool in json.loads(listed.stdout)["tools"]}
    called = subprocess.run(
        [*command, "--method", "tools/call", "--tool-name", "recall", "--tool-arg", "cue=what was said?"], capture_output=True, text=True, check=False, timeout=300
    )  # fmt: skip
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout)["content"][0]["type"] == "text"
