"""The English of a planning domain: facts as short sentences, actions as short commands, and both read back.

An observation, a goal, a subgoal and a summary are all made of the same sentences, so whoever reads one can read them all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from lamina.agents.environments.planning import Action, Domain, Fact, Literal, Step
from lamina.agents.environments.protocol import normalised
from lamina.errors import InputError

_NAME: Final = r"([\w?]+(?:[-_][\w]+)*)"
_SENTENCES: Final = re.compile(r"[.;\n]\s*")
_STOPS: Final = re.compile(r"[.,;:\n]\s*|\s+and\s+(?=\S+\s+\S+)")
_FILLER: Final = frozenset(
    "a an arm at ball block by container from gripper hand in into nut of off on onto out pick room shaker shot the to up use "
    "wheel with robot using".split()
)
"""Words that an action may contain beside its name and its objects."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A label and a thing as patterns; `order`: which objects they name."""

    predicate: str
    label: re.Pattern[str]
    thing: re.Pattern[str]
    order: tuple[int, ...]

    @classmethod
    def of(cls, predicate: str, label: str, thing: str) -> _Form:
        order = tuple(int(one) for one in re.findall(r"\{(\d+)\}", label + thing))
        label_pattern, thing_pattern = (
            re.compile(_NAME.join(re.escape(one) for one in re.split(r"\{\d+\}", part.lower()))) for part in (label, thing)
        )
        return cls(predicate, label_pattern, thing_pattern, order)

    def fact(self, label: str, thing: str) -> Fact | None:
        """The fact, where both fit."""
        of, what = self.label.fullmatch(label), self.thing.fullmatch(thing)
        if not of or not what:
            return None
        named = dict(zip(self.order, (*of.groups(), *what.groups()), strict=True))
        return (self.predicate, *(named[n] for n in range(len(named))))


@dataclass(frozen=True)
class Wording:
    """How a domain is put into words.

    `facts` gives for each predicate its sentence and the sentence of its opposite, with {0}, {1}, … for the objects; `commands` for
    each action its form with {0}, {1}, …; `also`, other names of an action; `told`, what an action needs and does, in words;
    `plain`, the rules in a few sentences; `short`, for a predicate a label and what stands after it of each fact, for many facts in few
    words.

    >>> wording = Wording({"on": ("{0} is on {1}", "{0} is not on {1}")}, {"stack": "stack {0} {1}"})
    >>> wording.sentence(Literal(("on", "b1", "b2"), False))
    'b1 is not on b2'
    >>> wording.read("b1 is on b2. The sun shines. b2 is not on b3.")
    [Literal(fact=('on', 'b1', 'b2'), positive=True), Literal(fact=('on', 'b2', 'b3'), positive=False)]
    """

    facts: Mapping[str, tuple[str, str]]
    commands: Mapping[str, str]
    also: Mapping[str, Sequence[str]] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    plain: str = ""
    short: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, domain: Domain) -> Wording:
        """Bare words for a domain that has no wording of its own."""
        facts = {}
        for predicate, kinds in domain.predicates.items():
            words = " ".join((predicate, *(f"{{{n}}}" for n in range(len(kinds)))))
            facts[predicate] = (words, f"not {words}")
        commands = {one.name: " ".join((one.name, *(f"{{{n}}}" for n in range(len(one.parameters))))) for one in domain.actions}
        return cls(facts, commands)

    def sentence(self, literal: Literal) -> str:
        """A literal in words, without a stop."""
        if literal.fact[0] == "=":
            return f"{literal.fact[1]} is {'' if literal.positive else 'not '}the same as {literal.fact[2]}"
        return self.facts[literal.fact[0]][0 if literal.positive else 1].format(*literal.fact[1:])

    def paragraph(self, of: Iterable[Literal]) -> str:
        """Literals as sentences with stops, in the order given."""
        return " ".join(f"{self.sentence(one)}." for one in of)

    def state(self, facts: Iterable[Fact]) -> str:
        """Facts as sentences, sorted."""
        return " ".join(sorted(f"{self.sentence(Literal(one))}." for one in facts))

    def grouped(self, facts: Iterable[Fact]) -> str:
        """Facts in few words: those of a label together, and labels together that have the same things; the rest as sentences.

        >>> facts = {"on": ("{0} is on {1}", "{0} is not on {1}"), "red": ("{0} is red", "{0} is not red")}
        >>> wording = Wording(facts, {}, short={"on": ("on {1}", "{0}"), "red": ("red", "{0}")})
        >>> wording.grouped([("on", "a", "box"), ("on", "b", "box"), ("red", "a"), ("red", "b")])
        'on box, red: a, b.'
        >>> [one.fact for one in wording.read("on box, red: a, b.")]
        [('on', 'a', 'box'), ('on', 'b', 'box'), ('red', 'a'), ('red', 'b')]
        """
        wanted = sorted(set(facts))
        pairs = []
        for fact in wanted:
            if fact[0] in self.short:
                label, item = (part.format(*fact[1:]) for part in self.short[fact[0]])
                pairs.append((label, item))
        by_label = [(labels, items) for items, labels in _alike(pairs)]
        by_item = _alike([(item, label) for label, item in pairs])
        told = min(
            (" ".join(f"{', '.join(labels)}: {', '.join(items)}." for labels, items in way) for way in (by_label, by_item)),
            key=len,
        )
        rest = self.state(fact for fact in wanted if fact[0] not in self.short)
        return " ".join(part for part in (told, rest) if part)

    def heading(self, fact: Fact) -> str:
        """The label under which a fact is told in few words; "" for one that is told as a sentence."""
        return self.short[fact[0]][0].format(*fact[1:]) if fact[0] in self.short else ""

    def read(self, text: str) -> list[Literal]:
        """The literals that a text states, in order; what is no sentence of the domain is passed over."""
        found: list[Literal] = []
        for sentence in _SENTENCES.split(text):
            labels, colon, things = sentence.partition(":")
            group = self._group(labels, things) if colon and self.short else []
            found += group or self._plainly(sentence)
        return found

    def _plainly(self, text: str) -> list[Literal]:
        found = []
        for part in _STOPS.split(text):
            part = part.strip().lower()
            for pattern, predicate, positive, order in self._patterns:
                match = pattern.fullmatch(part)
                if match:
                    arguments = dict(zip(order, match.groups(), strict=True))
                    found.append(Literal((predicate, *(arguments[n] for n in range(len(order)))), positive))
                    break
        return found

    def _group(self, labels: str, things: str) -> list[Literal]:
        """The facts that a label with a list says; none unless all of it is understood."""
        found = []
        for label in labels.lower().split(","):
            for thing in things.lower().split(","):
                fact = next(filter(None, (form.fact(label.strip(), thing.strip()) for form in self._forms)), None)
                if fact is None:
                    return []
                found.append(Literal(fact))
        return found

    @cached_property
    def _forms(self) -> list[_Form]:
        return [_Form.of(predicate, *parts) for predicate, parts in self.short.items()]

    def command(self, step: Step) -> str:
        """A step as the command that does it."""
        return self.commands[step.action].format(*step.arguments)

    def parse(self, action: str, domain: Domain, objects: Collection[str]) -> tuple[str, tuple[str, ...]] | None:
        """The action's name and the objects it names, in the order of its parameters; None for what is no action.

        Letters' case, spaces, hyphens in names of actions and small words between do not matter.

        >>> from lamina.agents.environments.domains import GRIPPER, GRIPPER_WORDING as wording
        >>> wording.parse("Pick up ball1 at rooma with arm right.", GRIPPER, {"ball1", "rooma", "right"})
        ('pick', ('ball1', 'rooma', 'right'))
        """
        text = normalised(action)
        for schema, pattern in self._names(domain):
            match = pattern.search(text)
            if not match:
                continue
            words = re.split(r"[\s,()]+", f"{text[: match.start()]} {text[match.end() :]}".strip())
            if all(one in objects or one in _FILLER or not one for one in words):
                named = [one for one in words if one in objects]
                order = [int(one) for one in re.findall(r"\{(\d+)\}", self.commands[schema.name])]
                if len(named) == len(order):
                    return schema.name, tuple(name for _, name in sorted(zip(order, named, strict=True)))
            return None
        return None

    def describe(self, action: Action) -> str:
        """A line on an action: its form, what it needs and what it changes."""
        shown = [f"<{variable.lstrip('?')}>" for variable, _ in action.parameters]
        form = self.commands[action.name].format(*shown)
        if action.name in self.told:
            return f"{form}: {self.told[action.name]}"
        values = dict(zip((variable for variable, _ in action.parameters), shown, strict=True))
        needs = ", ".join(self.sentence(one.bound(values)) for one in action.needs) or "nothing"
        after = ", ".join(self.sentence(one.bound(values)) for one in action.changes)
        return f"{form}: needs: {needs}; then: {after}"

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str, bool, list[int]]]:
        found = []
        for predicate, forms in self.facts.items():
            for form, positive in zip(forms, (True, False), strict=True):
                order = [int(one) for one in re.findall(r"\{(\d+)\}", form)]
                parts = re.split(r"\{\d+\}", form.lower())
                found.append((re.compile(_NAME.join(re.escape(one) for one in parts)), predicate, positive, order))
        found.sort(key=lambda one: -len(one[0].pattern.replace(_NAME, "")))  # what says most is tried first
        return found

    def _names(self, domain: Domain) -> list[tuple[Action, re.Pattern[str]]]:
        """Each name of each action, the longest first."""
        if unknown := {one.name for one in domain.actions} - set(self.commands):
            raise InputError(f"the wording has no command for the action {min(unknown)!r} of the domain {domain.name!r}")
        names = [(name, one) for one in domain.actions for name in (one.name, *self.also.get(one.name, ()))]
        names.sort(key=lambda pair: (-len(pair[0]), pair[0]))
        return [
            (schema, re.compile(rf"(?<![\w-]){'[-_ ]?'.join(map(re.escape, re.split('[-_ ]', name)))}(?![\w-])"))
            for name, schema in names
        ]


def _alike(pairs: Iterable[tuple[str, str]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs (a, b), put together: all b of an a, and then all a that have the same b; as (the b's, the a's)."""
    of: dict[str, list[str]] = {}
    for first, second in pairs:
        of.setdefault(first, []).append(second)
    alike: dict[tuple[str, ...], list[str]] = {}
    for first, seconds in of.items():
        alike.setdefault(tuple(seconds), []).append(first)
    return [(seconds, tuple(firsts)) for seconds, firsts in alike.items()]
