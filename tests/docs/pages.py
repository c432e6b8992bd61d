"""The documentation as the tests see it: pages and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SKIP = re.compile(r"<!--\s*not run:\s*(\S.*?)\s*-->")
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})\s*(?P<info>.*?)\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the number of its first line, and why it is not run (None: it is)."""

    language: str
    text: str
    line: int
    not_run: str | None


def pages() -> list[Path]:
    """README.md and every page under docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    r"""The fenced blocks of a page.

    >>> [block] = blocks("<!-- not run: needs a server -->\n```python\nf()\n```\n")
    >>> block.language, block.text, block.line, block.not_run
    ('python', 'f()\n', 3, 'needs a server')
    """
    lines = text.splitlines()
    number, reason = 0, None
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if opening is None:
            if lines[number].strip():
                note = SKIP.search(lines[number])
                reason = note[1] if note else None
            number += 1
            continue
        language = re.split(r"[\s{]", opening["info"] + " ", maxsplit=1)[0]
        indent, start = len(opening["indent"]), number + 1
        number = start
        while number < len(lines) and lines[number].strip() != opening["ticks"]:
            number += 1
        if number == len(lines):
            raise ValueError(f"the block that opens in line {start} is never closed")
        yield Block(language, "".join(line[indent:] + "\n" for line in lines[start:number]), start + 1, reason)
        number, reason = number + 1, None
