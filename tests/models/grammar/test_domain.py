"""Domains as data: what is refused, and what a sound one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import InputError, NotFoundError
from lamina.models.grammar import Grammar, load_domain, packaged_domain, read_domain


def lamp(**changes: Any) -> dict[str, Any]:
    """A sound domain, with some fields changed."""
    sound = {
        "name": "lamp",
        "quotes": True,
        "goal": "order",
        "types": {"room": {"match": "room[0-9]"}},
        "layers": [
            {"name": "words", "drop": ["please"], "symbols": {"switch": ["switch", "turn", "put"], "lamp": ["lamp", "light"]}},
            {"name": "orders", "symbols": {"on": {"type": "order", "says": ["<switch> on [the] <lamp> [in {where:room}]"]}}},
        ],
    }
    return {**sound, **changes}


def words(symbols: Any, **more: Any) -> dict[str, Any]:
    return lamp(layers=[{"name": "words", "symbols": symbols, **more}, lamp()["layers"][1]])


def orders(symbols: Any) -> dict[str, Any]:
    return lamp(layers=[lamp()["layers"][0], {"name": "orders", "symbols": symbols}])


SOUND = {"switch": ["switch"], "lamp": ["lamp"]}


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (lamp(layers=[]), "has no layers"),
        (lamp(lamps=1), "unknown field 'lamps'"),
        (lamp(name=""), "must be text"),
        (lamp(limit=-1), "limit must be a whole number"),
        (lamp(quotes="yes"), "quotes must be true or false"),
        (lamp(goal="wish"), "the goal 'wish', and no such type"),
        (lamp(goal=None), "neither frames nor a goal"),
        (words({**SOUND, "lamp": ["lamp", "switch"]}), "ambiguous: it spells <switch> and <lamp>"),
        (words({**SOUND, "lamp": ["lamp", "[big] lamp", "big lamp"]}), "'big lamp', which can never be reached"),
        (words({**SOUND, "lamp": ["lamp", " "]}), "a variant is empty"),
        (words({**SOUND, "lamp": ["[lamp"]}), "never closed"),
        (words({**SOUND, "lamp": ["lamp]"]}), "closes nothing"),
        (words({**SOUND, "lamp": ["(lamp | )"]}), "empty alternative"),
        (words({**SOUND, "lamp": ["(a | b & c)"]}), "mixes"),
        (words({**SOUND, "lamp": ["a | b"]}), "stray '|'"),
        (words({**SOUND, "lamp": []}), "at least one variant"),
        (words({**SOUND, "lamp": ["lamp"], "fan": ["fan"]}), "symbol 'fan' can never be reached"),
        (words({**SOUND, "lamp": ["<switch> lamp"]}), "of the same layer 'words', which would loop"),
        (words({**SOUND, "lamp": ["<on> lamp"]}), "of the higher layer 'orders', which would loop"),
        (words({**SOUND, "lamp": ["<fan> lamp"]}), "no layer below 'words' has such a symbol"),
        (words(SOUND, drop=["<fan>"]), "speaks of <fan>, and has no such symbol"),
        (words({**SOUND, "on": ["on"]}), "symbol 'on' is defined twice"),
        (words({"Switch": ["a"]}), "this is no name"),
        (orders({"on": {"type": "order", "says": ["<switch> {a:room} {a:room} <lamp>"]}}), "uses a slot twice"),
        (orders({"on": {"type": "order", "says": ["<switch> {a:house} <lamp>"]}}), "unknown type 'house'"),
        (orders({"on": {"type": "order", "says": ["<switch> {a:time} <lamp>"]}}), "set times = true"),
        (orders({"on": {"type": "order", "says": ["<switch> <lamp>", "turn <lamp>"]}}), "can never be reached: a layer below makes"),
        (orders({"on": {"type": "order", "says": ["<switch> <lamp>"], "output": "{x}"}}), "no variant has such a slot"),
        (lamp(types={"room": {"match": "("}}), "no regular expression"),
        (lamp(types={"room": {"match": "a", "any": ["number"]}}), "give one of match"),
        (lamp(types={"room": {"any": ["house"]}}), "there is no type 'house'"),
        (lamp(types={"room": {"any": ["house"]}, "house": {"any": ["room"]}}), "is one of itself"),
        (lamp(types={"room": {"words": [2, 1]}}), "least <= most"),
        (lamp(types={"room": {"words": [1, 2]}}), "may fill slots of frames only"),
        (lamp(types={"number": {"match": "a"}}), "the name is taken"),
    ],
)  # fmt: skip
def test_a_bad_domain_is_refused_with_the_reason(domain: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=None) as refused:
        Grammar(read_domain(domain))
    assert message in str(refused.value)


def test_frames_must_not_be_spelt_alike_nor_cover_each_other() -> None:
    def framed(frames: dict[str, Any]) -> dict[str, Any]:
        types = {"text": {"words": [1, 9]}}
        return {"name": "f", "types": types, "layers": [{"name": "sentences", "frames": frames}]}

    with pytest.raises(InputError, match="ambiguous: it is 'a' and 'b'"):
        Grammar(read_domain(framed({"a": ["say {x:text}"], "b": ["say {y:text}"]})))
    with pytest.raises(InputError, match="can never be reached"):
        Grammar(read_domain(framed({"a": ["say [it] {x:text}", "say it {x:text}"]})))
    with pytest.raises(InputError, match="neither drop nor after"):
        Grammar(read_domain(framed({"a": [{"say": "say {x:text}", "after": ["^"]}]})))
    both = Grammar(read_domain(framed({"a": ["(say | shout) {x:text}"], "b": {"says": ["say {x:text}"], "priority": 1}})))
    assert [both.parse(text).frame for text in ("say hi", "shout hi")] == ["b", "a"]


def test_a_condition_tells_two_roots_apart() -> None:
    layers = [
        {"name": "words", "symbols": {"keep": [{"say": "note", "after": ["^"]}], "note": ["note"]}},
        {"name": "sentences", "frames": {"keep_it": ["<keep> the <note>"]}},
    ]
    assert Grammar(read_domain({"name": "n", "layers": layers})).parse("note the note").ok


def test_a_sound_domain_reads_from_toml_and_json_alike(tmp_path: Path) -> None:
    (tmp_path / "lamp.json").write_text(json.dumps(lamp()), encoding="utf-8")
    toml = """
name = "lamp"
quotes = true
goal = "order"
[types.room]
match = "room[0-9]"
[[layers]]
name = "words"
drop = ["please"]
[layers.symbols]
switch = ["switch", "turn", "put"]
lamp = ["lamp", "light"]
[[layers]]
name = "orders"
[layers.symbols]
on = { type = "order", says = ["<switch> on [the] <lamp> [in {where:room}]"] }
"""
    (tmp_path / "lamp.toml").write_text(toml, encoding="utf-8")
    assert load_domain(tmp_path / "lamp.json") == load_domain(tmp_path / "lamp.toml") == read_domain(lamp())
    parse = Grammar(load_domain(tmp_path / "lamp.toml")).parse("please TURN on the light in room3")
    assert parse.normal() == "switch on the lamp in room3"
    assert parse.slots["where"].text == "room3"


def test_files_that_are_no_domain_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_domain(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match="not TOML"):
        load_domain(tmp_path / "bad.toml")
    (tmp_path / "bad.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        load_domain(tmp_path / "bad.json")
    with pytest.raises(NotFoundError, match="there is memory"):
        packaged_domain("kitchen")


def test_texts_that_cannot_be_read_are_refused() -> None:
    grammar = Grammar(read_domain(lamp(limit=40)))
    with pytest.raises(InputError, match="has 41 characters; the domain 'lamp' reads at most 40"):
        grammar.parse("x" * 41)
    with pytest.raises(InputError, match="quotation mark at character 5 has no partner"):
        grammar.parse('turn "on the lamp')
    with pytest.raises(InputError, match="must be a string"):
        grammar.parse(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="has no normal form"):
        grammar.parse("sing").normal()
