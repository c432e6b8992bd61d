"""Puts `LaminaChatStore` in the place of LlamaIndex's simple chat store."""

from __future__ import annotations

import llama_index.core.storage.chat_store as theirs

from lamina import Memory
from lamina.integrations.llama_index import LaminaChatStore


class SimpleChatStore(LaminaChatStore):
    """Their constructor: a store in memory."""

    def __init__(self) -> None:
        super().__init__(Memory(":memory:"))


theirs.SimpleChatStore = SimpleChatStore  # type: ignore[misc, assignment]
