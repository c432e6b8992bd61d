"""The little language in which the scripted processor is given its tasks, and the Python that it makes of them.

A line such as "lunch: 2x+4 bread cheese" asks for a module `lunch` whose function of x gives 2x + 4 and what the functions of `bread` and
`cheese` give. What a function is called the writer chooses, so whoever uses one has to look it up in its file. "Change bread" asks for
another interface of a module, with all its users brought along. "port is 8417" asks for a constant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PACKAGE: Final = "kit"

_PIECE: Final = re.compile(r"^\s*([a-z][a-z0-9_]*): (\d+)x\+(\d+)((?: [a-z][a-z0-9_]*)*)[ .]*$", re.M)
_CHANGE: Final = re.compile(r"^\s*Change ([a-z][a-z0-9_]*)\b", re.M)
_CONSTANT: Final = re.compile(r"\bthe (?:[a-z]+ )*([a-z]+_\d+) is (\d+)\b")
_INTERFACE: Final = re.compile(r"# interface: ([a-z]\w*)\.(\w+)\((x(?:, scale)?)\)")
_NAMES: Final = ("count", "gauge", "rate", "total", "weigh", "score", "level", "yield_of", "cost", "measure")

CHANGE: Final = "Change {name}: another name, and a scale."
CHANGES: Final = (
    "To change a module is to give its function another name and a second number, scale, by which its result is multiplied; whoever uses it "
    "passes 1."
)
"""How a change is asked for, and what is meant by it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A module that is asked for: factor · x + offset + what the modules in `uses` give."""

    name: str
    factor: int
    offset: int
    uses: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As it stands in a task.

        >>> Piece("lunch", 2, 4, ("bread",)).line
        'lunch: 2x+4 bread'
        """
        return " ".join([f"{self.name}: {self.factor}x+{self.offset}", *self.uses])


@dataclass(frozen=True, slots=True)
class Interface:
    """What the function of a module is called, and whether it takes a scale."""

    function: str
    scaled: bool = False

    @property
    def call(self) -> str:
        """The call by a user."""
        return f"{self.function}(x, 1)" if self.scaled else f"{self.function}(x)"


def pieces_in(text: str) -> dict[str, Piece]:
    """The modules that a text asks for, by name.

    >>> pieces_in("bread: 3x+2\\nlunch: 2x+4 bread")["lunch"].uses
    ('bread',)
    """
    return {found[1]: Piece(found[1], int(found[2]), int(found[3]), tuple(found[4].split())) for found in _PIECE.finditer(text)}


def changes_in(text: str) -> list[str]:
    """The modules of which a text asks for a change."""
    return [found[1] for found in _CHANGE.finditer(text)]


def constants_in(text: str) -> dict[str, int]:
    """The constants that a text asks for.

    >>> constants_in("In shop, the port_1 is 8417. There, the limit of_2 is 3.")
    {'port_1': 8417, 'of_2': 3}
    """
    return {found[1]: int(found[2]) for found in _CONSTANT.finditer(text)}


def interfaces_in(text: str) -> dict[str, Interface]:
    """The interfaces that the heads of modules in a text tell of; the last one of a module counts."""
    return {found[1]: Interface(found[2], "scale" in found[3]) for found in _INTERFACE.finditer(text)}


def chosen(name: str, scaled: bool) -> Interface:
    """The interface that the writer chooses for a module."""
    digest = hashlib.sha256(f"{name} {scaled}".encode()).digest()
    return Interface(f"{_NAMES[digest[0] % len(_NAMES)]}_{int.from_bytes(digest[1:3], 'big')}", scaled)


def value_of(name: str, x: int, pieces: Mapping[str, Piece]) -> int:
    """What a module's function gives for x. Raises `KeyError` where a module it rests on is not known."""
    piece = pieces[name]
    return piece.factor * x + piece.offset + sum(value_of(one, x, pieces) for one in piece.uses)


def module_path(name: str) -> str:
    """Where a module lies."""
    return f"{PACKAGE}/{name}.py"


def test_path(name: str) -> str:
    """Where its tests lie."""
    return f"tests/test_{name}.py"


def module_text(piece: Piece, own: Interface, used: Mapping[str, Interface], fault: str = "") -> str:
    """The module, with a fault ("syntax" or "logic") where one is wanted."""
    uses = [(name, used[name]) for name in piece.uses]
    told = ", ".join(f"{name}.{one.call}" for name, one in uses) or "nothing"
    lines = [
        f'"""{piece.line}"""',
        f"# interface: {piece.name}.{own.function}({'x, scale' if own.scaled else 'x'})",
        f"# uses: {told}",
    ]
    lines += [f"from {PACKAGE}.{name} import {one.function}" for name, one in uses]
    colon = "" if fault == "syntax" else ":"
    summed = " + ".join(["share(x)", "BASE", *(one.call for _, one in uses)]) + (" + 1" if fault == "logic" else "")
    head = f"def {own.function}(x: int, scale: int) -> int{colon}" if own.scaled else f"def {own.function}(x: int) -> int{colon}"
    lines += [
        "",
        f"MAIN = {own.function!r}  # the function that other modules use",
        f"FACTOR = {piece.factor}  # what each unit of x adds",
        f"BASE = {piece.offset}  # what there is where x is 0, whatever else is used",
        "",
        "",
        "def share(x: int) -> int:",
        f'    """The part of {piece.name} that grows with x, without its base and without what other modules give."""',
        "    if not isinstance(x, int) or isinstance(x, bool):",
        f'        raise TypeError(f"x of {piece.name} must be a whole number, not {{x!r}}")',
        "    return FACTOR * x",
        "",
        "",
        head,
        f'    """All of {piece.name} for x: its share, its base, and what the modules it uses give for the same x."""',
        f"    return {f'scale * ({summed})' if own.scaled else summed}",
        "",
        "",
        f"def table(most: int{', scale: int = 1' if own.scaled else ''}) -> dict[int, int]:",
        f'    """The values of {piece.name} for every x from 0 to most, for people to read and to compare."""',
        f"    return {{x: {own.function}(x{', scale' if own.scaled else ''}) for x in range(most + 1)}}",
        "",
    ]
    return "\n".join(lines)


def test_text(piece: Piece, own: Interface, values: Sequence[tuple[int, int]]) -> str:
    """Tests of a module: pairs of x and what its function gives."""
    last = ", 1" if own.scaled else ""
    lines = [
        "import pytest",
        "",
        f"from {PACKAGE}.{piece.name} import {own.function}, share, table",
        "",
        f"VALUES = {list(values)!r}",
        "",
    ]
    lines += [
        "", '@pytest.mark.parametrize(("x", "value"), VALUES)', "def test_the_value_is_right(x, value):",
        f"    assert {own.function}(x{last}) == value", "",
        "", "def test_the_table_has_the_same_values():",
        "    made = table(max(x for x, _ in VALUES))", "    assert all(made[x] == value for x, value in VALUES)", "",
        "", "def test_only_whole_numbers_are_taken():", "    with pytest.raises(TypeError):", "        share(0.5)", "",
    ]  # fmt: skip
    return "\n".join(lines)


def settings_text(constants: Mapping[str, int]) -> str:
    """A module of constants."""
    return "\n".join(f"{name} = {value}" for name, value in constants.items()) + "\n"


def acceptance_text(piece: Piece, pieces: Mapping[str, Piece], scaled: bool) -> str:
    """A test that the writer never sees: the module gives what the task asks for, through whatever function it names."""
    last = ", 3" if scaled else ""
    values = [(x, value_of(piece.name, x, pieces) * (3 if scaled else 1)) for x in (0, 1, 7, 40)]
    return (
        f"import {PACKAGE}.{piece.name} as module\n\n\ndef test_it_gives_what_is_asked_for():\n"
        f"    made = getattr(module, module.MAIN)\n    assert [made(x{last}) for x, _ in {values!r}] == [value for _, value in {values!r}]\n"
    )
