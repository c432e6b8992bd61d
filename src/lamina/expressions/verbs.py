"""What single words tell of past, present and plans."""

from __future__ import annotations

from typing import Final

from lamina.expressions.lexicon import POSSESSIVES, PRONOUNS, SHORT_MONTHS
from lamina.expressions.tokens import Said

_PLANNING: Final = frozenset(
    """will shall ll 'll gonna must should plan plans planning hope hopes hoping hopefully intend intends upcoming might tomorrow
    can want wants need needs expecting expect due supposed""".split()
)
_ARRANGED: Final = frozenset("planned booked reserved arranged scheduled expected supposed due set invited meant".split())
"""Participles that tell of what is to come where they stand behind a form of "be" in the present."""
RECALL: Final = frozenset("remember recall know remind tell show forget say think".split())
BE: Final = frozenset("am is are 'm 're be being isn aren".split())
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
PRESENT: Final = frozenset(
    """starts start begins begin ends end leaves leave departs depart arrives arrive opens open closes close flies fly expires expire
    finishes resumes lands returns return comes come meets meet runs run takes take goes go sails sings plays have has do does don
    doesn 've reopens restarts premieres airs docks kicks falls happens moves move gets see deadline appointment turns marries graduates retires joins visits launches celebrates stays
    heads hosts changes switches performs speaks signs play perform marry graduate retire visit launch stay""".split()
)
_MODAL: Final = frozenset("to will 'll won would could can should shall must might may do does did didn don let 'd".split())
_HAVE: Final = frozenset("have has 've haven hasn".split())
_HAD: Final = frozenset("did didn do does was were had".split())
_SENTENCE: Final = frozenset(". ! ? ; : \n".split(" "))
_SHORTENED: Final = SHORT_MONTHS | frozenset("dr mr mrs ms st prof no vs etc p m a".split())
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


def ends_sentence(said: Said, place: int) -> bool:
    """Whether a token is a sign that ends a sentence, not the point of a short form."""
    word = said.low[place]
    if word not in _SENTENCE:
        return False
    return word != "." or said.low[place - 1] not in _SHORTENED or said.low[place + 1] == ""


def sign_of(said: Said, place: int) -> int:
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
    if word in BE or word == "'s":
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
        return 0 if word == "can" and low[place + 2] in RECALL else 2
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
    if word.endswith("ing") and len(word) > 5 and word not in _NOT_GOING and (place == 0 or ends_sentence(said, place - 1)):
        return 1  # "Getting married in June!"
    if word in _COMMANDS and (place == 0 or ends_sentence(said, place - 1)):
        return 0 if word == "please" and behind in _REQUESTS else 1
    if word in _HAVE:
        return _have_sign(said, place)
    if word in PRESENT:
        asked = "did" in low[max(0, place - 5) : place] or before in ("to", "t", "'t")
        asked = asked or before in _MODAL or (before in PRONOUNS and low[place - 2] in _MODAL) or low[place - 2] == "let"
        return 0 if asked or behind in RECALL or low[place + 2] in RECALL else 1
    if before in PRONOUNS and before not in ("who", "there", "this", "that") and word.isalpha() and word not in _NO_VERB:
        return 0 if _after(said, place - 1, _HAD) or low[place - 2] in _MODAL or low[place - 2] in BE else 1
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
        if (word in BE or word == "'s") and place >= step:
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
