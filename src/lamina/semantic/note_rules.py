"""Notes without a language model: keywords by rarity, tags by likeness to broad words, context from what came before, links by rare words.

After the rule stand-in for the model of W. Xu et al., "A-MEM: Agentic Memory for LLM Agents", 2025.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from lamina.errors import InputError
from lamina.index.flat import inner_products, top
from lamina.semantic.notes import Decision, Description, Neighbour, Note, Spread
from lamina.terms import terms
from lamina.text import sentences
from lamina.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lamina.models.protocols import Embedder

TAGS: Final = tuple(
    """family friendship love work school science health sport food travel home money music film books art crafts animals nature weather
    technology games celebration feelings faith clothes cars politics history plans""".split()
)
"""Broad words, of which the nearest few become tags."""

_NAME = re.compile(r"(?<![.!?…:\n]\s)(?<!^)\b[A-Z][\w'’-]+")


@dataclass(frozen=True)
class RuleWriter:
    """Describes a memory from its own words and what came just before.

    Parameters: `embedder`, by which tags are chosen (None: no tags); `keywords` and `tags`, how many at most; `names`, how much more a word
    counts that is written like a name; `quoted`, characters of what came before.
    """

    embedder: Embedder | None = None
    keywords: int = 6
    tags: int = 3
    names: float = 1.5
    quoted: int = 60

    def __post_init__(self) -> None:
        if min(self.keywords, self.quoted) < 1 or self.tags < 0 or self.names <= 0:
            raise InputError("keywords and quoted must be at least 1, tags at least 0, names above 0")

    @property
    def name(self) -> str:
        """It goes without a name."""
        return ""

    def describe(self, content: str, speaker: str, before: str, spread: Spread) -> Description:
        """Keywords, tags and context. See `NoteWriter`."""
        keywords = self._keywords(content, speaker, spread)
        about = f"About {', '.join(keywords[:3])}" if keywords else ""
        first = next(iter(sentences(before)), "") if before else ""
        after = f"after “{_short(first, self.quoted)}”" if first else ""
        context = "; ".join(part for part in (about, after) if part)
        return Description(keywords, self._tags(content) if self.embedder is not None else (), context)

    def _keywords(self, content: str, speaker: str, spread: Spread) -> tuple[str, ...]:
        """The rarest words of a content, no speaker's name and no number, as they were written most often."""
        left_out = set(words(speaker))
        named = {word for name in _NAME.findall(content) for word in words(name)}
        counts: Counter[str] = Counter()
        weight: dict[str, float] = {}
        written: dict[str, str] = {}
        for word in words(content):
            stem = terms(word, spread.language)
            if not stem or word in left_out or word.isdigit() or len(word) < 3:
                continue
            counts[stem[0]] += 1
            written.setdefault(stem[0], word)
            weight[stem[0]] = spread.rarity(stem[0]) * (self.names if word in named else 1.0)
        best = sorted(weight, key=lambda stem: (-weight[stem] * counts[stem], stem))[: self.keywords]
        return tuple(written[stem] for stem in best)

    def _tags(self, content: str) -> tuple[str, ...]:
        assert self.embedder is not None
        likeness = inner_products(self._labels, self.embedder.embed([content])[0])
        return tuple(TAGS[place] for place in top(likeness, self.tags).tolist() if likeness[place] > 0)

    @cached_property
    def _labels(self) -> NDArray[np.float32]:
        """The vectors of the broad words, shape (TAGS, dim)."""
        assert self.embedder is not None
        return self.embedder.embed(list(TAGS))


@dataclass(frozen=True)
class RuleEditor:
    """Links what shares a rare keyword or is much alike, and tells the linked ones what the new note is about.

    Parameters: `alike`, the cosine from which two notes are linked whatever their words; `told`, keywords of the new note that a linked one
    is told of; `tags`, how many tags a note has at most; `longest`, characters of a context at most: what does not fit is not added;
    `link`, `evolve`: whether to do either at all.
    """

    alike: float = 0.6
    told: int = 3
    tags: int = 6
    longest: int = 200
    link: bool = True
    evolve: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alike <= 1 or min(self.told, self.tags, self.longest) < 1:
            raise InputError("alike must lie between 0 and 1, and told, tags and longest be at least 1")

    @property
    def name(self) -> str:
        """It goes without a name."""
        return ""

    def decide(self, note: Note, neighbours: Sequence[Neighbour]) -> Decision:
        """Links and updates. See `NoteEditor`."""
        linked = [one for one in neighbours if one.shared or one.likeness >= self.alike] if self.link else []
        updates = {one.note.id: self._updated(one.note, note) for one in linked} if self.evolve else {}
        return Decision(tuple(one.note.id for one in linked), None, updates)

    def _updated(self, old: Note, new: Note) -> tuple[tuple[str, ...], str]:
        tags = tuple(dict.fromkeys((*old.tags, *new.tags)))[: max(self.tags, len(old.tags))]
        there = set(words(old.shown))
        fresh = [word for word in new.keywords if word not in there][: self.told]
        more = f"{old.context}; also related to {', '.join(fresh)}".removeprefix("; ") if fresh else old.context
        return tags, more if len(more) <= self.longest else old.context


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest].rsplit(" ", 1)[0] + "…"
