"""What was seen of a world: facts with the step at which each was last seen, and how much of what was expected came otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from lamina.errors import InputError

MOST: Final = 512
"""Facts, and denials, that a table holds; beyond, those go that were not seen for longest."""

_Name = TypeVar("_Name")
_Entry = TypeVar("_Entry")

Key = tuple[str, str]
"""The subject and the relation of a fact: what has one value at a time."""


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One thing that is so: a subject has one value in a relation at a time. A sentence alone is a fact without relation.

    >>> Fact("cup", "in", "drawer").text
    'cup in drawer'
    """

    subject: str
    relation: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        if not self.subject.strip():
            raise InputError("a fact needs a subject: it was empty")

    @property
    def key(self) -> Key:
        """What another value would take the place of."""
        return self.subject, self.relation

    @property
    def text(self) -> str:
        """The fact in words."""
        return " ".join(part for part in (self.subject, self.relation, self.value) if part)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look showed: `facts` that are so, and `denied`, facts that are seen not to be so (the cup is not in the open drawer).

    Raises `InputError` where it contradicts itself.
    """

    facts: frozenset[Fact] = frozenset()
    denied: frozenset[Fact] = frozenset()

    def __post_init__(self) -> None:
        keys: dict[Key, Fact] = {}
        for fact in self.facts:
            other = keys.setdefault(fact.key, fact)
            if fact in self.denied:
                raise InputError(f"a sighting contradicts itself: {fact.text!r} is so and is not so")
            if fact != other:
                raise InputError(f"a sighting contradicts itself: {fact.text!r} and {other.text!r}")


def distance(predicted: Collection[Fact], observed: Collection[Fact]) -> float:
    """The Jaccard distance of two sets of facts, in [0, 1]; 0 where both are empty.

    >>> distance({Fact("cup", "in", "drawer"), Fact("drawer", "is", "open")}, {Fact("drawer", "is", "open")})
    0.5
    """
    one, other = set(predicted), set(observed)
    return 1 - len(one & other) / len(one | other) if one or other else 0.0


@dataclass(slots=True)
class Surprise:
    """How a look differed from what was believed: the `score` in [0, 1], and the facts that were `contradicted`."""

    score: float = 0.0
    contradicted: frozenset[Fact] = frozenset()


@dataclass(slots=True)
class Sightings:
    """A table of facts, each with the step of its last sighting, and of denials that still count.

    A new value takes the place of the old one. A denied fact goes, and the denial stays until its subject is seen elsewhere.

    >>> table = Sightings()
    >>> table.see(Sighting(frozenset([Fact("cup", "in", "drawer")])), 1).score
    0.0
    >>> surprise = table.see(Sighting(denied=frozenset([Fact("cup", "in", "drawer")])), 4)
    >>> surprise.score, table.get(("cup", "in")), table.denied
    (1.0, None, {Fact(subject='cup', relation='in', value='drawer'): 4})
    """

    held: dict[Key, tuple[Fact, int]] = field(default_factory=dict)
    denied: dict[Fact, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Fact]:
        return (fact for fact, _ in self.held.values())

    def get(self, key: Key) -> Fact | None:
        """What is believed of a key."""
        found = self.held.get(key)
        return None if found is None else found[0]

    def seen_at(self, fact: Fact) -> int | None:
        """The step at which the fact was last seen; None where something else, or nothing, is believed."""
        found = self.held.get(fact.key)
        return found[1] if found is not None and found[0] == fact else None

    def is_contradicted(self, fact: Fact) -> bool:
        """Whether another value was seen since, or the fact was denied."""
        found = self.held.get(fact.key)
        return fact in self.denied if found is None else found[0] != fact

    def chance(self, facts: Iterable[Fact], now: int, decay: float, unknown: float = 1.0) -> float:
        """The chance that all these facts still hold at the step `now`: the product of `decay` to the power of the steps since each was
        seen, 0 where it was seen to be otherwise, and `unknown` where nothing was ever seen of it.

        >>> table, cup = Sightings(), Fact("cup", "in", "drawer")
        >>> _ = table.see(Sighting(frozenset([cup])), 1)
        >>> round(table.chance([cup], 3, 0.95), 4), table.chance([Fact("cup", "in", "oven")], 3, 0.95)
        (0.9025, 0.0)
        """
        product = 1.0
        for fact in facts:
            step = self.seen_at(fact)
            if step is not None:
                product *= decay ** max(now - step, 0)
            else:
                product *= 0.0 if self.is_contradicted(fact) else unknown
        return product

    def see(
        self, seen: Sighting, step: int, *, expected: Iterable[Fact] = (), relevant: Collection[str] | None = None
    ) -> Surprise:
        """Take in a look at this step; returns how much of what it speaks of was otherwise.

        `expected`: what should be so now, which stands before what was seen earlier; `relevant`: subjects that the score is about (all
        unless given). What was never seen before is a discovery, not a surprise.
        """
        believed = {key: fact for key, (fact, _) in self.held.items()}
        believed.update((fact.key, fact) for fact in expected)
        spoken = {fact.key for fact in seen.facts} | {fact.key for fact in seen.denied if believed.get(fact.key) == fact}
        about = {key for key in spoken if key in believed and (relevant is None or key[0] in relevant)}
        predicted = {believed[key] for key in about}
        observed = {fact for fact in seen.facts if fact.key in about}
        wrong = frozenset(believed[key] for key in about if believed[key] not in seen.facts)
        self._take(seen, step)
        return Surprise(distance(predicted, observed), wrong)

    def _take(self, seen: Sighting, step: int) -> None:
        for fact in seen.facts:
            self.held[fact.key] = (fact, step)
        keys = {fact.key for fact in seen.facts}
        self.denied = {fact: at for fact, at in self.denied.items() if fact.key not in keys}
        for fact in seen.denied:
            if self.get(fact.key) == fact:
                del self.held[fact.key]
        self.denied.update((fact, step) for fact in seen.denied if fact.key not in self.held)
        self.held = _newest(self.held, {key: at for key, (_, at) in self.held.items()})
        self.denied = _newest(self.denied, self.denied)

    def forget(self, key: Key) -> None:
        """Believe nothing of a key, denials of it included."""
        self.held.pop(key, None)
        self.denied = {fact: at for fact, at in self.denied.items() if fact.key != key}

    def lines(self) -> list[str]:
        """The facts in words with their steps, the newest first, then what is not where it was looked for."""
        newest = sorted(self.held.values(), key=lambda one: (-one[1], one[0]))
        told = [f"{fact.text} (step {step})" for fact, step in newest]
        absent: dict[Key, list[tuple[int, str]]] = {}
        for fact, step in self.denied.items():
            absent.setdefault(fact.key, []).append((step, fact.value))
        for (subject, relation), values in sorted(absent.items(), key=lambda one: (-max(one[1])[0], one[0])):
            places = ", ".join(f"{value} (step {step})" for step, value in sorted(values, reverse=True))
            told.append(f"{subject} not {relation} {places}")
        return told


def _newest(entries: dict[_Name, _Entry], steps: Mapping[_Name, int]) -> dict[_Name, _Entry]:
    """The entries that were seen last, at most `MOST`."""
    if len(entries) <= MOST:
        return entries
    kept = set(sorted(steps, key=lambda name: -steps[name])[:MOST])
    return {name: entry for name, entry in entries.items() if name in kept}
