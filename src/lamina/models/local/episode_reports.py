"""What is told of episodes that are saved and recalled as keys and values: what it takes, what was done, what came from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.kv import Session


@dataclass(frozen=True, slots=True)
class Estimate:
    """What saving would take: of how many `items` with how many `tokens`, `bytes` on disk; `there`, those of the items that are saved already
    and are not counted; `held`, bytes of all that is saved now and stays; `budget`; `damaged`, those of the items that were saved before, but
    cannot be used.
    """

    items: int
    tokens: int
    bytes: int
    there: int
    held: int
    budget: int
    damaged: int = 0

    @property
    def fits(self) -> bool:
        """Whether it stays within the budget."""
        return self.held + self.bytes <= self.budget


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What was saved: `saved` items with `tokens` and `bytes`, in `seconds`; `passed`, those that changed or went meanwhile."""

    saved: int
    tokens: int
    bytes: int
    seconds: float
    passed: int


@dataclass(frozen=True, slots=True)
class Part:
    """How one item came into a prompt: its `tokens`, of which `reread` were read; `bytes` that came from the store; `why` it came as text, "" where it did not."""

    item: str
    tokens: int
    reread: int
    bytes: int
    why: str

    @property
    def cached(self) -> bool:
        """Whether its keys and values came from the store."""
        return not self.why


@dataclass(frozen=True, slots=True)
class Recalled:
    """A prompt that a model has read: its `session`, which can be gone on with, the `parts` in their order, all `tokens`, and `seconds`."""

    session: Session
    parts: tuple[Part, ...]
    tokens: int
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes that came from the store."""
        return sum(one.bytes for one in self.parts)
