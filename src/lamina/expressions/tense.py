"""Whether words are about what was or about what is planned."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

from lamina.expressions.lexicon import PRONOUNS, SHORT_MONTHS
from lamina.expressions.tokens import Said

Prefer = Literal["past", "future", "told"]
_REACH: Final = 30  # tokens of a sentence that are looked at, on either side

_PLANNING: Final = frozenset(
    """will won shall ll 'll gonna must should plan plans planning planned hope hopes hoping hopefully intend intends upcoming
    scheduled due booked reserved arranged remind remember forget looking might tomorrow let lets can deadline invitation supposed
    want wants need needs would 'd expecting expected""".split()
)
_BE: Final = frozenset("am is are 'm 're be being isn aren".split())
_PAST_BE: Final = frozenset("was were wasn weren been".split())
_PAST: Final = frozenset(
    """was were wasn weren did didn had hadn used ate became began begun beat bent bet bit bled blew bought broke brought built burnt
    burst came caught chose cost crept cut dealt drank drove dug drew dreamt fell fed felt fought found flew forgot froze gave got
    grew ground gone hid hit held hung heard hurt kept knelt knew laid lay led left lent lit lost made meant met paid put quit ran
    rang read rid rode rose said sang sank sat saw sent set sewed shook shone shot showed shrank shut slept slid smelt sold sought
    spent spilt split spoke spoilt spread sprang spun stole stood struck stuck stung sunk swam swept swore swung taught tore thought
    threw told took trod understood went wept wet woke won wore wound wove wrote spat swore withdrew overslept misread wed been done
    seen taken given eaten written broken driven forgotten fallen flown known grown shown sung swum thrown worn born ago
    yesterday rewrote redid undid upset outgrew overheard befell bade clung flung fled forbade forgave leapt leant learnt strode
    strove stank slung slew shed sped strung swelled thrust bound bred cast fit""".split()
)
_SAME: Final = frozenset(
    "cut hit put set shut read let cost hurt quit split spread burst beat bet cast fit wet rid bound shed".split()
)
"""Past forms that are also plain verbs."""
_NOT_PAST: Final = frozenset(
    """need bed red hundred feed seed speed wed shed sled indeed exceed proceed succeed weed breed bleed embed greed freed creed
    steed reed deed agreed-upon united biped infrared sacred naked wicked kindred hatred supposed scheduled planned booked reserved
    arranged expected retired married excited interested""".split()
)
_NOT_GOING: Final = frozenset(
    """thing anything nothing something everything morning evening during king ring spring wedding building meeting string wing
    ceiling feeling clothing housing painting dining outing sibling""".split()
)
_PRESENT: Final = frozenset(
    """starts start begins begin ends end leaves leave departs depart arrives arrive opens open closes close flies fly expires expire
    finishes resumes lands returns return comes come meets meet runs run takes take goes go sails sings plays have has do does don
    doesn 've moves move gets see""".split()
)
_BOOKING: Final = frozenset(
    "book booked plan planned reserve reserved order ordered schedule scheduled arrange arranged invite invited register".split()
)
_MODAL: Final = frozenset("to will 'll won would could can should shall must might may do does did didn don let 'd".split())
_CLAUSE: Final = frozenset(", ( ) – — and but so because while although though when where who which that if whom".split())
_SENTENCE: Final = frozenset(". ! ? ; : \n".split(" "))
_SHORTENED: Final = SHORT_MONTHS | frozenset("dr mr mrs ms st prof no vs etc p m a".split())
_HABIT: Final = frozenset("always usually often sometimes normally typically generally every each rarely whenever".split())
_RECALL: Final = frozenset("remember recall know remind tell show forget".split())


def sentence(said: Said, start: int, end: int) -> tuple[int, int]:
    """The tokens of the sentence around `[start, end)`, cut at 30 on either side."""
    first, last = start, end
    while first > 0 and start - first < _REACH and not _ends(said, first - 1):
        first -= 1
    while last < said.size and last - end < _REACH and not _ends(said, last):
        last += 1
    return first, last


def _ends(said: Said, place: int) -> bool:
    word = said.low[place]
    if word not in _SENTENCE:
        return False
    return word != "." or said.low[place - 1] not in _SHORTENED or said.low[place + 1] == ""


def clause(said: Said, start: int, end: int, bounds: tuple[int, int]) -> tuple[int, int]:
    """The tokens of the clause around `[start, end)` inside a sentence."""
    first, last = start, end
    while first > bounds[0] and said.low[first - 1] not in _CLAUSE:
        first -= 1
    while last < bounds[1] and said.low[last] not in _CLAUSE:
        last += 1
    return first, last


def _sign(said: Said, place: int) -> int:
    """What a token says of time: 2 a plan, 1 the present, -2 the past, 0 nothing."""
    sign = said.signs.get(place)
    if sign is None:
        sign = said.signs[place] = _read_sign(said, place)
    return sign


def _read_sign(said: Said, place: int) -> int:
    low = said.low
    word = low[place]
    before = low[place - 1]
    if word in _PLANNING:
        if word in ("remember", "remind", "forget") or (word == "can" and low[place + 2] in _RECALL):
            return 0
        if word in ("planned", "booked", "reserved", "arranged", "scheduled", "expected", "supposed") and _after(
            said, place, _PAST_BE
        ):
            return 0
        return 2
    if word == "going" and low[place + 1] == "to":
        return 0 if before in ("was", "were") else 2
    if word in _BE or word == "'s":
        return 2 if _progressive(said, place) else 1
    if word in _PAST or (len(word) > 3 and word.endswith("ed") and word not in _NOT_PAST):
        if word in _SAME and _after(said, place, _MODAL):
            return 0
        if word not in _PAST_BE and _after(said, place, _BE | {"'s"}):
            return 0  # a participle: "is booked", "will be shut"
        return -2
    if word in _PRESENT:
        return 0 if before in ("to", "did", "didn") or low[place + 1] in _RECALL or low[place + 2] in _RECALL else 1
    if before in PRONOUNS and before not in ("who", "there", "this", "that") and word.isalpha() and word not in _NO_VERB:
        return 0 if _after(said, place - 1, frozenset({"did", "didn", "do", "does", "was", "were", "had"})) else 1
    return 0


_NO_VERB: Final = frozenset(
    """always never often usually still also just really only both all and or not ever then even finally first last would could who
    that to in on at for with""".split()
)


def _after(said: Said, place: int, words: frozenset[str]) -> bool:
    """Whether one of some words stands one to three tokens before."""
    low = said.low
    return any(low[place - step] in words for step in (1, 2, 3) if place >= step)


def _progressive(said: Said, place: int) -> bool:
    low = said.low
    for step in (1, 2, 3):
        word = low[place + step]
        if word.endswith("ing") and len(word) > 4 and word not in _NOT_GOING:
            return True
        if not word.isalpha() and word != "'t":
            return False
    return False


def plans(said: Said, start: int, end: int, prefer: Prefer) -> bool | None:
    """Whether the expression `[start, end)` is about a plan; None where the words do not tell.

    `prefer`: "past" (a question: what is not clearly planned is past), "told" (something said: the present tells of what is
    to come), "future" (always a plan).

    >>> said = Said("We will sail in May. We sailed in May.", 0)
    >>> plans(said, 4, 5, "told"), plans(said, 9, 10, "told")
    (True, False)
    """
    if prefer == "future":
        return True
    bounds = sentence(said, start, end)
    inner = clause(said, start, end, bounds)
    if _booked_for(said, start, inner):
        return True
    for stretch in (inner, bounds):
        signs = [
            (-abs(sign), start - place if place < start else place - end, sign)
            for place in range(*stretch)
            if not start <= place < end and (sign := _sign(said, place))
        ]
        strong = sorted(sign for sign in signs if sign[0] == -2)
        if strong:
            return strong[0][2] > 0
        if signs and (prefer == "told" or stretch == bounds):
            return True if prefer == "told" else None
    return False if prefer == "past" else None


def _booked_for(said: Said, start: int, inner: tuple[int, int]) -> bool:
    if said.low[start - 1] not in ("for", "till", "until"):
        return False
    return not _BOOKING.isdisjoint(said.low[inner[0] : start])


def is_past(said: Said, start: int, end: int) -> bool:
    """Whether the clause around an expression clearly tells of the past."""
    inner = clause(said, start, end, sentence(said, start, end))
    return any(_sign(said, place) < 0 for place in range(*inner) if not start <= place < end)


def is_habit(said: Said, start: int, end: int) -> bool:
    """Whether the clause around an expression tells of what comes round again and again."""
    first, last = clause(said, start, end, sentence(said, start, end))
    words = said.low[first:last]
    if not _HABIT.isdisjoint(words):
        return True
    return any(one == "used" and other == "to" for one, other in pairwise(words))
