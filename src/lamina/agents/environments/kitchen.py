"""A kitchen with two unlike robots, in which things happen behind their backs.

Source of the setting: M. Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic Environments", 2025. There
a camera is read by a model; here what the robots see is told in words, and as facts for programs that do not read. Between two
actions, with a given probability, an object is moved, a container is closed, or the next skill will fail without a word.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from typing import Final

from lamina.agents.environments.planning import Action, Domain, Fact, Literal, Problem, State, Step
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.protocol import CHECK, MOST_CHARACTERS, Outcome, normalised
from lamina.agents.environments.search import Planner
from lamina.agents.environments.wording import Wording
from lamina.errors import InputError

PLACES: Final = ("corner", "counter", "sink", "table")
CONTAINERS: Final = ("drawer_1", "drawer_2", "refrigerator", "trash_can")
ITEMS: Final = ("apple", "bottle", "bread", "can", "cup", "fork", "plate", "sponge")
_BY: Final = dict(zip((*PLACES, *CONTAINERS), (*PLACES, "counter", "counter", "corner", "counter"), strict=True))
_SERVED: Final = {"robot_1": (*PLACES, "refrigerator"), "robot_2": ("counter", "drawer_1", "drawer_2", "trash_can")}

_NEAR: Final = "at ?r ?p, by ?l ?p, serves ?r ?l"
KITCHEN: Final = Domain(
    "kitchen",
    (
        Action.of("navigate_to", "?r:robot ?p:place ?q:place", "mobile ?r, at ?r ?p, not = ?p ?q", "at ?r ?q, not at ?r ?p"),
        Action.of(
            "pick_from",
            "?r:robot ?i:item ?l:location ?p:place",
            f"{_NEAR}, open ?l, in ?i ?l, free ?r",
            "holding ?r ?i, not in ?i ?l, not free ?r",
        ),
        Action.of(
            "release_to",
            "?r:robot ?i:item ?l:location ?p:place",
            f"{_NEAR}, open ?l, holding ?r ?i",
            "in ?i ?l, free ?r, not holding ?r ?i",
        ),
        Action.of("open", "?r:robot ?l:container ?p:place", f"{_NEAR}, closed ?l", "open ?l, not closed ?l"),
        Action.of("close", "?r:robot ?l:container ?p:place", f"{_NEAR}, open ?l", "closed ?l, not open ?l"),
    ),
    {
        "at": ("robot", "place"),
        "mobile": ("robot",),
        "by": ("location", "place"),
        "serves": ("robot", "location"),
        "in": ("item", "location"),
        "holding": ("robot", "item"),
        "free": ("robot",),
        "open": ("location",),
        "closed": ("container",),
    },
    {"robot": "object", "item": "object", "location": "object", "place": "location", "container": "location"},
    {
        **dict.fromkeys(PLACES, "place"),
        **dict.fromkeys(CONTAINERS, "container"),
        **dict.fromkeys(ITEMS, "item"),
        **dict.fromkeys(_SERVED, "robot"),
    },
)
KITCHEN_WORDING: Final = Wording(
    {
        "at": ("{0} stands at {1}", "{0} does not stand at {1}"),
        "mobile": ("{0} can move", "{0} cannot move"),
        "by": ("{0} belongs to {1}", "{0} does not belong to {1}"),
        "serves": ("{0} reaches {1}", "{0} does not reach {1}"),
        "in": ("{0} is in {1}", "{0} is not in {1}"),
        "holding": ("{0} holds {1}", "{0} does not hold {1}"),
        "free": ("the hand of {0} is free", "the hand of {0} is not free"),
        "open": ("{0} is open to view", "{0} is not open to view"),
        "closed": ("{0} is closed", "{0} is not closed"),
    },
    {
        "navigate_to": "navigate_to({2})",
        "pick_from": "pick_from({0}, {1}, {2})",
        "release_to": "release_to({0}, {1}, {2})",
        "open": "open({0}, {1})",
        "close": "close({0}, {1})",
    },
    told={
        "navigate_to": "robot_1 goes to another place",
        "pick_from": "the robot takes an item; it stands there, reaches it, its hand is free, and a container is open",
        "release_to": "the robot puts down the item it holds; it stands there, reaches it, and a container is open",
        "open": "the robot opens a closed container that it reaches",
        "close": "the robot closes an open container that it reaches",
    },
    plain="Two robots work in a kitchen. robot_1 moves between the corner, the counter, the sink and the table, and reaches these and "
    "the refrigerator, which stands in the corner. robot_2 stands at the counter and reaches it, the two drawers and the trash can. "
    "Each has one hand. They see what lies where they stand, and in open containers there. Things may change by themselves.",
)
_QUOTES: Final = " '\""
_CALL: Final = re.compile(r"(\w+)\s*\(([^()]*)\)")
LAYOUT: Final = frozenset({("mobile", "robot_1"), *(("by", *pair) for pair in _BY.items())}) | {
    ("serves", robot, one) for robot, those in _SERVED.items() for one in those
}
"""What never changes: what stands where, and which robot reaches it."""


def kitchen_problem(*, seed: int = 0, least: int = 10, most: int = 14) -> Problem:
    """Items in random places, most containers closed, and two or three of them to be brought elsewhere in so many actions.

    Raises `InputError` where no such task is found.

    >>> problem = kitchen_problem(seed=1)
    >>> 10 <= len(Planner(problem).plan()) <= 14
    True
    """
    if any(isinstance(one, bool) or not isinstance(one, int) for one in (least, most)) or not 1 <= least <= most:
        raise InputError(f"the numbers of actions must be whole and in order, not {least!r} and {most!r}")
    rng = random.Random(f"kitchen {seed} {least} {most}")
    for _ in range(500):
        closed = {one for one in CONTAINERS if rng.random() < 0.75}
        start: set[Fact] = {("at", "robot_1", rng.choice(PLACES)), ("at", "robot_2", "counter")}
        start |= {("free", robot) for robot in _SERVED} | {("open", one) for one in _BY if one not in closed}
        start |= {("closed", one) for one in closed} | {("in", item, rng.choice(tuple(_BY))) for item in ITEMS}
        wanted = rng.sample(ITEMS, rng.choice((2, 3)))
        goal = tuple(Literal(("in", item, rng.choice(tuple(_BY)))) for item in wanted)
        if any(one.holds(frozenset(start)) for one in goal):
            continue
        problem = Problem(f"kitchen-{seed}", KITCHEN, {}, frozenset(start) | LAYOUT, goal)
        plan = Planner(problem, limit=3000).plan()
        if plan is not None and least <= len(plan) <= most:
            return problem
    raise InputError(f"no kitchen task of {least} to {most} actions was found for the seed {seed!r}: widen the range")


class KitchenWorld(PlanningWorld):
    """A kitchen task under disturbances.

    Skills are called in words, `pick_from("robot_1", "apple", "table")`, with or without quotes. After a valid one the observation is
    what the robots see; `observe` tells that at any time and costs nothing. `facts` are what the last view showed: that a location is
    open to view says that nothing else lies in it.

    Parameters: `problem`; `disturbance`, the probability that something happens before an action; `aimed`: only items of the goal are
    moved, and only containers closed that are still needed for it; `seed` of the disturbances, which come the same way after each `reset`.

    >>> world = KitchenWorld(kitchen_problem(seed=1))
    >>> world.reset().startswith("robot_1 stands at ")
    True
    >>> world.step('navigate_to("moon")').valid
    False
    """

    def __init__(self, problem: Problem, disturbance: float = 0.0, *, aimed: bool = True, seed: int = 0) -> None:
        if isinstance(disturbance, bool) or not isinstance(disturbance, (int, float)) or not math.isfinite(disturbance):
            raise InputError(f"the probability of a disturbance must be a number from 0 to 1, not {disturbance!r}")
        if not 0 <= disturbance <= 1:
            raise InputError(f"the probability of a disturbance must be from 0 to 1, not {disturbance!r}")
        if problem.domain.name != KITCHEN.name:
            raise InputError(f"a kitchen needs a problem of the domain 'kitchen', not of {problem.domain.name!r}")
        super().__init__(problem, KITCHEN_WORDING, fully_observable=False)
        self.disturbance, self.aimed, self.seed = disturbance, aimed, seed
        self.facts: frozenset[Fact] = frozenset()
        self.happened: list[tuple[int, str]] = []
        self._steps = 0

    @property
    def truth(self) -> State:
        """The whole state, for judging beliefs; agents are not shown it."""
        return self.problem.start if self.state is None else self.state

    def reset(self) -> str:
        """Begin again and tell what the robots see."""
        super().reset()
        self._rng = random.Random(f"disturbances {self.seed}")
        self.happened, self._steps, self._fails = [], 0, False
        seen = self.observe()
        self._disturb()
        return seen

    def observe(self) -> str:
        """What the robots see now."""
        self.facts = seen_by_robots(self.truth)
        return self.wording.paragraph(map(Literal, sorted(self.facts, key=_for_reading)))

    def step(self, action: str) -> Outcome:
        """Do a skill, given as a call."""
        if self.state is not None and not self._over and normalised(action) != CHECK and self._fails and self.find(action):
            self._fails = False
            outcome = self._outcome(self.observe(), valid=True)
        else:
            outcome = super().step(action)
        self._steps += 1
        if not outcome.done:
            self._disturb()
        return outcome

    def find(self, action: str) -> Step | None:
        """The step that a call asks for, if it can be done now."""
        if not isinstance(action, str) or len(action) > MOST_CHARACTERS:
            return None
        match = _CALL.fullmatch(normalised(action))
        if match is None or self.state is None:
            return None
        arguments = ", ".join(one.strip(_QUOTES) for one in match[2].split(","))
        wanted = f"{match[1]}({arguments})"
        return next((one for one in self.problem.applicable(self.state) if self.wording.command(one) == wanted), None)

    def _told(self, before: State, after: State) -> str:
        return self.observe()

    def _disturb(self) -> None:
        """Perhaps let something happen before the next action."""
        assert self.state is not None
        if self._rng.random() >= self.disturbance:
            return
        kind = self._rng.choice(("moved", "closed", "fails"))
        goal = {one.fact[1] for one in self.problem.goal}
        if kind == "moved" and (
            lying := sorted(one for one in self.state if one[0] == "in" and (one[1] in goal or not self.aimed))
        ):
            fact = self._rng.choice(lying)
            place = self._rng.choice([one for one in _BY if one != fact[2]])
            self.state = (self.state - {fact}) | {("in", fact[1], place)}
            self.happened.append((self._steps, f"{fact[1]} was moved from {fact[2]} to {place}"))
        elif kind == "closed" and (opened := [one for one in CONTAINERS if self._worth_closing(one)]):
            one = self._rng.choice(opened)
            self.state = (self.state - {("open", one)}) | {("closed", one)}
            self.happened.append((self._steps, f"{one} was closed"))
        else:
            self._fails = True
            self.happened.append((self._steps, "the next skill fails"))

    def _worth_closing(self, container: str) -> bool:
        """Whether a container is open and, where disturbances are aimed, still needed for a part of the goal."""
        state, left = self.truth, [one.fact for one in self.problem.goal if not one.holds(self.truth)]
        needed = any(fact[2] == container or ("in", fact[1], container) in state for fact in left)
        return ("open", container) in state and (needed or not self.aimed)


def seen_by_robots(state: State) -> frozenset[Fact]:
    """The facts that the robots see in `state`: of themselves, of the locations where they stand, and of what lies open there."""
    places = {fact[2] for fact in state if fact[0] == "at"}
    near = {location for location, place in _BY.items() if place in places}
    shown = {location for location in near if ("open", location) in state}
    return frozenset(
        fact
        for fact in state
        if fact[0] in ("at", "holding", "free")
        or (fact[0] in ("open", "closed") and fact[1] in near)
        or (fact[0] == "in" and fact[2] in shown)
    )


def _for_reading(fact: Fact) -> tuple[int, Sequence[str]]:
    order = ("at", "holding", "free", "open", "closed", "in")
    return (order.index(fact[0]) if fact[0] in order else len(order), fact[1:])
