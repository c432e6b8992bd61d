"""The pieces of an answer of the OpenAI chat API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.errors import ModelError, ModelOutputError
from lamina.models.protocols import Completion


class ChatPieces:
    """See `remote_answer.PieceReader`. Parameters: `model`, its name; `what`, the model in messages.

    >>> pieces = ChatPieces("m", "model 'm'")
    >>> pieces.take({"choices": [{"delta": {"content": "Good"}}]}), pieces.take({"choices": [{"delta": {}, "finish_reason": "length"}]})
    ('Good', '')
    >>> pieces.completion().text, pieces.completion().truncated
    ('Good', True)
    """

    def __init__(self, model: str, what: str) -> None:
        self._model, self._what = model, what
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage: Mapping[str, Any] = {}
        self.over = False

    @property
    def whole(self) -> bool:
        """Whether a reason was told why the answer ends, or that it is over."""
        return self._finish is not None or self.over

    def take(self, sent: dict[str, Any]) -> str:
        """The text in one event; `{}` is the end. Raises `ModelOutputError` where the model declines."""
        if not sent:
            self.over = True
            return ""
        try:
            self._model = str(sent.get("model") or self._model)
            usage = sent.get("usage")
            self._usage = usage if isinstance(usage, Mapping) else self._usage
            choice = next(iter(sent.get("choices") or ()), None) or {}
            said = choice.get("delta") or choice.get("message") or {}  # an endpoint that does not stream sends a message
            self._finish = choice.get("finish_reason") or self._finish
            text, refusal = said.get("content"), said.get("refusal")
        except (AttributeError, TypeError):
            raise ModelError(f"{self._what} did not answer with a message: check that the address serves chat") from None
        if refusal:
            raise ModelOutputError(f"{self._what} declined to answer")
        if text is not None and not isinstance(text, str):
            raise ModelError(f"{self._what} did not answer with text")
        self._text += [text] if text else []
        return text or ""

    def completion(self) -> Completion:
        """What was told so far."""
        details = self._usage.get("prompt_tokens_details")
        return Completion(
            "".join(self._text),
            model=self._model,
            prompt_tokens=count(self._usage.get("prompt_tokens")),
            completion_tokens=count(self._usage.get("completion_tokens")),
            truncated=self._finish == "length" or not self.whole,
            reused_tokens=count(details.get("cached_tokens")) if isinstance(details, Mapping) else None,
        )


def count(value: object) -> int | None:
    """A number of tokens; None for what is none.

    >>> count(3), count(True), count("3")
    (3, None, None)
    """
    return value if isinstance(value, int) and not isinstance(value, bool) else None
