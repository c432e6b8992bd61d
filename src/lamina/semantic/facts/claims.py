"""Claims: what one sentence says of one attribute of somebody, before it is weighed against what else was said."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from lamina.records import Item

Act = Literal["holds", "ends", "never"]
"""What a claim does with its value: it holds, it ends, or it never held (a word that is taken back)."""
SHARED: Final = ""
"""The subject of what belongs to nobody by name: the meeting, our flight."""
APPOINTMENT: Final = "appointment"

SESSION: Final = "fact/"
"""What the sessions of found facts begin with; a hash of what is settled together follows, so that the name tells nothing of what was deleted."""
Group = tuple[str, str]

_WORD = re.compile(r"[^\W_][\w.:@&'-]*")
_SMALL: Final = frozenset("a an the my our his her their your its of on at in to for this that and".split())


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of one trace.

    `subject`: a name, "Ana's sister", or SHARED; `attribute`: "city", "favourite colour", "appointment dentist"; `value`: in the words that were used ("" where
    the claim is about whatever holds); `start`: from when it is said to hold (UTC microseconds, None: from when it was said). `own`: the subject says it. `hedged`: said with doubt.
    `planned`: told of the future. `fixes`: it corrects what was said before. `change`: it says itself that something is new.
    """

    trace: Item
    subject: str
    attribute: str
    value: str
    act: Act = "holds"
    start: int | None = None
    own: bool = True
    hedged: bool = False
    planned: bool = False
    fixes: bool = False
    change: bool = False

    @property
    def group(self) -> Group:
        """What is settled together: an attribute of somebody; appointments by what they are alone, whoever speaks of them."""
        return (SHARED if self.attribute.startswith(APPOINTMENT) else key_of(self.subject), self.attribute)

    @property
    def order(self) -> tuple[int, str]:
        """The order in which things were said."""
        return (self.trace.at, self.trace.id)

    @property
    def key(self) -> tuple[str, ...]:
        """The value as it is compared."""
        return value_key(self.value)


def session_of(group: Group) -> str:
    """The session of the facts of one group: an attribute of somebody."""
    return SESSION + hashlib.blake2b("\0".join(group).encode(), digest_size=10).hexdigest()


@lru_cache(maxsize=8192)
def key_of(subject: str) -> str:
    """A subject as it is compared.

    >>> key_of("Ana’s  Sister")
    "ana's sister"
    """
    return " ".join(subject.replace("’", "'").casefold().split())


@lru_cache(maxsize=8192)
def value_key(value: str) -> tuple[str, ...]:
    """The words of a value as they are compared: folded, without small words.

    >>> value_key("the City Council")
    ('city', 'council')
    """
    found = [word.casefold().rstrip(".'") for word in _WORD.findall(value.replace("’", "'"))]
    return tuple(word for word in found if word not in _SMALL) or tuple(found)


def same_value(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two values name the same: equal, or one the shorter form of the other.

    >>> same_value(value_key("Kestrel"), value_key("Kestrel Motors")), same_value(value_key("Bath"), value_key("Wells"))
    (True, False)
    """
    return bool(one) and bool(other) and (set(one) <= set(other) or set(other) <= set(one))
