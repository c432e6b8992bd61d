"""In which order a goal's parts are best reached: stages that need not be undone later."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.agents.environments.planning import Literal

Stage = tuple[Literal, ...]


def stages(domain: str, goal: Sequence[Literal]) -> list[Stage]:
    """The parts of a goal of the domain of this name, in a good order.

    Blocks are stacked from below; balls for the same room are carried in pairs; wheels are inflated, then put on, then the old ones put
    away. In any other domain each literal is a stage, in the order given.

    >>> from lamina.agents.environments.planning import literals
    >>> [str(stage[0]) for stage in stages("blocksworld-4ops", literals("on b1 b2, on b2 b3"))]
    ['on b2 b3', 'on b1 b2']
    """
    if domain == "blocksworld-4ops":
        return [(one,) for one in _from_below(goal)]
    if domain == "gripper-strips":
        return _pairs(goal)
    if domain == "tyreworld":
        rank = {"inflated": 0, "on": 1, "in": 2}
        return [(one,) for one in sorted(goal, key=lambda one: (rank.get(one.fact[0], 3), one.fact[::-1]))]
    return [(one,) for one in goal]


def _from_below(goal: Sequence[Literal]) -> list[Literal]:
    """What stands on nothing that must still be moved comes first."""
    below = {one.fact[1]: one.fact[2] for one in goal if one.fact[0] == "on" and one.positive}

    def height(block: str) -> int:
        seen: list[str] = []
        while block in below and block not in seen:
            seen.append(block)
            block = below[block]
        return len(seen)

    return sorted(goal, key=lambda one: (height(one.fact[1]) if len(one.fact) > 1 else 0, one))


def _pairs(goal: Sequence[Literal]) -> list[Stage]:
    """Balls that go to the same room, two by two."""
    rooms: dict[str, list[Literal]] = {}
    for one in goal:
        rooms.setdefault(one.fact[-1], []).append(one)
    return [tuple(of[n : n + 2]) for of in rooms.values() for n in range(0, len(of), 2)]
