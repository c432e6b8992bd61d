"""What folding saves a small language model that runs here: the time to read the prompts of recorded episodes, and what it answers.

The same steps (plans of a planning world, each stage of the goal a subgoal) go through two memories; for each step the model reads the prompt anew
and writes one token. A server that keeps keys and values of a prompt's beginning would read only what is new of a whole history, and
anew what a fold has changed; that is not measured here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lamina.agents.acting import head_of
from lamina.agents.action_lines import read_answer
from lamina.agents.environments.ordering import stages
from lamina.agents.environments.planning import Literal
from lamina.agents.environments.planning import Step as Move
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.search import Planner
from lamina.agents.memories import make_memory
from lamina.agents.worlds import Setting, setting
from lamina.bench.results import Result, Row
from lamina.errors import InputError
from lamina.models.protocols import Message
from lamina.working.steps import Step

COMPARED: Final = ("full", "hiagent", "nested")
LEAST: Final = 20
"""Steps of an episode from which on the time counts, as the source's check has it."""
ROOMY: Final = 1_000_000

Recorded = list[tuple[Step, tuple[str, ...]]]
"""Steps with their subgoals, and what could be done before each."""


def run(
    *,
    data: Path | None,
    seed: int,
    progress: Callable[[str], None],
    world: str = "tyreworld",
    size: int = 4,
    episodes: int = 1,
    every: int = 5,
    answers: int = 40,
    weights: str | None = None,
) -> Result:
    """Time the reading of prompts.

    `world`: a planning world, of this `size`; `episodes` of it; `every`: how many steps there are from one prompt that is read to the
    next; `answers`: tokens of an answer whose form is looked at (0: none); `weights`: another model than the packaged one.
    """
    from lamina.models.local import LocalModel

    for name, value in (("episodes", episodes), ("every", every)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
    model = LocalModel.load(weights, threads=1)
    model.complete([Message("user", "Hello.")], max_tokens=1)  # what is slow the first time only
    found: dict[str, dict[str, list[float]]] = {name: {} for name in COMPARED}
    for number in range(episodes):
        place = setting(world, size=size, seed=seed + number)
        if not isinstance(place.world, PlanningWorld):
            raise InputError(f"episodes are recorded in planning worlds, and {world!r} is none")
        recorded = record(place.world)
        if len(recorded) < LEAST:
            raise InputError(f"an episode has {len(recorded)} steps and needs {LEAST}: ask for a larger size")
        prompts = {name: list(prompts_of(place, recorded, name, every)) for name in COMPARED}
        for turn, at in enumerate(range(0, len(recorded), every)):
            progress(f"working: episode {number + 1}, step {at + 1} of {len(recorded)}")
            for name in COMPARED if turn % 2 else COMPARED[::-1]:  # their order changes
                told = read(model, prompts[name][turn], recorded[at][1], answers)
                for key, figure in told.items():
                    found[name].setdefault(key, []).append(figure)
    rows = [Row(name, {key: float(np.mean(values)) for key, values in figures.items()}) for name, figures in found.items()]
    whole = rows[0].metrics["seconds"]
    rows[1:] = [Row(row.system, {**row.metrics, "seconds_saved": 1 - row.metrics["seconds"] / whole}) for row in rows[1:]]
    config: dict[str, Any] = {
        "seed": seed, "world": world, "size": size, "episodes": episodes, "every": every, "answer_tokens": answers, "model": model.name, "threads": 1,
        "prompts": len(found["full"]["seconds"]),
    }  # fmt: skip
    return Result("working", f"recorded episodes of {world}, read by a local model", config, rows)


def record(world: PlanningWorld) -> Recorded:
    """The steps of a plan that reaches the goal stage by stage, each stage a subgoal, and what could be done before each."""
    planner = Planner(world.problem)
    world.reset()
    state, reached = world.problem.start, tuple[Literal, ...]()
    recorded: Recorded = []
    for stage in stages(world.problem.domain.name, world.problem.goal):
        reached += stage
        moves: Sequence[Move] | None = planner.plan(state, reached)
        if moves is None:
            raise InputError(f"no plan was found for {world.name}")
        subgoal: str | None = ", ".join(world.wording.sentence(one) for one in stage)
        for move in moves:
            possible = tuple(world.valid_actions())
            state = move.after(state)
            command = world.wording.command(move)
            recorded.append((Step.acted(command, world.step(command).observation, subgoal=subgoal), possible))
            subgoal = None
    return recorded


def prompts_of(place: Setting, recorded: Recorded, name: str, every: int) -> Iterator[Sequence[Message]]:
    """The prompt before each step of which one is read."""
    world = place.world
    memory = make_memory(name, summarise=place.summarise, condense=place.condense, fully_observable=world.fully_observable)
    head = head_of(world, memory.rules)
    memory.observe(Step.observed(world.reset()))
    for number, (step, _) in enumerate(recorded):
        if number % every == 0:
            yield memory.prompt(head, ROOMY).messages
        memory.observe(Step(step.messages) if name == "full" else step)


def read(model: Any, prompt: Sequence[Message], possible: Sequence[str], answers: int) -> dict[str, float]:
    """Seconds and tokens of reading a prompt; whether the answer has a subgoal, an action, and one that can be done."""
    begun = time.perf_counter()
    first = model.complete(prompt, max_tokens=1)
    told = {"seconds": time.perf_counter() - begun, "prompt_tokens": float(first.prompt_tokens or 0)}
    if answers:
        text = model.complete(prompt, max_tokens=answers).text
        answer = read_answer(text)
        told["subgoal_named"] = float(bool(answer.subgoal))
        told["action_labelled"] = float(bool(answer.action) and "action:" in text.lower())
        told["action_possible"] = float((answer.action or "").strip(" .").lower() in possible)
    return told
