"""Rules that say what is known after a subgoal, in few words that the policies can read back: condensers for nested folding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.planning import Literal, Problem, State
from lamina.agents.environments.protocol import CHECK, NOT_VALID, normalised
from lamina.agents.environments.relevance import Relevance
from lamina.agents.policies.fetching import Known
from lamina.errors import InputError

Pairs = Sequence[tuple[str, str]]
"""Actions with what was observed after each."""
_NOTHING: Final = "Nothing is known."
Condense = Callable[[str, str, Pairs], str]


def state_of_domain(domain: str, goal: str = "", objects: Mapping[str, str] | None = None) -> Condense:
    """The rule for a planning domain: the facts that hold, as far as was told; what was changed later drops out.

    Given a goal and objects, facts that no step towards the goal needs are left out (they are in no shortest plan), and the others come in
    this order: those of the goal and of a plan to it that ignores what actions take away, with fixed facts under the same headings; those
    of objects in these; the rest. So what is cut off the end is what the goal needs least.

    Parameters: `goal`, in words; `objects` with their kinds.

    >>> known = state_of_domain("tyreworld")("", "", [("", "boot is closed. boot is unlocked. jack is in boot. pump is in boot.")])
    >>> known
    'closed, unlocked: boot. in boot: jack, pump.'
    >>> state_of_domain("tyreworld")(known, "boot is open", [("open boot", "boot is open. boot is no longer closed.")])
    'in boot: jack, pump. open, unlocked: boot.'
    """
    if domain not in DOMAINS:
        raise InputError(f"{domain!r} is no domain with a rule for what is known: use one of {', '.join(DOMAINS)}")
    rules, words, full = DOMAINS[domain]
    wanted = frozenset(one.fact for one in words.read(goal) if one.positive)
    kinds = tuple(sorted((objects or {}).items()))

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
        if not wanted or not kinds:
            return words.grouped(held) or _NOTHING
        fixed = frozenset(one for one in held if one[0] in rules.fixed)
        relevance = _relevance(domain, kinds, fixed, wanted)
        held &= relevance.leading(wanted)
        first = held & (relevance.used(held, wanted) | wanted)
        headings = {words.heading(one) for one in first & fixed}
        first |= {one for one in held & fixed if words.heading(one) in headings}
        near = {one for fact in first | wanted for one in fact[1:]}
        second = {one for one in held - first if near.issuperset(one[1:])}
        return " ".join(filter(None, map(words.grouped, (first, second, held - first - second)))) or _NOTHING

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


@lru_cache(maxsize=64)
def _relevance(domain: str, objects: tuple[tuple[str, str], ...], fixed: State, goal: State) -> Relevance:
    return Relevance(Problem(domain, DOMAINS[domain][0], dict(objects), fixed, tuple(map(Literal, sorted(goal)))))
