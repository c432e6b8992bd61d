"""`lamina ingest`: what it reads, what it leaves out and says so, and that it can be repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "garden").mkdir(parents=True)
    (folder / "2026-03-14 Tavira.md").write_text("# Tavira\n\nThe ferry leaves at nine.\n\n## Food\n\nSardines.\n")
    (folder / "garden" / "basil.txt").write_text("Water it in the evening.\n\nNever at noon.\n")
    (folder / "photo.txt").write_bytes(b"\x89PNG\0\0")
    (folder / "latin.md").write_bytes("café".encode("latin-1"))
    (folder / "sheet.pdf").write_bytes(b"%PDF")
    (folder / ".hidden.md").write_text("secret")
    return folder


def test_a_folder_is_read_once_and_changes_are_added(shell: Shell, notes: Path) -> None:
    first = shell.json("ingest", "notes.db", "notes")
    assert (first["read"], first["new"], first["skipped"]) == (4, 4, 4)
    assert first["reasons"] == {"hidden": 1, "not .txt, .md, .markdown": 1, "binary": 1, "not UTF-8 text": 1}
    assert shell.json("ingest", "notes.db", "notes")["new"] == 0
    basil = notes / "garden" / "basil.txt"
    basil.write_text("Bought in May.\n\n" + basil.read_text())
    again = shell.json("ingest", "notes.db", notes)
    assert (again["read"], again["new"]) == (5, 1)
    [hit] = shell.json("search", "notes.db", "ferry", "-k", "1")
    assert hit["text"] == "# Tavira\n\nThe ferry leaves at nine."
    assert (hit["at"], hit["session"]) == ("2026-03-14T00:00:00+00:00", "notes/2026-03-14 Tavira.md")
    assert hit["metadata"]["headings"] == ["Tavira"]


def test_what_is_left_out_is_named(shell: Shell, notes: Path) -> None:
    assert "4 new traces" in shell("ingest", "notes.db", "notes")
    assert "notes/photo.txt" in shell.err
    assert "binary" in shell.err
    shell("ingest", "strict.db", "notes", "--strict", code=2)
    assert "not UTF-8 text" in shell.err or "binary" in shell.err


def test_messages_with_bad_lines(shell: Shell, tmp_path: Path) -> None:
    lines = [
        '{"role": "user", "content": "The kettle is blue.", "at": "2026-05-01T10:00:00+01:00", "mood": "calm"}',
        "",
        "{broken",
        '["a list"]',
        '{"role": "user"}',
        '{"content": "lone \\ud800 surrogate"}',
        '{"content": "x", "at": "whenever"}',
        '{"content": "x", "until": "2020"}',
        '{"content": "tools", "role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    done = shell.json("ingest", "m.db", "m.jsonl", "--user", "ana")
    assert (done["read"], done["new"], done["skipped"], done["replaced"]) == (3, 3, 5, 1)
    shell("ingest", "m.db", "m.jsonl", "--user", "ana")
    assert "m.jsonl:3" in shell.err
    assert "5 skipped" in shell.err or shell.err.count("1 skipped") == 5
    assert shell.json("stats", "m.db")["items"]["trace"] == 3
    [hit] = shell.json("search", "m.db", "kettle", "-u", "ana", "-k", "1")
    assert hit["metadata"] == {"mood": "calm"}
    assert hit["at"] == "2026-05-01T10:00:00+01:00"
    shell("ingest", "strict.db", "m.jsonl", "--strict", code=2)
    assert ":3: not JSON" in shell.err


def test_messages_from_standard_input(shell: Shell) -> None:
    given = "".join(json.dumps({"content": f"Message {number}."}) + "\n" for number in range(3))
    assert "3 new traces" in shell("ingest", "m.db", "-", "--session", "piped", given=given)
    assert {hit["session"] for hit in shell.json("search", "m.db", "message")} == {"piped"}


def test_a_locomo_file_makes_a_user_of_each_sample(shell: Shell, tmp_path: Path) -> None:
    turns = [{"speaker": "Ana", "dia_id": "D1:1", "text": "Look!", "blip_caption": "a red boat"}]
    conversation = {"speaker_a": "Ana", "speaker_b": "Ben", "session_1": turns, "session_1_date_time": "1:56 pm on 8 May, 2023"}
    samples = [{"sample_id": name, "conversation": conversation, "qa": []} for name in ("conv-1", "conv-2")]
    (tmp_path / "locomo.json").write_text(json.dumps(samples))
    assert "2 new traces" in shell("ingest", "l.db", "locomo.json", "--tenant", "bench")
    assert "0 new traces" in shell("ingest", "l.db", "locomo.json", "--tenant", "bench")
    [hit] = shell.json("search", "l.db", "boat", "--tenant", "bench", "--user", "conv-2")
    assert (hit["scope"], hit["origin"], hit["captions"]) == ("bench/conv-2", "D1:1", ["a red boat"])
    assert hit["at"] == "2023-05-08T13:56:00+00:00"
    shell("ingest", "l.db", "locomo.json", "--user", "ana", code=2)
    assert "leave out --user" in shell.err


@pytest.mark.parametrize("name", ["table.csv", "plain.json"])
def test_other_forms_are_refused_before_anything_is_made(shell: Shell, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    shell("ingest", "new.db", name, code=2)
    assert "no form" in shell.err
    assert not (tmp_path / "new.db").exists()


def test_a_dump_with_owners_goes_to_their_scopes_unless_one_is_given(shell: Shell, tmp_path: Path) -> None:
    rows = [{"id": str(n), "memory": f"Memory {n}.", "user_id": "ab"[n % 2]} for n in range(6)]
    (tmp_path / "dump.json").write_text(json.dumps({"results": rows}))
    assert "6 new traces" in shell("ingest", "m.db", "dump.json")
    assert "0 new traces" in shell("ingest", "m.db", "dump.json")
    assert {hit["scope"] for hit in shell.json("search", "m.db", "memory", "--user", "a")} == {"/a"}
    assert "6 new traces" in shell("ingest", "one.db", "dump.json", "--user", "ana")
    assert {hit["scope"] for hit in shell.json("search", "one.db", "memory", "--user", "ana")} == {"/ana"}


def test_a_form_can_be_named_and_everything_taken(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "box").write_text("From x\nMessage-ID: <1@x>\n\nYes.\n\nOn Monday Ben wrote:\n> At nine?\n")
    shell("ingest", "m.db", "box", "--format", "letters", code=2)
    assert "use one of" in shell.err
    assert not (tmp_path / "m.db").exists()
    shell("ingest", "m.db", "box", "--format", "mbox", "--everything")
    [hit] = shell.json("search", "m.db", "nine")
    assert hit["text"] == "Yes.\n\nOn Monday Ben wrote:\n> At nine?"
