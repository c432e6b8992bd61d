"""The same statement from another side: what somebody says of himself or herself, said to that person or of that person.

Source: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (a biography is written in the third person and shifted to the second by a language model). The rules of English here are
ours; the third person is "they", whose verbs are those of "you", so no verb has to be inflected that is not a form of "to be".
"""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from lamina.errors import InputError

Person = Literal["first", "second", "third"]
"""In which person somebody is spoken of: I, you, they."""

_FORMS: Final[dict[str, tuple[str, str]]] = {
    "i": ("you", "they"), "me": ("you", "them"), "my": ("your", "their"), "mine": ("yours", "theirs"), "myself": ("yourself", "themselves"),
    "we": ("you", "they"), "us": ("you", "them"), "our": ("your", "their"), "ours": ("yours", "theirs"), "ourselves": ("yourselves", "themselves"),
}  # fmt: skip
_ADVERBS: Final = r"(?: (?:also|always|never|often|really|still|just|now|only|even|\w+ly))?"
_BE: Final = re.compile(rf"\b(I{_ADVERBS}) (am|was|wasn't|wasn’t)\b", re.IGNORECASE)
_SHORT: Final = re.compile(r"\bI(['’])m\b", re.IGNORECASE)
_WORDS: Final = re.compile(r"\b(?:" + "|".join(_FORMS) + r")\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"([\"“][^\"”]*[\"”])")
_ARE: Final = {"am": "are", "was": "were", "wasn't": "weren't", "wasn’t": "weren’t"}
_NEW: Final = re.compile(r"(?:^|[.!?…:]\s+)$")


def seen_from(text: str, person: Person) -> str:
    """A statement in the first person, said in another; what stands in quotation marks stays as it is. Raises `InputError` for another person.

    >>> seen_from("I was tired, so my sister drove me.", "second")
    'You were tired, so your sister drove you.'
    >>> seen_from("I'm from Faro and I love my boat.", "third")
    "They're from Faro and they love their boat."
    """
    if person not in get_args(Person):
        raise InputError(f"somebody is spoken of in one of {', '.join(get_args(Person))}, not in {person!r}")
    if person == "first":
        return text
    return "".join(part if place % 2 else _shifted(part, person) for place, part in enumerate(_QUOTED.split(text)))


def _shifted(text: str, person: Person) -> str:
    text = _SHORT.sub(lambda found: f"I{found[1]}re", text)
    text = _BE.sub(lambda found: f"{found[1]} {_ARE[found[2].lower()]}", text)
    column = 0 if person == "second" else 1

    def other(found: re.Match[str]) -> str:
        if found[0].isupper() and len(found[0]) > 1:
            return found[0]  # US, WE: no pronouns
        word = _FORMS[found[0].lower()][column]
        return word[0].upper() + word[1:] if _NEW.search(text[: found.start()]) else word

    return _WORDS.sub(other, text)
