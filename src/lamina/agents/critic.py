"""A critic by rule: how likely it is that what a call rests on still holds, by how long ago each fact was seen.

The chance is the product of one number for each fact that the call, or what is planned after it, needs and does not bring about: 1 where
it was seen at this step, λ to the power of its age where it was seen before, 0 where it was seen to be otherwise. The source's abstract speaks of probabilities;
its released critic answers yes or no. This rule and λ = 0.95 are this project's interpretation.

Source: M. Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic Environments", 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamina.agents.roles import ActionModel, Plan, Situation, Verdict
from lamina.agents.skills import Call
from lamina.errors import InputError
from lamina.working.sightings import Fact, Key


@dataclass(frozen=True, slots=True)
class FactCritic:
    """Judges a call by the facts that it and the rest of its plan rest on.

    Parameters: `model` of the skills; `decay` λ of a fact by step, in (0, 1]; `unknown`, what a fact counts of which nothing was seen (1: doubts
    alone stop nothing, since exploring is to be encouraged).
    """

    model: ActionModel
    decay: float = 0.95
    unknown: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1 or not 0 <= self.unknown <= 1:
            raise InputError(
                f"the decay lies in (0, 1] and the chance of the unknown in [0, 1], not {self.decay!r}, {self.unknown!r}"
            )

    def judge(self, situation: Situation, plan: Plan, place: int) -> Verdict:
        """See `Critic`."""
        held, now = situation.belief.sightings, situation.belief.steps
        calls = (*plan.calls[place:], *plan.rest)
        needed = open_needs(self.model, calls)
        if needed is None:
            return Verdict(0.0, f"{plan.calls[place].text} belongs to a plan that undoes what it needs")
        wrong = frozenset(fact for fact in needed if held.is_contradicted(fact))
        found = held.chance(needed, now, self.decay, self.unknown)
        if wrong:
            told = f"{plan.calls[place].text}: it is not so any more: {'; '.join(sorted(fact.text for fact in wrong))}"
            return Verdict(found, told, wrong)
        ages = [(step, fact) for fact in needed if (step := held.seen_at(fact)) is not None and step < now]
        if not ages:
            return Verdict(found)
        step, oldest = min(ages)
        told = f"{plan.calls[place].text}: {oldest.text} was last seen {now - step} steps ago"
        return Verdict(found, told, doubted=frozenset([oldest]))


def open_needs(model: ActionModel, calls: Sequence[Call]) -> list[Fact] | None:
    """What calls need that none of them before it brings about; None where one of them undoes what a later one needs."""
    made: dict[Key, Fact] = {}
    needed: dict[Key, Fact] = {}
    for call in calls:
        for fact in model.needs(call):
            if made.get(fact.key, fact) != fact:
                return None
            if fact.key not in made:
                needed.setdefault(fact.key, fact)
        made.update((fact.key, fact) for fact in model.effects(call))
    return list(needed.values())
