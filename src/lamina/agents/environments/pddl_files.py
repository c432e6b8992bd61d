"""Reads domains and problems from files in PDDL, the language of the planning competitions.

The files are parsed by the package `pddl` (MIT licence), which wants the parts of a domain in the order of the standard and the use of
types declared. AgentBoard's Tyreworld has neither, so a domain's parts are put in order first, and a missing declaration is added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lamina.agents.environments.planning import ANYTHING, Action, Domain, Literal, Problem
from lamina.errors import InputError, LaminaError, MissingExtraError, NotFoundError

MOST_BYTES: Final = 1_000_000
"""Files of more bytes are refused: no problem for an agent is as long."""

_DEEPEST: Final = 50
_ORDER: Final = ("(:requirements", "(:types", "(:constants", "(:predicates")
_COMMENT: Final = re.compile(r";[^\n]*")


def read_domain(path: Path | str) -> Domain:
    """The domain in a file.

    Understood are types, constants, and actions whose conditions and effects are (negated) facts and equalities joined by `and`.
    Raises `NotFoundError` for no file, `InputError` for anything else, `MissingExtraError` without the package `pddl`.
    """
    found = _parsed("DomainParser", _ordered(_text(path)), path)
    types = {str(kind): str(parent) if parent is not None else ANYTHING for kind, parent in found.types.items()}
    types.pop(ANYTHING, None)
    predicates = {one.name: tuple(_type(term, path) for term in one.terms) for one in found.predicates}
    actions = tuple(_action(one, path) for one in sorted(found.actions, key=lambda action: str(action.name)))
    return Domain(str(found.name), actions, predicates, types, {str(one.name): _type(one, path) for one in found.constants})


def read_problem(path: Path | str, domain: Domain) -> Problem:
    """The problem in a file, in its domain. Its name is that of the file, since files of one domain often share a name inside.

    Raises as `read_domain` does, and `InputError` for a problem of another domain.
    """
    text = _text(path)
    found = _parsed("ProblemParser", text, path)
    if str(found.domain_name) != domain.name:
        raise InputError(f"{path} is a problem of the domain {str(found.domain_name)!r}, not of {domain.name!r}")
    objects: Mapping[str, str] = {str(one.name): _type(one, path) for one in found.objects}
    start = [literal for one in found.init for literal in _literals(one, path)]
    goal = tuple(sorted(set(_literals(found.goal, path))))
    return Problem(Path(path).stem, domain, objects, frozenset(one.fact for one in start if one.positive), goal)


def _text(path: Path | str) -> str:
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}")
    if file.stat().st_size > MOST_BYTES:
        raise InputError(f"{file} has more than {MOST_BYTES:,} bytes: that is no planning problem for an agent")
    try:
        text = _COMMENT.sub("", file.read_text("utf-8")).lower()
    except UnicodeDecodeError:
        raise InputError(f"{file} is not text in UTF-8") from None
    depth = 0
    for sign in re.findall(r"[()]", text):
        depth += 1 if sign == "(" else -1
        if depth > _DEEPEST:
            raise InputError(f"{file} nests brackets more than {_DEEPEST} deep")
    return text


def _ordered(text: str) -> str:
    """A domain's text with its parts in the standard's order, and with the use of types declared."""
    opening = re.search(r"\(\s*define\s*\(\s*domain\s[^()]*\)", text)
    if opening is None:
        return text
    parts, depth, begun = [], 0, opening.end()
    for sign in re.finditer(r"[()]", text[opening.end() :]):
        depth += 1 if sign[0] == "(" else -1
        if depth == 0:
            parts.append(text[begun : opening.end() + sign.end()].strip())
            begun = opening.end() + sign.end()
        elif depth < 0:
            break
    if not any(one.startswith("(:requirements") for one in parts):
        parts.append(f"(:requirements :strips{' :typing' if any(one.startswith('(:types') for one in parts) else ''})")
    parts.sort(key=lambda one: next((n for n, name in enumerate(_ORDER) if one.startswith(name)), len(_ORDER)))
    return "\n".join([opening[0], *parts, text[begun:]])


def _parsed(parser: str, text: str, path: Path | str) -> Any:  # what an untyped package returns
    try:
        from pddl.parser import domain as domains
        from pddl.parser import problem as problems
    except ImportError:
        raise MissingExtraError.for_extra("agents", "reading PDDL files", "pddl") from None
    try:
        return getattr(domains if parser == "DomainParser" else problems, parser)()(text)
    except LaminaError:
        raise
    except Exception as error:  # noqa: BLE001 - the grammar's errors have no common ancestor
        first = str(error).strip().split("\n")[0][:200]
        raise InputError(f"{path} is not PDDL as far as it is understood here: {first}") from None


def _type(term: Any, path: Path | str) -> str:
    kinds = sorted(str(one) for one in term.type_tags)
    if len(kinds) > 1:
        raise InputError(f"{path}: {term.name} may be of several types ({', '.join(kinds)}); only one is understood")
    return kinds[0] if kinds else ANYTHING


def _action(found: Any, path: Path | str) -> Action:
    parameters = tuple((f"?{one.name}", _type(one, path)) for one in found.parameters)
    return Action(str(found.name), parameters, tuple(_literals(found.precondition, path)), tuple(_literals(found.effect, path)))


def _literals(formula: Any, path: Path | str) -> list[Literal]:
    """The literals of a conjunction."""
    if formula is None:
        return []
    kind = type(formula).__name__
    if kind == "And":
        return [literal for one in formula.operands for literal in _literals(one, path)]
    if kind == "Not":
        inner = _literals(formula.argument, path)
        if len(inner) == 1 and inner[0].positive:
            return [Literal(inner[0].fact, False)]
    elif kind == "Predicate":
        return [Literal((str(formula.name), *map(_term, formula.terms)))]
    elif kind == "EqualTo":
        return [Literal(("=", _term(formula.left), _term(formula.right)))]
    raise InputError(f"{path} uses {kind}, which is not understood: facts, their negation, equality and 'and' are")


def _term(term: Any) -> str:
    return f"?{term.name}" if type(term).__name__ == "Variable" else str(term.name)
