"""What opens a memory and holds its parts together: the store, the embedder, the views, and who writes, recalls and keeps."""

from __future__ import annotations

import logging
import os
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from lamina.config import Config
from lamina.errors import ConfigError, LaminaError
from lamina.index.views import Views
from lamina.keeping.consents import ConsentKeeper
from lamina.keeping.echoes import Echoes
from lamina.keeping.embedding import Embedding
from lamina.keeping.feedback import FeedbackKeeper
from lamina.keeping.gate import Gate
from lamina.keeping.keeper import Keeper
from lamina.keeping.redaction import Redactor
from lamina.keeping.writer import Writer
from lamina.recall.recaller import Recaller
from lamina.records import Run
from lamina.storage import open_store
from lamina.storage.index_files import index_folder
from lamina.storage.protocol import Durability, Store

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder
    from lamina.storage.sqlite.engine import Key

log = logging.getLogger("lamina")

_living: weakref.WeakSet[OpenMemory] = weakref.WeakSet()


class OpenMemory:
    """A memory's parts, from opening to closing; what it can do is `lamina.memory.Memory`."""

    config: Config
    _run: Run
    _redactor: Redactor | None
    _gate: Gate | None

    def _open(
        self, embedder: str | Embedder | None, language: str | None, rebuild: bool, read_only: bool, key: Key | None
    ) -> None:
        """Open the store and put the parts together; where that fails, the store is closed again."""
        self._closed = False
        self._encrypted = key is not None
        self._store: Store = open_store(
            self.config.path, durability=cast("Durability", self.config.durability), read_only=read_only, patience=self.config.patience,
            language=self.config.language, key=key,
        )  # fmt: skip
        try:
            self._speak(language)
            self._embed_with(embedder, rebuild)
        except BaseException:
            self._store.close()
            raise
        _living.add(self)

    def _speak(self, language: str | None) -> None:
        """Have the file's texts analysed in a language, if one is asked for that is not the file's own."""
        if language is None or language == self._store.language:
            return
        if self._store.read_only:
            raise ConfigError(
                f"the texts of {self.config.path} are analysed in {self._store.language!r}: to change that to {language!r}, "
                "open it once for writing with this language"
            )
        log.info("the lexicon is built anew in %r", language)
        self._store.relex(lambda done, total: self._run.report("relexing", done, total), language)

    def _embed_with(self, embedder: str | Embedder | None, rebuild: bool) -> None:
        """Go on with an embedder, or with the one that the file was made with."""
        from lamina.models.registry import load_embedder

        recorded = self._store.meta("embedder")
        spec = embedder if embedder is not None else recorded or self.config.embedder
        chosen = load_embedder(spec)
        self._echoes = Echoes()
        if rebuild:
            self._embed_anew(spec, chosen)
            return
        self._assemble(Embedding(self._store, chosen))
        if isinstance(spec, str) and spec != recorded and not self._store.read_only:
            with self._store.transaction():
                self._store.set_meta("embedder", spec)

    def _embed_anew(self, spec: str | Embedder, chosen: Embedder) -> None:
        """Embed everything with another embedder, and go on with it."""
        from lamina.consolidation.embedding_anew import embed_anew

        if hasattr(self, "_views"):
            self._views.clear()
        embed_anew(self._store, chosen, self._run, spec if isinstance(spec, str) else None)
        self._assemble(Embedding(self._store, chosen))

    def _assemble(self, embedding: Embedding) -> None:
        self._embedding = embedding
        path = self._store.path
        folder = None if path is None or self._encrypted else index_folder(path)  # in an index file vectors would stand in clear
        self._views = Views(self._store, self.config.memory_budget, self.config.index, folder=folder, run=self._run)
        self._writer = Writer(self._store, embedding, self._echoes, self._run, self._redactor, self._gate)
        self._recaller = Recaller(self._store, self._views, lambda: embedding.embedder, self._run)
        self._keeper = Keeper(self._store, self._writer, embedding)
        self._consents = ConsentKeeper(self._store, self._keeper, self._writer, self._run)
        self._feedback = FeedbackKeeper(self._store, self._keeper, self._writer, self._run)

    def _after_fork(self) -> None:
        """In a forked child: locks may be held by threads that are not there, ids must not be those of the parent."""
        self._echoes.after_fork()
        if self._gate is not None:
            self._gate.after_fork()
        self._embedding.after_fork()
        self._assemble(self._embedding)

    def _flush(self, run: Run) -> int:
        if self._store.read_only:
            return 0
        return self._embedding.flush(lambda done: run.report("embedding", done, 0))

    def close(self) -> None:
        """Embed what waits (where that is quick), then close the file. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._store.read_only and self._embedding.embedder.instant:
                self._flush(self._run)
        except LaminaError as error:  # the traces are safe and stay pending: closing must not fail for want of vectors
            log.warning("the memory is closed before everything has its vector (%s)", type(error).__name__)
        finally:
            self._views.close()
            self._embedding.close()
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _after_fork() -> None:
    for memory in list(_living):
        memory._after_fork()


os.register_at_fork(after_in_child=_after_fork)
