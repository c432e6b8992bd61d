"""The pieces of an answer of the Anthropic Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.errors import ModelError, ModelOutputError
from lamina.models.openai_pieces import count
from lamina.models.protocols import Completion


class MessagePieces:
    """See `remote_answer.PieceReader`. Parameters: `model`, its name; `what`, the model in messages.

    >>> pieces = MessagePieces("m", "model 'm'")
    >>> pieces.take({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Good"}}), pieces.whole
    ('Good', False)
    """

    def __init__(self, model: str, what: str) -> None:
        self._model, self._what = model, what
        self._text: list[str] = []
        self._reason: str | None = None
        self._usage: dict[str, Any] = {}
        self.over = False

    @property
    def whole(self) -> bool:
        """Whether a reason was told why the answer ends, or that it is over."""
        return self._reason is not None or self.over

    def take(self, sent: dict[str, Any]) -> str:
        """The text in one event. Raises `ModelOutputError` where the model declines."""
        try:
            text = self._taken(sent)
        except (AttributeError, KeyError, TypeError):
            raise ModelError(f"{self._what} did not answer with a message: check that the address serves messages") from None
        if self._reason == "refusal":
            raise ModelOutputError(f"{self._what} declined to answer")
        self._text += [text] if text else []
        return text

    def _taken(self, sent: dict[str, Any]) -> str:
        kind = sent.get("type")
        if kind in ("message_start", "message"):  # an endpoint that does not stream sends the message itself
            message = sent["message"] if kind == "message_start" else sent
            self._model = str(message.get("model") or self._model)
            self._told(message)
            blocks = message.get("content") or () if kind == "message" else ()
            self.over = kind == "message"
            return "".join(str(block["text"]) for block in blocks if block.get("type") == "text")
        if kind == "content_block_delta" and sent["delta"].get("type") == "text_delta":
            return str(sent["delta"]["text"])
        if kind == "message_delta":
            self._told({**sent["delta"], "usage": sent.get("usage")})
        self.over = self.over or kind == "message_stop"
        return ""

    def _told(self, message: Mapping[str, Any]) -> None:
        usage = message.get("usage")
        self._usage |= dict(usage) if isinstance(usage, Mapping) else {}
        self._reason = message.get("stop_reason") or self._reason

    def completion(self) -> Completion:
        """What was told so far."""
        return Completion(
            "".join(self._text),
            model=self._model,
            prompt_tokens=count(self._usage.get("input_tokens")),
            completion_tokens=count(self._usage.get("output_tokens")),
            truncated=self._reason == "max_tokens" or not self.whole,
        )
