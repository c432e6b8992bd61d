"""The closed loop: look, plan a few calls, judge each before it is made, act, and plan again when it no longer looks feasible.

Four roles with narrow jobs share the work: an observer tells what is seen, a belief holds what was done and seen where, a planner proposes a
subgoal and a short list of calls, a critic judges each call from the belief before it is made. What the critic rejects, and what the world
shows otherwise than expected, ends the list; the reason goes to the planner. Every role works by rule or by a language model.

Source: M. Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic Environments", 2025. Differences to the released
code: calls are parsed, never evaluated; the belief is there from the first look on and rolls; there is a test of the goal and a limit of
steps; a critic that repeats itself is escalated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lamina.agents.escalation import ACCEPTED, GIVEN_UP, Escalation, Thresholds
from lamina.agents.roles import Look, NoPlanError, Plan, Situation
from lamina.errors import InputError, ModelError
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Fact, Surprise

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.agents.roles import ActionModel, Critic, Observer, Planner, Task, Verdict, World
    from lamina.agents.skills import Call

End = Literal["done", "limit", "given up", "over"]
Cause = Literal["verdict", "surprise", "refused", "no plan", "not done"]


@dataclass(frozen=True, slots=True)
class Event:
    """A re-plan: before or after which step, the call, the chance its critic gave, the level and the reason.

    `base`: the level without what came before it; `about_object`: whether a fact about the subgoal's object was contradicted.
    """

    step: int
    level: int
    cause: Cause
    reason: str
    call: str = ""
    chance: float = 1.0
    about_object: bool = False
    base: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was made, whether the world took it for valid, and the subgoal it was for."""

    call: str
    valid: bool
    subgoal: str


@dataclass(slots=True)
class Report:
    """How a task went.

    `end`: "done" where the agent believes that the goal is reached, "limit", "given up", "over" where the world ended it; `calls`: those made; `plans`: how many were made; `events`: the re-plans; `progress`: what the world said last.
    """

    end: End = "limit"
    calls: list[Done] = field(default_factory=list)
    plans: int = 0
    events: list[Event] = field(default_factory=list)
    progress: float = 0.0

    @property
    def steps(self) -> int:
        """Calls that were made."""
        return len(self.calls)

    @property
    def invalid(self) -> int:
        """Calls that the world refused."""
        return sum(not one.valid for one in self.calls)

    @property
    def levels(self) -> Counter[int]:
        """Re-plans by level."""
        return Counter(event.level for event in self.events)

    @property
    def text(self) -> str:
        """The report in words."""
        levels = ", ".join(f"level {level} {count}" for level, count in sorted(self.levels.items()))
        last = f"; last: {self.events[-1].reason}" if self.events and self.end != "done" else ""
        return f"{self.end} after {self.steps} steps, {self.invalid} not valid; re-plans: {levels or 'none'}{last}"


class WorldObserver:
    """Tells what the world itself tells."""

    def observe(self, world: World, task: Task, subgoal: str) -> Look:
        """See `Observer`."""
        return world.look()


class ClosedLoop:
    """Does a task in a world.

    Parameters: `world`, `task`; `planner`; `critic` (None: calls are not judged); `observer` (default: the world's own words); `belief`; `model`,
    which says what each call should bring about (None: nothing is expected, so nothing surprises); `thresholds`; `limit` of steps; `watch`:
    False plans anew only when a list has ended; `judged`, which is told every verdict and whether the call is made, before it is.
    """

    def __init__(
        self,
        world: World,
        task: Task,
        planner: Planner,
        critic: Critic | None,
        *,
        observer: Observer | None = None,
        belief: BeliefMemory | None = None,
        model: ActionModel | None = None,
        thresholds: Thresholds | None = None,
        limit: int = 60,
        watch: bool = True,
        judged: Callable[[Plan, int, Verdict, bool], None] | None = None,
    ) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InputError(f"a limit is a whole number of steps of at least 1, not {limit!r}")
        self.world, self.task, self.planner, self.critic = world, task, planner, critic
        self.observer: Observer = observer if observer is not None else WorldObserver()
        self.belief = belief if belief is not None else BeliefMemory()
        self.model, self.limit, self.watch = model, limit, watch
        self.escalation = Escalation(thresholds if thresholds is not None else Thresholds())
        self.report = Report()
        self._judged = judged
        self._look = Look("")
        self._keep: str | None = None
        self._doubted: frozenset[Fact] = frozenset()
        self._over = False

    def run(self) -> Report:
        """Act until the goal is believed to be reached, the limit is, or nothing leads on."""
        self._see(Record("", seen=None))
        while True:
            if self._over or self.report.steps >= self.limit:
                return self._ended("over" if self._over else "limit")
            plan = self._planned()
            if plan is not None and plan.finished:
                missing = [fact.text for fact in self.task.goal if self.belief.sightings.seen_at(fact) is None]
                if not missing:
                    return self._ended("done")
                self._again(self.escalation.failed(f"it is not done: {'; '.join(missing)}"), "not done")
            elif plan is not None:
                self._follow(plan)
            if self.report.events and self.report.events[-1].level >= GIVEN_UP:
                return self._ended("given up")

    def _ended(self, end: End) -> Report:
        self.report.end = end
        self.belief.close_task(self.report.text)
        return self.report

    # ------------------------------------------------------------------------------------------------------ planning
    def _planned(self) -> Plan | None:
        """The next plan; where there is none, the level of that is noted."""
        try:
            plan = self.planner.plan(self._situation())
        except (ModelError, NoPlanError) as error:
            self._again(self.escalation.failed(str(error), 3 if isinstance(error, NoPlanError) else 1), "no plan")
            return None
        self.report.plans += 1
        return plan

    def _situation(self) -> Situation:
        return Situation(
            self.task, self.belief, self._look, self.world.skills, self.world.names, self._keep, self.escalation.reflection, self._doubted
        )  # fmt: skip

    def _again(self, level: int, cause: Cause, plan: Plan | None = None, call: str = "", chance: float = 1.0, wrong: frozenset[Fact] = frozenset()) -> None:  # fmt: skip
        """Note a re-plan and do what its level says. `wrong`: the facts that were contradicted."""
        about = plan is not None and any(fact.subject in plan.objects for fact in wrong)
        self.report.events.append(
            Event(self.report.steps, level, cause, self.escalation.reason, call, chance, about, self.escalation.base)
        )
        self._keep = plan.subgoal if plan is not None and level == 1 else None
        if level == 3:
            self.belief.rebuild()
            self._see(Record(""))

    # -------------------------------------------------------------------------------------------------------- acting
    def _follow(self, plan: Plan) -> None:
        """Make the plan's calls until one is rejected, something surprises, or the list ends."""
        for place, call in enumerate(plan.calls):
            if self._over or self.report.steps >= self.limit:
                return
            if self.critic is not None and self._rejected(plan, place):
                return
            if self._act(plan, call):
                return
        partly = plan.partly or bool(plan.rest)
        self._keep = plan.subgoal if partly else None
        if plan.aims and not partly:
            self.escalation.progressed()

    def _rejected(self, plan: Plan, place: int) -> bool:
        assert self.critic is not None
        call = plan.calls[place]
        verdict = self.critic.judge(self._situation(), plan, place)
        level = self.escalation.judged(call, verdict, plan)
        if self._judged is not None:
            self._judged(plan, place, verdict, level == ACCEPTED)
        if level == ACCEPTED:
            return False
        self._doubted |= verdict.doubted
        self._again(level, "verdict", plan, call.text, verdict.chance, verdict.contradicted)
        return True

    def _act(self, plan: Plan, call: Call) -> bool:
        """Make a call and see what came of it; returns whether the plan ends here."""
        outcome = self.world.step(call.text)
        self.report.calls.append(Done(call.text, outcome.valid, plan.subgoal))
        self.report.progress, self._over = outcome.progress, outcome.done
        expected = self.model.effects(call) if self.model is not None and outcome.valid else ()
        record = Record("", call.text, outcome.observation, expected=expected, failed=not outcome.valid, subgoal=plan.subgoal)
        surprise = self._see(record, plan)
        if not self.watch:
            return False
        level = self.escalation.surprised(surprise if self.model is not None else Surprise(), plan)
        cause: Cause = "surprise"
        if level == ACCEPTED and not outcome.valid:
            level, cause = self.escalation.failed(f"{call.text} was refused: {outcome.observation}"), "refused"
        if level == ACCEPTED:
            return False
        self._again(level, cause, plan, call.text, wrong=surprise.contradicted)
        return True

    def _see(self, record: Record, plan: Plan | None = None) -> Surprise:
        """Look, and take the record into the belief with what is seen."""
        self._look = self.observer.observe(self.world, self.task, plan.subgoal if plan is not None else "")
        seen = Record(
            self._look.text, record.action, record.feedback, self._look.seen, record.expected, record.failed, record.subgoal
        )
        surprise = self.belief.record(seen, relevant=plan.subjects if plan is not None else None)
        held, now = self.belief.sightings, self.belief.steps
        self._doubted = frozenset(fact for fact in self._doubted if held.seen_at(fact) not in (None, now))
        return surprise
