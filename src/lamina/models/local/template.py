"""Where recalled texts stand in a model's own form of messages: what comes before them and after, as tokens, whatever they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from lamina.errors import InputError

MARK: Final = "RECALLEDTEXTSSTANDHERE"
"""Takes the place of texts while a template is filled in."""
BREAK: Final = "\N{ZERO WIDTH SPACE}"
"""Put into what looks like one of the model's special tokens in a text, so that it is text."""


class Template:
    """The form in which a tokenizer of transformers (an optional library, so of any type) writes messages, with room for texts.

    The texts stand at the beginning of the user's message. Each piece is turned into tokens by itself, so that a text has the same tokens
    whatever stands around it, read with the rest or alone. Raises `InputError` where the model has no such form.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise InputError(f"{name!r} has no chat template: take a model that was tuned on instructions")
        self._tokenizer, self._name = tokenizer, name
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self._special = sorted({str(one) for one in added.values()} | set(tokenizer.all_special_tokens), key=len, reverse=True)

    def fingerprint(self) -> str:
        """16 hexadecimal digits of everything that tokens depend on."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        rules = backend.to_str() if backend is not None else repr(sorted(self._tokenizer.get_vocab().items()))
        whole = f"{rules}\n{self._tokenizer.chat_template}"
        return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def opening(self) -> list[int]:
        """The tokens before what the system says, the same for every prompt."""
        return self._encode(self._written(MARK, "question").partition(MARK)[0])

    def around(self, system: str, question: str) -> tuple[list[int], list[int]]:
        """The tokens before the texts, and those after them: the question, and what stands before an answer."""
        before, mark, after = self._written(self.plain(system), MARK).partition(MARK)
        if not mark or MARK in after:
            raise InputError(f"the chat template of {self._name!r} does not show the user's words once: it cannot be used here")
        return self._encode(before), self._encode(self.plain(question) + after)

    def text(self, text: str) -> list[int]:
        """The tokens of a text that stands there by itself."""
        return self._encode(self.plain(text))

    def plain(self, text: str) -> str:
        """A text in which nothing passes for a special token of the model: memories must not end a message."""
        for one in self._special:
            if one in text:
                text = text.replace(one, one[:1] + BREAK + one[1:])
        return text

    def _written(self, system: str, user: str) -> str:
        said = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        try:
            return str(self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program of the model's authors
            raise InputError(f"the chat template of {self._name!r} refuses these messages: {error}") from error

    def _encode(self, text: str) -> list[int]:
        found: Sequence[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return list(found)
