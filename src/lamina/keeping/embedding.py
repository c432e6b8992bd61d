"""Giving every item its vector: in the background, in batches, never in the way of a write."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable

from lamina.errors import ClosedError, EmbedderMismatchError, LaminaError
from lamina.models.guarded import GuardedEmbedder
from lamina.models.protocols import Embedder
from lamina.records import Item
from lamina.storage.protocol import Space, Store
from lamina.text import index_text

log = logging.getLogger("lamina.keeping")

BATCH = 1024  # items embedded at once
LINGER = 0.1  # seconds to wait for more items before embedding
RETRY = (1.0, 60.0)  # seconds to wait after a first failure, and at most


class Embedding:
    """Embeds what waits in a store's `pending` list.

    Parameters: `store`; `embedder`. Items without a vector are the queue: they survive an exit, and any process can go on.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self.store = store
        self.embedder = GuardedEmbedder(embedder)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._work = threading.Lock()  # one batch at a time in this process
        self._thread: threading.Thread | None = None
        self._waiting = not store.read_only and bool(store.vectors.pending(limit=1))
        self._failure: LaminaError | None = None
        self.check()

    def check(self) -> None:
        """Raise `EmbedderMismatchError` where the file's vectors are another embedder's: also where somebody has changed it since."""
        active = self.store.vectors.active()
        if active is None or (active.fingerprint == self.embedder.fingerprint and active.dim == self.embedder.dim):
            return
        raise EmbedderMismatchError(
            f"the vectors of this memory were made by {active.fingerprint!r} ({active.dim} dimensions), and it was opened with "
            f"{self.embedder.fingerprint!r} ({self.embedder.dim}): open it with the first one, or have everything embedded anew "
            "with rebuild (Memory(path, embedder=…, rebuild=True), or 'lamina rebuild')"
        )

    def space(self) -> Space:
        """The embedder's space, made and made active if this is the first embedding; inside a transaction."""
        self.check()
        space = self.store.vectors.active()
        if space is None:
            space = self.store.vectors.open_space(self.embedder.fingerprint, self.embedder.dim)
            self.store.vectors.activate(space)
        return space

    def notify(self) -> None:
        """There is something new to embed."""
        self._waiting = True
        if self._stop.is_set() or self.store.read_only:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=_embed_forever, args=(weakref.ref(self), self._wake, self._stop), daemon=True)
            self._thread.name = "lamina-embedding"
            self._thread.start()
            atexit.register(self._stop.set)
        self._wake.set()

    def catch_up(self, most: int = 4 * BATCH) -> None:
        """Embed a few waiting items now, where the embedder is quick enough for that; called before a recall."""
        if self._waiting and self.embedder.instant and not self.store.read_only and self._work.acquire(blocking=False):
            try:
                for _ in range(-(-most // BATCH)):
                    if not self._batch():
                        break
            except LaminaError as error:
                log.warning("a recall goes on without the newest vectors (%s)", type(error).__name__)
                log.debug("the embedder's error: %s", error)
            finally:
                self._work.release()

    def flush(self, progress: Callable[[int], None] | None = None) -> int:
        """Embed all that waits, also what other processes left; returns how many. Raises what the embedder raises."""
        done = 0
        with self._work:
            while count := self._batch():
                done += count
                if progress is not None:
                    progress(done)
        return done

    def flush_quietly(self, stop: threading.Event) -> None:
        """What the background thread does: whole batches one after another, letting others in between, then the rest.

        What comes in while the rest is embedded waits for the next round: chasing single items would cost more than it gives.
        """
        while not stop.is_set():
            with self._work:
                if self._batch() < BATCH:
                    return
            time.sleep(0)

    def _batch(self) -> int:
        """Embed one batch; returns how many items it had."""
        keys = self.store.vectors.pending(limit=BATCH)
        if not keys:
            self._waiting = False
            return 0
        items = self.store.items.by_key(keys)
        there = [key for key in keys if key in items]
        if not there:
            return len(keys)
        texts = [index_text(items[key].text, items[key].speaker, items[key].captions) for key in there]
        try:
            vectors = self.embedder.embed(texts, "document")
            with self.store.transaction():
                self.store.vectors.put(self.space(), there, vectors)
                self._look_again(items.values())
        except LaminaError as error:
            self._failure = error
            raise
        self._failure = None
        return len(keys)

    def _look_again(self, items: Iterable[Item]) -> None:
        """Where a stage went past traces that had no vector yet, have it look at their sessions once more."""
        first: dict[str, int] = {}
        for item in items:
            if item.kind == "trace":
                first[item.scope] = min(first.get(item.scope, item.key), item.key)
        for scope, key in first.items():
            for stage, inside, value in self.store.watermarks.each(scope):
                if inside == scope and value >= key:
                    self.store.watermarks.set(stage, scope, key - 1)

    @property
    def failure(self) -> LaminaError | None:
        """Why the last batch failed, if it did."""
        return self._failure

    def after_fork(self) -> None:
        """In a forked child: the thread is the parent's, and its locks may be held for ever."""
        self._work, self._wake, self._stop, self._thread = threading.Lock(), threading.Event(), threading.Event(), None

    def close(self) -> None:
        """Stop the background work; what waits stays pending in the file."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        atexit.unregister(self._stop.set)


def _embed_forever(reference: weakref.ref[Embedding], wake: threading.Event, stop: threading.Event) -> None:
    """The background thread. It holds no reference while it sleeps, so that a forgotten memory can be collected."""
    pause = RETRY[0]
    while not stop.is_set():
        if not wake.wait(timeout=5.0):
            if reference() is None:
                return
            continue
        stop.wait(LINGER)
        wake.clear()
        embedding = reference()
        if embedding is None or stop.is_set():
            return
        try:
            embedding.flush_quietly(stop)
            pause = RETRY[0]
        except ClosedError:
            return
        except LaminaError as error:
            log.warning("embedding failed (%s), trying again in %.0f s", type(error).__name__, pause)
            log.debug("the embedder's error: %s", error)  # it may quote what was embedded
            stop.wait(pause)
            pause = min(pause * 2, RETRY[1])
            wake.set()
        del embedding
