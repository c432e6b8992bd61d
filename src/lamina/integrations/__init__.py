"""Readers: from files of other forms to messages for `Memory.add_many`."""

from __future__ import annotations

from lamina.integrations.choosing import readers_of
from lamina.integrations.reading import Reader, Skipped

__all__ = ["Reader", "Skipped", "readers_of"]
