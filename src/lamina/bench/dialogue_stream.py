"""Made-up dialogues: facts told among long turns about other things, questions about them, and a reader that sees nothing but the prompt."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from lamina.bench.prose import PEOPLE, THEMES, Prose
from lamina.text import sentences
from lamina.working.steps import Step

Kind = Literal["one fact", "two facts", "no history", "just said"]

WHO: Final = "sister brother aunt uncle neighbour landlord trainer boss cousin teacher grandmother dentist".split()
VALUES: Final = {
    "door code": [str(number) for number in range(1013, 9999, 173)],
    "bus line": [str(number) for number in range(103, 399, 7)],
    "hometown": "Lisbon Tallinn Oslo Cork Turin Graz Bergen Porto Ghent Malmo Split Brno Riga Basel Leeds Utrecht".split(),
    "car": "Fiat Volvo Skoda Renault Toyota Mazda Subaru Opel Honda Citroen Kia Lancia".split(),
    "soup": "borscht minestrone gazpacho laksa goulash bisque ramen pho chowder miso".split(),
    "birthday month": "January February March April May June July August September October November December".split(),
    "allergy": "peanuts latex penicillin pollen shellfish wool nickel lactose gluten mould".split(),
    "instrument": "cello trombone oboe banjo bassoon harp tuba piccolo lute marimba".split(),
    "dog": "Rex Bella Rocky Luna Bruno Daisy Oscar Molly Rufus Nala".split(),
    "shoe size": [str(number) for number in range(35, 49)],
    "profession": "plumber notary optician welder botanist translator chemist tailor pilot florist".split(),
    "football club": "Ajax Benfica Celtic Everton Fulham Galatasaray Lazio Rangers Sevilla Torino".split(),
    "flower": "lilies peonies dahlias orchids daffodils irises sunflowers violets".split(),
    "hotel": "Bristol Excelsior Astoria Savoy Metropole Continental Ambassador Imperial".split(),
    "language": "Finnish Basque Welsh Turkish Korean Danish Latvian Greek Hebrew Swahili".split(),
    "tattoo": "dragon compass swallow skull mermaid scorpion panther dagger".split(),
    "pizza": "margherita capricciosa marinara napoletana calzone hawaiian diavola".split(),
    "star sign": "Aries Taurus Gemini Leo Virgo Libra Scorpio Sagittarius Capricorn Aquarius".split(),
    "locker": [str(number) for number in range(601, 999, 13)],
    "perfume": "jasmine sandalwood bergamot patchouli vetiver neroli musk amber".split(),
}
"""What is told of somebody, and what it may be."""
_TOLD: Final = (
    "My {who}'s {what} is {value}.",
    "By the way, the {what} of my {who} is {value}.",
    "For the record, {value} is my {who}'s {what}.",
    "I learned that my {who}'s {what} is {value}.",
)
_AGAIN: Final = "My {who}'s {what} is {value}."
_CHATTER: Final = (
    "My {who} spoke about the {what} again, and I did not listen.",
    "Somebody asked my {who} for a {what} yesterday.",
    "I wonder whether my {who} cares about a {what} at all.",
)
_ONE: Final = ("What is my {who}'s {what}?", "Do you remember the {what} of my {who}?", "Which {what} does my {who} have?")
_NEAR: Final = ("What did I just say?", "What was the last thing I told you?", "Say again what I just told you.")
_WANTED: Final = (
    "Write a few lines about {a} and {b} in a {place}.", "Describe a {place} with {a} and {b}.", "Tell me a story of {person} and the {a}.",
    "What would {person} do with {a}?",
)  # fmt: skip
_GIVEN: Final = (
    "Summarise the following text: {text}", "What is the tone of this passage: {text}", "Here is what I read today. {text}", "Translate into French: {text}",
    "Do you like this? {text}",
)  # fmt: skip
_SUMS: Final = (
    ("What is {a} plus {b}?", "+"), ("Calculate {a} times {b}.", "*"), ("{a} - {b} = ?", "-"), ("How much is {a} multiplied by {b}?", "*"),
    ("A crate holds {a} bolts. How many bolts do {b} crates hold?", "*"), ("Subtract {b} from {a}.", "-"),
    ("There are {a} red kites and {b} blue kites. How many kites are there?", "+"),
)  # fmt: skip
_REPLIES: Final = ("I see.", "Thank you for telling me.", "Noted.", "All right.", "Good to know.")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something told of somebody: the turn it is told in, from 1."""

    who: str
    what: str
    value: str
    turn: int

    @property
    def named(self) -> str:
        """What it is about."""
        return f"my {self.who}'s {self.what}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A question after a turn. `facts`: what it asks for; `answer`: of a calculation."""

    after: int
    text: str
    kind: Kind
    facts: tuple[Fact, ...] = ()
    answer: str = ""


@dataclass(frozen=True)
class Dialogue:
    """Turns as pairs of what the user and the assistant say, the facts told in them, and questions in the order in which they are asked."""

    turns: Sequence[tuple[str, str]]
    facts: Sequence[Fact]
    probes: Sequence[Probe]

    def steps(self) -> list[Step]:
        """The turns as steps."""
        return [Step.turn(*turn) for turn in self.turns]


@dataclass(frozen=True)
class Stream:
    """Makes dialogues.

    Parameters: `turns`; `facts` told among them; `probes`, half about one fact, a quarter about two at least 20 turns apart, a quarter about none, and
    a quarter as many again about what was just said; `buried`, the share of the facts that stand inside a long turn; `chatter`, turns that name
    what facts are about and tell nothing; `kinds` of facts, the fewer the more alike; `length` of other turns in tokens, least and most; `seed`; `texts`, files that they are cut from.

    >>> made = Stream(turns=60, facts=8, probes=8, length=(50, 80)).made()
    >>> len(made.turns), len(made.facts), [probe.kind for probe in made.probes].count("one fact")
    (60, 8, 4)
    """

    turns: int = 200
    facts: int = 30
    probes: int = 40
    buried: float = 0.5
    chatter: int = 15
    kinds: int = len(VALUES)
    length: tuple[int, int] = (50, 1200)
    seed: int = 0
    texts: Sequence[Path] = field(default=())

    def made(self) -> Dialogue:
        """A dialogue."""
        chance = random.Random(f"dialogue {self.seed}")
        prose = Prose(self.seed, self.texts)
        slots = self._slots(chance, self.facts)
        places = sorted(chance.sample(range(1, self.turns * 3 // 4), self.facts))
        facts = [Fact(who, what, chance.choice(VALUES[what]), turn) for (who, what), turn in zip(slots, places, strict=True)]
        told = {fact.turn: chance.choice(_TOLD).format(who=fact.who, what=fact.what, value=fact.value) for fact in facts}
        idle = chance.sample([turn for turn in range(1, self.turns + 1) if turn not in told], self.chatter)
        chatter = {
            turn: chance.choice(_CHATTER).format(who=who, what=what)
            for turn, (who, what) in zip(idle, chance.choices(slots, k=len(idle)), strict=True)
        }
        turns = []
        for turn in range(1, self.turns + 1):
            line = told.get(turn) or chatter.get(turn, "")
            if line and chance.random() >= self.buried:
                turns.append((line, chance.choice(_REPLIES)))
            else:
                turns.append(self._long(chance, prose, line))
        return Dialogue(turns, facts, sorted(self._asked(chance, facts), key=lambda probe: probe.after))

    def overwritten(self, slots: int = 20, times: int = 4) -> Dialogue:
        """A dialogue in which each of a few facts is told once in each of `times` parts, each time with another value, and asked for at the end."""
        chance = random.Random(f"overwritten {self.seed}")
        prose = Prose(self.seed, self.texts)
        chosen = self._slots(chance, slots)
        left = {(who, what): chance.sample(VALUES[what], times) for who, what in chosen}
        facts, length = [], self.turns // times
        for part in range(times):
            places = chance.sample(range(part * length + 1, (part + 1) * length), slots)
            facts += [Fact(*slot, left[slot].pop(), turn) for slot, turn in zip(chosen, places, strict=True)]
        told = {fact.turn: _AGAIN.format(who=fact.who, what=fact.what, value=fact.value) for fact in facts}
        turns = [
            (told[turn], chance.choice(_REPLIES)) if turn in told else self._long(chance, prose, "")
            for turn in range(1, self.turns + 1)
        ]
        newest = {(fact.who, fact.what): fact for fact in facts}
        asked = [Probe(self.turns, f"What is {fact.named}?", "one fact", (fact,)) for fact in newest.values()]
        return Dialogue(turns, facts, asked)

    def _slots(self, chance: random.Random, count: int) -> list[tuple[str, str]]:
        return chance.sample([(who, what) for who in WHO for what in list(VALUES)[: self.kinds]], count)

    def _long(self, chance: random.Random, prose: Prose, line: str) -> tuple[str, str]:
        """A turn about something else, in which a line may stand."""
        tokens = chance.randint(*self.length)
        place, *things = chance.choice(THEMES)
        a, b = chance.sample(things, 2)
        if line or chance.random() < 0.5:
            text = prose.passage(max(tokens - 20, 1))
            if line:
                parts = sentences(text)
                at = chance.randint(0, len(parts))
                return " ".join([*parts[:at], line, *parts[at:]]), chance.choice(_REPLIES)
            return chance.choice(_GIVEN).format(text=text), chance.choice(_REPLIES)
        wanted = chance.choice(_WANTED).format(a=a, b=b, place=place, person=chance.choice(PEOPLE))
        return wanted, prose.passage(max(tokens - 20, 1))

    def _asked(self, chance: random.Random, facts: Sequence[Fact]) -> list[Probe]:
        found = []
        for fact in chance.sample(list(facts), min(self.probes // 2, len(facts))):
            text = chance.choice(_ONE).format(who=fact.who, what=fact.what)
            found.append(Probe(chance.randint(min(fact.turn + 3, self.turns), self.turns), text, "one fact", (fact,)))
        for _ in range(self.probes // 4):
            first, second = self._apart(chance, facts)
            after = chance.randint(min(max(first.turn, second.turn) + 3, self.turns), self.turns)
            found.append(Probe(after, f"What are {first.named} and {second.named}?", "two facts", (first, second)))
            wording, sign = chance.choice(_SUMS)
            a, b = chance.randint(40, 99), chance.randint(2, 39)
            answer = {"+": a + b, "-": a - b, "*": a * b}[sign]
            after = chance.randint(self.turns // 4, self.turns)
            found.append(Probe(after, wording.format(a=a, b=b), "no history", (), str(answer)))
        for fact in chance.sample(list(facts), min(self.probes // 4, len(facts))):
            found.append(Probe(fact.turn, chance.choice(_NEAR), "just said", (fact,)))
        return found

    def _apart(self, chance: random.Random, facts: Sequence[Fact]) -> tuple[Fact, Fact]:
        far = self.turns // 10
        pairs = [(one, other) for one in facts for other in facts if other.turn - one.turn >= far] or [(facts[0], facts[-1])]
        return chance.choice(pairs)


# --------------------------------------------------------------------------------------------------------------- reader
_TURN: Final = re.compile(r"^\[Turn \d+\] ", re.MULTILINE)


def read(prompt: str, probe: Probe) -> bool:
    """Whether a reader that sees this prompt alone answers a probe rightly.

    It works sums out by itself. For a fact it takes the last value in the prompt that stands in one sentence with whom and what is asked
    for; for what was just said, the turn that stands last.
    """
    shown, _, said = prompt.rpartition(probe.text)
    if said.strip():
        return False
    if probe.kind == "no history":
        return _worked_out(probe.text) == probe.answer
    if probe.kind == "just said":
        (fact,) = probe.facts
        turns = _TURN.split(shown)
        return len(turns) > 1 and value_in(turns[-1], fact) == fact.value
    return all(value_in(shown, fact) == fact.value for fact in probe.facts)


def value_in(text: str, asked: Fact) -> str | None:
    """The last value that a text gives for what a fact is about; None where it gives none.

    >>> value_in("My aunt's car is a wreck. My aunt's car is Fiat. Is my aunt's car a Kia?", Fact("aunt", "car", "", 1))
    'Fiat'
    """
    values = set(VALUES[asked.what])
    found = None
    for sentence in sentences(text):
        if asked.who in sentence and asked.what in sentence and not sentence.endswith("?"):
            for word in re.findall(r"\w+", sentence):
                found = word if word in values else found
    return found


def _worked_out(text: str) -> str:
    """The result of a sum in words."""
    numbers = [int(one) for one in _NUMBER.findall(text)]
    if text.startswith("Subtract"):
        numbers.reverse()
    if "plus" in text or text.startswith("There are"):
        return str(numbers[0] + numbers[1])
    if "-" in text or text.startswith("Subtract"):
        return str(numbers[0] - numbers[1])
    return str(numbers[0] * numbers[1])
