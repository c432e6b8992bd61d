"""A text that a model reads through a cache policy: reading on, predicting, cutting back, copying, saving."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, ModelError, StateError
from lamina.kv.attention import reading
from lamina.kv.policies.full import Full
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
Floats: TypeAlias = NDArray[np.float32]
LogitsProcessor: TypeAlias = Callable[[Sequence[int], Floats], Floats]
"""From the tokens said so far and the logits (vocabulary,) of the next to the logits it is to be chosen by."""

_ROWS: Final = 256  # tokens whose logits are worked out at once: 50 MB with a vocabulary of 49,152


class Session:
    """A causal language model of transformers that reads one text, with a policy for its keys and values.

    `model` belongs to an optional library, so it may be of any type; it can be used otherwise between calls, and several
    sessions may share it. Logits are float32, float64 where the model is. A session that failed within a block cannot be used
    any more: work on a `fork` where that may happen.

    Raises `ConfigError` for a kind of model that is not supported.

    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=50, max_position_embeddings=64, **sizes))
    >>> session = Session(model, Full())
    >>> session.extend([3, 1, 4, 1, 5]).shape, session.length
    ((50,), 5)
    >>> session.nbytes()
    {'stored': 640, 'resident': 640}
    """

    def __init__(self, model: Any, policy: CachePolicy | None = None) -> None:
        self.model, self.shape, self.policy = model, ModelShape.of(model), Full() if policy is None else policy
        self.cache: Cache = self.policy.begin(self.shape)
        self._hidden: Tensor | None = None  # (1, width): what the model made of the last token
        self._torn = False

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self.cache.length

    def encode(self, ids: Sequence[int]) -> None:
        """Read tokens on."""
        for _ in self._blocks(ids):
            pass

    def extend(self, ids: Sequence[int]) -> Floats:
        """Read tokens on, one at least; the logits of what comes after the last of them (vocabulary,)."""
        if not len(ids):
            raise InputError("no tokens to read on: give one at least")
        self.encode(ids)
        return self.logits()

    def logits(self) -> Floats:
        """The logits of what comes next (vocabulary,). Raises `StateError` where the last token was not read just now: in an
        empty text, after `crop` and after `preload`.
        """
        if self._hidden is None:
            raise StateError("what comes next is not known before a token is read: call extend with one at least")
        with torch.no_grad():
            found: Floats = self._predict(self._hidden)[0].cpu().numpy()
        return found

    def score(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """Read n tokens on, one at least; the log-likelihoods, in nats, of all but the first: (n - 1,)."""
        if not len(ids):
            raise InputError("no tokens to read on: give one at least")
        found = [likelihoods for likelihoods in self._blocks(ids, score=True) if likelihoods is not None]
        return np.concatenate(found)[1:]

    def decode(
        self,
        max_tokens: int,
        logits_processor: LogitsProcessor | None = None,
        ends: Collection[int] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[int]:
        """Say up to `max_tokens` tokens, stopping before one of `ends`; each is read when the next is asked for.

        `temperature` 0 takes the likeliest; else tokens are drawn, repeatably by `seed`. So what was said is read when the
        iterator has come to its end, and all but the last token where it was left early.
        """
        if max_tokens < 0 or not temperature >= 0 or temperature == float("inf"):
            raise InputError(f"max_tokens and temperature must be 0 or more, not {max_tokens} and {temperature}")
        draw, said = np.random.default_rng(seed), list[int]()
        while len(said) < max_tokens:
            logits = self.logits()
            if logits_processor is not None:
                logits = logits_processor(said, logits)
            token = _chosen(logits, temperature, draw)
            if token in ends:
                return
            said.append(token)
            yield token
            self.encode([token])

    def preload(self, keys: Sequence[Tensor] | Tensor, values: Sequence[Tensor] | Tensor, start: int | None = None) -> None:
        """Put in saved keys and values as if their tokens had just been read: see `Cache.preload`. Read a token before
        `logits`.
        """
        self._check()
        with torch.no_grad():
            self.cache.preload(keys, values, start)
        self._hidden = None

    def crop(self, length: int) -> None:
        """Forget what was read after so many tokens. Raises `StateError` where the policy has dropped what would be needed."""
        self._check()
        if length != self.length:
            self.cache.crop(length)
            self._hidden = None

    def fork(self) -> Session:
        """The same text, to be gone on with apart."""
        self._check()
        other = Session.__new__(Session)
        other.__dict__.update(self.__dict__)
        other.cache = self.cache.fork()
        return other

    def save(self, path: str | Path) -> None:
        """Write the state into one file. Raises `InputError` where that cannot be written."""
        self._check()
        self.cache.save(path, {} if self._hidden is None else {"hidden": self._hidden})

    def load(self, path: str | Path) -> None:
        """Take the state from a file of `save`, made with the same model and policy.

        Raises `TransferError` for a damaged file, `InputError` for one of another model or policy; the session is then as it
        was.
        """
        self._hidden = self.cache.load(path).get("hidden")
        self._torn = False

    def nbytes(self) -> dict[str, int]:
        """Bytes that the policy holds: see `Cache.nbytes`."""
        return self.cache.nbytes()

    def attended(self) -> NDArray[np.float64]:
        """How many tokens the last token read saw in each layer (layers,)."""
        return self.cache.attended()

    # ------------------------------------------------------------------------------------------------------- reading
    def _check(self) -> None:
        if self._torn:
            raise StateError("this session failed within a block, and its state is not whole: begin a new one, or load one")

    def _blocks(self, ids: Sequence[int], score: bool = False) -> Iterator[NDArray[np.float64] | None]:
        """Read tokens on, block by block; the log-likelihoods of a block's tokens (n,) where they are wanted by anybody."""
        self._check()
        tokens = self._checked(ids)
        for first in range(0, len(tokens), self.policy.block):
            block = tokens[first : first + self.policy.block]
            self._torn = True
            with torch.no_grad():
                hidden = self._read(block)  # (n, width)
                found = self._likelihoods(block, hidden) if score or self.cache.wants_surprises else None
                surprises = None if found is None or not self.cache.wants_surprises else (-found).astype(np.float32)
                self.cache.finish(block, surprises)
            self._hidden = hidden[-1:].clone()
            self._torn = False
            yield found
        if tokens:
            with torch.no_grad():
                self.cache.settle(len(tokens))

    def _checked(self, ids: Sequence[int]) -> list[int]:
        tokens = np.asarray(ids)
        if tokens.size == 0:
            return []
        if tokens.ndim != 1:
            raise InputError(f"one text at a time: tokens must be a list of numbers, not an array of {tokens.shape}")
        if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= self.shape.vocabulary:
            raise InputError(f"tokens must be whole numbers from 0 to {self.shape.vocabulary - 1}")
        self.cache.check_room(len(tokens))
        return [int(one) for one in tokens]

    def _read(self, block: Sequence[int]) -> Tensor:
        start = self.length
        given = torch.tensor([block], device=self.shape.device)
        places = torch.arange(start, start + len(block), device=self.shape.device)[None]
        with reading(self.model, self.cache, start) as lamina_session:
            found = self.model.get_decoder()(input_ids=given, position_ids=places, use_cache=False, lamina_session=lamina_session)
        hidden = found.last_hidden_state[0]
        if not bool(torch.isfinite(hidden).all()):
            raise ModelError(f"the model gave numbers that are not finite for tokens {start} to {start + len(block) - 1}")
        return hidden

    def _likelihoods(self, block: Sequence[int], hidden: Tensor) -> NDArray[np.float64]:
        """Log-likelihoods (n,) of a block's tokens; NaN for the first where nothing was predicted before it."""
        before = hidden[:-1] if self._hidden is None else torch.cat((self._hidden, hidden[:-1]))
        after = torch.tensor(block[len(block) - len(before) :], device=hidden.device)
        found = np.full(len(block), np.nan)
        for first in range(0, len(before), _ROWS):
            rows = slice(first, first + _ROWS)
            logs = self._predict(before[rows]).log_softmax(dim=-1)
            chosen = logs.gather(1, after[rows, None])[:, 0].double().cpu().numpy()
            at = len(block) - len(before) + first
            found[at : at + len(chosen)] = chosen
        return found

    def _predict(self, hidden: Tensor) -> Tensor:
        """Logits (n, vocabulary) in 32 bits at least."""
        found = self.model.get_output_embeddings()(hidden)
        found = found.to(torch.promote_types(found.dtype, torch.float32))
        if bool(found.isnan().any()):
            raise ModelError("the model gave logits that are not numbers: its weights are damaged, or its precision is too low")
        return found


def _chosen(logits: Floats, temperature: float, draw: np.random.Generator) -> int:
    """The likeliest token, or one drawn by the softmax of logits / temperature (by the largest of them with Gumbel noise)."""
    if not (logits > -np.inf).any():
        raise ModelError("no token is allowed to come next: the processor of logits excluded all of them")
    if temperature == 0:
        return int(logits.argmax())
    scaled = (logits - logits.max()).astype(np.float64) / temperature
    return int((scaled + draw.gumbel(size=scaled.shape)).argmax())
