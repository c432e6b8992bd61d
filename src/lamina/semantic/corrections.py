"""What people say about a taxonomy, and how it is applied to a tree that was generated anew: it sticks.

Source: the three judgements of C.-C. Hsu et al., "CHIME: LLM-Assisted Hierarchical Organization of Scientific Studies for Literature Review Support", 2024: is a
category under the right parent, do siblings fit, does an item belong. There they are labels of one tree; here they are kept, and hold for every later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from lamina.errors import InputError
from lamina.semantic.category_lists import Category

Do = Literal["assign", "unassign", "rename", "move", "remove"]
ALIKE: Final = (
    0.5  # of the items of two categories in common to those in either, from which one counts as the other under a new name
)

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing somebody said.

    `do`: "assign" or "unassign" an `item` (its id) to the category at `path`; "rename" it to `to`; "move" it under the category at `under` (() for the top);
    "remove" it, what is below it going up. `members` are the ids of its items when it was said, by which a category is known again that was generated under
    another name. Raises `InputError` for anything else.
    """

    do: Do
    path: Path
    item: str | None = None
    to: str | None = None
    under: Path = ()
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.do not in get_args(Do):
            raise InputError(f"{self.do!r} is no correction: use one of {', '.join(get_args(Do))}")
        for name in (*self.path, *self.under, *(() if self.to is None else (self.to,))):
            if not isinstance(name, str) or not name.strip():
                raise InputError(f"a category's name must be words, not {name!r}")
        if not self.path:
            raise InputError("a correction needs the path of a category: its name, after those of the ones above it")
        if self.do in ("assign", "unassign") and not self.item:
            raise InputError(f"{self.do} needs the id of an item")
        if self.do == "rename" and self.to is None:
            raise InputError("rename needs the new name")
        if self.do == "move" and self.under[: len(self.path)] == self.path:
            raise InputError(f"{' / '.join(self.path)} cannot be moved under itself")

    def as_json(self) -> dict[str, Any]:
        """As an event carries it."""
        return {
            "do": self.do, "path": list(self.path), "item": self.item, "to": self.to, "under": list(self.under), "members": list(self.members)
        }  # fmt: skip

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Correction:
        """From what an event carries."""
        return cls(
            data["do"],
            tuple(data["path"]),
            data.get("item"),
            data.get("to"),
            tuple(data.get("under", ())),
            tuple(data.get("members", ())),
        )


@dataclass(eq=False)
class Node:
    """A category while it is being corrected: `items` are ids; `said`, those that a person put in or took out."""

    name: str
    items: dict[str, None] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    said: dict[str, bool] = field(default_factory=dict)

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """This node and all below it, with their paths."""
        here = (*path, self.name)
        yield here, self
        for child in self.children:
            yield from child.walk(here)

    def absorb(self, other: Node) -> None:
        """Take in what another category of the same name has."""
        self.items |= other.items
        self.said |= other.said
        for child in other.children:
            adopt(self.children, child)


def adopt(siblings: list[Node], node: Node) -> None:
    """Put a category among others; one of the same name takes it in."""
    same = next((one for one in siblings if one.name == node.name), None)
    if same is None:
        siblings.append(node)
    else:
        same.absorb(node)


def nodes_of(trees: Sequence[Category], ids: Sequence[str]) -> list[Node]:
    """Generated trees as nodes; what belongs to a category belongs to those above it."""
    found: list[Node] = []
    for tree in trees:
        node = Node(tree.name, dict.fromkeys(ids[one] for one in tree.items), nodes_of(tree.children, ids))
        for child in node.children:
            node.items |= child.items
        adopt(found, node)
    return found


def apply(roots: list[Node], corrections: Iterable[Correction], known: frozenset[str]) -> int:
    """Apply corrections in the order they were said; returns how many found nothing to apply to. Items that are not `known` any more are passed over."""
    lost = 0
    for one in corrections:
        if one.item is not None and one.item not in known:
            continue
        lost += not _apply(roots, one)
    return lost


def _apply(roots: list[Node], one: Correction) -> bool:
    if one.do == "assign":
        assert one.item is not None
        for node in _made(roots, one.path):
            node.items[one.item] = None
            node.said[one.item] = True
        return True
    line = _line(roots, one)
    if line is None:
        return one.do == "unassign"  # it is not there, as was wished
    node, siblings = line[-1], line[-2].children if len(line) > 1 else roots
    if one.do == "unassign":
        assert one.item is not None
        for _, below in node.walk():
            below.items.pop(one.item, None)
            below.said[one.item] = False
    elif one.do == "rename":
        assert one.to is not None
        siblings.remove(node)
        node.name = one.to
        adopt(siblings, node)
    elif one.do == "remove":
        siblings.remove(node)
        for child in node.children:
            adopt(siblings, child)
    else:
        siblings.remove(node)
        above = _made(roots, one.under)
        for each in above:
            each.items |= node.items
        adopt(above[-1].children if above else roots, node)
    return True


def _made(roots: list[Node], path: Path) -> list[Node]:
    """The categories along a path, made where they are not there."""
    found: list[Node] = []
    siblings = roots
    for name in path:
        node = next((one for one in siblings if one.name == name), None)
        if node is None:
            node = Node(name)
            siblings.append(node)
        found.append(node)
        siblings = node.children
    return found


def _line(roots: list[Node], one: Correction) -> list[Node] | None:
    """The categories from the top down to the one that is meant: by its path, else by its items."""
    lines = list(_lines(roots, []))
    exact = next((line for line in lines if tuple(node.name for node in line) == one.path), None)
    if exact is not None or not one.members:
        return exact
    meant = set(one.members)

    def alike(line: list[Node]) -> float:
        return len(meant & line[-1].items.keys()) / len(meant | line[-1].items.keys())

    best = max(lines, key=lambda line: (alike(line), -len(line)), default=None)
    return best if best is not None and alike(best) >= ALIKE else None


def _lines(siblings: Sequence[Node], above: list[Node]) -> Iterator[list[Node]]:
    for node in siblings:
        line = [*above, node]
        yield line
        yield from _lines(node.children, line)
