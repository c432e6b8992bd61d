"""Appointments: when something takes place, that it was moved, that it is off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.semantic.facts.claims import SHARED, Act
from lamina.semantic.facts.subjects import is_kin, kin_name, strip_lead

_WEEKDAY: Final = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_MONTH: Final = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY: Final = (
    rf"(?:(?:next |this |the following )?{_WEEKDAY}|(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}|{_MONTH} (?:the )?\d{{1,2}}(?:st|nd|rd|th)?"
    r"|the \d{1,2}(?:st|nd|rd|th)|today|tomorrow|tonight)"
)
_NUMBER: Final = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_CLOCK: Final = rf"(?:(?:half past|quarter past|quarter to) (?:{_NUMBER}|\d{{1,2}})|\d{{1,2}}(?:[:.]\d\d)?(?: ?[ap]m\b| o'clock)?(?! minutes?\b| years?\b| \w+ag)|{_NUMBER}(?: o'clock)?|noon|midnight|midday)"
_PIECE: Final = rf"(?:{_DAY}|{_CLOCK})"
_TAIL: Final = rf"(?:on |at |to |for |in )?(?P<t>{_PIECE}(?:,? (?:at |on |in the (?:morning|afternoon|evening)|around )?{_PIECE})?)(?: (?:in the (?:morning|afternoon|evening)|instead|now|this time|sharp|again|after all|not .*))*$"
_WORDS: Final = r"[A-Za-z][\w'’-]*(?: [A-Za-z][\w'’.-]*){0,4}?"
_MOVED: Final = r"(?:moved|pushed|postponed|rescheduled|delayed|shifted|brought|extended|changed|rebooked|put|set|scheduled|booked)(?: back| forward| up)?"
_TIMED: Final = re.compile(r"\b(?:at|on|to|for|leaves|starts|begins) $")
_NO: Final = frozenset("i we he she they it that this there what you everything something which who and".split())


@dataclass(frozen=True, slots=True)
class Event:
    """What a clause says of one appointment: `what` it is, whose (SHARED: of no one by name), the `time` in its words, and whether it was moved (`change`)."""

    what: str
    owner: str
    time: str
    act: Act = "holds"
    change: bool = False


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    verbs = r"(?:is|are|will be|meets|meet|leaves|starts|begins|takes place|comes|is coming|will come|is set for|is scheduled for|is scheduled|is booked for|is planned for|is due|is back|is set|is taking place)"
    return {
        "is": re.compile(rf"(?:^|(?<= ))(?P<n>{_WORDS}) {verbs}(?: now| again| back| still)* {_TAIL}"),
        "moved": re.compile(rf"(?:^|(?<= ))(?P<n>{_WORDS}) (?:has been |have been |was |were |got |has |is )?(?:now )?{_MOVED} (?:to|until|till|for) {_TAIL}"),
        "move": re.compile(
            rf"\b(?:moved|change|changed|rebooked|shifted|shift|reschedule|rescheduled|postponed|set|booked|book|scheduled|pushed|move)(?: back| forward)? "
            rf"(?P<n>(?:my|our|the|an?) {_WORDS}) (?:back |forward )?(?:to|for|until|on) {_TAIL}"),
        "have": re.compile(rf"^(?P<s>.*?)\b(?:have|has|have got|has got|am seeing|is seeing|got|booked|made) (?P<n>(?:my|the|an?) {_WORDS}) (?:on|at|for) {_TAIL}"),
        "off": re.compile(rf"^(?P<n>{_WORDS}) (?:is|are|has been|have been|was|were|got)(?: now)? (?:off|cancelled|canceled|called off)\b.*$"),
        "cancel": re.compile(rf"\b(?:cancelled|canceled|called off|cancel|call off) (?P<n>(?:my|our|the) {_WORDS})$"),
        "possessive": re.compile(r"^(my|our|the|an?|this|his|her|their|\w+'s)\s+", re.I),
        "time": re.compile(rf"^(?:it is |it will be |I mean |I meant |no |make that |make it |is )*{_TAIL}", re.I),
        "day": re.compile(_DAY), "clock": re.compile(_CLOCK),
    }  # fmt: skip


def read_event(clause: str, speaker: str) -> Event | None:
    """What a clause says of an appointment; None where it names none.

    >>> read_event("my dentist appointment is on Thursday at 3 pm", "Ana")
    Event(what='dentist', owner='Ana', time='Thursday at 3 pm', act='holds', change=False)
    >>> read_event("the meeting has been pushed back to 11:30", "Ana").time
    '11:30'
    """
    text = strip_lead(clause)
    patterns = _patterns()
    for name in ("off", "cancel"):
        found = patterns[name].search(text)
        if found is not None:
            what, owner = _named(found["n"], speaker, False)
            return Event(what, owner, "", "ends") if what else None
    for name in ("moved", "move", "have", "is"):
        found = patterns[name].search(text)
        if found is not None:
            if name == "is" and found["t"].isalnum() and len(found["t"]) < 6 and not _TIMED.search(text[: found.start("t")]):
                return None  # "Dad is 61", "dinner is two courses"
            what, owner = _named(found["n"], speaker, name == "have")
            if name == "have" and not re.search(r"(?:^|\b(?:I|we)(?: also| still| now)*)$", found["s"].strip()):
                return None
            return Event(what, owner, found["t"], change=name in ("moved", "move")) if what else None
    return None


def bare_time(clause: str) -> str | None:
    """The time that a clause consists of: "it is Tuesday", "I mean Saturday".

    >>> bare_time("it is at 10"), bare_time("it is a pity")
    ('10', None)
    """
    found = _patterns()["time"].match(strip_lead(clause))
    return found["t"] if found is not None else None


def merged(old: str, new: str) -> str:
    """A new time, with the day or the hour of the old one where the new one names only the other.

    >>> merged("Thursday at 3 pm", "Friday"), merged("Tuesday at 3", "4"), merged("Friday", "8 March")
    ('Friday at 3 pm', 'Tuesday at 4', '8 March')
    """
    (old_day, old_clock), (day, clock) = _parts(old), _parts(new)
    day, clock = day or old_day, clock or old_clock
    return f"{day} at {clock}" if day and clock else day or clock or new


def _parts(time: str) -> tuple[str, str]:
    patterns = _patterns()
    day = patterns["day"].search(time)
    rest = patterns["day"].sub(" ", time)
    clock = patterns["clock"].search(rest)
    return (day[0] if day else "", clock[0] if clock else "")


def _named(words: str, speaker: str, mine: bool) -> tuple[str, str]:
    """What an appointment is called and whose it is; ("", "") where the words name none."""
    owner = SHARED
    words = re.sub(r"^.*\b(?:week|month|year|now|today|rain|because of)\s+(?=\w)", "", words)
    words = re.sub(r"^.+\s(?=(?:the|my|our)\s)", "", words)
    while found := _patterns()["possessive"].match(words):
        det = found[1].casefold()
        if det == "my":
            owner = speaker
        elif det.endswith("'s"):
            if words[found.end() :].casefold().startswith("appointment"):
                break  # the doctor's appointment
            owner = kin_name(speaker, det[:-2]) if found[1][0].islower() else found[1][:-2]
        words = words[found.end() :]
        if det in ("his", "her", "their"):
            return "", ""
    if mine and owner == SHARED:
        owner = speaker
    words = re.sub(r"^(?:new |next )?appointment with (?:the |my |a )?", "", words.strip())
    words = re.sub(r"^(?:new|next)\s+", "", words, flags=re.I)
    words = re.sub(r"(?:'s)?\s+appointment$", "", words)
    low = words.casefold().split()
    if (
        not low
        or low[0] in _NO
        or low[-1] in _NO
        or len(low) > 5
        or is_kin(low[-1])
        or re.fullmatch(_MONTH, words.split()[-1], re.I)
        or re.match(rf"(?:{_WEEKDAY})\b", words.split()[-1])
    ):
        return "", ""
    return words.casefold(), owner
