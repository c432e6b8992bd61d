"""Working memories under a budget: the same tasks in worlds of text, the same player, prompts of the same size, another memory.

The player is a policy by rules that reads nothing but the prompt: what the memory does not show, it does not know. So the figures say what a
prompt holds, not how well a language model thinks. Limits are fixed beforehand, as shares of the mean length of a whole history in the
domain (the tokens of all its steps, played with everything shown); a limit is the room for steps, what a prompt begins with comes on top
and counts in the tokens of a step. A memory's rules count there too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.agents.acting import HORIZON, ActingAgent, Episode, head_of
from lamina.agents.memories import MEMORIES, make_memory
from lamina.bench.ranking.scoring import difference
from lamina.bench.results import Metrics, Result, Row
from lamina.bench.table import AGAINST
from lamina.bench.working_fetch import trial_rows, window_rows
from lamina.bench.working_tasks import Task, tasks_of
from lamina.errors import InputError
from lamina.models.protocols import Message
from lamina.models.tokens import WordLlamaTokens
from lamina.working.steps import Step, prompt_tokens
from lamina.working.subgoals import SubgoalMemory

LIMITS: Final = (0.15, 0.25, 0.35, 0.5, 0.75, 1.0, 2.0)
"""Room for steps as shares of a domain's mean whole history; judged are 0.25, 0.5 and 1; at 2 nearly nothing has to be left out."""
COMPARED: Final = (
    "hiagent",
    "nested",
    "nested-recent",
    "nested-when-full",
    "full",
    "window",
    "summary",
    "summary-known",
    "hiagent-no-retrieval",
    "hiagent-no-summary",
)
RIVALS: Final = ("full", "window", "summary")
JUDGED: Final[Mapping[str, Sequence[str]]] = {
    "hiagent": RIVALS,
    "nested": (*RIVALS, "summary-known", "hiagent"),
    "nested-recent": (*RIVALS, "summary-known", "hiagent"),
}
"""Memories that are compared with others task by task."""
FIGURES: Final = ("success", "progress", "steps", "tokens_per_step", "history_tokens_per_step", "valid", "subgoals", "retrieved")
"""Figures of an episode; the tokens are of all prompts that a step took, those of the history without what every prompt begins with."""
ROOMY: Final = 1_000_000
"""A budget that hides nothing."""

Figures = NDArray[np.float64]  # (tasks, figures)


@dataclass(frozen=True, slots=True)
class Limit:
    """A share of a domain's mean whole history, and the tokens this is."""

    share: float
    tokens: int

    def named(self, figure: str) -> str:
        """What a figure at this limit is called."""
        return f"{figure}_at_{round(100 * self.share)}_percent"


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    limits: Sequence[float] = LIMITS,
    memories: Sequence[str] = COMPARED,
    domains: Sequence[str] = (),
    maps: int = 100,
    horizon: int = HORIZON,
    window: int = 5,
    ranked: bool = True,
    model: str = "policy",
    **more: Any,
) -> Result:
    """Play every task with every memory at every limit.

    `maps`: maps of the fetch world; `domains`: only these; `window`: steps of the sliding window; `ranked`: False lets the rules for
    what is known neither leave out nor rank anything by the goal; `model`: "policy", or "local" for the time that a small language model
    takes to read the prompts of recorded episodes (see `working_local`, which takes what is left in `more`).
    """
    if model == "local":
        from lamina.bench import working_local

        return working_local.run(data=data, seed=seed, progress=progress, **more)
    if more or model != "policy":
        raise InputError(f"the benchmark 'working' has no setting {next(iter(more), model)!r}")
    for name in memories:
        if name not in MEMORIES:
            raise InputError(f"{name!r} is not a working memory: use some of {', '.join(MEMORIES)}")
    if not limits or not all(0 < share <= 10 for share in limits):
        raise InputError(f"limits are shares of a whole history above 0, not {limits!r}")
    tasks = tasks_of(data, seed, maps, domains, ranked=ranked)
    found: dict[str, dict[str, dict[float, Figures]]] = {}
    tokens: dict[str, dict[str, float]] = {}
    for domain, some in tasks.items():
        whole = [play(task, "full", ROOMY, horizon, window)[0] for task in some]
        length = float(np.mean([history_tokens(task, episode) for task, episode in zip(some, whole, strict=True)]))
        steps = [len(episode.played) for episode in whole]
        tokens[domain] = {"history_tokens": length, "steps": float(np.mean(steps)), "tasks": float(len(some))}
        for name in memories:
            for share in limits:
                progress(f"working: {domain}, {name} at {share:.0%}")
                episodes = [play(task, name, max(round(share * length), 1), horizon, window) for task in some]
                found.setdefault(name, {}).setdefault(domain, {})[share] = figures_of(episodes)
    rows = [row_of(name, found, tasks, tokens, seed) for name in found]
    rows.append(Row("whole history", {"tasks": float(sum(map(len, tasks.values())))}, tokens))
    if "fetch" in tasks:
        progress("working: the fetch world at fixed limits")
        rows += window_rows(lambda *given: play(*given)[0], maps, seed, horizon)
        progress("working: a second task in the same house")
        rows += trial_rows(maps, seed)
    progress("working: a long log")
    rows.append(speed_row())
    config = {
        "seed": seed, "limits": list(limits), "horizon": horizon, "window": window, "maps": maps, "memories": list(memories), "ranked": ranked,
        "fully_observable": {domain: some[0].fully_observable for domain, some in tasks.items()}, "player": "policy by rules",
    }  # fmt: skip
    return Result("working", f"AgentBoard's planning problems and {maps} maps of a fetch world", config, rows)


def play(task: Task, memory: str, room: int, horizon: int, window: int) -> tuple[Episode, int]:
    """One episode with so many tokens for its steps, besides what every prompt begins with; and how many tokens that is."""
    counter = WordLlamaTokens()
    world = task.world()
    working = make_memory(
        memory,
        room=room,
        window=window,
        summarise=task.summarise,
        condense=task.condense,
        fully_observable=world.fully_observable,
        counter=counter,
    )
    fixed = prompt_tokens(head_of(world, working.rules), counter)
    agent = ActingAgent(task.player(), working, budget=fixed + max(room, LEAST), horizon=max(horizon, task.horizon))
    return agent.play(world), fixed


LEAST: Final = 80
"""Tokens for the last step and what is told beside it; a limit below is no limit for a prompt."""


def history_tokens(task: Task, episode: Episode) -> int:
    """The tokens of all steps of an episode in which nothing was hidden."""
    counter = WordLlamaTokens()
    last = episode.played[-1]
    shown = last.prompt.tokens - prompt_tokens(head_of(task.world(), ""), counter)
    return shown + counter.count(f"Action: {last.action}\nObservation: {last.observation}")


def figures_of(episodes: Sequence[tuple[Episode, int]]) -> Figures:
    """The figures of each episode, in the order of `FIGURES`."""
    rows = []
    for one, fixed in episodes:
        shown = one.tokens_per_step - fixed * sum(step.asked for step in one.played) / len(one.played)
        rows.append((one.success, one.progress, one.steps, one.tokens_per_step, shown, one.valid, one.subgoals, one.retrieved))
    return np.array(rows, dtype=np.float64)


def row_of(
    name: str,
    found: Mapping[str, Mapping[str, Mapping[float, Figures]]],
    tasks: Mapping[str, Sequence[Task]],
    tokens: Mapping[str, Mapping[str, float]],
    seed: int,
) -> Row:
    """A memory's figures: means of the domains, each domain, and how it compares with its rivals there."""
    by: dict[str, Metrics] = {}
    for domain, shares in found[name].items():
        metrics: dict[str, float] = {}
        for share, values in shares.items():
            limit = Limit(share, round(share * tokens[domain]["history_tokens"]))
            metrics |= {limit.named(figure): float(mean) for figure, mean in zip(FIGURES, values.mean(axis=0), strict=True)}
        by[domain] = metrics
    if "full" in found and name != "full":
        for domain, shares in found[name].items():
            full = found["full"][domain]
            by[domain] = {**by[domain], **_saved(shares, full)}
    mean = {key: float(np.mean([metrics[key] for metrics in by.values()])) for key in next(iter(by.values()))}
    for rival in (one for one in JUDGED.get(name, ()) if one in found):
        for domain, shares in found[name].items():
            compared: dict[str, float] = {}
            for share, values in shares.items():
                other = found[rival][domain][share]
                compared |= difference(Limit(share, 0).named("success"), values[:, 0], other[:, 0], seed)
            by[f"{AGAINST}{rival}, {domain}"] = compared
    return Row(name, mean, by)


def _saved(shares: Mapping[float, Figures], full: Mapping[float, Figures]) -> dict[str, float]:
    """The share of tokens a step that a memory saves against the whole history at the same limit: of prompts, and of histories."""
    saved = {}
    for share, values in shares.items():
        for place, what in ((3, "saved"), (4, "history_saved")):
            saved[Limit(share, 0).named(what)] = 1 - float(values[:, place].mean() / full[share][:, place].mean())
    return saved


def speed_row(steps: int = 10_000, repeats: int = 50) -> Row:
    """Seconds to take in one more step and make the next prompt, after so many steps, each fifth of which began a subgoal."""
    memory = SubgoalMemory(lambda subgoal, pairs: "nothing was found")
    for number in range(steps):
        subgoal = f"Search room {number // 5}" if number % 5 == 0 else None
        memory.observe(Step.acted(f"open drawer {number % 5}", f"The drawer of room {number // 5} is empty.", subgoal=subgoal))
    head = [Message("system", memory.rules), Message("user", "Goal: find the key.")]
    taken = []
    for number in range(repeats):
        begun = time.perf_counter()
        memory.observe(Step.acted(f"open drawer {number}", "The drawer is empty."))
        memory.prompt(head, 2000)
        taken.append(time.perf_counter() - begun)
    return Row(f"a log of {steps:,} steps", {"step_median_seconds": float(np.median(taken)), "step_most_seconds": max(taken)})
