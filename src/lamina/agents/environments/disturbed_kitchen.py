"""A kitchen of text that is disturbed while two robots work in it.

Four places (each a surface too), a container at each, eight objects. `robot_1` drives and has one hand; `robot_2` is fixed at the counter, and
it alone can reach into the drawer there. Doors are opened with an empty hand. Both robots see the place where they are and what is in an open
container there. With probability p, before each action, one thing happens: an object is moved, an open container is closed, or the action fails
silently, as if it had been done. What happens before an action can be seen before it.

After the kitchen in M. Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic Environments", 2025, with
two robots of the same restrictions; rooms, things and disturbances are made up.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from lamina.agents.environments.protocol import CHECK, NOT_VALID, Outcome, listed, normalised
from lamina.agents.roles import Look
from lamina.agents.skills import Call, SkillPool
from lamina.errors import InputError, StateError
from lamina.working.sightings import Fact, Key, Sighting

MOVER: Final = "robot_1"
FIXED: Final = "robot_2"
ROBOTS: Final = (MOVER, FIXED)
PLACES: Final = ("table", "stove", "pantry", "counter")
HOMES: Final[Mapping[str, str]] = {"cabinet": "table", "oven": "stove", "refrigerator": "pantry", "drawer": "counter"}
"""Where each container stands."""
OBJECTS: Final = ("cup", "plate", "fork", "pan", "apple", "bread", "milk", "cheese")
LOCATIONS: Final = (*PLACES, *HOMES)
NOTHING: Final = "nothing"
NAMES: Final[Mapping[str, Sequence[str]]] = {
    "robot": ROBOTS, "place": PLACES, "object": OBJECTS, "container": LOCATIONS, "openable": tuple(HOMES),
}  # fmt: skip

Disturbed = Literal["anything", "task"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a skill needs, and what holds after it."""

    needs: tuple[Fact, ...]
    effects: tuple[Fact, ...]


def navigate_to(place: str) -> Change:
    """Drives robot_1 to a place.

    place: where to
    """
    return Change((), (Fact(MOVER, "at", place),))


def pick_from(robot: str, object: str, container: str) -> Change:
    """Takes an object out of an open container, or from a surface, with an empty hand.

    robot: who does it; robot_2 reaches the counter and the drawer only, robot_1 everything but the drawer, where it is
    object: what is taken
    container: a place or a container in it
    """
    needs = (Fact(robot, "holds", NOTHING), Fact(object, "in", container), *_reach(robot, container), *_open(container))
    return Change(needs, (Fact(object, "in", robot), Fact(robot, "holds", object)))


def release_to(robot: str, object: str, container: str) -> Change:
    """Puts the object in the hand into an open container, or onto a surface.

    robot: who does it
    object: what is in its hand
    container: a place or a container in it
    """
    needs = (Fact(robot, "holds", object), *_reach(robot, container), *_open(container))
    return Change(needs, (Fact(object, "in", container), Fact(robot, "holds", NOTHING)))


def open_door(robot: str, openable: str) -> Change:
    """Opens a closed container with an empty hand.

    robot: who does it
    openable: a container
    """
    needs = (Fact(robot, "holds", NOTHING), *_reach(robot, openable), Fact(openable, "is", "closed"))
    return Change(needs, (Fact(openable, "is", "open"),))


def close_door(robot: str, openable: str) -> Change:
    """Closes an open container.

    robot: who does it
    openable: a container
    """
    return Change((*_reach(robot, openable), Fact(openable, "is", "open")), (Fact(openable, "is", "closed"),))


SKILLS: Final[Sequence[Callable[..., Change]]] = (navigate_to, pick_from, release_to, open_door, close_door)
_BY_NAME: Final = {skill.__name__: skill for skill in SKILLS}
_NEVER: Final = Fact("nobody", "reaches", "it")


def _reach(robot: str, location: str) -> tuple[Fact, ...]:
    home = HOMES.get(location, location)
    if robot == FIXED:
        return () if home == "counter" else (_NEVER,)
    return (_NEVER,) if location == "drawer" else (Fact(MOVER, "at", home),)


def _open(location: str) -> tuple[Fact, ...]:
    return (Fact(location, "is", "open"),) if location in HOMES else ()


class KitchenModel:
    """What the skills need and change (see `ActionModel`); nothing of the state.

    Parameters: `spring`: doors of the other containers fall shut when robot_1 drives away.

    >>> model = KitchenModel()
    >>> [fact.text for fact in model.needs(Call("pick_from", ("robot_1", "cup", "oven")))]
    ['robot_1 holds nothing', 'cup in oven', 'robot_1 at stove', 'oven is open']
    """

    def __init__(self, spring: bool = False) -> None:
        self.spring = spring
        self.pool = SkillPool(SKILLS)

    def calls(self, about: frozenset[str]) -> Sequence[Call]:
        """See `ActionModel`."""
        return _calls(frozenset(name for name in about if name in OBJECTS), frozenset(name for name in about if name in HOMES))

    def needs(self, call: Call) -> tuple[Fact, ...]:
        """See `ActionModel`."""
        return _change(call).needs

    def effects(self, call: Call) -> tuple[Fact, ...]:
        """See `ActionModel`."""
        effects = _change(call).effects
        if self.spring and call.skill == "navigate_to":
            shut = (name for name, home in HOMES.items() if home != call.arguments[0] and name != "drawer")
            return (*effects, *(Fact(name, "is", "closed") for name in shut))
        return effects

    def sight(self, fact: Fact) -> tuple[Fact, ...]:
        """See `ActionModel`."""
        where = fact.value if fact.relation == "in" else fact.subject
        home = HOMES.get(where, where)
        there = () if home == "counter" or where in ROBOTS else (Fact(MOVER, "at", home),)
        return (*there, *_open(where)) if fact.relation == "in" else there

    def whereabouts(self, key: Key) -> Sequence[str]:
        """See `ActionModel`."""
        return LOCATIONS if key[0] in OBJECTS and key[1] == "in" else ()

    @property
    def presumed(self) -> Mapping[Key, Fact]:
        """See `ActionModel`: doors are closed, hands are empty."""
        return _PRESUMED

    def rank(self, goal: Fact) -> int:
        """See `ActionModel`: doors come last."""
        return int(goal.relation == "is")


@cache
def _change(call: Call) -> Change:
    return _BY_NAME[call.skill](*call.arguments)


@cache
def _calls(objects: frozenset[str], containers: frozenset[str]) -> Sequence[Call]:
    doors = sorted(containers)
    calls = [Call("navigate_to", (place,)) for place in PLACES]
    calls += [Call(skill, (robot, door)) for skill in ("open_door", "close_door") for robot in ROBOTS for door in doors]
    for thing in sorted(objects):
        for robot in ROBOTS:
            calls += [Call(skill, (robot, thing, at)) for at in (*PLACES, *doors) for skill in ("pick_from", "release_to")]
    return tuple(call for call in calls if _NEVER not in _change(call).needs)


_PRESUMED: Final[Mapping[Key, Fact]] = {
    fact.key: fact
    for fact in (*(Fact(name, "is", "closed") for name in HOMES), *(Fact(robot, "holds", NOTHING) for robot in ROBOTS))
}


class DisturbedKitchen:
    """The kitchen itself (see `World` and `Environment`).

    Parameters: `goal`, facts that must hold at the end; `seed` of where things are and of disturbances; `p`, the probability of a disturbance before each action;
    `disturbed`: "anything", or only what the "task" is about; `hidden`: the objects begin in containers, not anywhere; `spring`: see `KitchenModel`;
    `limit` of steps. Raises `InputError` for a goal that is none and numbers out of range.

    >>> kitchen = DisturbedKitchen([Fact("cup", "in", "table")], seed=1)
    >>> kitchen.step("navigate_to('stove')").observation
    "navigate_to('stove'): done."
    >>> kitchen.step("open_door('robot_1', 'drawer')").valid
    False
    """

    name = "disturbed kitchen"
    fully_observable = False

    def __init__(
        self,
        goal: Sequence[Fact],
        *,
        seed: int = 0,
        p: float = 0.0,
        disturbed: Disturbed = "anything",
        hidden: bool = False,
        spring: bool = False,
        limit: int = 60,
    ) -> None:
        if not 0 <= p <= 1:
            raise InputError(f"the probability of a disturbance lies in [0, 1], not at {p!r}")
        if disturbed not in ("anything", "task"):
            raise InputError(f"{disturbed!r} is not what can be disturbed: use 'anything' or 'task'")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InputError(f"a limit is a whole number of steps of at least 1, not {limit!r}")
        for fact in goal:
            moved = fact.relation == "in" and fact.subject in OBJECTS and fact.value in LOCATIONS
            if not moved and not (fact.relation == "is" and fact.subject in HOMES and fact.value in ("open", "closed")):
                raise InputError(f"{fact.text!r} is no goal here: say 'OBJECT in PLACE', or 'CONTAINER is open' or 'closed'")
        if not goal:
            raise InputError("the goal is empty: name at least one fact")
        self.facts, self.seed, self.p, self.limit = tuple(goal), seed, p, limit
        self.disturbed, self.hidden = disturbed, hidden
        self.model = KitchenModel(spring)
        self.reset()

    # --------------------------------------------------------------------------------------------------- environment
    @property
    def goal(self) -> str:
        """The task in one sentence."""
        return f"Make it so that {', and '.join(fact.text for fact in self.facts)}."

    @property
    def instruction(self) -> str:
        """The rules and the skills."""
        homes = ", ".join(f"the {name} at the {home}" for name, home in HOMES.items())
        return f"{MOVER} drives; {FIXED} is fixed at the counter. Containers: {homes}.\n{self.skills.text}"

    @property
    def skills(self) -> SkillPool:
        """What can be done."""
        return self.model.pool

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """What there is, by kind."""
        return NAMES

    def reset(self) -> str:
        """Put everything where it begins; returns what is seen."""
        chance = random.Random(self.seed)
        self._random = random.Random(f"{self.seed} disturbances")
        wanted = {fact.key: fact.value for fact in self.facts}
        self.state: dict[Key, str] = {key: fact.value for key, fact in _PRESUMED.items()}
        self.state[MOVER, "at"] = chance.choice(PLACES)
        for thing in OBJECTS:
            places = [one for one in (tuple(HOMES) if self.hidden else LOCATIONS) if wanted.get((thing, "in")) != one]
            self.state[thing, "in"] = chance.choice(places)
        self.steps, self.disturbances, self._fails, self._over = 0, 0, False, False
        self.began = dict(self.state)
        self._disturb()
        return self.look().text

    def step(self, action: str) -> Outcome:
        """Do a call in words."""
        if self._over:
            raise StateError("the episode is over: reset starts it again")
        self.steps += 1
        told, valid = self._done(action)
        self._over = self.steps >= self.limit
        self._disturb()
        return Outcome(told, valid, self.progress, self._over)

    def _done(self, action: str) -> tuple[str, bool]:
        fails, self._fails = self._fails, False
        if normalised(action) == CHECK:
            return listed(self.valid_actions()), True
        try:
            call = self.skills.read(action, NAMES)
        except InputError:
            return NOT_VALID, False
        if not self.can(call):
            return NOT_VALID, False
        if not fails:
            self.state.update((fact.key, fact.value) for fact in self.model.effects(call))
        return f"{call.text}: done.", True  # also where it failed silently

    def valid_actions(self) -> list[str]:
        """The calls that can be done now."""
        calls = self.model.calls(frozenset((*OBJECTS, *HOMES)))
        return sorted(call.text for call in calls if self.can(call))

    def can(self, call: Call) -> bool:
        """Whether a call can be done now."""
        return all(self.state.get(fact.key) == fact.value for fact in self.model.needs(call))

    def could(self, calls: Sequence[Call]) -> bool:
        """Whether all these calls could be done one after the other from now on, if nothing disturbed them."""
        state = dict(self.state)
        for call in calls:
            if any(state.get(fact.key) != fact.value for fact in self.model.needs(call)):
                return False
            state.update((fact.key, fact.value) for fact in self.model.effects(call))
        return True

    @property
    def progress(self) -> float:
        """The share of the goal's facts that hold."""
        return sum(self.state[fact.key] == fact.value for fact in self.facts) / len(self.facts)

    # ---------------------------------------------------------------------------------------------------- disturbances
    def _disturb(self) -> None:
        """With probability p, one of the things that can happen before the next action."""
        if self._random.random() >= self.p:
            return
        things, doors = list(OBJECTS), list(HOMES)
        if self.disturbed == "task":
            things = sorted({fact.subject for fact in self.facts if fact.relation == "in"})
            doors = sorted({name for fact in self.facts for name in (fact.subject, fact.value) if name in HOMES})
        free = [thing for thing in things if self.state[thing, "in"] not in ROBOTS]
        ajar = [door for door in doors if self.state[door, "is"] == "open"]
        kinds = ["fails", *(["moved"] if free else []), *(["closed"] if ajar else [])]
        kind = self._random.choice(kinds)
        self.disturbances += 1
        if kind == "moved":
            thing = self._random.choice(free)
            self.state[thing, "in"] = self._random.choice([one for one in LOCATIONS if one != self.state[thing, "in"]])
        elif kind == "closed":
            self.state[self._random.choice(ajar), "is"] = "closed"
        else:
            self._fails = True

    # ---------------------------------------------------------------------------------------------------------- seeing
    def look(self) -> Look:
        """What the robots see: their places, their hands, what is there and in open containers."""
        seen = dict.fromkeys((self.state[MOVER, "at"], "counter"))
        doors = [name for name, home in HOMES.items() if home in seen]
        inside = [*seen, *(name for name in doors if self.state[name, "is"] == "open"), *ROBOTS]
        return _as_look(self.state, doors, inside)

    def known(self) -> Look:
        """Where everything was in the beginning: for tasks in which nothing must be searched."""
        return _as_look(self.began, list(HOMES), [*LOCATIONS, *ROBOTS])


def _as_look(state: Mapping[Key, str], doors: Sequence[str], inside: Sequence[str]) -> Look:
    facts = [Fact(MOVER, "at", state[MOVER, "at"]), *(Fact(robot, "holds", state[robot, "holds"]) for robot in ROBOTS)]
    facts += [Fact(door, "is", state[door, "is"]) for door in doors]
    denied = [Fact(thing, "in", at) for thing in OBJECTS for at in inside if state[thing, "in"] != at]
    found = {at: [thing for thing in OBJECTS if state[thing, "in"] == at] for at in inside}
    facts += [Fact(thing, "in", at) for at, things in found.items() for thing in things]
    lines = [f"{MOVER} is at the {state[MOVER, 'at']}."]
    lines += [f"{robot} holds {state[robot, 'holds']}." for robot in ROBOTS]
    lines += [f"The {door} is {state[door, 'is']}." for door in doors]
    lines += [f"In the {at}: {', '.join(found[at]) or NOTHING}." for at in inside if at not in ROBOTS]
    return Look(" ".join(lines), Sighting(frozenset(facts), frozenset(denied)))
