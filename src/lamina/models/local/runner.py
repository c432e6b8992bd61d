"""What a local model needs of its library: text to tokens and back, and a session that reads tokens and gives logits."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Protocol

from lamina.errors import InputError
from lamina.models.protocols import Message, Schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lamina.kv import CachePolicy
    from lamina.models.local.form import Form, Grammar

LONG: Final = 384
"""Tokens read at once from which bfloat16 is faster, where float32 weights have to be turned into it first."""


class Session(Protocol):
    """A text that a model has read, token by token; it can be gone on with and cut back."""

    @property
    def length(self) -> int:
        """Tokens read so far."""
        ...

    def extend(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Read tokens on; the logits of what comes after the last of them: float32 (vocabulary,)."""
        ...

    def score(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """Read n tokens on; the log-likelihoods, in nats, of all but the first: float64 (n - 1,)."""
        ...

    def crop(self, length: int) -> None:
        """Forget what was read after so many tokens; `StateError` where too little was kept for that."""
        ...


class Runner(Protocol):
    """A loaded model. `context`: tokens it was made for; `endless`: whether its cache policy lets it read more than these; `opening`:
    what stands before any text; `ends`: tokens that end an answer."""

    @property
    def context(self) -> int:
        """How many tokens it was made for."""
        ...

    @property
    def endless(self) -> bool:
        """Whether a text may have more tokens than these."""
        ...

    @property
    def opening(self) -> tuple[int, ...]:
        """Tokens that are put before a text."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, none special."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, without the special ones."""
        ...

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of messages in the model's own form, up to where its answer begins."""
        ...

    def session(self) -> Session:
        """A new session that has read nothing."""
        ...

    def reading(self, tokens: int) -> AbstractContextManager[Any]:
        """What so many tokens are to be read within: a precision, where it is a mixed one."""
        ...

    def form(self, schema: Schema) -> Form:
        """What binds one answer to a schema."""
        ...


class TransformersRunner:
    """A causal language model of the transformers library, `model`, with its `tokenizer` (classes of an optional library, so of any type)."""

    def __init__(self, model: Any, tokenizer: Any, name: str, *, policy: CachePolicy | None = None, mixed: bool = False) -> None:
        self.model, self.tokenizer, self._name, self._policy, self._mixed = model, tokenizer, name, policy, mixed
        self._grammar: Grammar | None = None
        self.endless = policy is not None and policy.beyond_context
        self.context = int(model.config.max_position_embeddings)
        stops = [tokenizer.eos_token_id]
        for config in (model.config, model.generation_config):
            named = getattr(config, "eos_token_id", None)
            stops += named if isinstance(named, list) else [named]
        self.ends = frozenset(one for one in stops if one is not None)
        self.opening = tuple(one for one in tokenizer("").input_ids if one == tokenizer.bos_token_id)

    def encode(self, text: str) -> list[int]:
        """See `Runner`."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """See `Runner`."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """See `Runner`; raises `InputError` where the model has no form for messages, or refuses these."""
        if not self.tokenizer.chat_template:
            raise InputError(f"{self._name!r} has no chat template: take a model that was tuned on instructions")
        said = [{"role": one.role, "content": one.content} for one in messages]
        try:
            text = self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's authors
            raise InputError(f"the chat template of {self._name!r} refuses these messages: {error}") from error
        return self.encode(text)

    def session(self) -> Session:
        """See `Runner`."""
        from lamina.kv import Session as Reading

        return Reading(self.model, self._policy)

    def reading(self, tokens: int) -> AbstractContextManager[Any]:
        """See `Runner`."""
        if not self._mixed or tokens < LONG:
            return nullcontext()
        import torch

        mixed: AbstractContextManager[Any] = torch.autocast("cpu", dtype=torch.bfloat16)
        return mixed

    def form(self, schema: Schema) -> Form:
        """See `Runner`; raises `MissingExtraError` without llguidance, `InputError` for a schema that cannot be followed."""
        from lamina.models.local.form import Grammar

        if self._grammar is None:
            self._grammar = Grammar(self.tokenizer, int(self.model.config.vocab_size))
        return self._grammar.form(schema)
