"""A built SPANN on disk and back: the heads' graph in a file of its own, named by the last commit of the lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError, NotFoundError, StoreError, VectorError
from lamina.index.arrays import damaged
from lamina.index.forms import Form
from lamina.index.graphs.full import FullFile
from lamina.index.hnsw import HNSW
from lamina.index.spann.closure import Closure
from lamina.index.spann.postings import PostingFile
from lamina.records import Run

if TYPE_CHECKING:
    from lamina.index.spann.spann import SPANN

LISTS, ROWS, HEADS = "lists", "rows", "heads"
SEARCHING = ("probes", "ratio", "guard", "patience", "margin", "keep", "candidates")
CHECKED = 1 << 13  # records looked at together


def save(index: SPANN) -> None:
    """Commit: a kill before the end leaves what was committed before."""
    postings, full = index.postings, index.full
    assert postings is not None
    assert full is not None
    before = str(postings.meta.get("heads", ""))
    name = f"{HEADS}.{int(before.rpartition('.')[2] or 0) + 1}"
    full.sync()
    index.heads.save(index.folder / name)
    state = index.state()
    meta = {
        "dim": index.dim, "metric": index.metric, "form": index.form, "step": index.codes.step, "share": index.share, "pages": index.pages,
        "closure": vars(index.closure), "searching": {setting: getattr(index, setting) for setting in SEARCHING}, "heads": name,
        "rows": full.path.name if full.path is not None else "", "rows_id": full.id.hex(), "used": state.used, "built": index.built,
        "length": index.length,
    }  # fmt: skip
    postings.commit(meta, {"slots": state.slots[: state.used], "versions": state.versions[: state.used]})
    for other in index.folder.glob(f"{HEADS}.*"):
        if other.name != name:
            other.unlink(missing_ok=True)
    full.remove_others()


def restore(index: SPANN) -> None:
    """Take over what was committed in the folder of an index; it stays as it was where that cannot be."""
    path = index.folder / LISTS
    if not path.exists():
        raise NotFoundError(f"there is no index in {index.folder}")
    postings = PostingFile.open(path, read_only=index.read_only)
    try:
        meta, arrays = postings.meta, postings.arrays
        if meta["dim"] != index.dim:
            raise VectorError(f"{index.folder} holds vectors of {meta['dim']} dimensions, not {index.dim}")
        if (meta["metric"], meta["form"]) != (index.metric, index.form):
            raise StoreError(
                f"{index.folder} was made with metric={meta['metric']!r} and form={meta['form']!r}, not {index.metric!r} and {index.form!r}: delete it"
            )
        codes = Form(index.form, index.dim, float(meta["step"]))
        full = FullFile(index.folder / Path(str(meta["rows"])).name, index.dim, new=False)
        heads = HNSW.open(index.folder / Path(str(meta["heads"])).name)
        slots, versions = arrays["slots"], arrays["versions"]
        used = int(meta["used"])
        _check(postings, heads, slots, versions, used, full, meta, index)
        closure, share, searching = Closure(**meta["closure"]), float(meta["share"]), dict(meta["searching"])
        built, length = dict(meta["built"]), float(meta["length"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        postings.close()
        if isinstance(error, LaminaError):
            raise
        raise damaged(path, str(error)) from None
    except BaseException:
        postings.close()
        raise
    for setting in SEARCHING:
        setattr(index, setting, searching.get(setting, getattr(index, setting)))
    index.codes, index.built, index.length, index.closure, index.share = codes, built, length, closure, share
    index.take(heads, postings, full, np.asarray(slots, np.int32), np.asarray(versions, np.uint8), used)


def _check(
    postings: PostingFile, heads: HNSW, slots: NDArray[Any], versions: NDArray[Any], used: int, full: FullFile, meta: dict[str, Any], index: SPANN
) -> None:  # fmt: skip
    living = slots[slots >= 0]
    whole = (
        postings.width == index.record
        and slots.shape == versions.shape == (used,)
        and len(np.unique(living)) == len(living)
        and heads.dim == index.dim
        and heads.metric == "l2"
        and heads.form == "float16"
        and len(heads) > 0
        and int(heads.slot_of.max()) < len(postings.counts)
        and full.id.hex() == meta["rows_id"]
        and full.fits(used)
        and int(postings.counts.max(initial=0)) <= index.limit
    )
    if not whole:
        raise ValueError("heads, lists and rows do not belong together")


def problems(index: SPANN, run: Run) -> list[str]:
    """What is wrong, in words: checksums, records of rows that are not there, vectors in no list, the heads' graph."""
    postings = index.postings
    assert postings is not None
    found = list(postings.verify(run)) + [f"heads: {one}" for one in index.heads.verify()]
    state = index.state()
    held = np.zeros(state.used, np.bool_)
    for number in range(len(postings.counts)):
        if not postings.counts[number]:
            continue
        records = postings.get(number)
        rows = records[:, 0:4].copy().view(np.int32)[:, 0]
        if (rows < 0).any() or (rows >= state.used).any():
            found.append(f"list {number} names rows that are not there")
            continue
        versions = records[:, 8:12].copy().view(np.int32)[:, 0]
        held[rows[versions == state.versions[rows]]] = True
        if number % CHECKED == 0:
            run.report("verifying", number, len(postings.counts))
    lost = int((~held & (state.slots[: state.used] >= 0)).sum())
    if lost:
        found.append(f"{lost} vectors stand in no list: build the index anew")
    return found
