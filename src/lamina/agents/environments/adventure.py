"""A small text adventure that needs no file: the lamp of a lighthouse must be lit."""

from __future__ import annotations

import random
from typing import Final

from lamina.agents.environments.planning import Action, Domain, Fact, Problem, State, Step, literals
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.protocol import Outcome, normalised
from lamina.agents.environments.wording import Wording
from lamina.errors import InputError

_PATHS: Final = ("beach dunes", "dunes yard", "yard hut", "hut cellar", "yard jetty", "tower gallery")
_SCENES: Final = {
    "beach": "Waves roll over wet sand, and the wreck of a boat lies half buried.",
    "dunes": "Tall grass bends in the wind between the hills of sand.",
    "yard": "The lighthouse rises above you; its iron door leads into the tower.",
    "hut": "A stove, a table and a bed: the keeper lived here. A ladder leads down.",
    "cellar": "It is dark and smells of salt. An old sea chest stands in a corner.",
    "jetty": "Planks creak above black water.",
    "tower": "Stairs wind up along the wall.",
    "gallery": "Behind glass stands the great lamp. You see far over the sea.",
}
ITEMS: Final = ("key", "matches", "oil", "rope", "shell")

ADVENTURE: Final = Domain(
    "adventure",
    (
        Action.of("go", "?a:place ?b:place", "here ?a, way ?a ?b", "here ?b, not here ?a"),
        Action.of("take", "?i:item ?a:place", "here ?a, lies ?i ?a", "have ?i, not lies ?i ?a"),
        Action.of("drop", "?i:item ?a:place", "here ?a, have ?i", "lies ?i ?a, not have ?i"),
        Action.of(
            "open", "?i:item", "here cellar, inside ?i chest, not open chest", "open chest, lies ?i cellar, not inside ?i chest"
        ),
        Action.of("unlock", "", "here yard, have key, not open door", "open door, way yard tower, way tower yard"),
        Action.of("fill", "", "here gallery, have oil", "filled lamp, not have oil"),
        Action.of("light", "", "here gallery, have matches, filled lamp, not lit lamp", "lit lamp"),
    ),
    {
        "here": ("place",),
        "way": ("place", "place"),
        "lies": ("item", "place"),
        "inside": ("item", "thing"),
        "have": ("item",),
        "open": ("thing",),
        "filled": ("thing",),
        "lit": ("thing",),
    },
    {"place": "object", "item": "object", "thing": "object"},
    {**dict.fromkeys(_SCENES, "place"), **dict.fromkeys(ITEMS, "item"), **dict.fromkeys(("chest", "door", "lamp"), "thing")},
)
_WORDING: Final = Wording(
    {
        "here": ("you are at {0}", "you are not at {0}"),
        "way": ("a way leads from {0} to {1}", "no way leads from {0} to {1}"),
        "lies": ("{0} lies at {1}", "{0} does not lie at {1}"),
        "inside": ("{0} is inside the {1}", "{0} is not inside the {1}"),
        "have": ("you have {0}", "you do not have {0}"),
        "open": ("the {0} is open", "the {0} is not open"),
        "filled": ("the {0} is filled", "the {0} is not filled"),
        "lit": ("the {0} is lit", "the {0} is not lit"),
    },
    {
        "go": "go {1}",
        "take": "take {0}",
        "drop": "drop {0}",
        "open": "open chest",
        "unlock": "unlock door",
        "fill": "fill lamp",
        "light": "light lamp",
    },
)


def adventure_problem(*, seed: int = 0) -> Problem:
    """The adventure with its things in places that the seed chooses: one of the matches and the oil is in the chest.

    >>> adventure_problem(seed=1) == adventure_problem(seed=1)
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(f"the seed of an adventure is a whole number, not {seed!r}")
    rng = random.Random(f"adventure {seed}")
    chest = rng.choice(("matches", "oil"))
    start: set[Fact] = {("here", "beach"), ("inside", chest, "chest")}
    for way in _PATHS:
        one, other = way.split()
        start |= {("way", one, other), ("way", other, one)}
    reachable = ("beach", "dunes", "hut", "jetty", "cellar")
    start |= {("lies", item, rng.choice(reachable)) for item in ITEMS if item != chest}
    return Problem(f"adventure-{seed}", ADVENTURE, {}, frozenset(start), literals("open door, filled lamp, lit lamp"))


class Adventure(PlanningWorld):
    """Walk, take things, and light the lamp. "look" and "inventory" tell again what is seen and carried; they cost a step.

    Progress is the share of three landmarks that are reached: the door open, the lamp filled, the lamp lit.

    >>> world = Adventure()
    >>> world.reset()
    'You are at the beach. Waves roll over wet sand, ... Ways lead to: dunes. ...'
    >>> world.step("inventory").observation, world.step("go moon").valid
    ('You carry nothing.', False)
    """

    def __init__(self, problem: Problem | None = None) -> None:
        problem = adventure_problem() if problem is None else problem
        if problem.domain.name != ADVENTURE.name:
            raise InputError(f"an adventure needs a problem of the domain 'adventure', not of {problem.domain.name!r}")
        super().__init__(problem, _WORDING, fully_observable=False)

    @property
    def instruction(self) -> str:
        """What can be done, without where things are."""
        return (
            "You play a text adventure. You see only where you are.\nThese are the actions:\n"
            "- go <place>: along a way that leads from here\n- take <item>, drop <item>: what lies here, what you carry\n"
            "- open chest, unlock door, fill lamp, light lamp: where the thing is, with what it takes\n"
            "- look, inventory: tell what is here, and what you carry\n- check valid actions: lists what can be done now\n"
            "An action that cannot be done changes nothing."
        )

    @property
    def goal(self) -> str:
        """What to reach, in one sentence."""
        return "Open the door of the lighthouse, fill its lamp and light it."

    def reset(self) -> str:
        """Begin again on the beach."""
        super().reset()
        return self._scene()

    def step(self, action: str) -> Outcome:
        """Do an action, given in words."""
        if self.state is not None and not self._over and normalised(action) in ("look", "inventory"):
            return self._outcome(self._scene() if normalised(action) == "look" else self._carried(), valid=True)
        return super().step(action)

    def valid_actions(self) -> list[str]:
        """The commands that can be done now, sorted."""
        return sorted([*super().valid_actions(), "inventory", "look"])

    def find(self, action: str) -> Step | None:
        """The step that a text asks for, if it can be done now."""
        if self.state is None:
            return None
        text = f"{normalised(action)} ".replace(" the ", " ").replace(" to ", " ").strip()
        return next((one for one in self.problem.applicable(self.state) if self.wording.command(one) == text), None)

    def _told(self, before: State, after: State) -> str:
        return self._scene()

    def _scene(self) -> str:
        assert self.state is not None
        here = next(one[1] for one in self.state if one[0] == "here")
        ways = sorted(one[2] for one in self.state if one[0] == "way" and one[1] == here)
        lying = sorted(one[1] for one in self.state if one[0] == "lies" and one[2] == here)
        things = {"cellar": ("open chest", "chest"), "yard": ("open door", "door"), "gallery": ("lit lamp", "lamp")}
        more = ""
        if here in things:
            fact, thing = things[here]
            on, off = ("lit", "dark") if thing == "lamp" else ("open", "closed")
            more = f" The {thing} is {on if tuple(fact.split()) in self.state else off}."
            if thing == "lamp" and ("filled", "lamp") in self.state:
                more += " There is oil in it."
        seen = f"You see: {', '.join(lying)}." if lying else "Nothing lies here."
        return f"You are at the {here}. {_SCENES[here]}{more} Ways lead to: {', '.join(ways)}. {seen} {self._carried()}"

    def _carried(self) -> str:
        carried = sorted(one[1] for one in self.state or () if one[0] == "have")
        return f"You carry: {', '.join(carried)}." if carried else "You carry nothing."
