"""The SQLite store: one file, write-ahead log, safe with many processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from lamina.errors import StoreBusyError
from lamina.storage.protocol import Durability, ScrubReport, Version
from lamina.storage.sqlite.connection import Connection, FrozenConnection
from lamina.storage.sqlite.edges import SQLiteEdges
from lamina.storage.sqlite.engine import Key
from lamina.storage.sqlite.items import SQLiteItems
from lamina.storage.sqlite.journal import SQLiteJournal
from lamina.storage.sqlite.ledgers import SQLiteArtifacts, SQLiteStrengths, SQLiteWatermarks
from lamina.storage.sqlite.lexicon import lexicon_entry
from lamina.storage.sqlite.maintenance import backup, finish_scrub, scrub
from lamina.storage.sqlite.schema import MIGRATIONS, Migration
from lamina.storage.sqlite.scoped import CONSENT, RANKER, SQLiteScoped
from lamina.storage.sqlite.vectors import SQLiteVectors
from lamina.terms import ENGLISH, analyser_name, check_language, language_of


class _Items(SQLiteItems):
    """Items whose artifacts' files go with them."""

    def __init__(self, connection: Connection, artifacts: SQLiteArtifacts) -> None:
        super().__init__(connection)
        self._artifacts = artifacts

    def delete(self, keys: Sequence[int]) -> int:
        self._artifacts.forget_files(self._artifacts.files_of(keys))
        return super().delete(keys)

    def blank(self, keys: Sequence[int]) -> None:
        self._artifacts.forget_files(self._artifacts.files_of(keys))
        super().blank(keys)
        self._db.execute_many("DELETE FROM artifact WHERE item = ?", [(int(key),) for key in keys])


class SQLiteStore:
    """A memory's storage in one SQLite file (`path=None`: in memory, gone at the end).

    Parameters: those of `Connection`, and `language`, in which the texts of a new store are analysed (a store that is there
    keeps its own; see `relex`).

    >>> store = SQLiteStore(None)
    >>> with store.transaction():
    ...     store.set_meta("colour", "blue")
    >>> store.meta("colour")
    'blue'
    >>> store.close()
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        durability: Durability = "process",
        read_only: bool = False,
        patience: float = 60.0,
        migrations: Sequence[Migration] = MIGRATIONS,
        language: str = ENGLISH,
        key: Key | None = None,
    ) -> None:
        check_language(language)
        place = None if path is None else Path(path)
        self._assemble(
            Connection(place, durability=durability, read_only=read_only, patience=patience, migrations=migrations, key=key)
        )
        if not self.read_only:
            try:
                self._begin(language)
            except BaseException:
                self.connection.close()
                raise

    def _assemble(self, connection: Connection) -> None:
        self.connection = connection
        self.artifacts = SQLiteArtifacts(self.connection)
        self.items = _Items(self.connection, self.artifacts)
        self.edges = SQLiteEdges(self.connection)
        self.vectors = SQLiteVectors(self.connection)
        self.strengths = SQLiteStrengths(self.connection)
        self.watermarks = SQLiteWatermarks(self.connection)
        self.rankers = SQLiteScoped(self.connection, RANKER)
        self.consents = SQLiteScoped(self.connection, CONSENT)
        self.journal = SQLiteJournal(self.connection)

    def _begin(self, language: str) -> None:
        if self.meta("analyser") is None:
            with self.transaction():
                if self.meta("analyser") is None:
                    self.set_meta("analyser", analyser_name(language))
        elif self.meta("analyser") != analyser_name(self.language):
            self.relex()
        if self.meta("scrub") is not None:
            finish_scrub(self)

    @property
    def path(self) -> Path | None:
        """The file; None for a store in memory."""
        return self.connection.path

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self.connection.read_only

    # ------------------------------------------------------------------------------------------------ transactions
    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside happen together or not at all."""
        return self.connection.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads inside see one state."""
        return self.connection.snapshot()

    @contextmanager
    def frozen(self) -> Iterator[SQLiteStore]:
        """The store as it is now, read-only, whatever is written meanwhile; any thread may read it."""
        view = SQLiteStore.__new__(SQLiteStore)
        view._assemble(FrozenConnection(self.connection))
        try:
            yield view
        finally:
            view.connection.close()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call something once the present transaction is on disk."""
        self.connection.after_commit(call)

    # ------------------------------------------------------------------------------------------------ change
    def version(self) -> Version:
        """How far the store has come; cheap enough to ask before every recall."""
        numbers = dict(self.connection.rows("SELECT name, seq FROM sqlite_sequence"))
        return Version(numbers.get("item", 0), numbers.get("vector", 0), numbers.get("change", 0))

    def changes(self, after: int) -> list[int] | None:
        """Keys of old items that changed or went after a change number; None where the log does not reach back so far."""
        first = self.connection.value("SELECT min(seq) FROM change")
        newest = self.version().change
        if after < newest and (first is None or first > after + 1):
            return None
        return [row[0] for row in self.connection.rows("SELECT DISTINCT item FROM change WHERE seq > ?", (after,))]

    # ------------------------------------------------------------------------------------------------ settings
    def meta(self, name: str) -> str | None:
        """A setting kept in the file."""
        value = self.connection.value("SELECT value FROM meta WHERE name = ?", (name,))
        return None if value is None else str(value)

    def set_meta(self, name: str, value: str | None) -> None:
        """Keep a setting in the file; None takes it away."""
        if value is None:
            self.connection.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self.connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", (name, value))

    @property
    def language(self) -> str:
        """The language in which the file's texts are analysed, as it is now: another process may change it."""
        return language_of(self.meta("analyser"))

    def relex(self, progress: Callable[[int, int], None] | None = None, language: str | None = None) -> int:
        """Build the lexicon anew from the texts, in another language if one is given; returns the number of items.

        Raises `ConfigError` for a language without a stemmer.
        """
        total, done, last = int(self.connection.value("SELECT count(*) FROM item")), 0, 0
        with self.transaction():
            language = check_language(self.language if language is None else language)
            self.connection.execute("DELETE FROM lexicon")
            while True:
                keys = [r[0] for r in self.connection.rows("SELECT key FROM item WHERE key > ? ORDER BY key LIMIT 1000", (last,))]
                if not keys:
                    break
                entries = [(key, lexicon_entry(item, language)) for key, item in self.items.by_key(keys).items()]
                self.connection.execute_many("INSERT INTO lexicon(item, terms) VALUES (?, ?)", entries)
                last, done = keys[-1], done + len(keys)
                if progress is not None:
                    progress(done, total)
            self.set_meta("analyser", analyser_name(language))
            # every view must be read anew
            self.connection.execute("INSERT INTO change(item) VALUES (0)")
            self.connection.execute("DELETE FROM change")
        return done

    # ------------------------------------------------------------------------------------------------ maintenance
    def scrub(self) -> ScrubReport:
        """Remove what deletions left on disk: rewrite the file, empty the log, delete stray artifact files.

        While another connection reads an old state the log cannot be emptied: the report then says `pending`, and the
        scrub is tried again when the memory is next opened, scrubbed or closed.
        """
        return scrub(self)

    def backup(self, target: Path) -> Path:
        """Write one consistent state of the store to a new file, while others go on reading and writing.

        Artifacts' files are copied beside it; where there are any, other writers wait until the copy is done. Raises
        `TransferError` where the target exists.
        """
        return backup(self, Path(target))

    def nbytes(self) -> int:
        """Bytes on disk: the file, its log, its artifacts. In memory: the size of the pages."""
        path = self.path
        if path is None:
            pages = int(self.connection.value("PRAGMA page_count"))
            return pages * int(self.connection.value("PRAGMA page_size"))
        files = [path, path.with_name(path.name + "-wal")]
        folder = self.artifacts.folder
        if folder is not None and folder.is_dir():
            files += folder.iterdir()
        size = 0
        for file in files:
            with suppress(FileNotFoundError):  # another process may delete it meanwhile
                size += file.stat().st_size
        return size

    def close(self) -> None:
        """Close the store; a scrub that was held up is tried once more."""
        if not self.connection.closed and not self.read_only and self.path is not None and self.meta("scrub") is not None:
            with suppress(StoreBusyError):  # it stays noted in the file
                finish_scrub(self)
        self.connection.close()
