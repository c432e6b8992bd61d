"""Readers of exports: each form with its peculiarities, told apart by what it holds; nothing is dropped without being counted."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import InputError
from lamina.importing import Skipped, readers_of
from lamina.importing.archives import Archive
from lamina.importing.choosing import form_of
from lamina.importing.mbox import plain_of, without_quotes

Written = tuple[list[dict[str, Any]], Skipped]


def read(path: Path, **more: Any) -> Written:
    skipped = Skipped()
    return [message for reader in readers_of(path, skipped, **more) for message in reader], skipped


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


# ---------------------------------------------------------------------------------------------------- ChatGPT
def node(
    id: str, parent: str | None, children: list[str], role: str = "user", content: Any = None, **message: Any
) -> dict[str, Any]:
    if content is None:
        return {"id": id, "parent": parent, "children": children, "message": None}
    body = {"content_type": "text", "parts": [content]} if isinstance(content, str) else content
    said = {
        "id": id,
        "author": {"role": role},
        "create_time": 1_700_000_000.25,
        "content": body,
        "recipient": "all",
        "metadata": {},
        **message,
    }
    return {"id": id, "parent": parent, "children": children, "message": said}


CHATGPT = [
    {
        "title": "Ferries", "create_time": 1_700_000_000.0, "conversation_id": "c1", "current_node": "a2",
        "mapping": {
            "r": node("r", None, ["s"]),
            "s": node("s", "r", ["u", "u2"], "system", ""),
            "u": node("u", "s", ["a"], "user", "When does the ferry go?"),
            "a": node("a", "u", [], "assistant", "At eight."),
            "u2": node("u2", "s", ["t"], "user", {"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "file://p"}, "And this one?"]}),
            "t": node("t", "u2", ["h"], "tool", {"content_type": "execution_output", "text": "9"}),
            "h": node("h", "t", ["m"], "assistant", "hidden", metadata={"is_visually_hidden_from_conversation": True}),
            "m": node("m", "h", ["a2"], "assistant", {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}),
            "a2": node("a2", "m", [], "assistant", "At nine.", metadata={"model_slug": "m-1"}),
        },
    },
    {"title": "broken"},
    {"conversation_id": "c2", "mapping": {"x": node("x", None, [], "user", "Alone.", create_time=None)}, "create_time": 1_700_000_500},
]  # fmt: skip


@pytest.mark.parametrize("packed", ["file", "zip", "folder"])
def test_chatgpt_gives_the_branch_seen_last_and_counts_the_rest(tmp_path: Path, packed: str) -> None:
    path = write(tmp_path / "export" / "conversations.json", CHATGPT)
    if packed == "zip":
        target = tmp_path / "export.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "conversations.json")
            archive.writestr("chat.html", "<html></html>")
        path = target
    elif packed == "folder":
        path = path.parent
    assert form_of(path) == "chatgpt"
    messages, skipped = read(path)
    assert [(m["content"], m["role"], m["session"]) for m in messages] == [
        ("And this one?", "user", "c1"), ("9", "tool", "c1"), ("At nine.", "assistant", "c1"), ("Alone.", "user", "c2"),
    ]  # fmt: skip
    assert messages[0]["captions"] == ["picture file://p"]
    assert messages[0]["origin"] == "chatgpt:c1:u2"
    assert messages[2]["metadata"] == {"title": "Ferries", "model": "m-1"}
    assert messages[0]["at"].isoformat() == "2023-11-14T22:13:20.250000+00:00"
    assert dict(skipped.counts) == {
        "another branch of an edited conversation": 2, "system message": 1, "hidden message": 1, "content of the kind 'thoughts'": 1, "not a conversation": 1,
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "author", "role", "parts", "text", "metadata", "parent", "children", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
IDS = st.sampled_from("abcde")
NODES = st.fixed_dictionaries(
    {"parent": IDS | st.none() | JSON, "message": JSON | st.fixed_dictionaries({"author": st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"])}) | JSON, "content": st.fixed_dictionaries({"content_type": st.just("text"), "parts": JSON | st.lists(st.text(max_size=5))})}), "children": JSON}
)  # fmt: skip
TREES = st.fixed_dictionaries(
    {
        "mapping": st.dictionaries(IDS, NODES | JSON, max_size=5),
        "current_node": IDS | JSON,
        "conversation_id": st.text(max_size=3) | JSON,
        "create_time": JSON,
        "title": JSON,
    }
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TREES | JSON, max_size=3))
def test_no_tree_brings_chatgpts_reader_down_and_every_message_is_told_or_counted(
    tmp_path: Path, conversations: list[Any]
) -> None:
    messages, skipped = read(write(tmp_path / "conversations.json", conversations), form="chatgpt")
    held = 0
    for one in conversations:
        if not isinstance(one, dict) or not isinstance(one.get("mapping"), dict):
            held += 1
            continue
        for value in one["mapping"].values():
            if isinstance(value, dict) and value.get("message") is not None:
                held += isinstance(value["message"], dict) or 0
    counted = sum(count for reason, count in skipped.counts.items() if reason != "not a message")
    assert len(messages) + counted + skipped.counts["not a message"] >= held
    with Memory(":memory:") as memory:
        assert memory.add_many(messages) >= len(messages)


# ---------------------------------------------------------------------------------------------------- Claude
def test_claude_gives_texts_and_what_was_attached(tmp_path: Path) -> None:
    conversations = [
        {
            "uuid": "c1", "name": "Trip", "created_at": "2026-03-01T09:00:00Z",
            "chat_messages": [
                {
                    "uuid": "m1", "sender": "human", "text": "Read this.", "created_at": "2026-03-01T10:00:00.5+01:00", "content": [{"type": "text", "text": "Read this."}],
                    "attachments": [{"file_name": "plan.txt", "extracted_content": "Leave at nine."}], "files": [{"file_name": "map.png"}],
                },
                {"uuid": "m2", "sender": "assistant", "text": "", "content": [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "You leave at nine."}]},
                {"uuid": "m3", "sender": "assistant", "text": " ", "content": []},
                {"uuid": "m4", "sender": "robot", "text": "?"},
            ],
        },
        7,
    ]  # fmt: skip
    write(tmp_path / "e" / "conversations.json", conversations)
    write(tmp_path / "e" / "users.json", [])
    messages, skipped = read(tmp_path / "e")
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", "Read this."),
        ("user", "Leave at nine."),
        ("assistant", "You leave at nine."),
    ]
    assert messages[0]["metadata"] == {"title": "Trip", "files": ["plan.txt", "map.png"]}
    assert messages[0]["at"].isoformat() == "2026-03-01T10:00:00.500000+01:00"
    assert len({m["origin"] for m in messages}) == 3
    assert (
        skipped.counts["content of the kind 'thinking'"]
        == skipped.counts["without text"]
        == skipped.counts["not a conversation"]
        == 1
    )
    assert skipped.counts["another part of the export"] == 1


def test_claude_gives_documents_of_projects_and_what_it_remembers(tmp_path: Path) -> None:
    documents = [
        {"uuid": "d1", "filename": "plan.md", "content": "Leave at nine.", "created_at": "2026-03-01T09:00:00Z"},
        {"filename": "empty.md"},
    ]
    project = {"uuid": "p1", "name": "Trip", "prompt_template": "Be brief.", "docs": documents}
    remembered = {"conversations_memory": "Likes ferries.", "project_memories": {"p1": "Plans a trip."}, "account_uuid": "a"}
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("conversations.json", json.dumps([{"uuid": "c", "chat_messages": []}]))
        archive.writestr("projects/p1.json", json.dumps(project))
        archive.writestr("projects.json", json.dumps([{**project, "uuid": "p2", "docs": []}, 7]))
        archive.writestr("memories.json", json.dumps([remembered]))
        archive.writestr("users.json", "[]")
    assert form_of(tmp_path / "e.zip") == "claude"
    messages, skipped = read(tmp_path / "e.zip")
    assert sorted((message["session"], message["content"]) for message in messages) == [
        ("memories", "Likes ferries."), ("memories/p1", "Plans a trip."), ("p1", "Be brief."), ("p1", "Leave at nine."), ("p2", "Be brief."),
    ]  # fmt: skip
    assert len({message["origin"] for message in messages}) == 5
    assert dict(skipped.counts) == {"without text": 1, "not an object": 1, "another part of the export": 1}


# ---------------------------------------------------------------------------------------------------- Slack
def test_slack_writes_names_out_and_keeps_threads_together(tmp_path: Path) -> None:
    write(
        tmp_path / "s" / "users.json",
        [{"id": "U1", "name": "ana", "real_name": "Ana Silva"}, {"id": "U2", "profile": {"display_name": "Ben"}}],
    )
    write(tmp_path / "s" / "channels.json", [])
    write(
        tmp_path / "s" / "general" / "2026-03-01.json",
        [
            {"type": "message", "user": "U1", "ts": "1772355600.000100", "text": "<@U2> see <https://a.example|the plan> in <#C1|trips> &amp; reply", "thread_ts": "1772355600.000100"},
            {"type": "message", "user": "U2", "ts": "1772355700.000200", "text": "ok <!here>", "thread_ts": "1772355600.000100", "edited": {"user": "U2"}},
            {"type": "message", "subtype": "channel_join", "user": "U2", "ts": "1772355800.0", "text": "joined"},
            {"type": "message", "subtype": "bot_message", "username": "deploy", "ts": "1772355900.0", "text": "", "attachments": [{"fallback": "done"}]},
            {"type": "message", "user": "U1", "ts": "soon", "text": "x"},
            "rubbish",
        ],
    )  # fmt: skip
    messages, skipped = read(tmp_path / "s")
    assert [(m["speaker"], m["content"], m["session"]) for m in messages] == [
        ("Ana Silva", "@Ben see the plan (https://a.example) in #trips & reply", "general/1772355600.000100"),
        ("Ben", "ok @here", "general/1772355600.000100"),
        ("deploy", "done", "general"),
    ]  # fmt: skip
    assert messages[1]["metadata"]["edited"] is True
    assert messages[2]["role"] == "assistant"
    assert skipped.counts["not a message"] == 2
    assert skipped.counts["a note of Slack's own (channel_join)"] == 1


# ---------------------------------------------------------------------------------------------------- mail
MAIL = (
    b"From ana@example.org Mon Mar  2 09:00:00 2026\r\nFrom: =?utf-8?q?Ana_Silva?= <ana@example.org>\r\nTo: Ben <ben@example.org>\r\nSubject: Ferry\r\n"
    b"Date: Mon, 02 Mar 2026 09:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\r\nThe ferry leaves at nine.\r\n>From the quay, that is.\r\n\r\n"
    b"From ben@example.org Mon Mar  2 10:00:00 2026\nFrom: ben@example.org\nSubject: Re: Ferry\nDate: Mon, 02 Mar 2026 10:00:00 +0100\nMessage-ID: <2@example.org>\n"
    b"In-Reply-To: <1@example.org>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html; charset=iso-8859-1\n\n<p>Ol\xe1! See <b>you</b>.</p><script>1</script>\n"
    b"--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=ticket.pdf\n\nAAAA\n--x--\n\n"
    b"From nobody Mon Mar  2 11:00:00 2026\nSubject:\n\n\n"
)  # fmt: skip


def test_mail_keeps_threads_names_and_attachments(tmp_path: Path) -> None:
    (tmp_path / "all.mbox").write_bytes(MAIL)
    messages, skipped = read(tmp_path / "all.mbox")
    assert [(m["speaker"], m["content"], m["session"], m["origin"]) for m in messages] == [
        ("Ana Silva", "The ferry leaves at nine.\nFrom the quay, that is.", "1@example.org", "mail:1@example.org"),
        ("ben@example.org", "Olá! See you.", "1@example.org", "mail:2@example.org"),
    ]
    assert messages[1]["metadata"] == {"subject": "Re: Ferry", "attachments": ["ticket.pdf"]}
    assert messages[0]["at"].isoformat() == "2026-03-02T09:00:00+01:00"
    assert dict(skipped.counts) == {"without text": 1}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=120)
        | st.sampled_from(
            [b"From: =?x?q?=\n\nhi\n", b"Content-Type: multipart/mixed\n\n--\n", b"Content-Type: text/plain; charset=none\n\nx"]
        ),
        max_size=4,
    )
)
def test_no_bytes_bring_the_reader_of_mail_down(tmp_path: Path, mails: list[bytes]) -> None:
    (tmp_path / "m.mbox").write_bytes(b"".join(b"From x\n" + mail.replace(b"\nFrom ", b"\nfrom ") + b"\n\n" for mail in mails))
    messages, skipped = read(tmp_path / "m.mbox", form="mbox")
    assert len(messages) + skipped.total >= sum(1 for mail in mails if not mail.startswith(b"From "))


def test_quotes_at_the_end_are_left_out_and_those_inside_are_kept() -> None:
    assert without_quotes("a\n> b\nc") == ("a\n> b\nc", 0)
    assert without_quotes("> only quotes") == ("", 1)
    assert plain_of("<style>x</style>a<br>b &amp; c") == "a\nb & c"


# ---------------------------------------------------------------------------------------------------- Obsidian
def test_a_vault_gives_words_links_and_tags(tmp_path: Path) -> None:
    (tmp_path / "v" / ".obsidian").mkdir(parents=True)
    (tmp_path / "v" / ".obsidian" / "app.json").write_text("{}")
    (tmp_path / "v" / "2026-03-01 Trip.md").write_text(
        "---\ntags: travel, sea\n---\n# Plan\n\nMeet [[People/Clara|Clara]] at the [[Ferry]]. #island/day ![[map.png]]\n"
    )
    (tmp_path / "v" / "map.png").write_bytes(b"\x89PNG")
    messages, skipped = read(tmp_path / "v")
    [message] = messages
    assert "Meet Clara at the Ferry. #island/day map.png" in message["content"]
    assert message["metadata"]["links"] == ["People/Clara", "Ferry"]
    assert message["metadata"]["tags"] == ["island/day", "travel", "sea"]
    assert message["metadata"]["embeds"] == ["map.png"]
    assert skipped.counts["hidden"] == 1


# ---------------------------------------------------------------------------------------------------- other memories
def test_a_dump_of_mem0_is_known_again_by_the_client_in_its_shape(tmp_path: Path) -> None:
    from lamina.integrations.mem0 import Memory as Client

    rows = [
        {"id": "id-1", "memory": "Likes sardines", "created_at": "2026-01-02T03:04:05+00:00", "user_id": "ana", "run_id": "r", "metadata": {"topic": "food"}},
        {"id": "id-2", "memory": "Is an assistant", "agent_id": "bot"},
        {"id": "id-3", "memory": ""},
    ]  # fmt: skip
    for path in (write(tmp_path / "m.json", {"results": rows}), tmp_path / "m.jsonl"):
        path.write_text("\n".join(json.dumps(row) for row in rows)) if path.suffix == ".jsonl" else None
        assert form_of(path) == "mem0"
        messages, skipped = read(path)
        assert [m["scope"] for m in messages] == ["/ana", "//bot"]
        assert skipped.counts["without text"] == 1
    with Memory(":memory:") as memory:
        for message in messages:
            memory.add_many([{name: value for name, value in message.items() if name != "scope"}], scope=message["scope"])
        found = Client(memory=memory).search("sardines", filters={"user_id": "ana", "topic": "food"})["results"][0]
        assert (found["id"], found["memory"], found["run_id"]) == ("id-1", "Likes sardines", "r")


def test_the_history_of_mem0_gives_each_memory_as_it_was_last(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    rows = [
        ("h1", "m1", None, "Likes sardines.", "ADD", "2026-01-02T03:04:05+00:00", None, 0, None, "user"),
        ("h2", "m2", None, "Lives in Porto.", "ADD", "2026-01-02T03:04:05+00:00", None, 0, None, None),
        ("h3", "m1", "Likes sardines.", "Likes tuna.", "UPDATE", "2026-01-02T03:04:05+00:00", "2026-02-01T00:00:00+00:00", 0, "Ana", "user"),
        ("h4", "m2", "Lives in Porto.", None, "DELETE", "2026-01-02T03:04:05+00:00", "2026-02-01T00:00:00+00:00", 1, None, None),
    ]  # fmt: skip
    with sqlite3.connect(path) as file:
        file.execute(
            "CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT, created_at DATETIME, updated_at DATETIME, is_deleted INTEGER, actor_id TEXT, role TEXT)"
        )
        file.executemany(f"INSERT INTO history VALUES ({','.join('?' * 10)})", rows)
    file.close()
    assert form_of(path) == "mem0"
    messages, skipped = read(path)
    assert [(m["content"], m["speaker"], m["origin"], m["scope"]) for m in messages] == [("Likes tuna.", "Ana", "mem0:m1", "")]
    assert dict(skipped.counts) == {"deleted": 1}


def test_a_dump_of_graphiti_gives_episodes_facts_in_their_time_and_entities(tmp_path: Path) -> None:
    dump = {
        "episodes": [{"uuid": "e1", "name": "m", "content": "Ana moved to Lisbon.", "source_description": "chat", "valid_at": "2026-03-01T00:00:00Z", "created_at": "2026-03-02T00:00:00Z", "group_id": "ana"}],
        "edges": [
            {"uuid": "f1", "name": "LIVES_IN", "fact": "Ana lives in Porto.", "valid_at": "2020-01-01T00:00:00Z", "invalid_at": "2026-03-01T00:00:00Z", "episodes": ["e1"], "group_id": "ana"},
            {"uuid": "f2", "name": "X", "fact": "Backwards.", "valid_at": "2020-01-01T00:00:00Z", "invalid_at": "2019-01-01T00:00:00Z", "group_id": "ana"},
        ],
        "nodes": [{"uuid": "n1", "name": "Ana", "summary": "A sailor.", "labels": ["Person"], "group_id": "ana"}, {"uuid": "n2", "name": "", "summary": "", "group_id": "ana"}],
    }  # fmt: skip
    messages, skipped = read(write(tmp_path / "g.json", dump))
    assert [m["content"] for m in messages] == ["Ana moved to Lisbon.", "Ana lives in Porto.", "Backwards.", "Ana: A sailor."]
    assert skipped.counts["without text"] == 1
    with Memory(":memory:") as memory:
        memory.add_many([{name: value for name, value in message.items() if name != "scope"} for message in messages], user="ana")
        assert "Porto" in memory.search("where does Ana live?", user="ana", as_of="2023", k=1)[0].text


@pytest.mark.parametrize("form", ["sqlite", "jsonl"])
def test_a_store_of_langgraph_goes_on_as_one_of_ours(tmp_path: Path, form: str) -> None:
    from lamina.integrations.langgraph import LaminaStore

    value = {"text": "Ana lives in Braga.", "sure": 0.9}
    if form == "sqlite":
        path = tmp_path / "store.db"
        with sqlite3.connect(path) as file:
            file.execute(
                "CREATE TABLE store (prefix text, key text, value text, created_at timestamp, updated_at timestamp, expires_at timestamp, ttl_minutes real)"
            )
            for key, expires in (("home", None), ("gone", "2026-02-02 10:00:00.5+00:00")):
                file.execute(
                    "INSERT INTO store VALUES ('users.ana', ?, ?, '2026-01-01 10:00:00', '2026-02-01 10:00:00', ?, 1.0)",
                    (key, json.dumps(value).encode(), expires),
                )
        file.close()
    else:
        path = tmp_path / "items.jsonl"
        path.write_text(
            json.dumps({"namespace": ["users", "ana"], "key": "home", "value": value, "created_at": "2026-01-01T10:00:00Z"})
            + "\n{}\n"
        )
    assert form_of(path) == "langgraph"
    messages, skipped = read(path)
    with Memory(":memory:") as memory:
        for message in messages:
            scope = message.pop("scope")
            memory.add_many([message], scope=scope)
        store = LaminaStore(memory)
        item = store.get(("users", "ana"), "home")
        assert item is not None
        assert item.value == value
        assert item.created_at.isoformat() == "2026-01-01T10:00:00+00:00"
        assert store.search(("users",), query="where does she live?")[0].key == "home"
    assert dict(skipped.counts) == ({"expired": 1} if form == "sqlite" else {"not an item with namespace, key and value": 1})


# ---------------------------------------------------------------------------------------------------- archives
def test_a_bomb_a_broken_archive_and_an_unfinished_file_are_refused_or_counted(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", '[{"mapping": "' + " " * 80_000_000 + '"}]')
    with pytest.raises(InputError, match="that is no export"):
        read(bomb, form="chatgpt", strict=True)
    (tmp_path / "broken.zip").write_bytes(bomb.read_bytes()[:200])
    with pytest.raises(InputError, match="no form that can be read"):
        read(tmp_path / "broken.zip")
    unfinished = tmp_path / "conversations.json"
    unfinished.write_text(json.dumps(CHATGPT)[:-40])
    messages, skipped = read(unfinished)
    assert messages
    assert any("damaged, or not whole" in reason for reason in skipped.counts)


def test_names_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../conversations.json", json.dumps(CHATGPT))
    messages, _ = read(path)
    assert messages
    assert list(tmp_path.iterdir()) == [path]
    assert Archive(path).find("conversations.json") == "../../conversations.json"


def test_a_form_can_be_named_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.name", CHATGPT)
    assert form_of(path) == ""
    assert len(read(path, form="chatgpt")[0]) == 4
    with pytest.raises(InputError, match="no form"):
        read(path, form="word")
    with pytest.raises(InputError):
        read(path, form="chatgpt", strict=True)


@pytest.mark.parametrize(
    ("row", "form"),
    [
        ({"content": "x", "id": 1, "memory": "y"}, "jsonl"),
        ({"content": "x", "metadata": {"namespace": 1, "key": 2, "value": 3}}, "jsonl"),
        ({"id": "1", "memory": "y"}, "mem0"),
        ({"namespace": ["a"], "key": "k", "value": {}}, "langgraph"),
        ({"uuid": "1", "group_id": "g", "content": "x"}, "graphiti"),
        ({"uuid": "1", "fact": "x"}, "graphiti"),
        (["a", "list"], "jsonl"),
    ],
)
def test_json_lines_are_told_by_the_fields_of_the_first(tmp_path: Path, row: Any, form: str) -> None:
    (tmp_path / "rows.jsonl").write_text("\n" + json.dumps(row) + "\n{}\n")
    assert form_of(tmp_path / "rows.jsonl") == form
