"""Favourites and likings: the parts of tastes that no plain pattern of a predicate tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.semantic.facts.claims import Act
from lamina.semantic.facts.clauses import Clause
from lamina.semantic.facts.subjects import strip_lead

_NOUN: Final = r"[a-z]+(?: (?!of\b|right\b|ever\b|is\b|are\b|has\b|any\b|used\b|now\b)[a-z]+)?"
_OWNER: Final = r"(?P<o>[Mm]y(?: [a-z]+'s)?|[Oo]ur|[A-ZÀ-Þ][\w-]*'s)"
_NOT_LIKED: Final = frozenset(
    "it that this these those them him her you your yours his their my our how when what the to being every each all seeing hearing having so a an me us one there where who everything "
    "things stuff too both more much lots is are was has it's if because and or just dreams".split()
)


@dataclass(frozen=True, slots=True)
class Favourite:
    """Whose favourite (`owner`, as the text has it: "my", "Tom's") of which kind (`what`) is said to be `value`."""

    owner: str
    what: str
    value: str
    act: Act


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    adjectives = r"(?:new |all-time |absolute |current |big )*"
    return {
        "is": re.compile(rf"^{_OWNER} {adjectives}favourite (?P<a>{_NOUN})(?: (?:of all time|right now|ever|these days|at the moment))* (?:is|are)(?P<n> not)?(?: now| still| again| currently)* (?P<v>.+)$"),
        "back": re.compile(rf"^(?P<v>.+?) (?:is|are|has become|have become)(?P<n> not)?(?: now| still)* {_OWNER} {adjectives}favourite (?P<a>{_NOUN})\b(?P<rest>.*)$"),
        "changed": re.compile(rf"\b{_OWNER} {adjectives}favourite (?P<a>{_NOUN}) (?:has changed|used to be .+|was .+)$"),
        "it": re.compile(r"^(?:but )?(?:now )?it is(?: now)? (?P<v>.+)$"),
        "tail": re.compile(r"(?:\s+(?:now|these days|nowadays|again|right now|at the moment|instead|any more|so far|since .*|by far))+$"),
        "title": re.compile(r"([A-ZÀ-Þ][\w'-]*(?: [A-ZÀ-Þ][\w'-]*)*)"),
        "over": re.compile(r"(?: (?:any more|now|a lot|too|again|lately|together|so much|very much|the most))+$"),
        "like": re.compile(
            r"^(?:do )?(?:have come to |have grown to |have started to |have learned to )?(?P<verb>like|likes|love|loves|adore|adores|enjoy|enjoys|hate|hates|dislike|dislikes|detest|detests"
            r"|can not stand|could not stand|am a fan of|is a fan of|am a big fan of|am fond of|am crazy about|am allergic to nothing but) (?P<v>[a-z][\w-]*(?: [a-z][\w-]*){0,2})(?: (?:any more|a lot|very much|so much))?$"),
    }  # fmt: skip


def read_favourite(clause: Clause) -> Favourite | None:
    """What a clause says of a favourite; None where it says nothing."""
    patterns = _patterns()
    text = strip_lead(clause.text)
    over = "any more" in text
    if found := patterns["is"].search(text) if "favourite" in text else None:
        return _favourite(found, found["v"], "ends" if found["n"] else "holds")
    if found := patterns["back"].match(text) if "favourite" in text else None:
        value = found["v"]
        if value.casefold().split()[0] in (
            "you",
            "this",
            "that",
            "these",
            "those",
            "they",
            "he",
            "she",
            "we",
            "which",
            "what",
            "there",
            "one",
        ):
            return None
        if value.casefold() == "it":
            titles = patterns["title"].findall(re.sub(r"\bI\b", "", clause.before))
            value = titles[-1] if titles else ""
        return _favourite(found, value, "ends" if found["n"] or over else "holds") if value else None
    if found := patterns["it"].match(text):
        before = patterns["changed"].search(clause.before)
        if before is not None:
            return _favourite(before, found["v"], "holds")
    return None


def _favourite(found: re.Match[str], value: str, act: Act) -> Favourite:
    return Favourite(
        found["o"], found["a"].strip(), re.sub(r"^(?:the|an?) ", "", _patterns()["tail"].sub("", value).strip(" .")), act
    )


def read_liking(rest: str, own: bool = True) -> tuple[str, bool] | None:
    """What a predicate likes or dislikes, and which; None where it does neither.

    >>> read_liking("can not stand sushi any more"), read_liking("love your hat")
    (('sushi', False), None)
    """
    found = _patterns()["like"].match(rest)
    if found is None:
        return None
    value = _patterns()["over"].sub("", found["v"])
    if value.split()[-1].endswith(("self", "selves")):
        return None
    if value.split()[0] in _NOT_LIKED or value.split()[-1] in _NOT_LIKED:
        return None
    if not own and not re.match(r"\S+s\b|can not|is a|am a", found["verb"]):
        return None  # "Unconditional love …", "sounds like …"
    return value, not found["verb"].startswith(("hate", "dislike", "detest", "can not", "could not"))
