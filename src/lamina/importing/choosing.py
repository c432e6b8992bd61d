"""Which reader a path needs."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo
from pathlib import Path

from lamina.bench.locomo_data import is_locomo
from lamina.errors import InputError, NotFoundError
from lamina.importing.files import SUFFIXES, TextFiles
from lamina.importing.jsonl import JsonLines
from lamina.importing.locomo import samples_of
from lamina.importing.reading import Reader, Skipped


def readers_of(path: str | os.PathLike[str], skipped: Skipped, *, strict: bool = False, zone: tzinfo = UTC) -> list[Reader]:
    """The readers for a path: a folder or a file of text or Markdown, messages as JSON lines, or a LoCoMo file.

    With `strict`, what cannot be read raises `InputError` instead of being counted in `skipped`. Raises `NotFoundError` for a
    path that is not there and `InputError` for a file of another form.
    """
    found = Path(path)
    suffix = found.suffix.lower()
    if not found.exists():
        raise NotFoundError(f"{found} does not exist: check the path")
    if found.is_dir() or suffix in SUFFIXES:
        return [TextFiles(found, skipped, strict=strict)]
    if suffix in (".jsonl", ".ndjson"):
        return [JsonLines(found, skipped, strict=strict, zone=zone)]
    if suffix == ".json" and is_locomo(found):
        return list(samples_of(found))
    raise InputError(
        f"{found} is of no form that can be read: give a folder, a file {', '.join(SUFFIXES)}, messages as JSON lines (.jsonl), "
        "or a LoCoMo file (.json)"
    )
