"""The loop of an agent in a world of text: see, think in subgoals where the memory asks for it, act, until the goal or the horizon.

After Mengkang Hu et al., HiAgent (2024). The loop knows no memory: what the prompt shows is the `WorkingMemory`'s business, and what
the model must know of it are its `rules`. In the code in circulation an action `retrieve(..)` is sent to the world after all and wastes
a step (`wasteful=True` repeats that); here it costs a call of the model and no step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lamina.agents.action_lines import Answer, read_answer
from lamina.agents.patience import CallFailed, Patience
from lamina.errors import InputError
from lamina.models.protocols import Message
from lamina.working.steps import ACTION, OBSERVATION, SUBGOAL, Step
from lamina.working.subgoals import BEGIN, CHECK, RETRIEVE, asked_for

if TYPE_CHECKING:
    from lamina.agents.environments.protocol import Environment, Outcome
    from lamina.models.protocols import LanguageModel
    from lamina.working.chunks import Rendered
    from lamina.working.protocol import WorkingMemory

HORIZON: Final = 30
"""Steps of an episode, the source's."""
RETRIEVALS: Final = 2
"""How often the model may ask for folded steps before one action."""
CORRECTIONS: Final = 2
"""How often the model is asked again for what was wrong with its answer before the step is lost."""

_CUE: Final = ACTION.strip()


@dataclass(frozen=True, slots=True)
class Played:
    """A step of an episode. `subgoal`: the one that began with it; `tokens`: of all prompts it took; `asked`: how many these were;
    `prompt`: the last of them."""

    number: int
    subgoal: str | None
    action: str
    observation: str
    valid: bool
    progress: float
    tokens: int
    asked: int
    prompt: Rendered


@dataclass(slots=True)
class Episode:
    """An episode and how it went.

    `success`: every literal of the goal held at its end; `progress`: the largest share of them that ever held; `horizon`: the steps
    allowed; `retrieved`, `refused`: how often folded steps were shown and how often an answer was refused; `failed`: steps in which
    the world raised or hung.
    """

    world: str
    memory: str
    horizon: int
    success: bool = False
    progress: float = 0.0
    played: list[Played] = field(default_factory=list)
    subgoals: int = 0
    retrieved: int = 0
    refused: int = 0
    failed: int = 0

    @property
    def steps(self) -> int:
        """Steps used: the horizon where the goal was not reached."""
        return len(self.played) if self.success else self.horizon

    @property
    def valid(self) -> float:
        """The share of actions that could be done."""
        return sum(one.valid for one in self.played) / max(len(self.played), 1)

    @property
    def tokens_per_step(self) -> float:
        """Mean tokens of the prompts that a step took."""
        return sum(one.tokens for one in self.played) / max(len(self.played), 1)

    @property
    def outcome(self) -> str:
        """How it ended, in a sentence."""
        end = "reached" if self.success else "not reached"
        return f"The goal was {end} in {len(self.played)} steps; progress {self.progress:.2f}."

    def as_json(self) -> dict[str, Any]:
        """The figures as plain JSON."""
        return {
            "world": self.world, "memory": self.memory, "success": self.success, "progress": self.progress, "steps": self.steps,
            "horizon": self.horizon, "valid": self.valid, "tokens_per_step": self.tokens_per_step, "subgoals": self.subgoals,
            "retrieved": self.retrieved, "refused": self.refused, "failed": self.failed,
        }  # fmt: skip


def head_of(
    world: Environment, rules: str = "", examples: Sequence[str] = (), known: str = "", commands: Sequence[str] = (CHECK,)
) -> list[Message]:
    """What every prompt of a task begins with: the instruction and the memory's rules; examples, what is known, goal, help."""
    parts = [f"Here is an example:\n{one.strip()}" for one in examples]
    parts += [known.strip()] if known.strip() else []
    parts.append(f"Goal: {world.goal.strip()}")
    parts += [f"You can always use: {', '.join(commands)}"] if commands else []
    system = "\n\n".join(part for part in (world.instruction.strip(), rules) if part)
    return [Message("system", system), Message("user", "\n\n".join(parts))] if system else [Message("user", "\n\n".join(parts))]


class ActingAgent:
    """Plays a world of text with a language model and a working memory.

    Parameters: `model`; `memory`, new for each task; `budget`, the most tokens of a prompt; `horizon`, steps; `answer`, tokens of an
    answer; `patience`, seconds the world has for a step (None: no limit, and in this thread); `wasteful`: see the module (default: where the memory's variant is "code"); `watch`, told of each step once it is over.
    """

    def __init__(
        self,
        model: LanguageModel,
        memory: WorkingMemory,
        *,
        budget: int = 8192,
        horizon: int = HORIZON,
        answer: int = 200,
        patience: float | None = 30.0,
        wasteful: bool | None = None,
        watch: Callable[[Played], None] | None = None,
    ) -> None:
        for name, value in (("budget", budget), ("horizon", horizon), ("answer", answer)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
        self.model, self.memory = model, memory
        self.budget, self.horizon, self.answer = budget, horizon, answer
        self.wasteful = getattr(memory, "variant", "paper") == "code" if wasteful is None else wasteful
        self._patience = Patience(patience)
        self._watch = watch

    def play(self, world: Environment, *, examples: Sequence[str] = (), known: str = "") -> Episode:
        """One episode. `known` is put into the head, such as what earlier tasks taught.

        A step in which the world raises or hangs is told to the model and counts as not valid. Raises `InputError` where the world
        cannot begin, `BudgetError` where the head alone is over the budget, with both counts, and `ModelError` where the model fails;
        the steps so far are in the memory.
        """
        episode = Episode(world.name, self.memory.name, self.horizon)
        head = head_of(world, self.memory.rules, examples, known)
        try:
            self.memory.observe(Step.observed(self._patience.call(world.reset)))
        except CallFailed as error:
            raise InputError(f"the world {world.name} cannot be begun: {error}") from error
        while len(episode.played) < self.horizon and not self._step(world, head, episode):
            pass
        self.memory.close_task(episode.outcome)
        return episode

    def _step(self, world: Environment, head: Sequence[Message], episode: Episode) -> bool:
        """One step; whether it was the last."""
        turn = Turn(self, head, episode)
        action = turn.decide()
        now = episode.played[-1].progress if episode.played else 0.0
        outcome: Outcome | None = None
        observation = turn.lost
        if not observation:
            try:
                outcome = self._patience.call(world.step, action)
                observation, now = outcome.observation, outcome.progress
            except CallFailed as error:
                observation = f"The world gave no answer: {error}."
                episode.failed += 1
        self.memory.observe(Step.acted(action, observation, subgoal=turn.begun))
        valid = outcome is not None and outcome.valid
        episode.played.append(
            Played(len(episode.played) + 1, turn.begun, action, observation, valid, now, turn.tokens, turn.asked, turn.prompt)
        )
        episode.progress = max(episode.progress, now)
        episode.success = now >= 1.0
        if self._watch is not None:
            self._watch(episode.played[-1])
        return episode.success or (outcome is not None and outcome.done)


class Turn:
    """Asks the model until it gives an action. Retrievals and corrections cost no step; both are counted and capped.

    `begun`: the subgoal that begins with the step; `lost`: why the step is lost, where it is.
    """

    prompt: Rendered

    def __init__(self, agent: ActingAgent, head: Sequence[Message], episode: Episode) -> None:
        self._agent, self._head, self._episode = agent, head, episode
        self._tools = {tool.name for tool in agent.memory.tools()}
        self._retrieved = self._corrected = 0
        self.tokens = self.asked = 0
        self.begun: str | None = None
        self.lost = ""

    def decide(self) -> str:
        """The action to send to the world, unless `lost` says otherwise."""
        told = ""
        while True:
            answer = self._ask(told)
            try:
                if answer.subgoal is not None:
                    self._begin(answer.subgoal)
                if not answer.action:
                    raise InputError(f"an action is missing: write {ACTION}and what you do")
                ids = asked_for(answer.action) if RETRIEVE in self._tools else None
                if ids is None:
                    return answer.action
                if self._agent.wasteful:
                    self._retrieve(ids)
                    return answer.action
                told = _exchange(answer.action, self._retrieve(ids))
            except InputError as error:
                told = _exchange(answer.action, f"Not possible: {error}")
                self._episode.refused += 1
                self._corrected += 1
                if self._corrected > CORRECTIONS:
                    self.lost = f"Not possible: {error}. This step was lost."
                    return answer.action or "(none)"

    def _ask(self, told: str) -> Answer:
        cue = _CUE if self.begun is not None else ""
        agent = self._agent
        self.prompt = agent.memory.prompt(self._head, agent.budget, tail="\n".join(part for part in (told, cue) if part))
        self.tokens += self.prompt.tokens
        self.asked += 1
        return read_answer(agent.model.complete(self.prompt.messages, max_tokens=agent.answer).text)

    def _begin(self, subgoal: str) -> None:
        if not subgoal.strip():
            raise InputError(f"a subgoal needs words: write {SUBGOAL}and what you want to reach next")
        if self.begun is not None:
            raise InputError(
                f"the subgoal {self.begun!r} has no action yet: two subgoals in a row are not allowed, act for it first"
            )
        if BEGIN in self._tools:
            self._agent.memory.call(BEGIN, {"subgoal": subgoal})
        self.begun = " ".join(subgoal.split())
        self._episode.subgoals += 1

    def _retrieve(self, ids: Sequence[int]) -> str:
        if self._retrieved == RETRIEVALS:
            raise InputError(f"more than {RETRIEVALS} retrievals before one action are not allowed: act now")
        self._retrieved += 1
        told = self._agent.memory.call(RETRIEVE, {"ids": list(ids)})
        self._episode.retrieved += 1
        return told


def _exchange(action: str | None, told: str) -> str:
    """What was asked of the memory and what it said, shown until the step is there and kept nowhere."""
    return f"{ACTION}{action}\n{OBSERVATION}{told}" if action else told
