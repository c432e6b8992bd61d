"""What a companion knows of a person before anything is said, in so many tokens: who they are, and the days in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.episodic.days import DaySummaries
from lamina.profile.biography import biographies
from lamina.profile.describing import describe
from lamina.profile.portrait import portraits
from lamina.storage.consents import Refusals
from lamina.text import recalled, sentences

if TYPE_CHECKING:
    from lamina.memory import Memory
    from lamina.models.protocols import TokenCounter


def profile_of(memory: Memory, scope: str, person: str | None, room: int, counter: TokenCounter) -> str:
    """Who a person is: the biography, or the portrait where there is none, quoted as data, in at most `room` tokens; "" where there
    is neither."""
    store = memory.store
    frame = counter.count(recalled(""))
    for one in biographies(store, scope, person):
        if one.scope == scope and room > frame:
            text = one.text("third", room - frame, counter)
            return recalled(text) if text else ""
    for portrait in portraits(store, scope, person):
        if portrait.scope == scope and room > frame:
            text = describe(portrait.person, portrait.lines, room - frame, counter)
            return recalled(text) if text else ""
    return ""


def days_of(memory: Memory, scope: str, room: int, counter: TokenCounter) -> str:
    """The overview of the days, as many whole sentences of it as go into `room` tokens, quoted as data; "" where there is none, or
    where recall was refused."""
    store = memory.store
    refusals = Refusals.of(store, "recall", scope)
    found = store.items.get([DaySummaries().day_id(scope, "")])[0]
    if found is None or found.status or (refusals is not None and refusals.refuse(scope)):
        return ""
    text = ""
    for sentence in sentences(f"Days in short, {found.text}"):
        more = f"{text} {sentence.strip()}".strip()
        if counter.count(recalled(more)) > room:
            break
        text = more
    return recalled(text) if text else ""
