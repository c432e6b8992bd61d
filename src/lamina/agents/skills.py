"""The skills of an agent: documented by the functions that do them, and calls of them that are read, never evaluated.

A function in the pool is a skill: its name, its parameters and its docstring are what a planner is told. A parameter takes the names of
its kind, and its kind is its name: `place` takes one of the world's places. Source of the idea: M. Lei et al., "CLEA", 2025, whose
released code runs what a model wrote; here it is parsed against the pool.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lamina.errors import InputError

MOST_CHARACTERS: Final = 500
"""A call in more characters is refused unread."""

_PARAMETER: Final = re.compile(r"^\s*(?::param\s+)?(\w+)\s*(?:\([^)]*\))?:\s*(\S.*)$")
_LABELS: Final = frozenset({"args", "arguments", "parameters", "params", "returns", "raises"})

Names = Mapping[str, Sequence[str]]
"""The names there are, by kind: places, robots, objects, …"""


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """A skill and its arguments.

    >>> Call("open", ("robot_1", "oven")).text
    "open('robot_1', 'oven')"
    """

    skill: str
    arguments: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The call as it is written."""
        return f"{self.skill}({', '.join(map(repr, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Skill:
    """What a planner is told of a skill. `parameters`: names of its parameters with what is said of each."""

    name: str
    description: str
    parameters: Mapping[str, str]

    @property
    def text(self) -> str:
        """The skill in words."""
        lines = [f"{self.name}({', '.join(self.parameters)}): {self.description}"]
        return "\n".join([*lines, *(f"  {name}: {said}" for name, said in self.parameters.items() if said)])


class SkillPool:
    """The skills that may be called.

    Parameters: `functions`, whose docstrings describe them and their parameters (as "name: what it is", with ":param" before it or
    not). Raises `InputError` for a function without a docstring, a name given twice, and parameters that are not plain.

    >>> def open(robot, openable):
    ...     '''Opens a container beside the robot.
    ...
    ...     robot: who does it
    ...     openable: a container with a door
    ...     '''
    >>> pool = SkillPool([open])
    >>> print(pool.text)
    open(robot, openable): Opens a container beside the robot.
      robot: who does it
      openable: a container with a door
    >>> names = {"robot": ["robot_1"], "openable": ["oven"]}
    >>> pool.read("open('robot_1', openable='oven')", names)
    Call(skill='open', arguments=('robot_1', 'oven'))
    >>> pool.read("open('robot_1', 'safe')", names)
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: open has no openable 'safe': use one of oven
    """

    def __init__(self, functions: Iterable[Callable[..., object]]) -> None:
        self.skills: dict[str, Skill] = {}
        for function in functions:
            skill = _skill(function)
            if skill.name in self.skills:
                raise InputError(f"two skills have the name {skill.name!r}: rename one of the functions")
            self.skills[skill.name] = skill

    @property
    def text(self) -> str:
        """All skills in words."""
        return "\n".join(skill.text for skill in self.skills.values())

    def read(self, text: str, names: Names) -> Call:
        """The call that a text is. Raises `InputError` for anything that is no call of a skill in the pool with listed names."""
        name, given, named = _parsed(text.strip(" \t\r\n`;"))
        if name not in self.skills:
            raise InputError(f"{name!r} is not a skill: use one of {', '.join(self.skills)}")
        wanted = list(self.skills[name].parameters)
        values = dict(zip(wanted, given, strict=False))
        twice = values.keys() & named.keys()
        values.update(named)
        if len(given) > len(wanted) or twice or set(values) != set(wanted):
            raise InputError(f"{name} takes ({', '.join(wanted)}), each once, not {text.strip()[:80]!r}")
        return self.check(Call(name, tuple(values[one] for one in wanted)), names)

    def check(self, call: Call, names: Names) -> Call:
        """The call itself, if its skill is in the pool and its arguments are listed; raises `InputError` where not."""
        skill = self.skills.get(call.skill)
        if skill is None:
            raise InputError(f"{call.skill!r} is not a skill: use one of {', '.join(self.skills)}")
        if len(call.arguments) != len(skill.parameters):
            raise InputError(f"{call.skill} takes ({', '.join(skill.parameters)}), not {len(call.arguments)} arguments")
        for kind, value in zip(skill.parameters, call.arguments, strict=True):
            if kind in names and value not in names[kind]:
                raise InputError(f"{call.skill} has no {kind} {value!r}: use one of {', '.join(names[kind])}")
        return call


def _skill(function: Callable[..., object]) -> Skill:
    name = getattr(function, "__name__", "")
    told = inspect.getdoc(function)
    if not told or not name.isidentifier():
        raise InputError(f"the skill {name or function!r} needs a name and a docstring that says what it does")
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name not in ("self", "cls")]
    if any(one.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD for one in parameters):
        raise InputError(f"the skill {name!r} must have plain parameters, each given by place or by name")
    said = {one.name: "" for one in parameters}
    description: list[str] = []
    for line in told.splitlines():
        found = _PARAMETER.match(line)
        if found is not None and found[1] in said:
            said[found[1]] = found[2].strip()
        elif line.strip() and line.strip().rstrip(":").casefold() not in _LABELS:
            description.append(line.strip())
    return Skill(name, " ".join(description), said)


def _parsed(text: str) -> tuple[str, list[str], dict[str, str]]:
    """The name, and the arguments by place and by name, of a call in words. Arguments are quoted strings or bare words."""
    if len(text) > MOST_CHARACTERS or "\\" in text:
        raise InputError(f"a call has at most {MOST_CHARACTERS} characters and no backslash, not {text.strip()[:80]!r}")
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"{text.strip()[:80]!r} is not a call: write it as skill('name', 'name')") from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise InputError(f"{text.strip()[:80]!r} is not a call of a skill: write it as skill('name', 'name')")
    named: dict[str, str] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in named:
            raise InputError(f"{text.strip()[:80]!r} is not a call of a skill: name each argument once")
        named[keyword.arg] = _word(keyword.value, text)
    return node.func.id, [_word(one, text) for one in node.args], named


def _word(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return node.id
    raise InputError(f"the arguments in {text.strip()[:80]!r} must be names in quotes")
