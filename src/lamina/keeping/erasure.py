"""Erasing a scope: everything in it is deleted, its bytes leave the disk, that is checked, and a receipt says so without saying what it was."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lamina.keeping.keeper import Keeper
from lamina.records import Filter, Run
from lamina.storage.protocol import ScrubReport, Store
from lamina.times import isoformat

SAMPLES: Final = 200
"""Erased texts that are looked for in the file, byte by byte, spread evenly over all of them."""
LEAST: Final = 24  # bytes a text must have to be looked for: shorter ones are found anywhere
LONGEST: Final = 200  # bytes of a text that are looked for
OUT_OF_REACH: Final = (
    "backups and exports made before", "copies of the file elsewhere", "what language models, embedding services and logs of other programs were sent",
    "what a file system or a drive keeps of overwritten blocks",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What was erased, when, and what was seen afterwards. It holds no text and no id of what was erased.

    `digest` is a BLAKE2b hash over the sorted ids, which lets whoever kept the ids check the receipt. `blanked` are items elsewhere that had rested on what was erased.
    `pending`: a reader held the log, and the bytes go with the next scrub. `left` are rows still in the scope, `found` the erased texts that were still found
    in the file, of `looked_for`; both are 0 after an erasure that is complete.
    """

    scope: str
    erased_at: int
    items: Mapping[str, int]
    digest: str
    blanked: int
    pending: bool
    left: int
    looked_for: int
    found: int

    @property
    def complete(self) -> bool:
        """Whether nothing is left, as far as can be seen from here."""
        return not self.pending and not self.left and not self.found

    def as_json(self) -> dict[str, Any]:
        """The receipt as plain JSON values, with what is out of reach."""
        return {
            "scope": self.scope, "erased_at": isoformat(self.erased_at), "items": dict(self.items), "digest": f"blake2b-256:{self.digest}",
            "blanked": self.blanked, "pending": self.pending, "left": self.left, "looked_for": self.looked_for, "found": self.found,
            "complete": self.complete, "out_of_reach": list(OUT_OF_REACH),
        }  # fmt: skip


def erase(store: Store, keeper: Keeper, scope: str, scrub: Callable[[], ScrubReport], run: Run) -> ErasureReceipt:
    """Delete everything in a scope and below it, scrub the file, look whether it is gone, and say so."""
    everything = Filter(scope=scope, forgotten=True, stale=True, events=True, retired=True)
    ids: list[str] = []
    kinds: Counter[str] = Counter()
    texts: list[bytes] = []
    with store.transaction():
        for item in store.items.each(everything):
            ids.append(item.id)
            kinds["event" if item.role == "event" else item.kind] += 1
            if item.kind == "trace" and len(item.text.encode()) >= LEAST:
                texts.append(item.text.encode()[:LONGEST])
        before = _stale(store)
        keeper.delete_all(scope)
        blanked = _stale(store) - before
    report = scrub()
    samples = texts[:: max(1, len(texts) // SAMPLES)][:SAMPLES]
    held = _held_elsewhere(store, set(samples))
    looked = [text for text in samples if text not in held]
    return ErasureReceipt(
        scope=scope,
        erased_at=run.clock(),
        items=dict(kinds),
        digest=hashlib.blake2b("\n".join(sorted(ids)).encode(), digest_size=32).hexdigest(),
        blanked=max(blanked, 0),
        pending=report.pending,
        left=store.items.count(everything),
        looked_for=len(looked),
        found=_found(store, looked),
    )


def _stale(store: Store) -> int:
    return store.items.count(Filter(scope="*", stale=True, forgotten=True)) - store.items.count(Filter(scope="*", forgotten=True))


def _held_elsewhere(store: Store, texts: set[bytes]) -> set[bytes]:
    """Those of some texts that another scope has in the same words, so that their bytes are rightly there."""
    every = (item.text.encode()[:LONGEST] for item in store.items.each(Filter(scope="*", forgotten=True, retired=True)))
    return {text for text in every if text in texts} if texts else set()


def _found(store: Store, texts: list[bytes]) -> int:
    """How many of some texts stand in the file or in its log."""
    if store.path is None or not texts:
        return 0
    raw = b"".join(
        path.read_bytes() for suffix in ("", "-wal") if (path := store.path.with_name(store.path.name + suffix)).exists()
    )
    return sum(1 for text in texts if text in raw)
