"""The kitchen of `kitchen` as facts: what its robots see, and what their skills need and change, for agents that plan by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from lamina.agents.environments.kitchen import CONTAINERS, ITEMS, KITCHEN, PLACES, KitchenWorld
from lamina.agents.roles import Look
from lamina.agents.skills import Call, SkillPool
from lamina.working.sightings import Fact, Key, Sighting

if TYPE_CHECKING:
    from lamina.agents.environments.planning import Fact as Literal
    from lamina.agents.environments.protocol import Outcome

ROBOTS: Final = tuple(name for name, kind in KITCHEN.constants.items() if kind == "robot")
LOCATIONS: Final = (*PLACES, *CONTAINERS)
NAMES: Final[Mapping[str, Sequence[str]]] = {
    "robot": ROBOTS, "place": PLACES, "item": ITEMS, "location": LOCATIONS, "container": CONTAINERS,
}  # fmt: skip
NOTHING: Final = "nothing"
_NEVER: Final = Fact("nobody", "reaches", "it")

Change = tuple[tuple[Fact, ...], tuple[Fact, ...]]
"""What a skill needs, and what holds after it."""


class KitchenRobots:
    """The robots of a `KitchenWorld` (see `World` and `ActionModel`). The world begins when this is made.

    Parameters: `world`.

    >>> from lamina.agents.environments.kitchen import kitchen_problem
    >>> robots = KitchenRobots(KitchenWorld(kitchen_problem(seed=1)))
    >>> robots.skills.read("open('robot_2', 'drawer_1')", robots.names).text
    "open('robot_2', 'drawer_1')"
    """

    names = NAMES

    def __init__(self, world: KitchenWorld) -> None:
        self.world = world
        world.reset()
        self._by = {fact[1]: fact[2] for fact in world.problem.start if fact[0] == "by"}
        self._serves = {fact[1:] for fact in world.problem.start if fact[0] == "serves"}
        self._fixed = {fact[1]: fact[2] for fact in world.problem.start if fact[0] == "at"}
        self._mobile = {fact[1] for fact in world.problem.start if fact[0] == "mobile"}
        self.skills = SkillPool([self.navigate_to, self.pick_from, self.release_to, self.open, self.close])
        self.change = cache(self._change)
        self._calls = cache(self._grounded)

    # ------------------------------------------------------------------------------------------------------------ world
    @property
    def goal(self) -> str:
        """The task in one sentence."""
        return self.world.goal

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts that must hold at the end."""
        return tuple(_facts(one.fact for one in self.world.problem.goal))

    @property
    def model(self) -> KitchenRobots:
        """What the skills need and change."""
        return self

    @property
    def disturbances(self) -> int:
        """How often something happened."""
        return len(self.world.happened)

    def look(self) -> Look:
        """What the robots see: that a location is open to view says that nothing else lies in it."""
        text = self.world.observe()
        return Look(text, self._sighting(self.world.facts))

    def known(self) -> Look:
        """How everything was in the beginning."""
        return Look("", self._sighting(self.world.problem.start))

    def step(self, action: str) -> Outcome:
        """Do a skill."""
        return self.world.step(action)

    def could(self, calls: Sequence[Call]) -> bool:
        """Whether all these calls could be done one after the other from now on, if nothing disturbed them."""
        state = {fact.key: fact.value for fact in _facts(self.world.truth)}
        for call in calls:
            if any(state.get(fact.key) != fact.value for fact in self.needs(call)):
                return False
            state.update((fact.key, fact.value) for fact in self.effects(call))
        return True

    def _sighting(self, literals: Iterable[Literal]) -> Sighting:
        literals = list(literals)
        facts = frozenset(_facts(literals))
        shown = [one[1] for one in literals if one[0] == "open"]
        denied = {Fact(item, "in", where) for item in ITEMS for where in (*shown, *ROBOTS)} - facts
        return Sighting(facts, frozenset(denied))

    # ------------------------------------------------------------------------------------------------------------ skills
    def navigate_to(self, place: str) -> Change:
        """Drives the robot that can move to a place.

        place: where to
        """
        return (), tuple(Fact(robot, "at", place) for robot in self._mobile)

    def pick_from(self, robot: str, item: str, location: str) -> Change:
        """Takes an item out of an open location with a free hand.

        robot: who does it; it must stand there and reach it
        item: what is taken
        location: a place, or a container there
        """
        needs = (Fact(robot, "holds", NOTHING), Fact(item, "in", location), *self._reach(robot, location), *_open(location))
        return needs, (Fact(item, "in", robot), Fact(robot, "holds", item))

    def release_to(self, robot: str, item: str, location: str) -> Change:
        """Puts the item in the hand into an open location.

        robot: who does it
        item: what it holds
        location: a place, or a container there
        """
        needs = (Fact(robot, "holds", item), *self._reach(robot, location), *_open(location))
        return needs, (Fact(item, "in", location), Fact(robot, "holds", NOTHING))

    def open(self, robot: str, container: str) -> Change:
        """Opens a closed container.

        robot: who does it
        container: what is opened
        """
        return (*self._reach(robot, container), Fact(container, "is", "closed")), (Fact(container, "is", "open"),)

    def close(self, robot: str, container: str) -> Change:
        """Closes an open container.

        robot: who does it
        container: what is closed
        """
        return (*self._reach(robot, container), Fact(container, "is", "open")), (Fact(container, "is", "closed"),)

    # ------------------------------------------------------------------------------------------------------------- model
    def calls(self, about: frozenset[str]) -> Sequence[Call]:
        """See `ActionModel`."""
        return self._calls(about & set(ITEMS), about & set(CONTAINERS))

    def needs(self, call: Call) -> tuple[Fact, ...]:
        """See `ActionModel`."""
        return self.change(call)[0]

    def effects(self, call: Call) -> tuple[Fact, ...]:
        """See `ActionModel`."""
        return self.change(call)[1]

    def sight(self, fact: Fact) -> tuple[Fact, ...]:
        """See `ActionModel`."""
        where = fact.value if fact.relation == "in" else fact.subject
        home = self._by.get(where)
        still = home is None or any(self._fixed[robot] == home for robot in ROBOTS if robot not in self._mobile)
        there = () if still else tuple(Fact(robot, "at", str(home)) for robot in self._mobile)
        return (*there, *_open(where)) if fact.relation == "in" else there

    def whereabouts(self, key: Key) -> Sequence[str]:
        """See `ActionModel`."""
        return LOCATIONS if key[0] in ITEMS and key[1] == "in" else ()

    @property
    def presumed(self) -> Mapping[Key, Fact]:
        """See `ActionModel`: doors are closed, hands are free."""
        return _PRESUMED

    def rank(self, goal: Fact) -> int:
        """See `ActionModel`."""
        return int(goal.relation == "is")

    def _change(self, call: Call) -> Change:
        change: Change = getattr(self, self.skills.check(call, NAMES).skill)(*call.arguments)
        return change

    def _reach(self, robot: str, location: str) -> tuple[Fact, ...]:
        if (robot, location) not in self._serves:
            return (_NEVER,)
        return (Fact(robot, "at", self._by[location]),) if robot in self._mobile else ()

    def _grounded(self, items: frozenset[str], containers: frozenset[str]) -> Sequence[Call]:
        doors = sorted(containers)
        calls = [Call("navigate_to", (place,)) for place in PLACES]
        calls += [Call(skill, (robot, door)) for skill in ("open", "close") for robot in ROBOTS for door in doors]
        calls += [
            Call(skill, (robot, item, where))
            for item in sorted(items) for robot in ROBOTS for where in (*PLACES, *doors) for skill in ("pick_from", "release_to")
        ]  # fmt: skip
        return tuple(call for call in calls if _NEVER not in self.needs(call))


def _open(location: str) -> tuple[Fact, ...]:
    return (Fact(location, "is", "open"),) if location in CONTAINERS else ()


def _facts(literals: Iterable[Literal]) -> list[Fact]:
    """The literals of the kitchen as facts of one value each."""
    facts: list[Fact] = []
    for name, *about in literals:
        if name in ("at", "in"):
            facts.append(Fact(about[0], name, about[1]))
        elif name == "holding":
            facts += [Fact(about[0], "holds", about[1]), Fact(about[1], "in", about[0])]
        elif name == "free":
            facts.append(Fact(about[0], "holds", NOTHING))
        elif name in ("open", "closed") and about[0] in CONTAINERS:
            facts.append(Fact(about[0], "is", name))
    return facts


_PRESUMED: Final[Mapping[Key, Fact]] = {
    fact.key: fact
    for fact in (*(Fact(name, "is", "closed") for name in CONTAINERS), *(Fact(robot, "holds", NOTHING) for robot in ROBOTS))
}
