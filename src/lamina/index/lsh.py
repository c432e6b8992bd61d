"""A hash table of vectors: similarity is computed inside a few buckets only.

Source: L. Liu et al., "Think-in-Memory: Recalling and Post-thinking Enable LLMs with Long-Term Memory", 2023 (one table, one bucket a
query). Multi-probe, several tables, the centre and re-hashing are additions, after Q. Lv et al., "Multi-Probe LSH", 2007.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.lsh import ProjectionHash, buckets_for
from lamina.errors import EmbedderMismatchError, InputError, StoreError, VectorError
from lamina.index.flat import FlatIndex, check_finite, inner_products, top
from lamina.index.growing import GrowingArray

MANY = 16  # queries from which on buckets are compared with all of them at once
SPARE = 16  # … keeping so many more than are wanted, since sums of floats differ in their last places
FEW = 4096  # scores that are sorted whole


class MultiProbeLSH(FlatIndex):
    """A `FlatIndex` whose search looks into the `probes` likeliest buckets of each table.

    What it returns is allowed, present and exactly scored, best first; only that some of the best may be missing sets it apart. Where
    the buckets looked into hold too few, it looks into further ones, so that as many are found as there are. Zero vectors fall into no
    bucket: they are found where everything is looked through.

    Parameters:
        dim: the width of a vector.
        buckets: of each table, even.
        probes: buckets looked into in each table. One loses most of the best at the likeness that sentences have.
        tables: independent hashes; each costs its probes.
        seed: of the hashes.
        limit: mean vectors in a bucket above which all are hashed into twice as many (None: never).
        centre: a vector taken off before hashing, shape (dim,); sentence embedders have a strong common direction, without it one
            bucket swallows most. Kept with the index.
        fingerprint: of the embedder. `load` raises `EmbedderMismatchError` for what was saved with another one, and `StoreError` for
            what was hashed from another seed or with another number of tables.

    >>> index = MultiProbeLSH(2, buckets=4, probes=1)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), k=1)[0].tolist()
    [[2]]
    """

    def __init__(
        self,
        dim: int,
        *,
        buckets: int = 32,
        probes: int = 4,
        tables: int = 1,
        seed: int = 0,
        limit: int | None = None,
        centre: NDArray[np.float32] | None = None,
        fingerprint: str = "",
    ) -> None:
        super().__init__(dim)
        if min(probes, tables) < 1 or (limit is not None and limit < 1):
            raise InputError(f"probes, tables and limit must be at least 1, not {probes}, {tables} and {limit}")
        if probes > buckets:
            raise InputError(f"there are {buckets} buckets to look into, not {probes}: take fewer probes")
        self.probes, self.tables, self.seed, self.limit, self.fingerprint = probes, tables, seed, limit, fingerprint
        self._centre = np.zeros(dim, np.float32) if centre is None else _checked_centre(centre, dim)
        self.compared = 0  # inner products computed by searches so far
        self._begin(buckets)

    def _begin(self, buckets: int) -> None:
        self.buckets = buckets
        self.hashes = [ProjectionHash(self.dim, buckets, self.seed + table) for table in range(self.tables)]
        self._code = [GrowingArray(np.int32) for _ in self.hashes]  # (slots,): the slot's bucket, or -1
        self._members = [[GrowingArray(np.int64) for _ in range(buckets)] for _ in self.hashes]

    @property
    def centre(self) -> NDArray[np.float32]:
        """What is taken off vectors before they are hashed, shape (dim,)."""
        return self._centre

    @property
    def approximate(self) -> bool:
        """Whether `search` may miss some of the best."""
        return self.probes < self.buckets

    # ----------------------------------------------------------------------------------------------------- changes
    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        super().add(slots, vectors)
        if len(slots):
            self._file(np.unique(slots))
            self._grow_table()

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over."""
        super().remove(slots)
        self._unfile(np.unique(slots[(slots >= 0) & (slots < len(self._code[0]))]))

    def rehash(self, buckets: int | None = None, *, centre: NDArray[np.float32] | None = None) -> None:
        """Hash all vectors anew, into another number of buckets (default: 2·ceil(√n / 2), at least 8) or about another centre."""
        wanted = buckets_for(len(self)) if buckets is None else buckets
        ProjectionHash(self.dim, wanted, self.seed)  # refuses a wrong number before anything is changed
        if self.probes > wanted:
            raise InputError(f"there would be {wanted} buckets and {self.probes} are to be looked into: take more buckets")
        if centre is not None:
            self._centre = _checked_centre(centre, self.dim)
        self._begin(wanted)
        self._file(np.flatnonzero(self.present))

    def centred(self) -> NDArray[np.float32]:
        """The mean of all vectors here: what to hand to `rehash` as the centre, shape (dim,)."""
        rows = self.rows(np.flatnonzero(self.present))
        return rows.mean(axis=0, dtype=np.float64).astype(np.float32) if len(rows) else np.zeros(self.dim, np.float32)

    def _grow_table(self) -> None:
        while self.limit is not None and len(self) > self.limit * self.buckets:
            self.rehash(2 * self.buckets)

    def _file(self, slots: NDArray[np.int64]) -> None:
        """Put slots (ascending, each once) into their buckets."""
        self._unfile(slots[slots < len(self._code[0])])
        away = self.rows(slots) - self._centre
        somewhere = away.any(axis=1)
        slots, away = slots[somewhere], away[somewhere]
        for hash, code, members in zip(self.hashes, self._code, self._members, strict=True):
            code.fill(max(len(self.present) - len(code), 0), -1)
            if not len(slots):
                continue
            found = hash.of(away)
            code.view[slots] = found
            order = np.argsort(found, kind="stable")
            names, starts = np.unique(found[order], return_index=True)
            for bucket, part in zip(names.tolist(), np.split(slots[order], starts[1:]), strict=True):
                members[bucket].extend(part)

    def _unfile(self, slots: NDArray[np.int64]) -> None:
        for code, members in zip(self._code, self._members, strict=True):
            found = code.view[slots]
            for bucket in np.unique(found[found >= 0]).tolist():
                left = members[bucket].view
                kept = GrowingArray(np.int64)
                kept.extend(left[~np.isin(left, slots[found == bucket])])
                members[bucket] = kept
            code.view[slots] = -1

    # ------------------------------------------------------------------------------------------------------ search
    def bucket_sizes(self) -> NDArray[np.int64]:
        """How many vectors lie in each bucket, shape (tables, buckets)."""
        return np.array([[len(one) for one in members] for members in self._members], np.int64)

    def stats(self) -> dict[str, float]:
        """What there is, in numbers.

        `vectors`, `buckets`, `tables`, `probes`, `bytes`, `compared` (inner products computed by searches so far), `largest` and `mean` (vectors
        in a bucket), `largest_share` (that part of all vectors lies in the largest bucket of any table: far above 1 / buckets, one direction is
        common to most vectors and wants to be taken off as the `centre`), `empty` (the part of the buckets that holds nothing), and `unfiled`
        (vectors in no bucket, since they have no direction).
        """
        sizes, count = self.bucket_sizes(), len(self)
        return {
            "vectors": count, "buckets": self.buckets, "tables": self.tables, "probes": self.probes, "bytes": self.nbytes(),
            "compared": self.compared, "largest": int(sizes.max()), "mean": float(sizes.mean()),
            "largest_share": float(sizes.max() / count) if count else 0.0, "empty": float((sizes == 0).mean()),
            "unfiled": count - int(sizes[0].sum()),
        }  # fmt: skip

    def candidates(self, query: NDArray[np.float32], probes: int | None = None) -> NDArray[np.int64]:
        """The slots in the likeliest buckets of one query, ascending, shape (slots,)."""
        return self._within(self._ranked(query), 0, self.probes if probes is None else probes)

    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query among those looked into, best first; see `VectorIndex`."""
        self._check_queries(vectors, k)
        wanted = None if allow is None else self._wanted(allow)
        there = int(self.present.sum() if wanted is None else wanted.sum())
        found = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        pools = self._together(vectors, k, wanted) if len(vectors) >= MANY else None
        for row, query in enumerate(vectors):
            slots = np.empty(0, np.int64) if pools is None else pools[row][pools[row] >= 0]
            slots = np.unique(slots) if self.tables > 1 else slots
            if len(slots) < max(min(k, there), 1):
                slots = self._enough(query, min(k, there), wanted)
                self.compared += len(slots)
            exact = inner_products(self.rows(slots), query)
            best = np.lexsort((slots, -exact))[:k] if len(slots) < FEW else top(exact, k)
            found[row, : len(best)], scores[row, : len(best)] = slots[best], exact[best]
        return found, scores

    def _together(self, vectors: NDArray[np.float32], k: int, wanted: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Of each query the best slots of each bucket it looks into, shape (queries, any), -1 where there are fewer.

        Each bucket is compared at once with all the queries that look into it: its vectors are gathered once.
        """
        away = vectors - self._centre
        asking = np.flatnonzero(away.any(axis=1))  # the others look everywhere
        most = k + SPARE
        pools = np.full((len(vectors), self.tables * self.probes, most), -1, np.int64)
        for table, (hash, members) in enumerate(zip(self.hashes, self._members, strict=True)):
            if not len(asking):
                break
            looked = hash.ranked(away[asking])[:, : self.probes]
            order = np.argsort(looked, axis=None, kind="stable")
            names, starts = np.unique(looked.ravel()[order], return_index=True)
            for bucket, part in zip(names.tolist(), np.split(order, starts[1:]), strict=True):
                slots = members[bucket].view if wanted is None else members[bucket].view[wanted[members[bucket].view]]
                if not len(slots):
                    continue
                rows, places = asking[part // self.probes], table * self.probes + part % self.probes
                products = vectors[rows] @ self.rows(slots).T  # (queries of the bucket, its vectors)
                self.compared += products.size
                kept = (
                    np.argpartition(-products, most - 1, axis=1)[:, :most] if len(slots) > most else np.arange(len(slots))[None]
                )
                pools[rows, places, : kept.shape[1]] = slots[kept]
        return pools.reshape(len(vectors), -1)

    def _enough(self, query: NDArray[np.float32], count: int, wanted: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Wanted slots, at least `count`, from as few buckets as that takes, ascending."""
        ranked, probes = self._ranked(query), self.probes
        while probes <= self.buckets:
            slots = self._within(ranked, 0, probes)
            slots = slots if wanted is None else slots[wanted[slots]]
            if len(slots) >= count:
                return slots
            probes = self.buckets if probes < self.buckets <= 2 * probes else 2 * probes
        return np.flatnonzero(self.present if wanted is None else wanted)  # zero vectors too

    def _ranked(self, query: NDArray[np.float32]) -> list[NDArray[np.int64]]:
        away = (query - self._centre)[None]
        if not away.any():
            return [np.arange(self.buckets) for _ in self.hashes]
        return [hash.ranked(away)[0] for hash in self.hashes]

    def _within(self, ranked: list[NDArray[np.int64]], first: int, end: int) -> NDArray[np.int64]:
        parts = [
            members[bucket].view for members, order in zip(self._members, ranked, strict=True) for bucket in order[first:end]
        ]
        slots = np.concatenate(parts) if parts else np.empty(0, np.int64)
        return np.unique(slots) if self.tables > 1 else np.sort(slots)

    # ------------------------------------------------------------------------------------------------------- files
    def _arrays(self) -> dict[str, NDArray[Any]]:
        hashed = np.array([self.buckets, self.tables, self.seed], np.int64)
        name = np.frombuffer(self.fingerprint.encode(), np.uint8)
        return {**super()._arrays(), "hashed": hashed, "centre": self._centre, "fingerprint": name, "projection": self._sample()}

    def _sample(self) -> NDArray[np.float32]:
        """The first row of each table's R: what tells one drawing of normal numbers from another."""
        return np.stack([hash.projection[0] for hash in self.hashes])

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        hashed, centre, name = arrays["hashed"], np.asarray(arrays["centre"]), arrays["fingerprint"]
        if hashed.shape != (3,) or hashed.dtype != np.int64 or centre.shape != (self.dim,) or name.dtype != np.uint8:
            raise ValueError("its table is not of our form")
        check_finite(centre[None], "the centre, row")
        buckets, tables, seed = hashed.tolist()
        if (tables, seed) != (self.tables, self.seed):
            raise StoreError(
                f"the saved index was hashed with {tables} tables from seed {seed}, this one has {self.tables} from seed {self.seed}: "
                "its buckets would all be wrong; make the index with the same numbers"
            )
        saved = name.tobytes().decode(errors="replace")
        if saved != self.fingerprint:
            raise EmbedderMismatchError(
                f"the saved index holds vectors of the embedder {saved!r}, this one is for {self.fingerprint!r}: build it anew"
            )
        drawn = [ProjectionHash(self.dim, buckets, seed + table).projection[0] for table in range(tables)]
        if self.probes > buckets or not np.array_equal(np.stack(drawn), arrays["projection"]):
            raise ValueError("its projection is not the one that its seed gives")
        super()._restore(arrays)
        self._centre = centre.astype(np.float32)
        self._begin(buckets)
        self._file(np.flatnonzero(self.present))

    def nbytes(self) -> int:
        """Bytes held, the table's included."""
        lists = sum(one.nbytes() for members in self._members for one in members)
        return super().nbytes() + lists + sum(code.nbytes() for code in self._code) + self._centre.nbytes


def _checked_centre(centre: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """A copy of a centre of the right form, else `VectorError`."""
    if centre.shape != (dim,):
        raise VectorError(f"the centre must have shape ({dim},), not {centre.shape}")
    check_finite(centre[None], "the centre, row")
    return centre.astype(np.float32)
