"""Rules that say what is known after a subgoal, in few words that the policies can read back: condensers for nested folding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.planning import Fact, Literal, Problem, State
from lamina.agents.environments.protocol import CHECK, NOT_VALID, normalised
from lamina.agents.policies.fetching import Known
from lamina.errors import InputError

Pairs = Sequence[tuple[str, str]]
"""Actions with what was observed after each."""
Condense = Callable[[str, str, Pairs], str]


def state_of_domain(domain: str, goal: str = "", objects: Mapping[str, str] | None = None) -> Condense:
    """The rule for a planning domain: the facts that hold, as far as was told; what was changed later drops out.

    Given goal and objects, facts that no step towards the goal needs are left out: one that no chain of steps ends in the goal through is
    in no shortest plan, since no step of these domains needs that something does not hold. The others are ranked: those of the goal itself, those of its objects, of what these are tied to
    and of objects whose kind the goal does not name, then the rest.

    Parameters: `goal`, in words; `objects` with their kinds.

    >>> known = state_of_domain("tyreworld")("", "", [("", "boot is closed. boot is unlocked. jack is in boot. pump is in boot.")])
    >>> known
    'closed, unlocked: boot. in boot: jack, pump.'
    >>> state_of_domain("tyreworld")(known, "boot is open", [("open boot", "boot is open. boot is no longer closed.")])
    'open, unlocked: boot. in boot: jack, pump.'
    """
    if domain not in DOMAINS:
        raise InputError(f"{domain!r} is no domain with a rule for what is known: use one of {', '.join(DOMAINS)}")
    rules, words, full = DOMAINS[domain]
    wanted = {one.fact for one in words.read(goal)}

    def condense(before: str, subgoal: str, pairs: Pairs) -> str:
        held = {one.fact for one in words.read(before) if one.positive}
        for action, seen in pairs:
            if normalised(action) == CHECK or seen == NOT_VALID:
                continue
            said = words.read(seen)
            if full and said:
                held = set()
            for one in said:
                (held.add if one.positive else held.discard)(one.fact)
        if wanted and objects:
            fixed = frozenset(one for one in held if one[0] in rules.fixed)
            held &= _relevant(domain, tuple(sorted(objects.items())), fixed, frozenset(wanted)) | wanted
        far = _far(held, wanted, objects or {})
        ranks = [wanted & held, {one for one in held - wanted if far.isdisjoint(one[1:])}]
        ranks.append(held.difference(*ranks))
        text = " ".join(filter(None, map(words.grouped, ranks))) if ranks[2] else words.grouped(held)
        return text or "Nothing is known."

    return condense


def state_of_fetching(goal: str = "") -> Condense:
    """The rule for fetching: what was delivered, what lies in each room as it was last seen, where one is and what one carries.

    Rooms with something that the goal names come first.

    >>> state_of_fetching()("Seen in the loft: bell, jar.", "", [("take jar", "You are in the loft. You see: bell. You carry the jar.")])
    'Delivered: nothing. Seen in the loft: bell. You are in the loft. You carry the jar.'
    """

    def condense(before: str, subgoal: str, pairs: Pairs) -> str:
        known = Known().after(before)
        for _, seen in pairs:
            known = known.after(seen)
        parts = [f"Delivered: {', '.join(known.delivered) or 'nothing'}."]
        if known.room:
            parts.append(f"You are in the {known.room}. You carry {f'the {known.carried}' if known.carried else 'nothing'}.")
        rooms = sorted(known.contents, key=lambda one: not any(thing in goal for thing in one[1]))
        parts[1:1] = [f"Seen in the {room}: {', '.join(things) or 'nothing'}." for room, things in rooms]
        return " ".join(parts)

    return condense


def _far(held: set[Fact], wanted: set[Fact], objects: Mapping[str, str]) -> set[str]:
    """Objects that no chain of facts ties to the goal although others of their kind are named by it or tied to it."""
    near = {one for fact in wanted for one in fact[1:]}
    if not near:
        return set()
    while True:
        more = {one for fact in held for one in fact[1:] if len(fact) > 2 and not near.isdisjoint(fact[1:])} - near
        if not more:
            break
        near |= more
    kinds = {objects[one] for one in near if one in objects}
    return {one for one, kind in objects.items() if one not in near and kind in kinds}


@lru_cache(maxsize=256)
def _relevant(domain: str, objects: tuple[tuple[str, str], ...], fixed: State, goal: State) -> State:
    """The facts that steps need which can lead to the goal, whatever they may undo on the way."""
    rules = DOMAINS[domain][0]
    problem = Problem(domain, rules, dict(objects), fixed, tuple(map(Literal, sorted(goal))))
    found, left = set(goal), []
    for step in problem.steps:
        schema = next(one for one in rules.actions if one.name == step.action)
        values = dict(zip((variable for variable, _ in schema.parameters), step.arguments, strict=True))
        gives = {one.fact for one in step.changes if one.positive}
        left.append((gives, {one.bound(values).fact for one in schema.needs if one.positive and one.fact[0] != "="}))
    while True:
        leading = [needs for gives, needs in left if not found.isdisjoint(gives)]
        if not leading:
            return frozenset(found)
        left = [one for one in left if found.isdisjoint(one[0])]
        found.update(*leading)
