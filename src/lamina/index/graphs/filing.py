"""An index over a layered graph on disk, and what is to be said of its health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import StoreError, VectorError
from lamina.index.arrays import damaged, read_arrays, write_arrays
from lamina.index.forms import Form
from lamina.index.graphs import checking, saving
from lamina.index.graphs.full import FullFile
from lamina.index.graphs.held import HeldGraph

KIND = "hnsw"


class FiledGraph(HeldGraph):
    """How an `HNSW` is saved, loaded and looked over."""

    def save(self, path: Path) -> None:
        """Write the index to a file (readable by its owner only); an older one stays until it is whole.

        Raises `StoreFullError` where the disk is full; the older file is then unharmed.
        """
        self._release()
        layers, full = self._layers, self._layers.full
        free = self._outside()
        meta = {
            "dim": self.dim, "metric": self.metric, "form": self.form, "M": self.M, "ef_construction": self.ef_construction, "ef": self.ef,
            "seed": self.seed, "selection": self.selection, "flat": self.flat, "share": self.share, "rerank": self.rerank,
            "entry": layers.entry, "top": layers.top,
            "step": layers.form.step, "fit": [self._fitted, self._seen, self._clipped], "generator": self._generator.bit_generator.state,
            "save": self._saves + 1, "full": str(full.path.name) if isinstance(full, FullFile) and full.path else None,
            "full_id": full.id.hex() if isinstance(full, FullFile) else None,
        }  # fmt: skip
        if full is not None:
            full.sync()
        write_arrays(path, KIND, meta, saving.packed(layers, self.node_of, free))
        self._saves += 1
        self._leave_behind()

    def _leave_behind(self) -> None:
        """After a save: what only the save before it named may be overwritten."""
        full = self._layers.full
        if isinstance(full, FullFile):
            full.remove_others()
        if isinstance(full, FullFile) and len(self._unsaved):
            full.keep_from(self._saves)
            for node in self._unsaved.tolist():
                full.write(node, np.zeros((1, self.dim), np.float32))
            self._free = np.union1d(self._free, self._unsaved).astype(np.int32)
            self._unsaved = np.zeros(0, np.int32)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; later additions are the same as if the index had never left the memory.

        Raises `NotFoundError` for no file, `VectorError` for vectors of another width, `StoreError` for another metric or form, `SchemaError` for
        a file of a newer version, `CorruptStoreError` for anything that `save` did not write; the index then stays as it was.
        """
        meta, arrays = read_arrays(path, KIND)
        self._restore(path, meta, arrays, check=True)

    def _restore(self, path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]], check: bool) -> None:
        """Take over what was saved; raises before anything is changed."""
        try:
            dim, metric, form, M, name = meta["dim"], meta["metric"], meta["form"], meta["M"], meta["full"]
            if dim != self.dim:
                raise VectorError(f"{path} holds vectors of {dim} dimensions, not {self.dim}")
            if (metric, form) != (self.metric, self.form):
                raise StoreError(
                    f"{path} was made with metric={metric!r} and form={form!r}, not {self.metric!r} and {self.form!r}: delete it"
                )
            if (name is None) != (self.full is None) and len(arrays["slot_of"]):
                raise StoreError(
                    f"{path} has its full rows {'in the file itself' if name is None else 'in another file'}: name none or one"
                )
            checking.expect(type(M) is int and 2 <= M <= 512, "its M is no number")
            step, (fitted, seen, clipped) = float(meta["step"]), (int(number) for number in meta["fit"])
            saves, efc, seed, share = int(meta["save"]), int(meta["ef_construction"]), int(meta["seed"]), float(meta["share"])
            checking.expect(0 < share < 1 and saves >= 0, "its settings are out of range")
            generator = np.random.default_rng()
            generator.bit_generator.state = meta["generator"]
            generator.random()
            generator.bit_generator.state = meta["generator"]
            where = None if self.full is None or name is None else self.full.parent / Path(str(name)).name
        except (KeyError, TypeError, OverflowError, ValueError) as error:
            if isinstance(error, VectorError):
                raise
            raise damaged(path, str(error)) from None
        layers = saving.unpacked(path, meta, arrays, Form(form, dim, step), M, self._euclidean, where, check)
        free = np.asarray(arrays["free"], np.int32)
        layers.tombstones = int(layers.dead.sum()) - len(free)
        self.M, self.ef_construction, self.seed, self.share = M, max(efc, M), seed, share
        self._layers, self._generator = layers, generator
        self._fitted, self._seen, self._clipped, self._saves = fitted, seen, clipped, saves
        self._forget_dead()
        self._free, self._node_of, self._spare = free, arrays["node_of"], []
        self._slots = len(self._node_of)
        self._live = int((self._node_of >= 0).sum())
        self._publish()

    def stats(self) -> dict[str, Any]:
        """Figures: settings, nodes, tombstones, degrees, vectors that can be reached, bytes."""
        settings = {"dim": self.dim, "metric": self.metric, "form": self.form, "M": self.M, "ef": self.ef}
        return {
            **settings,
            **checking.shape_of(self._layers),
            "free": len(self._free) + len(self._unsaved),
            "bytes": self.nbytes(),
        }

    def verify(self) -> list[str]:
        """What is wrong with the index, in words (nothing: all is well): ids in range, layers, slots, ways to all vectors, the vectors themselves."""
        free = self._outside()
        return checking.problems(self._layers, saving.packed(self._layers, self.node_of, free))
