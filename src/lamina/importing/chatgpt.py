"""The export of ChatGPT: conversations as trees of messages, of which the branch that was seen last is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from lamina.importing.exports import JsonReader, moment_of, rows_in, text_in
from lamina.importing.reading import digest

ROLES: Final = ("user", "assistant", "tool")
SHOWN: Final = ("text", "code", "execution_output", "tether_quote", "multimodal_text")


@dataclass
class ChatGPTExport(JsonReader):
    """The messages of conversations.json (or of the zip archive or folder it lies in), conversation by conversation.

    A conversation is a session; its title and model are metadata. Where a message was edited or an answer asked for again, the branch that was open last is
    read and the others are counted (with `everything`, they are a session of their own). System messages, hidden ones, custom instructions and thinking are counted too. Pictures become captions. Tool calls and
    what tools returned keep their roles.
    """

    form: ClassVar[str] = "ChatGPT"

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages, in the order of the file."""
        for part in self.parts():
            for number, conversation in enumerate(self.elements(part), 1):
                if not isinstance(conversation, Mapping) or not isinstance(conversation.get("mapping"), Mapping):
                    self.leave("not a conversation", f"{part}: conversation {number}")
                    continue
                yield from self._conversation(conversation)

    def _conversation(self, conversation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        mapping = conversation["mapping"]
        id = text_in(conversation.get("conversation_id")) or text_in(conversation.get("id"))
        if not id:  # a place in the file would be another one in the next export
            id = f"unnamed-{digest('/'.join(mapping))}"
        branch = self._branch(conversation, mapping)
        on_branch = set(branch)
        others = [node for node in mapping if node not in on_branch]
        began = moment_of(conversation.get("create_time"))
        yield from self._messages(mapping, branch, id, id, text_in(conversation.get("title")), began)
        if self.everything:
            yield from self._messages(mapping, others, id, f"{id}/others", text_in(conversation.get("title")), began)
            return
        for node in others:
            if isinstance(mapping[node], Mapping) and isinstance(mapping[node].get("message"), Mapping):
                self.skipped.add("another branch of an edited conversation", f"{id}:{node}")

    def _messages(
        self, mapping: Mapping[str, Any], nodes: list[str], id: str, session: str, title: str, at: datetime | None
    ) -> Iterator[dict[str, Any]]:
        """The messages of some nodes, in their order."""
        for node in nodes:
            value = mapping[node]
            message = value.get("message") if isinstance(value, Mapping) else None
            if message is None:
                continue  # the root of a tree holds none
            where = f"{id}:{node}"
            if not isinstance(message, Mapping):
                self.leave("not a message", where)
                continue
            made = self._message(message, where)
            if made is None:
                continue
            at = moment_of(message.get("create_time")) or at  # else that of the message before
            metadata = {"title": title or None, **made.pop("metadata")}
            yield {
                **made, "at": at, "session": session, "origin": f"chatgpt:{where}",
                "metadata": {name: one for name, one in metadata.items() if one is not None},
            }  # fmt: skip

    def _branch(self, conversation: Mapping[str, Any], mapping: Mapping[str, Any]) -> list[str]:
        """The ids of the nodes from the root to the one that was open last."""
        node = conversation.get("current_node")
        if not isinstance(node, str) or node not in mapping:  # an old or a hand-made export: the deepest of the newest
            leaves = [id for id, value in mapping.items() if isinstance(value, Mapping) and not value.get("children")]
            node = leaves[-1] if leaves else next(reversed(list(mapping)), None)
        found: dict[str, None] = {}
        while isinstance(node, str) and node in mapping and node not in found:
            found[node] = None
            value = mapping[node]
            node = value.get("parent") if isinstance(value, Mapping) else None
        return list(found)[::-1]

    def _message(self, message: Mapping[str, Any], where: str) -> dict[str, Any] | None:
        author = message.get("author")
        author = author if isinstance(author, Mapping) else {}
        role = author.get("role")
        metadata = message.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        content = message.get("content")
        content = content if isinstance(content, Mapping) else {}
        kind = content.get("content_type")
        reason = None
        if role not in (*ROLES, "system"):
            self.leave("without a known author", where)
            return None
        if role == "system":
            reason = "system message"
        elif metadata.get("is_visually_hidden_from_conversation") or message.get("weight") == 0:
            reason = "hidden message"
        elif kind not in SHOWN:
            reason = f"content of the kind {str(kind)[:40]!r}"
        if reason is not None:
            self.skipped.add(reason, where)
            return None
        text, captions = said(content)
        if not text.strip() and not captions:
            self.skipped.add("without text", where)
            return None
        to = message.get("recipient")
        return {
            "content": text if text.strip() else f"({captions[0].partition(' ')[0]})",
            "role": role,
            "speaker": text_in(author.get("name")) or None,
            "captions": captions or None,
            "metadata": {
                "model": text_in(metadata.get("model_slug")) or None,
                "recipient": to if isinstance(to, str) and to != "all" else None,
                "attachments": [text_in(one.get("name")) for one in rows_in(metadata.get("attachments"))] or None,
            },
        }


def said(content: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The text of a message's content, and what stands for its pictures and sounds.

    >>> said({"content_type": "multimodal_text", "parts": ["look", {"content_type": "image_asset_pointer", "asset_pointer": "file-service://a"}]})
    ('look', ['picture file-service://a'])
    """
    texts: list[str] = []
    captions: list[str] = []
    parts = content.get("parts")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            if text_in(part.get("text")):
                texts.append(part["text"])
            else:
                captions.append(shown(part))
    for field in ("text", "result"):
        if text_in(content.get(field)):
            texts.append(content[field])
    return "\n".join(text for text in texts if text), captions


def shown(part: Mapping[str, Any]) -> str:
    """What stands for a picture, a recording or something else: what it was drawn from where that is known, else its name in the export.

    >>> shown({"content_type": "image_asset_pointer", "asset_pointer": "sediment://b", "metadata": {"dalle": {"prompt": "a kettle at sea"}}})
    'picture: a kettle at sea'
    """
    kind = text_in(part.get("content_type"))
    word = "picture" if "image" in kind else "recording" if "audio" in kind or "video" in kind else "file"
    metadata = part.get("metadata")
    drawn = metadata.get("dalle") if isinstance(metadata, Mapping) else None
    prompt = text_in(drawn.get("prompt")) if isinstance(drawn, Mapping) else ""
    inner = part.get("audio_asset_pointer")
    pointer = text_in(part.get("asset_pointer")) or (text_in(inner.get("asset_pointer")) if isinstance(inner, Mapping) else "")
    return f"{word}: {prompt.strip()}" if prompt.strip() else f"{word} {pointer}".strip()
