"""Explanations: true to the record, complete, the same each time, and worth unfolding.

The checks of the source's form. Not among them, since there is nothing of the kind here: words for probabilities, causes that
do not add up, and simulated warnings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.bench.demo import collection
from lamina.bench.ranking.ours import asked_at, remember
from lamina.errors import InputError, NotFoundError
from lamina.recall.evidence import Evidence, Fact
from lamina.recall.explain import CUT, NAMED, Explanation, explain, percent
from lamina.recall.features import FEATURES, Computed
from lamina.recall.ranker import LinearRanker, shipped_regimes
from lamina.records import Hit, Item, Reason, Run
from tests.conftest import Clock

GROUPS = ("words", "meaning", "neighbours", "people", "time", "form")
FACTS = ("words", "before", "after", "speaker")


def zero(scene: Any) -> Any:
    return np.zeros(len(scene), np.float32)


MADE = tuple(Computed(f"feature_{n}", GROUPS[n % len(GROUPS)], f"what feature {n} means", zero) for n in range(20))
EVIDENCE = Evidence(
    {what: Fact(what, f"there is {what}", (f"item-{what}",), f"brief {what}") for what in FACTS},
    {feature.name: FACTS[n % 5 : n % 5 + 1 + n % 2] for n, feature in enumerate(MADE)},
)
ITEM = Item("01ITEM", "trace", "The ferry leaves at seven.", at=0, recorded_at=0)


def row(seed: int, features: Any = MADE) -> Hit:
    """A hit with the reasons of a random row under random weights; some parts are 0, and there is an echo now and then."""
    generator = np.random.default_rng(seed)
    weights = {feature.name: float(generator.normal()) for feature in features if generator.random() < 0.8}
    values = (generator.normal(size=len(features)) * (generator.random(len(features)) < 0.8)).astype(np.float32)
    ranker = LinearRanker(weights, features=features)
    reasons = list(ranker.reasons(values))
    if generator.random() < 0.3:
        reasons.append(Reason("echo", 1.0, float(-generator.random()), "recalled text that came back as input"))
    return Hit(ITEM, float(np.float32(sum(reason.contribution for reason in reasons))), (ITEM.id,), tuple(reasons))


def tree(hit: Hit, sources: tuple[Item, ...] = (ITEM,)) -> Explanation:
    return explain(hit, EVIDENCE, sources, MADE)


# ------------------------------------------------------------------------------------------------------------- sums
@given(st.integers(0, 10_000))
def test_the_parts_of_every_level_sum_to_the_score(seed: int) -> None:
    hit = row(seed)
    found = tree(hit)
    assert found.contribution == hit.score
    for level in (1, 2):
        parts = [node.contribution for node in found.walk() if node.level == level]
        assert sum(part for part in parts if part is not None) == pytest.approx(hit.score, abs=1e-4)
    for node in found.walk():
        children = [child for child in node.children if child.contribution is not None]
        if children:
            assert sum(child.contribution or 0.0 for child in children) == pytest.approx(node.contribution, abs=1e-4)
            assert sum(child.share or 0.0 for child in children) == pytest.approx(1.0)


@given(st.integers(0, 10_000))
def test_real_features_sum_too(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=len(FEATURES)).astype(np.float32)
    ranker = shipped_regimes().turns
    hit = Hit(ITEM, float(ranker.score(values[None])[0]), (), ranker.reasons(values))
    found = explain(hit, Evidence({}, {}))
    assert sum(node.contribution or 0.0 for node in found.children) == pytest.approx(hit.score, abs=1e-4)


# ---------------------------------------------------------------------------------------------- 1: true to the record
LINE = re.compile(r"(?P<words>.*): (?P<value>-?[\d.]+) × (?P<weight>-?[\d.]+) = (?P<part>[+-][\d.]+)")
GROUP = re.compile(r"(?P<group>\w+): (?P<part>[+-][\d.]+)")


@given(st.integers(0, 100_000))
def test_what_the_text_says_can_be_read_back(seed: int) -> None:
    hit = row(seed)
    by_words = {reason.words: reason for reason in hit.reasons}
    read = 0
    for node in tree(hit).walk():
        assert "{" not in node.text
        if node.level == 1:
            found = GROUP.fullmatch(node.text)
            assert found is not None
            assert float(found["part"]) == pytest.approx(node.contribution, abs=0.00501)
        if node.level == 2:
            line = LINE.fullmatch(node.text)
            assert line is not None
            reason = by_words[line["words"]]
            assert float(line["value"]) == pytest.approx(reason.value, abs=0.000501)
            assert float(line["part"]) == pytest.approx(reason.contribution, abs=0.000501)
            assert float(line["weight"]) == pytest.approx(reason.contribution / reason.value, abs=0.000501)
            read += 1
    assert read == len(hit.reasons)


@given(st.integers(0, 100_000))
def test_the_sentence_names_the_strongest_on_each_side_and_counts_the_others(seed: int) -> None:
    hit = row(seed)
    found = tree(hit)
    groups = [node for node in found.children if node.level == 1]
    for sign, label in ((1, "For it: "), (-1, "Against it: ")):
        mine = [node for node in groups if sign * (node.contribution or 0.0) > 0]
        assert (label in found.text) == bool(mine)
        if not mine:
            continue
        said = found.text.partition(label)[2].partition(".")[0].split("; ")
        more = re.fullmatch(r"(\d+) more", said[-1])
        named = said[:-1] if more else said
        assert len(named) + (int(more[1]) if more else 0) == len(mine)
        assert len(named) <= NAMED
        for node, phrase in zip(mine, named, strict=False):
            strongest = max(node.children, key=lambda child: sign * (child.contribution or 0.0))
            assert phrase.startswith(strongest.text.rpartition(":")[0])
        if sign < 0:
            assert len(named) == min(len(mine), NAMED)  # what speaks against it is never left out for being small
        else:
            assert all((node.share or 0.0) >= CUT for node in mine[1 : len(named)])


def test_words_are_those_of_the_features(memory: Memory) -> None:
    known = {feature.words for feature in FEATURES}
    for hit in memory.search("when does the ferry leave the harbour?"):
        for node in memory.explain(hit).walk():
            if node.level == 2:
                assert node.text.rpartition(":")[0] in known


# ------------------------------------------------------------------------------------------------------- 2: complete
@given(st.integers(0, 10_000))
def test_unfolded_it_says_everything_once(seed: int) -> None:
    hit = row(seed)
    found = tree(hit)
    text = found.unfold()
    for reason in hit.reasons:
        assert sum(line.strip().startswith(f"{reason.words}: ") for line in text.splitlines()) == 1
    used = {fact.what for reason in hit.reasons for fact in EVIDENCE.of(reason.feature)}
    for what in FACTS:
        assert text.count(f"there is {what}\n") + text.endswith(f"there is {what}") == (what in used)
        uses = sum(fact.what == what for reason in hit.reasons for fact in EVIDENCE.of(reason.feature))
        assert text.count(f"{what}: see above") == max(uses - 1, 0)
    assert text.count("rests on trace 01ITEM") == 1


@given(st.integers(0, 1000), st.integers(0, 4))
def test_folded_it_counts_what_it_leaves_out(seed: int, depth: int) -> None:
    found = tree(row(seed))
    lines = found.lines(depth)
    assert [node for _, node, _ in lines] == list(found.walk(depth))
    for _, node, line in lines:
        folded = sum(child.level > depth for child in node.children)
        if "see above" not in line:
            assert line.endswith((f"({folded} details)", "(1 detail)")) == bool(folded)


# -------------------------------------------------------------------------------------------------- 3: good reasons
def test_the_groups_named_first_are_those_that_move_the_score_most() -> None:
    """Control: groups named at random."""
    generator = np.random.default_rng(0)
    agree = chance = 0
    for seed in range(300):
        hit = row(seed)
        found = [node for node in tree(hit).children if node.level == 1]
        without = {
            node.id: abs(hit.score - sum(r.contribution for r in hit.reasons if r.feature not in _features(node)))
            for node in found
        }
        best = set(sorted(without, key=lambda name: -without[name])[:2])
        agree += {node.id for node in found[:2]} == best
        chance += set(generator.choice(list(without), 2, replace=False).tolist()) == best
    print(
        f"\nthe two groups named first are those whose removal moves the score most: {agree / 3:.0f} %, at random {chance / 3:.0f} %"
    )
    assert agree >= 0.95 * 300
    assert chance <= 0.40 * 300


def _features(node: Explanation) -> set[str]:
    return {child.id.partition("/")[2] for child in node.children}


# ------------------------------------------------------------------------------------------------------ 4: the same
@given(st.integers(0, 10_000))
def test_the_same_record_gives_the_same_text_and_a_change_stays_on_its_path(seed: int) -> None:
    hit = row(seed)
    before = tree(hit)
    assert before.unfold() == tree(hit).unfold()
    if not hit.reasons:
        return
    place = seed % len(hit.reasons)
    old = hit.reasons[place]
    new = replace(old, value=old.value * 1.5, contribution=old.contribution * 1.5)
    changed = replace(
        hit, reasons=(*hit.reasons[:place], new, *hit.reasons[place + 1 :]), score=hit.score + new.contribution - old.contribution
    )
    texts = {node.id: node.text for node in before.walk()}
    path = next(node.id for node in before.walk() if node.level == 2 and node.id.endswith("/" + old.feature))
    allowed = {"", path.partition("/")[0], path}
    for node in tree(changed).walk():
        if node.text != texts[node.id]:
            assert node.id in allowed


def test_its_own_vocabulary_is_small() -> None:
    """Quoted texts and features' own words apart."""
    seen: set[str] = set()
    with Memory(":memory:") as memory:
        memory.add([{"text": f"boat {n}", "speaker": f"S{n % 3}"} for n in range(40)], session="s")
        for n in range(40):
            for hit in memory.search(f"what did S{n % 3} say of boat {n} in May 2026?", k=3):
                text = re.sub(r"“.*?”|\(.*?\)", "", memory.explain(hit).unfold())
                seen |= set(re.findall(r"[a-z]+", text.lower()))
    own = seen - {word for feature in FEATURES for word in re.findall(r"[a-z]+", feature.words.lower())}
    print(f"\n{len(own)} words of its own")
    assert len(own) <= 100


# -------------------------------------------------------------------------------------------------- 5: unfolding pays
def test_opening_the_strongest_parts_is_quicker_than_reading_it_all() -> None:
    """Which feature counts most? Read the sentence, open the strongest groups, and compare the strongest feature of each.

    With one group it is found more often than not: the strongest feature may lie in a group that is not the strongest.
    """
    read, right = dict.fromkeys((1, 2, 3), 0), dict.fromkeys((1, 2, 3), 0)
    whole = asked = 0
    conversation = collection()
    now = asked_at([conversation])
    with Memory(":memory:", run=Run(clock=lambda: now)) as memory:
        remember(memory, [conversation])
        for question in conversation.questions:
            for hit in memory.search(question.text, k=3, user="demo"):
                found = memory.explain(hit)
                whole += len(found.unfold().split())
                asked += 1
                strongest = max(hit.reasons, key=lambda reason: abs(reason.contribution))
                groups = sum(child.level == 1 for child in found.children)
                for many in read:
                    features = [path[2] for path in found.paths(many) if len(path) > 2]
                    read[many] += len(found.text.split()) + groups  # the titles of what is folded
                    for path in found.paths(many):
                        read[many] += sum(len(node.text.split()) + len(node.children) * (node.level == 1) for node in path[1:3])
                    best = max(features, key=lambda node: abs(node.contribution or 0.0))
                    right[many] += best.id.endswith("/" + strongest.feature)
    for many in read:
        print(
            f"\n{many}: {read[many] / whole:.0%} of the words are read; the strongest feature is found in {right[many] / asked:.0%}"
        )
    assert asked > 100
    assert read[3] <= 0.25 * whole
    assert right[1] >= 0.6 * asked
    assert right[3] >= 0.9 * asked


# ------------------------------------------------------------------------------------------------------ 6: numbers
@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_percents_never_contradict_the_numbers(shares: list[float]) -> None:
    low, high = (percent(share) for share in sorted(shares))
    assert _number(low) <= _number(high)
    for share in shares:
        assert (percent(share) == "100 %") == (share == 1.0)
        assert (percent(share) == "0 %") == (share == 0.0)


def _number(text: str) -> float:
    value = float(text.strip("<> %"))
    return value - 0.05 if text.startswith("<") else value + 0.05 if text.startswith(">") else value


# -------------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score": 99.0}, "not to its score 99: search again"),
        ({"score": float("nan")}, "not to its score"),
        ({"reasons": (Reason("dense", float("nan"), 1.0),)}, "'dense' of 01ITEM is not a number"),
        ({"reasons": (Reason("dense", 1.0, float("inf")),)}, "is not a number"),
    ],
)
def test_a_record_that_cannot_be_is_refused(changes: Mapping[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tree(replace(row(1), **changes))


def test_a_hit_without_reasons_says_so() -> None:
    found = tree(Hit(ITEM, 0.0), ())
    assert found.unfold() == "Nothing speaks for it or against it."


# ---------------------------------------------------------------------------------------------- through the facade
@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        one.add(
            [
                {"text": "When does the ferry leave?", "speaker": "Ana"},
                {"text": "At seven, from the old harbour.", "speaker": "Ben"},
                {"text": "The bakery opens at seven.", "speaker": "Ana"},
            ],
            session="quay",
        )
        yield one


def test_a_hit_is_explained_as_it_was_scored(memory: Memory) -> None:
    for hit in memory.search("when does the ferry leave the harbour, Ana?"):
        found = memory.explain(hit)
        assert found.contribution == hit.score
        assert found.evidence == (hit.id,)
        assert {node.id.partition("/")[2] for node in found.walk() if node.level == 2} == {r.feature for r in hit.reasons}
        assert str(found) == found.text
        assert json.loads(json.dumps(found.to_json()))["children"]


def test_an_id_and_a_cue_give_the_same_explanation(memory: Memory) -> None:
    cue = "when does the ferry leave the harbour, Ana?"
    for hit in memory.search(cue, kinds=["trace"]):
        assert memory.explain(hit.id, cue=cue, kinds=["trace"]).unfold() == memory.explain(hit).unfold()


def test_an_item_that_no_source_proposes_can_be_explained(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.recall.recaller.union", lambda sources, signals, k: np.empty(0, np.int64))
    monkeypatch.setattr("lamina.recall.recaller.CANDIDATES", 0)
    memory.add([f"Boat {n} sails." for n in range(120)])  # more than are looked at without being proposed
    (bakery,) = [item for item in memory.get_all() if "bakery" in item.text]
    assert memory.search("when does the ferry leave?") == []
    assert memory.explain(bakery.id, cue="when does the ferry leave?").evidence == (bakery.id,)


def test_an_echo_and_what_was_learned_are_part_of_it(memory: Memory) -> None:
    cue = "where does the ferry leave?"
    original = next(hit for hit in memory.search(cue) if "harbour" in hit.text)
    memory.add({"text": original.text, "role": "assistant", "speaker": "Ben"})
    memory.feedback(original)
    memory.learn()
    for hit in memory.search(cue):
        found = memory.explain(hit)
        assert sum(node.contribution or 0.0 for node in found.children) == pytest.approx(hit.score, abs=1e-3)


def test_a_reranker_is_a_group_of_its_own(clock: Clock) -> None:
    class Judge:
        name, weight = "judge", 1.0

        def rerank(self, cue: str, texts: Any) -> Any:
            return np.arange(len(texts), dtype=np.float32)

    with Memory(":memory:", reranker=Judge(), run=Run(clock=clock)) as memory:
        memory.add(["A boat.", "A red boat."])
        found = memory.explain(memory.search("boat")[0])
        assert "reranker" in {node.id for node in found.children}
        assert "the reranker judged it against the others" in found.unfold()


def test_a_derived_item_is_led_back_to_its_traces(memory: Memory) -> None:
    memory.add([{"text": f"The regatta of boat {n} begins at noon.", "speaker": "Ana"} for n in range(12)], session="s")
    memory.consolidate()
    hit = memory.search("regatta boat", kinds=["episode"])[0]
    found = memory.explain(hit)
    assert [node.evidence[0] for node in found.walk() if node.level == 4] == list(hit.sources)


def test_what_cannot_be_explained_is_refused(memory: Memory) -> None:
    hit, other = memory.search("ferry")[:2]
    with pytest.raises(InputError, match="give cue="):
        memory.explain(hit.id)
    with pytest.raises(InputError, match="which no recall in '/ana' sees"):
        memory.explain(hit, user="ana")
    with pytest.raises(InputError, match="does not see"):
        memory.explain(hit, sessions=["another"])
    memory.forget(other.id)
    with pytest.raises(InputError, match="does not see"):
        memory.explain(other)
    memory.delete(hit.id)
    with pytest.raises(NotFoundError, match="it was deleted"):
        memory.explain(hit)
