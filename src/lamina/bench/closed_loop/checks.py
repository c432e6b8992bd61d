"""What is measured of the closed loop: against the open one, without its critic, without its map, over thresholds, and its belief."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.agents.closed_loop import Event
from lamina.agents.environments.disturbed_kitchen import DisturbedKitchen
from lamina.agents.escalation import Thresholds
from lamina.algorithms.scorers import bootstrap_interval, paired_bootstrap
from lamina.bench.closed_loop.trials import LIMIT, Judged, Setting, System, Trial, goal_of, trial
from lamina.bench.results import Row
from lamina.bench.table import AGAINST
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Fact

Say = Callable[[str], None]
TAUS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
BELIEF_STEPS: Final = 200


def trials(system: System, setting: Setting, seeds: Sequence[int]) -> list[Trial]:
    """One trial a seed."""
    return [trial(system, setting, seed) for seed in seeds]


def metrics_of(found: Sequence[Trial]) -> dict[str, float]:
    """Means of a system's trials, with the interval of its success."""
    success = bootstrap_interval([one.success for one in found])
    levels = sum((one.report.levels for one in found), Counter[int]())
    reached = [one.report.steps for one in found if one.success]
    return {
        "success": success.estimate,
        "success_low": success.low,
        "success_high": success.high,
        "completion": float(np.mean([one.report.progress for one in found])),
        "steps": float(np.mean([one.report.steps for one in found])),
        "steps_to_success": float(np.mean(reached)) if reached else 0.0,
        "invalid_steps": float(np.mean([one.report.invalid for one in found])),
        **{f"level_{level}_replans": levels[level] / len(found) for level in (1, 2, 3)},
        "given_up": float(np.mean([one.report.end == "given up" for one in found])),
        "disturbances": float(np.mean([one.disturbances for one in found])),
    }


def compared(found: Sequence[Trial], other: Sequence[Trial]) -> dict[str, float]:
    """How much more one system reaches than another on the same seeds, in points, and per cent more of it."""
    told: dict[str, float] = {}
    for name, of in (("success", _success), ("completion", _completion)):
        values, others = of(found), of(other)
        difference = paired_bootstrap(values, others)
        told |= {
            f"{name}_points": 100 * difference.estimate,
            f"{name}_low_points": 100 * difference.low,
            f"{name}_high_points": 100 * difference.high,
        }
        if others.mean():
            told[f"{name}_gain_percent"] = float(100 * (values.mean() / others.mean() - 1))
    for name, of in (("steps", _steps), ("invalid_steps", _invalid)):
        values, others = of(found), of(other)
        if others.mean():
            told[f"{name}_more_percent"] = float(100 * (values.mean() / others.mean() - 1))
    return told


def _success(found: Sequence[Trial]) -> NDArray[np.float64]:
    return np.array([one.success for one in found])


def _completion(found: Sequence[Trial]) -> NDArray[np.float64]:
    return np.array([one.report.progress for one in found])


def _steps(found: Sequence[Trial]) -> NDArray[np.float64]:
    return np.array([one.report.steps for one in found], np.float64)


def _invalid(found: Sequence[Trial]) -> NDArray[np.float64]:
    return np.array([one.report.invalid for one in found], np.float64)


# ------------------------------------------------------------------------------------------------------------- checks
def loops(seeds: Sequence[int], say: Say) -> list[Row]:
    """Closed against open, with and without disturbances, of anything and of the task's things; and in the other kitchen."""
    rows = []
    for setting in (Setting(0.0), Setting(0.1), Setting(0.1, "task"), Setting(0.0, other=True), Setting(0.1, "task", other=True)):
        name = (
            f"p={setting.p}"
            + (", its things" if setting.disturbed == "task" else "")
            + (", other kitchen" if setting.other else "")
        )
        say(f"closed-loop: closed and open, {name}")
        closed, opened = trials(System(), setting, seeds), trials(System("open"), setting, seeds)
        law = float(np.mean([(1 - setting.p) ** one.report.steps for one in opened]))
        rows.append(Row(f"closed, {name}", metrics_of(closed), {f"{AGAINST}open, {name}": compared(closed, opened)}))
        rows.append(Row(f"open, {name}", {**metrics_of(opened), "undisturbed": law}))
    return rows


def critics(seeds: Sequence[int], say: Say) -> list[Row]:
    """The critic against none, against plans anew at the end of lists only, and against one that rejects at random as often."""
    rows = []
    for p in (0.05, 0.1, 0.2):
        setting = Setting(p)
        say(f"closed-loop: critics, p={p}")
        found = {"critic": trials(System(), setting, seeds)}
        rate = judgement(found["critic"])["rejected"]
        found["surprise only"] = trials(System(critic="none"), setting, seeds)
        found["at the end of lists"] = trials(System(critic="none", watch=False), setting, seeds)
        found["random critic"] = trials(System(critic="random", rate=rate), setting, seeds)
        found["critic only"] = trials(System(watch=False), setting, seeds)
        for name, some in found.items():
            others = {
                f"{AGAINST}{other}, p={p}": compared(found["critic"], found[other])
                for other in found
                if name == "critic" != other
            }
            rows.append(Row(f"{name}, p={p}", {**metrics_of(some), **judgement(some)}, others))
    return rows


def judgement(found: Sequence[Trial]) -> dict[str, float]:
    """Precision and recall of rejections against the simulator; empty where nothing was judged.

    A call is unsuitable where it, or something planned after it, could not be done; `recall_of_invalid`: of those that could not be done themselves;
    `chance_of_doubted` and `suitable_of_doubted`: the mean chance of calls that are neither sure nor ruled out, and how many of them are suitable.
    """
    judged = sum((one.judged for one in found), Counter[Judged]())

    def share(of: Callable[[Judged], bool], among: Callable[[Judged], bool]) -> float | None:
        count = sum(number for key, number in judged.items() if among(key))
        return sum(number for key, number in judged.items() if among(key) and of(key)) / count if count else None

    told = {
        "rejected": share(lambda key: not key[2], lambda key: True),
        "unsuitable": share(lambda key: not key[0], lambda key: True),
        "precision": share(lambda key: not key[0], lambda key: not key[2]),
        "recall": share(lambda key: not key[2], lambda key: not key[0]),
        "recall_of_invalid": share(lambda key: not key[2], lambda key: not key[1]),
    }
    doubted = [pair for one in found for pair in one.doubted]
    if doubted:
        told["chance_of_doubted"], told["suitable_of_doubted"] = (float(np.mean(column)) for column in zip(*doubted, strict=True))
    return {name: value for name, value in told.items() if value is not None}


def maps(seeds: Sequence[int], say: Say) -> list[Row]:
    """With what was seen where, and without, on searches behind doors that fall shut."""
    rows = []
    for setting in (Setting(0.0, search=True), Setting(0.05, search=True), Setting(0.05, search=True, limit=30)):
        name = f"p={setting.p}, at most {setting.limit} steps"
        say(f"closed-loop: the spatial section, {name}")
        whole, blind = trials(System(), setting, seeds), trials(System(spatial=False), setting, seeds)
        for label, some, other in (("whole belief", whole, blind), ("last look only", blind, None)):
            more = {
                "repeated_openings": float(np.mean([one.repeated for one in some])),
                "tasks_with_repeats": float(np.mean([one.repeated > 0 for one in some])),
            }
            by = {} if other is None else {f"{AGAINST}last look only, {name}": compared(some, other)}
            rows.append(Row(f"{label}, {name}", {**metrics_of(some), **more}, by))
    return rows


def thresholds(seeds: Sequence[int], say: Say) -> list[Row]:
    """τ from 0 to 0.95 with τ_low at 0.2 or τ, whichever is less: with surprises, and for the critic alone."""
    rows = []
    for watch, name in ((True, ""), (False, "critic only, ")):
        for tau in TAUS:
            say(f"closed-loop: {name}τ={tau}")
            found = trials(System(watch=watch, thresholds=Thresholds(tau=tau, tau_low=min(0.2, tau))), Setting(0.1), seeds)
            events = [event for one in found for event in one.report.events]
            second = [event for event in events if event.level == 2]
            more = {
                "tau": tau,
                "rejections": sum(event.cause == "verdict" for event in events) / len(found),
                "replans": len(events) / len(found),
                "steps_with_failures_as_limit": float(np.mean([one.report.steps if one.success else LIMIT for one in found])),
                "level_2_about_object": _about(second),
                "level_2_by_itself_about_object": _about([event for event in second if event.base == 2]),
            }
            rows.append(Row(f"{name}τ={tau}", {**metrics_of(found), **more}))
    return rows


def _about(events: Sequence[Event]) -> float:
    """The share that is about the subgoal's object; 1 of none."""
    return float(np.mean([event.about_object for event in events])) if events else 1.0


def beliefs(seeds: Sequence[int], say: Say) -> list[Row]:
    """Beliefs over 200 steps at random: their tokens, and what they still know of what was last seen before their records begin."""
    rows = []
    for variant in ("rolling", "code"):
        say(f"closed-loop: the belief, {variant}")
        tokens: list[int] = []
        kept: list[float] = []
        told: list[float] = []
        for seed in seeds[:20]:
            belief, old = _walked(seed, variant, tokens)
            kept.append(sum(belief.sightings.seen_at(fact) is not None for fact in old) / max(len(old), 1))
            text = belief.text
            told.append(sum(f"{fact.text} (step" in text for fact in old) / max(len(old), 1))
        rows.append(
            Row(
                f"belief, {variant}",
                {"tokens_most": float(max(tokens)), "tokens_mean": float(np.mean(tokens)), "old_facts_believed": float(np.mean(kept)), "old_facts_in_text": float(np.mean(told))},
            )
        )  # fmt: skip
    return rows


def _walked(seed: int, variant: str, tokens: list[int]) -> tuple[BeliefMemory, list[Fact]]:
    """A belief after valid actions at random near two places; and the facts that were last seen before its records begin and still hold."""
    kitchen = DisturbedKitchen(goal_of(seed, False), seed=seed, limit=BELIEF_STEPS + 1)
    chance = random.Random(f"walk {seed}")
    belief = BeliefMemory(variant="code" if variant == "code" else "rolling")
    reference = BeliefMemory()
    for memory in (belief, reference):
        memory.record(Record(kitchen.known().text, seen=kitchen.known().seen))
    for _ in range(BELIEF_STEPS):
        action = chance.choice([one for one in kitchen.valid_actions() if "pantry" not in one and "stove" not in one])
        told = kitchen.step(action).observation
        look = kitchen.look()
        for memory in (belief, reference):
            memory.record(Record(look.text, action, told, look.seen))
        tokens.append(belief.counter.count(belief.text))
    first = belief.buffer[0][0]
    held = reference.sightings
    old = [fact for fact in held if (held.seen_at(fact) or 0) < first and kitchen.state.get(fact.key) == fact.value]
    return belief, old
