"""How a found fact is put into words and data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lamina.expressions import find_ranges
from lamina.semantic.facts.claims import APPOINTMENT, SHARED
from lamina.semantic.facts.timeline import Span, Version
from lamina.times import DAY, isoformat

DOUBT: Final = 0.4
"""What is left of the doubt about a fact with each person who says it."""


def text_of(version: Version, now: Sequence[Version]) -> str:
    """A fact in words, which say it themselves where it is over.

    A version that is no longer believed keeps the words it had: it is seen only by who asks what was known then.
    """
    span = version.span
    what = f"{span.subject}'s {span.founded.attribute}" if span.subject != SHARED else span.founded.attribute
    if span.end is not None:
        what += f" until {isoformat(span.end, span.founded.trace.offset)[:10]}"
    elif span.founded.planned:
        what += f" from {isoformat(span.start, span.founded.trace.offset)[:10]}"
    elif all(claim.hedged for claim in span.claims):
        what += " (not certain)"
    when = resolved(span)
    return f"{what}: {span.value}" + (f" ({when})" if when is not None else "")


def resolved(span: Span) -> str | None:
    """The day of an appointment, seen from when it was said, as a date; None where its words name none."""
    if not span.founded.attribute.startswith(APPOINTMENT):
        return None
    said = span.founded.trace
    days = find_ranges(f"It is on {span.value}", said.at, "future", said.offset)
    return isoformat(days[0].start, said.offset)[:10] if days and days[0].end - days[0].start <= DAY else None


def data_of(version: Version, now: Sequence[Version]) -> dict[str, Any]:
    """What a fact says in fields: subject, attribute, value, polarity, modality, state, confidence, and why it ended."""
    span = version.span
    speakers = {claim.trace.speaker for claim in span.claims}
    firm = [claim for claim in span.claims if not claim.hedged and not claim.planned]
    believed = version.retired is None or any(
        other.span.founded.trace.id == span.founded.trace.id and other.span.key == span.key for other in now
    )
    confidence = 1 - DOUBT ** len(speakers)
    data: dict[str, Any] = {
        "subject": span.subject, "attribute": span.founded.attribute, "value": span.value, "polarity": span.value != "no" or not span.founded.attribute.startswith("likes "),
        "modality": "stated" if firm else "planned" if span.founded.planned else "supposed",
        "state": "refuted" if not believed else "confirmed" if firm and (len(speakers) > 1 or any(claim.own for claim in firm)) else "tentative",
        "confidence": round(confidence if firm else confidence / 2, 3),
    }  # fmt: skip
    when = resolved(span)
    if when is not None:
        data["when"] = when
    if span.why is not None and span.closer is not None:
        data["why"] = {"because": span.why, "trace": span.closer.trace.id}
    if not believed:
        data["why"] = {"because": "taken back"}
    return data
