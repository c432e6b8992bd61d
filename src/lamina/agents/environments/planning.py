"""The STRIPS core of the worlds: typed objects, facts, actions with what they need and change, and which of them apply.

Source: R. E. Fikes and N. J. Nilsson, "STRIPS: A new approach to the application of theorem proving to problem solving", 1971, with the
types, negated conditions and equality of PDDL (D. McDermott et al., 1998). A state is the set of the facts that hold; what is not in
it does not hold. An action first takes away, then adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from lamina.errors import InputError

Fact = tuple[str, ...]
"""A predicate and its objects, such as `("on", "b1", "b2")`; in a schema, variables begin with a question mark."""

State = frozenset[Fact]
ANYTHING: Final = "object"
"""The type of which all others are."""


@dataclass(frozen=True, slots=True, order=True)
class Literal:
    """A fact that is wanted to hold, or not to hold. The predicate "=" says that two objects are one.

    >>> str(Literal(("on", "b1", "b2"), False))
    'not on b1 b2'
    """

    fact: Fact
    positive: bool = True

    def __str__(self) -> str:
        return ("" if self.positive else "not ") + " ".join(self.fact)

    def bound(self, values: Mapping[str, str]) -> Literal:
        """The literal with objects in place of its variables."""
        return Literal((self.fact[0], *(values.get(one, one) for one in self.fact[1:])), self.positive)

    def holds(self, state: State) -> bool:
        """Whether it is so in `state`."""
        true = self.fact[1] == self.fact[2] if self.fact[0] == "=" else self.fact in state
        return true is self.positive


def literals(text: str) -> tuple[Literal, ...]:
    """Literals from short notation.

    >>> [str(one) for one in literals("on ?x ?y, not clear ?y")]
    ['on ?x ?y', 'not clear ?y']
    """
    found = []
    for part in filter(None, (one.split() for one in text.split(","))):
        positive = part[0] != "not"
        found.append(Literal(tuple(part if positive else part[1:]), positive))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Action:
    """A schema: `parameters` as pairs of a variable and its type, what must hold before, and what it changes."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    needs: tuple[Literal, ...]
    changes: tuple[Literal, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", tuple(sorted(set(self.needs))))
        object.__setattr__(self, "changes", tuple(sorted(set(self.changes))))

    @classmethod
    def of(cls, name: str, parameters: str, needs: str, changes: str) -> Action:
        """A schema in short notation: parameters as `?x:type`, literals as in `literals`.

        >>> Action.of("pickup", "?b:block", "clear ?b, hand-empty", "holding ?b, not clear ?b").parameters
        (('?b', 'block'),)
        """
        typed = (one.partition(":") for one in parameters.split())
        return cls(name, tuple((v, t or ANYTHING) for v, _, t in typed), literals(needs), literals(changes))


@dataclass(frozen=True, slots=True)
class Step:
    """An action with objects for its parameters. `needs` and `changes` are free of variables."""

    action: str
    arguments: tuple[str, ...]
    needs: tuple[Literal, ...]
    changes: tuple[Literal, ...]

    def __str__(self) -> str:
        return " ".join((self.action, *self.arguments))

    def applies(self, state: State) -> bool:
        """Whether it can be done in `state`."""
        return all(need.holds(state) for need in self.needs)

    def after(self, state: State) -> State:
        """The state when it has been done."""
        gone = {one.fact for one in self.changes if not one.positive}
        return frozenset((state - gone) | {one.fact for one in self.changes if one.positive})


@dataclass(frozen=True)
class Domain:
    """The rules of a kind of world. `types` names each type's parent; `predicates` the types of each one's arguments.

    Raises `InputError` for an action that uses an unknown predicate, variable or type, or a wrong number of arguments.
    """

    name: str
    actions: tuple[Action, ...]
    predicates: Mapping[str, tuple[str, ...]]
    types: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in {*self.types, *self.types.values()}:
            self._check_type(kind)
        for action in self.actions:
            known = dict(action.parameters)
            for kind in known.values():
                self._check_type(kind)
            for literal in (*action.needs, *action.changes):
                self.check(literal, {*known, *self.constants}, f"the action {action.name!r}")
            if any(one.fact[0] == "=" for one in action.changes):
                raise InputError(f"the action {action.name!r} cannot change whether two objects are one")

    def _check_type(self, kind: str) -> None:
        seen = {kind}
        while kind != ANYTHING:
            if kind not in self.types:
                raise InputError(f"the domain {self.name!r} has no type {kind!r}: declare it or use {ANYTHING!r}")
            kind = self.types[kind]
            if kind in seen:
                raise InputError(f"in the domain {self.name!r} the type {kind!r} is below itself")
            seen.add(kind)

    def check(self, literal: Literal, names: set[str], where: str) -> None:
        """Raise `InputError` unless the literal is of this domain and names only `names`."""
        predicate, *arguments = literal.fact
        wanted = 2 if predicate == "=" else len(self.predicates.get(predicate, ())) if predicate in self.predicates else -1
        if wanted < 0:
            raise InputError(f"{where} uses {predicate!r}, which is no predicate of the domain {self.name!r}")
        if len(arguments) != wanted:
            raise InputError(f"{where} gives {predicate!r} {len(arguments)} arguments where it has {wanted}")
        for one in arguments:
            if one not in names:
                raise InputError(f"{where} names {one!r}, which is neither a parameter nor an object")

    def is_a(self, kind: str, wanted: str) -> bool:
        """Whether things of the type `kind` are of the type `wanted`."""
        while kind not in (wanted, ANYTHING):
            kind = self.types.get(kind, ANYTHING)
        return wanted in (kind, ANYTHING)

    @cached_property
    def fixed(self) -> frozenset[str]:
        """Predicates that no action changes."""
        changed = {literal.fact[0] for action in self.actions for literal in action.changes}
        return frozenset(self.predicates) - changed


@dataclass(frozen=True)
class Problem:
    """A start and a goal in a domain. `objects` maps names to types (the domain's constants are added).

    Raises `InputError` for an unknown object, predicate or type, and for an empty goal.
    """

    name: str
    domain: Domain
    objects: Mapping[str, str]
    start: State
    goal: tuple[Literal, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", dict(sorted({**self.domain.constants, **self.objects}.items())))
        for name, kind in self.objects.items():
            if kind != ANYTHING and kind not in self.domain.types:
                raise InputError(f"the object {name!r} is of an unknown type {kind!r}")
        for literal in (*map(Literal, self.start), *self.goal):
            self.domain.check(literal, set(self.objects), f"the problem {self.name!r}")
        if not self.goal:
            raise InputError(f"the problem {self.name!r} has no goal: there is nothing to do in it")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every action with every choice of objects that the facts which never change allow."""
        return tuple(step for action in self.domain.actions for step in self._grounded(action))

    def named(self, action: str, arguments: tuple[str, ...]) -> tuple[Step, ...]:
        """The step of this action and these objects, none where the fixed facts forbid it."""
        return self._by_name.get((action, arguments), ())

    @cached_property
    def _by_name(self) -> dict[tuple[str, tuple[str, ...]], tuple[Step, ...]]:
        return {(step.action, step.arguments): (step,) for step in self.steps}

    def progress(self, state: State) -> float:
        """Share of the goal's literals that hold in `state`."""
        return sum(one.holds(state) for one in self.goal) / len(self.goal)

    def applicable(self, state: State) -> Iterator[Step]:
        """What can be done in `state`, which has the fixed facts of the start."""
        return (step for step in self.steps if step.applies(state))

    def _grounded(self, action: Action) -> Iterator[Step]:
        """Assign one parameter after the other; drop a choice as soon as a fixed literal rules it out."""
        fixed = [one for one in action.needs if one.fact[0] == "=" or one.fact[0] in self.domain.fixed]
        variables = [variable for variable, _ in action.parameters]
        checks: list[list[Literal]] = [[] for _ in range(len(variables) + 1)]
        for literal in fixed:
            places = [variables.index(one) + 1 for one in literal.fact[1:] if one in variables]
            checks[max(places, default=0)].append(literal)
        choices = [self._of(kind) for _, kind in action.parameters]

        def assign(values: dict[str, str]) -> Iterator[Step]:
            at = len(values)
            if not all(one.bound(values).holds(self.start) for one in checks[at]):
                return
            if at == len(variables):
                needs = tuple(one.bound(values) for one in action.needs if one not in fixed)
                changes = tuple(one.bound(values) for one in action.changes)
                yield Step(action.name, tuple(values[one] for one in variables), needs, changes)
                return
            for name in choices[at]:
                yield from assign({**values, variables[at]: name})

        yield from assign({})

    def _of(self, kind: str) -> Sequence[str]:
        return [name for name, own in self.objects.items() if self.domain.is_a(own, kind)]
