"""Which reader a path needs: told from what it holds, or named."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

from lamina.bench.locomo_data import is_locomo
from lamina.errors import InputError, NotFoundError
from lamina.importing.archives import SMALL, Archive
from lamina.importing.chatgpt import ChatGPTExport
from lamina.importing.claude import ClaudeExport
from lamina.importing.exports import CONVERSATIONS, ExportReader
from lamina.importing.files import SUFFIXES, TextFiles
from lamina.importing.jsonl import JsonLines
from lamina.importing.locomo import samples_of
from lamina.importing.mbox import MAILBOXES, Mailbox
from lamina.importing.memories import SQLITE, GraphitiDump, LangGraphDump, Mem0Dump
from lamina.importing.obsidian import ObsidianVault
from lamina.importing.reading import Reader, Skipped
from lamina.importing.slack import SlackExport

EXPORTS: Final[Mapping[str, type[ExportReader]]] = {
    "chatgpt": ChatGPTExport, "claude": ClaudeExport, "slack": SlackExport, "mbox": Mailbox, "mem0": Mem0Dump, "graphiti": GraphitiDump,
    "langgraph": LangGraphDump,
}  # fmt: skip
"""The readers of exports, by the names of their forms."""
FORMS: Final = ("text", "jsonl", "locomo", "obsidian", *EXPORTS)
"""Every form that can be named."""

_DAY = re.compile(r"/\d{4}-\d{2}-\d{2}\.json$")
_MARKS: Final = (  # what stands in the first bytes of a JSON file of each form
    ("chatgpt", (b'"mapping"',)),
    ("claude", (b'"chat_messages"',)),
    ("langgraph", (b'"namespace"', b'"key"', b'"value"')),
    ("mem0", (b'"memory"', b'"id"')),
    ("graphiti", (b'"uuid"', b'"group_id"')),
    ("graphiti", (b'"uuid"', b'"fact"')),
)
_TABLES: Final = {  # what files of SQLite have of each form
    "langgraph": ("store", {"prefix", "key", "value"}),
    "mem0": ("history", {"memory_id", "new_memory", "event"}),
}


def readers_of(
    path: str | os.PathLike[str],
    skipped: Skipped,
    *,
    strict: bool = False,
    zone: tzinfo = UTC,
    form: str | None = None,
    everything: bool = False,
) -> list[Reader]:
    """The readers for a path: text or Markdown, a folder of them, an Obsidian vault, messages as JSON lines, LoCoMo files, exports of ChatGPT, Claude and Slack, mail,
    and dumps of other memories.

    `form` names one of FORMS where the path is not to be asked. `everything` takes what is else left out on purpose: the other branches of edited conversations of
    ChatGPT, and what mails quote of earlier ones. With `strict`, what cannot be read raises `InputError` instead of being counted in `skipped`. Raises
    `NotFoundError` for a path that is not there and `InputError` for a file of another form.
    """
    found = Path(path)
    if not found.exists():
        raise NotFoundError(f"{found} does not exist: check the path")
    if form is not None and form not in FORMS:
        raise InputError(f"{form!r} is no form that can be read: use one of {', '.join(FORMS)}")
    chosen = form or form_of(found)
    if chosen in EXPORTS:
        return [EXPORTS[chosen](found, skipped, strict=strict, zone=zone, everything=everything)]
    made: dict[str, Callable[[], list[Any]]] = {
        "text": lambda: [TextFiles(found, skipped, strict=strict)],
        "obsidian": lambda: [ObsidianVault(found, skipped, strict=strict)],
        "jsonl": lambda: [JsonLines(found, skipped, strict=strict, zone=zone)],
        "locomo": lambda: list(samples_of(found)),
    }
    if chosen not in made:
        raise InputError(
            f"{found} is of no form that can be read: give a folder, a file {', '.join(SUFFIXES)}, messages as JSON lines (.jsonl), a LoCoMo file, an export of "
            "ChatGPT, Claude or Slack, mail (.mbox), or a dump of mem0, Graphiti or LangGraph; or name its form"
        )
    return made[chosen]()


def form_of(path: Path) -> str:
    """The form of what lies under a path, told from names and first bytes; empty where it is none of FORMS."""
    suffix = path.suffix.lower()
    if path.is_dir():
        if (path / ".obsidian").is_dir():
            return "obsidian"
        return _parts(Archive(path), folder=True) or "text"
    if suffix in SUFFIXES:
        return "text"
    archive = Archive(path)
    if len(archive.sizes) != 1 or suffix == ".zip":
        return _parts(archive, folder=False)
    [part] = archive.sizes
    head = archive.head(part)
    if head.startswith(SQLITE):
        return next((form for form, (table, columns) in _TABLES.items() if columns <= _columns(path, table)), "")
    if head.startswith(b"From ") and suffix in (".mbox", "", ".mbx"):
        return "mbox"
    if suffix in (".jsonl", ".ndjson"):
        return _form_of_lines(head)
    if suffix == ".json":
        small = archive.sizes[part] <= SMALL
        return "locomo" if small and b'"conversation"' in head and is_locomo(path) else _marked(head)
    return ""


def _parts(archive: Archive, folder: bool) -> str:
    """The form of an archive or a folder of several parts."""
    if sum(1 for part in archive.sizes if _DAY.search(part)) and (archive.find("users.json") or not folder):
        return "slack"
    for part in archive.named(CONVERSATIONS):
        return _marked(archive.head(part))
    mail = any(part.lower().endswith(MAILBOXES) for part in archive.sizes)
    notes = folder and any(part.lower().endswith(SUFFIXES) for part in archive.sizes)
    return "mbox" if mail and not notes else ""


def _marked(head: bytes) -> str:
    return next((form for form, marks in _MARKS if all(mark in head for mark in marks)), "")


def _form_of_lines(head: bytes) -> str:
    """The form of JSON lines: dumps are told by the fields of the first one, everything else is messages."""
    try:
        row = json.loads(head.lstrip().split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return "jsonl"
    fields = {f'"{name}"'.encode() for name in row} if isinstance(row, dict) else set()
    own = b'"content"' in fields and b'"group_id"' not in fields  # a message of our own form, whatever else it carries
    return "jsonl" if own else next((form for form, marks in _MARKS if fields.issuperset(marks)), "jsonl")


def _columns(path: Path, table: str) -> set[str]:
    """The columns of a table in a file of SQLite; none where there is no such table."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
        try:
            return {row[0] for row in file.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        except sqlite3.Error:
            return set()
