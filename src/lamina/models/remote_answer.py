"""The answer of an endpoint while it is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from lamina.errors import ModelError
from lamina.models.protocols import Completion

if TYPE_CHECKING:
    from lamina.models.event_stream import EventStream


class PieceReader(Protocol):
    """Makes text of what one kind of endpoint sends. `over`: whether nothing more is to come."""

    over: bool

    @property
    def whole(self) -> bool:
        """Whether the endpoint has said that the answer is whole."""
        ...

    def take(self, sent: dict[str, Any]) -> str:
        """The text in one event (any JSON, which has no narrower type), and all else that it tells."""
        ...

    def completion(self) -> Completion:
        """What was told so far."""
        ...


class RemoteAnswer:
    """Iterate over it for the pieces of text, as they come; then `completion` has all of it. See `streaming.Stream`.

    The request is sent when the first piece is asked for. `cancel()`, from any thread, closes the connection; `close()` is for the thread that reads.
    Raises as a request for the whole answer does, and `ModelError` where the answer breaks off. Parameters: `begin`, which sends the request; `reader`; `what`, the model's name in messages.
    """

    def __init__(self, begin: Callable[[], EventStream], reader: PieceReader, what: str) -> None:
        self._begin, self._reader, self._what = begin, reader, what
        self._stop = threading.Event()
        self._stream: EventStream | None = None
        self._pieces = self._read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def cancel(self) -> bool:
        """End it; what came stays in `completion`. False where the endpoint has not begun to answer: that is waited for, and not read."""
        self._stop.set()
        stream = self._stream
        if stream is not None:
            stream.interrupt()
        return stream is not None

    def close(self) -> None:
        """End it where it stands."""
        if not self._reader.whole:
            self._stop.set()
        self._pieces.close()
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> RemoteAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cancelled(self) -> bool:
        """Whether it was ended from outside before it was whole."""
        return self._stop.is_set() and not self._reader.whole

    @property
    def completion(self) -> Completion:
        """What was written so far; `truncated` unless the endpoint said that it was whole."""
        return self._reader.completion()

    def _read(self) -> Generator[str, None, None]:
        if self._stop.is_set():
            return
        self._stream = stream = self._begin()
        try:
            for sent in stream.events(self._stop.is_set):
                piece = self._reader.take(sent)
                if piece:
                    yield piece
                if self._reader.over or self._stop.is_set():
                    break
        finally:
            stream.close()
        if not self._reader.whole and not self._stop.is_set():
            raise ModelError(f"{self._what} broke its answer off: ask again")
