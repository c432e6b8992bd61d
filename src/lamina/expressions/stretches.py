"""Whole expressions: a phrase with the words that lead up to it, and what two phrases mean together (since, from … to, between)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lamina.expressions import counted
from lamina.expressions.dates import Phrase
from lamina.expressions.events import Head, days_around, read_head
from lamina.expressions.grammar import phrase
from lamina.expressions.lexicon import Prefer
from lamina.expressions.neighbours import means_a_time
from lamina.expressions.periods import UNITS as PERIODS
from lamina.expressions.periods import Period, Span, chosen, joined, once, turned
from lamina.expressions.tense import MOVED, is_past
from lamina.expressions.tokens import Said

_TO: Final = frozenset("to until till through thru - – —".split())


@dataclass(frozen=True, slots=True)
class Reading:
    """What an expression `[start, end)` of tokens means: periods, or none; `plan`: only as a plan."""

    start: int
    end: int
    periods: tuple[Period, ...] = ()
    plan: bool = False


def statement(said: Said, place: int, prefer: Prefer) -> Reading | None:
    """The whole expression at a token, with the words that lead up to it; a reading without periods is taken and means no time."""
    word = said.low[place]
    if word == "since":
        return _since(said, place)
    if word == "from":
        return _from(said, place)
    if word == "between":
        return _between(said, place)
    if word == "in":
        return _ahead(said, place)
    if word == "last" and said.hangs and said.low[place + 2] == "before":
        hung = _by_event(said, place + 1)
        if hung is not None and hung.periods:
            return hung
    found = phrase(said, place)
    if (found is None or found.bare) and said.hangs:
        hung = _by_event(said, place)
        if hung is not None:
            return hung
    if found is None:
        return None
    if found.period is None:
        return Reading(place, found.end)
    tail = _tail(said, place, found)
    if tail is not None:
        licensed = tail.periods and (
            means_a_time(said, place, found, prefer) or (tail.periods[0].turn is not None and _is_dated(said, found, place))
        )
        return tail if licensed else Reading(place, tail.end)
    if not means_a_time(said, place, found, prefer):
        return Reading(place, found.end)
    if found.plan:
        return Reading(place, found.end, (found.period,), plan=True)
    return _listed(said, place, found)


def _by_event(said: Said, place: int) -> Reading | None:
    """A time that hangs on an event: read where the event is a day of the calendar, else taken, with what is told of the event."""
    step = place + 1
    while said.low[step] not in ("before", "after"):
        step += 1
        if step > place + 5:
            return None
    told = step + 1 + (said.low[step + 1] == "the")
    event = phrase(said, told)
    if event is not None and event.period is not None and event.more is None:
        head = read_head(said, place, event=told)
        if head is None:
            return None
        hung: Head = head

        def around(span: Span) -> Span | None:
            return days_around(span, hung) if span[1] - span[0] == 1 else None

        known = event.period.turn is not None or event.period.cycle in ("month", "year")
        return Reading(place, event.end, (event.period.mapped(around, "part"),) if known else ())
    head = read_head(said, place)
    return None if head is None or head.relation not in ("before", "after") else Reading(place, head.end)


def _is_dated(said: Said, first: Phrase, place: int) -> bool:
    """Whether a stretch without words that lead up to it is one all the same: 3 May to 9 June 2021; (1990 – 1995)."""
    assert first.period is not None
    if first.period.kind != "year" or not first.bare:
        return True
    return said.low[place - 1] in ("(", "[", ":", ",", "") and said.low[first.end] in ("-", "–", "—")


def _since(said: Said, place: int) -> Reading | None:
    low = said.low
    step = place + 1
    while low[step] in ("about", "around", "at", "least", "the", "roughly", "on", "in") and step < place + 4:
        step += 1
    if low[step] == "end" and low[step + 1] == "of":
        closing = phrase(said, step)
        return Reading(place, closing.end) if closing is not None else None
    opening = low[step] in ("beginning", "start") and low[step + 1] == "of" and low[step + 2] in ("the", "this")
    found: Phrase | None
    if opening and low[step + 3] in ("year", "month", "week"):
        period = PERIODS[low[step + 3]]
        found = Phrase(turned(period, "this", said.today), step + 4)
    else:
        found = phrase(said, step)
        if found is None:
            return None
        if not means_a_time(said, step, found, "past", led=True):
            return Reading(place, found.end)
    assert found.period is not None
    span = chosen(found.period, said.today, False)
    if span is None or span[0] > said.today:
        return Reading(place, found.end)
    return Reading(place, found.end, (once(span[0], said.today + 1, "since"),))


def _from(said: Said, place: int) -> Reading | None:
    low = said.low
    step = place + 1 + (low[place + 1] == "the")
    first = phrase(said, step)
    if first is None or first.period is None:
        return None
    if low[first.end] in ("on", "onwards", "onward", "forward") and phrase(said, first.end + 1) is None:
        return Reading(place, first.end + 1)
    if first.period.kind == "range":
        return Reading(place, first.end, (first.period,))
    if low[first.end] not in _TO:
        return None
    joint = _join(said, first, first.end + 1)
    if joint is None:
        return None
    if not MOVED.isdisjoint(low[max(0, place - 8) : place]):
        return Reading(place, joint[1])
    return Reading(place, joint[1], () if joint[0] is None or _in_doubt(said, joint[0], place, joint[1]) else (joint[0],))


def _in_doubt(said: Said, period: Period, start: int, end: int) -> bool:
    """Days of a week are a stretch of one week only where the past is told of, and only if it is over."""
    if period.turn is not None or period.cycle != "week":
        return False
    if not is_past(said, start, end):
        return True
    span = chosen(period, said.today, False)
    return span is None or span[0] + 7 <= said.today


def _between(said: Said, place: int) -> Reading | None:
    low = said.low
    step = place + 1 + (low[place + 1] == "the")
    first = phrase(said, step)
    if first is None or first.period is None:
        return None
    if first.bare and first.period.kind == "monthday" and not means_a_time(said, step, first, "past", led=True):
        return Reading(place, first.end) if first.more is not None else None
    if first.more is not None:
        period = joined(first.period, first.more)
        return Reading(place, first.end, () if period is None else (period,))
    if first.period.kind == "range":
        return Reading(place, first.end, (first.period,))
    if low[first.end] not in ("and", "&", "-", "–"):
        return None
    joint = _join(said, first, first.end + 1)
    if joint is None:
        return None
    doubt = joint[0] is None or _in_doubt(said, joint[0], place, joint[1])
    return Reading(place, joint[1], () if joint[0] is None or doubt else (joint[0],))


def _join(said: Said, first: Phrase, place: int) -> tuple[Period | None, int] | None:
    """From one phrase to another at `place`: the stretch (None where they do not fit), and the token behind."""
    low = said.low
    assert first.period is not None
    if low[place] in ("now", "date"):
        return joined(first.period, once(said.today, said.today + 1)), place + 1
    last = phrase(said, place + (low[place] == "the"))
    if last is None or last.period is None or last.more is not None:
        return None
    if last.bare and not means_a_time(said, place + (low[place] == "the"), last, "past", led=True):
        return None, last.end
    if first.period.kind == "monthday" and last.period.kind == "date":
        return None, last.end
    return joined(first.period, last.period), last.end


def _tail(said: Said, place: int, first: Phrase) -> Reading | None:
    """What goes on to another end without "from": 3 May to 9 June, March-May 2021, Monday to Friday."""
    low = said.low
    link = low[first.end]
    if link not in ("to", "-", "–", "—", "until", "till", "through", "thru") or first.period is None or first.more is not None:
        return None
    joint = _join(said, first, first.end + 1)
    if joint is None:
        return None
    period, end = joint
    weekly = first.period.kind == "weekday" and first.period.turn is None
    if weekly or (link not in ("-", "–", "—") and first.period.turn is not None and first.period.kind in ("day", "week")):
        return Reading(place, end)
    return Reading(place, end, () if period is None else (period,))


def _ahead(said: Said, place: int) -> Reading | None:
    found = counted.read_ahead(said, place)
    if found is None:
        return None
    ahead, certain = found
    if ahead.period is None:
        return Reading(place, ahead.end)
    return Reading(place, ahead.end, (ahead.period,), plan=not certain)


def _listed(said: Said, place: int, first: Phrase) -> Reading:
    """A phrase with the like ones behind it: in March and April, in 2018, 2019 and 2020, on Monday and Tuesday."""
    low = said.low
    assert first.period is not None
    periods = [first.period] + ([first.more] if first.more is not None else [])
    end = first.end
    for _ in range(5):
        link = low[end]
        if link not in ("and", "or", "&", ",", "/"):
            break
        step = end + 1 + (link == "," and low[end + 1] in ("and", "or"))
        other = phrase(said, step) if first.bare else None
        if other is None or other.period is None or other.period.cycle != periods[0].cycle or other.more is not None:
            break
        if other.period.kind != periods[0].kind or not _closes(said, other.end):
            break
        if other.period.turn is not None and periods[-1].turn is None:
            turn = other.period.turn
            periods = [period if period.turn is not None else period.at(turn) for period in periods]
        periods.append(other.period)
        end = other.end
    return Reading(place, end, tuple(periods))


def _closes(said: Said, end: int) -> bool:
    behind = said.low[end]
    return not behind.isalnum() or behind in _CLOSING


_CLOSING: Final = frozenset("and or i we they he she you it last this with at".split())
