"""Prose without end: sentences of a made-up town that no library has to ship, or passages cut from files that somebody names."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.text import mend_text, sentences

TOKENS: Final = WordLlamaTokens()

THEMES: Final[Sequence[tuple[str, ...]]] = (
    ("harbour", "ships", "captain", "nets", "pier", "tide", "lantern", "anchor", "gulls", "cargo", "fog", "sailor", "rope", "crane", "salt"),
    ("orchard", "apples", "ladder", "baskets", "press", "cider", "bees", "blossom", "farmer", "hedge", "frost", "wagon", "crows", "roots", "cellar"),
    ("theatre", "curtain", "actress", "orchestra", "balcony", "costume", "prompter", "applause", "mask", "violin", "tickets", "rehearsal", "stage", "verses", "candles"),
    ("mountain", "pass", "shepherd", "snow", "hut", "goats", "avalanche", "path", "eagle", "stream", "guide", "pine", "ridge", "shelter", "storm"),
    ("library", "shelves", "catalogue", "scholar", "manuscript", "reading-room", "dust", "binding", "archive", "map", "ink", "margin", "librarian", "scrolls", "silence"),
    ("market", "stalls", "spices", "merchant", "scales", "cloth", "coins", "awning", "porter", "bargain", "oranges", "fish", "crowd", "bread", "cheese"),
    ("railway", "platform", "engine", "signal", "conductor", "tunnel", "carriage", "timetable", "whistle", "luggage", "bridge", "coal", "junction", "steam", "clerk"),
    ("hospital", "surgeon", "ward", "bandage", "nurse", "fever", "medicine", "patient", "corridor", "window", "recovery", "bell", "linen", "visitor", "chart"),
    ("garden", "roses", "fountain", "gardener", "greenhouse", "tulips", "gravel", "statue", "bench", "ivy", "pond", "lawn", "seeds", "spade", "wall"),
    ("workshop", "lathe", "carpenter", "varnish", "hammer", "clockmaker", "springs", "bench", "sawdust", "apprentice", "tools", "drawing", "gears", "glue", "oak"),
)  # fmt: skip
"""The words of ten chapters that come round again; the first of each is the place."""
PEOPLE: Final = "Albrecht Benedikta Corvin Dorothea Emeric Felicia Gaspard Henrietta Isidor Josepha Konrad Leonora Matthias Nathalie Otmar Petronella".split()
_VERBS: Final = "watched remembered carried described forgot mended followed painted counted praised doubted sold drew feared repaired noticed".split()
_ADJECTIVES: Final = (
    "old narrow bright silent heavy broken distant crooked pale warm famous empty ancient quiet bitter golden".split()
)
_TEMPLATES: Final = (
    "{Person} {verb} the {adj} {a} near the {place}, and nobody spoke of the {b}.",
    "The {a} of the {place} stood beside the {adj} {b}, where {person} had waited since noon.",
    "When the {adj} {a} was gone, {person} {verb} the {b} and went home by the {place}.",
    "Nobody in the {place} had seen such a {adj} {a}, although the {b} were known to all.",
    "It was said that {person} {verb} every {a}, and that the {b} never came back to the {place}.",
    "In those years the {place} had a {adj} {a} and more {b} than anybody needed.",
    "{Person} and {other} quarrelled over the {a} until the {b} fell into the {adj} {c}.",
    "There is a story of a {adj} {a} in the {place}, but {person} told it differently and left out the {b}.",
    "Between the {a} and the {b} lay the {adj} {c}, which {person} {verb} with patience.",
    "The {c} smelled of {b}, and the {a} of the {place} looked {adj} in the evening.",
    "At the end of that summer {other} {verb} the {a}, took the {b}, and gave {person} the {adj} {c}.",
    "A {adj} {a} is worth little without {b}, as {person} used to say in the {place}.",
)


@dataclass
class Prose:
    """Sentences without end, about one theme for some thirty at a time.

    Parameters: `seed`; `texts`, files whose sentences are taken in their stead, from a place drawn by the seed. Raises `InputError` where they have none.

    >>> Prose(seed=1).passage(40) == Prose(seed=1).passage(40)
    True
    """

    seed: int = 0
    texts: Sequence[Path] = ()
    _chance: random.Random = field(init=False, repr=False)
    _flow: Iterator[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"prose {self.seed}")
        self._flow = self._read() if self.texts else self._made()

    def sentence(self) -> str:
        """The next sentence."""
        return next(self._flow)

    def passage(self, tokens: int) -> str:
        """Sentences that come to about so many tokens, never fewer than one."""
        kept: list[str] = []
        while tokens > 0 or not kept:
            one = self.sentence()
            tokens -= TOKENS.count(one)
            kept.append(one)
        return " ".join(kept)

    def novel(self, tokens: int) -> str:
        """Chapters of paragraphs that come to at least so many tokens together.

        >>> Prose(seed=3).novel(200).splitlines()[0]
        'Chapter 1'
        """
        parts: list[str] = []
        while tokens > 0:
            paragraphs = [self.passage(self._chance.randint(60, 240)) for _ in range(20)]
            parts += [f"Chapter {len(parts) // 21 + 1}", *paragraphs]
            tokens -= sum(TOKENS.count(one) for one in paragraphs)
        return "\n\n".join(parts)

    def _made(self) -> Iterator[str]:
        chance = self._chance
        while True:
            place, *things = chance.choice(THEMES)
            for _ in range(chance.randint(20, 40)):
                a, b, c = chance.sample(things, 3)
                person, other = chance.sample(PEOPLE, 2)
                yield chance.choice(_TEMPLATES).format(
                    place=place,
                    a=a,
                    b=b,
                    c=c,
                    person=person,
                    Person=person,
                    other=other,
                    verb=chance.choice(_VERBS),
                    adj=chance.choice(_ADJECTIVES),
                )

    def _read(self) -> Iterator[str]:
        found = [one for path in self.texts for one in sentences(mend_text(path.read_text("utf-8", errors="replace"))[0])]
        found = [one for one in found if len(one) > 20]
        if not found:
            raise InputError(f"{len(self.texts)} files have no sentences: name a folder of plain texts")
        place = self._chance.randrange(len(found))
        while True:
            yield found[place % len(found)]
            place += 1


def text_files(folder: str | Path | None) -> list[Path]:
    """The `*.txt` of a folder, in order; none where no folder is named. Raises `InputError` where there are none in it."""
    if folder is None:
        return []
    found = sorted(Path(folder).glob("*.txt"))
    if not found:
        raise InputError(f"{folder} has no *.txt: name a folder of plain texts")
    return found
