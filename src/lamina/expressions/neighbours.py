"""Whether the words around an expression make it a time, or something else that only looks like one."""

from __future__ import annotations

from typing import Final

from lamina.expressions.dates import Phrase
from lamina.expressions.lexicon import (
    COUNTED,
    DAY_PARTS,
    FOLLOWERS,
    INDEFINITE,
    NAMED_MONTHS,
    OPEN,
    PLAIN_MONTHS,
    PLAIN_WEEKDAYS,
    POSSESSIVES,
    PRONOUNS,
    UNITS,
    WEEKDAYS,
    Prefer,
)
from lamina.expressions.periods import Period
from lamina.expressions.tense import MOVED
from lamina.expressions.tokens import Said

_INSIDE: Final = frozenset("in during throughout around mid through".split())
_BEHIND_OPEN: Final = frozenset("the about around approximately late early".split())
_WHOLE: Final = frozenset("all most month whole rest entirety".split())
_AT: Final = frozenset("at on over for during around from in since of".split())
_OBJECTS: Final = frozenset("you it me us him them her there here home back again up in off out over together and".split())
_HURT: Final = frozenset(
    "hurt broke injured knee hip arm leg wrist ankle ladder stairs accident bruised sprained fractured twisted died".split()
)
_PLACES: Final = frozenset("street road lane avenue square island islands hill park hotel inn club market palace bridge".split())
_UNEVENTFUL: Final = frozenset("class crowd army population total group list price version edition batch score".split())
_IDIOMS: Final = (
    "born yesterday",
    "like yesterday",
    "only yesterday",
    "were yesterday",
    "was yesterday",
    "of tomorrow",
    "no tomorrow",
    "better tomorrow",
    "brighter tomorrow",
    "of yesterday",
)
_QUOTES: Final = frozenset('" “ ” ‘ « »'.split())
_TITLED: Final = frozenset("yesterday today tomorrow tonight last next this day night".split())
_TOMORROW: Final = frozenset(idiom.split()[0] for idiom in _IDIOMS)


def means_a_time(said: Said, place: int, phrase: Phrase, prefer: Prefer, led: bool = False) -> bool:
    """Whether a phrase at a token stands for a stretch of time of its own.

    `led`: words such as "since" or "from" lead up to it already.
    """
    period = phrase.period
    if period is None:
        return False
    low = said.low
    if prefer != "future" and not led and is_open(said, place):
        return False
    if low[place - 1] == "from" and low[place - 2] in UNITS and low[place - 3] not in ("the", "that"):
        return False  # "three weeks from last Friday"
    if low[place - 1] in _QUOTES and low[phrase.end] in _QUOTES:
        return False  # "Friday the 13th", the film
    if phrase.bare and _of_another(said, phrase.end):
        return False
    if _is_idiom(said, place) or _is_title(said, place):
        return False
    if low[phrase.end] == "-" and said.glued(phrase.end) and said.glued(phrase.end + 1):
        return False  # "the sixties-style lamp"
    if not phrase.bare:
        return low[place - 1] not in ("every", "each")
    led = led or _is_led_to(said, place)
    check = _CHECKS.get(period.kind)
    return check is None or check(said, place, phrase.end, period, led or (prefer == "future" and low[place - 1] in OPEN))


def _is_led_to(said: Said, place: int) -> bool:
    """Whether something was moved to a time, or is looked forward to."""
    low = said.low
    step = place - 1 - (low[place - 1] == "the")
    return low[step] == "to" and not MOVED.isdisjoint(low[max(0, step - 3) : step])


def is_open(said: Said, place: int) -> bool:
    """Whether the words before a token make what follows a bound: before, until, by, after, than, prior to."""
    low = said.low
    step = place - 1
    if low[step] in ("in", "on", "at") and low[step - 1] == "than":
        return True
    for _ in range(3):
        if low[step] in _BEHIND_OPEN:
            step -= 1
    if low[step] == "of" and low[step - 1] == "as":
        return True
    return low[step] in OPEN or (low[step] == "to" and low[step - 1] in ("prior", "up"))


def _is_idiom(said: Said, place: int) -> bool:
    low = said.low
    if low[place] not in ("yesterday", "tomorrow"):
        return False
    before, behind = low[place - 1], low[place + 1 : place + 4]
    if before in ("just", "only") and low[place - 2] in ("like", "if", "though"):
        return True
    if behind[:2] == ["'s", "news"] or (behind[0] in ("'s", "is") and behind[1:] == ["another", "day"]):
        return True
    if low[place] == "tomorrow" and before in ("a", "new", "another"):
        return True
    if before not in _TOMORROW or f"{before} {low[place]}" not in _IDIOMS:
        return False
    return before != "was" or (low[place - 2] in ("it", "if", "though") and low[place - 3] in ("like", "as", "if"))


def _of_another(said: Said, end: int) -> bool:
    """Whether a period is told to be of another one that was spoken of: in December of that year."""
    low = said.low
    step = end + (low[end] in ("of", "in"))
    if low[step] == "the" and low[step + 1] in ("same", "following", "next", "previous", "preceding"):
        return True
    return (low[step] in ("that", "those") and low[step + 1] in UNITS) or (low[step] == "that" and low[step + 1] == "same")


def _is_title(said: Said, place: int) -> bool:
    """Whether a capital letter inside a sentence makes "Yesterday" or "Last Christmas" the name of a song."""
    low = said.low
    if low[place] not in _TITLED or not said.capital(place) or not low[place - 1].isalpha():
        return False
    start, end = said.spans[place]
    return not said.text[start:end].isupper()


def stands_alone(said: Said, end: int, capitals: bool = True) -> bool:
    """Whether what follows leaves an expression complete: nothing, a sign, a small word; not the noun it would belong to."""
    low = said.low
    behind = low[end]
    if behind == "'s" or (behind == "-" and said.glued(end) and said.glued(end + 1)):
        return False
    if not behind or not behind[0].isalnum():
        return True
    if behind in FOLLOWERS or behind in DAY_PARTS:
        return True
    if behind[0].isdecimal():
        return capitals and behind not in COUNTED
    return capitals and said.capital(end) and behind not in _PLACES


def _at_start(said: Said, place: int) -> bool:
    return place == 0 or said.low[place - 1] in (".", "!", "?", ";", "\n", ",", ":", "and", "but", "so", '"', "(", "–", "—")


def _month(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    before = low[place - 1]
    if low[end] == "'s" or before in INDEFINITE or low[end] in _PLACES:
        return False
    if led:
        return low[place] not in PLAIN_MONTHS or said.capital(place) or before in OPEN or before in ("since", "from", "to", "and")
    if before in _INSIDE:
        return not (low[end].isalpha() and low[place] in PLAIN_MONTHS and not said.capital(place) and low[end] not in FOLLOWERS)
    if before == "of":
        return low[place - 2] in _WHOLE and (low[place] not in NAMED_MONTHS or low[place - 2] == "month")
    if before == "from":
        return low[place] not in NAMED_MONTHS and stands_alone(said, end)
    if before == "for":
        return low[place] not in NAMED_MONTHS and stands_alone(said, end)
    return False


def _year(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    before = low[place - 1]
    if led or before in ("in", "during", "throughout", "year") or (before == "around" and low[place - 2] in ("in", "back")):
        return True
    if before in ("about", "early", "late"):
        return low[place - 2] == "in"
    if before == "of":
        noun = low[place - 2]
        return noun in _WHOLE or (low[place - 3] == "the" and noun.isalpha() and noun not in _UNEVENTFUL and noun not in COUNTED)
    return False


def _weekday(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    before = low[place - 1]
    if before in INDEFINITE or before in POSSESSIVES:
        return False
    if low[end] == "'s":
        return before in ("at", "in", "on", "from", "for", "about", "during", "since") and low[end + 1].isalpha()
    if low[end] == "-" and said.glued(end):
        return False
    if low[end].isalpha() and low[end].endswith("s") and low[end][:-1] in DAY_PARTS:
        return False  # "on Friday nights"
    if led:
        return True
    named = said.capital(end - 1) and low[end - 1] in DAY_PARTS  # "Saturday Night Live"
    if before in ("on", "from", "early", "late", "for"):
        short = low[place] in PLAIN_WEEKDAYS
        return stands_alone(said, end, capitals=not named and not short) or (before == "on" and not named and not short)
    if named or low[place] in PLAIN_WEEKDAYS:
        return False
    if _at_start(said, place):
        listed = low[end] == "," and low[place - 1] != ","
        told = low[end - 1] in DAY_PARTS and stands_alone(said, end)
        return listed or low[end] in PRONOUNS or low[end] in ("was", "were") or told
    closing = not low[end].isalnum()
    return closing and (before in _OBJECTS or low[end - 1] in DAY_PARTS)


def _season(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    step = place - 1
    named = low[step] == "the"
    step -= named
    if not stands_alone(said, end, capitals=not said.capital(place)) or low[end] == "of":
        return False  # also "the Winter Olympics"
    if low[place] == "fall" and not _HURT.isdisjoint(low[max(0, place - 15) : end + 15]):
        return False
    if led:
        return True
    if low[step] in ("in", "over", "during", "throughout"):
        return low[place] != "fall" or low[step] == "in"
    return low[step] in ("for", "since") and named


def _holiday(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    before = low[place - 1]
    if not stands_alone(said, end) or low[end : end + 1] == ["island"]:
        return False
    if led or before in _AT:
        return before != "of" and before != "in"
    return _at_start(said, place) and (low[end] in PRONOUNS or low[end] in ("was", "were"))


def _monthday(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    before = low[place - 1]
    with_article = before == "the"
    if with_article:
        before = low[place - 2]
        if before == "of":
            return low[place - 3] in DAY_PARTS and stands_alone(said, end, capitals=False) and low[end] != "of"
    if low[end] == "of" or not stands_alone(said, end, capitals=False):
        return False
    if led or before in ("on", "since", "from", "by", "until"):
        return True
    return before in ("for", "is", "was", "'s") and (with_article or low[place] in WEEKDAYS)


def _part(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    if not stands_alone(said, end, capitals=False):
        return False
    step = place - 1 - (low[place - 1] == "the")
    return led or low[step] in ("in", "during", "for", "throughout", "over")


def _weekend(said: Said, place: int, end: int, period: Period, led: bool) -> bool:
    low = said.low
    if low[place - 1] != "the" or not stands_alone(said, end) or low[end] in ("of", "before", "after", "when", "that"):
        return False
    return led or low[place - 2] in ("at", "on", "over", "during", "for", "since")


_CHECKS = {
    "month": _month,
    "year": _year,
    "weekday": _weekday,
    "season": _season,
    "holiday": _holiday,
    "monthday": _monthday,
    "part": _part,
    "weekend": _weekend,
}
