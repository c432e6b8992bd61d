"""Whether words are about what was or about what is planned."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

from lamina.expressions.lexicon import MINUTES, POSSESSIVES, PRONOUNS, SHORT_MONTHS, UNITS
from lamina.expressions.tokens import Said

Prefer = Literal["past", "future", "told"]
_REACH: Final = 30  # tokens of a sentence that are looked at, on either side

_PLANNING: Final = frozenset(
    """will shall ll 'll gonna must should plan plans planning hope hopes hoping hopefully intend intends upcoming might tomorrow
    can want wants need needs expecting expect due supposed""".split()
)
_ARRANGED: Final = frozenset("planned booked reserved arranged scheduled expected supposed due set invited meant".split())
"""Participles that tell of what is to come where they stand behind a form of "be" in the present."""
_RECALL: Final = frozenset("remember recall know remind tell show forget say think".split())
_BE: Final = frozenset("am is are 'm 're be being isn aren".split())
_PAST_BE: Final = frozenset("was were wasn weren been".split())
_SHORT_BE: Final = PRONOUNS | frozenset("what when where how why here which".split())
"""Words behind which a short "'s" is a verb."""
_PAST: Final = frozenset(
    """was were wasn weren did didn had hadn couldn used ago yesterday ate awoke arose became began begun beat been beheld bent bet bit
    bled blew born bought bred broke broken broadcast brought built burnt burst cast caught chose clung came cost crept cut dealt done
    drank dreamt drew drove driven dug dwelt eaten fed fell fallen felt fit fled flew flown flung forbade forecast foresaw forgave forsook
    forgot forgotten fought found froze gave given gone got grew grown heard held hid hit hung hurt kept knelt knew knit known laid
    lay leant leapt learnt led left lent lit lost made meant met misled misread mistook misunderstood outdid outgrew overcame overdid
    overheard oversaw overslept overtook overthrew paid pled put quit ran rang read rebuilt redid rewrote rid rode rose said sang sank
    sat saw seen sent set sewed shed shone shook shot showed shown shrank shut slept slew slid slit slung slunk smelt snuck sold
    sought spat sped spelt spent spilt split spoilt spoke spread sprang spun stank stole stood strode strove struck strung stuck stung
    sung sunk swam swept swore swum swung taken taught thought threw thrown thrust told took tore torn trod undertook underwent
    understood undid upheld upset wed went wept wet withdrew withheld withstood woke won wore worn wound wove written wrote
    wrung""".split()
)
_SAME: Final = frozenset(
    """beat bet broadcast burst cast cost cut fit forecast hit hurt knit put quit read rid set shed shut slit split spread thrust upset
    wed wet""".split()
)
"""Past forms that are also plain verbs."""
_NOT_PAST: Final = frozenset(
    """need indeed exceed proceed succeed embed hundred kindred hatred sacred naked wicked speed breed bleed greed creed steed freed
    infrared excited interested tired retired married worried allowed""".split()
)
_NOUN_SIGNS: Final = POSSESSIVES | frozenset("the a an of at in on to by with for and this that".split())
"""Words behind which a past form is a noun or an adjective."""
_NOT_GOING: Final = frozenset(
    """thing anything nothing something everything morning evening during king ring spring wedding building meeting string wing
    ceiling feeling clothing housing painting dining outing sibling""".split()
)
_PRESENT: Final = frozenset(
    """starts start begins begin ends end leaves leave departs depart arrives arrive opens open closes close flies fly expires expire
    finishes resumes lands returns return comes come meets meet runs run takes take goes go sails sings plays have has do does don
    doesn 've reopens restarts premieres airs docks kicks falls happens moves move gets see deadline appointment turns marries graduates retires joins visits launches celebrates stays
    heads hosts changes switches performs speaks signs play perform marry graduate retire visit launch stay""".split()
)
_SCHEDULES: Final = _PRESENT - frozenset("have has do does don doesn 've gets get see takes take plays sings lasts".split())
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
_MODAL: Final = frozenset("to will 'll won would could can should shall must might may do does did didn don let 'd".split())
_HAVE: Final = frozenset("have has 've haven hasn".split())
_HAD: Final = frozenset("did didn do does was were had".split())
_CLAUSE: Final = frozenset(", ( ) – — and but so because while although though when where who which that if whom".split())
_SENTENCE: Final = frozenset(". ! ? ; : \n".split(" "))
_SHORTENED: Final = SHORT_MONTHS | frozenset("dr mr mrs ms st prof no vs etc p m a".split())
_HABIT: Final = frozenset("always usually often sometimes normally typically generally every each rarely whenever".split())
_ABLE: Final = frozenset(
    """can could able manage managed possible learn far fast quickly only first second third fourth fifth time times once twice""".split()
)
_NO_SUPERLATIVE: Final = frozenset(
    """west guest test rest forest interest contest request honest nest chest harvest protest invest suggest breast priest arrest quest
    everest latest""".split()
)
_NO_VERB: Final = frozenset(
    """always never often usually still also just really only both all and or not ever then even finally first last would could who
    that to in on at for with""".split()
)
_INSIDE_BE: Final = frozenset("the a an my your his her our their not already also just never fully being all both 't".split())

_REQUESTS: Final = frozenset("list show tell find give summarize summarise recall search look remind check name".split())
_COMMANDS: Final = frozenset(
    "bring call meet come pick send book buy water feed take pay join wear pack please collect ring".split()
)
"""Verbs that ask somebody to do something, where they stand first."""

Tense = Literal["past", "present", "plan", "open", ""]
"""Of an expression's words; "open": they tell of a plan that may be long over (he said he would come on Friday)."""


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
    """What a token says of time: 3 a plan of the past, 2 a plan, 1 the present, -2 the past, 0 nothing."""
    sign = said.signs.get(place)
    if sign is None:
        sign = said.signs[place] = _read_sign(said, place)
    return sign


def _read_sign(said: Said, place: int) -> int:
    low = said.low
    word = low[place]
    before, behind = low[place - 1], low[place + 1]
    if word in ("be", "being"):
        return 0
    if word in _BE or word == "'s":
        return _be_sign(said, place)
    if word in _ARRANGED and _is_participle(said, place):
        return 2
    if word in _PLANNING:
        if word in ("should", "must", "might") and behind == "have":
            return -2
        if before in _NOUN_SIGNS and word in ("hope", "need", "might", "can", "will", "must", "due"):
            return 0
        if word in ("due", "supposed"):
            return 0
        return 0 if word == "can" and low[place + 2] in _RECALL else 2
    if word in ("won", "don", "let", "going", "looking", "would", "'d", "remember", "remind"):
        special = _special_sign(said, place)
        if special is not None:
            return special
    if word in _PAST or (len(word) > 4 and word.endswith("ed") and word not in _NOT_PAST and not said.capital(place)):
        if word in _SAME and _after(said, place, _MODAL):
            return 0
        if word == "got" and _after(said, place, _HAVE):
            return 1
        if _is_future_perfect(said, place):
            return 0
        if word not in _PAST_BE and (before in _NOUN_SIGNS or _is_participle(said, place)):
            return 0
        return -2
    if word == "off" and behind == "to":
        return 1
    if word.endswith("ing") and len(word) > 5 and word not in _NOT_GOING and (place == 0 or _ends(said, place - 1)):
        return 1  # "Getting married in June!"
    if word in _COMMANDS and (place == 0 or _ends(said, place - 1)):
        return 0 if word == "please" and behind in _REQUESTS else 1
    if word in _HAVE:
        return _have_sign(said, place)
    if word in _PRESENT:
        asked = "did" in low[max(0, place - 5) : place] or before in ("to", "t", "'t")
        asked = asked or before in _MODAL
        return 0 if asked or behind in _RECALL or low[place + 2] in _RECALL else 1
    if before in PRONOUNS and before not in ("who", "there", "this", "that") and word.isalpha() and word not in _NO_VERB:
        return 0 if _after(said, place - 1, _HAD) or low[place - 2] in _MODAL or low[place - 2] in _BE else 1
    return 0


def _special_sign(said: Said, place: int) -> int | None:
    """What words tell that mean a plan only together: won't, don't forget, let's, going to, looking forward, would like."""
    low = said.low
    word, behind = low[place], low[place + 1]
    if word == "won":
        return 2 if behind == "'t" else None
    if word == "don":
        return 2 if low[place + 2] == "forget" else None
    if word == "let":
        return 2 if behind == "'s" else (0 if _after(said, place, _MODAL) else -2)
    if word == "going":
        if behind != "to":
            return None
        return 0 if low[place - 1] in ("was", "were") else 2
    if word == "looking":
        return 2 if behind == "forward" else None
    if word in ("would", "'d"):
        wish = behind in ("like", "love", "rather", "prefer", "better")
        return 2 if wish else (3 if word == "would" else 0)
    return 2 if behind == "to" or low[place + 2] == "to" else 0  # "remember to", "remind me to"


def _have_sign(said: Said, place: int) -> int:
    """A form of "have": a duty, a perfect (its participle tells), or a possession."""
    low = said.low
    if low[place + 1] == "to":
        return 2
    for step in (1, 2, 3):
        word = low[place + step]
        if word in _PAST or (len(word) > 4 and word.endswith("ed") and word not in _NOT_PAST):
            return 0
        if not word.isalpha() and word != "'t":
            break
    return 0 if _after(said, place, _HAD) else 1


def _be_sign(said: Said, place: int) -> int:
    if _progressive(said, place):
        return 2
    low = said.low
    if low[place] == "'s" and low[place - 1] not in _SHORT_BE:
        return 1 if low[place + 1] in ("in", "on", "at", "due", "not", "over", "up", "off") else 0
    return 1


def _after(said: Said, place: int, words: frozenset[str]) -> bool:
    """Whether one of some words stands one to three tokens before."""
    low = said.low
    return any(low[place - step] in words for step in (1, 2, 3) if place >= step)


def _is_participle(said: Said, place: int) -> bool:
    """Whether a form of "be" makes it a participle of the present: is booked, will be shut, are we invited."""
    low = said.low
    for step in (1, 2, 3, 4):
        word = low[place - step]
        if (word in _BE or word == "'s") and place >= step:
            behind = low[place - step + 1]
            return step == 1 or behind in _INSIDE_BE or behind.endswith("ly") or (word != "'s" and behind in PRONOUNS)
    return False


def _is_future_perfect(said: Said, place: int) -> bool:
    """Whether "will have" stands before a participle."""
    low = said.low
    for step in (1, 2, 3):
        if low[place - step] in ("have", "'ve") and place > step:
            return low[place - step - 1] in ("will", "'ll", "shall")
    return False


def _progressive(said: Said, place: int) -> bool:
    low = said.low
    for step in (1, 2, 3):
        word = low[place + step]
        if word.endswith("ing") and len(word) > 4 and word not in _NOT_GOING:
            return True
        if not word.isalpha() and word != "'t":
            return False
    return False


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


_VERBLESS: Final = 4  # words beside the expression: with more of them a clause has a verb of its own


def _tense(said: Said, start: int, end: int, stretch: tuple[int, int], clear: bool = False) -> Tense:
    """What the nearest sign says, before or behind the expression; with `clear`, the nearest of a plan or the past if there is one."""
    nearest = 2 * _REACH
    meant = 0
    for place in range(*stretch):
        if start <= place < end:
            continue
        sign = _sign(said, place)
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


_TENSES: Final[dict[int, Tense]] = {3: "open", 2: "plan", 1: "present", 0: "", -2: "past"}


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
    if not _RECALL.isdisjoint(low[first:last]):
        return False
    asked, verb = low[first], low[first + 1]
    if asked in _BE or asked in ("do", "does", "don", "doesn"):
        return True
    if asked in ("have", "has") and "got" in low[first:start]:
        return True
    if asked in ("when", "where", "how"):
        return verb in _BE or verb in ("do", "does", "'s")
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
    return any(said.low[place] in _BE or (said.low[place] == "'s" and _sign(said, place)) for place in range(first, last))


def is_past(said: Said, start: int, end: int) -> bool:
    """Whether the clause around an expression clearly tells of the past."""
    inner = clause(said, start, end, sentence(said, start, end))
    return any(_sign(said, place) < 0 for place in range(*inner) if not start <= place < end)


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
    arranged = any(word in _SCHEDULES or word in _BE or word == "'s" for word in low[first:last])
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
