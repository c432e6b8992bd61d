"""Obsidian vaults: Markdown with links between notes, tags, and embedded files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lamina.importing.files import TextFiles

_CODE: Final = re.compile(
    r"(^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\2[`~]*[ \t]*$|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\3(?!`))", re.M | re.S
)
_EMBED: Final = re.compile(r"!\[\[([^\]|#]+)(?:#[^\]|]*)?(?:\|[^\]]*)?\]\]")
_LINK: Final = re.compile(r"\[\[([^\]|#]*)(#[^\]|]*)?(?:\|([^\]]*))?\]\]")
_TAG: Final = re.compile(r"(?<![\w/#&])#(?=[\d/_-]*[^\W\d_])([\w/-]+)")  # at least one letter, of any script


@dataclass
class ObsidianVault(TextFiles):
    """The notes of a vault, a passage each, as `TextFiles` reads them.

    [[links]] are written out by their words; the notes they lead to, #tags and embedded files are metadata (`links`, `tags`, `embeds`), and so are the
    front matter and the `aliases` in it. Code stays as it is.
    """

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for message in super().__iter__():
            text = message["content"]
            fields: Mapping[str, str] = message["metadata"].get("front_matter", {})
            prose = _CODE.sub(" ", text)
            links = (one[0].strip() for one in _LINK.findall(_EMBED.sub("", prose)))
            found = {
                "embeds": [one.strip() for one in _EMBED.findall(prose)],
                "links": links,
                "tags": [*_TAG.findall(prose), *_listed(fields.get("tags", ""), r"[,\s]+")],
                "aliases": _listed(fields.get("aliases", ""), ","),
            }
            once = {name: list(dict.fromkeys(filter(None, some))) for name, some in found.items()}
            metadata = {**message["metadata"], **{name: some for name, some in once.items() if some}}
            yield {**message, "content": written(text), "metadata": metadata}


def written(text: str) -> str:
    """A passage with the words of its links in place of their marks, outside of code.

    >>> written("See [[People/Clara|Clara]] and [[Ferry#Times]]. ![[map.png]] `[[ -f x ]]`")
    'See Clara and Ferry Times. map.png `[[ -f x ]]`'
    """

    def words(found: re.Match[str]) -> str:
        label, note, heading = found[3], found[1].rsplit("/", 1)[-1], (found[2] or "").lstrip("#^")
        return str(label or f"{note} {heading}".strip())

    def plain(part: str) -> str:
        return _LINK.sub(words, _EMBED.sub(lambda found: found[1].rsplit("/", 1)[-1], part))

    made = _outside_code(text, plain)
    return made if made.strip() else text


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """A text whose prose is changed and whose code is not."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])


def _listed(words: str, between: str) -> list[str]:
    """The words of a front matter's field, which may be a list in brackets, or have commas or blanks between them."""
    return [word.strip("#\"' ") for word in re.split(between, words.strip("[]"))]
