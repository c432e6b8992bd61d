"""Recognition: a language model says which of a few facts matter for a question, before a walk starts at them."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import LaminaError
from lamina.models.protocols import LanguageModel, Message
from lamina.semantic.triples import Triple

log = logging.getLogger("lamina.semantic")
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}},
    "required": ["facts"],
    "additionalProperties": False,
}
ASK: Final = (
    "You are given a question and a few facts, each a list of subject, relation and object. Choose those that help to answer the question, also by way of "
    'another step; there may be none. Answer with JSON alone: {"facts": [["…", "…", "…"], …]}, in the words of the facts.'
)


@dataclass(frozen=True)
class Recognition:
    """The `keep` of a search in `PhraseGraph`, for one question.

    What the model names is matched with the nearest of the facts it was given, by the likeness of their letters, so that a changed letter does not lose
    one; it cannot bring in a fact of its own. An answer that cannot be read keeps them all.

    Parameters: `model`, `question`.

    Source: B. J. Gutiérrez, Y. Shu, W. Qi, S. Zhou and Y. Su, "From RAG to Memory: Non-Parametric Continual Learning for Large Language Models", 2025 (recognition memory).
    """

    model: LanguageModel
    question: str
    max_tokens: int = 512

    def __call__(self, facts: Sequence[Triple]) -> list[Triple]:
        """Those of the facts that matter, in the order given."""
        asked = json.dumps({"question": self.question, "facts": [list(fact) for fact in facts]}, ensure_ascii=False)
        try:
            data = self.model.complete(
                [Message("system", ASK), Message("user", asked)], schema=SCHEMA, max_tokens=self.max_tokens
            ).data
            named = [" ".join(map(str, one)) for one in data["facts"]]
        except (LaminaError, ValueError, KeyError, TypeError) as error:
            log.warning("which facts matter could not be read (%s): all are kept", type(error).__name__)
            return list(facts)
        by_text = {" ".join(fact): fact for fact in facts}
        kept = {near for one in named for near in difflib.get_close_matches(one, by_text, n=1, cutoff=0)}
        return [fact for text, fact in by_text.items() if text in kept]
