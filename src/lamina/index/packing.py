"""A view as named arrays and back, for the file that spares reading it from the store. Nothing of what is gone goes along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import CorruptStoreError
from lamina.index.lexical import LexicalIndex
from lamina.index.view import GONE, Codes, ScopeView
from lamina.storage.protocol import Version

Arrays = dict[str, NDArray[Any]]

CHUNK: Final = 1024  # vectors read at once
CODED: Final = {"session": "sessions", "role": "roles", "speaker": "speakers", "place": "places"}
"""Columns of codes, and where the view keeps what they stand for."""
PLAIN: Final = ("_keys", "_status", "_flags", "_before", "_after", "_position")


def pack(view: ScopeView) -> tuple[dict[str, Any], Arrays]:
    """What a view holds, as a header and arrays that are the caller's own; the view must be held still (`view.lock`).

    Of items that are gone no word, name, session or vector is in it. Vectors are float16, as in the store.
    """
    gone = (view._status.view & np.uint8(GONE)) != 0
    _forget_words(view, np.flatnonzero(gone))
    arrays: Arrays = {name: getattr(view, name).view.copy() for name in PLAIN}
    arrays["_flags"][gone] = 0
    for name, times in view._times.items():
        arrays[f"time:{name}"] = np.where(gone, 0, times.view)
    texts: dict[str, list[object]] = {}
    for name, codes in view._codes.items():
        column = codes.view.copy()
        if name in CODED:
            column[gone] = -1
            column, texts[name] = _only_used(column, getattr(view, CODED[name]).names)
        arrays[f"code:{name}"] = column
        if name == "session":
            arrays |= _orders(view, column)
    for name in ("lexical", "names"):
        arrays |= {f"{name}:{part}": array for part, array in _lexical(getattr(view, name)).items()}
    present = np.zeros(len(view), np.bool_)
    present[: len(view.flat.present)] = view.flat.present
    arrays["present"], arrays["vectors"] = present, _vectors(view, present)
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
    space = view.space
    header = {
        "scope": view.scope, "language": view.language, "version": [view.version.item, view.version.vector, view.version.change],
        "space": None if space is None else [space.id, space.fingerprint, space.dim, space.view],
    }  # fmt: skip
    return header, arrays


def unpack(view: ScopeView, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a view that was just made what `pack` took from another one. Raises `CorruptStoreError` for anything `pack` did not make.

    The view takes the arrays over; its space must be the one in the header.
    """
    try:
        _fill(view, header, arrays)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        view._clear(view.space)
        raise CorruptStoreError(f"the file of a view does not hold together ({error}): it is made anew") from None


def _fill(view: ScopeView, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    count = len(arrays["_keys"])
    columns = {name: getattr(view, name) for name in PLAIN}
    columns |= {f"time:{name}": times for name, times in view._times.items()}
    columns |= {f"code:{name}": codes for name, codes in view._codes.items()}
    for name, column in columns.items():
        if arrays[name].shape != (count,) or arrays[name].dtype != column.view.dtype:
            raise ValueError(f"{name} has the wrong form")
    texts = json.loads(arrays["texts"].tobytes())
    for name, column in columns.items():
        column.adopt(arrays[name])
    for name, many in CODED.items():
        codes = Codes()
        codes.encode([tuple(text) if isinstance(text, list) else text for text in texts[name]])
        setattr(view, many, codes)
    ends = np.cumsum(arrays["order:lengths"]).tolist()
    slots = arrays["order:slots"].tolist()
    view._order = {
        session: slots[start:end]
        for session, start, end in zip(arrays["order:sessions"].tolist(), [0, *ends[:-1]], ends, strict=True)
    }
    for name in ("lexical", "names"):
        _restore_lexical(getattr(view, name), {part: arrays[f"{name}:{part}"] for part in _lexical(LexicalIndex())}, count)
    view.version = Version(*header["version"])
    vectors, places = arrays["vectors"], np.flatnonzero(arrays["present"])
    if arrays["present"].shape != (count,) or vectors.shape != (len(places), view.flat.dim if len(places) else vectors.shape[1]):
        raise ValueError("the vectors have the wrong form")
    view.flat.reserve(count)
    for start in range(0, len(places), CHUNK):
        view.flat.add(places[start : start + CHUNK], vectors[start : start + CHUNK].astype(np.float32))
    view.flat.grow(count)


def _forget_words(view: ScopeView, gone: NDArray[np.int64]) -> None:
    """Take the words and names of items that are gone out of the view's postings; sort everything in."""
    nothing = np.empty(0, np.uint32)
    for index in (view.lexical, view.names):
        left = gone[index.lengths[gone] > 0]
        if len(left):
            index.replace(dict.fromkeys(left.tolist(), nothing))
        index.merge(force=True)


def _only_used(column: NDArray[np.int32], names: list[object]) -> tuple[NDArray[np.int32], list[object]]:
    """Codes numbered anew, without those that nothing has."""
    used = np.unique(column[column >= 0])
    number = np.full(len(names) + 1, -1, np.int32)  # the last one is that of -1
    number[used] = np.arange(len(used), dtype=np.int32)
    return number[column], [names[code] for code in used.tolist()]


def _orders(view: ScopeView, session: NDArray[np.int32]) -> Arrays:
    """The traces of each session in their order, one session after another."""
    orders = [slots for slots in view._order.values() if slots]
    first = np.array([slots[0] for slots in orders], np.int64)
    return {
        "order:sessions": session[first].astype(np.int64),
        "order:lengths": np.array([len(slots) for slots in orders], np.int64),
        "order:slots": np.array([slot for slots in orders for slot in slots], np.int64),
    }


def _lexical(index: LexicalIndex) -> Arrays:
    return {
        "terms": index._terms.view, "ends": index._ends.view, "lengths": index._lengths.view.copy(), "vocabulary": index._vocabulary,
        "starts": index._starts, "slots": index._slots, "counts": index._counts,
    }  # fmt: skip


def _restore_lexical(index: LexicalIndex, arrays: Mapping[str, NDArray[Any]], count: int) -> None:
    for name, array in _lexical(index).items():
        if arrays[name].dtype != array.dtype or arrays[name].ndim != 1:
            raise ValueError(f"{name} has the wrong form")
    ends, starts = arrays["ends"], arrays["starts"]
    if len(ends) != count or len(arrays["lengths"]) != count or len(starts) != len(arrays["vocabulary"]) + 1:
        raise ValueError("the postings have the wrong form")
    if (count and int(ends[-1]) != len(arrays["terms"])) or int(starts[-1]) != len(arrays["slots"]):
        raise ValueError("the postings end elsewhere")
    for name in ("terms", "ends", "lengths"):
        getattr(index, f"_{name}").adopt(arrays[name])
    index._vocabulary, index._starts = arrays["vocabulary"], starts
    index._slots, index._counts, index._sorted = arrays["slots"], arrays["counts"], count


def _vectors(view: ScopeView, present: NDArray[np.bool_]) -> NDArray[np.float16]:
    """The vectors that are there, in the order of their slots."""
    places = np.flatnonzero(present)
    out = np.empty((len(places), view.flat.dim), np.float16)
    for start in range(0, len(places), CHUNK):
        out[start : start + CHUNK] = view.flat.rows(places[start : start + CHUNK])
    return out
