"""A planning problem as a world of text."""

from __future__ import annotations

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.planning import Literal, Problem, State, Step
from lamina.agents.environments.protocol import CHECK, NOT_VALID, Outcome, listed, normalised
from lamina.agents.environments.wording import Wording
from lamina.errors import StateError


class PlanningWorld:
    """A world whose rules are a planning domain's.

    A fully observable world tells its whole state after each action; any other tells the state once, at the start, and then only
    what has changed. Progress is the share of the goal's literals that hold now; the episode ends when all do.

    Parameters: `problem`; `wording`, by default that of the domain's name, else bare words; `fully_observable`, by default as the
    domain is played in AgentBoard, and true for a domain that is not in it.

    >>> from lamina.agents.environments.generators import gripper
    >>> world = PlanningWorld(gripper(1))
    >>> print(world.reset())
    ball1 is a ball. ball1 is at rooma. left is a gripper. left is free. right is a gripper. right is free. robby is at rooma.
    rooma is a room. roomb is a room.
    >>> world.step("Pick up ball1 in rooma with left").valid
    True
    >>> world.step("drop ball1 roomb left").observation
    'That action is not valid here and changes nothing. You can check valid actions.'
    >>> world.step("move rooma roomb"), world.step("drop ball1 roomb left").done
    (Outcome(observation='ball1 is a ball. ... robby is at roomb. ...', valid=True, progress=0.0, done=False), True)
    """

    def __init__(self, problem: Problem, wording: Wording | None = None, *, fully_observable: bool | None = None) -> None:
        self.problem = problem
        known = {domain.name: (words, full) for domain, words, full in DOMAINS.values()}
        own, full = known.get(problem.domain.name, (None, True))
        self.wording = wording or own or Wording.of(problem.domain)
        self.name = problem.name
        self.fully_observable = full if fully_observable is None else fully_observable
        self.state: State | None = None
        self._over = False

    @property
    def instruction(self) -> str:
        """The rules, the actions and the objects."""
        actions = "\n".join(f"- {self.wording.describe(action)}" for action in self.problem.domain.actions)
        kinds: dict[str, list[str]] = {}
        for name, kind in self.problem.objects.items():
            kinds.setdefault(kind, []).append(name)
        things = "\n".join(f"- {kind}: {', '.join(names)}" for kind, names in sorted(kinds.items()))
        rules = f"{self.wording.plain}\n" if self.wording.plain else ""
        return (
            f"{rules}These are the actions:\n{actions}\n- {CHECK}: lists what can be done now\n"
            f"An action that cannot be done changes nothing.\nThese are the objects:\n{things}"
        )

    @property
    def goal(self) -> str:
        """What is to be reached, in one sentence."""
        return f"Make this true: {', '.join(self.wording.sentence(one) for one in self.problem.goal)}."

    def reset(self) -> str:
        """Begin again and tell the whole state."""
        self.state = self.problem.start
        self._over = False
        return self.wording.state(self.state)

    def step(self, action: str) -> Outcome:
        """Do an action, given in words."""
        if self.state is None:
            raise StateError(f"the world {self.name!r} has not begun: call reset first")
        if self._over:
            raise StateError(f"the episode in {self.name!r} is over: call reset to begin again")
        if normalised(action) == CHECK:
            return self._outcome(listed(self.valid_actions()), valid=True)
        step = self.find(action)
        if step is None:
            return self._outcome(NOT_VALID, valid=False)
        before, self.state = self.state, step.after(self.state)
        return self._outcome(self._told(before, self.state), valid=True)

    def valid_actions(self) -> list[str]:
        """The commands that can be done now, sorted."""
        if self.state is None:
            raise StateError(f"the world {self.name!r} has not begun: call reset first")
        return sorted(self.wording.command(step) for step in self.problem.applicable(self.state))

    def find(self, action: str) -> Step | None:
        """The step that a text asks for, if it can be done now."""
        parsed = self.wording.parse(action, self.problem.domain, self.problem.objects)
        if parsed is None or self.state is None:
            return None
        state = self.state
        return next((one for one in self.problem.named(*parsed) if one.applies(state)), None)

    def _told(self, before: State, after: State) -> str:
        if self.fully_observable:
            return self.wording.state(after)
        changes = [*map(Literal, sorted(after - before)), *(Literal(one, False) for one in sorted(before - after))]
        return self.wording.paragraph(changes) or "Nothing changes."

    def _outcome(self, observation: str, *, valid: bool) -> Outcome:
        assert self.state is not None
        progress = self.problem.progress(self.state)
        self._over = progress == 1.0
        return Outcome(observation, valid, progress, self._over)
