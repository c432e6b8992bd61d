"""The page as a file: everything in it, nothing of it loose in the HTML, and not readable by others."""

from __future__ import annotations

import base64
import gzip
import json
import re
import stat
from pathlib import Path

import pytest

from lamina import Memory
from lamina.errors import InputError
from lamina.page import columns_of, page_html, write_page
from lamina.page.writing import script

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 ' \" ` ${x}"


def data_in(text: str) -> list[dict[str, list[object]]]:
    return [json.loads(gzip.decompress(base64.b64decode(block))) for block in re.findall(r'class="data">(.*?)</script>', text)]


def test_it_holds_every_item_and_what_rests_on_what(tmp_path: Path) -> None:
    with Memory(":memory:") as memory:
        ids = memory.add([f"Message {n}" for n in range(30)], user="ana", session="s")
        memory.add("elsewhere", user="ben")
        memory.consolidate()
        memory.forget(ids[0])
        assert write_page(memory, tmp_path / "p.html", scope="/ana") == len(data_in((tmp_path / "p.html").read_text())[0]["id"])
    [columns] = data_in((tmp_path / "p.html").read_text())
    assert set(ids) <= set(columns["id"])
    assert "elsewhere" not in columns["text"]
    assert columns["state"][columns["id"].index(ids[0])] == 1
    episodes = {id for id, kind in zip(columns["id"], columns["kind"], strict=True) if kind == "episode"}
    assert {pair[0] for pair in columns["rests"]} <= episodes
    assert stat.S_IMODE((tmp_path / "p.html").stat().st_mode) == 0o600


def test_nothing_remembered_stands_loose_in_it(tmp_path: Path) -> None:
    with Memory(tmp_path / "<b>.db") as memory:
        memory.add(HOSTILE, user="</script><script>alert(2)</script>", speaker=HOSTILE, session=HOSTILE)
        write_page(memory, tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "onerror" not in text
    assert "alert(" not in text
    assert "<b>.db" not in text
    assert text.count("<script") == 3  # data, settings, code


def test_a_page_is_not_overwritten_unasked(tmp_path: Path) -> None:
    with Memory(":memory:") as memory:
        memory.add("x")
        write_page(memory, tmp_path / "p.html")
        with pytest.raises(InputError, match="there already"):
            write_page(memory, tmp_path / "p.html")
        assert write_page(memory, tmp_path / "p.html", overwrite=True) == 1
        with pytest.raises(InputError, match="does not exist"):
            write_page(memory, tmp_path / "no" / "p.html")


def test_columns_come_in_pages_and_nothing_is_left_out() -> None:
    with Memory(":memory:") as memory:
        ids = memory.add([f"Message {n} " + "word " * 60 for n in range(25)], user="ana")
        seen: list[str] = []
        cursor = None
        while True:
            chunk = columns_of(memory.store, "/ana", cursor=cursor, limit=10)
            assert all(len(text) <= 160 for text in chunk.columns["text"])
            seen += chunk.columns["id"]
            cursor = chunk.cursor
            if cursor is None:
                break
        assert seen == ids


def test_the_code_is_one_script_without_imports_and_the_policy_forbids_the_rest() -> None:
    assert not re.search(r"^(import|export) ", script(), re.MULTILINE)
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in script()
    written, served = page_html("m.db", []), page_html("m.db")
    assert "connect-src &#x27;none&#x27;" in written
    assert "connect-src &#x27;self&#x27;" in served
    assert "unsafe" not in written


def test_a_page_that_is_written_anew_is_as_private_as_a_new_one(tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    page.write_text("open to all")
    page.chmod(0o644)
    with Memory(":memory:") as memory:
        memory.add("x")
        write_page(memory, page, overwrite=True)
        with pytest.raises(InputError, match="is no file"):
            write_page(memory, tmp_path, overwrite=True)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["p.html"]


def test_newer_versions_are_told_from_older_ones() -> None:
    with Memory(":memory:") as memory:
        [old] = memory.add("The ferry leaves at 8.", user="ana")
        new = memory.update(old, text="The ferry leaves at 9.")
        columns = columns_of(memory.store, "/ana").columns
    assert columns["replaces"] == [(new if isinstance(new, str) else new[0], old)]
    assert columns["state"][columns["id"].index(old)] == 2
    assert len(columns["recorded"]) == len(columns["id"])


def test_what_is_known_comes_in_fields() -> None:
    with Memory(":memory:") as memory:
        for day, text in enumerate(
            ["I live in Porto.", "I live in Braga now.", "I like olives.", "The olive trees of Braga are old."], 1
        ):
            memory.add(text, user="ana", speaker="Ana", session=f"s{day}", at=f"2026-03-0{day}")
        memory.consolidate(also=["topics", "portraits", "biographies"])
        columns = columns_of(memory.store, "/ana").columns
        kinds = dict(zip(columns["id"], columns["kind"], strict=True))
        known = dict(columns["known"])
        [portrait] = memory.portraits(user="ana")
        assert known[portrait.id] == {"person": "Ana", "lines": [line.as_json() for line in portrait.lines]}
        [life] = memory.biographies(user="ana")
        assert known[life.id]["lately"] == [line.as_json() for line in life.lately]
        assert "about" not in known[life.id]  # by rules: what its shades say
        for topic in memory.topics(user="ana"):
            assert known[topic.id] == {"name": topic.data["name"], "size": topic.data["leaves"]}
            inside = {item.id for item in memory.zoom(topic.id)}
            assert {below for above, below in columns["rests"] if above == topic.id} == inside
    facts = {tuple(fields.values()) for id, fields in known.items() if kinds[id] == "fact"}
    assert facts >= {("Ana", "city", "Porto"), ("Ana", "city", "Braga"), ("Ana", "yes", "likes olives")}
    assert not any(kinds[id] in ("trace", "episode") for id in known)
