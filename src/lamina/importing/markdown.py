"""Cutting text and Markdown into passages: a section, or the paragraphs of a long one, each under its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

SECTION: Final = 1_000  # characters: a section up to this length stays whole
_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"\s*-\s+(\S.*)")
_FIELD = re.compile(r"([A-Za-z_][\w -]*?)\s*:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a file, verbatim, and the headings above it, outermost first."""

    text: str
    headings: tuple[str, ...] = ()


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """The simple fields of the block between '---' lines that a file may start with, and the rest of the text.

    >>> front_matter("---\\ntitle: Lisbon\\ndate: 2026-03-14\\n---\\nWe left early.\\n")
    ({'title': 'Lisbon', 'date': '2026-03-14'}, 'We left early.\\n')

    A list becomes one text with commas:

    >>> front_matter("---\\ntags:\\n  - travel\\n  - sea\\n---\\n")[0]
    {'tags': 'travel, sea'}
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return {}, text
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() in ("---", "..."):
            return _fields(lines[1:number]), "\n".join(lines[number + 1 :])
    return {}, text


def _fields(lines: Sequence[str]) -> dict[str, str]:
    """Fields with the value in their line, or in lines of a list below it."""
    fields: dict[str, list[str]] = {}
    open_list: list[str] | None = None
    for line in lines:
        item = _ITEM.fullmatch(line.rstrip())
        field = None if item else _FIELD.fullmatch(line.strip())
        if item and open_list is not None:
            open_list.append(item[1].strip("\"' "))
        elif field:
            value = field[2].strip("\"' ")
            fields[field[1].lower()] = values = [value] if value else []
            open_list = None if value else values
    return {name: ", ".join(values) for name, values in fields.items() if values}


def passages(text: str, markdown: bool = True, section: int = SECTION) -> Iterator[Passage]:
    """The passages of a text in order, verbatim; together they hold every line that is not blank. Fenced code is never cut.

    >>> list(passages("# Trip\\n\\nWe left early.\\n\\n## Food\\n\\nSardines."))
    [Passage(text='# Trip\\n\\nWe left early.', headings=('Trip',)), Passage(text='## Food\\n\\nSardines.', headings=('Trip', 'Food'))]
    """
    lines = text.split("\n")
    blocks = list(_blocks(lines, markdown))
    if not markdown:
        yield from (Passage(block.of(lines)) for block in blocks)
        return
    for headings, some in _sections(blocks, lines):
        whole = _Block(some[0].start, some[-1].end)
        lead = next((place for place, block in enumerate(some) if not block.level), len(some) - 1)
        if len(whole.of(lines)) <= section or lead == len(some) - 1:
            yield Passage(whole.of(lines), headings)
        else:  # the headings go with the first paragraph
            yield Passage(_Block(some[0].start, some[lead].end).of(lines), headings)
            yield from (Passage(block.of(lines), headings) for block in some[lead + 1 :])


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines `start` to `end` of a text; `level` is that of a heading, else 0."""

    start: int
    end: int
    level: int = 0

    def of(self, lines: list[str]) -> str:
        return "\n".join(lines[self.start : self.end])


def _sections(blocks: Sequence[_Block], lines: list[str]) -> Iterator[tuple[tuple[str, ...], list[_Block]]]:
    """The headings above each section, and its blocks. A heading without a body goes with the deeper one that follows it."""
    stack: list[tuple[int, str]] = []
    waiting: list[_Block] = []
    for block in blocks:
        if not block.level:
            waiting.append(block)
            continue
        bare = all(one.level and one.level < block.level for one in waiting)
        if waiting and not bare:
            yield tuple(name for _, name in stack), waiting
            waiting = []
        found = _HEADING.fullmatch(block.of(lines).rstrip())
        stack = [*(above for above in stack if above[0] < block.level), (block.level, found[2] if found else "")]
        waiting.append(block)
    if waiting:
        yield tuple(name for _, name in stack), waiting


def _blocks(lines: list[str], markdown: bool) -> Iterator[_Block]:
    """Paragraphs (runs of lines between blank ones, fenced code inside them) and headings, in order."""
    start: int | None = None
    fence = ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line) if markdown else None
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        heading = _HEADING.fullmatch(line.rstrip()) if markdown else None
        if line.strip() and not heading:
            start = number if start is None else start
            fence = mark[1] if mark else ""
            continue
        if start is not None:
            yield _Block(start, number)
            start = None
        if heading:
            yield _Block(number, number + 1, len(heading[1]))
    if start is not None:
        end = max(number for number, line in enumerate(lines) if line.strip()) + 1
        yield _Block(start, end)
