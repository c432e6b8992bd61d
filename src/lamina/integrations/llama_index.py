"""A memory for LlamaIndex: a chat store, a memory for an agent, and a block of LlamaIndex's own memory. Needs the extra "llama-index"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from lamina.errors import MissingExtraError
from lamina.integrations.log import Entry, SessionLog
from lamina.memory import Memory
from lamina.records import Filter
from lamina.text import mend_text

try:
    from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.memory import BaseMemory
    from llama_index.core.memory.memory import BaseMemoryBlock
    from llama_index.core.storage.chat_store.base import BaseChatStore
except ImportError:
    raise MissingExtraError.for_extra("llama-index", "the memory for LlamaIndex", "llama-index-core") from None


class LaminaChatStore(BaseChatStore):
    """A chat store whose keys are sessions of a memory: messages come back as they were, and recall finds what they say.

    Parameters: `memory`, and the `scope` ("/ana") whose sessions these are. Deleting and setting messages delete for good.

    >>> store = LaminaChatStore(Memory(":memory:"), scope="/ana")
    >>> store.add_message("monday", ChatMessage(role="user", content="My sister lives in Braga."))
    >>> store.get_messages("monday")[0].content
    'My sister lives in Braga.'
    """

    scope: str = ""
    _memory: Memory = PrivateAttr()

    def __init__(self, memory: Memory, *, scope: str = "", **more: Any) -> None:  # theirs
        super().__init__(scope=scope, **more)
        self._memory = memory

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex knows it by."""
        return "LaminaChatStore"

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Put these messages in the place of all there are."""
        with self._memory.store.transaction():
            self._log(key).clear()
            self._log(key).append([entry_of(message) for message in messages])

    def get_messages(self, key: str) -> list[ChatMessage]:
        """The messages of a key, oldest first."""
        return [ChatMessage.model_validate(value) for value in self._log(key).values()]

    def add_message(self, key: str, message: ChatMessage, idx: int | None = None) -> None:
        """Add a message, at the end or before the one at `idx`."""
        if idx is None:
            self._log(key).append([entry_of(message)])
        else:
            with self._memory.store.transaction():
                found = self.get_messages(key)
                found.insert(idx, message)
                self.set_messages(key, found)

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Delete all messages of a key; returns them, None where there were none."""
        with self._memory.store.transaction():
            found = self.get_messages(key)
            self._log(key).clear()
        return found or None

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete one message; returns it, None where there is none."""
        with self._memory.store.transaction():
            found = self.get_messages(key)
            if not -len(found) <= idx < len(found):
                return None
            gone = found.pop(idx)
            self.set_messages(key, found)
        return gone

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Delete the newest message; returns it."""
        value = self._log(key).pop()
        return None if value is None else ChatMessage.model_validate(value)

    def get_keys(self) -> list[str]:
        """Every key that has messages."""
        where = Filter(scope=self.scope, kinds=("trace",), metadata={"entry": {"exists": True}})
        items = (item for item in self._memory.store.items.each(where) if item.scope == self.scope and item.session)
        return list(dict.fromkeys(str(item.session) for item in items))

    def _log(self, key: str) -> SessionLog:
        return SessionLog(self._memory, key, self.scope)


class LaminaMemory(BaseMemory):
    """A memory for an agent: the newest messages of the session, and before them what the memory knows for the question.

    Parameters:
        memory, session, scope: where it is kept, which conversation, whose ("/ana").
        limit: the most messages of the session that are handed to the agent.
        budget: tokens of what is recalled (0: nothing); it is delimited and marked as data, and never stored again.

    >>> memory = LaminaMemory(Memory(":memory:"), session="monday", scope="/ana")
    >>> memory.put(ChatMessage(role="user", content="My sister lives in Braga."))
    >>> memory.get_all()[0].content
    'My sister lives in Braga.'
    """

    session: str
    scope: str = ""
    limit: int = 40
    budget: int = 600
    _memory: Memory = PrivateAttr()

    def __init__(
        self, memory: Memory, *, session: str, scope: str = "", limit: int = 40, budget: int = 600, **more: Any
    ) -> None:  # theirs
        super().__init__(session=session, scope=scope, limit=limit, budget=budget, **more)
        self._memory = memory

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex knows it by."""
        return "LaminaMemory"

    @classmethod
    def from_defaults(cls, memory: Memory | None = None, session: str = "default", **settings: Any) -> LaminaMemory:  # theirs
        """A memory in the file that is configured, unless one is given."""
        return cls(memory or Memory(), session=session, **settings)

    def get(self, input: str | None = None, **more: Any) -> list[ChatMessage]:  # theirs
        """What the agent is handed: recalled for `input` (or the newest message of the user), then the newest messages."""
        messages = _whole_from(self._messages(self.limit))
        asked, _ = mend_text(input or newest_question(messages))
        if not asked.strip() or not self.budget:
            return messages
        shown = [asked, *(text_of(message) for message in messages)]
        recall = self._memory.context(asked, budget=self.budget, shown=shown, scope=self.scope)
        return [ChatMessage(role=MessageRole.USER, content=recall.text), *messages] if recall.text else messages

    def get_all(self) -> list[ChatMessage]:
        """All messages of the session."""
        return self._messages(None)

    def put(self, message: ChatMessage) -> None:
        """Add a message."""
        self._log().append([entry_of(message)])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages, all of them or none."""
        self._log().append([entry_of(message) for message in messages])

    def set(self, messages: list[ChatMessage]) -> None:
        """Put these messages in the place of all there are."""
        with self._memory.store.transaction():
            self._log().clear()
            self.put_messages(messages)

    def reset(self) -> None:
        """Delete the messages of the session for good."""
        self._log().clear()

    def _messages(self, limit: int | None) -> list[ChatMessage]:
        return [ChatMessage.model_validate(value) for value in self._log().values(limit)]

    def _log(self) -> SessionLog:
        return SessionLog(self._memory, self.session, self.scope)


class LaminaMemoryBlock(BaseMemoryBlock[str]):
    """A block for `Memory.from_defaults(memory_blocks=[…])`: keeps what leaves the short-term memory, and gives back what fits the newest message.

    Parameters: `memory`, the `session` in which messages are kept that name none, the `scope`, and the `budget` in tokens of what is given back.

    >>> block = LaminaMemoryBlock(Memory(":memory:"), scope="/ana", budget=300)
    >>> asyncio.run(block.aput([ChatMessage(role="user", content="My sister lives in Braga.")]))
    >>> "Braga" in asyncio.run(block.aget([ChatMessage(role="user", content="Where does my sister live?")]))
    True
    """

    name: str = Field(default="lamina")
    session: str = Field(default="llama-index")
    scope: str = Field(default="")
    budget: int = Field(default=600)
    _memory: Memory = PrivateAttr()

    def __init__(self, memory: Memory, **settings: Any) -> None:  # theirs
        super().__init__(**settings)
        self._memory = memory

    async def _aget(self, messages: list[ChatMessage] | None = None, **more: Any) -> str:  # theirs
        asked, _ = mend_text(newest_question(messages or []))
        if not asked.strip():
            return ""
        shown = [text_of(message) for message in messages or []]
        recall = await asyncio.to_thread(lambda: self._memory.context(asked, budget=self.budget, shown=shown, scope=self.scope))
        return recall.text

    async def _aput(self, messages: list[ChatMessage]) -> None:
        session = next(
            (str(m.additional_kwargs["session_id"]) for m in messages if "session_id" in m.additional_kwargs), self.session
        )
        await asyncio.to_thread(SessionLog(self._memory, session, self.scope).append, [entry_of(message) for message in messages])

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Nothing of a context that is too long: half a context could end in the middle of what it quotes."""
        return None


def entry_of(message: ChatMessage) -> Entry:
    """A message as the log keeps it."""
    raw = json.loads(json.dumps(message.model_dump(mode="json"), allow_nan=False))
    return Entry(raw, text_of(message), message.role.value if isinstance(message.role, MessageRole) else str(message.role))


def text_of(message: ChatMessage) -> str:
    """What a message says, for recall: its text, and calls of tools with what they were given.

    >>> text_of(ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="weather", tool_kwargs={"city": "Faro"})]))
    'weather {"city": "Faro"}'
    """
    calls = [
        f"{block.tool_name} {block.tool_kwargs if isinstance(block.tool_kwargs, str) else json.dumps(block.tool_kwargs, ensure_ascii=False, default=str)}"
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    older = message.additional_kwargs.get("tool_calls")  # where the blocks of a model's answer do not tell of them
    if older and not calls:
        calls = [json.dumps(older, ensure_ascii=False, default=str)]
    return "\n".join(text for text in [message.content or "", *calls] if text.strip())


def newest_question(messages: Sequence[ChatMessage]) -> str:
    """The text of the user's newest message that has any; empty where there is none."""
    said = (message.content for message in reversed(messages) if message.role == MessageRole.USER)
    return next((text for text in said if text and text.strip()), "")


def _whole_from(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Messages from the first that does not answer a call of a tool which was cut off."""
    answers = (MessageRole.TOOL, MessageRole.FUNCTION)
    first = next((place for place, message in enumerate(messages) if message.role not in answers), len(messages))
    return list(messages[first:])
