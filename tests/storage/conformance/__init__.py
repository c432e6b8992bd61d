"""What every store must do. A store's own test file subclasses `StoreConformance` and says how one is opened."""

from __future__ import annotations

from tests.storage.conformance.filters import FilterConformance
from tests.storage.conformance.items import ItemConformance
from tests.storage.conformance.links import LinkConformance
from tests.storage.conformance.transactions import TransactionConformance


class StoreConformance(ItemConformance, FilterConformance, TransactionConformance, LinkConformance):
    """The whole suite. Subclasses give the fixture `opener`; `shared` says whether two of its stores see the same content."""
