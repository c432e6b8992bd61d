"""Warnings of forecasters, explained by templates: true to the record, complete, with good reasons, the same each time."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.recall.explain import Explanation
from lamina.recall.explain_warning import GENERIC, HEADLINE, READING, REASONS, SENSOR, SIGNAL, VERBS, explain_warning
from lamina.recall.templates import DEVIATIONS, LIKELIHOODS, Template, deviation, first_that_fits, likelihood, plural
from lamina.recall.warning import read_warning
from tests.recall.warnings_made import made

TEMPLATES = (HEADLINE, REASONS, SIGNAL, SENSOR, tuple(READING.values()))
SLOW = pytest.mark.slow


def told(record: dict[str, Any]) -> Explanation:
    return explain_warning(read_warning(record))


def read(node: Explanation) -> dict[str, str]:
    """The slots of a node's sentence, by the inverse of the first template that could have made it."""
    for template in TEMPLATES[node.level]:
        found = template.read(node.text)
        if found is not None:
            return found
    raise AssertionError(f"no template reads {node.text!r}")


# ----------------------------------------------------------------------------------------- 1: true to the record
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=SLOW)])
def test_what_the_sentences_say_can_be_read_back(count: int) -> None:
    facts = wrong = 0
    for seed in range(count):
        record, _ = made(seed)
        rows = {row["id"]: row for kind in ("signals", "sensors", "readings") for row in record[kind]}
        owner = {one: sensor for sensor in record["sensors"] for one in sensor["readings"]}
        for node in told(record).walk():
            assert not re.search(r"[{}\[\]]", node.text)
            for right in _facts(node, read(node), record, rows, owner):
                facts += 1
                wrong += not right
    print(f"\n{facts:,} facts read back from {count:,} warnings, {wrong} of them wrong")
    assert wrong == 0
    assert facts > 100 * count


def _facts(
    node: Explanation, said: dict[str, str], record: dict[str, Any], rows: dict[str, Any], owner: dict[str, Any]
) -> list[bool]:
    warning = record["warning"]
    if node.level == 0:
        return [
            said["kind"] == warning["attack_type"], said["target"] == warning["target"], _percent(said["percent"], warning["probability"]),
            all(day in said["window"] for day in warning["window"]), said["word"] == likelihood(warning["probability"]),
        ]  # fmt: skip
    if node.level == 1:
        parts = [rows[id]["contribution"] for id in warning["signals"]]
        probabilities = [rows[id]["probability"] for id in warning["signals"]]
        raised = said.get("fusion") == "more"
        lowered = said.get("fusion") == "less"
        return [
            _count(said["favour"]) == sum(part > 0 for part in parts), _count(said["against"]) == sum(part < 0 for part in parts),
            raised == (warning["probability"] > max(probabilities)), lowered == (warning["probability"] < min(probabilities)),
            said["rule"] == warning["fused_by"],
        ]  # fmt: skip
    row = rows[node.evidence[0]]
    if node.level == 2:
        part = re.search(r"\(([+-][\d.]+)\)", said["weight"])
        right = [
            said["name"] == row["forecaster"], _percent(said["percent"], row["probability"]),
            math.isclose(float(part[1]) if part else 0.0, row["contribution"], abs_tol=0.00501),
            ("because" in node.text) <= row["causal"], ("raises" in said["weight"]) == (row["contribution"] > 0),
        ]  # fmt: skip
        model = row.get("model", {})
        if "family" in said:
            right += [
                said["family"] == model["family"],
                said["data"] == model["trained_on"],
                said.get("metric") == model.get("metric"),
            ]
        return right
    if node.level == 3:
        return [said["name"] == row["name"], said["kind"] == row["kind"], said.get("description") == row.get("description"),
                _count(said["count"]) == len(row["readings"])]  # fmt: skip
    baseline = owner[row["id"]].get("baseline")
    right = [
        said["name"] == row["name"], float(said["value"]) == row["value"], said.get("unit") == row.get("unit"), said.get("time") == row.get("time"),
        said.get("source") == row.get("source"), READING[row.get("direction")].read(node.text) == said,
    ]  # fmt: skip
    if baseline and baseline["sd"]:
        z = (row["value"] - baseline["mean"]) / baseline["sd"]
        found = re.search(r"\(([+-][\d.]+) standard", said["change"])
        return [*right, found is not None and abs(float(found[1]) - z) <= 0.0501, said["change"].startswith(deviation(z))]
    return [*right, "not known" in said["change"] if baseline is None else "no variation is known" in said["change"]]


def _count(words: str) -> int:
    first = words.split()[0]
    return 0 if first in ("no", "none") else int(first)


def _percent(text: str, value: float) -> bool:
    number = float(re.sub(r"[<> %]", "", text)) / 100
    return (
        abs(number - value) <= 0.00501 or (text.startswith("<") and value < number) or (text.startswith(">") and value > number)
    )


def test_an_altered_record_is_seen_by_the_check() -> None:
    """The check itself can fail: text of one record, facts of another."""
    record, _ = made(3)
    other = copy.deepcopy(record)
    other["warning"]["target"], other["signals"][0]["contribution"], other["readings"][0]["value"] = "another", 7.0, 1.0
    rows = {row["id"]: row for kind in ("signals", "sensors", "readings") for row in other[kind]}
    owner = {one: sensor for sensor in other["sensors"] for one in sensor["readings"]}
    wrong = [node.level for node in told(record).walk() if not all(_facts(node, read(node), other, rows, owner))]
    assert {0, 2, 4} <= set(wrong)


def test_because_is_said_of_causes_alone() -> None:
    record, _ = made(5)
    for causal in (True, False):
        for signal in record["signals"]:
            signal["causal"] = causal
        assert ("because" in told(record).unfold()) == causal


# ------------------------------------------------------------------------------------------------------ 2: complete
@given(st.integers(0, 10_000))
def test_unfolded_it_says_every_signal_sensor_and_reading_once(seed: int) -> None:
    record, _ = made(seed)
    lines = [line.strip() for line in told(record).unfold().splitlines()]
    for signal in record["signals"]:
        assert sum(line.startswith(f"{signal['forecaster']} gives it ") for line in lines) == 1
    for sensor in record["sensors"]:
        users = sum(sensor["id"] in one["sensors"] for one in record["signals"])
        assert sum(line.startswith(f"{sensor['name']} (") for line in lines) == 1
        assert lines.count(f"{sensor['name']}: see above") == users - 1
    for reading in record["readings"]:
        verb = VERBS[reading.get("direction")]
        assert sum(re.match(rf"{reading['name']}(?: \(from .*?\))? {verb} ", line) is not None for line in lines) == 1


def test_a_part_that_is_opened_by_its_id_shows_its_children_alone() -> None:
    record, _ = made(1)
    found = told(record)
    first = found.children[0].children[0]
    opened = found.unfold(2, opened=[first.id]).splitlines()
    assert len(opened) == len(found.unfold(2).splitlines()) + len(first.children)


# -------------------------------------------------------------------------------------------------- 3: good reasons
def test_the_signals_named_first_are_those_whose_removal_moves_the_probability_most() -> None:
    """Controls: the largest parts without sign, and signals named at random. The probability is bent: what speaks against a warning
    that is nearly certain moves it more than as much that speaks for it."""
    rng = np.random.default_rng(0)
    agree = largest = chance = asked = 0
    for seed in range(300):
        record, _ = made(seed)
        parts = {row["id"]: row["contribution"] for row in record["signals"]}
        whole = -0.5 + sum(parts.values())
        moved = {id: abs(_odds(whole) - _odds(whole - part)) for id, part in parts.items()}
        best = set(sorted(moved, key=lambda id: -moved[id])[:2])
        asked += 1
        named = {node.evidence[0] for node in told(record).children[0].children[:2]}
        agree += named == best
        largest += set(sorted(parts, key=lambda id: -abs(parts[id]))[:2]) == best
        chance += set(rng.choice(list(parts), 2, replace=False).tolist()) == best
    print(
        f"\nthe two signals named first move the probability most in {agree / asked:.0%} of {asked}, those with the largest parts in "
        f"{largest / asked:.0%}, two at random in {chance / asked:.0%}"
    )
    assert agree >= 0.95 * asked
    assert largest < agree
    assert chance <= 0.40 * asked


def _odds(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


# ------------------------------------------------------------------------------------------------------ 4: the same
def test_the_same_record_gives_the_same_text() -> None:
    for seed in range(50):
        assert told(made(seed)[0]).unfold() == told(made(seed)[0]).unfold()


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=SLOW)])
def test_a_change_of_one_field_changes_sentences_on_its_path_alone(count: int) -> None:
    rng = np.random.default_rng(1)
    for seed in range(count):
        record, _ = made(seed)
        before = told(record)
        changed = copy.deepcopy(record)
        place = int(rng.integers(len(changed["readings"])))
        reading = changed["readings"][place]
        reading["value"] += 1.0
        sensor = next(one for one in changed["sensors"] if reading["id"] in one["readings"])
        users = [one["id"] for one in changed["signals"] if sensor["id"] in one["sensors"]]
        allowed = {f"reading/{reading['id']}", f"sensor/{sensor['id']}", *(f"signal/{id}" for id in users)}
        texts = {node.id: node.text for node in before.walk()}
        assert {node.id for node in told(changed).walk() if node.text != texts[node.id]} <= allowed


def test_its_vocabulary_is_small() -> None:
    """Names and numbers of the record apart."""
    seen: set[str] = set()
    for seed in range(200):
        seen |= set(re.findall(r"[a-z]+", told(made(seed)[0]).unfold().lower()))
    print(f"\n{len(seen)} words in 200 warnings")
    assert len(seen) <= 400


# -------------------------------------------------------------------------------------------------- 5: unfolding pays
def away(path: tuple[Explanation, ...]) -> float:
    """How far from usual the reading at the end of a path is, as its sentence says it."""
    found = re.search(r"\(([+-][\d.]+) standard", path[-1].text)
    return abs(float(found[1])) if found else 0.0


def words_of(paths: list[tuple[Explanation, ...]]) -> int:
    """How many words are read on some paths, each node once."""
    return sum(len(text.split()) for text in {node.id: node.text for path in paths for node in path}.values())


def test_opening_the_strongest_parts_finds_the_reading_that_drives_it() -> None:
    """One reading is far from usual. The strongest signal and the next are opened, each to its strongest reading, and the more unusual of
    the two readings is taken. Controls: the strongest alone, the strongest and another at random, and two at random."""
    rng = np.random.default_rng(2)
    names = ("two", "one", "one and another", "two at random")
    found, spent, words = dict.fromkeys(names, 0), dict.fromkeys(names, 0), 0
    for seed in range(300):
        record, driver = made(seed, planted=True)
        tree = told(record)
        words += len(tree.unfold().split())
        every = tree.paths(99)
        drawn = rng.permutation(len(every)).tolist()
        other = int(rng.integers(1, len(every)))
        ways = (tree.paths(2), tree.paths(), [every[0], every[other]], [every[place] for place in drawn[:2]])
        for name, paths in zip(names, ways, strict=True):
            spent[name] += words_of(paths)
            found[name] += max(paths, key=away)[-1].evidence[0] == driver
    print()
    for name in names:
        print(f"{name}: {spent[name] / words:.0%} of the words are read; the reading is found in {found[name] / 3:.0f} %")
    assert spent["two"] <= 0.25 * words
    assert found["two"] >= 0.90 * 300
    assert found["two"] > found["one and another"] >= found["one"] > found["two at random"]


def test_as_many_ways_down_as_are_asked_for() -> None:
    tree = told(made(4)[0])
    signals = tree.children[0].children
    assert [path[2].id for path in tree.paths(3)] == [one.id for one in signals[:3]]
    assert all(not path[-1].children for path in tree.paths(99))
    assert tree.paths(1) == tree.paths(99)[:1]
    with pytest.raises(InputError, match="at least 1"):
        tree.paths(0)


# ------------------------------------------------------------------------------------------------------ 6: numbers
@given(st.floats(0, 1), st.floats(0, 1))
def test_words_for_probabilities_never_contradict_the_numbers(one: float, other: float) -> None:
    order = [word for _, word in LIKELIHOODS] + ["nearly certain"]
    low, high = sorted((one, other))
    assert order.index(likelihood(low)) <= order.index(likelihood(high))


@given(st.floats(0, 50), st.floats(0, 50))
def test_words_for_deviations_never_contradict_the_numbers(one: float, other: float) -> None:
    order = [words.format(side="below") for _, words in DEVIATIONS]
    low, high = sorted((one, other))
    assert order.index(deviation(-low)) <= order.index(deviation(-high))


@pytest.mark.parametrize("many", [0, 1, 2, 3, 4])
def test_the_edges_of_counting_are_sound_english(many: int) -> None:
    record: dict[str, Any] = {
        "warning": {"id": "w", "target": "the mill", "attack_type": "flood", "window": ["2026-05-03", "2026-05-03"], "probability": 0.996,
                    "signals": ["a", "b", "c", "d"][: max(many, 1)]},
        "signals": [{"id": id, "probability": 0.5, "contribution": 1.0 if n < many else 0.0, "model": {"family": "a tree"}} for n, id in enumerate("abcd")],
    }  # fmt: skip
    found = told(record)
    assert found.text == f"An attack of the kind “flood” on the mill is nearly certain (99.6 %) on 2026-05-03: {GENERIC}."
    said = found.children[0].text
    assert said.startswith(
        {0: "no signals speak for it; none against it; 1 neither", 1: "1 signal speaks for it; none against"}.get(
            many, f"{many} signals speak for it; none against"
        )
    )
    names = {0: "a", 1: "a", 2: "a and b", 3: "a, b and c", 4: "a, b, c and 1 more"}[many]
    assert f"the strongest: {names}" in said
    assert [plural(n, "reading") for n in (0, 1, 2)] == ["no readings", "1 reading", "2 readings"]


# -------------------------------------------------------------------------------------------------------- refusals
Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["warning"].update(probability=1.2), "must lie in"),
        (lambda r: r["signals"][0].update(probability=-0.1), "must lie in"),
        (lambda r: r["warning"].update(window=["2026-05-03", "2026-05-01"]), "before it begins"),
        (lambda r: r["warning"].update(window="2026"), "a pair of times"),
        (lambda r: r["warning"].update(signals=["s0", "x"]), "'x' among its signals, which is not there"),
        (lambda r: r["warning"].update(signals=[]), "names no signals"),
        (lambda r: r["signals"][0].update(sensors=["s1"]), "'s1' among its sensors, which is among the signals"),
        (lambda r: r["sensors"][0].update(readings=["n0"]), "'n0' among its readings, which is among the sensors"),
        (lambda r: r["sensors"][1].update(id="n0"), "is there twice"),
        (lambda r: r["signals"][0].update(sensors=[], model=None), "neither sensors nor a model"),
        (lambda r: r["readings"][0].update(value=float("nan")), "must be a finite number"),
        (lambda r: r["readings"][0].update(direction="left"), "one of up, down, flat"),
        (lambda r: r["readings"][0].update(time="soon"), "is not a time"),
        (lambda r: r["sensors"][0].update(baseline={"mean": 1.0, "sd": -1.0}), "at least 0"),
        (lambda r: r["sensors"][1].update(readings=r["sensors"][0]["readings"]), "belongs to two sensors"),
        (lambda r: r["signals"][0].update(causal="yes"), "true or false"),
        (lambda r: r.update(sensors="n0"), "must be a list of mappings"),
        (lambda r: r.pop("warning"), "a warning is a mapping"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_is_refused(change: Change, words: str) -> None:
    record, _ = made(0)
    change(record)
    with pytest.raises(InputError, match=words):
        read_warning(record)


def test_templates_with_unknown_or_doubled_slots_are_refused_when_they_are_made() -> None:
    with pytest.raises(InputError, match="has the slot 'colour'"):
        Template("It is {colour}.", ("name",))
    with pytest.raises(InputError, match="twice"):
        Template("{name} is {name}.", ("name",))
    with pytest.raises(InputError, match="no template fits"):
        first_that_fits([Template("{name}.", ("name",))], {"name": None})


# ---------------------------------------------------------------------------------------------------- a real model
@pytest.mark.slow
def test_signals_of_real_models() -> None:
    """Logistic regression and a random forest on the breast-cancer data: ten measured properties are signals, three statistics of each are sensors.

    A forest's parts are those that its trees' means change by along the path; they do not add up to what leaving a property out does.
    """
    pytest.importorskip("sklearn")
    from tests.recall.warnings_real import agreement

    for kind, (top_two, chance, said_because) in agreement().items():
        print(
            f"\n{kind}: the two signals named first are those whose removal moves the probability most: {top_two:.0%}, at random {chance:.0%}"
        )
        assert said_because == (kind == "logistic regression")
        assert chance <= 0.4
        assert top_two >= (0.95 if kind == "logistic regression" else chance)
