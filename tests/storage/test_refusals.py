"""An import file that is not whole and right is refused whole, with its line and what to do."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.errors import TransferError
from lamina.records import Filter
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import examine
from lamina.storage.transfer import export_lines, import_file
from tests.storage.exports import Records, first, records, sealed
from tests.storage.material import (
    EVERYTHING,
    NOW,
    add,
    trace,
)


@pytest.fixture
def store(filled: SQLiteStore) -> SQLiteStore:
    return filled


def alter(type: str, **fields: Any) -> Any:
    return lambda content: first(content, type).update(fields)


def vector(values: list[float]) -> str:
    return base64.b64encode(np.array(values, "<f2").tobytes()).decode()


def swap(content: Records) -> None:
    content.insert(1, content.pop(content.index(first(content, "edge"))))


WRONG = {
    "no header": (lambda content: content.pop(0), "line 1: this is not the header"),
    "other format": (alter("header", format="diary"), "line 1: this is not the header"),
    "newer version": (alter("header", version=2), "line 1: the export has format version 2.*upgrade"),
    "no spaces": (alter("header", spaces=None), "line 1"),
    "no such space": (alter("header", spaces=[{"fingerprint": "f", "dim": 0, "view": "body"}]), "line 1.*vector space"),
    "two headers": (lambda content: content.insert(3, content[0]), "line 4: a second header"),
    "unknown record": (lambda content: content.insert(3, {"type": "dream"}), "line 4: 'dream'"),
    "twice": (lambda content: content.insert(3, content[1]), "line 4: the item .* comes twice"),
    "unknown end": (alter("edge", dst="T" * 26), r"line 11: it names the item 'TTT"),
    "early edge": (swap, "line 2: it names the item"),
    "kind": (alter("item", kind="opinion"), "line 2: 'kind'"),
    "scope": (alter("item", scope="a%"), "line 2: 'a%' is not a scope"),
    "everywhere": (alter("item", scope="*"), "line 2: no item can be"),
    "no scope": (alter("item", scope=None), "line 2: 'scope' must be text"),
    "no id": (alter("item", id=""), "line 2: 'id' must be text"),
    "text": (alter("item", text=5), "line 2: 'text' must be text"),
    "time": (alter("item", at="today"), "line 2: 'at' must be a whole number"),
    "time out of range": (alter("item", at=2**62), "line 2: .* outside the years"),
    "too large": (alter("item", recorded_at=2**63), "line 2: 'recorded_at'"),
    "end": (alter("item", until=NOW - 10**9), "line 2: the item ends"),
    "retired": (alter("item", retired_at=NOW - 10**9), "line 2: the item was retired"),
    "offset": (alter("item", offset=1440), "line 2: 'offset'"),
    "precision": (alter("item", precision="week"), "line 2: 'precision'"),
    "status": (alter("item", status=8), "line 2: 'status'"),
    "maker": (alter("item", made_by="x"), "line 2: 'made_by'"),
    "data": (alter("item", data=[1]), "line 2: 'data' must be a JSON object"),
    "origin twice": (lambda content: [one.update(origin="m") for one in content[1:3]], "line 3: the item .* comes twice"),
    "edge kind": (alter("edge", kind="owes"), "line 11: 'kind'"),
    "edge weight": (alter("edge", weight="much"), "line 11: 'weight'"),
    "state": (alter("strength", state="strong"), "line 27"),
    "watermark": (alter("watermark", scope="a%"), "line 29"),
    "ranker": (alter("ranker", state="learned"), "line 39"),
    "scope of a ranker": (alter("ranker", scope="a%"), "line 39: 'a%' is not a scope"),
    "no such item": (alter("vector", item=None), "line 30: it names the item None"),
    "space of the vector": (alter("vector", space=1), "line 30: 1 is no space"),
    "dimension": (alter("vector", data=vector([1, 2, 3])), "line 30: the vector has 3 dimensions, its space 4"),
    "nan": (alter("vector", data=vector([1, 2, 3, float("nan")])), "line 30: the vector has NaN"),
    "base64": (alter("vector", data="%%%"), "line 30: 'data' is not base64"),
    "digest of an artifact": (alter("artifact", digest="0"), "line 37: the artifact"),
    "id of an artifact": (alter("artifact", id="../x"), "line 37: an artifact's id"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_record_is_refused_with_its_line(store: SQLiteStore, empty: SQLiteStore, fault: str) -> None:
    change, message = WRONG[fault]
    content = records(export_lines(store))
    import_file(SQLiteStore(None), sealed(content))  # without the fault it would do
    change(content)
    add(empty, trace("mine"))
    before = list(export_lines(empty))
    with pytest.raises(TransferError, match=message) as caught:
        import_file(empty, sealed(content))
    assert ": " in str(caught.value).partition(": ")[2]  # and says what to do
    assert list(export_lines(empty)) == before
    assert examine(empty) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: [], "the file is empty"),
        (lambda lines: lines[:-1], "without its footer"),
        (lambda lines: lines[:9], "line 9 without its footer"),
        (lambda lines: [*lines[:-2], lines[-2][:20]], "line 39 is not JSON"),
        (lambda lines: [*lines[:4], "{oops", *lines[4:]], "line 5 is not JSON"),
        (lambda lines: [*lines[:4], "[1]", *lines[4:]], "line 5 is no record"),
        (lambda lines: [*lines[:4], "", *lines[4:]], "line 5 is not JSON"),
        (lambda lines: [*lines[:4], '{"type":"item","at":NaN}', *lines[4:]], "line 5 is not JSON.*NaN"),
        (lambda lines: [*lines[:4], "[" * 100_000, *lines[4:]], "line 5 is not JSON"),
        (lambda lines: [*lines, lines[3]], "more after the footer"),
        (lambda lines: [line.replace("line 1 about", "line 9 about") for line in lines], "digest"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "digest"),
        (lambda lines: [line for line in lines if '"strength"' not in line or "footer" in line], "footer counts"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    store: SQLiteStore, empty: SQLiteStore, tmp_path: Path, spoil: Any, message: str
) -> None:
    lines = spoil(list(export_lines(store)))
    path = tmp_path / "spoiled.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    for source in (path, lines):
        with pytest.raises(TransferError, match=message):
            import_file(empty, source)
        assert empty.items.count(EVERYTHING) == 0
        assert empty.vectors.spaces() == []
        assert examine(empty) == []  # no file of an artifact either


def test_a_file_that_cannot_be_read_is_named(empty: SQLiteStore, tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.jsonl", tmp_path):
        with pytest.raises(TransferError, match="cannot be read"):
            import_file(empty, path)


def test_lone_surrogates_are_replaced_and_counted_only_when_asked(store: SQLiteStore, empty: SQLiteStore, tmp_path: Path) -> None:
    content = records(export_lines(store))
    item = first(content, "item")
    item["text"], item["data"] = "boat\ud800 and\0", {"metadata": {"k\udfff": ["\ud801"]}}
    lines = sealed(content)
    with pytest.raises(TransferError, match=r"line 2 has 4 lone surrogates.*mend=True"):
        import_file(empty, lines)
    assert empty.items.count(EVERYTHING) == 0
    assert import_file(empty, lines, mend=True).mended == 4
    found = empty.items.get([item["id"]])[0]
    assert found is not None
    assert found.text == "boat\ufffd and\ufffd"
    assert found.metadata == {"k\ufffd": ["\ufffd"]}
    assert examine(empty) == []


def test_bytes_that_are_no_text_are_replaced_and_counted_only_when_asked(
    store: SQLiteStore, empty: SQLiteStore, tmp_path: Path
) -> None:
    content = records(export_lines(store))
    first(content, "item")["text"] = "boat QQQ"
    raw = [line.encode().replace(b"QQQ", b"\xff") for line in sealed(content)[:-1]]
    digest = hashlib.blake2b(b"".join(line + b"\n" for line in raw), digest_size=16).hexdigest()
    footer = json.loads(sealed(content)[-1]) | {"digest": digest}
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b"\n".join([*raw, json.dumps(footer).encode()]))
    with pytest.raises(TransferError, match=r"line 2: byte .* is not UTF-8.*mend=True"):
        import_file(empty, path)
    assert import_file(empty, path, mend=True).mended == 1
    assert "boat \ufffd" in [item.text for item in empty.items.each(Filter(scope="*"))]
