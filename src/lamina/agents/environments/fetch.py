"""A building of rooms in which things must be found and delivered in order; each room is seen only when one is in it.

The map and the goal are apart: the same map with another goal is a new task in a known place.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lamina.agents.environments.protocol import CHECK, NOT_VALID, Outcome, listed, normalised
from lamina.errors import InputError, StateError

DEPOT: Final = "hall"
_ROOMS: Final = (
    "attic bakery cellar chapel den foyer gallery garage kitchen larder laundry library loft nursery office pantry parlour porch "
    "stable studio study tower vault workshop"
).split()
_ITEMS: Final = (
    "anchor apple basket bell book bottle brush candle clock coin compass crown cup drum fan feather flute hammer hat jar kettle "
    "key ladder lantern map mask medal mirror needle pearl pen ring rope scroll shell spoon statue string trumpet vase whistle"
).split()
_FILLER: Final = (
    "dust dances in the slanting light while old boards creak under foot and somewhere far above a loose shutter knocks slowly "
    "against faded bricks as rain drums on tin roofs grey paint peels from tall walls a draught stirs heavy curtains with "
    "patterns of vines nobody has swept here since spring and cobwebs hang between beams like thin forgotten flags"
).split()


@dataclass(frozen=True, slots=True)
class FetchMap:
    """Which items lie in which rooms: pairs of an item and its room. `rooms` holds the hall, to which things are delivered, first.

    >>> FetchMap.generate(3, seed=7, items=2)
    FetchMap(rooms=('hall', 'laundry', 'gallery'), items=(('ladder', 'gallery'), ('crown', 'gallery')), seed=7)
    """

    rooms: tuple[str, ...]
    items: tuple[tuple[str, str], ...]
    seed: int = 0

    def __post_init__(self) -> None:
        names = [name for name, _ in self.items]
        if len(set(self.rooms)) < len(self.rooms) or len(set(names)) < len(names):
            raise InputError("a map's rooms have different names, and so have its items")
        if DEPOT not in self.rooms or len(self.rooms) < 2:
            raise InputError(f"a map needs the room {DEPOT!r} and one more, not {', '.join(self.rooms) or 'none'}")
        for name, room in self.items:
            if room not in self.rooms or room == DEPOT:
                raise InputError(f"the {name} lies in {room!r}, which is not one of the rooms beside the {DEPOT}")

    @classmethod
    def generate(cls, rooms: int = 10, items: int = 8, *, seed: int = 0) -> FetchMap:
        """A map of so many rooms, the hall among them, with so many items dealt out to the others."""
        for value, least, most, what in ((rooms, 2, len(_ROOMS) + 1, "rooms"), (items, 1, len(_ITEMS), "items")):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(f"the number of {what} must be a whole number from {least} to {most}, not {value!r}")
        rng = random.Random(f"map {rooms} {items} {seed}")
        named = rng.sample(_ROOMS, rooms - 1)
        return cls((DEPOT, *named), tuple((one, rng.choice(named)) for one in rng.sample(_ITEMS, items)), seed)

    def draw(self, number: int = 4, *, seed: int = 0) -> tuple[str, ...]:
        """A goal: so many of the items, in a random order."""
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(self.items):
            raise InputError(f"the number of items to deliver must be from 1 to {len(self.items)}, not {number!r}")
        return tuple(random.Random(f"goal {number} {seed}").sample([name for name, _ in self.items], number))


class FetchWorld:
    """Items are delivered to the hall, one at a time and in the order of the goal.

    One can go from any room to any other. An observation tells what lies in the room and what is carried, among words that mean nothing.

    Parameters: `map`; `order`, the items to deliver (default: four that the map's seed draws); `filler`, how many words that mean nothing.

    >>> world = FetchWorld(FetchMap.generate(3, seed=7, items=2), ("crown",), filler=3)
    >>> world.reset()
    'You are in the hall. You see nothing. You carry nothing. ...'
    >>> world.step("Go to the gallery.").observation
    'You are in the gallery. You see: crown, ladder. You carry nothing. ...'
    >>> world.step("take crown").observation
    'You take the crown. You are in the gallery. You see: ladder. You carry the crown. ...'
    >>> world.step("go to hall").done, world.step("deliver crown").progress
    (False, 1.0)
    """

    name = "fetch"
    fully_observable = False

    def __init__(self, map: FetchMap, order: Sequence[str] | None = None, *, filler: int = 25) -> None:
        if isinstance(filler, bool) or not isinstance(filler, int) or not 0 <= filler <= 1000:
            raise InputError(f"the number of words that mean nothing must be from 0 to 1,000, not {filler!r}")
        self.map, self.filler = map, filler
        self.order = map.draw(min(4, len(map.items)), seed=map.seed) if order is None else tuple(order)
        known = {name for name, _ in map.items}
        if not self.order or len(set(self.order)) < len(self.order) or not known.issuperset(self.order):
            raise InputError(f"the items to deliver must be different ones of the map, not {', '.join(self.order) or 'none'}")
        self._begun = False

    @property
    def instruction(self) -> str:
        """The rules, the actions and the rooms."""
        return (
            "You fetch things in a house and carry them to the hall, one at a time. You see only what is in the room you are in.\n"
            "These are the actions:\n"
            "- go to <room>: works from any room to any other; then you are there\n"
            "- take <item>: the item must be in your room and you must carry nothing; then you carry it\n"
            "- deliver <item>: you must be in the hall, carry the item, and it must be the next one to deliver\n"
            "- put <item>: you must carry the item; then it is in your room\n"
            f"- {CHECK}: lists what can be done now\n"
            "An action that cannot be done changes nothing.\n"
            f"These are the rooms: {', '.join(self.map.rooms)}."
        )

    @property
    def goal(self) -> str:
        """What to deliver, in order."""
        return f"Deliver these things to the hall, in this order: {', '.join(self.order)}."

    def reset(self) -> str:
        """Begin again in the hall, everything where the map says."""
        self._begun, self._over = True, False
        self._places = dict(self.map.items)
        self._room, self._carried, self._delivered, self._steps = DEPOT, "", 0, 0
        self._words = random.Random(f"words {self.map.seed}")
        return self._told("")

    def step(self, action: str) -> Outcome:
        """Do an action, given in words."""
        self._check()
        text = normalised(action)
        if text == CHECK:
            return self._outcome(listed(self.valid_actions()), True)
        for article in (" the ", " a "):
            text = text.replace(article, " ")
        if text not in self.valid_actions():
            return self._outcome(NOT_VALID, False)
        verb, _, thing = text.partition(" ")
        if verb == "go":
            self._room = thing.removeprefix("to ")
            return self._outcome(self._told(""), True)
        if verb == "take":
            self._carried, self._places[thing] = thing, ""
        else:
            self._carried = ""
            if verb == "deliver":
                self._delivered += 1
            else:
                self._places[thing] = self._room
        return self._outcome(self._told(f"You {verb} the {thing}. "), True)

    def valid_actions(self) -> list[str]:
        """The commands that can be done now, sorted."""
        self._check()
        found = [f"go to {room}" for room in self.map.rooms if room != self._room]
        if self._carried:
            found.append(f"put {self._carried}")
            if self._room == DEPOT and self.order[self._delivered] == self._carried:
                found.append(f"deliver {self._carried}")
        else:
            found += [f"take {name}" for name, room in self._places.items() if room == self._room]
        return sorted(found)

    def _check(self) -> None:
        if not self._begun:
            raise StateError("the world 'fetch' has not begun: call reset first")
        if self._over:
            raise StateError("the episode in 'fetch' is over: call reset to begin again")

    def _told(self, done: str) -> str:
        here = sorted(name for name, room in self._places.items() if room == self._room)
        start = self._words.randrange(len(_FILLER))
        words = " ".join(_FILLER[(start + n) % len(_FILLER)] for n in range(self.filler))
        seen = f"You see: {', '.join(here)}." if here else "You see nothing."
        carried = f"You carry {f'the {self._carried}' if self._carried else 'nothing'}."
        return f"{done}You are in the {self._room}. {seen} {carried}{f' {words.capitalize()}.' if words else ''}"

    def _outcome(self, observation: str, valid: bool) -> Outcome:
        self._over = self._delivered == len(self.order)
        return Outcome(observation, valid, self._delivered / len(self.order), self._over)
