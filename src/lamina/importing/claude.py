"""The export of Claude: conversations as lists of messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from lamina.errors import InputError
from lamina.importing.exports import JsonReader, moment_of, rows_in, text_in
from lamina.importing.reading import digest

ROLES: Final = {"human": "user", "assistant": "assistant"}


@dataclass
class ClaudeExport(JsonReader):
    """The messages of conversations.json (or of the zip archive or folder it lies in).

    A conversation is a session; its name is metadata. The text of attachments that Claude had read is a message of its own. Thinking and what tools exchanged is
    counted. Documents and instructions of projects, and what Claude remembers, are read where they lie beside.
    """

    form: ClassVar[str] = "Claude"

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages, in the order of the file."""
        parts = self.parts()
        for part in parts:
            for number, conversation in enumerate(self.elements(part), 1):
                if not isinstance(conversation, Mapping) or not isinstance(conversation.get("chat_messages"), list):
                    self.leave("not a conversation", f"{part}: conversation {number}")
                    continue
                title, began = text_in(conversation.get("name")), conversation.get("created_at")
                id = text_in(conversation.get("uuid")) or f"unnamed-{digest(f'{began} {title}')}"
                for place, message in enumerate(conversation["chat_messages"]):
                    yield from self._message(message, id, place, title, began)

        for other in self.archive.sizes:
            if other not in parts and other.endswith(".json"):
                yield from self._beside(other)

    def _beside(self, part: str) -> Iterator[dict[str, Any]]:
        """What another part of the export holds: documents of projects, or what Claude remembers."""
        of = next((name for name in ("projects", "memories") if name in part.removesuffix(".json").split("/")), None)
        if of is None:
            self.skipped.add("another part of the export", part)
            return
        for row in self._rows(part):
            if not isinstance(row, Mapping):
                self.leave("not an object", part)
            else:
                yield from self._documents(row) if of == "projects" else self._memories(row)

    def _rows(self, part: str) -> Iterator[Any]:
        """The objects of a part: of a list, or the one that it is."""
        if self.archive.head(part).lstrip()[:1] == b"[":
            yield from self.elements(part)
            return
        try:
            row = self.archive.load(part)
        except InputError as error:
            self.leave(str(error)[:160], part)
            return
        yield row

    def _documents(self, project: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        title = text_in(project.get("name"))
        id = text_in(project.get("uuid")) or f"unnamed-{digest(title)}"
        instructions = text_in(project.get("prompt_template"))
        found = (
            [{"uuid": f"instructions-{digest(instructions)}", "filename": "instructions", "content": instructions}]
            if instructions.strip()
            else []
        )
        for document in (*found, *rows_in(project.get("docs"))):
            content, name = text_in(document.get("content")), text_in(document.get("filename"))
            if not content.strip():
                self.skipped.add("without text", f"{id}:{name}")
                continue
            yield {
                "content": content, "at": moment_of(document.get("created_at")) or moment_of(project.get("created_at")), "session": id,
                "origin": f"claude:{id}:{text_in(document.get('uuid')) or digest(content)}", "metadata": {"project": title, "file": name},
            }  # fmt: skip

    def _memories(self, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        of_projects = row.get("project_memories")
        texts = {"": row.get("conversations_memory"), **(of_projects if isinstance(of_projects, Mapping) else {})}
        for project, value in texts.items():
            text = text_in(value)
            if not text.strip():
                self.skipped.add("without text", f"memories:{project}")
                continue
            session = f"memories/{project}" if project else "memories"
            origin = f"claude:{session}:{digest(text)}"  # it is rewritten from time to time: each version is one of its own
            yield {
                "content": text,
                "role": "assistant",
                "session": session,
                "origin": origin,
                "metadata": {"memory": project or "conversations"},
            }

    def _message(self, message: Any, session: str, place: int, title: str, began: Any) -> Iterator[dict[str, Any]]:
        id = text_in(message.get("uuid")) if isinstance(message, Mapping) else ""
        where = f"{session}:{id or place + 1}"
        if not isinstance(message, Mapping) or message.get("sender") not in ROLES:
            self.leave("not a message", where)
            return
        blocks = rows_in(message.get("content"))
        texts = [text_in(block.get("text")) for block in blocks if block.get("type") == "text"]
        for block in blocks:
            if block.get("type") != "text":
                self.skipped.add(f"content of the kind {str(block.get('type'))[:40]!r}", where)
        text = "\n".join(one for one in texts if one) or text_in(message.get("text"))
        attachments = rows_in(message.get("attachments"))
        names = [text_in(one.get("file_name")) for one in (*attachments, *rows_in(message.get("files")))]
        base = {
            "role": ROLES[message["sender"]],
            "at": moment_of(message.get("created_at")) or moment_of(began),
            "session": session,
        }
        metadata = {name: value for name, value in (("title", title), ("files", [one for one in names if one])) if value}
        if text.strip():
            yield {**base, "content": text, "origin": f"claude:{where}", "metadata": metadata}
        elif not any(text_in(one.get("extracted_content")).strip() for one in attachments):
            self.skipped.add("without text", where)
        for number, one in enumerate(attachments, 1):
            if text_in(one.get("extracted_content")).strip():
                name = text_in(one.get("file_name"))
                yield {
                    **base, "content": one["extracted_content"], "origin": f"claude:{where}#{number}", "metadata": {**metadata, "file": name},
                }  # fmt: skip
