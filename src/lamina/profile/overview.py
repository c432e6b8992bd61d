"""What a memory holds about a scope at a glance: spans, counts, who speaks, names spoken of, and what people say of themselves.

Found anew on each call from the traces themselves by simple rules of English; nothing is stored, and every statement names its source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.records import Filter, Item
from lamina.storage.consents import Refusals
from lamina.storage.protocol import Order, Store
from lamina.text import sentences
from lamina.times import isoformat

LATEST: Final = 5000  # traces that are read, the newest first
STATEMENTS: Final = 20
NAMES: Final = 12
EPISODES: Final = 5
ENDS: Final[tuple[Order, Order]] = ("at", "-at")
LONGEST: Final = 240  # characters of a statement

_SELF = re.compile(
    r"\b(?:I am|I'm|I’m|I was born|I live|I lived|I moved|I work|I worked|I study|I studied|I like|I love|I hate|I prefer|I can't stand|I have|"
    r"I don't|I don’t|I do not|I no longer|I've got|I never|I always|I usually|I want to|I need|I speak|I play|I use|I grew up|I'm from|my name is|call me|my \w+(?: \w+)? (?:is|are|was|lives|works))\b",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"\bI(?:'m| am|’m) (?:sorry|glad|happy to|sure|here|afraid|not sure|so glad|going to|just|about to|still|back|ready|fine|good|okay|ok|looking forward)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?…:]\s)(?<!^)(?<!^[\"'“‘])\b([A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)")
_NO_NAMES: Final = frozenset(
    """I I'm I've I'll I'd Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October
    November December OK Ok Yes No Hi Hello Hey Thanks The A An But And So""".split()
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said of himself or herself: the sentence, who said it, when (UTC microseconds), and the id of the trace."""

    text: str
    speaker: str | None
    at: int
    source: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What a scope holds at a glance.

    `traces` counts all; `first` and `last` are world times in UTC microseconds (None: nothing is there); `episodes`, the newest ones.
    The rest is of the newest traces, of which `read` were looked at: `sessions` counts; `speakers` and `names` are pairs of a name and how often;
    `statements`, newest first. Nothing is said of what lies in a scope where recall was refused.
    """

    scope: str
    traces: int
    sessions: int
    first: int | None
    last: int | None
    speakers: tuple[tuple[str, int], ...]
    names: tuple[tuple[str, int], ...]
    statements: tuple[Statement, ...]
    episodes: tuple[Item, ...]
    read: int

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "scope": self.scope,
            "traces": self.traces,
            "sessions": self.sessions,
            "from": None if self.first is None else isoformat(self.first),
            "to": None if self.last is None else isoformat(self.last),
            "speakers": dict(self.speakers),
            "names": dict(self.names),
            "statements": [
                {"text": one.text, "speaker": one.speaker, "at": isoformat(one.at), "source": one.source}
                for one in self.statements
            ],
            "episodes": [
                {
                    "id": one.id,
                    "at": isoformat(one.at),
                    "text": one.text if len(one.text) <= LONGEST else one.text[:LONGEST] + "…",
                }
                for one in self.episodes
            ],
            "read": self.read,
        }


def overview(store: Store, scope: str) -> Overview:
    """What is in a scope and below it, at a glance."""
    refusals = Refusals.of(store, "recall", scope)
    where = Filter(scope=scope, kinds=("trace",))
    newest: list[Item] = []
    cursor = None
    while len(newest) < LATEST:
        page = store.items.page(where, cursor=cursor, limit=1000, order="-at")
        newest += page.items
        cursor = page.cursor
        if cursor is None:
            break
    if refusals is not None:
        newest = [item for item in newest if not refusals.refuse(item.scope)]
    oldest, latest = (store.items.page(where, limit=1, order=order).items for order in ENDS)
    episodes = store.items.page(Filter(scope=scope, kinds=("episode",)), limit=EPISODES, order="-at").items
    if refusals is not None:
        episodes = [item for item in episodes if not refusals.refuse(item.scope)]
    speakers = Counter(item.speaker for item in newest if item.speaker)
    return Overview(
        scope=scope,
        traces=store.items.count(where),
        sessions=len({(item.scope, item.session) for item in newest if item.session}),
        first=oldest[0].at if oldest else None,
        last=latest[0].at if latest else None,
        speakers=tuple(speakers.most_common(NAMES)),
        names=tuple(_names(newest).most_common(NAMES)),
        statements=tuple(_statements(newest)),
        episodes=tuple(episodes),
        read=len(newest),
    )


def told_of_oneself(text: str) -> list[str]:
    """The sentences of a text in which the speaker tells of himself or herself.

    >>> told_of_oneself("Hi! I'm sorry I'm late. I live in Braga and my sister is a nurse. Do I know you?")
    ['I live in Braga and my sister is a nurse.']
    """
    found = []
    for sentence in sentences(text):
        plain = sentence.strip()
        if plain.endswith("?") or len(plain) > LONGEST or _PASSING.search(plain):
            continue
        if _SELF.search(plain):
            found.append(plain)
    return found


def _statements(newest: Sequence[Item]) -> Iterable[Statement]:
    seen: set[str] = set()
    count = 0
    for item in newest:
        if item.role not in (None, "user") or item.data.get("echo"):
            continue  # what an assistant says of itself is not who somebody is
        for text in told_of_oneself(item.text):
            if text.lower() in seen:
                continue
            seen.add(text.lower())
            yield Statement(text, item.speaker, item.at, item.id)
            count += 1
            if count == STATEMENTS:
                return


def _names(items: Sequence[Item]) -> Counter[str]:
    """Names inside sentences, each counted once a trace."""
    found: Counter[str] = Counter()
    for item in items:
        found.update({name for name in _NAME.findall(item.text) if name.split()[0] not in _NO_NAMES and len(name) > 1})
    return found
