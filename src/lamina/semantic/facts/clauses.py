"""From a message to clauses that can be read one by one: contractions written out, quotations and questions left out, moods marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.text import sentences

LONGEST: Final = 600
"""Characters of a sentence that is read; what is longer is no plain statement."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: its words, those of the sentence it stands in, what was read before it in the sentence, and how it is meant.

    `first`: it begins the sentence. `hedged`: with doubt. `fixes`: the message corrects something. `new`: it says that something is new.
    """

    text: str
    sentence: str
    before: str
    first: bool
    hedged: bool
    fixes: bool
    new: bool


@lru_cache(maxsize=1)
def _contractions() -> tuple[tuple[re.Pattern[str], str], ...]:
    done = "left|been|got|moved|gone|had|changed|started|joined|become|quit|switched|settled|taken|made|relocated|just"
    pairs = (
        (r"\bcan't\b|\bcannot\b", "can not"), (r"\bwon't\b", "will not"), (r"\bain't\b", "is not"), (r"(?<=\w)n't\b", " not"), (r"\bI'm\b", "I am"),
        (r"(?<=\w)'ve\b", " have"), (r"(?<=\w)'ll\b", " will"), (r"(?<=\w)'re\b", " are"), (r"(?<=\w)'d\b", " would"),
        (rf"\b(he|she|it|that|who)'s (?={done}\b)", r"\1 has "), (r"\b(he|she|it|that|there|who|what)'s\b", r"\1 is"), (r"\banymore\b", "any more"),
        (rf"\b([A-Z]\w+)'s (?={done}\b)", r"\1 has "), (r"\bMr\.", "Mr"), (r"\bMrs\.", "Mrs"), (r"\bDr\.", "Dr"), (r"\bfavorite", "favourite"), (r"\b([ap])\.m\.", r"\1m"),
    )  # fmt: skip
    return tuple((re.compile(pattern, re.I), by) for pattern, by in pairs)


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    subject = r"(?:I|we|my|our|he|she|they|it|the|[A-Z]\w+(?:'s)?(?: and I)?)"
    verb = (
        r"(?:now |then |also |so |finally |just |have |am |has |went )*(?:joined|moved|live|lives|living|became|become|signed|started|quit|got|get|work|works|working|"
        r"went|hired|employed|took|left|married|sold|returned|gone|starting|back)"
    )
    return {
        "quoted": re.compile(r"“[^”]*”|\"[^\"]*\"|(?<![\w])'[^']{6,}'(?!\w)|(?<![\w])‘[^’]{6,}’"),
        "split": re.compile(
            rf"\s*[,;:—–]\s+|\s+-\s+|\s+(?:and|but|so|then|because|while|although|though|until)\s+(?=(?:now |then |so |today |finally |since )?{subject}\b)|\s+and\s+(?={verb}\b)|\s+so\s+(?={subject}\b)"
        ),
        "joint": re.compile(r"^(?:and|but) "),
        "mood": re.compile(
            r"\b(?:if|unless|imagine|suppose|wish|wished|hope|hopes|hoping|dream|dreamt|dreamed|pretend|maybe|perhaps|supposedly|want|wants|wanted|thinking (?:of|about)|consider(?:ing)?"
            r"|nearly|almost|as if|character|novel|goes|reads|lyrics|plan to|planning|would|whether|sometimes i)\b", re.I),
        "modal": re.compile(r"\b(?:[Ww]ould|could|might|may|should|wish|almost|nearly|want to|wanted to|hope to|hopes to|like to|love to|try(?:ing)? to|need to|were)\b"),
        "tag": re.compile(r",? (?:did you know|can you believe (?:it|that)|you know|who would have thought|do you remember)\s*\?$", re.I),
        "hedge": re.compile(r"\b(?:I think|I believe|I guess|I heard|I hear|apparently|probably|presumably|rumou?r has it|not sure)\b", re.I),
        "fix": re.compile(
            r"\b(?:actually|no wait|oops|whoops|i meant?|correction|scratch that|my mistake|my bad|i was wrong|that was wrong|was wrong|typo|to be clear|misread"
            r"|should have said|strictly speaking|wrong address|i mixed|mixed it up|i take (?:that|it) back|forget (?:that|it|what)|ignore (?:that|what)|april fool|joking|kidding"
            r"|after all|never mind|i misspoke|misheard|to correct myself|let me correct|turns out|fell through)\b|(?:^|[.!?] )(?:no|wait|sorry|well)(?: everyone| all)?[,:](?! (?:i am|i was|to hear))|\bsorry,? (?:not|it|i mean|wrong)\b|, sorry\b|(?<!can )\bnot [^,.]{1,40}, (?:but )?(?:i|it|he|she|they)\b|, not (?!any more)", re.I),
        "new": re.compile(r"\b(?:now|since|these days|nowadays|any more|no longer|as of|new|from (?:today|now|september)|have (?:just )?(?:moved|become|started|joined|switched)|promoted|today|last (?:week|month))\b", re.I),
    }  # fmt: skip


def plain(text: str) -> str:
    """A text with its contractions written out, and without what it quotes.

    >>> plain("I'm sure she said “I'm a king” and it's gone, I can't stay")
    'I am sure she said  … and it has gone, I can not stay'
    """
    text = text.replace("’", "'") if "“" in text or "‘" not in text else text
    text = _patterns()["quoted"].sub(" …", text)
    for pattern, by in _contractions():
        text = pattern.sub(by, text)
    return text


def clauses(text: str) -> Iterator[Clause]:
    """The clauses of a message that state something.

    Questions are left out, and so is what follows an "if", a "maybe" or a wish in its sentence, and what is told of a film or a song.

    >>> [clause.text for clause in clauses("I left Bath, and I live in Wells now. If I were rich, I'd stay. You?")]
    ['I left Bath', 'I live in Wells now']
    """
    patterns = _patterns()
    stated = plain(text)
    fixes = patterns["fix"].search(stated) is not None
    for sentence in sentences(stated):
        sentence = patterns["tag"].sub(".", sentence)
        if sentence.endswith("?") or len(sentence) > LONGEST or sentence.startswith(">"):
            continue
        body = sentence.rstrip(" .!…)")
        before = ""
        hedged = False
        parts = patterns["split"].split(body)
        for number, part in enumerate(parts):
            part = patterns["joint"].sub("", part.strip(" ,."))
            mood = patterns["mood"].search(part)
            hedged = hedged or patterns["hedge"].search(part) is not None
            if mood is not None and mood[0].casefold() not in ("would",):
                break  # what follows hangs on it
            if part and patterns["modal"].search(part) is None:
                new = patterns["new"].search(part) is not None
                yield Clause(part, body, before, number == 0, hedged, fixes, new)
            before = f"{before}, {part}" if before else part


def fixing(text: str) -> bool:
    """Whether a message corrects something, by its words."""
    return _patterns()["fix"].search(plain(text)) is not None
