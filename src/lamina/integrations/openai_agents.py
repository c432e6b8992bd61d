"""A session for the OpenAI Agents SDK that is part of a memory, and what was said before for the agents that need it.

Needs the extra "openai-agents".
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Unpack, cast

from lamina.errors import MissingExtraError
from lamina.integrations.log import Entry, SessionLog
from lamina.keeping.arguments import ScopeArguments, read_scope, whole_number
from lamina.memory import Memory
from lamina.text import mend_text

try:
    from agents import SessionSettings, TResponseInputItem
    from agents.memory.session import SessionABC
    from agents.memory.session_settings import coerce_session_settings, resolve_session_limit
    from agents.run import CallModelData, ModelInputData
except ImportError:
    raise MissingExtraError.for_extra("openai-agents", "the session for the OpenAI Agents SDK", "openai-agents") from None

ROLES: Final = ("user", "assistant", "system", "developer")
"""Who speaks in a message; whatever else there is comes from or goes to a tool."""
_NO_WORDS = re.compile(r"(?:^|_)(?:id|type|role|status|object|detail|encrypted_content|image_url|file_data)$")
_DATA = re.compile(r"data:[^\s,]*,|\S{200}")


class LaminaSession(SessionABC):
    """A conversation of the OpenAI Agents SDK, kept in a memory.

    Every item is a trace with its text, its role and, unchanged, the item itself; so the agent gets back exactly what it stored, and a recall in the same
    scope finds what was said in any session. `pop_item` and `clear_session` delete for good.

    Parameters:
        session_id: which conversation.
        memory: where it is kept; several sessions, and other things, may share it.
        session_settings: the SDK's settings, such as the most items to give back.
        whose: `tenant`, `user`, `agent` or `scope`, as for `Memory.add`.

    >>> session = LaminaSession("monday", Memory(":memory:"), user="ana")
    >>> asyncio.run(session.add_items([{"role": "user", "content": "My sister lives in Braga."}]))
    >>> asyncio.run(session.get_items())
    [{'role': 'user', 'content': 'My sister lives in Braga.'}]
    """

    def __init__(
        self,
        session_id: str,
        memory: Memory,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        **whose: Unpack[ScopeArguments],
    ) -> None:
        self.session_id = session_id
        self.session_settings = SessionSettings() if session_settings is None else coerce_session_settings(session_settings)
        self.log = SessionLog(memory, session_id, read_scope(whose))

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items of the session, oldest first; with `limit`, the newest of them."""
        return await asyncio.to_thread(self.log.values, resolve_session_limit(limit, self.session_settings))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Store items, all of them or none."""
        await asyncio.to_thread(self.log.append, [entry_of(item) for item in items])

    async def pop_item(self) -> TResponseInputItem | None:
        """Delete the newest item and return it; None where there is none."""
        return cast("TResponseInputItem | None", await asyncio.to_thread(self.log.pop))

    async def clear_session(self) -> None:
        """Delete every item of the session."""
        await asyncio.to_thread(self.log.clear)


def entry_of(item: TResponseInputItem) -> Entry:
    """An item as the log keeps it. Raises `ValueError` for what is no JSON."""
    raw = json.loads(json.dumps(item, allow_nan=False))
    role = raw.get("role")
    return Entry(raw, text_of(raw), role if role in ROLES else "tool")


def text_of(item: dict[str, Any]) -> str:
    """What an item says, for recall: its text, a tool's name with what it was given or gave back, else the words that are in it; pictures and ciphers say nothing.

    >>> text_of({"type": "function_call", "name": "weather", "arguments": "{\\"city\\": \\"Faro\\"}", "call_id": "1"})
    'weather {"city": "Faro"}'
    >>> text_of({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAB"})
    '(reasoning)'
    """
    content = item.get("content", item.get("output", item.get("summary")))
    if isinstance(content, str) and content.strip():
        return content
    if isinstance(content, list):
        parts = [part.get("text") or part.get("refusal") or "" for part in content if isinstance(part, dict)]
        joined = "\n".join(part for part in parts if isinstance(part, str) and part.strip())
        if joined:
            return joined
    if isinstance(item.get("name"), str):
        return f"{item['name']} {item.get('arguments', '')}".strip()
    return "\n".join(_words(item)) or f"({item.get('type', 'empty')})"


def _words(value: Any, name: str = "") -> Iterator[str]:
    """The texts in an item that somebody may have written: no ids, no kinds, no data."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _words(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one, name)
    elif isinstance(value, str) and not _NO_WORDS.search(name) and not _DATA.match(value) and value.strip():
        yield value


def recalling(
    memory: Memory, *, budget: int = 600, **whose: Unpack[ScopeArguments]
) -> Callable[[CallModelData[Any]], Awaitable[ModelInputData]]:
    """A filter for `RunConfig(call_model_input_filter=…)`: puts what a memory knows before the newest message of the user.

    At most `budget` tokens, delimited and marked as data; what the input holds already is not repeated. The session is not touched, so what was recalled
    is not stored again; and it stands in the conversation, not among the instructions, since nobody vouches for what was once said.

    >>> filter = recalling(Memory(":memory:"), user="ana", budget=400)
    """
    whole_number(budget, "budget", 0)
    read_scope(whose)

    async def add_recalled(data: CallModelData[Any]) -> ModelInputData:
        given = data.model_data
        shown = [text_of(dict(item)) for item in given.input]
        place = next((place for place in reversed(range(len(shown))) if dict(given.input[place]).get("role") == "user"), None)
        if place is None or not shown[place].strip():
            return given
        cue, _ = mend_text(shown[place])
        recall = await asyncio.to_thread(lambda: memory.context(cue, budget=budget, shown=shown, **whose))
        if not recall.text:
            return given
        told: TResponseInputItem = {"role": "user", "content": recall.text}
        return ModelInputData(input=[*given.input[:place], told, *given.input[place:]], instructions=given.instructions)

    return add_recalled
