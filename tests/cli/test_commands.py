"""Every command on a small memory, as somebody at a terminal would use it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """agent.db with three messages of Ana, dated, in two sessions."""
    for text, session, at in (
        ("Ana moved from Porto to Lisbon in March.", "spring", "2026-04-02T09:30"),
        ("Her new flat has a small balcony.", "spring", "2026-04-02T09:31"),
        ("The ferry to Tavira leaves at nine.", "summer", "2026-07-10"),
    ):
        shell("add", "agent.db", text, "--user", "ana", "--session", session, "--at", at, "--speaker", "Ana")
    return shell


def test_add_prints_the_id_and_search_finds_it(shell: Shell) -> None:
    id = shell("add", "agent.db", "The kettle is blue.").strip()
    assert shell.ids("agent.db", "what colour is the kettle?") == [id]


def test_the_file_may_be_left_out(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("add", "The kettle is blue.")
    assert (shell.folder / "lamina.db").exists()
    monkeypatch.setenv("LAMINA_PATH", "other.db")
    id = shell("add", "The pot is green.").strip()
    assert shell.ids("pot") == [id]
    assert "The pot is green." in shell("show", id)
    shell("forget", id)
    assert shell.ids("pot") == []
    shell("restore", id)
    shell("update", id, "The pot is red.")
    assert "The pot is red." in shell("context", "pot")
    shell("backup", "copy.db")
    shell("export", "all.jsonl")
    assert (shell.folder / "copy.db").exists()


def test_a_missing_word_is_not_taken_for_the_file(shell: Shell) -> None:
    shell("add", "agent.db", "The kettle is blue.")
    for command in ("add", "search", "context", "export", "import"):
        shell(command, "agent.db", code=2)
        assert "missing" in shell.err
    assert shell.json("stats", "agent.db")["items"]["trace"] == 1


def test_add_reads_standard_input(shell: Shell) -> None:
    shell("add", "agent.db", "-", given="Two lines,\nboth kept.\n")
    assert shell.json("search", "agent.db", "lines")[0]["text"] == "Two lines,\nboth kept."


def test_add_keeps_all_that_is_said_about_a_text(shell: Shell) -> None:
    shell(
        "add", "agent.db", "Sardines.", "--tenant", "acme", "--user", "ana", "--agent", "bot", "--session", "s", "--at", "2026-05",
        "--until", "2026-07", "--role", "user", "--speaker", "Ana", "--place", "Tavira", "--meta", "stars=4", "--meta", "kind=fish",
        "--origin", "one",
    )  # fmt: skip
    shell("add", "agent.db", "Sardines again.", "--tenant", "acme", "--user", "ana", "--agent", "bot", "--origin", "one")
    [hit] = shell.json("search", "agent.db", "sardines", "--scope", "acme/ana/bot", "--where", "stars>=4", "--place", "Tavira")
    assert hit["at"] == "2026-05-01T00:00:00+00:00"
    assert (hit["scope"], hit["session"], hit["precision"], hit["speaker"]) == ("acme/ana/bot", "s", "month", "Ana")
    assert hit["metadata"] == {"stars": 4, "kind": "fish"}
    assert shell.json("search", "agent.db", "sardines", "--scope", "*", "--where", "stars>4") == []


def test_search_conditions(filled: Shell) -> None:
    def texts(*conditions: str) -> set[str]:
        return {hit["text"][:9] for hit in filled.json("search", "agent.db", "Ana and the ferry", "-u", "ana", *conditions)}

    assert texts() == {"Ana moved", "Her new f", "The ferry"}
    assert texts("--session", "summer") == {"The ferry"}
    assert texts("--since", "2026-05") == {"The ferry"}
    assert texts("--before", "2026-05") == {"Ana moved", "Her new f"}
    assert texts("--as-of", "2026-04-02") == {"Ana moved", "Her new f"}
    assert texts("--known-at", "2020") == set()
    assert texts("--speaker", "Ben") == set()
    assert texts("--kind", "episode") == set()
    assert len(texts("-k", "1")) == 1
    filled("search", "agent.db", "x", "--where", "broken", code=2)
    filled("search", "agent.db", "x", "--since", "whenever", code=2)
    assert "is not a time" in filled.err


def test_search_shows_reasons(filled: Shell) -> None:
    assert "+" in filled("search", "agent.db", "where does Ana live?", "-u", "ana", "--reasons")


def test_nothing_found_names_the_other_scopes(filled: Shell) -> None:
    assert filled("search", "agent.db", "Ana") == ""
    assert "'/ana'" in filled.err
    assert "--user" in filled.err
    filled("context", "agent.db", "Ana")
    assert "'/ana'" in filled.err


def test_context_keeps_to_its_budget_and_prints_nothing_else(filled: Shell) -> None:
    made = filled.json("context", "agent.db", "where does Ana live?", "-u", "ana", "--budget", "60")
    assert 0 < made["tokens"] <= made["budget"] == 60
    assert filled("context", "agent.db", "where does Ana live?", "-u", "ana", "--budget", "60") == made["text"] + "\n"
    assert filled("context", "agent.db", "where does Ana live?", "-u", "ana", "--budget", "3") == ""
    assert "fits" in filled.err


def test_consolidate_show_and_zoom(filled: Shell) -> None:
    assert "no episode yet" in filled("show", "agent.db")
    assert "episodes: 2 made" in filled("consolidate", "agent.db")
    assert "nothing new" in filled("consolidate", "agent.db")
    shown = filled("show", "agent.db", "--depth", "4")
    for words in ("/ana", "spring", "summer", "Lisbon", "ferry"):
        assert words in shown
    assert "spring" not in filled("show", "agent.db", "--depth", "1")
    assert "summer" not in filled("show", "agent.db", "--session", "spring")
    tree = filled.json("show", "agent.db", "--depth", "4")
    episode = next(one for one in tree["sessions"] if one["session"] == "spring")["episodes"][0]
    below = filled.json("zoom", "agent.db", episode["id"])
    assert [item["text"] for item in below] == [trace["text"] for trace in episode["traces"]]
    above = filled.json("zoom", "agent.db", below[0]["id"], "--direction", "out")
    assert [item["id"] for item in above if item["kind"] == "episode"] == [episode["id"]]
    assert "rests on" in filled("show", "agent.db", episode["id"])
    assert episode["id"] in filled.json("show", "agent.db", below[0]["id"])["above"]


def test_show_goes_page_by_page(shell: Shell) -> None:
    for number in range(7):
        shell("add", "agent.db", f"Note {number}.", "--session", f"s{number}")
    seen: list[str] = []
    for page in (1, 2, 3):
        seen += [one["session"] for one in shell.json("show", "agent.db", "--limit", "3", "--page", str(page))["sessions"]]
    assert seen == [f"s{number}" for number in range(7)]
    shell("show", "agent.db", "--limit", "3")
    assert "--page 2" in shell.err
    shell("show", "agent.db", "--limit", "3", "--page", "9")
    assert "--page 3" in shell.err


def test_update_and_history(filled: Shell) -> None:
    [id] = filled.ids("agent.db", "ferry", "-u", "ana", "-k", "1")
    new = filled("update", "agent.db", id, "The ferry leaves at ten.", "--meta", "checked=true").strip()
    versions = filled.json("history", "agent.db", new)
    assert [item["text"] for item in versions] == ["The ferry to Tavira leaves at nine.", "The ferry leaves at ten."]
    assert versions[1]["metadata"] == {"checked": True}
    assert "(replaced)" in filled("history", "agent.db", id)
    filled("update", "agent.db", id, "Again.", code=2)
    filled("update", "agent.db", new, code=2)


def test_forget_restore_and_delete(filled: Shell) -> None:
    ids = filled.ids("agent.db", "Ana", "-u", "ana")
    assert "2 items" in filled("forget", "agent.db", ids[0], ids[1], "--reason", "asked to")
    assert filled.ids("agent.db", "Ana", "-u", "ana") == ids[2:]
    assert "asked to" in filled("history", "agent.db", ids[0])
    assert "1 item" in filled("restore", "agent.db", ids[0])
    assert "1 item" in filled("restore", "agent.db", "--all", "--user", "ana")
    assert sorted(filled.ids("agent.db", "Ana", "-u", "ana")) == sorted(ids)
    filled("delete", "agent.db", "-", given=ids[0])
    assert ids[0] not in filled.ids("agent.db", "Ana", "-u", "ana")
    filled("delete", "agent.db", ids[0], code=2)
    assert "there is no item" in filled.err


def test_forget_by_policy_leaves_what_is_fresh(filled: Shell) -> None:
    assert "0 items" in filled("forget", "agent.db", "--policy", "layered", "--user", "ana")
    filled("forget", "agent.db", code=2)


def test_delete_all_needs_a_scope_and_a_yes(filled: Shell) -> None:
    filled("delete", "agent.db", "--all", code=2)
    assert "scope" in filled.err
    filled("delete", "agent.db", "--all", "--user", "ana", code=2)
    assert "--yes" in filled.err
    assert filled.json("stats", "agent.db")["items"]["trace"] == 3
    assert "3 items" in filled("delete", "agent.db", "--all", "--user", "ana", "--yes", "--scrub")
    assert filled.json("stats", "agent.db")["items"]["trace"] == 0
    for file in filled.folder.glob("agent.db*"):
        assert b"balcony" not in file.read_bytes()
    assert "scrubbed" in filled("scrub", "agent.db")


def test_export_import_and_backup(filled: Shell) -> None:
    filled("consolidate", "agent.db")
    filled("export", "agent.db", "all.jsonl")
    filled("export", "agent.db", "all.jsonl", code=2)
    filled("export", "agent.db", "thin.jsonl", "--no-vectors")
    assert (filled.folder / "thin.jsonl").stat().st_size < (filled.folder / "all.jsonl").stat().st_size
    assert "imported" in filled("import", "copy.db", "all.jsonl")
    assert "nothing new" in filled("import", "copy.db", "all.jsonl")
    filled("backup", "agent.db", "backup.db")
    for copy in ("copy.db", "backup.db"):
        assert filled.ids(copy, "Ana", "-u", "ana") == filled.ids("agent.db", "Ana", "-u", "ana")
        filled("doctor", copy)
    (filled.folder / "cut.jsonl").write_text((filled.folder / "all.jsonl").read_text()[:-40])
    filled("import", "empty.db", "cut.jsonl", code=2)
    assert filled.json("stats", "empty.db")["items"]["trace"] == 0
    filled("import", "new.db", "nowhere.jsonl", code=2)
    assert not (filled.folder / "new.db").exists()


def test_rebuild_keeps_ids(filled: Shell) -> None:
    filled("consolidate", "agent.db")
    before = [one["episodes"] for one in filled.json("show", "agent.db")["sessions"]]
    assert "episodes" in filled("rebuild", "agent.db", "--embedder", "wordllama")
    assert [one["episodes"] for one in filled.json("show", "agent.db")["sessions"]] == before
    filled("rebuild", "agent.db", "--embedder", "word2vec", code=2)
    assert "is not an embedder" in filled.err


def test_rebuild_takes_another_language_which_stats_names(filled: Shell) -> None:
    assert filled.json("stats", "agent.db")["language"] == "english"
    filled("rebuild", "agent.db", "--language", "german")
    assert "german" in filled("stats", "agent.db")
    filled("rebuild", "agent.db", "--language", "klingon", code=2)
    assert filled.json("stats", "agent.db")["language"] == "german"


def test_rebuild_helps_where_the_embedder_is_another_one(filled: Shell) -> None:
    with sqlite3.connect(filled.folder / "agent.db") as database:
        database.execute("UPDATE space SET fingerprint = 'another/1'")
    database.close()
    filled("search", "agent.db", "ferry", "-u", "ana", code=2)
    assert "lamina rebuild" in filled.err
    filled("rebuild", "agent.db")
    assert len(filled.ids("agent.db", "ferry", "-u", "ana", "-k", "1")) == 1
    filled("doctor", "agent.db")


def test_doctor_says_what_is_wrong_and_mends_it(filled: Shell) -> None:
    assert "everything holds" in filled("doctor", "agent.db")
    with sqlite3.connect(filled.folder / "agent.db") as database:
        database.execute("UPDATE item SET until = at - 1 WHERE key = 1")
    database.close()
    findings = filled.json("doctor", "agent.db", code=1)
    assert findings
    filled("doctor", "agent.db", code=1)
    if all(finding["repairable"] for finding in findings):
        assert "mended" in filled("doctor", "agent.db", "--repair")
        filled("doctor", "agent.db")


def test_stats(filled: Shell) -> None:
    shown = filled("stats", "agent.db")
    assert "2026-04-02 09:30 to 2026-07-10" in shown
    assert filled.json("stats", "agent.db", "--user", "ana")["items"]["trace"] == 3
    assert filled.json("stats", "agent.db", "--user", "ben")["items"]["trace"] == 0
    filled("stats", "agent.db", "--user", "ben")


def test_bench_lists_what_can_be_run_and_refuses_the_rest(shell: Shell) -> None:
    assert "locomo" in shell("bench")
    shell("bench", "nothing", code=2)
    shell("bench", "locomo", "--set", "broken", code=2)


def test_what_was_remembered_cannot_steer_the_terminal(shell: Shell, tmp_path: Path) -> None:
    shell("add", "agent.db", "Look: \x1b[31mred\x1b]0;title\x07 \x9b31m")
    for command in (["search", "agent.db", "look"], ["context", "agent.db", "look"], ["show", "agent.db", "--depth", "4"]):
        assert not {"\x1b", "\x07", "\x9b"} & set(shell(*command))
    assert json.loads(shell("search", "agent.db", "look", "--json"))[0]["text"].startswith("Look: \x1b[31mred")


def test_markup_is_shown_as_it_stands(shell: Shell) -> None:
    shell("add", "agent.db", "The list [bold]x[/] :smile: is [1, 2].")
    assert "The list [bold]x[/] :smile: is [1, 2]." in shell("search", "agent.db", "list")


def test_profile_shows_biographies_where_they_were_made(shell: Shell) -> None:
    for text in ("I planted a fig tree.", "I live in Porto."):
        shell("add", "agent.db", text, "--user", "ana", "--speaker", "Ana")
    assert "About Ana" not in shell("profile", "agent.db", "--user", "ana")
    shell("consolidate", "agent.db", "--also", "biographies")
    assert "About Ana:" in shell("profile", "agent.db", "--user", "ana")
    [biography] = shell.json("profile", "agent.db", "--user", "ana")["biographies"]
    assert (biography["person"], biography["scope"], len(biography["lately"])) == ("Ana", "/ana", 2)
