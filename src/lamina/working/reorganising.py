"""In what form turns that were brought back enter a prompt: whole, shortened, or not at all.

Source: "Unleashing Infinite-Length Input Capacity for Large-scale Language Models with Self-Controlled Memory System" (X. Liang et al., 2023), and its
released code, whose loop does not end where everything is short already and still too long: here the least like the input are then left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lamina.working.extracts import cut, sized

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter
    from lamina.working.turns import Turn

Form = Literal["raw", "summary", "drop"]
Judge = Callable[[str, str], bool]
"""From the name of an excerpt and the excerpt: whether it is enough to answer what is asked."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A turn in the form in which it is shown. `text` is what stands in the prompt, empty where it is left out."""

    turn: Turn
    form: Form
    text: str


@dataclass(frozen=True)
class Reorganiser:
    """Chooses the forms of turns that are too long together.

    Parameters: `variant`: "paper" calls turns too long where one has over `item_tokens` and all have over `total_tokens`, "code" where all have over
    `history_tokens` with the previous turn. More than fits is too long for both. `fill`, which is ours: what is then left of the room is given back, so
    that the turns most like the input are whole again, and those that were left out come back, as far as they fit.

    The turn most like the input stays whole at first; of the others, those that do not answer it go, and those whose summary is
    enough are shortened. Then whole ones are shortened, and at last left out, from the least like on, until the rest fits.
    """

    variant: Literal["paper", "code"] = "paper"
    item_tokens: int = 800
    total_tokens: int = 2000
    history_tokens: int = 2500
    fill: bool = False

    def __post_init__(self) -> None:
        sized(self.item_tokens, "item_tokens")
        sized(self.total_tokens, "total_tokens")
        sized(self.history_tokens, "history_tokens")

    def too_long(self, turns: Sequence[Turn], room: int, flash: int = 0) -> bool:
        """Whether turns must be reorganised; `flash`: tokens of the previous turn in the prompt."""
        total = sum(turn.tokens for turn in turns)
        if total > room:
            return True
        if self.variant == "code":
            return total + flash > self.history_tokens
        return total > self.total_tokens and any(turn.tokens > self.item_tokens for turn in turns)

    def place(self, ranked: Sequence[Turn], room: int, judge: Judge, flash: int = 0) -> list[Placed]:
        """The turns in the order in which they were said, each in its form. `ranked`: the most like the input first."""
        forms: dict[int, Form] = {turn.number: "raw" for turn in ranked}
        ascending = list(reversed(ranked))
        if self.too_long(ranked, room, flash):
            for turn in ascending[:-1]:
                forms[turn.number] = _judged(turn, judge)
            room = min(room, self.history_tokens - flash)
            self._shrink(ascending, forms, room)
            if self.fill:
                self._fill(ranked, forms, room)
        return [Placed(turn, forms[turn.number], _text(turn, forms[turn.number])) for turn in sorted(ranked, key=_number)]

    def _shrink(self, ascending: Sequence[Turn], forms: dict[int, Form], room: int) -> None:
        total = sum(_tokens(turn, forms[turn.number]) for turn in ascending)
        for found, smaller in (("raw", "summary"), ("summary", "drop")):
            for turn in ascending:
                if total <= room:
                    return
                if forms[turn.number] == found:
                    forms[turn.number] = smaller  # type: ignore[assignment] # mypy widens literals in a tuple
                    total += _tokens(turn, smaller) - _tokens(turn, found)

    def _fill(self, ranked: Sequence[Turn], forms: dict[int, Form], room: int) -> None:
        left = room - sum(_tokens(turn, forms[turn.number]) for turn in ranked)
        larger: Sequence[Form] = ("raw", "summary")
        for turn in sorted(ranked, key=lambda one: forms[one.number] == "drop"):  # those that answer first
            for form in larger:
                more = _tokens(turn, form) - _tokens(turn, forms[turn.number])
                if 0 < more <= left:
                    forms[turn.number] = form
                    left -= more


def _judged(turn: Turn, judge: Judge) -> Form:
    if not judge(f"{turn.number} raw", turn.text):
        return "drop"
    if turn.summary == turn.text:
        return "raw"
    return "summary" if judge(f"{turn.number} summary", turn.summary) else "raw"


def concatenate(ranked: Sequence[Turn], room: int, counter: TokenCounter) -> list[Placed]:
    """Without a controller: turns whole, the most like the input first, until one does not fit; the first is cut where it alone is too long."""
    placed: list[Placed] = []
    for turn in ranked:
        if turn.tokens > room:
            beginning = cut(turn.text, room, counter) if not placed else ""
            if beginning:
                placed.append(Placed(turn, "raw", beginning))
            break
        placed.append(Placed(turn, "raw", turn.text))
        room -= turn.tokens
    return sorted(placed, key=lambda one: one.turn.number)


def _number(turn: Turn) -> int:
    return turn.number


def _text(turn: Turn, form: str) -> str:
    return {"raw": turn.text, "summary": turn.summary, "drop": ""}[form]


def _tokens(turn: Turn, form: str) -> int:
    return {"raw": turn.tokens, "summary": turn.summary_tokens, "drop": 0}[form]
