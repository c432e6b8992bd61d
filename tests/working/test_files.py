"""The file store: nothing outside can be named, nothing is half written, every access is logged."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError, NotFoundError
from lamina.working.files import Access, Difference, FileStore, Snapshot
from lamina.working.paths import STATE, check_path


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "program")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty"), ("./", "empty"), ("/etc/passwd", "absolute"), ("~/x", "absolute"), ("C:/x", "absolute"), ("c:x", "absolute"),
        ("../x", "leaves"), ("a/../x", "leaves"), ("a/..", "leaves"), (".", "leaves"), ("a/./b", "leaves"), ("a//b", "empty part"),
        ("a/", "empty part"), ("a\0b", "the sign"), ("a\nb", "the sign"), ("a\\b", "the sign"), ("ab:c", "the sign"), ("a\u202eb", "the sign"),
        ("a*b", "the sign"), ("-rf", "begins with"), (" a", "begins with"), ("a ", "ends in"), ("a.", "ends in"), ("a/b.", "ends in"),
        ("x" * 101, "too long"), ("a/" * 120 + "b", "too long"), ("/".join("a" * 17), "too long"), ("e\u0301.py", "unusual"),
        (".lamina/program.json", "belongs to"), (".LAMINA/x", "belongs to"), (".git/config", "belongs to"), ("a/.git/x", "belongs to"),
        ("nul", "belongs to"), ("a/CON.txt", "belongs to"), ("lpt1.py", "belongs to"), (7, "is text"), (None, "is text"),
    ],
)  # fmt: skip
def test_paths_that_are_not_plain_are_refused(store: FileStore, path: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        store.change({path: "x"})
    with pytest.raises(InputError, match=why):
        store.read(path)
    with pytest.raises(InputError, match=why):
        store.change(deletes=[path])
    assert store.list() == []


@given(st.text(max_size=30))
def test_no_text_names_a_file_outside(name: str) -> None:
    try:
        path = check_path(name)
    except InputError:
        return
    assert os.path.normpath(f"/root/{path}").startswith("/root/")
    assert not path.casefold().startswith((".lamina", "/"))


def test_links_lead_nowhere(store: FileStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    (store.root / "link.txt").symlink_to(secret)
    (store.root / "out").symlink_to(tmp_path)
    assert store.list() == []
    for path in ("link.txt", "out/secret.txt", "out/new.txt"):
        with pytest.raises(InputError, match="through a link"):
            store.read(path)
        with pytest.raises(InputError, match="through a link"):
            store.change({path: "taken"})
    assert secret.read_text() == "mine"
    assert not (tmp_path / "new.txt").exists()


def test_names_that_differ_in_capitals_alone_are_refused(store: FileStore) -> None:
    store.change({"Shop/Cart.py": ""})
    for path in ("Shop/cart.py", "shop/till.py", "SHOP"):
        with pytest.raises(InputError, match="capitals"):
            store.change({path: ""})
    with pytest.raises(InputError, match="capitals"):
        store.change({"a.py": "", "A.py": ""})
    assert store.list() == ["Shop/Cart.py"]


def test_a_file_and_a_folder_cannot_share_a_name(store: FileStore) -> None:
    store.change({"a/b": "x"})
    with pytest.raises(InputError, match="is a folder"):
        store.change({"a": "x"})
    with pytest.raises(InputError, match="is a file, not a folder"):
        store.change({"a/b/c": "x"})
    with pytest.raises(InputError, match="is a folder"):
        store.change({"a": "x"}, deletes=["a/b"])
    store.change(deletes=["a/b"])
    assert store.change({"a": "x"}) == Difference(("a",), (), ())


def test_sizes_are_limited(tmp_path: Path) -> None:
    store = FileStore(tmp_path, file_bytes=10, files=3, total_bytes=20)
    with pytest.raises(InputError, match="11 bytes, and 10"):
        store.change({"a": "x" * 11})
    with pytest.raises(InputError, match="11 bytes"):
        store.change({"a": "€€€xx"})
    with pytest.raises(InputError, match="4 files, and 3"):
        store.change(dict.fromkeys("abcd", ""))
    store.change({"a": "x" * 10, "b": "x" * 10})
    with pytest.raises(InputError, match="21 bytes, and 20"):
        store.change({"c": "x"})
    with pytest.raises(InputError, match="at least 1"):
        FileStore(tmp_path, files=0)
    with pytest.raises(InputError, match="surrogates"):
        store.change({"a": "\ud800"})
    with pytest.raises(InputError, match="must be text"):
        store.change({"a": 3})  # type: ignore[dict-item]
    assert store.list() == ["a", "b"]


def test_several_changes_happen_together_or_not_at_all(store: FileStore) -> None:
    store.change({"a": "1", "b": "2"})
    with pytest.raises(InputError):
        store.change({"a": "new", "../c": "x"})
    with pytest.raises(NotFoundError, match="'z'"):
        store.change({"a": "new"}, deletes=["b", "z"])
    assert store.snapshot().files == {"a": "1", "b": "2"}
    assert len(store.accesses) == 2


def test_what_a_killed_process_had_decided_is_finished_by_the_next(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.change({"a": "1", "b": "2"})
    monkeypatch.setattr(store, "_finish", lambda: None)  # killed after the journal is written
    store.change({"a": "new", "c": "3"}, deletes=["b"])
    assert store.snapshot().files == {"a": "1", "b": "2"}
    assert FileStore(store.root).snapshot().files == {"a": "new", "c": "3"}
    assert FileStore(store.root).snapshot().files == {"a": "new", "c": "3"}


def test_what_a_killed_process_had_not_decided_is_not_done(store: FileStore) -> None:
    store.change({"a": "1"})
    stage = store.root / STATE / "stage"
    stage.mkdir()
    (stage / "0").write_text("half")
    assert FileStore(store.root).snapshot().files == {"a": "1"}
    assert not stage.exists()


@pytest.mark.parametrize(
    "told",
    [{"moves": {"0": "../../x"}, "deletes": []}, {"moves": {}, "deletes": ["../x"]}, {"moves": {"../0": "x"}, "deletes": []}, []],
)
def test_a_journal_from_elsewhere_reaches_nothing_outside(store: FileStore, tmp_path: Path, told: object) -> None:
    (tmp_path / "x").write_text("mine")
    (store.root / STATE).mkdir(exist_ok=True)
    (store.root / STATE / "journal.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="not a journal"):
        FileStore(store.root)
    assert (tmp_path / "x").read_text() == "mine"


def test_lines_are_read_by_range(store: FileStore) -> None:
    store.change({"a": "one\ntwo\r\nthree\n", "empty": ""})
    assert store.read("a") == "one\ntwo\r\nthree\n"
    assert store.read("a", 2, 2) == "two\r\n"
    assert store.read("a", 2) == "two\r\nthree\n"
    assert store.read("a", 3, 99) == "three\n"
    assert store.read("empty") == ""
    for first, last in ((0, 1), (4, None), (3, 1), (-1, 2)):
        with pytest.raises(InputError, match="lines 1 to 3"):
            store.read("a", first, last)


def test_what_is_no_text_and_what_others_keep_is_left_alone(store: FileStore) -> None:
    (store.root / "picture.png").write_bytes(b"\x89PNG\xff")
    (store.root / ".git").mkdir()
    (store.root / ".git" / "config").write_text("x")
    store.change({"a": "1"})
    assert store.list() == ["a", "picture.png"]
    assert store.snapshot().files == {"a": "1"}
    with pytest.raises(InputError, match="not a text"):
        store.read("picture.png")


def test_every_access_is_logged_with_its_step(store: FileStore) -> None:
    store.step = 1
    store.change({"a": "1", "b": "2"})
    store.step = 2
    store.read("a")
    store.change({"a": "1"})
    store.change({"a": "3"}, deletes=["b"])
    assert store.accesses == [
        Access(1, "a", "create"), Access(1, "b", "create"), Access(2, "a", "read"), Access(2, "a", "same"),
        Access(2, "a", "write"), Access(2, "b", "delete"),
    ]  # fmt: skip


def test_a_snapshot_can_be_compared_and_gone_back_to(store: FileStore) -> None:
    store.change({"a": "1\n2\n", "b": "x"})
    before = store.snapshot()
    store.change({"a": "1\n3\n", "d/c": "y"}, deletes=["b"])
    after = store.snapshot()
    assert before.difference(after) == Difference(("d/c",), ("a",), ("b",))
    assert "-2\n+3" in before.unified(after)
    assert before.digest != after.digest
    store.restore(before)
    assert store.snapshot() == before
    assert store.snapshot().digest == before.digest
    assert not (store.root / "d").exists()


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        FileStore(tmp_path / "file")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / STATE).symlink_to(tmp_path)
    with pytest.raises(InputError, match="of its own"):
        FileStore(tmp_path / "p")


NAMES = st.sampled_from(["a", "b", "d/a", "d/e/f"])
CHANGES = st.tuples(
    st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=3), st.sets(NAMES, max_size=2)
)


@given(st.lists(CHANGES, max_size=8))
def test_the_store_is_a_dictionary_on_disk(changes: list[tuple[dict[str, str], set[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, model = FileStore(folder), {}
        for writes, deletes in changes:
            before = Snapshot.of(model)
            if deletes <= set(model):
                made = store.change(writes, deletes)
                model = {**{path: text for path, text in model.items() if path not in deletes}, **writes}
                assert made == before.difference(Snapshot.of(model))
            else:
                with pytest.raises(NotFoundError):
                    store.change(writes, deletes)
            assert dict(store.snapshot().files) == dict(sorted(model.items()))
            assert FileStore(folder).list() == sorted(model)
