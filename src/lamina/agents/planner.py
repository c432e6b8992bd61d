"""A planner by rule: breadth-first search over what is believed, for the goal that is reached soonest; it knows nothing else.

Where the whereabouts of a thing are unknown, it plans to look where the thing was not looked for yet, the nearest place first, and where all were, at that
of the oldest look. It never sees the world, so it errs where the belief does.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lamina.agents.critic import open_needs
from lamina.agents.roles import MOST_CALLS, ActionModel, NoPlanError, Plan, Situation
from lamina.agents.skills import Call
from lamina.errors import InputError
from lamina.working.sightings import Fact, Key, Sightings

MOST_STATES: Final = 20_000
"""States that a search looks at before it gives up."""

State = Mapping[Key, str]
_Name = frozenset[tuple[Key, str]]  # a state as what it holds, by which it is known again


@dataclass
class SearchPlanner:
    """Plans by breadth-first search over the belief.

    Parameters: `model` of the skills; `calls`, at most so many at once; `decay` of a fact by step, and `certainty`: a goal is believed to be
    reached while the product of its facts' decays is at least this, else the oldest is looked at again; `seed` of choices between equals.
    Raises `InputError` for numbers out of range.
    """

    model: ActionModel
    calls: int = MOST_CALLS
    decay: float = 0.95
    certainty: float = 0.2
    seed: int = 0
    _random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.calls, bool) or not isinstance(self.calls, int) or not 1 <= self.calls <= MOST_CALLS:
            raise InputError(f"a plan has 1 to {MOST_CALLS} calls, not {self.calls!r}")
        if not 0 < self.decay <= 1 or not 0 <= self.certainty <= 1:
            raise InputError(f"decay lies in (0, 1] and certainty in [0, 1], not {self.decay!r}, {self.certainty!r}")
        self._random = random.Random(self.seed)

    def plan(self, situation: Situation) -> Plan:
        """See `Planner`: for the goal to be kept if it is open, else for the one with the fewest calls among those of the lowest rank.

        Raises `InputError` for a task without a goal in facts, `NoPlanError` where nothing that is known leads on.
        """
        held = situation.belief.sightings
        if not situation.task.goal:
            raise InputError("a search needs the facts that must hold at the end: give the task a goal, or use a ModelPlanner")
        still = [fact for fact in situation.task.goal if held.seen_at(fact) is None]
        if not still:
            return self._checked(situation)
        lowest = min(map(self.model.rank, still))
        options = [self._towards(fact, held) for fact in still if self.model.rank(fact) == lowest]
        found = [option for option in options if option is not None]
        kept = [option for option in found if option.subgoal == situation.keep]
        if not found:
            raise NoPlanError(f"nothing that is known leads to: {'; '.join(fact.text for fact in still)}")
        best = kept[0] if kept else min(found, key=lambda plan: len(plan.calls) + len(plan.rest))
        whole = (*best.calls, *best.rest)
        way = self._settled(whole, situation.doubted, held)
        return best if way is whole else self._made(best.subgoal, way, best.aims, partly=True)

    def _settled(self, way: Sequence[Call], doubted: frozenset[Fact], held: Sightings) -> Sequence[Call]:
        """The way itself, unless it rests on what is doubted: then the way to where that can be seen. The subgoal stays the same."""
        for fact in sorted(doubted.intersection(open_needs(self.model, way) or ())):
            look = self._look_again(fact, held)
            if look:
                return self._settled(look, doubted - {fact}, held)
        return way

    def _towards(self, goal: Fact, held: Sightings) -> Plan | None:
        """A plan for one fact of the goal, or for a look that may tell how to reach it."""
        places = self.model.whereabouts(goal.key)
        if places and held.get(goal.key) is None:
            return self._looking(goal, places, held)
        found = search(self.model, held, (goal,))
        return None if found is None else self._made(f"make it so: {goal.text}", found, (goal,))

    def _looking(self, goal: Fact, places: Sequence[str], held: Sightings) -> Plan | None:
        """A look at the nearest place where the thing was not seen to be absent; where it was everywhere, the one of the oldest look."""
        absent = {fact.value: step for fact, step in held.denied.items() if fact.key == goal.key}
        unseen = [place for place in places if place not in absent]
        ways: list[tuple[int, float, str, list[Call]]] = []
        for place in unseen or sorted(absent, key=lambda one: (absent[one], one))[:1]:
            way = search(self.model, held, self.model.sight(Fact(*goal.key, place)))
            if way:
                ways.append((len(way), self._random.random(), place, way))
        if not ways:
            return None
        _, _, place, way = min(ways)
        return self._made(f"find {goal.subject}: look into {place}", way, (Fact(*goal.key, place),))

    def _checked(self, situation: Situation) -> Plan:
        """Nothing left to do; or a look at the goal's fact that was seen longest ago, where that is too long."""
        belief = situation.belief
        if belief.sightings.chance(situation.task.goal, belief.steps, self.decay) >= self.certainty:
            return Plan("the task is done", (), finished=True)
        oldest = min(situation.task.goal, key=lambda fact: belief.sightings.seen_at(fact) or 0)
        way = self._look_again(oldest, belief.sightings)
        if not way:
            return Plan("the task is done", (), finished=True)
        return self._made(f"see whether it is still so: {oldest.text}", way, (oldest,))

    def _look_again(self, fact: Fact, held: Sightings) -> list[Call] | None:
        """The way to where a fact can be seen."""
        return search(self.model, held, self.model.sight(fact))

    def _made(self, subgoal: str, way: Sequence[Call], aims: tuple[Fact, ...], partly: bool = False) -> Plan:
        return Plan(subgoal, tuple(way[: self.calls]), tuple(way[self.calls :]), aims, partly=partly)


def search(model: ActionModel, held: Sightings, wanted: Iterable[Fact]) -> list[Call] | None:
    """The fewest calls after which all of `wanted` would hold, if what is believed is so; None where there are none.

    Only things count that the goal names, that are where those are, and whoever holds something with what is held, so the search stays small.
    """
    goal = {fact.key: fact.value for fact in wanted}
    known = {key: fact.value for key, fact in model.presumed.items()}
    known.update((fact.key, fact.value) for fact in held)
    about = _about(known, goal)
    first: _Name = frozenset((key, value) for key, value in known.items() if key[0] in about or key in model.presumed)
    grounded = [
        (
            call,
            frozenset((fact.key, fact.value) for fact in model.needs(call)),
            {fact.key: fact.value for fact in model.effects(call)},
        )
        for call in model.calls(about)
    ]
    end = frozenset(goal.items())
    before: dict[_Name, tuple[_Name, Call] | None] = {first: None}
    queue = deque([first])
    while queue and len(before) < MOST_STATES:
        name = queue.popleft()
        if end <= name:
            return _back(before, name)
        state = dict(name)
        for call, needs, effects in grounded:
            if needs <= name:
                after = frozenset({**state, **effects}.items())
                if after not in before:
                    before[after] = (name, call)
                    queue.append(after)
    return None


def _about(known: State, goal: State) -> frozenset[str]:
    """The names that matter: those of the goal, where they are believed to be, and what stands in the way in a hand."""
    names = {subject for subject, _ in goal} | set(goal.values())
    names |= {value for (subject, _), value in known.items() if subject in names}
    hands = {subject for subject, relation in known if relation == "holds"}
    return frozenset(names | hands | {subject for (subject, _), value in known.items() if value in hands})


def _back(before: Mapping[_Name, tuple[_Name, Call] | None], name: _Name) -> list[Call]:
    calls: list[Call] = []
    while (step := before[name]) is not None:
        name, call = step
        calls.append(call)
    return calls[::-1]
