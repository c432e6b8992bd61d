"""The files of a program that is being written: a folder in which nothing outside can be named, and nothing is half written.

Paths are relative, portable and in one spelling; whatever else is asked for is refused with its reason. Several files change together
or not at all, also where the process is killed in between. Every access is logged with the step it belongs to.

Source: the file store of S. Holt, M. Ruiz Luyten, M. van der Schaar, L2MAC: Large Language Model Automatic Computer for Extensive Code Generation (2023).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from lamina.errors import InputError, NotFoundError
from lamina.working.paths import NOT_OURS, STATE, check_path

AccessKind = Literal["create", "write", "same", "read", "delete"]
"""What was done to a file; "same": it was written as it was."""


@dataclass(frozen=True, slots=True)
class Access:
    """That a step read, created, wrote or deleted a file, or wrote it as it was ("same")."""

    step: int
    path: str
    kind: AccessKind


@dataclass(frozen=True, slots=True)
class Difference:
    """How two states of the files differ: paths, each in order."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.created or self.changed or self.deleted)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files at one moment: path → text.

    >>> before, after = Snapshot.of({"a.txt": "one"}), Snapshot.of({"a.txt": "two", "b.txt": ""})
    >>> before.difference(after)
    Difference(created=('b.txt',), changed=('a.txt',), deleted=())
    """

    files: Mapping[str, str]

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Snapshot:
        """A snapshot of its own, which later changes of `files` do not touch."""
        return cls(MappingProxyType(dict(sorted(files.items()))))

    @property
    def digest(self) -> str:
        """SHA-256 of all paths and texts: equal where the files are."""
        told = hashlib.sha256()
        for path, text in sorted(self.files.items()):
            for part in (path.encode(), text.encode()):
                told.update(len(part).to_bytes(8, "big") + part)
        return told.hexdigest()

    def difference(self, after: Snapshot) -> Difference:
        """What is created, changed and deleted from here to `after`."""
        return Difference(
            tuple(path for path in after.files if path not in self.files),
            tuple(path for path, text in self.files.items() if after.files.get(path, text) != text),
            tuple(path for path in self.files if path not in after.files),
        )

    def unified(self, after: Snapshot) -> str:
        """The difference as lines, in the form of `diff -u`."""
        told: list[str] = []
        for path in sorted({*self.files, *after.files}):
            old, new = self.files.get(path), after.files.get(path)
            if old != new:
                lines = difflib.unified_diff((old or "").splitlines(), (new or "").splitlines(), path, path, lineterm="")
                told.extend(lines)
        return "\n".join(told)


class FileStore:
    """The text files of a folder, by relative paths such as "shop/cart.py".

    Parameters: `root`, made where it is not there; `file_bytes`, `files`, `total_bytes`: what a file, their number and all of them may
    come to. `step` is the number that accesses are logged under; `accesses` is the log.

    >>> import tempfile
    >>> store = FileStore(tempfile.mkdtemp())
    >>> store.change({"shop/cart.py": "items = []\\n"})
    Difference(created=('shop/cart.py',), changed=(), deleted=())
    >>> store.read("shop/cart.py"), store.list()
    ('items = []\\n', ['shop/cart.py'])
    >>> store.change({"../cart.py": ""})
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: '../cart.py' leaves the folder: name files by paths without '.' and '..'
    """

    def __init__(
        self, root: str | os.PathLike[str], *, file_bytes: int = 1_000_000, files: int = 2000, total_bytes: int = 50_000_000
    ) -> None:
        for name, value in (("file_bytes", file_bytes), ("files", files), ("total_bytes", total_bytes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} of a file store must be a whole number of at least 1, not {value!r}")
        folder = Path(root)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: the files of a program lie in a folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.root = folder.resolve()
        self.file_bytes, self.files, self.total_bytes = file_bytes, files, total_bytes
        self.step = 0
        self.accesses: list[Access] = []
        state = self.root / STATE
        if state.is_symlink() or (state.exists() and not state.is_dir()):
            raise InputError(f"{state} must be a folder of its own: it is where the store keeps its notes")
        self._finish()

    # ------------------------------------------------------------------------------------------------------------ read
    def list(self) -> list[str]:
        """All paths in order. Links and the folders of other programs are not listed."""
        found: list[str] = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name.casefold() not in NOT_OURS]
            for name in names:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    found.append(path.relative_to(self.root).as_posix())
        return sorted(found)

    def read(self, path: str, first: int = 1, last: int | None = None) -> str:
        """The lines `first` to `last` (from 1, both included; default: all). Raises `NotFoundError` for a path that is not there and
        `InputError` for lines that are not, and for a file that is no text."""
        text = self._text(self._found(path))
        self._note(path, "read")
        if first == 1 and last is None:
            return text
        lines = text.splitlines(keepends=True)
        end = len(lines) if last is None else min(last, len(lines))
        if not 1 <= first <= max(len(lines), 1) or end < first - 1:
            raise InputError(f"{path} has the lines 1 to {len(lines)}: there are no lines {first} to {last}")
        return "".join(lines[first - 1 : end])

    def snapshot(self) -> Snapshot:
        """All text files as they are now. Files that are no text are left out. This is no access of a step."""
        found: dict[str, str] = {}
        for path in self.list():
            try:
                found[path] = self._text(self.root / path)
            except InputError:
                continue
        return Snapshot.of(found)

    # ---------------------------------------------------------------------------------------------------------- change
    def change(self, writes: Mapping[str, str] | None = None, deletes: Iterable[str] = ()) -> Difference:
        """Write and delete files, all of them or none; returns what came of it.

        Raises `InputError` for a path or a text that cannot be, `NotFoundError` for a deletion of what is not there; then nothing changed.
        """
        present = set(self.list())
        gone = {self._known(path, present) for path in deletes}
        wanted = {check_path(path): text for path, text in (writes or {}).items()}
        if len(wanted) < len(writes or {}):
            raise InputError(f"one file is written twice: {', '.join(sorted(wanted))}")
        after = (present - gone) | set(wanted)
        self._check(wanted, after)
        old = {path: self._text(self.root / path) for path in wanted if path in present}
        self._apply(wanted, gone - set(wanted))
        created = tuple(sorted(path for path in wanted if path not in present))
        changed = tuple(sorted(path for path, text in old.items() if text != wanted[path]))
        for path in sorted(wanted):
            self._note(path, "create" if path not in present else "write" if path in changed else "same")
        for path in sorted(gone - set(wanted)):
            self._note(path, "delete")
        return Difference(created, changed, tuple(sorted(gone - set(wanted))))

    def restore(self, snapshot: Snapshot) -> Difference:
        """Go back to a snapshot: files that it does not have are deleted."""
        now = self.snapshot()
        differs = {path: text for path, text in snapshot.files.items() if now.files.get(path) != text}
        return self.change(differs, [path for path in now.files if path not in snapshot.files])

    # ------------------------------------------------------------------------------------------------------ what it is
    def _check(self, wanted: Mapping[str, str], after: Collection[str]) -> None:
        """Raise `InputError` where the files as they would be cannot be."""
        if len(after) > self.files:
            raise InputError(f"these would be {len(after):,} files, and {self.files:,} are allowed")
        for path, text in wanted.items():
            size = _encoded(path, text)
            if size > self.file_bytes:
                raise InputError(f"{path} would have {size:,} bytes, and {self.file_bytes:,} are allowed: split it")
        kept = sum((self.root / path).stat().st_size for path in after if path not in wanted)
        total = kept + sum(len(text.encode()) for text in wanted.values())
        if total > self.total_bytes:
            raise InputError(f"all files would have {total:,} bytes, and {self.total_bytes:,} are allowed")
        spelled: dict[str, str] = {}
        folders = {parent for path in after for parent in _parents(path)}
        for path in sorted({*after, *folders}):
            other = spelled.setdefault(path.casefold(), path)
            if other != path:
                raise InputError(f"{path!r} and {other!r} differ in capitals alone, which not every machine can tell apart")
        for path in wanted:
            if path in folders:
                raise InputError(f"{path!r} is a folder: there are files below it")
            both = next((parent for parent in _parents(path) if parent in after), None)
            if both is not None:
                raise InputError(f"{path!r} cannot be: {both!r} is a file, not a folder")
            self._real(path)

    def _real(self, path: str) -> Path:
        """The file's place; raises `InputError` where a link would lead elsewhere, or something that is no file lies there."""
        place = self.root
        for part in path.split("/"):
            place = place / part
            if place.is_symlink():
                raise InputError(f"{path!r} leads through a link, {place.name!r}: name the file itself")
        if place.exists() and not place.is_file():
            raise InputError(f"{path!r} is a folder, or no plain file: name a file")
        return place

    def _known(self, path: str, present: Collection[str]) -> str:
        checked = check_path(path)
        if checked not in present:
            raise NotFoundError(f"there is no file {checked!r}")
        return checked

    def _found(self, path: str) -> Path:
        checked = check_path(path)
        place = self._real(checked)
        if not place.is_file():
            raise NotFoundError(f"there is no file {checked!r}")
        return place

    def _text(self, place: Path) -> str:
        try:
            with place.open(encoding="utf-8", newline="") as file:
                return file.read()
        except UnicodeDecodeError:
            raise InputError(f"{place.name} is not a text in UTF-8") from None

    def _note(self, path: str, kind: AccessKind) -> None:
        self.accesses.append(Access(self.step, check_path(path), kind))

    # ------------------------------------------------------------------------------------------------------- the disk
    def _apply(self, writes: Mapping[str, str], deletes: Collection[str]) -> None:
        """Stage what is written, note what is to be done, do it. A process that is killed before the note changed nothing; after it,
        the next one to open the store does what is left."""
        if not writes and not deletes:
            return
        stage = self.root / STATE / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        moves = {str(number): path for number, path in enumerate(writes)}
        for number, path in moves.items():
            with (stage / number).open("w", encoding="utf-8", newline="") as file:
                file.write(writes[path])
        write_whole(self.root / STATE / "journal.json", json.dumps({"moves": moves, "deletes": sorted(deletes)}))
        self._finish()

    def _finish(self) -> None:
        """Do what the journal says, which may have been begun."""
        state = self.root / STATE
        journal = state / "journal.json"
        if journal.is_file():
            try:
                told = json.loads(journal.read_text(encoding="utf-8"))
                deletes = [self._real(check_path(path)) for path in told["deletes"]]
                moves = {str(int(number)): self._real(check_path(path)) for number, path in told["moves"].items()}
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InputError(f"{journal} is not a journal of this store: look at the files beside it and delete it") from None
            for place in deletes:
                place.unlink(missing_ok=True)
                _prune(place.parent, self.root)
            for number, place in moves.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                if (state / "stage" / number).exists():
                    os.replace(state / "stage" / number, place)
            journal.unlink()
        shutil.rmtree(state / "stage", ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step: whoever reads it sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)  # a link that was left there must not be followed
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _encoded(path: str, text: str) -> int:
    if not isinstance(text, str):
        raise InputError(f"the contents of {path!r} must be text, not {type(text).__name__}")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InputError(f"the contents of {path!r} have signs that are no text (lone surrogates)") from None


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that are empty now."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
