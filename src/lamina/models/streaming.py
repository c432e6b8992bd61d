"""Answers as they are written, from models that can, and whole ones from those that cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from lamina.errors import StateError
from lamina.models.protocols import Completion, LanguageModel, Message


class Stream(Protocol):
    """An answer while it is written: iterate over it for its pieces of text."""

    def __iter__(self) -> Iterator[str]: ...

    def __next__(self) -> str:
        """The next piece."""
        ...

    def cancel(self) -> bool:
        """End it soon, from any thread; False where that cannot be done."""
        ...

    def close(self) -> None:
        """End it; for the thread that reads it."""
        ...

    @property
    def completion(self) -> Completion:
        """What was written so far."""
        ...


class StreamingModel(LanguageModel, Protocol):
    """A language model that can show an answer while it writes it."""

    def stream(self, messages: Sequence[Message], *, max_tokens: int = 1024, temperature: float = 0.0) -> Stream:
        """See `LanguageModel.complete`; a request that is refused is refused at once."""
        ...


class WholeAnswer:
    """The answer of a model that does not stream: one piece, when it is all there. It cannot be cancelled."""

    def __init__(self, model: LanguageModel, messages: Sequence[Message], max_tokens: int, temperature: float) -> None:
        self._model, self._messages, self._max_tokens, self._temperature = model, messages, max_tokens, temperature
        self._found: Completion | None = None
        self._over = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._over:
            raise StopIteration
        self._over = True
        self._found = self._model.complete(self._messages, max_tokens=self._max_tokens, temperature=self._temperature)
        if not self._found.text:
            raise StopIteration
        return self._found.text

    def cancel(self) -> bool:
        """See `Stream`."""
        return False

    def close(self) -> None:
        """See `Stream`."""
        self._over = True

    @property
    def completion(self) -> Completion:
        """See `Stream`; raises `StateError` before the answer is there."""
        if self._found is None:
            raise StateError("the answer is not there yet: iterate over the stream first")
        return self._found


def streamed(model: LanguageModel, messages: Sequence[Message], *, max_tokens: int = 1024, temperature: float = 0.0) -> Stream:
    """The answer of any model as a stream: in pieces where the model has a method `stream`.

    >>> class Parrot:
    ...     name = "parrot"
    ...     def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
    ...         return Completion(messages[-1].content)
    >>> list(streamed(Parrot(), [Message("user", "hello")]))
    ['hello']
    """
    begin = getattr(model, "stream", None)
    if begin is None:
        return WholeAnswer(model, messages, max_tokens, temperature)
    found: Stream = begin(messages, max_tokens=max_tokens, temperature=temperature)
    return found
