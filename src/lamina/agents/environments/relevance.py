"""Which facts can matter for a goal: those of a relaxed plan, and those that any step towards the goal needs.

Source of relaxed plans: J. Hoffmann and B. Nebel, "The FF planning system: fast plan generation through heuristic search", 2001: a
plan that ignores what actions take away; costs are additive (B. Bonet and H. Geffner, "Planning as heuristic search", 2001).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from heapq import heappop, heappush
from itertools import count

from lamina.agents.environments.planning import Fact, Problem, State


class Relevance:
    """Asks what matters in one problem's objects and fixed facts.

    >>> from lamina.agents.environments.generators import gripper
    >>> problem = gripper(2)
    >>> relevance = Relevance(problem)
    >>> ("at", "ball1", "rooma") in relevance.used(problem.start, [("at", "ball1", "roomb")])
    True
    >>> ("at", "ball2", "rooma") in relevance.used(problem.start, [("at", "ball1", "roomb")])
    False
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def leading(self, goal: Collection[Fact]) -> State:
        """The goal and all facts that steps need which can lead to it, over any number of steps.

        A step that gives none of these facts is in no shortest plan where no step and no goal needs that something does not hold.
        """
        found, left = set(goal), self._steps
        while True:
            leading = [needs for needs, gives in left if not found.isdisjoint(gives)]
            if not leading:
                return frozenset(found)
            left = [one for one in left if found.isdisjoint(one[1])]
            found.update(*leading)

    def used(self, state: Collection[Fact], goal: Collection[Fact]) -> State:
        """The facts of `state` that a relaxed plan to the goal rests on; none where there is no such plan."""
        cost = dict.fromkeys(state, 0)
        best: dict[Fact, frozenset[Fact]] = {}
        left = [len(needs) for needs, _ in self._steps]
        total = [1] * len(left)
        order = count()
        heap = [(0, next(order), fact) for fact in sorted(cost)]
        while heap:
            price, _, fact = heappop(heap)
            if price > cost[fact]:
                continue
            for number in self._needing.get(fact, ()):
                left[number] -= 1
                total[number] += price
                if left[number]:
                    continue
                for given in self._steps[number][1]:
                    if given not in cost or total[number] < cost[given]:
                        cost[given], best[given] = total[number], self._steps[number][0]
                        heappush(heap, (total[number], next(order), given))
        if not all(one in cost for one in goal):
            return frozenset()
        found: set[Fact] = set()
        stack = list(goal)
        while stack:
            fact = stack.pop()
            if fact not in found:
                found.add(fact)
                stack.extend(best.get(fact, ()))
        return frozenset(found.intersection(state))

    @cached_property
    def _steps(self) -> list[tuple[frozenset[Fact], tuple[Fact, ...]]]:
        """What each step needs, fixed facts among it, and gives."""
        schemas = {one.name: one for one in self.problem.domain.actions}
        found = []
        for step in self.problem.steps:
            schema = schemas[step.action]
            values = dict(zip((variable for variable, _ in schema.parameters), step.arguments, strict=True))
            needs = frozenset(one.bound(values).fact for one in schema.needs if one.positive and one.fact[0] != "=")
            found.append((needs, tuple(one.fact for one in step.changes if one.positive)))
        return found

    @cached_property
    def _needing(self) -> dict[Fact, list[int]]:
        found: dict[Fact, list[int]] = {}
        for number, (needs, _) in enumerate(self._steps):
            for fact in needs:
                found.setdefault(fact, []).append(number)
        return found
