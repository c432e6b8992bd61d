"""Bad input, bad embedders, bad files: an error that names the remedy, and nothing lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina import Memory
from lamina.errors import (
    ConfigError,
    EmbedderMismatchError,
    InputError,
    LaminaError,
    ModelError,
    NotADatabaseError,
    ReadOnlyError,
    SchemaError,
    StoreError,
    StoreFullError,
    TransferError,
    VectorError,
)
from lamina.records import Run
from lamina.storage.sqlite import SQLiteStore
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import derived, derived_at_once, everything

TALK = ["We bought bread and butter.", "The butter was salty.", "Then it rained all day."]
MEGABYTE = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def opened(path: Path | str, **settings: Any) -> Memory:
    return Memory(path, **{"embedder": WordEmbedder(), **settings})


# ------------------------------------------------------------------------------------------------------------ values
CALLS: list[tuple[Callable[[Memory], Any], str]] = [
    (lambda m: m.add(""), "is empty"),
    (lambda m: m.add(" \n"), "is empty"),
    (lambda m: m.add(["good", ""]), "message 1 is empty"),
    (lambda m: m.add("a\ud800"), "importer"),
    (lambda m: m.add("a\0"), "NUL"),
    (lambda m: m.add("a", session="s\ud800"), "surrogate"),
    (lambda m: m.add("a", session="s" * 2000), "the most is 1,024"),
    (lambda m: m.add("a", speaker="s" * 2000), "the most is 1,024"),
    (lambda m: m.add("a", user=""), "non-empty"),
    (lambda m: m.add("a", user=5), "non-empty"),  # type: ignore[arg-type]
    (lambda m: m.add("a", scope="*"), "name one scope"),
    (lambda m: m.add("a", scope="a//"), "make_scope"),
    (lambda m: m.add("a", scope="a", user="b"), "either a scope"),
    (lambda m: m.add("a", at="2023-05-08", until="2023-05-08"), "must come after"),
    (lambda m: m.add("a", at="10000-01-01"), "is not a time"),
    (lambda m: m.add("a", at="9999-12-31T23:59:59-10:00"), "years 1 to 9999"),
    (lambda m: m.add("a", usr="ana"), "'usr' here: use agent, scope, tenant, user"),  # type: ignore[call-arg]
    (lambda m: m.add("a", kinds=["trace"]), "'kinds' here"),  # type: ignore[call-arg]
    (lambda m: m.add("a", metadata={"x": float("nan")}), "no JSON number"),
    (lambda m: m.add("a", metadata={"x": b""}), "bytes"),
    (lambda m: m.add("a", role="event"), "kept for"),
    (lambda m: m.add_many("abc"), "use add for one message"),
    (lambda m: m.add_many({"content": "x"}), "use add for one message"),  # type: ignore[arg-type]
    (lambda m: m.add_many(["a"], batch=0), "batch must be at least 1"),
    (lambda m: m.search(""), "the cue is empty"),
    (lambda m: m.search("a\ud800"), "the cue has a lone surrogate"),
    (lambda m: m.search(5), "the cue must be a string"),  # type: ignore[arg-type]
    (lambda m: m.search("a", k=0), "k must be at least 1"),
    (lambda m: m.search("a", k="5"), "k must be a whole number"),  # type: ignore[arg-type]
    (lambda m: m.search("a", usr="ana"), "no argument 'usr' here"),  # type: ignore[call-arg]
    (lambda m: m.search("a", kinds=["memory"]), "is not a kind"),
    (lambda m: m.search("a", kinds=5), "kinds must be text or a list"),  # type: ignore[arg-type]
    (lambda m: m.search("a", since="soon"), "is not a time"),
    (lambda m: m.search("a", where={"user": "x"}), "must be a lamina.Filter"),  # type: ignore[arg-type]
    (lambda m: m.search("a", metadata=["x"]), "metadata must map"),  # type: ignore[arg-type]
    (lambda m: m.search("a", metadata={"x": {"near": 1}}), "is not a filter operator"),
    (lambda m: m.search("a", vector=[1.0, 2.0]), "shape"),
    (lambda m: m.search("a", vector=[float("nan")] * 16), "finite"),
    (lambda m: m.search("a", vector="north"), "list of numbers"),  # type: ignore[arg-type]
    (lambda m: m.context("a", budget=-1), "budget must be at least 0"),
    (lambda m: m.context("a", budget=1.5), "budget must be a whole number"),  # type: ignore[arg-type]
    (lambda m: m.get_all(limit=0), "limit must be at least 1"),
    (lambda m: m.get_all(cursor="x"), "is not a cursor"),
    (lambda m: m.get_all(order="best"), "is not an order"),  # type: ignore[arg-type]
    (lambda m: m.get(5), "ids must be text"),  # type: ignore[arg-type]
    (lambda m: m.delete(5), "ids must be text"),  # type: ignore[arg-type]
    (lambda m: m.forget(), "give either"),
    (lambda m: m.forget("x", user="ana"), "only together with a policy"),
    (lambda m: m.zoom("x", "sideways"), "'in' or 'out'"),
    (lambda m: m.delete_all(), "needs a scope"),
    (lambda m: m.scopes("a//"), "make_scope"),
    (lambda m: m.consolidate(usr="x"), "no argument 'usr' here"),  # type: ignore[call-arg]
    (lambda m: m.export("/nowhere/x.jsonl"), "does not exist: create it"),
    (lambda m: m.import_("/nowhere/x.jsonl"), "check the path"),
    (lambda m: m.rebuild(embedder="word2vec"), "is not an embedder"),
]


@pytest.mark.parametrize(("call", "words"), CALLS)
def test_a_wrong_argument_is_refused_in_words_that_help_and_nothing_is_written(call: Callable[[Memory], Any], words: str) -> None:
    with opened(":memory:") as memory:
        memory.add("already here")
        memory.flush()
        before = everything(memory)
        with pytest.raises(LaminaError, match=words):
            call(memory)
        assert everything(memory) == before


def test_an_update_with_bad_metadata_changes_nothing() -> None:
    with opened(":memory:") as memory:
        id = memory.add("already here")[0]
        for bad in ({"x": float("inf")}, {1: "x"}, "x"):
            with pytest.raises(InputError):
                memory.update(id, metadata=bad)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="is empty"):
            memory.update(id, "")
        assert [item.id for item in memory.get_all()] == [id]


def test_a_bad_message_in_a_stream_keeps_the_batches_before_it() -> None:
    with opened(":memory:") as memory:
        with pytest.raises(InputError, match="is empty"):
            memory.add_many([*(f"line {number}" for number in range(25)), ""], batch=10)
        assert memory.count() == 20


def test_ten_megabytes_in_one_message_become_traces_in_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(f"Line {number} of a long report, and nothing of it may be lost.\n" for number in range(170_000))[
        : 10 * MEGABYTE
    ]
    with opened(path) as memory:
        began = time.perf_counter()
        ids = memory.add(text, session="s", origin="report")
        seconds = time.perf_counter() - began
        with capsys.disabled():
            print(f"\n10 MB in one message: {len(ids)} traces in {seconds:.2f} s")
        assert seconds < 20
        items = memory.store.items.get(ids)
        assert "".join(item.text for item in items if item is not None) == text
        assert [item.data["part"] for item in items if item is not None] == [[place + 1, len(ids)] for place in range(len(ids))]
        assert [item.text for item in memory.store.items.session_traces("", "s")] == [item.text for item in items if item]
        assert memory.add(text, session="s", origin="report") == ids


def test_an_import_replaces_what_cannot_be_stored_and_counts_it(tmp_path: Path) -> None:
    with opened(":memory:") as memory:
        memory.add("a MARK b", metadata={"x": "MARK"})
        memory.export(tmp_path / "good.jsonl")
    import hashlib

    lines = (tmp_path / "good.jsonl").read_text().replace("MARK", "\\ud800").splitlines()
    footer = json.loads(lines[-1])
    footer["digest"] = hashlib.blake2b("".join(line + "\n" for line in lines[:-1]).encode(), digest_size=16).hexdigest()
    (tmp_path / "bad.jsonl").write_text("\n".join([*lines[:-1], json.dumps(footer)]) + "\n")
    with opened(":memory:") as memory:
        with pytest.raises(TransferError, match="mend=True"):
            memory.import_(tmp_path / "bad.jsonl")
        assert memory.count() == 0
        assert memory.import_(tmp_path / "bad.jsonl", mend=True).mended == 2
        assert [item.text for item in memory.get_all()] == ["a \ufffd b"]
        assert memory.doctor() == []


@pytest.mark.parametrize(
    "content",
    [b"", b"not json\n", b'{"type": "header"}\n', b"\xff\xfe\n", b"[1]\n", b'{"type":"header","format":"lamina","version":99}\n'],
)
def test_a_malformed_export_is_refused_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with opened(":memory:") as memory:
        with pytest.raises(TransferError):
            memory.import_(tmp_path / "x.jsonl")
        assert everything(memory) == {}


# --------------------------------------------------------------------------------------------------------- embedders
def test_nan_from_an_embedder_is_refused_and_the_traces_wait(path: Path) -> None:
    embedder = WordEmbedder(instant=False)
    embedder.poison = True
    with opened(path, embedder=embedder) as memory:
        memory.add(TALK)
        with pytest.raises(VectorError, match="NaN"):
            memory.flush()
        assert memory.stats()["pending_embeddings"] == 3
        embedder.poison = False
        memory.flush()
        assert memory.stats()["pending_embeddings"] == 0
        assert memory.doctor() == []


@pytest.mark.parametrize("instant", [True, False])
def test_a_failing_embedder_leaves_the_traces_safe_and_a_later_flush_succeeds(path: Path, instant: bool) -> None:
    embedder = WordEmbedder(instant=instant)
    embedder.broken = RuntimeError("the model is gone")
    with opened(path, embedder=embedder) as memory:
        memory.add(TALK)
        with pytest.raises(ModelError, match="nothing is lost"):
            memory.flush()
        with pytest.raises(ModelError):
            memory.consolidate()
        assert memory.search("salty butter")[0].text == TALK[1]
        assert len(memory.get_all()) == 3
        embedder.broken = None
        memory.flush()
        assert memory.stats()["pending_embeddings"] == 0
        assert memory.consolidate()


def test_closing_with_a_failing_embedder_loses_nothing(path: Path) -> None:
    embedder = WordEmbedder()
    embedder.broken = RuntimeError("the model is gone")
    with opened(path, embedder=embedder) as memory:
        memory.add(TALK)
    with opened(path) as memory:
        assert len(memory.get_all()) == 3
        assert memory.search("salty butter")[0].text == TALK[1]


@pytest.mark.parametrize(
    "other", [WordEmbedder(32), WordEmbedder(16, fingerprint="others/16"), WordEmbedder(8, fingerprint="words/16")]
)
def test_another_embedder_is_refused_and_the_error_names_rebuild(path: Path, other: WordEmbedder) -> None:
    with opened(path) as memory:
        memory.add(TALK)
    with pytest.raises(EmbedderMismatchError, match="rebuild"):
        opened(path, embedder=other)
    with opened(path) as memory:
        assert memory.search("salty butter")[0].text == TALK[1]


def test_after_a_rebuild_the_other_embedder_serves(path: Path) -> None:
    with opened(path) as memory:
        memory.add(TALK, session="s")
        memory.consolidate()
        ids = set(everything(memory))
        memory.rebuild(embedder=WordEmbedder(32))
        assert set(everything(memory)) == ids
        assert memory.search("salty butter")[0].text == TALK[1]
        assert memory.doctor() == []
    with pytest.raises(EmbedderMismatchError):
        opened(path)
    with opened(path, embedder=WordEmbedder(24), rebuild=True) as memory:  # the first embedders need not be there any more
        assert memory.search("salty butter")[0].text == TALK[1]
        assert [space.dim for space in memory.store.vectors.spaces()] == [24]
        assert memory.doctor() == []


def test_an_interrupted_rebuild_serves_the_old_space_and_goes_on_where_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.consolidation.embedding_anew.BATCH", 10)
    stop = [False]
    with opened(path, run=Run(cancelled=lambda: stop[0])) as memory:
        memory.add_many([f"line {number} about butter" for number in range(95)])
        memory.flush()
        other = WordEmbedder(32)
        stop[0] = True
        with pytest.raises(LaminaError, match="cancelled"):
            memory.rebuild(embedder=other)
        stop[0] = False
        assert other.embedded == 10
        active = memory.store.vectors.active()
        assert active is not None
        assert active.dim == 16
        assert memory.search("butter", k=95)[0]
        memory.add("added in between, with butter")
        memory.rebuild(embedder=other)
        assert other.embedded == 96 + len(derived(memory))  # each trace once, and the episodes
        assert memory.stats()["pending_embeddings"] == 0
        assert [space.dim for space in memory.store.vectors.spaces()] == [32]
        assert memory.doctor() == []


def test_a_process_that_still_has_the_old_embedder_is_told_of_the_rebuild(path: Path) -> None:
    with opened(path, embedder=WordEmbedder(instant=False)) as old, opened(path) as memory:
        old.add(TALK)
        memory.rebuild(embedder=WordEmbedder(32))
        id = old.add("a late line")[0]
        for call in (old.flush, lambda: old.search("butter")):
            with pytest.raises(EmbedderMismatchError, match="rebuild"):
                call()
        memory.flush()
        assert memory.get(id) is not None
        assert memory.search("a late line")[0].id == id
        assert memory.doctor() == []


def test_an_embedder_must_be_one(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not an? embedder"):
        opened(path, embedder=object())


# ------------------------------------------------------------------------------------------------------------- files
def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with opened(path) as memory:
        memory.add(TALK)
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(SchemaError, match="upgrade"):
        opened(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM item").fetchone() == (3,)


@pytest.mark.parametrize("content", [b"hello, I am a text file\n" * 10, b"SQLite format 3\0" + b"garbage" * 500])
def test_what_is_no_store_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotADatabaseError):
        opened(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE item(x)")
    raw.close()
    with pytest.raises(NotADatabaseError, match="choose another path"):
        opened(path)


def test_a_missing_folder_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="create it"):
        opened(tmp_path / "none" / "a.db")
    with pytest.raises(NotADatabaseError, match="is a folder"):
        opened(tmp_path)


def test_a_read_only_memory_recalls_and_refuses_every_write(path: Path) -> None:
    with opened(path) as memory:
        id = memory.add(TALK, session="s")[0]
        memory.consolidate()
    before = path.read_bytes()
    with opened(path, read_only=True) as memory:
        assert memory.search("salty butter")[0].text == TALK[1]
        assert memory.context("salty butter", budget=200).tokens > 0
        for call in (
            lambda: memory.add("x"),
            lambda: memory.add_many(["x"]),
            lambda: memory.update(id, "x"),
            lambda: memory.delete(id),
            lambda: memory.delete_all(scope="*"),
            lambda: memory.forget(id),
            lambda: memory.scrub(),
            lambda: memory.rebuild(),
            lambda: memory.rebuild(embedder=WordEmbedder(32)),
        ):
            with pytest.raises(ReadOnlyError):
                call()
    assert path.read_bytes() == before


@pytest.mark.parametrize("what", ["add", "add_many", "consolidate", "update", "rebuild"])
def test_a_full_disk_loses_nothing_and_the_work_goes_on_when_there_is_room(path: Path, what: str) -> None:
    with opened(path) as memory:
        ids = memory.add([f"line {number} about {'butter' if number % 9 else 'rain'}" for number in range(60)], session="s")
        memory.flush()
        before = everything(memory)
        assert isinstance(memory.store, SQLiteStore)
        with memory.store.connection.exclusive() as bare:
            pages = bare.execute("PRAGMA page_count").fetchone()[0]
            bare.execute(f"PRAGMA max_page_count = {pages}")
        calls: dict[str, Callable[[], Any]] = {
            "add": lambda: memory.add("word " * 60_000),
            "add_many": lambda: memory.add_many([f"{number} " + "word " * 500 for number in range(200)], batch=100),
            "consolidate": lambda: memory.add_many([f"{number} " + "word " * 500 for number in range(40)], batch=1),
            "update": lambda: memory.update(ids[0], "word " * 60_000),
            "rebuild": lambda: memory.rebuild(embedder=WordEmbedder(2048)),
        }
        with pytest.raises(StoreFullError, match="free disk space"):
            calls[what]()
        if what == "consolidate":
            acknowledged = everything(memory)
            with pytest.raises(StoreFullError):
                memory.consolidate()
            assert acknowledged.items() <= everything(memory).items()
        after = {id: item for id, item in everything(memory).items() if id in before}
        assert after == before
        assert memory.doctor() == []
        with memory.store.connection.exclusive() as bare:
            bare.execute("PRAGMA max_page_count = 1000000")
        calls[what]()
        memory.consolidate()
        assert derived(memory) == derived_at_once(memory)
        assert memory.doctor() == []
