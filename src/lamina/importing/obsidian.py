"""Obsidian vaults: Markdown with links between notes, tags, and embedded files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lamina.importing.files import TextFiles

_EMBED: Final = re.compile(r"!\[\[([^\]|#]+)(?:#[^\]|]*)?(?:\|[^\]]*)?\]\]")
_LINK: Final = re.compile(r"\[\[([^\]|#]*)(#[^\]|]*)?(?:\|([^\]]*))?\]\]")
_TAG: Final = re.compile(r"(?<![\w/#&])#([A-Za-z][\w/-]*)")


@dataclass
class ObsidianVault(TextFiles):
    """The notes of a vault, a passage each, as `TextFiles` reads them.

    [[links]] are written out by their words; the notes they lead to, #tags and embedded files are metadata (`links`, `tags`, `embeds`), and so is the
    front matter.
    """

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for message in super().__iter__():
            text = message["content"]
            embeds = [one.strip() for one in _EMBED.findall(text)]
            links = [one[0].strip() for one in _LINK.findall(_EMBED.sub("", text)) if one[0].strip()]
            tags = list(
                dict.fromkeys([*_TAG.findall(text), *_listed(message["metadata"].get("front_matter", {}).get("tags", ""))])
            )
            found = {"embeds": embeds, "links": list(dict.fromkeys(links)), "tags": tags}
            metadata = {**message["metadata"], **{name: some for name, some in found.items() if some}}
            yield {**message, "content": written(text), "metadata": metadata}


def written(text: str) -> str:
    """A passage with the words of its links in place of their marks.

    >>> written("See [[People/Clara|Clara]] and [[Ferry#Times]]. ![[map.png]]")
    'See Clara and Ferry Times. map.png'
    """

    def words(found: re.Match[str]) -> str:
        label, note, heading = found[3], found[1].rsplit("/", 1)[-1], (found[2] or "").lstrip("#^")
        return str(label or f"{note} {heading}".strip())

    plain = _LINK.sub(words, _EMBED.sub(lambda found: found[1].rsplit("/", 1)[-1], text))
    return plain if plain.strip() else text


def _listed(tags: object) -> list[str]:
    """The tags of a front matter, which may be a list in brackets, or words with commas or blanks between them."""
    return [tag.strip("#\"' ") for tag in re.split(r"[,\s]+", str(tags).strip("[]")) if tag.strip("#\"' ")]
