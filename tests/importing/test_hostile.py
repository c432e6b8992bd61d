"""Whatever an export holds, its reader goes on, takes what it can, and counts the rest."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.bench.chatgpt_export import write_export
from lamina.errors import InputError
from lamina.importing import Skipped, readers_of
from lamina.importing.choosing import form_of

NAMES = (
    "uuid id name type text content sender chat_messages attachments extracted_content created_at memory metadata user_id agent_id run_id data namespace key value "
    "updated_at group_id fact valid_at invalid_at summary role role_type session_id ts thread_ts user subtype files user_profile body file_name"
).split()
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["a", "human", "message", "1700000000.5", "2026-03-01T09:00:00+01:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=16,
)
ROWS = {
    "claude": st.fixed_dictionaries(
        {
            "uuid": VALUES,
            "chat_messages": st.lists(
                st.fixed_dictionaries({"sender": st.just("human"), "text": VALUES, "content": VALUES, "attachments": VALUES})
                | VALUES,
                max_size=3,
            ),
        }
    ),
    "mem0": st.fixed_dictionaries(
        {"memory": VALUES, "user_id": VALUES, "agent_id": VALUES, "created_at": VALUES, "metadata": VALUES}
    ),
    "graphiti": st.fixed_dictionaries({"fact": VALUES, "valid_at": VALUES, "invalid_at": VALUES, "group_id": VALUES}),
    "langgraph": st.fixed_dictionaries(
        {"namespace": st.lists(st.text(max_size=3)) | VALUES, "key": VALUES, "value": VALUES, "created_at": VALUES}
    ),
    "slack": st.fixed_dictionaries({"type": st.just("message"), "ts": st.just("1700000000.1") | VALUES, "text": VALUES, "thread_ts": VALUES, "user": VALUES, "files": VALUES, "subtype": VALUES}),
}  # fmt: skip


def read(path: Path, form: str | None = None, strict: bool = False) -> tuple[list[dict[str, Any]], Skipped]:
    skipped = Skipped()
    return [message for reader in readers_of(path, skipped, form=form, strict=strict) for message in reader], skipped


def whole(rows: list[Any]) -> str:
    """JSON as other programs write it: no NaN, no infinity."""
    return json.dumps(rows).replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null")


@pytest.mark.parametrize("form", sorted(ROWS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_row_is_told_or_counted_and_the_memory_takes_what_is_told(tmp_path: Path, form: str, data: st.DataObject) -> None:
    rows: list[Any] = data.draw(st.lists(ROWS[form] | VALUES, max_size=4))
    if form == "slack":
        path = tmp_path / "s"
        (path / "general").mkdir(parents=True, exist_ok=True)
        (path / "general" / "2026-03-01.json").write_text(whole(rows), encoding="utf-8")
    else:
        path = tmp_path / "rows.json"
        path.write_text(whole(rows), encoding="utf-8")
    messages, skipped = read(path, form)
    if form == "claude":
        held = sum(
            len(row["chat_messages"]) if isinstance(row, dict) and isinstance(row.get("chat_messages"), list) else 1
            for row in rows
        )
        assert len(messages) + skipped.total >= held
    else:
        assert len(messages) + skipped.total == len(rows)
    with Memory(":memory:") as memory:
        for message in messages:
            scope = message.pop("scope", None)
            assert memory.add_many([message], **({} if scope is None else {"scope": scope})) >= 1


def test_one_bad_row_takes_no_other_with_it(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]
    rows = [
        {"id": "1", "memory": "one", "user_id": "ana"},
        {"id": "2", "memory": "two", "user_id": "u" * 600},
        {"id": "3", "memory": "three", "user_id": "ana", "metadata": {"n": 2**70}},
        {"id": "4", "memory": "four", "user_id": "ana", "run_id": "r" * 2000},
        {"id": "6", "memory": "six", "user_id": "ana"},
    ]
    text = (
        json.dumps(rows)[:-1]
        + ', {"id": "5", "memory": "five", "metadata": {"d": '
        + "[" * 3000
        + "]" * 3000
        + '}}, {"id": "7", "memory": "seven"}]'
    )
    (tmp_path / "m.json").write_text(text)
    messages, skipped = read(tmp_path / "m.json")
    told = [message["content"] for message in messages]
    assert {"one", "six", "seven"} <= set(told)
    assert len(told) + skipped.total == 7
    assert len(told) == len(set(told))


def test_numbers_too_large_for_the_quick_parser_are_read_all_the_same(tmp_path: Path) -> None:
    rows = [
        {"id": str(place), "memory": f"memory {place}", "metadata": {"n": 2**70 if place == 400 else 1}} for place in range(600)
    ]
    (tmp_path / "m.json").write_text(json.dumps(rows))
    messages, skipped = read(tmp_path / "m.json")
    assert [message["origin"] for message in messages] == [f"mem0:{place}" for place in range(600)]
    assert skipped.total == 0


def test_a_large_export_of_chatgpt_comes_in_several_parts(tmp_path: Path) -> None:
    def conversation(id: str) -> dict[str, Any]:
        said = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [f"I am {id}."]}}
        return {"id": id, "mapping": {"n": {"parent": None, "children": [], "message": said}}, "current_node": "n"}

    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("conversations-001.json", json.dumps([conversation("c2")])[:-1])  # cut short
        archive.writestr("conversations-000.json", "\ufeff" + json.dumps([conversation("c1")]))
        archive.writestr("conversations-002.json", json.dumps([conversation("c3")]))
        archive.writestr("old/conversations.json", json.dumps([conversation("c0")]))
    assert form_of(tmp_path / "e.zip") == "chatgpt"
    messages, skipped = read(tmp_path / "e.zip")
    assert [message["content"] for message in messages] == ["I am c1.", "I am c2.", "I am c3."]
    assert skipped.total == 1
    with pytest.raises(InputError, match="damaged, or not whole"):
        read(tmp_path / "e.zip", strict=True)


def test_a_conversation_without_an_id_is_known_again_wherever_it_stands(tmp_path: Path) -> None:
    def conversation(word: str) -> dict[str, Any]:
        said = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [word]}}
        return {"mapping": {f"node-{word}": {"parent": None, "children": [], "message": said}}, "create_time": 1.7e9}

    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([conversation("old")]))
    before = read(path)[0][0]["origin"]
    path.write_text(json.dumps([conversation("new"), conversation("old")]))
    assert [message["origin"] == before for message in read(path)[0]] == [False, True]


def test_a_damaged_archive_gives_what_comes_before_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    rows = [
        {
            "uuid": f"c{place}",
            "chat_messages": [{"uuid": "m", "sender": "human", "text": random.Random(place).randbytes(30).hex()}],
        }
        for place in range(5000)
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", json.dumps(rows))
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 200] = bytes(200)
    path.write_bytes(raw)
    messages, skipped = read(path, "claude")
    assert 0 < len(messages) < 5000
    assert any("damaged" in reason for reason in skipped.counts)


def test_pictures_and_recordings_of_chatgpt_become_captions(tmp_path: Path) -> None:
    parts = [
        {"content_type": "image_asset_pointer", "asset_pointer": "sediment://a", "metadata": {"dalle": {"prompt": "a kettle at sea"}}},
        {"content_type": "audio_transcription", "text": "Good morning.", "direction": "in"},
        {"content_type": "real_time_user_audio_video_asset_pointer", "audio_asset_pointer": {"asset_pointer": "sediment://b"}},
    ]  # fmt: skip
    said = {"author": {"role": "user"}, "content": {"content_type": "multimodal_text", "parts": parts}}
    tree = {"id": "c", "mapping": {"n": {"parent": None, "children": [], "message": said}}, "current_node": "n"}
    (tmp_path / "conversations.json").write_text(json.dumps([tree]))
    [message], _ = read(tmp_path / "conversations.json")
    assert message["content"] == "Good morning."
    assert message["captions"] == ["picture: a kettle at sea", "recording sediment://b"]


def test_code_in_a_vault_stays_as_it_is_and_lists_of_tags_are_read(tmp_path: Path) -> None:
    (tmp_path / ".obsidian").mkdir()
    (tmp_path / "a.md").write_text(
        "---\ntags:\n  - sea\n  - viagem\naliases: [Old boat, The Kettle]\n---\nSee [[Ben]] #água #2026 #y2026.\n\n```sh\n[[ -f x ]] && echo '#no'\n```\n\nand `[[raw]]`.\n"
    )
    messages, _ = read(tmp_path)
    said = "\n".join(message["content"] for message in messages)
    assert "See Ben #água" in said
    assert "[[ -f x ]]" in said
    assert "`[[raw]]`" in said
    assert messages[0]["metadata"]["tags"] == ["água", "y2026", "sea", "viagem"]
    assert messages[0]["metadata"]["aliases"] == ["Old boat", "The Kettle"]
    assert messages[0]["metadata"]["links"] == ["Ben"]


def test_mail_in_an_unknown_character_set_and_in_several_boxes_is_read(tmp_path: Path) -> None:
    mail = (
        b"From x\nFrom: ana@example.org\nMessage-ID: <%d@x>\nContent-Type: text/plain; charset=martian\n\nHello from box %d.\n\n"
    )
    with zipfile.ZipFile(tmp_path / "takeout.zip", "w") as archive:
        archive.writestr("Takeout/Mail/All mail.mbox", mail % (1, 1))
        archive.writestr("Takeout/Mail/Sent.mbox", mail % (2, 2))
        archive.writestr("Takeout/index.html", "<html></html>")
    messages, skipped = read(tmp_path / "takeout.zip")
    assert [message["content"] for message in messages] == ["Hello from box 1.", "Hello from box 2."]
    assert skipped.total == 0


def test_slack_is_read_without_names_where_the_list_of_people_is_broken(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("{broken")
    (tmp_path / "general").mkdir()
    (tmp_path / "general" / "2026-03-01.json").write_text(
        json.dumps([{"type": "message", "ts": "1.5", "user": "U1", "text": "hi"}])
    )
    messages, skipped = read(tmp_path)
    assert [(message["content"], message["speaker"]) for message in messages] == [("hi", "U1")]
    assert skipped.total == 1


@pytest.mark.parametrize("form", ["mem0", "graphiti", "langgraph", "mbox", "chatgpt", "claude"])
def test_a_folder_where_a_file_is_wanted_is_refused_with_what_to_do(tmp_path: Path, form: str) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(InputError):
        read(tmp_path, form, strict=True)
    messages, skipped = read(tmp_path, form)
    assert messages == []
    assert skipped.total == 1


def test_everything_takes_other_branches_and_quotes_as_well(tmp_path: Path) -> None:
    def node(parent: str | None, children: list[str], text: str) -> dict[str, Any]:
        said = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [text]}}
        return {"parent": parent, "children": children, "message": said}

    mapping = {"a": node(None, ["b", "c"], "first"), "b": node("a", [], "asked"), "c": node("a", [], "asked otherwise")}
    (tmp_path / "conversations.json").write_text(json.dumps([{"id": "k", "mapping": mapping, "current_node": "c"}]))
    (tmp_path / "m.mbox").write_bytes(b"From x\nMessage-ID: <1@x>\n\nYes.\n\nOn Monday Ben wrote:\n> Nine?\n")
    found = {}
    for everything in (False, True):
        skipped = Skipped()
        for path in (tmp_path / "conversations.json", tmp_path / "m.mbox"):
            for reader in readers_of(path, skipped, everything=everything):
                found[everything, path.name] = [(message["content"], message["session"]) for message in reader]
        assert skipped.total == (0 if everything else 1)
    assert found[False, "conversations.json"] == [("first", "k"), ("asked otherwise", "k")]
    assert found[True, "conversations.json"] == [("first", "k"), ("asked otherwise", "k"), ("asked", "k/others")]
    assert found[False, "m.mbox"] == [("Yes.", "1@x")]
    assert found[True, "m.mbox"] == [("Yes.\n\nOn Monday Ben wrote:\n> Nine?", "1@x")]


def test_strict_stops_at_what_cannot_be_read_and_not_at_what_is_left_out_on_purpose(tmp_path: Path) -> None:
    write_export(tmp_path / "conversations.json", 0.1)
    messages, skipped = read(tmp_path / "conversations.json", strict=True)
    assert messages
    assert set(skipped.counts) == {"system message", "another branch of an edited conversation"}
