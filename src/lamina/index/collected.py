"""The folder of a saved collection: a file of ids and a file of the index, both with one number; the index is written last, and that is the commit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.errors import CorruptStoreError, EmbedderMismatchError, InputError, NotFoundError
from lamina.index.arrays import read_arrays, write_arrays
from lamina.index.kinds import KINDS, kind_of, open_index, settings_of
from lamina.index.names import SlotNames

BOOK = "collection"  # what its own files are
IDS, INDEX = "ids-", "index-"


def write_collection(folder: Path, index: Any, names: SlotNames, about: Mapping[str, str]) -> None:  # Any: see kinds.KINDS
    """Write an index and its ids into a folder. What the folder held stays until all of it is there."""
    kind = kind_of(index)
    if KINDS[kind].folder and index.folder.resolve().parent != folder.resolve():
        raise InputError(f"the lists of this index lie in {index.folder}: save the collection into {index.folder.parent}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    older = [one for one in folder.iterdir() if _number(one.with_suffix("")) >= 0]  # those that a kill has left half written, too
    number = max((_number(one.with_suffix("")) for one in older), default=0) + 1
    ids, file = folder / f"{IDS}{number}", folder / f"{INDEX}{number}"
    write_arrays(ids, BOOK, {**about, "kind": kind, "dim": index.dim, "settings": settings_of(index)}, names.arrays())
    try:
        if KINDS[kind].folder:
            index.save()
            write_arrays(file, BOOK, {"folder": index.folder.name}, {})
        else:
            index.save(file)
    except BaseException:
        ids.unlink(missing_ok=True)
        raise
    names.saved()
    for one in older:
        one.unlink(missing_ok=True)


def read_collection(folder: Path, mapped: bool, fingerprint: str | None) -> tuple[Any, SlotNames, dict[str, str]]:
    """The index, its ids, its metric and fingerprint."""
    files = {one.name: _number(one) for one in folder.iterdir()} if folder.is_dir() else {}
    whole = [number for name, number in files.items() if name.startswith(INDEX) and f"{IDS}{number}" in files]
    if not whole:
        if any(number >= 0 for number in files.values()):
            raise CorruptStoreError(f"{folder} has lost its index or its ids: build it anew")
        raise NotFoundError(f"there is no collection in {folder}")
    meta, arrays = read_arrays(folder / f"{IDS}{max(whole)}", BOOK)
    try:
        kind, dim, metric, known, settings = (meta[field] for field in ("kind", "dim", "metric", "fingerprint", "settings"))
        names = SlotNames.of(arrays)
    except (KeyError, ValueError) as error:
        raise CorruptStoreError(f"{folder} is no collection, or is damaged ({error}): build it anew") from None
    if fingerprint is not None and fingerprint != known:
        raise EmbedderMismatchError(f"{folder} holds vectors of the embedder {known!r}, not of {fingerprint!r}: build it anew")
    file = folder / f"{INDEX}{max(whole)}"
    if kind in KINDS and KINDS[kind].folder:
        file = folder / Path(str(read_arrays(file, BOOK)[0].get("folder"))).name
    return open_index(kind, dim, settings, file, mapped), names, {"metric": metric, "fingerprint": known}


def _number(path: Path) -> int:
    """The number of a file of a saved collection, -1 for another file."""
    word = path.name.removeprefix(IDS).removeprefix(INDEX)
    return int(word) if word.isascii() and word.isdigit() and word != path.name else -1
