"""Trees of categories as nested lists in plain text: how language models write them, read strictly, and written back.

Source: C.-C. Hsu, E. Bransom, J. Sparks, B. Kuehl, C. Tan, D. Wadden, L. L. Wang, A. Naik, "CHIME: LLM-Assisted Hierarchical Organization of
Scientific Studies for Literature Review Support", 2024. Its released parser loses lines without a word; this one names the line that it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from lamina.errors import InputError

Style = Literal["aspect, numbered", "aspect, dashed", "dashed", "plain, numbered", "numbered"]
"""How roots and what is below them are marked: `Aspect 1: x` over `1.1`; `- Aspect 1: x` over `- 1.1: y`; `- x` over `- y`; `x` over `1.1 y`; `1. x` over `1.1. y`."""

_PART: Final = re.compile(r"^\W*\[?\s*Response 2\s*\]?[^\w\n]*$|\[Response 2\]:?", re.MULTILINE | re.IGNORECASE)
_END: Final = re.compile(r"^\s*(?:Review|Human):", re.MULTILINE)
_ITEMS: Final = re.compile(r"\s*\((?:claim|paper|study|studie|item)s?\b[:\s]*([^()]*)\)", re.IGNORECASE)
_NUMBERS: Final = re.compile(r"(\d+)\s*[-–]\s*(\d+)|(\d+)")
_MARK: Final = re.compile(
    r"^(?:[-*•]\s+|[-*•](?=\w))?(?:(aspect)\s+(\d+)\s*[:.)-]*\s*|(\d+(?:\.\d+)*)(?:[.:)]+\s*|\s+|-\s+))?", re.IGNORECASE
)
_ASPECT: Final = re.compile(r"^(?:[-*•]\s*)?aspect\s+\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Category:
    """A category: its `name`, the numbers of the `items` listed in it (from 0), and the categories below it."""

    name: str
    items: tuple[int, ...] = ()
    children: tuple[Category, ...] = ()

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Category]]:
        """This category and all below it, each with its path of names."""
        here = (*path, self.name)
        yield here, self
        for child in self.children:
            yield from child.walk(here)

    @property
    def depth(self) -> int:
        """Levels; 1 for a category without any below it."""
        return 1 + max((child.depth for child in self.children), default=0)

    @property
    def all_items(self) -> frozenset[int]:
        """The items in it and below it."""
        return frozenset(self.items).union(*(child.all_items for child in self.children))


@dataclass(frozen=True, slots=True)
class _Line:
    number: int  # of the line in the whole text, from 1
    indent: int
    aspect: bool
    dotted: int  # parts of its number, 0 without one
    dashed: bool
    name: str
    items: tuple[int, ...]


def read_categories(text: str, items: int | None = None) -> tuple[Category, ...]:
    """The trees in a model's answer, or in what follows its heading "Response 2" where it has one.

    `items`: how many there are (None: not checked). Names keep what stands in brackets in them, but for lists of items, of which a line may have several, with
    ranges. Raises `InputError` with the number of the line for one without a name, an item that does not exist, or a line that stands above all others.

    >>> read_categories("- Safety (Claim 0, 2-4)\\n    - Dose (mg) (Claim 2) (Claim 3)")
    (Category(name='Safety', items=(0, 2, 3, 4), children=(Category(name='Dose (mg)', items=(2, 3), children=()),)),)
    """
    lines = _lines(text, items)
    if not lines:
        raise InputError("there are no categories in the text: it must hold a nested list of them")
    nodes: list[tuple[int, _Line]] = list(zip(_levels(lines), lines, strict=True))
    trees, after = _nest(nodes, 0, 0)
    assert after == len(nodes)
    return trees


def _lines(text: str, items: int | None) -> list[_Line]:
    headings = list(_PART.finditer(text))
    begin = headings[-1].end() if headings else 0
    end = _END.search(text, begin)
    before = text[:begin].count("\n")
    found = []
    for number, raw in enumerate(text[begin : end.start() if end else len(text)].splitlines(), before + 1):
        line = raw.expandtabs(4)
        bare = line.strip().strip("*_").strip()
        if not bare or re.fullmatch(r"[-=_*`]{3,}\w*", bare):
            continue
        mark = _MARK.match(bare)
        assert mark is not None  # everything in it is optional
        listed = tuple(dict.fromkeys(one for group in _ITEMS.findall(bare) for one in _numbers(group, number, items)))
        name = _ITEMS.sub("", bare[mark.end() :]).strip().rstrip(":").strip().strip("*").strip()
        if not name:
            raise InputError(f"line {number} has no name of a category: {raw.strip()[:80]!r}")
        dotted = 0 if mark[3] is None else mark[3].count(".") + 1
        found.append(
            _Line(number, len(line) - len(line.lstrip()), bool(_ASPECT.match(bare)), dotted, bare[0] in "-*•", name, listed)
        )
    return found


def _numbers(listed: str, line: int, items: int | None) -> Iterator[int]:
    for first, last, single in _NUMBERS.findall(listed):
        start, stop = (int(single), int(single)) if single else (int(first), int(last))
        if stop < start or (items is not None and stop >= items):
            raise InputError(
                f"line {line} lists {first + '-' + last if first else single}, and the items go from 0 to {'?' if items is None else items - 1}"
            )
        yield from range(start, stop + 1)


def _levels(lines: Sequence[_Line]) -> list[int]:
    """The level of each line, 0 for roots: by the form of the first line what a root is, by numbers or indentation what lies below."""
    first = lines[0]

    def root(line: _Line) -> bool:
        if first.aspect:
            return line.aspect
        if first.dashed:
            return line.dashed and line.indent <= first.indent
        if first.dotted:
            return line.dotted == first.dotted and line.indent <= first.indent
        return not line.dashed and not line.dotted and line.indent <= first.indent

    below = [line for line in lines if not root(line)]
    numbered = bool(below) and all(line.dotted for line in below) and len({line.dotted for line in below}) > 1
    levels: list[int] = []
    stack: list[int] = []
    least = 0
    for line in lines:
        if root(line):
            stack, least = [], 0
            levels.append(0)
            continue
        if not levels:
            raise InputError(f"line {line.number} stands below no category: {line.name[:80]!r}")
        if numbered:
            least = least or line.dotted
            if line.dotted < least:
                raise InputError(
                    f"line {line.number} has a shorter number than the first one below its category: {line.name[:80]!r}"
                )
            levels.append(min(line.dotted - least + 1, levels[-1] + 1))
            continue
        while stack and line.indent < stack[-1]:
            stack.pop()
        if not stack or line.indent > stack[-1]:
            stack.append(line.indent)
        levels.append(len(stack))
    return levels


def _nest(nodes: Sequence[tuple[int, _Line]], at: int, level: int) -> tuple[tuple[Category, ...], int]:
    found = []
    while at < len(nodes) and nodes[at][0] >= level:
        line = nodes[at][1]
        children, at = _nest(nodes, at + 1, level + 1)
        found.append(Category(line.name, line.items, children))
    return tuple(found), at


def write_categories(trees: Sequence[Category], style: Style = "dashed") -> str:
    """Trees as a nested list in one of five styles; reading it gives the same trees, as long as names are words.

    >>> print(write_categories([Category("Safety", (0, 2), (Category("Dose", (2,)),))], "aspect, numbered"))
    Aspect 1: Safety (Claim 0, 2)
        1.1 Dose (Claim 2)
    """
    if style not in get_args(Style):
        raise InputError(f"{style!r} is not a style: use one of {'; '.join(get_args(Style))}")
    lines: list[str] = []

    def write(category: Category, number: str, level: int) -> None:
        listed = f" (Claim {', '.join(map(str, category.items))})" if category.items else ""
        if level == 0:
            mark = {
                "aspect, numbered": f"Aspect {number}: ",
                "aspect, dashed": f"- Aspect {number}: ",
                "dashed": "- ",
                "numbered": f"{number}. ",
            }.get(style, "")
        else:
            mark = {"aspect, dashed": f"- {number}: ", "dashed": "- ", "numbered": f"{number}. "}.get(style, f"{number} ")
        lines.append("    " * level + mark + category.name + listed)
        for place, child in enumerate(category.children, 1):
            write(child, f"{number}.{place}", level + 1)

    for place, tree in enumerate(trees, 1):
        write(tree, str(place), 0)
    return "\n".join(lines)
