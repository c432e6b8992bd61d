"""Exports as records that can be altered and sealed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

Records = list[dict[str, Any]]


def records(lines: Iterable[str]) -> Records:
    return [json.loads(line) for line in lines]


def sealed(content: Records) -> list[str]:
    """Lines with a footer that agrees with them, whatever they say."""
    body = [record for record in content if record["type"] != "footer"]
    lines = [json.dumps(record) for record in body]
    digest = hashlib.blake2b(digest_size=16)
    for line in lines:
        digest.update(line.encode() + b"\n")
    kinds = ("item", "edge", "strength", "watermark", "vector", "artifact")
    counts = {kind: sum(record["type"] == kind for record in body) for kind in kinds}
    counts |= {"ranker": number} if (number := sum(record["type"] == "ranker" for record in body)) else {}
    return [*lines, json.dumps({"type": "footer", "counts": counts, "digest": digest.hexdigest()})]


def first(content: Records, type: str, **fields: Any) -> dict[str, Any]:
    return next(one for one in content if one["type"] == type and all(one.get(name) == value for name, value in fields.items()))
