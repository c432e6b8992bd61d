"""Statements as (head, relation, tail), read from plain English by patterns, and what follows from several of them.

After the rule stand-ins for the model of L. Liu et al., "Think-in-Memory: Recalling and Post-thinking Enable LLMs with Long-Term Memory",
2023: what is functional holds one tail, the newest; a denial takes away what it denies; tails of one relation are joined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lamina.errors import InputError
from lamina.text import fold, sentences


@dataclass(frozen=True, slots=True)
class Triple:
    """One statement. `positive`: False for a denial; `functional`: the relation has one tail at a time.

    A relation is a verb in the third person ("lives in"), or a noun for what somebody's something is ("favourite colour"). Raises
    `InputError` where a part is empty.

    >>> Triple("Ana", "lives in", "Braga").text, Triple("Ana", "favourite colour", "green", functional=True).text
    ('Ana lives in Braga', "Ana's favourite colour is green")
    """

    head: str
    relation: str
    tail: str
    positive: bool = True
    functional: bool = False

    def __post_init__(self) -> None:
        for name in ("head", "relation", "tail"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"a thought needs a head, a relation and a tail: its {name} is {value!r}")

    @property
    def text(self) -> str:
        """The statement as a sentence."""
        return sentence(self.head, self.relation, [self.tail], self.positive)


@dataclass(frozen=True, slots=True)
class Told:
    """A triple with where it comes from: the `sources` it rests on (the first is where it was told), at what time, and its place in the
    order of telling."""

    triple: Triple
    sources: tuple[str, ...]
    at: int
    order: int = 0


@dataclass(frozen=True, slots=True)
class Thought:
    """What is held of a head: a sentence, the triples it stands for, and all that was considered for it."""

    head: str
    relation: str
    text: str
    tails: tuple[str, ...]
    positive: bool
    at: int
    rests_on: tuple[Told, ...]


@dataclass(frozen=True)
class _Verb:
    """How one relation is said: `relation` as it is kept, `said` as a pattern, in the affirmative."""

    relation: str
    said: str
    functional: bool = False
    listed: bool = False  # "tea and coffee" are two tails
    denies: bool = False  # the pattern itself says no: "hates"


_VERBS: Final = (
    _Verb(
        "lives in",
        r"(?:live|lives|lived|living) in|(?:'ve |have |has |had )?(?:just )?moved (?:from [A-Z]\w+ )?to|moves to",
        functional=True,
    ),
    _Verb("works as", r"(?:work|works|started|worked) as", functional=True),
    _Verb("works with", r"(?:work|works) with", listed=True),
    _Verb("works at", r"(?:work|works) (?:at|for)|started (?:working )?at", functional=True),
    _Verb("comes from", r"(?:am|'m|is) (?:originally )?from|(?:come|comes) from", functional=True),
    _Verb("is married to", r"(?:am|'m|is) married to|married", functional=True),
    _Verb("is allergic to", r"(?:am|'m|is) allergic to", listed=True),
    _Verb("is afraid of", r"(?:am|'m|is) afraid of", listed=True),
    _Verb("likes", r"(?:really |also |still |just )?(?:like|likes|love|loves|enjoy|enjoys|adore|adores)", listed=True),
    _Verb("likes", r"(?:hate|hates|dislike|dislikes|can't stand|cannot stand)", listed=True, denies=True),
    _Verb("owns", r"(?:own|owns|bought|adopted|got(?! (?:to|into|up|back|out|it|used)\b))", listed=True),
    _Verb("has", r"(?:have|has)(?! (?:been|to|a lot|just|never|moved|not)\b)", listed=True),
    _Verb("plays", r"(?:play|plays)", listed=True),
    _Verb("speaks", r"(?:speak|speaks)", listed=True),
    _Verb("studies", r"(?:study|studies|am studying|'m studying|is studying)", listed=True),
    _Verb("knows", r"(?:know|knows)", listed=True),
    _Verb("owes", r"(?:owe|owes)", listed=True),
    _Verb("is", r"(?:am|'m|is)(?= (?:an?|the) )"),
)
_DENIED: Final = {
    "lives in": "does not live in", "works as": "does not work as", "works with": "does not work with", "works at": "does not work at",
    "comes from": "does not come from", "likes": "does not like", "owns": "does not own", "has": "does not have", "plays": "does not play",
    "speaks": "does not speak", "studies": "does not study", "knows": "does not know", "owes": "does not owe",
}  # fmt: skip

_NAME: Final = r"[A-Z][\w-]*(?: [A-Z][\w-]*)*"
_NO_NAMES: Final = frozenset(
    """I He She It They We You This That These Those There What When Where Who Why How If And But So Yes No Well Oh My Your His Her Their Our
    Just Really Still Even Maybe Sounds Looks Stuff People Everyone Everybody Someone Somebody Nobody Each Every Both Some Any All No Not
    The A An Then Now Also Maybe Thanks Hey Hi Here Today Yesterday Tomorrow After Before Since As In On At For""".split()
)
_SUBJECT: Final = rf"(?P<me>I)(?=[ '])|[Mm]y (?P<kin>[a-z]+)|(?P<owner>{_NAME})'s (?P<theirs>[a-z]+)|(?P<name>{_NAME})"
_NO: Final = r"(?P<no>(?:do not|does not|don't|doesn't|no longer|never|stopped|am not|is not|isn't|'m not|have not|has not) )?"
_CLAUSES: Final = tuple(
    (verb, re.compile(rf"(?:^|[,;] |\band |\bbut )(?:{_SUBJECT}) ?{_NO}(?P<verb>{verb.said})\b(?=(?P<tail>.*))"))
    for verb in _VERBS
)
_ATTRIBUTE: Final = re.compile(
    rf"(?:^|[,;] |\band |\bbut )(?:[Mm]y|(?P<owner>{_NAME})'s) (?P<relation>[a-z]+(?: [a-z]+){{0,2}}?) is (?P<no>not |no longer )?(?:now )?"
    r"(?P<tail>(?!(?:an?|the|so|very|really|not) )\S.*)"
)
_END: Final = re.compile(
    r"[.!?;:(\n]|,(?! (?:[\w-]+,|and\b|[\w-]+ and\b))|\b(?:but|because|since|when|while|so|which|who|that|what|how|why|if|and (?:I|he|she|it|they|we|my|[A-Z]\w+ (?:is|has|likes|lives|works))|"
    r"with (?:my|his|her)|last (?:week|month|year|night)|this (?:week|month|year)|next (?:week|month|year)|these days|any ?more|again|now|today|yesterday|tomorrow|too|as well|"
    r"for (?:a|the last)|in (?:January|February|March|April|May|June|July|August|September|October|November|December|\d{4}))\b"
)
_LIST: Final = re.compile(r",? and |, ?| & ")
_BASE: Final = frozenset("live work come like love enjoy adore hate dislike own have play speak study know owe am 'm".split())
"""Forms that go with "I" and with several, not with one name."""
LONGEST: Final = 8
"""Words of a tail; what is longer is a story, not a fact."""


def read_triples(text: str, speaker: str = "") -> list[Triple]:
    """The statements that a text makes of the speaker ("I", "my …") and of people it names; questions state nothing.

    >>> [triple.text for triple in read_triples("I moved to Oslo last week. My sister likes tea and jazz, but Ben hates tea.", "Ana")]
    ['Ana lives in Oslo', "Ana's sister likes tea", "Ana's sister likes jazz", 'Ben does not like tea']
    """
    found: dict[Triple, None] = {}
    for one in sentences(text):
        plain = one.replace("’", "'").strip()
        if not plain.endswith("?"):
            places = [*_verbs_in(plain, speaker), *_attributes_in(plain, speaker)]
            for _, triples in sorted(places, key=lambda pair: pair[0]):
                found.update(dict.fromkeys(triples))
    return list(found)


def _verbs_in(plain: str, speaker: str) -> list[tuple[int, list[Triple]]]:
    found = []
    for verb, clause in _CLAUSES:
        for match in clause.finditer(plain):
            head = _head(match, speaker)
            tail = _tail(match["tail"])
            if head is None or tail is None or not _agrees(match):
                continue
            positive = (match["no"] is None) != verb.denies
            tails = [part.strip() for part in _LIST.split(tail) if part.strip()] if verb.listed else [tail]
            found.append((match.start(), [Triple(head, verb.relation, one, positive, verb.functional) for one in tails]))
    return found


def _attributes_in(plain: str, speaker: str) -> list[tuple[int, list[Triple]]]:
    found = []
    for match in _ATTRIBUTE.finditer(plain):
        head, tail = match["owner"] or speaker, _tail(match["tail"])
        if head and tail is not None and head.split()[0] not in _NO_NAMES:
            found.append((match.start(), [Triple(head, match["relation"], tail, match["no"] is None, functional=True)]))
    return found


def _agrees(match: re.Match[str]) -> bool:
    """Whether the form of the verb goes with who is named: "Events like these" is no statement about events, "Ana likes these" is one."""
    one = match["name"] or match["theirs"] or (match["kin"] or "").rstrip() or None
    third = one is not None and match["me"] is None and not (match["name"] is None and one.endswith("s"))
    base = match["verb"].split()[-1 if match["verb"].split()[0] in ("really", "also", "still", "just") else 0] in _BASE
    return not third or not base or match["no"] is not None


def _head(match: re.Match[str], speaker: str) -> str | None:
    """Who or what a clause is about; None where that cannot be told."""
    if match["me"] or match["kin"]:
        return (f"{speaker}'s {match['kin']}" if match["kin"] else speaker) if speaker else None
    name = match["owner"] or match["name"]
    if name.split()[0] in _NO_NAMES:
        return None
    return f"{name}'s {match['theirs']}" if match["owner"] else name


def _tail(rest: str) -> str | None:
    end = _END.search(rest)
    tail = (rest[: end.start()] if end else rest).strip(" ,'\"")
    return tail if tail and len(tail.split()) <= LONGEST else None


def sentence(head: str, relation: str, tails: Sequence[str], positive: bool = True, cap: int = 12) -> str:
    """One sentence for some tails; several, each of at most `cap`, where there are more.

    >>> sentence("Ana", "likes", ["tea", "jazz", "rain"], positive=False)
    'Ana does not like tea, jazz or rain'
    """
    verb = relation.split()[0] in _THIRD_PERSON
    start = f"{head} {relation}" if verb else f"{head}'s {relation} is"
    if not positive:
        denied = _DENIED.get(relation)
        start = (
            f"{head} {denied}"
            if denied
            else f"{head} {relation.replace('is', 'is not', 1)}"
            if relation.startswith("is")
            else f"{start} not"
        )
    parts = []
    for first in range(0, len(tails), cap):
        some = tails[first : first + cap]
        last = f" {'and' if positive else 'or'} {some[-1]}" if len(some) > 1 else ""
        parts.append(f"{start} {', '.join(some[:-1]) if last else some[0]}{last}")
    return ". ".join(parts)


_THIRD_PERSON: Final = frozenset(verb.relation.split()[0] for verb in _VERBS)


def slot_of(triple: Triple) -> tuple[str, str]:
    """What a triple is about: head and relation, folded."""
    return fold(triple.head), fold(triple.relation)


@dataclass(frozen=True)
class RuleOrganiser:
    """Keeps the statements of one head and relation clean, in the order of their times.

    Parameters: `forget`, whether what was replaced or denied goes; `merge`, whether tails are joined in a sentence; `cap`, tails of a
    sentence at most.

    >>> told = [Told(Triple("Ana", "lives in", town, functional=True), (town,), at) for at, town in enumerate(["Rome", "Oslo"])]
    >>> [thought.text for thought in RuleOrganiser().organise(told)]
    ['Ana lives in Oslo']
    """

    forget: bool = True
    merge: bool = True
    cap: int = 12

    def __post_init__(self) -> None:
        if self.cap < 1:
            raise InputError(f"cap must be at least 1, not {self.cap}")

    def organise(self, told: Sequence[Told]) -> list[Thought]:
        """The thoughts that follow, of each head and relation, in the order in which these were first told."""
        slots: dict[tuple[str, str], list[Told]] = {}
        for one in sorted(told, key=lambda one: (one.at, one.order, one.sources, one.triple.tail)):
            slots.setdefault(slot_of(one.triple), []).append(one)
        return [thought for slot in slots.values() for thought in self._slot(slot)]

    def _slot(self, told: Sequence[Told]) -> list[Thought]:
        kept: dict[bool, dict[str, Told]] = {True: {}, False: {}}
        for one in told:
            tail, positive = fold(one.triple.tail), one.triple.positive
            if self.forget:
                kept[not positive].pop(tail, None)
                if positive and one.triple.functional:
                    kept[True].clear()
                    kept[False].clear()  # what is said not to be is no news where it is known what is
            kept[positive].pop(tail, None)  # the newest stands last
            kept[positive][tail] = one
        found = []
        for positive, some in kept.items():
            groups = [list(some.values())] if self.merge else [[one] for one in some.values()]
            found += [self._thought(group, positive, told) for group in groups if group]
        return found

    def _thought(self, some: Sequence[Told], positive: bool, told: Sequence[Told]) -> Thought:
        newest = some[-1]
        head, relation = newest.triple.head, newest.triple.relation
        tails = tuple(one.triple.tail for one in some)
        text = sentence(head, relation, tails, positive, self.cap)
        return Thought(
            head, relation, text, tails, positive, newest.at, tuple(told) if self.merge or self.forget else tuple(some)
        )
