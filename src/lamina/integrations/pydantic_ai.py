"""A memory for the agents of Pydantic AI: what was said before, the history of a conversation, and a history that fits. Needs the extra "pydantic-ai"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Unpack

from lamina.errors import MissingExtraError
from lamina.integrations.log import Entry, SessionLog
from lamina.keeping.arguments import ScopeArguments, read_scope, whole_number
from lamina.memory import Memory
from lamina.models.protocols import TokenCounter
from lamina.models.tokens import WordLlamaTokens

try:
    from pydantic_ai.capabilities import AbstractCapability
    from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, ModelResponse, UserPromptPart
except ImportError:
    raise MissingExtraError.for_extra("pydantic-ai", "the memory for Pydantic AI", "pydantic-ai-slim") from None


class LaminaCapability(AbstractCapability[Any]):
    """A capability: `Agent(…, capabilities=[LaminaCapability(memory, "monday", user="ana")])`.

    Before each request to the model, what the memory knows for the user's newest prompt is put before that prompt, in at most `budget` tokens, delimited and
    marked as data; it is part of that request alone and is never stored again. After a run its messages are stored, exactly as they are. `history` is how many
    tokens of earlier turns a request may carry; what is older stays in the memory, and a tool's call is never parted from its result.

    Parameters: `memory`, the `session` (which conversation), `budget` and `history` in tokens (None: all of it), and whose memory it is.

    >>> capability = LaminaCapability(Memory(":memory:"), "monday", user="ana")
    >>> capability.messages()
    []
    """

    def __init__(
        self, memory: Memory, session: str, *, budget: int = 600, history: int | None = None, **whose: Unpack[ScopeArguments]
    ) -> None:
        super().__init__()
        self.memory = memory
        self.log = SessionLog(memory, session, read_scope(whose))
        self.budget = whole_number(budget, "budget", 0)
        self.history = None if history is None else whole_number(history, "history", 1)
        self.whose = whose

    def messages(self) -> list[ModelMessage]:
        """The conversation so far, for `message_history=`."""
        return list(ModelMessagesTypeAdapter.validate_python(self.log.values()))

    def store(self, messages: Sequence[ModelMessage]) -> None:
        """Store messages; all of them or none."""
        plain = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
        self.log.append([Entry(one, text_of(message), _role(message)) for one, message in zip(plain, messages, strict=True)])

    async def before_model_request(self, ctx: Any, request_context: Any) -> Any:  # theirs: RunContext, ModelRequestContext
        """Fit the history, and add what is recalled, to this request alone."""
        messages = list(request_context.messages)
        if self.history is not None:
            messages = fitted(messages, self.history)
        cue = newest_prompt(messages)
        if cue and self.budget:
            recall = await asyncio.to_thread(lambda: self.memory.context(cue, budget=self.budget, **self.whose))
            if recall.text:
                messages = _told(messages, recall.text)
        request_context.messages = messages
        return request_context

    async def after_run(self, ctx: Any, *, result: Any) -> Any:  # theirs: RunContext, AgentRunResult
        """Store what the run added to the conversation."""
        await asyncio.to_thread(self.store, result.new_messages())
        return result


def fitted(messages: Sequence[ModelMessage], budget: int, counter: TokenCounter | None = None) -> list[ModelMessage]:
    """The newest turns that fit into a number of tokens; the last turn always, whole.

    A turn begins with a prompt of the user and holds everything up to the next one, so a tool's call stays with its result. Can be used by itself as
    a history processor: `ProcessHistory(lambda messages: fitted(messages, 2000))`.

    >>> fitted([ModelRequest([UserPromptPart("hi")]), ModelResponse([]), ModelRequest([UserPromptPart("again")])], 1)[0].parts[0].content
    'again'
    """
    count: Callable[[str], int] = (counter or WordLlamaTokens()).count
    starts = [place for place, message in enumerate(messages) if _begins(message)]
    if not starts:
        return list(messages)
    chosen, left = starts[-1], budget - sum(count(text_of(message)) for message in messages[starts[-1] :])
    for start, end in zip(reversed(starts[:-1]), reversed(starts[1:]), strict=True):
        left -= sum(count(text_of(message)) for message in messages[start:end])
        if left < 0:
            break
        chosen = start
    return list(messages[0 if chosen == starts[0] and left >= 0 else chosen :])


def processor(budget: int) -> Callable[[list[ModelMessage]], list[ModelMessage]]:
    """A history processor that keeps the newest turns within `budget` tokens; see `fitted`."""
    counter = WordLlamaTokens()

    def process(messages: list[ModelMessage]) -> list[ModelMessage]:
        return fitted(messages, budget, counter)

    return process


def newest_prompt(messages: Sequence[ModelMessage]) -> str:
    """The text of the user's newest prompt; empty where there is none."""
    for message in reversed(messages):
        if _begins(message):
            return "\n".join(_text(part) for part in message.parts if isinstance(part, UserPromptPart)).strip()
    return ""


def text_of(message: ModelMessage) -> str:
    """What a message says, for recall: prompts, answers, calls of tools with their arguments, and what they returned."""
    return "\n".join(text for part in message.parts if (text := _text(part)).strip())


def _text(part: Any) -> str:
    kind = getattr(part, "part_kind", "")
    if kind == "tool-call":
        return f"{part.tool_name} {part.args_as_json_str()}"
    content = getattr(part, "content", "")
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        return "\n".join(one if isinstance(one, str) else str(getattr(one, "content", "")) for one in content)
    return str(part.model_response_str()) if hasattr(part, "model_response_str") else ""


def _begins(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and any(isinstance(part, UserPromptPart) for part in message.parts)


def _role(message: ModelMessage) -> str:
    if isinstance(message, ModelResponse):
        return "assistant"
    return "user" if _begins(message) else "tool"


def _told(messages: list[ModelMessage], text: str) -> list[ModelMessage]:
    """The messages with a text put before the user's newest prompt."""
    place = max(place for place, message in enumerate(messages) if _begins(message))
    request = messages[place]
    first = next(number for number, part in enumerate(request.parts) if isinstance(part, UserPromptPart))
    parts = [*request.parts[:first], UserPromptPart(text), *request.parts[first:]]
    return [*messages[:place], replace(request, parts=parts), *messages[place + 1 :]]
