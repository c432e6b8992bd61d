"""Rules that sum up a finished subgoal in one line, made of sentences that the policies can read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.planning import Literal
from lamina.agents.environments.protocol import CHECK, NOT_VALID, normalised
from lamina.agents.policies.fetching import Known
from lamina.errors import InputError

Pairs = Sequence[tuple[str, str]]
"""Actions with what was observed after each."""

Summarise = Callable[[str, Pairs], str]


def of_domain(domain: str) -> Summarise:
    """The rule for a planning domain: whether the subgoal is reached, and the last that was told of each fact.

    Where every observation tells the whole state, it is the last of these.

    >>> of_domain("tyreworld")("boot is open", [("open boot", "boot is open. boot is no longer closed.")])
    'The subgoal is reached. boot is open. boot is no longer closed.'
    """
    if domain not in DOMAINS:
        raise InputError(f"{domain!r} is no domain with a rule for summaries: use one of {', '.join(DOMAINS)}")
    _, words, full = DOMAINS[domain]

    def summarise(subgoal: str, pairs: Pairs) -> str:
        told = [seen for action, seen in pairs if normalised(action) != CHECK and seen != NOT_VALID]
        if full:
            return _line(next((seen for seen in reversed(told) if words.read(seen)), "Nothing was done."))
        last = {one.fact: one.positive for seen in told for one in words.read(seen)}
        wanted = words.read(subgoal)
        reached = bool(wanted) and all(last.get(one.fact) is one.positive for one in wanted)
        changes = words.paragraph(Literal(fact, last[fact]) for fact in sorted(last, key=lambda one: (not last[one], one)))
        return _line(f"The subgoal is {'reached' if reached else 'not seen to be reached'}. {changes or 'Nothing changed.'}")

    return summarise


def of_fetching(subgoal: str, pairs: Pairs) -> str:
    """The rule for fetching: what was delivered, and what lies in each room that was seen.

    >>> of_fetching("Deliver the jar", [("go to loft", "You are in the loft. You see: bell, jar. You carry nothing.")])
    'Delivered: nothing. Seen in the loft: bell, jar. You are in the loft. You carry nothing.'
    """
    return _fetched(pairs, places=True)


def of_fetching_without_places(subgoal: str, pairs: Pairs) -> str:
    """The same without what lies where, for measuring what that is worth.

    >>> of_fetching_without_places("Deliver the jar", [("go to loft", "You are in the loft. You see: bell, jar. You carry nothing.")])
    'Delivered: nothing. Been in: loft. You are in the loft. You carry nothing.'
    """
    return _fetched(pairs, places=False)


SUMMARIES: Final[dict[str, Summarise]] = {**{name: of_domain(name) for name in DOMAINS}, "fetch": of_fetching}
"""The rule of each world."""


def _fetched(pairs: Pairs, *, places: bool) -> str:
    known = Known()
    for _, seen in pairs:
        known = known.after(seen)
    parts = [f"Delivered: {', '.join(known.delivered) or 'nothing'}."]
    if places:
        parts += [f"Seen in the {room}: {', '.join(things) or 'nothing'}." for room, things in known.contents]
    elif known.contents:
        parts.append(f"Been in: {', '.join(room for room, _ in known.contents)}.")
    if known.room:
        parts.append(f"You are in the {known.room}. You carry {f'the {known.carried}' if known.carried else 'nothing'}.")
    return " ".join(parts)


def _line(text: str) -> str:
    return " ".join(text.split())
