"""Answers that are bound to a JSON schema while they are written, and that come to an end before their tokens do.

The library is llguidance (M. Moskal, H. Nori and others, "Making Structured Outputs Go Brrr", 2025): after each token it tells which tokens may
come next. It has no dependencies and covers more of JSON Schema than those that make one automaton of a whole schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, MissingExtraError, ModelOutputError
from lamina.models.protocols import Schema

SPACING: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}
"""JSON on one line, spaced as most of what models have read is. Lenient: what the library knows no way to enforce is left to the check afterwards."""
SHORTEST: Final = ('"', "}", "]", '"}', '"]', ", ", ",", ": ", ":", "true", "null", "0", "1", "[", "{", "a")
"""What ends JSON soonest, the best first: the order in which a way to the end is looked for. Signs before digits, or a number would never end."""
LONGEST: Final = 512
"""Tokens of a way to the end, at most; where there is none so short, the schema is taken to have none."""


class Form(Protocol):
    """What an answer may go on with, token by token."""

    @property
    def done(self) -> bool:
        """Whether the answer is whole and nothing can follow."""
        ...

    @property
    def cut(self) -> bool:
        """Whether it was brought to an end because its tokens ran out."""
        ...

    @property
    def needed(self) -> int:
        """Tokens of the shortest answer that was found."""
        ...

    def allowed(self) -> NDArray[np.bool_]:
        """The tokens that may come next: bool (vocabulary,)."""
        ...

    def take(self, token: int, room: int) -> int:
        """Go on with this token, or with another one where the answer could else not end within `room` tokens; returns which."""
        ...


class Grammar:
    """Makes forms for the tokens of one tokenizer of the transformers library (an optional one, so of any type).

    `vocabulary`: how many logits the model gives. Raises `MissingExtraError` where llguidance is not installed.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        try:
            import llguidance
            import llguidance.hf
        except ImportError as error:
            raise MissingExtraError.for_extra("local", "a local model's answer in the form of a schema", "llguidance") from error
        self._tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary)
        self._short = [ids[0] for text in SHORTEST if len(ids := tokenizer(text, add_special_tokens=False).input_ids) == 1]
        self.ends = frozenset(self._tokens.eos_tokens)
        self.vocabulary = vocabulary

    def form(self, schema: Schema) -> SchemaForm:
        """The form of a schema; `InputError` for one that the library cannot follow."""
        from llguidance import LLMatcher

        text = LLMatcher.grammar_from_json_schema(json.dumps(schema, default=dict), overrides=SPACING)
        matcher = LLMatcher(self._tokens, text, log_level=0)
        if matcher.is_error():
            raise InputError(f"no answer can be bound to this schema: {' '.join(matcher.get_error().split())[:300]}")
        return SchemaForm(matcher, self._short, self.ends, self.vocabulary)


class SchemaForm:
    """A schema and how far an answer has followed it.

    An answer whose tokens run out is not left open: where the next token would leave too few of them, a short way to the end is taken
    in its place (`cut` says so), and the answer is whole, though not what the model would have gone on to say.
    """

    def __init__(self, matcher: Any, short: Sequence[int], ends: frozenset[int], vocabulary: int) -> None:
        self._matcher, self._short, self._ends = matcher, short, ends
        self._mask = np.zeros((1, (vocabulary + 31) // 32), np.int32)
        self._vocabulary = vocabulary
        self._landing: list[int] = []
        self._shortest = self._way()
        self._cut = False

    @property
    def done(self) -> bool:
        """See `Form`."""
        return bool(self._matcher.is_stopped())

    @property
    def cut(self) -> bool:
        """See `Form`."""
        return self._cut

    @property
    def needed(self) -> int:
        """See `Form`."""
        return len(self._shortest)

    def allowed(self) -> NDArray[np.bool_]:
        """See `Form`."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._mask)
        if self._matcher.is_error():
            raise ModelOutputError(f"the schema cannot be followed further: {' '.join(self._matcher.get_error().split())[:300]}")
        return np.unpackbits(self._mask.view(np.uint8).ravel(), bitorder="little")[: self._vocabulary].astype(bool)

    def take(self, token: int, room: int) -> int:
        """See `Form`."""
        if not self._cut and room <= 4 * self.needed + 128:  # further off, the end is not yet in question
            way = self._way()
            if len(way) < room:
                self._step(token)
                if self.done or len(self._way()) < room:
                    return token
                self._matcher.rollback(1)
            self._cut, self._landing = True, way
        if self._cut and self._landing:
            token = self._landing.pop(0)
        self._step(token)
        return token

    def _step(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            raise ModelOutputError(f"the schema does not allow the token {token} here: {self._matcher.get_error()[:300]}")

    def _way(self) -> list[int]:
        """The tokens of a short way to the end; the form stays where it is."""
        way: list[int] = []
        while not self._matcher.is_accepting():
            allowed = self.allowed()
            token = next((one for one in self._short if allowed[one]), None)
            if token is None:
                token = next(one for one in np.flatnonzero(allowed).tolist() if one not in self._ends)
            self._step(token)
            way.append(token)
            if len(way) > LONGEST:
                self._matcher.rollback(len(way))
                raise InputError(f"no answer of at most {LONGEST} tokens was found that this schema allows")
        if way:
            self._matcher.rollback(len(way))
        return way
