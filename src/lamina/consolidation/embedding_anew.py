"""Changing the embedder: a second space is filled while the first serves, then they are switched at once."""

from __future__ import annotations

from lamina.models.guarded import GuardedEmbedder
from lamina.models.protocols import Embedder
from lamina.records import Run
from lamina.storage.protocol import Space, Store
from lamina.text import index_text

BATCH = 1024  # items embedded at once


def embed_anew(store: Store, embedder: Embedder, run: Run, spec: str | None = None) -> Space:
    """Embed every item with another embedder and let recall use the result; returns the new space.

    Parameters: `spec`, how the file is to name the embedder from then on (None: it cannot be loaded by a name).
    Interrupted, it goes on where it was: what the new space has already is not embedded again.
    """
    with store.transaction():
        space = store.vectors.open_space(embedder.fingerprint, embedder.dim)
    guarded = GuardedEmbedder(embedder)
    done = 0
    total = store.version().item
    while keys := store.vectors.missing(space, limit=BATCH):
        items = store.items.by_key(keys)
        there = [key for key in keys if key in items]
        if there:
            texts = [index_text(items[key].text, items[key].speaker, items[key].captions) for key in there]
            vectors = guarded.embed(texts, "document")
            with store.transaction():
                store.vectors.put(space, there, vectors)
        done += len(keys)
        run.report("embedding", done, max(total, done))
    with store.transaction():
        store.vectors.activate(space)
        store.set_meta("embedder", spec)
        for old in store.vectors.spaces():
            if old.id != space.id:
                store.vectors.drop(old)
    return space
