"""Which layer a question about somebody is for: single facts are in what was said (L0), who somebody is as a whole is in the biography (L1).

Source: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (L0 and L1 complement each other). There a trained model decides; the rules of English here are ours.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from lamina.text import check_text

Layer = Literal["L0", "L1"]

_WHOLE: Final = re.compile(
    r"\b(?:describe|portray|introduce|summari[sz]e|sum up|characteri[sz]e)\b|\btell (?:me|us) (?:\w+ )?about (?!the\b|an?\b|(?:\w+(?:'s|’s)|my|your|his|her|their) )"
    r"|\bwho (?:am I|are you|is [A-Z]\w+|(?:is|was) (?:he|she))\b(?!['’])|\bwhat (?:kind|sort|type) of (?:person|man|woman|human)\b"
    r"|\b(?:personality|biography|life story|interests|hobbies|passions)\b|\b(?:which|what) (?:topics|themes|subjects|things|areas)\b.*\b(?:matter|about|interest|care|into|life|talk)\b"
    r"|\bwhat (?:is|'s|’s|am|are|do you know about) [A-Z]?\w+ (?:like|about)(?: as a person)?\s*\??$|\bwhat (?:has|have|is|are|am) (?:\w+ )?(?:been )?(?:up to|busy with|into)\b"
    r"|\bbusy with\b|\bup to (?:lately|recently|these days)\b",
    re.IGNORECASE,
)


def layer_of(question: str) -> Layer:
    """The layer a question is for. Raises `InputError` for an empty question.

    >>> layer_of("What is Ana like?"), layer_of("Where does Ana live?"), layer_of("What has she been up to lately?")
    ('L1', 'L0', 'L1')
    """
    return "L1" if _WHOLE.search(check_text(question, "the question")) else "L0"
