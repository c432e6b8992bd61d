"""What bears a walk out: the names that an item shares with the cue and with what answers it best."""

from __future__ import annotations

from lamina.index.flat import top
from lamina.names import names
from lamina.recall.connections import names_of
from lamina.recall.recaller import Survey
from lamina.records import Item

BEST = 6  # candidates that are looked at
TOLD = 3  # links that are told of


def links_of(survey: Survey, item: Item) -> list[tuple[str, Item | None]]:
    """Names in an item that the cue (None) or one of the best other candidates has too, the cue's first; each name once."""
    own = dict.fromkeys(names_of(item))
    found: dict[str, Item | None] = {name: None for name in names(survey.signals.cue.text) if name in own}
    best = survey.slots[top(survey.scores, BEST)]
    for other in survey.signals.view.items(best):
        if other is not None and other.key != item.key:
            for name in names_of(other):
                if name in own:
                    found.setdefault(name, other)
    return list(found.items())[:TOLD]
