"""An import that is killed goes on where it was, without a double; and a large one is quick and small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina import Memory
from lamina.bench import run_benchmark
from lamina.bench.chatgpt_export import write_export
from lamina.bench.importing import differences, stored, watch
from lamina.importing import Skipped, readers_of

CLEAN = {"missing": 0, "doubles": 0, "findings": 0, "without_vector": 0}


def test_an_import_that_was_killed_goes_on_without_a_double(tmp_path: Path) -> None:
    export, whole, again = tmp_path / "conversations.json", tmp_path / "whole.db", tmp_path / "again.db"
    write_export(export, 4)
    assert not watch(whole, export).killed
    total = stored(whole)
    assert total > 3000
    for moment in (1, total // 2):  # as soon as anything is stored, and in the middle
        assert watch(again, export, kill_at=moment).killed
        assert 0 < stored(again) < total
    assert not watch(again, export).killed
    assert differences(whole, again) == {"messages": total, **CLEAN}


@pytest.mark.slow
def test_a_hundred_megabytes_are_read_quickly_within_little_memory_and_resumed() -> None:
    result = run_benchmark("importing")
    once = result.row("lamina ingest").metrics
    print(f"\n{once}")
    assert once["embedded_per_second"] >= 3000  # the vectors are part of the time
    assert all(row.metrics["resident_peak_bytes"] <= 300e6 for row in result.rows)
    assert result.row("lamina ingest, once more").metrics["doubles"] == 0
    resumed = result.row("lamina ingest, killed and resumed")
    assert all(part["killed"] for part in resumed.by.values())
    assert dict(resumed.metrics).items() >= {"messages": once["messages"], **CLEAN}.items()


EXPORTS: dict[str, Any] = {
    "claude.json": [{"uuid": "c", "chat_messages": [{"uuid": str(n), "sender": "human", "text": f"claude {n}", "attachments": [{"extracted_content": "att"}]} for n in range(6)]}],
    "mem0.json": {"results": [{"id": str(n), "memory": f"mem0 {n}", "user_id": f"u{n % 2}"} for n in range(6)]},
    "nameless.json": {"results": [{"id": None, "memory": f"mem0 {n}"} for n in range(6)]},
    "graphiti.json": {"episodes": [{"uuid": str(n), "group_id": f"g{n % 3}", "content": f"episode {n}"} for n in range(6)]},
    "langgraph.json": [{"namespace": ["a", str(n % 2)], "key": str(n), "value": {"text": f"item {n}"}} for n in range(6)],
    "mail.mbox": "".join(f"From x\nSubject: {n}\n{'Message-ID: <' + str(n) + '@x>' if n % 2 else 'X-A: b'}\n\nmail {n}\n\n" for n in range(6)),
    "slack/general/2026-03-01.json": [{"type": "message", "ts": f"{n}.0", "text": f"slack {n}"} for n in range(6)],
    "vault/note.md": "\n\n".join(f"# Part {n}\n\n[[note]] {n}" for n in range(6)),
    "vault/.obsidian/app.json": {},
}  # fmt: skip


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    for name, content in EXPORTS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    (tmp_path / "slack" / "users.json").write_text("[]")
    return tmp_path


@pytest.mark.parametrize("name", sorted({name.split("/")[0] for name in EXPORTS}))
def test_every_form_can_be_cut_off_and_read_again(exports: Path, name: str) -> None:
    def messages() -> list[tuple[str, dict[str, Any]]]:
        found = [message for reader in readers_of(exports / name, Skipped()) for message in reader]
        return [(message.pop("scope", "/ana"), message) for message in found]

    total = len(messages())
    assert total >= 6
    with Memory(":memory:") as memory:
        for cut in (2, 5, total, total):
            for scope, message in messages()[:cut]:
                memory.add_many([message], scope=scope)
        assert memory.count(scope="*") == total
