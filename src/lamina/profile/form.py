"""Filling a form from memory: each field with the value that was said last, what it rests on, how sure it is, and whether it may be handed out.

Source: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (the memory as an intermediary that fills in what a person would otherwise type again). The rules are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lamina.errors import InputError
from lamina.profile.lines import sureness
from lamina.profile.portrait import person_of
from lamina.profile.sharing import Consent, sharing
from lamina.profile.values import FormField, Found, RuleValues
from lamina.records import Filter, Item
from lamina.scopes import EVERYWHERE
from lamina.storage.consents import Refusals
from lamina.storage.protocol import Store
from lamina.text import check_text, fold
from lamina.times import isoformat


class ValueFinder(Protocol):
    """Finds values for the fields of a form in what somebody wrote."""

    def values(self, fields: Sequence[FormField], traces: Sequence[Item]) -> Mapping[str, Sequence[Found]]:
        """All values that are said, by the name of the field; nothing where nothing is said."""
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A field with what is known of it.

    `value` is None where nothing is known or sharing is refused; `confidence` in [0, 1), 0 without a value; `sources` are ids of traces; `at`: when it was said
    last (UTC microseconds); `others`: what was said before, newest first; `consent`: whether it may go to the recipient.
    """

    field: FormField
    value: str | None
    confidence: float
    sources: tuple[str, ...]
    at: int | None
    others: tuple[str, ...]
    consent: Consent

    def as_json(self) -> dict[str, Any]:
        """The field as JSON values."""
        return {
            "name": self.field.name, "value": self.value, "confidence": self.confidence, "sources": list(self.sources),
            "at": None if self.at is None else isoformat(self.at), "others": list(self.others), "consent": self.consent,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """A form filled for a person, meant for a recipient."""

    person: str
    recipient: str
    fields: tuple[Filled, ...]

    def handed_out(self) -> dict[str, str]:
        """The values that may go to the recipient: of those fields for which somebody has said so."""
        return {one.field.name: one.value for one in self.fields if one.consent == "granted" and one.value is not None}

    def to_ask(self) -> list[FormField]:
        """The fields that have a value and nobody has decided on."""
        return [one.field for one in self.fields if one.consent == "unasked" and one.value is not None]


def prefill(
    store: Store,
    scope: str,
    fields: Iterable[FormField | str],
    recipient: str,
    *,
    person: str = "",
    finder: ValueFinder | None = None,
) -> Form:
    """Fill a form from what a person wrote in a scope and below it; what is not said stays empty.

    Nothing is read where recall is refused. A value that rests on any trace for which sharing is refused is left out, as is one of a field that was refused to
    this recipient (see `lamina.profile.sharing.decide`). Raises `InputError` for no fields, a field without a name or there twice, and an empty recipient.
    """
    asked = [FormField(one) if isinstance(one, str) else one for one in fields]
    _check(asked, recipient)
    if scope == EVERYWHERE:
        raise InputError("a form is filled for one person: name the scope, not '*'")
    refused, unread = Refusals.of(store, "share", scope), Refusals.of(store, "recall", scope)
    every = (one for one in store.items.each(Filter(scope=scope, kinds=("trace",))) if person_of(one) == person)
    traces = sorted((one for one in every if unread is None or not unread.refuse(one.scope)), key=lambda one: (one.at, one.id))
    found = (finder or RuleValues()).values(asked, traces)
    decided = sharing(store, scope)
    filled = []
    for one in asked:
        consent = decided.of(one.name, recipient)
        filled.append(_filled(one, found.get(one.name, ()), consent, refused))
    return Form(person, recipient, tuple(filled))


def _check(fields: Sequence[FormField], recipient: str) -> None:
    if not fields or not all(isinstance(one, FormField) for one in fields):
        raise InputError("a form is a list of fields, or of their names, with at least one")
    for one in fields:
        check_text(one.name, "the name of a field")
    names = [fold(one.name) for one in fields]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"the field {twice!r} is there twice: every field needs its own name")
    check_text(recipient, "the recipient")


def _filled(asked: FormField, found: Sequence[Found], consent: Consent, refused: Refusals | None) -> Filled:
    """A field with the value said last; the same value in other spelling is the same."""
    values: dict[str, list[Found]] = {}
    for one in found:
        values.setdefault(fold(one.value), []).append(one)
    ranked = sorted(values.values(), key=lambda some: max((one.trace.at, one.trace.id) for one in some), reverse=True)
    kept = [some for some in ranked if refused is None or not any(refused.refuse(one.trace.scope) for one in some)]
    if kept[:1] != ranked[:1]:
        consent = "refused"  # an older value in its place would be a false one
    ranked = kept
    if not ranked or consent == "refused":
        return Filled(asked, None, 0.0, (), None, (), consent)
    best, *others = ranked
    newest = max(best, key=lambda one: (one.trace.at, one.trace.id))
    sources = tuple(sorted({one.trace.id for one in best}))
    sure = sureness([one.trace for one in best])
    return Filled(asked, newest.value, sure, sources, newest.trace.at, tuple(some[-1].value for some in others), consent)
