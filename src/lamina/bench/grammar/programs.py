"""Programs of the small language: what each of its sentences does, and programs drawn with their sentences.

A program is a row of meanings (`lamina.models.grammar.Meaning`); `execute` runs it and gives what it prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Final

from lamina.errors import InputError
from lamina.models.grammar import Domain, Grammar, Meaning, load_domain

FRAMES: Final = (
    "assign", "show", "push", "raise_by", "lower_by", "start_list", "read_file", "take_last", "when_else", "when", "as_long", "again",
)  # fmt: skip
STEPS: Final = 500
"""Statements a program may run through before it is stopped."""
_VARIABLES: Final = "bcdefgjkm"


@lru_cache(maxsize=1)
def script_domain() -> Domain:
    """The small language, read from its file."""
    return load_domain(Path(__file__).parent / "script.toml")


@lru_cache(maxsize=1)
def script_grammar() -> Grammar:
    """Its grammar, made once."""
    return Grammar(script_domain())


def data(kind: str, random: Random) -> str:
    """Data of a type, drawn: small numbers, one-letter variables, quoted strings (some of which are words of the language)."""
    if kind == "number":
        return str(random.randrange(13))
    if kind == "string":
        return random.choice(('"print"', '"out of 3"', '"Ana"', '"if not"', '"猫"'))
    return random.choice(_VARIABLES)


class Machine:
    """Runs programs: variables start at 0, a list is made when it is first pushed to, a file's content is its name in capitals."""

    def __init__(self) -> None:
        self.printed: list[str] = []
        self._names: dict[str, object] = {}
        self._steps = 0

    def run(self, statement: Meaning) -> None:
        """Run a statement; a program that runs too long stops where it is."""
        self._steps += 1
        if self._steps > STEPS:
            return
        given = statement.arguments
        kind = statement.name
        if kind == "assign":
            self._names[self._name(given["name"])] = self.value(given["value"])
        elif kind == "show":
            self.printed.append(str(self.value(given["value"])))
        elif kind == "push":
            self._list(given["list"]).append(self.value(given["value"]))
        elif kind in ("raise_by", "lower_by"):
            sign = 1 if kind == "raise_by" else -1
            self._names[self._name(given["name"])] = self._number(given["name"]) + sign * self._number(given["value"])
        elif kind == "start_list":
            self._names[self._name(given["name"])] = []
        elif kind == "read_file":
            self._names[self._name(given["name"])] = str(self.value(given["path"])).upper()
        elif kind == "take_last":
            items = self._list(given["list"])
            if items:
                items.pop()
        else:
            self._block(kind, given)

    def value(self, given: Meaning | str) -> object:
        """What data or an expression is worth."""
        if isinstance(given, str):
            if given[0].isdecimal():
                return int(given)
            return given[1:-1] if given[0] == '"' else self._names.get(given, 0)
        a, b = self._number(given.arguments["a"]), self._number(given.arguments["b"])
        if given.name == "quotient":
            return a // b if b else 0
        return {"product": a * b, "sum": a + b, "difference": a - b}[given.name]

    def holds(self, given: Meaning | str) -> bool:
        """Whether a condition is met."""
        assert isinstance(given, Meaning)
        a, b = given.arguments["a"], given.arguments["b"]
        if given.name in ("both", "either"):
            return (all if given.name == "both" else any)((self.holds(a), self.holds(b)))
        x, y = self._number(a), self._number(b)
        return {
            "equal_to": x == y, "unequal_to": x != y, "greater_than": x > y, "smaller_than": x < y, "at_least_as": x >= y, "at_most_as": x <= y,
        }[given.name]  # fmt: skip

    def _block(self, kind: str, given: Mapping[str, Meaning | str]) -> None:
        body = given["body"]
        assert isinstance(body, Meaning)
        if kind == "again":
            for _ in range(self._number(given["count"])):
                self.run(body)
        elif kind == "as_long":
            while self._steps <= STEPS and self.holds(given["condition"]):
                self.run(body)
        elif kind in ("when", "when_else"):
            other = given.get("other")
            if self.holds(given["condition"]):
                self.run(body)
            elif isinstance(other, Meaning):
                self.run(other)
        else:
            raise InputError(f"{kind!r} is no statement of the small language: use one of {', '.join(FRAMES)}")

    def _name(self, given: Meaning | str) -> str:
        assert isinstance(given, str)
        return given

    def _number(self, given: Meaning | str) -> int:
        value = self.value(given)
        return value if isinstance(value, int) else 0

    def _list(self, given: Meaning | str) -> list[object]:
        name = self._name(given)
        items = self._names.get(name)
        if not isinstance(items, list):
            items = self._names[name] = []
        return items


def execute(program: Sequence[Meaning]) -> list[str]:
    """What a program prints.

    >>> execute([script_grammar().parse("repeat 2 times: print 3 plus 4".replace(":", "")).meaning[0]])
    ['7', '7']
    """
    machine = Machine()
    for statement in program:
        machine.run(statement)
    return machine.printed
