"""Whether words are about what was or about what is planned."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

from lamina.expressions.lexicon import MINUTES, UNITS, Prefer
from lamina.expressions.tokens import Said
from lamina.expressions.verbs import BE, PRESENT, RECALL, ends_sentence, sign_of

_REACH: Final = 30  # tokens of a sentence that are looked at, on either side
_SCHEDULES: Final = PRESENT - frozenset("have has do does don doesn 've gets get see takes take plays sings lasts".split())
"""Verbs whose present tells of what is arranged."""
_BOOKING: Final = frozenset(
    """book booked plan planned reserve reserved order ordered schedule scheduled arrange arranged invite invited register registered
    tickets""".split()
)
MOVED: Final = frozenset("moved postponed rescheduled pushed shifted delayed changed brought forward switched".split())
"""Words behind which "to" leads to a new time."""
_OPEN: Final = frozenset("booked planned reserved scheduled arranged invited registered enrolled".split())
"""Past verbs that may be about something still to come (invited to a wedding in June)."""
_REPORTED: Final = frozenset(
    "agreed promised decided asked told offered hoped wanted intended expected persuaded reminded".split()
)
"""Past verbs that may be, where "to" follows (he promised to call on Monday)."""
_CLAUSE: Final = frozenset(", ( ) – — and but so because while although though when where who which that if whom".split())
_HABIT: Final = frozenset("always usually often sometimes normally typically generally every each rarely whenever".split())
_ABLE: Final = frozenset(
    """can could able manage managed possible learn far fast quickly only first second third fourth fifth time times once twice""".split()
)
_NO_SUPERLATIVE: Final = frozenset(
    """west guest test rest forest interest contest request honest nest chest harvest protest invest suggest breast priest arrest quest
    everest latest""".split()
)

Tense = Literal["past", "present", "plan", "open", ""]
"""Of an expression's words; "open": they tell of a plan that may be long over (he said he would come on Friday)."""
_VERBLESS: Final = 4  # words beside the expression: with more of them a clause has a verb of its own
_TENSES: Final[dict[int, Tense]] = {3: "open", 2: "plan", 1: "present", 0: "", -2: "past"}


def sentence(said: Said, start: int, end: int) -> tuple[int, int]:
    """The tokens of the sentence around `[start, end)`, cut at 30 on either side."""
    first, last = start, end
    while first > 0 and start - first < _REACH and not ends_sentence(said, first - 1):
        first -= 1
    while last < said.size and last - end < _REACH and not ends_sentence(said, last):
        last += 1
    return first, last


def clause(said: Said, start: int, end: int, bounds: tuple[int, int]) -> tuple[int, int]:
    """The tokens of the clause around `[start, end)` inside a sentence."""
    first, last = start, end
    while first > bounds[0] and said.low[first - 1] not in _CLAUSE:
        first -= 1
    while last < bounds[1] and said.low[last] not in _CLAUSE:
        last += 1
    return first, last


def tense_of(said: Said, start: int, end: int) -> Tense:
    """The tense of the words around the expression `[start, end)`, those of its own clause before the rest of the sentence.

    >>> said = Said("We will sail in May. We sailed in May. We sail in May.", 0)
    >>> tense_of(said, 4, 5), tense_of(said, 9, 10), tense_of(said, 14, 15)
    ('plan', 'past', 'present')
    """
    bounds = sentence(said, start, end)
    inner = clause(said, start, end, bounds)
    if _arranged_for(said, start, inner):
        return "plan"
    found = _tense(said, start, end, inner)
    if found:
        return found
    outer = _tense(said, start, end, bounds, clear=True)
    own = inner[1] - inner[0] - (end - start)
    return outer if outer == "past" or own <= _VERBLESS else ""


def _tense(said: Said, start: int, end: int, stretch: tuple[int, int], clear: bool = False) -> Tense:
    """What the nearest sign says, before or behind the expression; with `clear`, the nearest of a plan or the past if there is one."""
    nearest = 2 * _REACH
    meant = 0
    for place in range(*stretch):
        if start <= place < end:
            continue
        sign = sign_of(said, place)
        if sign == 0:
            continue
        distance = start - place if place < start else place - end
        if clear and abs(sign) == 1:
            distance += _REACH
        if distance < nearest or (distance == nearest and abs(sign) > abs(meant)):
            nearest, meant = distance, sign
    if meant == -2 and _is_reported(said, stretch):
        return "open"
    return _TENSES[meant]


def _is_reported(said: Said, stretch: tuple[int, int]) -> bool:
    """Whether a past verb may be about something still to come."""
    words = said.low[stretch[0] : stretch[1]]
    if not _OPEN.isdisjoint(words):
        return True
    return any(word in _REPORTED and "to" in words[place + 1 : place + 4] for place, word in enumerate(words))


def plans(said: Said, start: int, end: int, prefer: Prefer) -> bool | None:
    """Whether the expression `[start, end)` is about a plan; None where the words do not tell.

    `prefer`: "past" (a question: what is not clearly planned is past), "told" (something said: the present tells of what is
    to come), "future" (always a plan).
    """
    if prefer == "future":
        return True
    tense = tense_of(said, start, end)
    if tense in ("plan", "past"):
        return tense == "plan"
    if tense == "open":
        return None
    if tense == "":
        return False if prefer == "past" else None
    return True if prefer == "told" or _asks_ahead(said, start, end) else None


def _asks_ahead(said: Said, start: int, end: int) -> bool:
    """Whether a question in the present is about what is to come: Is it open on …, When does it start in …"""
    first, last = sentence(said, start, end)
    low = said.low
    while first < start and low[first] in ("so", "and", "but", "hey", ",", '"', "ok", "okay"):
        first += 1
    if not RECALL.isdisjoint(low[first:last]):
        return False
    asked, verb = low[first], low[first + 1]
    if asked in BE or asked in ("do", "does", "don", "doesn"):
        return True
    if asked in ("have", "has") and "got" in low[first:start]:
        return True
    if asked in ("when", "where", "how"):
        return verb in BE or verb in ("do", "does", "'s")
    return asked in ("what", "who", "which") and ("do" in low[first:start] or "does" in low[first:start])


def _arranged_for(said: Said, start: int, inner: tuple[int, int]) -> bool:
    """Whether something was booked for, or moved to, the expression."""
    before = said.low[start - 1 - (said.low[start - 1] == "the")]
    words = said.low[inner[0] : start]
    return (before in ("for", "till", "until") and not _BOOKING.isdisjoint(words)) or (
        before == "to" and not MOVED.isdisjoint(words)
    )


def is_being(said: Said, start: int, end: int) -> bool:
    """Whether the clause around an expression says what is, not what somebody does: the wedding is at Easter."""
    first, last = clause(said, start, end, sentence(said, start, end))
    return any(said.low[place] in BE or (said.low[place] == "'s" and sign_of(said, place)) for place in range(first, last))


def is_past(said: Said, start: int, end: int) -> bool:
    """Whether the clause around an expression clearly tells of the past."""
    inner = clause(said, start, end, sentence(said, start, end))
    return any(sign_of(said, place) < 0 for place in range(*inner) if not start <= place < end)


def is_duration(said: Said, start: int, end: int) -> bool:
    """Whether "in three weeks" is how long something takes, not when it is.

    So in: can you do it in …, the first time in …, the best in …, we cover 40 miles in …, 14 days in …; not where it stands first.
    """
    low = said.low
    first, last = clause(said, start, end, sentence(said, start, end))
    if low[end] == "there" and low[start + 1] in ("a", "an"):
        return True
    before = low[first:start]
    if first == start:
        return False
    if any(word in _ABLE or word in UNITS or word in MINUTES or _is_superlative(word) for word in before):
        return True
    arranged = any(word in _SCHEDULES or word in BE or word == "'s" for word in low[first:last])
    return not arranged and tense_of(said, start, end) == "present"


def _is_superlative(word: str) -> bool:
    return word.endswith("est") and len(word) > 3 and word not in _NO_SUPERLATIVE


def is_habit(said: Said, start: int, end: int) -> bool:
    """Whether the clause around an expression tells of what comes round again and again."""
    first, last = clause(said, start, end, sentence(said, start, end))
    words = said.low[first:last]
    if not _HABIT.isdisjoint(words):
        return True
    return any(one == "used" and other == "to" for one, other in pairwise(words))
