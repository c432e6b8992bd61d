"""A made-up town: districts of streets of places with captions and positions, and questions about it whose answers are known."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

DISTRICTS: Final[Mapping[str, Sequence[str]]] = {
    "park": "lawn oak pond ducks picnic meadow squirrel playground blossom hedge rose shade birch grass fountain".split(),
    "campus": "students lecture library professor dormitory seminar laboratory exam graduation faculty textbook scholarship tutor dean classroom".split(),
    "mall": "shops escalator boutique fashion discount checkout jewellery perfume shoes handbag cosmetics mannequin sale brands shoppers".split(),
    "docks": "crane container ship harbour anchor cargo sailor warehouse pier trawler ropes gulls barge quay lighthouse".split(),
    "hospital": "nurse ambulance clinic surgeon patients ward pharmacy wheelchair emergency doctor bandage stretcher medicine x-ray maternity".split(),
    "stadium": "football fans goal referee scoreboard grandstand league striker penalty coach trophy kickoff supporters match jersey".split(),
    "airport": "runway terminal passport luggage boarding airline pilot departure customs jet hangar suitcase check-in flights takeoff".split(),
    "farmland": "tractor barn wheat cows harvest hens silo plough fodder orchard sheep stable hay manure fence".split(),
}
"""The words of each district; the first name is its own."""
STREETS: Final = "Alder Bramble Cobalt Dorset Ember Fennel Gannet Hollow Ivory Juniper Kestrel Linden Marble Nettle Oriel Pepper Quarry Rowan Saffron Tansy".split()
NOISE: Final = (
    "car bicycle sign lamp cloud bench pavement window door wall post bin stairs puddle pigeon cable sky shadow brick bus".split()
)
COLOURS: Final = "purple orange turquoise crimson silver golden striped violet emerald ivory".split()
OBJECTS: Final = "unicycle piano telescope sombrero gramophone canoe chandelier typewriter accordion globe mailbox trombone rocket armchair anvil".split()
SIDE: Final = 300.0  # metres of a district, which touches the next ones


@dataclass(frozen=True, slots=True)
class Place:
    """A place: what is seen there, where it is in metres, and the district it lies in."""

    caption: str
    position: tuple[float, float]
    district: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question about the town: `target`, the place that it was made from, and its `district`."""

    text: str
    target: int
    district: str


@dataclass(frozen=True)
class Town:
    """A town of so many places, spread evenly over its districts.

    Parameters: `places`; `stray`, the chance that a word of a caption is one of another district; `seed`. A caption has three words of its district, the name
    of its street and three words that are seen anywhere; one in twenty has an object that is nowhere else.
    """

    places: int = 2000
    stray: float = 0.3
    seed: int = 0

    def built(self) -> tuple[list[Place], list[Query], list[Query]]:
        """The places, explicit queries (an object that is in one place) and implicit ones (words of a place's district that its caption lacks)."""
        chance = random.Random(self.seed)
        things = [f"{colour} {thing}" for colour in COLOURS for thing in OBJECTS]
        chance.shuffle(things)
        found: list[Place] = []
        explicit: list[Query] = []
        implicit: list[Query] = []
        for number in range(self.places):
            place = number % len(DISTRICTS)
            district = list(DISTRICTS)[place]
            own = [district, *DISTRICTS[district]]
            said = [self._strayed(chance, district) if chance.random() < self.stray else word for word in chance.sample(own, 3)]
            column = chance.randrange(5)
            street = STREETS[(place * 5 + column) % len(STREETS)]
            words = [*said, *chance.sample(NOISE, 3)]
            chance.shuffle(words)
            if number % 20 == 7 and things:
                thing = things.pop()
                words.insert(chance.randrange(len(words)), f"a {thing}")
                explicit.append(Query(f"the {thing}", number, district))
            if number % 10 == 3:
                left = chance.sample([word for word in own[1:] if word not in said], 2)
                implicit.append(
                    Query(
                        f"Where can I find {left[0]} and {left[1]}, near a {chance.choice(NOISE)} or a {chance.choice(NOISE)}?",
                        number,
                        district,
                    )
                )
            position = (
                SIDE * (place % 4) + 60 * column + 30 + chance.uniform(-5, 5),
                SIDE * (place // 4) + chance.uniform(0, SIDE),
            )
            found.append(Place(f"{street} Street: {', '.join(words)}.", position, district))
        return found, explicit, implicit

    def _strayed(self, chance: random.Random, district: str) -> str:
        other = chance.choice([name for name in DISTRICTS if name != district])
        return chance.choice(DISTRICTS[other])
