"""Sentences from fixed templates, which can be read back: slots, parts that are left out where a slot is empty, and words for numbers.

The same record always gives the same words. The first template of a kind whose slots are all there is used, so the most specific
comes first, and a missing field is said to be missing by the next one. Source: V. A. Kazakova 2023, SPLAIN: Augmenting Cybersecurity
Warnings with Reasons and Data. Its abstract asks for simple structured templates; engine, words and thresholds are an interpretation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lamina.errors import InputError

_PARTS = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")

LIKELIHOODS: Final = (
    (0.05, "very unlikely"),
    (0.2, "unlikely"),
    (0.45, "possible"),
    (0.55, "about even"),
    (0.8, "likely"),
    (0.95, "very likely"),
)
"""Words for probabilities, each up to (not including) its bound; above the last one: "nearly certain"."""
DEVIATIONS: Final = ((1.0, "within what is usual"), (2.0, "somewhat {side}"), (3.0, "clearly {side}"), (math.inf, "far {side}"))
"""Words for a distance from the mean, in standard deviations without sign, each up to (not including) its bound."""


@dataclass(frozen=True)
class Template:
    """A sentence with slots in braces; a part in brackets is left out unless all its slots are filled.

    Parameters: `text`; `slots`, the names that may stand in it. Raises `InputError` when it is made with another slot.

    >>> said = Template("{name} was {value}[ {unit}].", ("name", "value", "unit"))
    >>> said.fill({"name": "load", "value": "3"}), said.fill({"name": "load"})
    ('load was 3.', None)
    >>> said.read("load was 3 MB.")
    {'name': 'load', 'value': '3', 'unit': 'MB'}
    """

    text: str
    slots: Sequence[str]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknown = [name for name in _SLOT.findall(self.text) if name not in self.slots]
        if unknown:
            raise InputError(f"the template {self.text!r} has the slot {unknown[0]!r}: use one of {', '.join(self.slots)}")
        if len(set(_SLOT.findall(self.text))) != len(_SLOT.findall(self.text)):
            raise InputError(f"the template {self.text!r} has a slot twice: it could not be read back")
        object.__setattr__(self, "_pattern", re.compile(_pattern_of(self.text), re.DOTALL))

    def fill(self, values: Mapping[str, str | None]) -> str | None:
        """The sentence; None where a slot outside brackets is empty."""
        text = _PARTS.sub(lambda part: part[1] if all(values.get(name) for name in _SLOT.findall(part[1])) else "", self.text)
        names = _SLOT.findall(text)
        if not all(values.get(name) for name in names):
            return None
        return _SLOT.sub(lambda slot: str(values[slot[1]]), text)

    def read(self, text: str) -> dict[str, str] | None:
        """What stands in the slots of a sentence that this template made; None for one that it did not make."""
        found = self._pattern.fullmatch(text)
        return None if found is None else {name: value for name, value in found.groupdict().items() if value is not None}


def _pattern_of(text: str) -> str:
    pattern, place = "", 0
    for part in _PARTS.finditer(text):
        pattern += _slots_of(text[place : part.start()]) + f"(?:{_slots_of(part[1])})?"
        place = part.end()
    return pattern + _slots_of(text[place:])


def _slots_of(text: str) -> str:
    pieces = _SLOT.split(text)  # words and names of slots by turns
    return "".join(f"(?P<{piece}>.+?)" if odd % 2 else re.escape(piece) for odd, piece in enumerate(pieces))


def first_that_fits(templates: Sequence[Template], values: Mapping[str, str | None]) -> str:
    """The sentence of the first template whose slots are all filled. Raises `InputError` where none fits."""
    for template in templates:
        text = template.fill(values)
        if text is not None:
            return text
    raise InputError(
        f"no template fits what is known ({', '.join(name for name, value in values.items() if value) or 'nothing'})"
    )


# --------------------------------------------------------------------------------------------------------- words
def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> [plural(n, "reading") for n in (0, 1, 2)]
    ['no readings', '1 reading', '2 readings']
    """
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"


def likelihood(probability: float) -> str:
    """The word for a probability; see `LIKELIHOODS`.

    >>> [likelihood(p) for p in (0.0, 0.1, 0.5, 0.94, 1.0)]
    ['very unlikely', 'unlikely', 'about even', 'very likely', 'nearly certain']
    """
    return next((word for bound, word in LIKELIHOODS if probability < bound), "nearly certain")


def deviation(deviations: float) -> str:
    """The words for a signed distance from the mean in standard deviations; see `DEVIATIONS`.

    >>> deviation(0.5), deviation(-2.5), deviation(9)
    ('within what is usual', 'clearly below', 'far above')
    """
    words = next(words for bound, words in DEVIATIONS if abs(deviations) < bound or bound == math.inf)
    return words.format(side="above" if deviations > 0 else "below")
