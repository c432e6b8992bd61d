"""Explaining a hit on demand: the recall is done once more for it, and what it looks at is gathered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina.errors import InputError
from lamina.recall.evidence import gather
from lamina.recall.explain import Explanation, explain
from lamina.recall.features import FEATURES
from lamina.recall.recaller import Recaller
from lamina.records import Asked, Hit, Item
from lamina.storage.protocol import Store


@dataclass(frozen=True)
class Explainer:
    """Says why an item answers a cue as well as it does.

    Parameters: `store`; `recaller`, which sees what the cue saw.
    """

    store: Store
    recaller: Recaller

    def explain(self, hit: Hit | None, item: Item, asked: Asked) -> Explanation:
        """The explanation of a hit as it was scored; without one, of the item as a recall of the cue scores it now.

        Raises `InputError` where the recall does not see the item (any more).
        """
        with self.recaller.survey(asked, also=[item.key]) as survey:
            places = np.flatnonzero(survey.signals.view.keys[survey.slots] == item.key)
            if not len(places):
                raise InputError(
                    f"a recall in the scope {asked.where.scope!r} under these conditions does not see {item.id}: it is hidden, was "
                    "replaced, or the conditions leave it out"
                )
            if hit is None or not hit.reasons:
                reasons = survey.ranker.reasons(survey.matrix[places[0]])
                hit = Hit(item, float(survey.scores[places[0]]), self.recaller.sources_of(item), reasons, asked)
            evidence = gather(self.store, survey, item, FEATURES)
        sources = [one for one in self.store.items.get(hit.sources) if one is not None]
        return explain(hit, evidence, sources)
