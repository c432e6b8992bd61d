"""Dumps of other memories: mem0, Zep and Graphiti, and LangGraph's stores. Each item says whose it is, so each message has its scope."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from lamina.errors import InputError
from lamina.importing.exports import ExportReader, moment_of, text_in
from lamina.importing.reading import digest
from lamina.plain import texts_in

SQLITE: Final = b"SQLite format 3"  # what its files begin with
LAST: Final = 9999  # the last year a time can have


def mark_of(row: Mapping[str, Any]) -> str:
    """What a row without an id is known by: its content."""
    return digest(repr(sorted(row.items())))


def _owner(user: str | None, agent: str | None = None) -> tuple[str | None, ...]:
    """The segments of a scope in the order of `make_scope`."""
    return (None, user, agent) if user or agent else ()


@dataclass
class RowsReader(ExportReader):
    """… of a dump whose rows lie in lists of a JSON file, or in JSON lines."""

    lists: ClassVar[tuple[str, ...]] = ("item",)
    """Where lists of rows may lie, as ijson names them, with "item" for a list by itself."""

    def parts(self) -> list[str]:
        """The one file."""
        if len(self.archive.sizes) != 1:
            raise InputError(f"{self.path} has {len(self.archive.sizes)} files in it: name the one with the dump")
        return list(self.archive.sizes)

    query: ClassVar[str] = ""
    """What is asked of a file of SQLite, where the form has one."""

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each row with the place of its list."""
        [part] = self.parts()
        if self.query and self.archive.head(part).startswith(SQLITE):
            yield from self._queried()
            return
        head = self.archive.head(part).lstrip()
        if part.endswith((".jsonl", ".ndjson")) or (head[:1] == b"{" and b"}\n{" in head.replace(b"\r", b"")):
            with self.archive.open(part) as stream:
                for number, line in enumerate(stream, 1):
                    if not line.strip():
                        continue
                    try:
                        row = json.loads(line)
                    except (ValueError, RecursionError):
                        row = None
                    if isinstance(row, dict):
                        yield "item", row
                    else:
                        self.leave("not a JSON object", f"line {number}")
            return
        places = ("item",) if head[:1] == b"[" else tuple(f"{name}.item" for name in self.lists if name != "item")
        for place in places:
            for number, row in enumerate(self.elements(part, place), 1):
                if isinstance(row, dict):
                    yield place.removesuffix(".item"), row
                else:
                    self.leave("not an object", f"{place} {number}")

    def _queried(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The rows of a file of SQLite, which is opened for reading only."""
        with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            try:
                found = file.execute(self.query)
                names = [column[0] for column in found.description]
                for row in found:
                    yield "row", dict(zip(names, row, strict=True))
            except sqlite3.Error as error:
                raise InputError(f"{self.path} is no file of {self.form} ({error})") from None
        self.archive.done = self.size


@dataclass
class Mem0Dump(RowsReader):
    """What mem0's `get_all` returned, as JSON or JSON lines; or the SQLite file of its history, which knows no owners.

    `user_id` and `agent_id` make the scope, `run_id` is the session; times, metadata and ids are kept, so that `lamina.integrations.mem0` knows them again.
    """

    form: ClassVar[str] = "mem0"
    lists: ClassVar[tuple[str, ...]] = ("results", "memories")
    query: ClassVar[str] = (
        "SELECT memory_id AS id, new_memory AS memory, created_at, actor_id, role, event FROM history "
        "WHERE rowid IN (SELECT max(rowid) FROM history GROUP BY memory_id) ORDER BY rowid"
    )

    def messages(self) -> Iterator[dict[str, Any]]:
        """The memories, in the order of the file."""
        for _, row in self.rows():
            if row.get("event") == "DELETE":
                self.skipped.add("deleted", text_in(row.get("id")))
                continue
            text = text_in(row.get("memory")) or text_in(row.get("data")) or text_in(row.get("text"))
            if not text.strip():
                self.skipped.add("without text", text_in(row.get("id")) or mark_of(row))
                continue
            whose = {name: str(row[name]) for name in ("user_id", "agent_id", "run_id") if row.get(name)}
            id = text_in(row.get("id"))
            metadata = row.get("metadata")
            created = moment_of(row.get("created_at"))
            since = {} if created is None else {"created": int(created.timestamp() * 1e6)}
            own = {
                **whose,
                **since,
                "expires": text_in(row.get("expiration_date"))[:10] or "9999-12-31",
                **({"id": id} if id else {}),
            }
            yield {
                "content": text, "at": created, "role": text_in(row.get("role")) or None,
                "speaker": text_in(row.get("actor_id")) or None, "session": whose.get("run_id"), "origin": f"mem0:{id or mark_of(row)}",
                "scope": _owner(whose.get("user_id"), whose.get("agent_id")),
                "metadata": {**(metadata if isinstance(metadata, Mapping) else {}), "mem0": own},
            }  # fmt: skip


@dataclass
class GraphitiDump(RowsReader):
    """Episodes, facts and entities of Zep or Graphiti, as a JSON object of lists named like their classes.

    Episodes become traces at the time they speak of; a fact becomes a trace that is true from `valid_at` until `invalid_at`; the summary of an entity becomes a trace.
    A `group_id` is the user, a session the session.
    """

    form: ClassVar[str] = "Graphiti"
    lists: ClassVar[tuple[str, ...]] = (
        "episodes",
        "episodic_nodes",
        "messages",
        "edges",
        "entity_edges",
        "facts",
        "nodes",
        "entities",
        "entity_nodes",
    )

    def messages(self) -> Iterator[dict[str, Any]]:
        """The rows, in the order of the lists above."""
        for place, row in self.rows():
            id = text_in(row.get("uuid")) or text_in(row.get("uuid_")) or mark_of(row)
            recorded = moment_of(row.get("created_at"))
            at = moment_of(row.get("valid_at")) or recorded
            text, until, kind = self._said(row, at)
            if not text.strip():
                self.skipped.add("without text", f"{place}:{id}")
                continue
            group = text_in(row.get("group_id")) or text_in(row.get("user_id"))
            metadata = {
                "graphiti": {"kind": kind, "source": text_in(row.get("source_description")) or None, "episodes": row.get("episodes")},
            }  # fmt: skip
            yield {
                "content": text, "at": at, "until": until, "speaker": text_in(row.get("role")) or None,
                "role": {"user": "user", "assistant": "assistant"}.get(text_in(row.get("role_type"))),
                "session": text_in(row.get("session_id")) or None, "origin": f"graphiti:{id}",
                "scope": _owner(group or None),
                "metadata": {"graphiti": {name: value for name, value in metadata["graphiti"].items() if value}},
            }  # fmt: skip

    @staticmethod
    def _said(row: Mapping[str, Any], at: datetime | None) -> tuple[str, datetime | None, str]:
        if text_in(row.get("fact")):
            until = moment_of(row.get("invalid_at")) or moment_of(row.get("expired_at"))
            if until is not None and at is not None and until <= at:
                until = at + timedelta(microseconds=1) if at.year < LAST else None
            return row["fact"], until if at is not None else None, "fact"
        if "summary" in row:
            name, summary = text_in(row.get("name")), text_in(row.get("summary"))
            return (f"{name}: {summary}" if name and summary else summary or name), None, "entity"
        return text_in(row.get("content")) or text_in(row.get("body")), None, "episode"


@dataclass
class LangGraphDump(RowsReader):
    """Items of a LangGraph store: JSON (lines) with namespace, key and value, or the file of its SQLite store.

    They are kept as `LaminaStore` keeps them, so that it finds them in the same file. What has expired is left out.
    """

    form: ClassVar[str] = "LangGraph"
    lists: ClassVar[tuple[str, ...]] = ("items", "results")
    query: ClassVar[str] = "SELECT * FROM store"

    def messages(self) -> Iterator[dict[str, Any]]:
        """The items, in the order of the file."""
        for number, (_, row) in enumerate(self.rows(), 1):
            namespace, key, value = row.get("namespace", row.get("prefix")), row.get("key"), row.get("value")
            labels = namespace.split(".") if isinstance(namespace, str) else namespace
            if isinstance(value, (str, bytes)):
                try:
                    value = json.loads(value)
                except (ValueError, RecursionError):
                    value = None
            named = isinstance(labels, list) and labels and all(isinstance(one, str) and one for one in labels)
            if not named or not isinstance(key, str) or not key or not isinstance(value, Mapping):
                self.leave("not an item with namespace, key and value", f"row {number}")
                continue
            expires = moment_of(row.get("expires_at"))
            if expires is not None and expires <= datetime.now(UTC):
                self.skipped.add("expired", f"{labels}:{key}")
                continue
            created = moment_of(row.get("created_at"))
            updated = moment_of(row.get("updated_at")) or created
            text = "\n".join(texts_in(value)) or key
            more = {} if created is None else {"created_at": int(created.timestamp() * 1e6)}
            assert isinstance(labels, list)
            yield {
                "content": text[:8000], "at": updated, "session": key,
                "origin": f"langgraph:{json.dumps(labels)}:{key}",
                "scope": ("langgraph", *labels), "metadata": {"document": key, "value": value, "searchable": True, **more},
            }  # fmt: skip
