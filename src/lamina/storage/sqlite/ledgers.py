"""Strengths, watermarks and artifacts in SQLite."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from lamina.errors import CorruptStoreError, InputError, NotFoundError
from lamina.storage.protocol import Artifact
from lamina.storage.sqlite.connection import Connection
from lamina.storage.sqlite.filters import scope_condition
from lamina.storage.sqlite.items import batches, present

_ID: Final = re.compile("[0-9a-f]{32}")
INLINE: Final = 256 * 1024  # bytes up to which an artifact lies in the file itself


class SQLiteStrengths:
    """The state of each item under each forgetting policy, as the policy wrote it."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, policy: str, keys: Sequence[int]) -> dict[int, str]:
        """The states of some items."""
        found: dict[int, str] = {}
        for part in batches(keys):
            marks = ",".join("?" * len(part))
            found.update(
                dict(self._db.rows(f"SELECT item, state FROM strength WHERE policy = ? AND item IN ({marks})", [policy, *part]))
            )
        return found

    def put(self, policy: str, states: Mapping[int, str]) -> None:
        """Write states; an item that is gone is passed over."""
        there = present(self._db, list(states))
        self._db.execute_many(
            "INSERT OR REPLACE INTO strength(item, policy, state) VALUES (?, ?, ?)",
            [(int(key), policy, state) for key, state in states.items() if key in there],
        )

    def remove(self, keys: Sequence[int]) -> None:
        """Take the states of some items away, whatever the policy."""
        for part in batches(keys):
            self._db.execute(f"DELETE FROM strength WHERE item IN ({','.join('?' * len(part))})", part)

    def policies(self) -> list[str]:
        """The policies that keep states here."""
        return [row[0] for row in self._db.rows("SELECT DISTINCT policy FROM strength ORDER BY policy")]

    def each(self, policy: str, scope: str) -> list[tuple[int, str]]:
        """All states of a scope, by key."""
        clause, values = scope_condition(scope)
        return [
            (row[0], row[1])
            for row in self._db.rows(
                f"SELECT strength.item, state FROM strength JOIN item ON item.key = strength.item WHERE policy = ? AND {clause} ORDER BY 1",
                [policy, *values],
            )
        ]


class SQLiteWatermarks:
    """How far each stage has come in each scope."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, stage: str, scope: str) -> int:
        """The highest key a stage has seen in a scope; 0 at first."""
        return int(self._db.value("SELECT value FROM watermark WHERE stage = ? AND scope = ?", (stage, scope)) or 0)

    def set(self, stage: str, scope: str, value: int) -> None:
        """Move a watermark."""
        self._db.execute("INSERT OR REPLACE INTO watermark(stage, scope, value) VALUES (?, ?, ?)", (stage, scope, value))

    def each(self, scope: str) -> list[tuple[str, str, int]]:
        """Every (stage, scope, value) of a scope and its descendants."""
        clause, values = scope_condition(scope)
        rows = self._db.rows(f"SELECT stage, scope, value FROM watermark WHERE {clause} ORDER BY stage, scope", values)
        return [(row[0], row[1], row[2]) for row in rows]

    def reset(self, scope: str) -> None:
        """Let every stage start again in a scope and its descendants."""
        clause, values = scope_condition(scope)
        self._db.execute(f"DELETE FROM watermark WHERE {clause}", values)


class SQLiteArtifacts:
    """Blobs: small ones in the file, large ones in a folder beside it."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @property
    def folder(self) -> Path | None:
        """Where large artifacts lie; None for a store in memory."""
        path = self._db.path
        return None if path is None else path.with_name(path.name + ".artifacts")

    def put(self, item: int, kind: str, content: bytes, *, inline: bool | None = None, id: str | None = None) -> Artifact:
        """Store a blob for an item (under `id`, where it is given: 32 hexadecimal digits).

        A file is complete on disk before the row that names it; where the transaction is undone it goes again.
        """
        if id is not None and _ID.fullmatch(id) is None:
            raise InputError(f"an artifact's id is 32 hexadecimal digits, not {id!r}")
        if id is not None and self._db.value("SELECT 1 FROM artifact WHERE id = ?", (id,)):
            raise InputError(f"there is an artifact {id!r} already")
        folder = self.folder
        outside = folder is not None and (len(content) > INLINE if inline is None else not inline)
        outside = outside and self._db.engine.key is None  # beside an encrypted file nothing may lie open
        artifact = Artifact(
            id=id or secrets.token_hex(16),
            item=int(item),
            kind=kind,
            size=len(content),
            digest=hashlib.blake2b(content, digest_size=16).hexdigest(),
        )
        path: str | None = None
        if outside and folder is not None:
            folder.mkdir(mode=0o700, exist_ok=True)
            # Under an id that was given there may be another file, which goes when this transaction is on disk, or stays when it is undone.
            path = artifact.id if id is None else secrets.token_hex(16)
            part, whole = folder / (path + ".part"), folder / path
            self._db.after_rollback(lambda: whole.unlink(missing_ok=True))
            self._db.after_rollback(lambda: part.unlink(missing_ok=True))
            with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(whole)
            if self._db.durability == "power":
                _sync_folder(folder)
        self._db.execute(
            "INSERT INTO artifact(id, item, kind, bytes, digest, path, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (artifact.id, artifact.item, kind, artifact.size, artifact.digest, path, None if path else content),
        )
        return replace(artifact, path=path)

    def get(self, id: str) -> bytes:
        """The content of an artifact; its digest is checked."""
        return bytes(self.view(id))

    def view(self, id: str, *, check: bool = True) -> memoryview:
        """The content of an artifact, mapped where it lies in a file of its own: what is not looked at is not read.

        Its digest is checked, for which all of it is read, unless `check` is false. Raises `NotFoundError` where there is no such artifact,
        `CorruptStoreError` where its file is gone or its content is not what was stored.
        """
        rows = self._db.rows("SELECT digest, path, data FROM artifact WHERE id = ?", (id,))
        if not rows:
            raise NotFoundError(f"there is no artifact {id!r}")
        digest, path, data = rows[0]
        folder = self.folder
        content = bytearray(data or b"") if path is None or folder is None else _mapped(folder / file_name(path), id)
        if check and hashlib.blake2b(content, digest_size=16).hexdigest() != digest:
            raise CorruptStoreError(f"artifact {id} does not have the digest it was stored with: restore a backup")
        return memoryview(content)

    def of(self, item: int) -> list[Artifact]:
        """The artifacts of an item."""
        rows = self._db.rows("SELECT id, item, kind, bytes, digest, path FROM artifact WHERE item = ? ORDER BY rowid", (item,))
        return [Artifact(*row) for row in rows]

    def each(self, scope: str) -> list[Artifact]:
        """The artifacts of all items of a scope, in the order of the items."""
        clause, values = scope_condition(scope)
        rows = self._db.rows(
            "SELECT artifact.id, item, artifact.kind, bytes, digest, path FROM artifact JOIN item ON item.key = artifact.item"
            f" WHERE {clause} ORDER BY item, artifact.rowid",
            values,
        )
        return [Artifact(*row) for row in rows]

    def delete(self, id: str) -> None:
        """Remove an artifact; its file goes once the transaction is on disk."""
        self.forget_files([row[0] for row in self._db.rows("SELECT path FROM artifact WHERE id = ? AND path IS NOT NULL", (id,))])
        self._db.execute("DELETE FROM artifact WHERE id = ?", (id,))

    def files_of(self, items: Sequence[int]) -> list[str]:
        """The file names that belong to some items."""
        names: list[str] = []
        for part in batches(items):
            marks = ",".join("?" * len(part))
            names += [
                row[0] for row in self._db.rows(f"SELECT path FROM artifact WHERE path IS NOT NULL AND item IN ({marks})", part)
            ]
        return names

    def forget_files(self, names: Sequence[str]) -> None:
        """Remove files once the present transaction is on disk."""
        folder = self.folder
        if folder is not None and names:

            def remove() -> None:
                for name in names:
                    if is_file_name(name):  # a damaged row must not delete anything else
                        (folder / name).unlink(missing_ok=True)

            self._db.after_commit(remove)

    def orphans(self) -> list[Path]:
        """Files no row names: what a killed process left behind."""
        folder = self.folder
        if folder is None or not folder.is_dir():
            return []
        known = {row[0] for row in self._db.rows("SELECT path FROM artifact WHERE path IS NOT NULL")}
        return [path for path in sorted(folder.iterdir()) if path.name not in known]


def is_file_name(path: str) -> bool:
    """Whether an artifact's path is what this store gives: 32 hexadecimal digits, inside its own folder."""
    return _ID.fullmatch(path) is not None


def file_name(path: str) -> str:
    """The name of an artifact's file; raises `CorruptStoreError` for a path that leads elsewhere."""
    if not is_file_name(path):
        raise CorruptStoreError(f"the artifact's path {path!r} is not one of this store: run 'lamina doctor'")
    return path


def _mapped(file: Path, id: str) -> mmap.mmap | bytearray:
    """A file's content, mapped; what is written to the mapping stays in this process. An empty file cannot be mapped."""
    try:
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            return mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_COPY) if size else bytearray()
    except FileNotFoundError:
        raise CorruptStoreError(f"the file of artifact {id} is gone: restore a backup, or run 'lamina doctor --repair'") from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
