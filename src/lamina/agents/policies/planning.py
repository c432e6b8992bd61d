"""A policy for the planning domains: it believes what the prompt shows, plans to the next stage of the goal, and acts."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.ordering import Stage, stages
from lamina.agents.environments.planning import Domain, Fact, Literal, Problem, State, Step
from lamina.agents.environments.protocol import CHECK, NOT_VALID
from lamina.agents.environments.search import Planner
from lamina.agents.environments.wording import Wording
from lamina.agents.policies.prompt import PromptView
from lamina.errors import InputError
from lamina.models.protocols import Completion, Message, Schema, check_request

_LISTED: Final = "Valid actions are: "
_THINGS: Final = re.compile(r"^- ([\w-]+): (.+)$")
_LIMIT: Final = 5_000


@dataclass(frozen=True, slots=True)
class PlanningPolicy:
    """Answers as a language model would that plans without fault and knows only the prompt.

    It is made of the rules and the words of a domain; objects, goal and state it takes from the prompt's text, each time anew. Where a
    plan needs something that the prompt does not show, it asks for a folded chunk that names it, if that is offered, else for the
    valid actions, else it tries one of those.

    Parameters: `domain`, one of "blocksworld", "gripper", "tyreworld", "barman".

    >>> from lamina.agents.environments.generators import gripper
    >>> from lamina.agents.environments.planning_world import PlanningWorld
    >>> world = PlanningWorld(gripper(1))
    >>> prompt = f"{world.instruction}\\nGoal: {world.goal}\\nObservation: {world.reset()}"
    >>> PlanningPolicy("gripper").complete([Message("user", prompt)]).text
    'Action: pick ball1 rooma left'
    """

    domain: str

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise InputError(f"{self.domain!r} is no domain of this policy: use one of {', '.join(DOMAINS)}")

    @property
    def name(self) -> str:
        """The policy's name."""
        return f"planner of {self.domain}"

    def complete(
        self, messages: Sequence[Message], *, schema: Schema | None = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """The next subgoal, where one is asked for and due, and the next action. A schema is refused: the answer is in lines."""
        check_request(messages, max_tokens, temperature)
        if schema is not None:
            raise InputError(f"the {self.name} answers in lines and takes no schema")
        return Completion(self._answer(PromptView.of(messages)), model=self.name)

    def _answer(self, view: PromptView) -> str:
        words = DOMAINS[self.domain][1]
        course = _Course.of(view, self.domain)
        target = course.target
        if not target:
            return f"Action: {CHECK}"
        begun = view.subgoal is not None and course.pinned
        head = ""
        if view.wants_subgoals and not begun:
            head = f"Subgoal: {', '.join(words.sentence(one) for one in course.stage)}\n"
        step = course.step()
        asked = view.entries[-1].text if view.entries and view.entries[-1].kind == "observation" else ""
        listed = _commands(asked)
        if step is not None and not (listed and words.command(step) not in listed):
            command = words.command(step)
            if not (asked == NOT_VALID and view.last_action == command):
                return f"{head}Action: {command}"
        if step is None and (number := _wanted(view, course)):
            return f"Action: retrieve({number})"
        if listed:
            tried = [one.text for one in view.entries if one.kind == "action"]
            choice = min(listed, key=lambda one: (tried.count(one), zlib.crc32(f"{len(view.entries)} {one}".encode())))
            return f"{head}Action: {choice}"
        return f"{head}Action: {CHECK}"


@dataclass(frozen=True, slots=True)
class _Course:
    """Where the episode stands, as far as the prompt tells: what is believed, and the stage that is under way."""

    domain: str
    objects: tuple[tuple[str, str], ...]
    belief: State
    stage: Stage
    target: tuple[Literal, ...]
    pinned: bool

    @classmethod
    def of(cls, view: PromptView, domain: str) -> _Course:
        rules, words, full = DOMAINS[domain]
        objects = _objects(view.instruction, rules)
        order = stages(rules.name, words.read(view.goal))
        reader = _Reader(rules, words, full, dict(objects))
        belief: State = frozenset()
        at, pinned = -1, False
        for number, entry in enumerate(view.entries):
            if entry.kind == "subgoal":
                named = set(words.read(entry.text))
                found = next((n for n, stage in enumerate(order) if set(stage) == named), -1)
                at, pinned = found, found >= 0
                continue
            before = view.entries[number - 1] if number else None
            action = before.text if entry.kind == "observation" and before is not None and before.kind == "action" else ""
            belief = reader.after(belief, action, entry.text) if entry.kind == "observation" else belief
            if at < 0 or _holds(order[: at + 1], belief):
                following = next((n for n in range(len(order)) if not _holds(order[: n + 1], belief)), -1)
                if following != at:
                    at, pinned = following, False
        if at < 0:
            at = next((n for n in range(len(order)) if not _holds(order[: n + 1], belief)), len(order) - 1)
        target = tuple(literal for stage in order[: at + 1] for literal in stage)
        return cls(domain, objects, belief, order[at] if order else (), target, pinned)

    def step(self) -> Step | None:
        """The first step of a plan from what is believed, None where there is none."""
        plan = _plan(self.domain, self.objects, self.belief, self.target)
        return plan[0] if plan else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns observations into beliefs."""

    rules: Domain
    words: Wording
    full: bool
    objects: dict[str, str]

    def after(self, belief: State, action: str, observation: str) -> State:
        """What is believed after an observation that followed `action` ("" where it followed none)."""
        if observation == NOT_VALID:
            return belief
        if observation.startswith(_LISTED):
            return belief | {fact for one in _commands(observation) for fact in self._bound(one)[0]}
        said = self.words.read(observation)
        if self.full:
            return frozenset(one.fact for one in said if one.positive) if said else belief
        needs, changes = self._bound(action) if action else ((), ())
        held = set(belief) | set(needs)
        for one in (*changes, *said):
            (held.add if one.positive else held.discard)(one.fact)
        return frozenset(held)

    def _bound(self, command: str) -> tuple[Sequence[Fact], Sequence[Literal]]:
        """What a command needs and changes, its objects filled in."""
        parsed = self.words.parse(command, self.rules, self.objects)
        if parsed is None:
            return (), ()
        schema = next(one for one in self.rules.actions if one.name == parsed[0])
        values = dict(zip((variable for variable, _ in schema.parameters), parsed[1], strict=True))
        changes = [one.bound(values) for one in schema.changes]
        return [one.bound(values).fact for one in schema.needs if one.positive], sorted(changes, key=lambda one: one.positive)


def _holds(order: Sequence[Stage], belief: State) -> bool:
    return all(one.holds(belief) for stage in order for one in stage)


def _commands(observation: str) -> list[str]:
    """The commands that the answer to "check valid actions" lists; none for another observation."""
    return observation.removeprefix(_LISTED).rstrip(".").split(", ") if observation.startswith(_LISTED) else []


def _objects(instruction: str, rules: Domain) -> tuple[tuple[str, str], ...]:
    """Objects and their types, from the lines `- type: name, name` at the end of the instruction."""
    found = dict(rules.constants)
    for line in instruction.rpartition("These are the objects:")[2].splitlines():
        match = _THINGS.match(line.strip())
        if match and (match[1] in rules.types or match[1] == "object"):
            found |= dict.fromkeys(match[2].replace(",", " ").split(), match[1])
    return tuple(sorted(found.items()))


def _wanted(view: PromptView, course: _Course) -> int | None:
    """The newest folded chunk whose subgoal names something that the target is about, where showing it again is offered."""
    if not view.offers_retrieve or view.last_action.startswith("retrieve("):
        return None
    names = {one for literal in course.target for one in literal.fact[1:]}
    folded = [one for one in view.chunks if one.folded and names & set(re.findall(r"[\w-]+", one.subgoal or ""))]
    return folded[-1].number if folded else None


@lru_cache(maxsize=256)
def _planner(domain: str, objects: tuple[tuple[str, str], ...], fixed: State) -> Planner:
    rules = DOMAINS[domain][0]
    nothing = (Literal(("=", objects[0][0], objects[0][0])),)  # a goal is given with each question
    return Planner(Problem(domain, rules, dict(objects), fixed, nothing), limit=_LIMIT)


@lru_cache(maxsize=4096)
def _plan(domain: str, objects: tuple[tuple[str, str], ...], start: State, target: Stage) -> tuple[Step, ...] | None:
    """A plan; kept, since the same question has the same answer."""
    if not objects or not start:
        return None
    rules = DOMAINS[domain][0]
    names = {name for name, _ in objects}
    facts = frozenset(one for one in start if names.issuperset(one[1:]))
    if not all(names.issuperset(one.fact[1:]) for one in target):
        return None
    plan = _planner(domain, objects, frozenset(one for one in facts if one[0] in rules.fixed)).plan(facts, target)
    return None if plan is None else tuple(plan)
