"""Captioned poses of a robot or a camera: the files of Embodied-RAG.

Data: Q. Xie et al., "Embodied-RAG: General Non-parametric Embodied Memory for Retrieval and Generation", 2024 (MIT); the semantic forest of a campus, in GML,
of whose nodes the leaves alone are read.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lamina.errors import InputError

_NODE: Final = re.compile(r"^  node \[\n(.*?)^  \]", re.MULTILINE | re.DOTALL)
_POSITION: Final = re.compile(r"position \[\s*x (-?[\d.eE+-]+)\s*y (-?[\d.eE+-]+)")
_TEXT: Final = re.compile(r'^    (name|caption) "(.*?)"$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pose:
    """What was seen at a place: a short `name`, a `caption`, and the place in degrees."""

    name: str
    caption: str
    latitude: float
    longitude: float


def load_poses(file: Path) -> list[Pose]:
    """The captioned leaves of a forest. Raises `InputError` for any other file."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    found = []
    for node in _NODE.finditer(text):
        position, words = _POSITION.search(node[1]), dict(_TEXT.findall(node[1]))
        if re.search(r"^    level 0$", node[1], re.MULTILINE) and position is not None and words.get("caption"):
            found.append(
                Pose(
                    html.unescape(words.get("name", "")), html.unescape(words["caption"]), float(position[2]), float(position[1])
                )
            )
    if not found:
        raise InputError(
            f"{file} is no forest of Embodied-RAG: it must hold nodes of level 0 with a position and a caption, as GML"
        )
    return found
