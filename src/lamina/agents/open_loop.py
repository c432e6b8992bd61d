"""The baseline: a plan that is made once, from what is believed at the start, and carried out without looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.agents.closed_loop import Done, Report
from lamina.agents.roles import NoPlanError, Situation
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Sighting

if TYPE_CHECKING:
    from lamina.agents.roles import ActionModel, Look, Planner, Task, World
    from lamina.agents.skills import Call


def plan_whole(world: World, task: Task, planner: Planner, model: ActionModel, known: Look, *, limit: int = 60) -> list[Call]:
    """All calls for a task, if what is known holds and each call does what it should; cut off at the limit.

    Raises `NoPlanError` where what is known leads nowhere.
    """
    belief = BeliefMemory()
    belief.record(Record(known.text, seen=known.seen))
    calls: list[Call] = []
    while len(calls) < limit:
        plan = planner.plan(Situation(task, belief, known, world.skills, world.names))
        if plan.finished:
            return calls
        for call in plan.calls:
            belief.record(Record("", call.text, seen=Sighting(frozenset(model.effects(call)))))
            calls.append(call)
    return calls[:limit]


def open_loop(world: World, task: Task, planner: Planner, model: ActionModel, known: Look, *, limit: int = 60) -> Report:
    """Make the whole plan, and do it blindly."""
    report = Report("given up")
    try:
        calls = plan_whole(world, task, planner, model, known, limit=limit)
    except NoPlanError:
        return report
    report.plans, report.end = 1, "done"
    for call in calls:
        outcome = world.step(call.text)
        report.calls.append(Done(call.text, outcome.valid, task.text))
        report.progress = outcome.progress
        if outcome.done:
            report.end = "over"
            break
    return report
