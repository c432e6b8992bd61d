"""One answer of a local model while it is written, and how it ends: by itself, before a stop, at a limit, or because somebody has heard enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lamina.errors import InputError, ModelError
from lamina.models.local.pieces import Pieces, StopGate
from lamina.models.protocols import Completion

if TYPE_CHECKING:
    from lamina.models.local.drawing import Drawing
    from lamina.models.local.form import Form
    from lamina.models.local.prefixes import Prefixes
    from lamina.models.local.runner import Runner, Session

BLOCK: Final = 512
"""Tokens of a prompt that are read at a time: between two blocks a cancel is heard."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be answered: the `prompt` as tokens, at most how many `tokens`, how they are drawn, the `stop` texts, and the `form` to keep to."""

    prompt: Sequence[int]
    tokens: int
    drawing: Drawing
    stop: Sequence[str] = ()
    form: Form | None = None


class Answer:
    """Iterate over it for the pieces of text, as they are written; then `completion` has all of it.

    `cancel()`, from any thread, ends it before its next token (or block of a prompt that is being read). `close()`, leaving it as a context
    manager, or forgetting it does the same and gives back what was read, so that the next prompt can go on from there. Belongs to one
    thread, `cancel` apart.
    """

    def __init__(
        self, request: Request, runner: Runner, prefixes: Prefixes, turn: Callable[[], AbstractContextManager[Runner]], name: str
    ) -> None:
        self._request, self._runner, self._prefixes, self._turn, self._name = request, runner, prefixes, turn, name
        self._cancelled = threading.Event()
        self._whole = False
        self._reused = 0
        self._written: list[int] = []
        self._shown: list[str] = []
        self._steps = self._write()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = next(self._steps)
        self._shown.append(piece)
        return piece

    def cancel(self) -> bool:
        """End it; what was written stays in `completion`. True: it can be."""
        self._cancelled.set()
        return True

    def close(self) -> None:
        """End it where it stands. For the thread that reads it."""
        if not self._whole:
            self._cancelled.set()
        self._steps.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cancelled(self) -> bool:
        """Whether it was ended from outside before it was whole."""
        return self._cancelled.is_set() and not self._whole

    @property
    def completion(self) -> Completion:
        """What was written so far, with its tokens; `truncated` unless it came to its own end or to a stop."""
        return Completion(
            "".join(self._shown), None, self._name, len(self._request.prompt), len(self._written), truncated=not self._whole,
            reused_tokens=self._reused,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------------- writing
    def _write(self) -> Generator[str, None, None]:
        pieces, gate = Pieces(self._runner.decode), StopGate(self._request.stop)
        for token in self._tokens():
            shown = gate.add(pieces.add(token))
            if gate.stopped:
                self._whole = True
            if shown:
                yield shown
            if gate.stopped:
                return
        if self._cancelled.is_set():
            return
        last = gate.add(pieces.rest()) + gate.rest()
        if last:
            yield last

    def _tokens(self) -> Generator[int, None, None]:
        """The tokens of the answer one by one; what was read is kept for the next prompt, unless reading it failed."""
        asked, ids = self._request, list(self._request.prompt)
        choose = asked.drawing.chooser()
        with self._turn():
            session, self._reused = self._prefixes.take(ids)
        known = ids[: self._reused]
        fresh = ids[self._reused :]
        sound = True
        try:
            while not self._cancelled.is_set():
                for block in (fresh[start : start + BLOCK] for start in range(0, len(fresh), BLOCK)):
                    if self._cancelled.is_set():
                        return
                    sound = False
                    logits = self._read(session, block)
                    sound = True
                    known += block
                form = asked.form
                token = choose(logits if form is None else np.where(form.allowed(), logits, -np.inf).astype(np.float32))
                if token in self._runner.ends:
                    self._whole = True
                    return
                if form is not None:
                    token = form.take(token, asked.tokens - len(self._written))
                self._written.append(token)
                if form is not None and form.done:
                    self._whole = not form.cut
                yield token
                if len(self._written) == asked.tokens or (form is not None and form.done):
                    return
                fresh = [token]
        finally:
            if sound:
                self._prefixes.give(known, session)

    def _read(self, session: Session, ids: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """The logits after these tokens: float32 (vocabulary,)."""
        with self._turn() as runner, runner.reading(len(ids)):
            logits = session.extend(ids)
        if np.isnan(logits).any():
            raise ModelError(f"{self._name!r} gave NaN: its weights may be damaged, or its precision too low")
        return logits


def check_stop(stop: Sequence[str]) -> None:
    """Raise `InputError` unless `stop` is a list of texts that are not empty."""
    if isinstance(stop, str) or not all(isinstance(one, str) and one for one in stop):
        raise InputError(f"stop must be a list of texts that are not empty, not {stop!r}")
