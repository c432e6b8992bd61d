"""Who a clause is about: the speaker, somebody of his, somebody by name, or whoever was spoken of before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_KIN: Final = (
    "mother father parents sister brother daughter son wife husband partner girlfriend boyfriend fiance fiancee cousin aunt uncle grandma grandpa grandmother "
    "grandfather niece nephew kid child flatmate roommate neighbour friend mate colleague mum mom dad kids twin stepfather stepmother "
    "grandson granddaughter ex in-laws landlord landlady best friend"
).split()
_SAME: Final = {
    "mum": "mother",
    "mom": "mother",
    "mama": "mother",
    "dad": "father",
    "papa": "father",
    "grandma": "grandmother",
    "granny": "grandmother",
    "grandpa": "grandfather",
}
_NAMES_OF_KIN: Final = ("Mum", "Mom", "Mama", "Dad", "Papa", "Grandma", "Granny", "Grandpa")
_NO_NAMES: Final = frozenset(
    """The This That There These Those It He She They You Your What Who When Where Why How Yes No Not And But So Or If Then Now Today Tomorrow Yesterday Still Just Also Maybe
    Perhaps Actually Sorry Well Oh Ok Okay Hello Hi Hey Dear Thanks Thank Please Great Good Nice Everyone Everybody Someone Somebody Nobody Anyone Dinner Lunch Breakfast Home Work School
    Life Music Love Our My His Her Their Its Some Many Most All Each Every Both One Two Three Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July
    August September October November December Winter Spring Summer Autumn Christmas Easter First Last Next Since After Before Until While Because For From With Without In On At By As Of To
    Got Sold Been Working Started Handed Got Had Have Has Was Were Is Are Am Do Did Does Can Could Will Would Should Must Let Lets Here Everything Nothing Something Anything Wow Congrats
    Correction Typo Scratch Oops Big Small Right Long Back Guess Until Greetings Favourite Team Book Yoga""".split()
)
NAME: Final = r"[A-ZÀ-ÞĀ-Ž][\w'’-]*"


@dataclass(frozen=True, slots=True)
class About:
    """A subject and what a clause says of it. `own`: it is the speaker; `possessive`: the clause is about something of the subject's."""

    subject: str
    rest: str
    own: bool
    possessive: bool = False


def kin_name(speaker: str, word: str) -> str:
    """The name of somebody known as somebody's.

    >>> kin_name("Ana", "mum"), kin_name("Ana", "Sister")
    ("Ana's mother", "Ana's sister")
    """
    word = word.casefold()
    return f"{speaker}'s {_SAME.get(word, word)}"


def named(name: str, speaker: str) -> str:
    """A name as a subject: "Grandma" is the speaker's.

    >>> named("Grandma", "Ana"), named("Ben", "Ana")
    ("Ana's grandmother", 'Ben')
    """
    return kin_name(speaker, name) if name in _NAMES_OF_KIN else name


def is_kin(word: str) -> bool:
    """Whether a word says how somebody belongs to somebody.

    >>> is_kin("mum"), is_kin("Ben")
    (True, False)
    """
    return word.casefold() in _KIN


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    kin = "|".join(sorted(_KIN, key=len, reverse=True))
    lead = (
        r"^(?:(?:and|but|so|well|oh|ok|okay|yes|yep|yeah|no|nope|now|then|still|just|actually|also|today|nowadays|currently|finally|recently|anyway|honestly|sadly|luckily|these days|right now"
        r"|at the moment|as of (?:today|now|tomorrow|this month)|until then|wait|sorry|in fact|i (?:have|had) to say|i think(?: that)?|i believe(?: that)?|i guess|i heard(?: that)?|i hear|apparently"
        r"|that|because|everyone|congrats|update|strictly speaking|to be clear|correction|scratch that|"
        + NAME
        + r" (?:told|tells) me(?: that)?|(?:did you|you) know)\s+)+"
    )
    return {
        "lead": re.compile(lead, re.I),
        "I": re.compile(rf"^(?:{NAME} and I|my (?:{kin}) and I|I|we(?: both)?|we all)\b\s*(.*)$", re.I),
        "my kin name": re.compile(rf"^(?:[Mm]y|[Oo]ur) (?:[a-z]+ )?(?:{kin}) ({NAME})\b\s*(.*)$"),
        "my kin's": re.compile(rf"^(?:my|our) ((?:best )?(?:{kin}))'s\s+(.*)$", re.I),
        "my kin": re.compile(rf"^(?:my|our) (?:(?:older|younger|little|big|eldest|twin|dear|old) )?((?:best )?(?:{kin}))\b\s*(.*)$", re.I),
        "my": re.compile(r"^my\b\s*(.*)$", re.I),
        "kin": re.compile(rf"^({'|'.join(_NAMES_OF_KIN)})\b\s*(.*)$"),
        "name's kin": re.compile(rf"^({NAME}?)'s? ({kin})\b\s*(.*)$"),
        "name's": re.compile(rf"^({NAME}?)'s\s+(.*)$"),
        "name": re.compile(rf"^({NAME})\s+(.*)$"),
        "he": re.compile(r"^(?:he|she|they)\b\s*(.*)$", re.I),
        "inside": re.compile(r"^(?:since|from|after|in|as|until|by|because|thanks|for|with|at|back|last|this|on)\b.*?\s((?:I|we|my|our|he|she)\b.*)$", re.I),
        "mention": re.compile(rf"(?<!^)(?<!\b[Ii]n )(?<!\b[Aa]t )(?<!\bto )(?<!\bfrom )(?<!\bof )(?<!\bon )(?<!\bnear )(?<!\bleft )(?<!\bback )\b({NAME})\b"),
        "verb": re.compile(
            r"^(?:just |also |now |still |never |really |no longer |already )*(?:is|was|has|had|does|did|do|can|will|works?|lives?|loves?|likes?|hates?|enjoys?|[a-z]{3,}(?:s|ed)|went|got|took|made|came|said|told|left|quit|became|told|sold|"
            r"drives?|not|moved|and [A-Z]\w+ (?:got|are|have|were))\b"),
    }  # fmt: skip


def strip_lead(clause: str) -> str:
    """A clause without the small words before its subject.

    >>> strip_lead("so now I live in Wells")
    'I live in Wells'
    """
    return _patterns()["lead"].sub("", clause).strip()


def about(clause: str, speaker: str, last: str | None) -> About | None:
    """Whom a clause is about, and what it says; `last` is who was spoken of last. None where nobody can be told.

    >>> about("my sister lives in Wells", "Ana", None)
    About(subject="Ana's sister", rest='lives in Wells', own=False, possessive=False)
    """
    patterns = _patterns()
    text = strip_lead(clause)
    inside = patterns["inside"].match(text)
    text = strip_lead(inside[1]) if inside is not None else text
    if found := patterns["I"].match(text):
        return About(speaker, found[1], True)
    if found := patterns["my kin name"].match(text):
        return About(found[1], found[2], False)
    if found := patterns["my kin's"].match(text):
        return About(kin_name(speaker, found[1]), found[2], False, True)
    if found := patterns["my kin"].match(text):
        return About(kin_name(speaker, found[1]), found[2], False)
    if found := patterns["my"].match(text):
        return About(speaker, found[1], True, True)
    if found := patterns["kin"].match(text):
        return About(kin_name(speaker, found[1]), found[2], False)
    if (found := patterns["name's kin"].match(text)) and found[1] not in _NO_NAMES:
        return About(kin_name(found[1], found[2]), found[3], False)
    if (found := patterns["name's"].match(text)) and found[1] not in _NO_NAMES:
        return About(found[1], found[2], found[1] == speaker, True)
    if (found := patterns["name"].match(text)) and found[1] not in _NO_NAMES and not found[1].isupper():
        return About(found[1], found[2], found[1] == speaker) if patterns["verb"].match(found[2]) else None
    if (found := patterns["he"].match(text)) and last is not None:
        return About(last, found[1], False)
    return None


def mentioned(clause: str) -> str | None:
    """The last name in a clause that may be a person's: whom a "he" after it may mean."""
    found = [name for name in _patterns()["mention"].findall(clause) if name not in _NO_NAMES and name != "I"]
    return found[-1] if found else None
