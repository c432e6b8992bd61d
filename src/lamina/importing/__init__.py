"""Readers: from files of other forms to messages for `Memory.add_many`."""

from __future__ import annotations

from lamina.importing.choosing import readers_of
from lamina.importing.reading import Reader, Skipped

__all__ = ["Reader", "Skipped", "readers_of"]
