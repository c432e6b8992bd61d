"""From claims of one attribute to the stretches of time in which each value held, and to what was believed of them when.

Claims are weighed in the order in which they were said, so the order in which they arrived does not matter. What was believed at a record time is what the claims
recorded until then say; a stretch that looks different afterwards is another version of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, Literal

from lamina.semantic.facts.appointments import merged
from lamina.semantic.facts.claims import APPOINTMENT, SHARED, Claim, key_of, same_value, value_key
from lamina.times import DAY

WINDOW: Final = 31 * DAY
"""How long after a word a correction can still mean it; later, it is a change."""
Why = Literal["newer", "corrected", "ended", "taken back"]


@dataclass(frozen=True, slots=True)
class Span:
    """A value and the stretch of world time in which it held: from `start` until `end` (UTC microseconds; None: it still holds).

    `claims` say it, the first of them founded it; `closer` ended it, for the reason `why`. `old` are the founding claims of the spans whose place it took.
    """

    subject: str
    value: str
    start: int
    claims: tuple[Claim, ...]
    end: int | None = None
    closer: Claim | None = None
    why: Why | None = None
    old: tuple[Claim, ...] = ()

    @property
    def founded(self) -> Claim:
        """The first claim that says it."""
        return self.claims[0]

    @property
    def key(self) -> tuple[str, ...]:
        """The value as it is compared."""
        return value_key(self.value)

    @property
    def identity(self) -> tuple[str, str, int, str, int | None, str]:
        """What tells this version of a stretch from another."""
        closer = self.closer.trace.id if self.closer is not None else ""
        return (key_of(self.subject), " ".join(self.key), self.start, self.founded.trace.id, self.end, closer)


@dataclass
class Timeline:
    """The spans of one group of claims (see `Claim.group`); claims are applied in the order of saying.

    >>> from lamina.records import Item
    >>> def said(day, value): return Claim(Item(str(day), "trace", "", day, day), "Ana", "city", value)
    >>> timeline = Timeline()
    >>> for one in (said(1, "Porto"), said(5, "Lisbon")): timeline.apply(one)
    >>> [(span.value, span.start, span.end, span.why) for span in timeline.spans]
    [('Porto', 1, 5, 'newer'), ('Lisbon', 5, None, None)]
    """

    spans: list[Span] = field(default_factory=list)

    def apply(self, claim: Claim) -> None:
        """Weigh one more claim."""
        if claim.attribute.startswith(APPOINTMENT):
            claim = self._owned(claim)
        mine = [place for place, span in enumerate(self.spans) if key_of(span.subject) == key_of(claim.subject)]
        if claim.act == "holds":
            self._hold(mine, claim)
        elif claim.act == "ends":
            self._end(mine, claim)
        else:
            self._take_back(mine, claim)

    def _owned(self, claim: Claim) -> Claim:
        """A claim about "the dentist": the speaker's own appointment where there is one, else the one of everybody."""
        if claim.subject != SHARED:
            return claim
        speaker = claim.trace.speaker
        owners = [span.subject for span in self.spans if span.subject != SHARED and span.founded.trace.speaker == speaker]
        return replace(claim, subject=owners[-1]) if owners else claim

    # -------------------------------------------------------------------------------------------------- what holds
    def _hold(self, mine: Sequence[int], claim: Claim) -> None:
        at = claim.trace.at
        start = claim.start if claim.start is not None else at
        place = self._covering(mine, start if claim.planned else at)
        if place is None:
            self._insert(claim, start)
            return
        now = self.spans[place]
        value = merged(now.value, claim.value) if claim.attribute.startswith(APPOINTMENT) else claim.value
        if self._same(now, value, claim):
            self.spans[place] = replace(now, claims=(*now.claims, claim))
            return
        if claim.hedged and not all(one.hedged for one in now.claims):
            return  # a guess does not stand against a word
        if claim.fixes and at - now.claims[-1].trace.at <= WINDOW:
            self._correct(place, replace(claim, value=value))
            return
        if not claim.planned and start <= now.start:
            start = max(at, now.start)
        if start <= now.start:
            self._correct(place, replace(claim, value=value))
            return
        self.spans[place] = replace(now, end=start, closer=claim, why="newer")
        later = [other for other in mine if self.spans[other].start > start]
        for other in sorted(later, reverse=True):  # a plan that something else came before
            del self.spans[other]
        self.spans.append(Span(claim.subject, value, start, (claim,), old=(now.founded,)))

    def _same(self, now: Span, value: str, claim: Claim) -> bool:
        """Whether a span says this value already: the same, or a shorter form of it."""
        new, old = value_key(value), now.key
        if claim.attribute.startswith(APPOINTMENT) or not new:
            return new == old
        return new == old or (set(new) <= set(old) and not claim.change)

    def _insert(self, claim: Claim, start: int) -> None:
        value = claim.value
        before = [span for span in self.spans if key_of(span.subject) == key_of(claim.subject) and span.end is not None]
        if before and start < (before[-1].end or 0):
            start = before[-1].end or start
        later = [span for span in self.spans if key_of(span.subject) == key_of(claim.subject) and span.start > start]
        if not value:
            return
        span = Span(claim.subject, value, start, (claim,))
        if later:  # a plan was told before what holds until then
            span = replace(span, end=later[0].start, closer=later[0].founded, why="newer")
            self.spans[self.spans.index(later[0])] = replace(later[0], old=(claim, *later[0].old))
        self.spans.append(span)

    def _correct(self, place: int, claim: Claim) -> None:
        """Put another value in the place of one that was never right, from the same time on."""
        wrong = self.spans[place]
        start = claim.start if claim.start is not None and not claim.planned else wrong.start
        fixed = Span(claim.subject, claim.value, start, (claim,), wrong.end, wrong.closer, wrong.why, (wrong.founded, *wrong.old))
        before = self._just_before(place)
        if before is not None and same_value(self.spans[before].key, fixed.key):  # "I did move to Porto, no: I stayed"
            self.spans[before] = replace(
                self.spans[before], end=None, closer=None, why=None, claims=(*self.spans[before].claims, claim)
            )
            del self.spans[place]
            return
        self.spans[place] = fixed

    def _just_before(self, place: int) -> int | None:
        """The span that was ended by the founding claim of another."""
        founded = self.spans[place].founded
        found = [
            number
            for number, span in enumerate(self.spans)
            if span.closer is not None and span.closer.trace.id == founded.trace.id
        ]
        return found[-1] if found else None

    # ------------------------------------------------------------------------------------------------ what does not
    def _end(self, mine: Sequence[int], claim: Claim) -> None:
        at = claim.trace.at
        place = self._covering(mine, at)
        if place is None:
            return
        now = self.spans[place]
        if claim.value and not same_value(now.key, claim.key):
            return
        if (
            claim.fixes
            and not claim.change
            and claim.start is None
            and at - now.claims[-1].trace.at <= WINDOW
            and claim.attribute.split()[0] != APPOINTMENT
        ):
            self._take_back(mine, claim)
            return
        end = claim.start if claim.start is not None and claim.start > now.start else at
        self.spans[place] = replace(now, end=max(end, now.start + 1), closer=claim, why="ended")

    def _take_back(self, mine: Sequence[int], claim: Claim) -> None:
        """Remove the last span of a value, as if it had never been said; what it had ended goes on."""
        for place in reversed(mine):
            span = self.spans[place]
            recent = claim.trace.at - span.claims[-1].trace.at <= WINDOW
            if same_value(span.key, claim.key) if claim.value else recent:
                before = self._just_before(place)
                if before is not None:
                    self.spans[before] = replace(
                        self.spans[before], end=None, closer=None, why=None, claims=(*self.spans[before].claims, claim)
                    )
                del self.spans[place]
                return

    def _covering(self, mine: Sequence[int], at: int) -> int | None:
        """The span that holds at a time."""
        found = [
            place
            for place in mine
            if self.spans[place].start <= at and (self.spans[place].end is None or at < (self.spans[place].end or 0))
        ]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Version:
    """A span as it was believed from the record time `known` until `retired` (None: it still is believed so).

    `next_why` says for one that is no longer believed what became of it: it was corrected, or taken back, or is another version now (None).
    """

    span: Span
    known: int
    retired: int | None
    number: int = 0


def versions(claims: Iterable[Claim]) -> list[Version]:
    """All that was ever believed of some claims of one group, in the order of becoming known.

    Where claims were recorded in the order they were said, this takes one pass; each claim that came late has the group weighed anew.
    """
    waiting = sorted(claims, key=lambda one: (one.trace.recorded_at, one.order))
    timeline, applied = Timeline(), list[Claim]()
    open_: dict[tuple[object, ...], tuple[Span, int]] = {}
    count: dict[tuple[object, ...], int] = {}
    closed: list[Version] = []
    for known, together in groupby(waiting, key=lambda one: one.trace.recorded_at):
        batch = list(together)
        in_order = not applied or applied[-1].order <= min(one.order for one in batch)
        applied = applied + batch if in_order else sorted(applied + batch, key=lambda one: one.order)
        if not in_order:
            timeline, batch = Timeline(), applied
        for one in sorted(batch, key=lambda each: each.order):
            timeline.apply(one)
        now = {span.identity: span for span in timeline.spans}
        for identity in [one for one in open_ if one not in now]:
            span, since = open_.pop(identity)
            closed.append(Version(span, since, known, count.get(identity, 0)))
            count[identity] = count.get(identity, 0) + 1
        for identity, span in now.items():
            open_[identity] = (span, open_[identity][1] if identity in open_ else known)
    current = [Version(span, since, None, count.get(identity, 0)) for identity, (span, since) in open_.items()]
    return [one for one in closed if one.retired is None or one.retired > one.known] + current
