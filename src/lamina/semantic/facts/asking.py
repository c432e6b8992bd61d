"""Asking for found facts: what holds, what held on a day, what was known then, and why."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.errors import InputError
from lamina.records import Filter, Item
from lamina.scopes import check_scope
from lamina.semantic.facts.claims import SHARED, key_of
from lamina.semantic.facts.stage import MADE_BY
from lamina.storage.protocol import Store


@dataclass(frozen=True, slots=True)
class Because:
    """Why a fact is there and why it is as it is.

    `sources`: the traces that say it, and the one that ended it, in the order of saying; `took_place_of`, `given_way_to`: the facts before and after it, each with the reason
    ("newer", "corrected"); `ended`: why it no longer holds, None where it holds.
    """

    fact: Item
    sources: tuple[Item, ...]
    took_place_of: tuple[tuple[Item, str], ...]
    given_way_to: tuple[tuple[Item, str], ...]
    ended: str | None


def facts_of(
    store: Store, scope: str, subject: str | None = None, as_of: int | None = None, known_at: int | None = None, *, attribute: str | None = None,
    history: bool = False,
) -> list[Item]:  # fmt: skip
    """The facts found in a scope and below it, oldest first.

    `subject`: of one person ("Ana", "Ana's sister"; what belongs to nobody by name, such as "the meeting", counts as everybody's). `as_of`, `known_at` (UTC microseconds): what held at that world
    time, as far as was known at that record time. Without `as_of`: what has no end yet; with `history` also what has. `attribute`: one of them ("city", "appointment": all appointments).
    Raises `InputError` for a subject or an attribute that is empty.

    >>> from lamina import Memory
    >>> with Memory(":memory:") as memory:
    ...     ids = memory.add("I live in Porto.", speaker="Ana", at="2024-01-05") + memory.add("I moved to Lisbon.", speaker="Ana", at="2024-04-10")
    ...     reports = memory.consolidate()
    ...     [fact.text for fact in facts_of(memory.store, "", "Ana", history=True)]
    ["Ana's city until 2024-04-10: Porto", "Ana's city: Lisbon"]
    """
    for name, given in (("subject", subject), ("attribute", attribute)):
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise InputError(f"{name} must be text such as 'Ana' or 'city', not {given!r}: leave it out to ask for all")
    where = Filter(scope=check_scope(scope), kinds=("fact",), as_of=as_of, known_at=known_at)
    found = [item for item in store.items.each(where) if item.made_by == MADE_BY and "value" in item.data]
    if subject is not None:
        found = [item for item in found if item.data["subject"] == SHARED or key_of(item.data["subject"]) == key_of(subject)]
    if attribute is not None:
        found = [
            item for item in found if item.data["attribute"] == attribute or item.data["attribute"].startswith(attribute + " ")
        ]
    if as_of is None and not history:
        found = [item for item in found if item.until is None]
    return sorted(found, key=lambda item: (item.at, item.key))


def why(store: Store, fact: Item) -> Because:
    """Why a fact is there. Raises `InputError` for what is no found fact."""
    if fact.made_by != MADE_BY or "value" not in fact.data:
        raise InputError(f"{fact.id} is no fact found in what people say: ask with an item of facts_of")
    cited = [edge.dst for edge in store.edges.out([fact.key], ["cites"])]
    before, after = store.edges.out([fact.key], ["supersedes"]), store.edges.into([fact.key], ["supersedes"])
    items = store.items.by_key([*cited, *(edge.dst for edge in before), *(edge.src for edge in after)])
    sources = sorted((items[key] for key in cited if key in items), key=lambda item: (item.at, item.id))
    reason = fact.data.get("why")
    return Because(
        fact, tuple(sources),
        tuple((items[edge.dst], str(edge.data.get("why"))) for edge in before if edge.dst in items and items[edge.dst].kind == "fact"),
        tuple((items[edge.src], str(edge.data.get("why"))) for edge in after if edge.src in items and items[edge.src].kind == "fact"),
        str(reason["because"]) if isinstance(reason, dict) else None,
    )  # fmt: skip
