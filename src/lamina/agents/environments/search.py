"""A planner for small worlds: search led by relaxed plans, breadth first where a plan must be shortest.

Source of the heuristic: J. Hoffmann and B. Nebel, "The FF planning system: fast plan generation through heuristic search", 2001. The
heuristic value of a state is the length of a plan that ignores what actions take away; states reached by an action of that
plan are looked at first. Facts are bits of one number, so that a state costs one number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from lamina.agents.environments.ordering import Stage, stages
from lamina.agents.environments.planning import Fact, Literal, Problem, State, Step
from lamina.errors import InputError

_FAR: Final = 1 << 30
_EAGER: Final = 2
"""How much more the estimate of what is left counts than the steps so far: plans of Barman are missed at 5, and slow at 1."""


@dataclass(frozen=True, slots=True)
class _Operator:
    step: Step
    needs: int
    forbids: int
    adds: int
    takes: int
    needed: tuple[int, ...]
    added: tuple[int, ...]


class Planner:
    """Plans in one problem's objects and fixed facts, from any state to any goal.

    Parameters: `problem`; `limit`, states looked at before giving up.

    >>> from lamina.agents.environments.generators import blocksworld
    >>> problem = blocksworld(3, seed=1)
    >>> plan = Planner(problem).plan()
    >>> state = problem.start
    >>> for step in plan:
    ...     assert step.applies(state)
    ...     state = step.after(state)
    >>> problem.progress(state)
    1.0
    """

    def __init__(self, problem: Problem, *, limit: int = 20_000) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InputError(f"the limit of a search is a whole number of states of at least 1, not {limit!r}")
        self.problem, self.limit = problem, limit
        self._bits: dict[Fact, int] = {}
        self._operators = [self._operator(step) for step in problem.steps]
        self._needing: dict[int, list[int]] = {}
        for number, operator in enumerate(self._operators):
            for need in operator.needed:
                self._needing.setdefault(need, []).append(number)
        self._free = [number for number, operator in enumerate(self._operators) if not operator.needed]

    def plan(self, state: State | None = None, goal: Sequence[Literal] | None = None) -> list[Step] | None:
        """Steps that lead from `state` to `goal` (default: the problem's), or None where none is found within the limit."""
        start = self.problem.start if state is None else state
        wanted = self.problem.goal if goal is None else goal
        known = [one for one in wanted if one.fact[0] != "="]
        if any(not one.holds(start) for one in wanted if one.fact[0] == "="):
            return None
        must = self._mask(one.fact for one in known if one.positive)
        mustnt = self._mask(one.fact for one in known if not one.positive)
        found = self._greedy(self._mask(start), must, mustnt)
        return None if found is None else self._shortened(start, found, wanted)

    def staged(self, state: State | None = None, order: Sequence[Stage] | None = None) -> list[Step] | None:
        """Steps that reach one stage of the goal after the other and keep what was reached; None where one is not found.

        `order` is by default that of `ordering.stages`.
        """
        start = state = self.problem.start if state is None else state
        plan: list[Step] = []
        reached: tuple[Literal, ...] = ()
        parts = stages(self.problem.domain.name, self.problem.goal) if order is None else order
        for stage in parts:
            reached += stage
            steps = self.plan(state, reached)
            if steps is None:
                return None
            for step in steps:
                state = step.after(state)
            plan += steps
        return self._shortened(start, plan, reached)

    def shortest(self, state: State, goal: Sequence[Literal]) -> list[Step] | None:
        """A shortest plan, by breadth-first search, or None where none is found within the limit."""
        first = self._mask(state)
        must = self._mask(one.fact for one in goal if one.positive)
        mustnt = self._mask(one.fact for one in goal if not one.positive)
        before: dict[int, tuple[int, Step] | None] = {first: None}
        queue = deque([first])
        while queue and len(before) <= self.limit:
            now = queue.popleft()
            if now & must == must and not now & mustnt:
                return self._path(before, now)
            for operator in self._operators:
                if now & operator.needs == operator.needs and not now & operator.forbids:
                    then = now & ~operator.takes | operator.adds
                    if then not in before:
                        before[then] = (now, operator.step)
                        queue.append(then)
        return None

    def _greedy(self, first: int, must: int, mustnt: int) -> list[Step] | None:
        goals = [bit for bit in range(must.bit_length()) if must >> bit & 1]
        before: dict[int, tuple[int, Step] | None] = {first: None}
        value, helpful = self._relaxed(first, goals)
        if value >= _FAR:
            return None
        heap = [(_EAGER * value, 0, 0, first, helpful)]
        depths = {first: 0}
        count = 0
        while heap and len(before) <= self.limit:
            _, _, _, now, helpful = heappop(heap)
            depth = depths.pop(now)
            if now & must == must and not now & mustnt:
                return self._path(before, now)
            for number, operator in enumerate(self._operators):
                if now & operator.needs != operator.needs or now & operator.forbids:
                    continue
                then = now & ~operator.takes | operator.adds
                if then in before:
                    continue
                before[then] = (now, operator.step)
                value, useful = self._relaxed(then, goals)
                if value < _FAR:
                    count += 1
                    depths[then] = depth + 1
                    heappush(heap, (depth + 1 + _EAGER * value, number not in helpful, count, then, useful))
        return None

    def _relaxed(self, state: int, goals: Sequence[int]) -> tuple[int, frozenset[int]]:
        """Length of a relaxed plan by additive costs, and the operators of it that can be done at once."""
        cost: dict[int, int] = {bit: 0 for bit in range(state.bit_length()) if state >> bit & 1}
        best: dict[int, int] = {}
        left = [len(operator.needed) for operator in self._operators]
        total = [1] * len(left)
        heap: list[tuple[int, int]] = [(0, bit) for bit in cost]
        open_goals = set(goals)

        def apply(number: int) -> None:
            for bit in self._operators[number].added:
                if total[number] < cost.get(bit, _FAR):
                    cost[bit], best[bit] = total[number], number
                    heappush(heap, (total[number], bit))

        for number in self._free:
            apply(number)
        while heap and open_goals:
            price, bit = heappop(heap)
            if price > cost[bit]:
                continue
            open_goals.discard(bit)
            for number in self._needing.get(bit, ()):
                left[number] -= 1
                total[number] += price
                if not left[number]:
                    apply(number)
        if open_goals:
            return _FAR, frozenset()
        chosen: set[int] = set()
        stack = list(goals)
        while stack:
            bit = stack.pop()
            if bit in best and best[bit] not in chosen:
                chosen.add(best[bit])
                stack.extend(self._operators[best[bit]].needed)
        now = frozenset(n for n in chosen if state & self._operators[n].needs == self._operators[n].needs)
        return len(chosen), now

    def _shortened(self, start: State, plan: list[Step], goal: Sequence[Literal]) -> list[Step]:
        """The plan without the steps that it works without (and that would otherwise take what they need with them)."""
        at = 0
        while at < len(plan):
            state, rest = start, []
            for number, step in enumerate(plan):
                if number != at and (number < at or step.applies(state)):
                    state = step.after(state)
                    rest.append(step)
            if all(one.holds(state) for one in goal):
                plan = rest
            else:
                at += 1
        return plan

    @staticmethod
    def _path(before: dict[int, tuple[int, Step] | None], now: int) -> list[Step]:
        steps = []
        while (link := before[now]) is not None:
            now, step = link
            steps.append(step)
        return steps[::-1]

    def _operator(self, step: Step) -> _Operator:
        needs = [one.fact for one in step.needs if one.positive]
        adds = [one.fact for one in step.changes if one.positive]
        return _Operator(
            step,
            self._mask(needs),
            self._mask(one.fact for one in step.needs if not one.positive),
            self._mask(adds),
            self._mask(one.fact for one in step.changes if not one.positive),
            tuple(sorted({self._bit(fact) for fact in needs})),
            tuple(sorted({self._bit(fact) for fact in adds})),
        )

    def _bit(self, fact: Fact) -> int:
        return self._bits.setdefault(fact, len(self._bits))

    def _mask(self, facts: Iterable[Fact]) -> int:
        mask = 0
        for fact in sorted(facts):  # so that bits do not depend on the order of a set
            mask |= 1 << self._bit(fact)
        return mask
