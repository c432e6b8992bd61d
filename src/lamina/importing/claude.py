"""The export of Claude: conversations as lists of messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from lamina.importing.exports import JsonReader, moment_of, rows_in, text_in
from lamina.importing.reading import digest

ROLES: Final = {"human": "user", "assistant": "assistant"}


@dataclass
class ClaudeExport(JsonReader):
    """The messages of conversations.json (or of the zip archive or folder it lies in).

    A conversation is a session; its name is metadata. The text of attachments that Claude had read is a message of its own. Thinking and what tools exchanged is
    counted, and so are the other files of the export (projects, users).
    """

    form: ClassVar[str] = "Claude"

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages, in the order of the file."""
        parts = self.parts()
        for other in self.archive.sizes:
            if other not in parts and other.endswith(".json"):
                self.skipped.add("another part of the export", other)
        for part in parts:
            for number, conversation in enumerate(self.elements(part), 1):
                if not isinstance(conversation, Mapping) or not isinstance(conversation.get("chat_messages"), list):
                    self.leave("not a conversation", f"{part}: conversation {number}")
                    continue
                title, began = text_in(conversation.get("name")), conversation.get("created_at")
                id = text_in(conversation.get("uuid")) or f"unnamed-{digest(f'{began} {title}')}"
                for place, message in enumerate(conversation["chat_messages"]):
                    yield from self._message(message, id, place, title, began)

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
