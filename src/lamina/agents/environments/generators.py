"""Problems of any size in the four planning domains, made from a seed."""

from __future__ import annotations

import random
from itertools import pairwise

from lamina.agents.environments.domains import BARMAN, BLOCKSWORLD, GRIPPER, TYREWORLD
from lamina.agents.environments.planning import Fact, Literal, Problem
from lamina.errors import InputError


def _whole(value: int, least: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{what} must be a whole number of at least {least}, not {value!r}")
    return value


def blocksworld(blocks: int = 4, *, seed: int = 0) -> Problem:
    """Blocks in random towers that are to stand in other random towers.

    >>> blocksworld(3, seed=2).goal == blocksworld(3, seed=2).goal
    True
    """
    names = [f"b{n + 1}" for n in range(_whole(blocks, 2, "the number of blocks"))]
    rng = random.Random(f"blocksworld {blocks} {seed}")
    start: set[Fact] = {("arm-empty",)}

    def towers() -> list[list[str]]:
        built: list[list[str]] = []
        for name in rng.sample(names, len(names)):
            built.append([name]) if not built or rng.random() < 0.35 else rng.choice(built).append(name)
        return built

    for tower in towers():
        start |= {("on-table", tower[0]), ("clear", tower[-1])} | {("on", a, b) for b, a in pairwise(tower)}
    wanted: list[Literal] = []
    while not wanted or all(one.fact in start for one in wanted):
        wanted = [Literal(("on", a, b)) for tower in towers() for b, a in pairwise(tower)]
    return Problem(
        f"blocksworld-{blocks}-{seed}", BLOCKSWORLD, dict.fromkeys(names, "object"), frozenset(start), tuple(sorted(wanted))
    )


def gripper(balls: int = 4, *, seed: int = 0) -> Problem:
    """Balls in one room that are to be carried to the other. The seed changes their names' order only: all are alike."""
    names = [f"ball{n + 1}" for n in range(_whole(balls, 1, "the number of balls"))]
    rooms, grippers = ["rooma", "roomb"], ["left", "right"]
    start: set[Fact] = {("at-robby", "rooma")} | {("room", one) for one in rooms}
    start |= {(kind, one) for one in grippers for kind in ("gripper", "free")}
    start |= {fact for one in names for fact in (("ball", one), ("at", one, "rooma"))}
    goal = tuple(Literal(("at", one, "roomb")) for one in random.Random(f"gripper {seed}").sample(names, balls))
    objects = dict.fromkeys([*names, *rooms, *grippers], "object")
    return Problem(f"gripper-{balls}-{seed}", GRIPPER, objects, frozenset(start), goal)


def tyreworld(wheels: int = 1, *, seed: int = 0) -> Problem:
    """Flat wheels on their hubs: the spare ones shall be on, inflated, and the old ones in the boot. The seed orders the goal."""
    numbers = range(1, _whole(wheels, 1, "the number of wheels") + 1)
    objects = {"boot": "container"}
    start: set[Fact] = {("in", one, "boot") for one in ("jack", "pump", "wrench")} | {("unlocked", "boot"), ("closed", "boot")}
    goal: list[Literal] = []
    for n in numbers:
        new, old, hub, nut = f"r{n}", f"w{n}", f"the-hub{n}", f"nuts{n}"
        objects |= {new: "wheel", old: "wheel", hub: "hub", nut: "nut"}
        start |= {("intact", new), ("in", new, "boot"), ("not-inflated", new), ("on", old, hub), ("on-ground", hub)}
        start |= {("tight", nut, hub), ("fastened", hub)}
        goal += [Literal(("on", new, hub)), Literal(("inflated", new)), Literal(("in", old, "boot"))]
    random.Random(f"tyreworld {seed}").shuffle(goal)
    return Problem(f"tyreworld-{wheels}-{seed}", TYREWORLD, objects, frozenset(start), tuple(goal))


def barman(cocktails: int = 1, *, shots: int = 4, ingredients: int = 3, seed: int = 0) -> Problem:
    """So many cocktails of two ingredients each are to be served, each in a glass of its own; one glass must stay free to pour with."""
    _whole(cocktails, 1, "the number of cocktails"), _whole(ingredients, 2, "the number of ingredients")
    if _whole(shots, 2, "the number of shots") <= cocktails:
        raise InputError(f"{cocktails} cocktails need more than {cocktails} shots, not {shots}: one glass is needed to pour with")
    rng = random.Random(f"barman {cocktails} {shots} {ingredients} {seed}")
    glasses = [f"shot{n + 1}" for n in range(shots)]
    parts = [f"ingredient{n + 1}" for n in range(ingredients)]
    drinks = [f"cocktail{n + 1}" for n in range(cocktails + 1)]
    objects = {"shaker1": "shaker", "left": "hand", "right": "hand", "l0": "level", "l1": "level", "l2": "level"}
    objects |= dict.fromkeys(glasses, "shot") | dict.fromkeys(parts, "ingredient") | dict.fromkeys(drinks, "cocktail")
    start: set[Fact] = {("handempty", "left"), ("handempty", "right"), ("next", "l0", "l1"), ("next", "l1", "l2")}
    start |= {("shaker-empty-level", "shaker1", "l0"), ("shaker-level", "shaker1", "l0")}
    start |= {(kind, one) for one in (*glasses, "shaker1") for kind in ("ontable", "clean", "empty")}
    for n, part in enumerate(parts, 1):
        objects[f"dispenser{n}"] = "dispenser"
        start.add(("dispenses", f"dispenser{n}", part))
    for drink in drinks:
        first, second = rng.sample(parts, 2)
        start |= {("cocktail-part1", drink, first), ("cocktail-part2", drink, second)}
    wanted = zip(rng.sample(glasses, cocktails), rng.sample(drinks, cocktails), strict=True)
    goal = tuple(Literal(("contains", glass, drink)) for glass, drink in wanted)
    return Problem(f"barman-{cocktails}-{seed}", BARMAN, objects, frozenset(start), goal)
