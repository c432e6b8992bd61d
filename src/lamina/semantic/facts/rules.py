"""What predicates say which attribute: one table, read top down; the first rule that fits an attribute counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.semantic.facts.claims import Act
from lamina.semantic.facts.occupations import is_occupation

_CAPITAL: Final = r"[A-ZÀ-ÞĀ-Ž][\w'’&.-]*"
_JOINED: Final = rf"(?P<v>{_CAPITAL}(?:(?: (?:of|de|da|do|la|le|upon|am|and|&|for))* {_CAPITAL}| \d+)*)"
_PLACE: Final = rf"(?:(?:a|the|an?) (?:village|town|city|place)(?: called| of)? )?{_JOINED}"
_FIRM: Final = (
    rf"(?:(?:a|an|the|this)? ?(?:place|firm|company|startup|shop|school|start-up|agency) called |the |an? )?(?:{_JOINED}|(?<=the )(?P<w>(?!moment|weekend|same|end|time|back|desk|"
    r"morning|evening|beginning|office|house|garden|best|worst|door|table|top|bottom|other|first|whole|new|old)[a-z]+(?: (?:council|office|service|company|school|hospital|museum|paper|board|library|clinic|bank))?))"
)
_END: Final = r"(?:[ ,.!].*)?$"
_BE: Final = r"(?:am|is|are|will be|have been|has been)"
_JOB: Final = r"(?:(?:a|an) |(?:the|our) (?=[a-z -]+ (?:at|of|for|in)\b))?(?P<v>[a-z][\w-]*(?: [a-z][\w-]*){0,3})"


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of what is said of somebody, and what it says. The group `v` (or `w`) is the value, unless `value` is given.

    `event`: a time beside it is when it began; else only a time after "since" is. `possessive`: it follows "my", "Ana's". `occupation`: the value must be one.
    `plan`: it counts only with a time to come.
    """

    attribute: str
    pattern: str
    act: Act = "holds"
    value: str | None = None
    event: bool = False
    possessive: bool = False
    occupation: bool = False
    plan: bool = False


_CITY: Final = (
    Rule("city", rf"^(?:{_BE} )?(?:back )?(?:live|lives|living|reside|resides|residing) (?:here )?in {_PLACE}{_END}"),
    Rule("city", rf"^{_BE} (?:based|settled) in {_PLACE}{_END}"),
    Rule("city", rf"^(?:have|has) settled (?:down )?in {_PLACE}{_END}", event=True),
    Rule("city", rf"^(?:have been|has been|been) in {_PLACE} since\b.*$"),
    Rule("city", rf"^(?:have made|has made|made) {_PLACE} (?:my|her|his|our|their) home{_END}", event=True),
    Rule("city", rf"^(?:home is|hometown is now) {_PLACE}{_END}", possessive=True),
    Rule(
        "city",
        rf"^(?:(?:have|has) )?(?:just )?(?:moved|relocated|emigrated|move) (?:back |over |away )?(?:from (?!the )[^,]+? )?to {_PLACE}{_END}",
        event=True,
    ),
    Rule("city", rf"^(?:(?:have|has) )?moved in with .+? in {_PLACE}{_END}", event=True),
    Rule("city", rf"^(?:(?:have|has) )?left [A-Z]\w+ for {_PLACE}{_END}", event=True),
    Rule("city", rf"^{_BE} (?:moving|relocating|emigrating) (?:back )?to {_PLACE}{_END}", event=True, plan=True),
    Rule("city", rf"^will (?:move|relocate|live) (?:to|in) {_PLACE}{_END}", event=True, plan=True),
    Rule("city", rf"^(?:have |has )?(?:moved away from|moved out of|left) {_PLACE}{_END}", "ends", event=True),
    Rule("city", rf"^used to live in {_PLACE}{_END}", "ends"),
    Rule("city", rf"^stopped living in {_PLACE}{_END}", "ends"),
)
_WORK: Final = r"(?:work|works|working|worked|teach|teaches|employed|freelancing)"
_EMPLOYER: Final = (
    Rule("employer", rf"^(?:{_BE} )?(?:currently )?(?:(?:work|works|working|teach|teaches|teaching|employed) (?:as .+? )?)(?:at|for|with|by) {_FIRM}{_END}"),
    Rule("employer", r"^(?:have been |has been |am |is |are )?(?:work|works|working) for (?P<v>myself|himself|herself)\b.*$"),
    Rule("employer", rf"^(?:have|has) (?:been )?work(?:ed|ing) (?:at|for|with) {_FIRM}{_END}"),
    Rule("employer", rf"^been work(?:ed|ing) (?:at|for|with) {_FIRM}{_END}"),
    Rule("employer", rf"^(?:have been|has been) (?:at|with) {_FIRM} (?:for|since)\b.*$"),
    Rule("employer", rf"^{_BE} with {_FIRM}(?: (?:in|as|until)\b.*)?$"),
    Rule("employer", rf"^{_BE} on contract with {_FIRM}{_END}"),
    Rule("employer", rf"^{_BE} at {_FIRM} (?:as an?|these days)\b.*$"),
    Rule("employer", rf"^{_BE} an? [a-z -]+? (?:at|with) {_FIRM}{_END}"),
    Rule("employer", rf"^(?:have |has )?(?:just )?(?:joined|join|signed with|signed up with) {_FIRM}{_END}", event=True),
    Rule("employer", rf"^(?:have |has )?(?:just )?(?:started|start) (?:work(?:ing)? |a job |a new job )?(?:at|with|for) {_FIRM}{_END}", event=True),
    Rule("employer", rf"^(?:was |got |have been |has been |been )?(?:hired|employed) by {_FIRM}{_END}", event=True),
    Rule("employer", rf"^(?:have |has )?(?:got|landed|found|took|taken|accepted|have|has|take) (?:a|the|my|an)?(?: new| dream)? ?(?:job|position|post) (?:at|with) {_FIRM}{_END}", event=True),
    Rule("employer", rf"^(?:new )?employer is {_FIRM}{_END}", possessive=True),
    Rule("employer", rf"^(?:have |has )?(?:(?:switched|changed) from (?:the )?|moved from the )[\w &]+? to {_FIRM}{_END}", event=True),
    Rule("employer", rf"^(?:have |has )?(?:quit|left|resigned from|leave|quit (?:my|the|her|his) job at|left (?:my|the|her|his) job at) {_FIRM}{_END}", "ends", event=True),
    Rule("employer", rf"^{_BE} leaving {_FIRM}{_END}", "ends", event=True),
    Rule("employer", rf"^(?:was |were |got |have been |has been )(?:laid off|fired|sacked|let go|made redundant|dismissed) (?:from|by|at) {_FIRM}{_END}", "ends", event=True),
    Rule("employer", rf"^(?:have |has )?handed in (?:my|her|his) notice at {_FIRM}{_END}", "ends", event=True),
    Rule("employer", rf"^(?:have |has )?lost (?:my|her|his|the) job (?:at|with) {_FIRM}{_END}", "ends", event=True),
    Rule("job", rf"^(?:have |has )?lost (?:my|her|his|the) job as {_JOB}{_END}", "ends", event=True),
    Rule("employer", rf"^used to work (?:at|for|with) {_FIRM}{_END}", "ends"),
    Rule("employer", rf"^(?:have )?(?:stopped working|quit working) (?:at|for|with) {_FIRM}{_END}", "ends", event=True),
    Rule("employer", rf"^(?:have |has )?turned {_FIRM} down\b.*$", "never"),
)  # fmt: skip
_OCCUPATION: Final = (
    Rule(
        "job",
        rf"^(?:{_BE} )?(?:back )?(?:currently )?(?:work|works|working|employed|freelancing) (?:(?:at|for|in|with) .+? )?as {_JOB}{_END}",
    ),
    Rule("job", rf"^{_BE} {_JOB}{_END}", occupation=True),
    Rule("job", rf"^(?:have|has) (?:a |the )?(?:new )?job as {_JOB}{_END}"),
    Rule(
        "job",
        rf"^(?:have |has )?(?:took|taken|take|got|found|started|landed|accepted|get) (?:a |the |my |work )?(?:new |part-time )?(?:job|work|position|post|role)? ?as {_JOB}{_END}",
        event=True,
    ),
    Rule(
        "job",
        rf"^(?:have |has )?(?:was |got |been )*(?:hired|promoted|appointed|named|employed|taken on) (?:as|to) {_JOB}{_END}",
        event=True,
    ),
    Rule("job", rf"^(?:have |has )?(?:become|became|turned into) {_JOB}{_END}", event=True, occupation=True),
    Rule("job", rf"^(?:have |has )?(?:went|gone|going|go) back to (?:being|working as) {_JOB}{_END}", event=True),
    Rule(
        "job",
        rf"^(?:job|title|profession|trade|job title|position) (?:is|has changed to) {_JOB}{_END}",
        possessive=True,
        occupation=True,
    ),
    Rule("job", rf"^make[s]? (?:my|a|her|his) living as {_JOB}{_END}"),
    Rule("job", r"^(?:am |is |are |have been |has been )(?P<v>unemployed|retired|jobless|out of work|self-employed)\b.*$"),
    Rule("job", r"^(?:have |has )?retired\b.*$", value="retired", event=True),
    Rule("job", rf"^used to be {_JOB}{_END}", "ends", occupation=True),
    Rule("job", rf"^(?:have |has )?(?:stopped|quit|gave up|given up) (?:being|working as) {_JOB}{_END}", "ends", event=True),
)
_STATUS: Final = (
    Rule(
        "relationship",
        r"^(?:am|is|are) (?:a )?(?:happily |newly )?(?P<v>single|married|engaged|divorced|separated|widowed)\b(?! (?:room|parent|mother|father|mum|dad|bed)).*$",
    ),
    Rule("relationship", r"^(?:have been|has been) (?P<v>single|married|engaged|divorced|separated|widowed)\b.*$"),
    Rule("relationship", r"^(?:am|is) a (?:widow|widower)\b.*$", value="widowed"),
    Rule(
        "relationship",
        r"^(?:am|is|are) (?:in a (?:new )?relationship|dating|seeing someone|seeing somebody)\b.*$",
        value="in a relationship",
    ),
    Rule("relationship", r"^(?:have|has) a (?:new )?(?:boyfriend|girlfriend)\b.*$", value="in a relationship"),
    Rule("relationship", r"^(?:have |has )?(?:just )?(?:got|gotten) (?P<v>married|engaged|divorced|separated)\b.*$", event=True),
    Rule("relationship", rf"^(?:have |has )?(?:just )?married {_CAPITAL}{_END}", value="married", event=True),
    Rule("relationship", r"^(?:have |has )?remarried\b.*$", value="married", event=True),
    Rule("relationship", r"^(?:have |has )?(?:broke|broken|split|split) up\b.*$", value="single", event=True),
)
_TASTES: Final = (
    Rule(
        "favourite *",
        r"^(?:new |all-time |absolute )*favourite (?P<a>[a-z]+(?: [a-z]+)?) (?:of all time |right now |ever )?(?:is|are)(?: still)? (?P<v>.+)$",
        possessive=True,
    ),
    Rule("prefers *", r"^prefers? (?P<v>[a-z]+) (?P<a>[a-z]+)(?: (?:on|for|because|when|where|over)\b.*)?$"),
    Rule(
        "diet",
        r"^(?:am|is|are|have been|has been|have gone|has gone|went|have become|became|turned|have turned) (?:a |an )?(?:strict )?(?P<v>vegan|vegetarian|pescatarian|veggie)\b.*$",
        event=True,
    ),
    Rule(
        "diet",
        r"^(?:have |has )?(?:stopped being|gave up being|quit being) (?:a |an )?(?P<v>vegan|vegetarian|pescatarian|veggie)\b.*$",
        "ends",
    ),
)
_PERSON: Final = (
    Rule(
        "age",
        r"^(?:am|is|are|turned|have turned|just turned) (?P<v>\d{1,3})(?: years old| years of age)?(?: (?:today|yesterday|last \w+))?$",
    ),
    Rule("name", rf"^name is {_JOINED}{_END}", possessive=True),
    Rule("phone", r"^(?:new )?(?:phone|mobile|cell|telephone)(?: number)? is (?P<v>\+?[\d][\d ()/-]{4,})$", possessive=True),
    Rule("email", r"^(?:new )?e?-?mail(?: address)? is (?P<v>\S+@\S+\w)$", possessive=True),
    Rule("boss", rf"^(?:new )?(?:boss|manager|supervisor) is {_JOINED}{_END}", possessive=True),
    Rule(
        "car", rf"^(?:drive|drives|am driving|is driving) (?:an? |my |the )(?:old |new |blue |red |white |black )?{_JOINED}{_END}"
    ),
    Rule(
        "car",
        rf"^(?:have |has )?(?:sold|got rid of|crashed|scrapped) (?:the |my |her |his |our )(?:old )?{_JOINED}{_END}",
        "ends",
        event=True,
    ),
    Rule(
        "school",
        rf"^(?:am |is |have been |has been )?(?:study|studies|studying|enrolled|a student) (?:[a-z]+ )?(?:at|with) {_FIRM}{_END}",
    ),
    Rule("school", rf"^(?:have |has )?(?:dropped out of|graduated from|left|quit) {_FIRM}{_END}", "ends", event=True),
)
RULES: Final[tuple[Rule, ...]] = (*_CITY, *_EMPLOYER, *_OCCUPATION, *_STATUS, *_TASTES, *_PERSON)

_ADVERBS: Final = (
    r"\b(?:now|currently|still|just|also|finally|recently|already|always|once more|really|actually|then|officially|these days|nowadays|at the moment|right now|at present|as well"
    r"|truly|definitely|again|too|proudly|happily|absolutely|simply|both|all)\b"
)
_PRAISE: Final = frozenset(
    "such so very quite great good bad best better amazing wonderful awesome inspiring fantastic terrible big huge real true talented brilliant natural born incredible excellent perfect lovely fellow fast slow strong".split()
)
"""Words that say how somebody is, not what somebody does: "he is a great teacher" may be said of anybody."""
_STOPS: Final = frozenset(
    "at for in on by and from with these who of that because since while until near but or mostly nights where when as to than there here so like just who's these this last next every in today yesterday".split()
)


@lru_cache(maxsize=1)
def compiled() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    """The rules with their patterns, compiled with the first statement that is read."""
    return tuple((rule, re.compile(rule.pattern)) for rule in RULES)


@lru_cache(maxsize=1)
def _adverbs() -> re.Pattern[str]:
    return re.compile(_ADVERBS)


def without_adverbs(rest: str) -> str:
    """A predicate without the small words in it that change no value.

    >>> without_adverbs("am now still living in Wells these days")
    'am living in Wells'
    """
    return " ".join(_adverbs().sub(" ", rest).split())


def job_value(value: str, strict: bool) -> str:
    """The occupation at the beginning of some words; "" where there is none (`strict`: only one that is known as such).

    >>> job_value("freelance illustrator from Accra", True), job_value("huge fan of trains", True)
    ('freelance illustrator', '')
    """
    kept: list[str] = []
    for word in value.split():
        if word in _STOPS and not (word == "of" and kept and kept[-1] == "head"):
            break
        kept.append(word)
    while kept and strict and not is_occupation(kept[-1]):
        kept.pop()
    if not {"a", "an", "the", "your", "my", "her", "his", "their", "our"}.isdisjoint(kept):
        return ""
    if not kept or not _PRAISE.isdisjoint(kept[:-1]) or kept[0] in ("not", "no", "going"):
        return ""
    return " ".join(kept)
