"""Reading a domain that is written as data: what its symbols are called, how each is said, and what sentences they make.

    name = "lamp"

    [[layers]]
    name = "words"
    [layers.symbols]
    switch = ["switch", "turn", "put"]
    lamp = ["lamp", "light", "lights"]

    [[layers]]
    name = "sentences"
    [layers.frames]
    on = ["<switch> [the] <lamp> on", "<switch> on [the] <lamp>"]

Layers stand in order, the lowest first; a variant may refer to symbols of layers below its own only. What is written is checked
when it is read: `read_domain` refuses unknown fields, unknown references, loops, empty variants and names used twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError, NotFoundError
from lamina.models.grammar.characters import Numeral, split_words
from lamina.models.grammar.domain import BUILT_IN, LIMIT, Domain, Layer, Symbol, Type, Variant
from lamina.models.grammar.patterns import Reference, Slot, leaves, read_pattern

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_FIELDS: Final = {
    "a domain": {"name", "quotes", "times", "limit", "numerals", "multipliers", "types", "layers", "goal"},
    "a layer": {"name", "symbols", "frames", "drop", "lead", "tail"},
    "a symbol": {"says", "type", "priority", "output"},
    "a variant": {"say", "priority", "after", "before"},
    "a type": {"match", "any", "words", "except"},
}


def packaged_domain(name: str) -> Domain:
    """A domain that comes with the package ("memory"); raises `NotFoundError` for another name.

    >>> packaged_domain("memory").name
    'memory'
    """
    folder = Path(__file__).parent / "domains"
    names = sorted(file.stem for file in folder.glob("*.toml"))
    if name not in names:
        raise NotFoundError(
            f"no domain {name!r} comes with the package: there is {', '.join(names)}; read your own with load_domain"
        )
    return load_domain(folder / f"{name}.toml")


def load_domain(path: Path | str) -> Domain:
    """The domain of a TOML or JSON file; raises `InputError` where it is not there, not readable, or no sound domain."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"the domain {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the domain {path} is not UTF-8 text: {error}") from None
    try:
        if path.suffix == ".json":
            data = json.loads(text)
        else:
            import tomllib

            data = tomllib.loads(text)
    except ValueError as error:
        raise InputError(f"the domain {path} is not {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    return read_domain(data)


def read_domain(data: Mapping[str, Any]) -> Domain:
    """The domain that a mapping describes (the form is at the head of this module); raises `InputError` where it is not sound.

    >>> lamp = {"name": "lamp", "layers": [{"name": "sentences", "frames": {"on": ["<light> on"]}}]}
    >>> read_domain(lamp)
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: symbol 'on': '<light> on' refers to <light>, and no layer below 'sentences' has such a symbol
    """
    _check_fields(data, "a domain", "the domain")
    name = _text(data.get("name"), "the domain's name")
    numerals = {
        word: Numeral(_count(value, f"numeral {word!r}"), times)
        for group, times in (("numerals", False), ("multipliers", True))
        for word, value in _mapping(data.get(group, {}), group).items()
    }
    domain = Domain(
        name,
        (),
        _read_types(_mapping(data.get("types", {}), "types")),
        {" ".join(split_words(word).words): value for word, value in numerals.items()},
        _flag(data.get("quotes", False), "quotes"),
        _flag(data.get("times", False), "times"),
        _count(data.get("limit", LIMIT), "limit"),
        None if data.get("goal") is None else _text(data["goal"], "goal"),
    )
    layers = data.get("layers")
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise InputError(f"the domain {name!r} has no layers: give a list of at least one")
    domain = replace(domain, layers=tuple(_read_layer(one, domain) for one in layers))
    _check_references(domain)
    return domain


def _read_types(given: Mapping[str, Any]) -> dict[str, Type]:
    found: dict[str, Type] = {}
    for name, one in given.items():
        where = f"type {name!r}"
        if name in BUILT_IN or not NAME.fullmatch(name):
            raise InputError(f"{where}: the name is taken or no name (small letters, digits, _)")
        _check_fields(one, "a type", where)
        if sum(key in one for key in ("match", "any", "words")) != 1:
            raise InputError(f"{where}: give one of match (a regular expression), any (types) and words ([least, most])")
        match = one.get("match")
        if match is not None:
            try:
                re.compile(_text(match, f"{where}: match"))
            except re.error as error:
                raise InputError(f"{where}: {match!r} is no regular expression: {error}") from None
        words = one.get("words")
        if words is not None and not (
            isinstance(words, Sequence) and len(words) == 2 and all(type(n) is int for n in words) and 1 <= words[0] <= words[1]
        ):
            raise InputError(f"{where}: words must be [least, most] with 1 <= least <= most, not {words!r}")
        pair = None if words is None else (int(words[0]), int(words[1]))
        found[name] = Type(name, match, _texts(one.get("any", ()), where), pair, _texts(one.get("except", ()), where))
    return found


def _read_layer(given: Any, domain: Domain) -> Layer:
    _check_fields(given, "a layer", "a layer")
    name = _text(given.get("name"), "a layer's name")
    where = f"layer {name!r}"
    if ("symbols" in given) == ("frames" in given):
        raise InputError(f"{where}: give either symbols or frames")
    frames = "frames" in given
    body = _mapping(given["frames" if frames else "symbols"], where)
    if not body:
        raise InputError(f"{where}: there is nothing in it")
    symbols = tuple(_read_symbol(key, value, domain) for key, value in body.items())
    lists = {key: _texts(given.get(key, ()), where) for key in ("drop", "lead", "tail")}
    if not frames and (lists["lead"] or lists["tail"]):
        raise InputError(f"{where}: lead and tail belong to a layer of frames")
    if frames and (lists["drop"] or any(one.after or one.before for symbol in symbols for one in symbol.variants)):
        raise InputError(f"{where}: frames are whole sentences, so they take neither drop nor after nor before")
    return Layer(name, symbols, frames, **lists)


def _read_symbol(name: str, given: Any, domain: Domain) -> Symbol:
    where = f"symbol {name!r}"
    if not NAME.fullmatch(name):
        raise InputError(f"{where}: this is no name: use small letters, digits and _")
    if not isinstance(given, Mapping):
        given = {"says": given}
    _check_fields(given, "a symbol", where)
    says = given.get("says")
    if not isinstance(says, Sequence) or isinstance(says, str) or not says:
        raise InputError(f"{where}: give a list of at least one variant, not {says!r}")
    variants = tuple(_read_variant(one, where, domain) for one in says)
    kind, output = given.get("type"), given.get("output")
    slots = {leaf.name for one in variants for leaf in leaves(one.pattern) if isinstance(leaf, Slot)}
    if output is not None:
        for slot in re.findall(r"\{([^{}]*)\}", _text(output, f"{where}: output")):
            if slot not in slots:
                raise InputError(f"{where}: the output {output!r} has {{{slot}}}, and no variant has such a slot")
    return Symbol(
        name,
        variants,
        None if kind is None else _text(kind, f"{where}: type"),
        _count(given.get("priority", 0), f"{where}: priority"),
        output,
    )


def _read_variant(given: Any, where: str, domain: Domain) -> Variant:
    if isinstance(given, str):
        given = {"say": given}
    _check_fields(given, "a variant", where)
    say = given.get("say")
    if not isinstance(say, str) or not say.strip():
        raise InputError(f"{where}: a variant is empty: write at least one word")
    conditions = {key: _texts(given.get(key, ()), where) for key in ("after", "before")}
    priority = _count(given.get("priority", 0), f"{where}: priority")
    return Variant(say, read_pattern(say, domain.split, where), priority, **conditions)


def _check_references(domain: Domain) -> None:
    """Every symbol is defined once, and refers only to symbols of layers below its own."""
    home: dict[str, int] = {}
    for number, layer in enumerate(domain.layers):
        if sum(layer.name == other.name for other in domain.layers) > 1:
            raise InputError(f"two layers are called {layer.name!r}: give each a name of its own")
        if layer.frames and number < len(domain.layers) - 1:
            raise InputError(f"layer {layer.name!r} has frames, so it must be the last one")
        for symbol in layer.symbols:
            if symbol.name in home:
                raise InputError(f"symbol {symbol.name!r} is defined twice: put its variants in one place")
            home[symbol.name] = number
    for number, layer in enumerate(domain.layers):
        for symbol in layer.symbols:
            for variant in symbol.variants:
                for leaf in leaves(variant.pattern):
                    if not isinstance(leaf, Reference):
                        continue
                    there = home.get(leaf.symbol)
                    if there is None:
                        raise InputError(
                            f"symbol {symbol.name!r}: {variant.say!r} refers to <{leaf.symbol}>, and no layer below {layer.name!r} has such a symbol"
                        )
                    if there >= number:
                        raise InputError(
                            f"symbol {symbol.name!r}: {variant.say!r} refers to <{leaf.symbol}> of the "
                            f"{'same' if there == number else 'higher'} layer {domain.layers[there].name!r}, which would loop: "
                            "a variant may use symbols of layers below its own"
                        )


def _check_fields(given: Any, what: str, where: str) -> None:
    if not isinstance(given, Mapping):
        raise InputError(f"{where} must be a mapping, not {type(given).__name__}")
    unknown = sorted(set(map(str, given)) - _FIELDS[what])
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r}; {what} has {', '.join(sorted(_FIELDS[what]))}")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{what} must be text, not {value!r}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(one, str) and one for one in value):
        raise InputError(f"{where}: {value!r} must be a list of texts")
    return tuple(value)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(value).__name__}")
    return value


def _count(value: Any, what: str) -> int:
    if type(value) is not int or value < 0:
        raise InputError(f"{what} must be a whole number of at least 0, not {value!r}")
    return value


def _flag(value: Any, what: str) -> bool:
    if type(value) is not bool:
        raise InputError(f"{what} must be true or false, not {value!r}")
    return value
