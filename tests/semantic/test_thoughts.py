"""Think-in-Memory: what patterns read, what is forgotten and merged, and what thinking once is worth against thinking at each question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import (
    EmbedderMismatchError,
    InputError,
    LaminaError,
    ModelError,
    ModelOutputError,
    NotFoundError,
    StoreError,
    TransferError,
)
from lamina.models.protocols import Completion, Message
from lamina.models.static import StaticEmbedder
from lamina.models.tokens import WordLlamaTokens
from lamina.semantic.statements import RuleOrganiser, Told, Triple, read_triples, sentence
from lamina.semantic.thought_models import ModelOrganiser, ModelReader, read_kept, read_statements
from lamina.semantic.thoughts import ThinkInMemory, ThoughtMemory, as_prompt
from tests.semantic.models import Scripted
from tests.semantic.test_notes import names

EMBEDDER = StaticEmbedder()


def memory(*parts: Any, **options: Any) -> ThoughtMemory:
    return ThoughtMemory(EMBEDDER, *parts, **options)


# ------------------------------------------------------------------------------------------------------- patterns
@pytest.mark.parametrize(
    ("text", "speaker", "said"),
    [
        ("I live in Rome with my dog.", "Ana", ["Ana lives in Rome"]),
        ("I’ve just moved from Rome to Oslo!", "Ana", ["Ana lives in Oslo"]),
        ("I just moved from Rome to Oslo!", "Ana", ["Ana lives in Oslo"]),
        ("My sister is a nurse.", "Ana", ["Ana's sister is a nurse"]),
        ("My sister is Mia. Ben's favourite colour is now dark green.", "Ana", ["Ana's sister is Mia", "Ben's favourite colour is dark green"]),
        ("I love hiking, painting and jazz.", "Ana", ["Ana likes hiking", "Ana likes painting", "Ana likes jazz"]),
        ("I don't like tea anymore, but I like to swim.", "Ana", ["Ana does not like tea", "Ana likes to swim"]),
        ("Ben Carter no longer works at the bakery.", "", ["Ben Carter does not work at the bakery"]),
        ("Do you like tea?", "Ana", []),
        ("I like tea.", "", []),
        ("She likes tea. It is the end. There is a cat.", "Ana", []),
        ("I have to go. I have been busy. I like that you came.", "Ana", []),
        ("I am allergic to walnuts and peanuts.", "Ana", ["Ana is allergic to walnuts", "Ana is allergic to peanuts"]),
        ("Looks like you had fun. Events like these are rare. Horses have grace. Unconditional love is rare.", "Ana", []),
        ("I got to meet them. Just got some shoes. Ana really loves tea. My parents live in Porto.", "Ben", ["Ana likes tea", "Ben's parents lives in Porto"]),
        ("", "Ana", []),
    ],
)  # fmt: skip
def test_plain_statements_are_read_and_nothing_else(text: str, speaker: str, said: list[str]) -> None:
    assert [triple.text for triple in read_triples(text, speaker)] == said


@given(st.text(max_size=200), st.text(max_size=10))
def test_any_text_can_be_read(text: str, speaker: str) -> None:
    for triple in read_triples(text, speaker):
        assert triple.text


@given(st.text("Ilkevni MyAna'stedo,.BenrRmOlo", max_size=120))
def test_almost_sentences_can_be_read(text: str) -> None:
    read_triples(text, "Ana")


def told(*rows: tuple[str, str, str, bool, bool]) -> list[Told]:
    return [Told(Triple(*row[:3], positive=row[3], functional=row[4]), (str(at),), at) for at, row in enumerate(rows)]


def test_forgetting_and_merging_follow_the_order_of_time() -> None:
    def held(*rows: tuple[str, str, str, bool, bool]) -> list[str]:
        return [thought.text for thought in RuleOrganiser().organise(told(*rows))]

    home, likes = ("Ana", "lives in"), ("Ana", "likes")
    assert held((*home, "Rome", True, True), (*home, "Oslo", True, True)) == ["Ana lives in Oslo"]
    assert held((*home, "Rome", True, True), (*home, "Rome", False, True)) == ["Ana does not live in Rome"]
    assert held((*home, "Rome", False, True), (*home, "Oslo", True, True)) == ["Ana lives in Oslo"]
    assert held((*likes, "tea", True, False), (*likes, "jazz", True, False)) == ["Ana likes tea and jazz"]
    assert held((*likes, "tea", True, False), (*likes, "Tea", False, False)) == ["Ana does not like Tea"]
    assert held((*likes, "tea", False, False), (*likes, "tea", True, False)) == ["Ana likes tea"]
    assert held((*likes, "tea", True, False), (*likes, "TEA", True, False)) == ["Ana likes TEA"]
    assert held((*likes, "tea", True, False), ("ana", "likes", "jazz", True, False)) == ["ana likes tea and jazz"]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("xyz"), st.booleans()), max_size=12), st.randoms())
def test_the_order_of_arrival_does_not_matter(rows: list[tuple[str, str, bool]], random: Any) -> None:
    every = told(*[(head, "likes", tail, sign, False) for head, tail, sign in rows])
    mixed = list(every)
    random.shuffle(mixed)
    assert {thought.text for thought in RuleOrganiser().organise(mixed)} == {
        thought.text for thought in RuleOrganiser().organise(every)
    }


def test_long_lists_become_several_sentences() -> None:
    assert (
        sentence("Ana", "likes", [f"t{number}" for number in range(5)], cap=2)
        == "Ana likes t0 and t1. Ana likes t2 and t3. Ana likes t4"
    )
    assert sentence("Ana", "is afraid of", ["dogs", "bees"], positive=False) == "Ana is not afraid of dogs or bees"
    assert sentence("Ana", "favourite colour", ["red"], positive=False) == "Ana's favourite colour is not red"


# ------------------------------------------------------------------------------------------------------ the memory
def test_an_exchange_is_thought_over_and_recalled() -> None:
    thoughts = memory()
    first = thoughts.post_think("Where do you live?", "I live in Rome.", speaker="Ana", source="t1", at=1)
    assert (first.read, first.new, first.gone) == (1, ("Ana lives in Rome",), ())
    second = thoughts.post_think("And now?", "I moved to Oslo.", speaker="Ana", source="t2", at=2)
    assert (second.new, second.gone) == (("Ana lives in Oslo",), ("Ana lives in Rome",))
    assert thoughts.recall("Where does Ana live?")[0].thought.text == "Ana lives in Oslo"
    back = thoughts.forget_source("t2")
    assert (back.new, back.gone) == (("Ana lives in Rome",), ("Ana lives in Oslo",))
    thoughts.forget_source("t1")
    assert len(thoughts) == 0
    assert thoughts.recall("Where does Ana live?") == []


def test_thinking_stands_around_an_answer() -> None:
    seen: list[tuple[str, str]] = []

    def answer(question: str, known: str) -> str:
        seen.append((question, known))
        return "I moved to Oslo."

    agent = ThinkInMemory(memory(), answer)
    agent.ask("Where do you live?", speaker="Ana", at=1)
    agent.ask("Where does Ana live?", speaker="Ana", at=2)
    assert seen == [("Where do you live?", ""), ("Where does Ana live?", "- Ana lives in Oslo")]


def test_what_changed_moves_to_its_new_bucket_and_buckets_grow() -> None:
    thoughts = memory(limit=4, probes=8)
    for number, name in enumerate(names(60, 11)):
        thoughts.insert([Triple(name, "likes", "tea")], at=number)
    assert thoughts.index.buckets >= 16
    assert thoughts.index.bucket_sizes().sum() == len(thoughts) == 60
    for number, name in enumerate(names(60, 11)):
        thoughts.insert([Triple(name, "likes", "jazz")], at=100 + number)
    assert thoughts.index.bucket_sizes().sum() == len(thoughts) == 60
    assert all(thought.text.endswith("tea and jazz") for thought in thoughts.thoughts)


# ----------------------------------------------------------------------------------------------- effects of the source
class Reasoner:
    """A language model that adds two numbers of a text, and errs in one of five passes; it counts its passes."""

    name = "reasoner"

    def __init__(self, seed: int, error: float = 0.2) -> None:
        self.random, self.error, self.passes = Random(seed), error, 0

    def reason(self, text: str) -> int:
        self.passes += 1
        words = text.split()
        right = int(words[words.index("has") + 1]) + int(words[words.index("got") + 1])
        return right if self.random.random() >= self.error else right + self.random.randint(1, 50)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        said = messages[1].content.split(" says: ")[1].split("\n")[0]
        who, what = said.split(" has ")[0], said.split(" more ")[1].split()[0]
        statement = {
            "head": who,
            "relation": f"number of {what}",
            "tail": str(self.reason(said)),
            "affirmed": True,
            "one_at_a_time": True,
        }
        return Completion("", data={"statements": [statement]})


PARAPHRASES = (
    "How many {thing} does {name} have?", "What is the number of {thing} of {name}?", "Tell me how many {thing} {name} has.",
    "{name}'s {thing}: how many are there?", "Do you know {name}'s number of {thing}?",
)  # fmt: skip


def consistency(seed: int, probes: int, named: bool) -> dict[str, float]:
    """Pairwise agreement of the answers to paraphrases, accuracy and passes, of reasoning at each question and of thinking once."""
    random = Random(seed)
    people = names(100, 100 + seed)
    facts = [(name, random.choice(["apples", "books", "coins"]), random.randint(2, 40), random.randint(2, 40)) for name in people]
    turns = [f"{name} has {first} from home and got {second} more {thing} at the market." for name, thing, first, second in facts]
    raw, once = Reasoner(seed), Reasoner(seed + 1000)
    vectors = EMBEDDER.embed(turns)
    thoughts = memory(ModelReader(once), probes=probes, named=named)
    for at, turn in enumerate(turns):
        thoughts.post_think("", turn, at=at)
    agree: dict[str, list[bool]] = {"raw": [], "thoughts": []}
    right: dict[str, list[bool]] = {"raw": [], "thoughts": []}
    for name, thing, first, second in facts:
        answers: dict[str, list[int | None]] = {"raw": [], "thoughts": []}
        for form in PARAPHRASES:
            cue = form.format(name=name, thing=thing)
            best = np.argsort(-(vectors @ EMBEDDER.embed([cue])[0]))[:5]
            turn = next((turns[place] for place in best if turns[place].startswith(name)), None)
            answers["raw"].append(raw.reason(turn) if turn else None)
            thought = next((one.thought for one in thoughts.recall(cue, 5) if one.thought.head == name), None)
            answers["thoughts"].append(int(thought.tails[0]) if thought else None)
        for kind, given_ in answers.items():
            agree[kind] += [one == other for one, other in combinations(given_, 2)]
            right[kind] += [one == first + second for one in given_]
    return {
        **{f"{kind} agree": float(np.mean(values)) for kind, values in agree.items()},
        **{f"{kind} right": float(np.mean(values)) for kind, values in right.items()},
        "raw passes": raw.passes, "thoughts passes": once.passes,
    }  # fmt: skip


def test_effect_thinking_once_gives_the_same_answer_each_time() -> None:
    """With the thoughts of the heads that are named compared too, and without: what the hash misses is then not answered."""
    figures = {}
    for named, probes in ((True, 4), (False, 4), (False, 8)):
        runs = [consistency(seed, probes, named) for seed in range(10)]
        figures[named, probes] = mean = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        print(f"named: {named}, {probes} of 8 buckets: { ({name: round(value, 3) for name, value in mean.items()}) }")
    for mean in (figures[True, 4], figures[False, 8]):
        assert mean["raw agree"] <= 0.70
        assert mean["thoughts agree"] >= 0.99
        assert abs(mean["raw right"] - mean["thoughts right"]) <= 0.03
        assert mean["raw passes"] >= 4.5 * mean["thoughts passes"]
    assert figures[False, 4]["thoughts agree"] < 0.98, "the control"


def test_a_head_that_a_cue_names_is_found_in_whichever_bucket_its_thoughts_lie() -> None:
    with_them, hashed = (memory(probes=1, buckets=32, named=named) for named in (True, False))
    people = ["Ben Carter", "Ana's sister", *names(60, 21)]
    for thoughts in (with_them, hashed):
        for at, name in enumerate(people):
            thoughts.insert([Triple(name, "keeps bees in", TOWNS[at % 12])], sources=(name,), at=at)

    def first(thoughts: ThoughtMemory, name: str) -> bool:
        return any(one.thought.head == name for one in thoughts.recall(f"Where are the bees of {name.upper()} now?", 62))

    assert all(first(with_them, name) for name in people)
    assert with_them.recall("Who keeps bees?", 3) == hashed.recall("Who keeps bees?", 3)
    few = with_them.recall("Ben Carter: bees?", 2)
    assert len(few) == 2
    assert few[0].score >= few[1].score
    with_them.forget_source("Ben Carter")
    assert all(one.thought.head != "Ben Carter" for one in with_them.recall("Where are the bees of Ben Carter?", 99))


TOWNS = "Rome Oslo Porto Bergen Lima Quito Cairo Delhi Kyoto Turin Graz Basel".split()


def stale_answers(organiser: RuleOrganiser) -> float:
    """The share of overwritten homes for which the nearest thought names the old one."""
    random, thoughts = Random(3), memory(None, organiser)
    people = names(200, 12)
    distractors = names(100, 13)
    old = {name: random.choice(TOWNS[:6]) for name in people}
    new = {name: random.choice(TOWNS[6:]) for name in random.sample(people, 60)}
    says = [(name, f"I live in {town}.") for name, town in old.items()]
    says += [(name, random.choice(["I like tea.", "I own a boat.", "I play chess."])) for name in distractors]
    random.shuffle(says)
    says += [(name, f"I moved to {town}.") for name, town in new.items()]
    for at, (name, text) in enumerate(says):
        thoughts.post_think("", text, speaker=name, at=at)
    stale = []
    for name in new:
        found = next((one.thought for one in thoughts.recall(f"Where does {name} live?", 10) if one.thought.head == name), None)
        stale.append(found is not None and found.tails[0] == old[name])
    return float(np.mean(stale))


def test_effect_forgetting_leaves_no_stale_answers() -> None:
    with_it, without = stale_answers(RuleOrganiser()), stale_answers(RuleOrganiser(forget=False, merge=False))
    print(f"stale answers: {with_it:.3f} with forgetting, {without:.3f} without")
    assert with_it <= 0.02
    assert without >= 0.25


def test_effect_merging_stores_less_and_lists_everything() -> None:
    things = "tea jazz rain chess snow bread maps owls silk ferns".split()
    figures = {}
    for name, organiser in (("merged", RuleOrganiser()), ("apart", RuleOrganiser(merge=False))):
        random, thoughts = Random(4), memory(None, organiser, probes=8)
        liked = {who: random.sample(things, 6) for who in names(100, 14)}
        for at, (who, tail) in enumerate((who, tail) for who, tails in liked.items() for tail in tails):
            thoughts.post_think("", f"I like {tail}.", speaker=who, at=at)
        listed = []
        for who, tails in liked.items():
            found = {
                tail
                for one in thoughts.recall(f"What does {who} like?", 5)
                if one.thought.head == who
                for tail in one.thought.tails
            }
            listed.append(len(found & set(tails)) / 6)
        figures[name] = len(thoughts), float(np.mean(listed))
    print(f"thoughts and share of the tails listed: {figures}")
    assert figures["merged"][0] <= 0.4 * figures["apart"][0]
    assert figures["apart"][1] <= 0.85
    assert figures["merged"][1] == 1.0


CHATTER = (
    "What a long day it was, the train was late again and I had forgotten my umbrella at home.", "By the way, did you see the film about the whales?",
    "I slept badly because of the wind and the shutters.", "We should really meet for lunch one of these days.", "The market was full of people.",
    "Anyway, that is how it goes, and there is not much one can do about it.", "Thanks for asking, that is kind of you.",
    "Oh, and the neighbours are repainting the whole staircase.", "It has been ages since we last talked properly, hasn't it?",
)  # fmt: skip


def test_effect_thoughts_answer_more_under_the_same_tokens_than_turns() -> None:
    """A reader that only sees 200 tokens of recalled text, and answers what stands there of the one who is asked about."""
    random, counter, budget = Random(5), WordLlamaTokens(), 200
    people = names(150, 15)
    facts = {name: (random.choice(TOWNS), random.choice(["tea", "jazz", "rain", "chess", "snow"])) for name in people}
    turns: list[tuple[str, str]] = []
    for name, (town, liked) in facts.items():
        for fact in (f"I live in {town}.", f"I like {liked}."):
            before, after = random.sample(CHATTER, 2), random.sample(CHATTER, 2)
            turns.append((name, " ".join([*before, fact, *after])))
    random.shuffle(turns)
    thoughts = memory(probes=8)
    for at, (name, text) in enumerate(turns):
        thoughts.post_think("", text, speaker=name, at=at)
    shown = [f"{name}: {text}" for name, text in turns]
    vectors = EMBEDDER.embed(shown)

    def fitting(texts: Sequence[str]) -> str:
        block = ""
        for text in texts:
            if counter.count(f"{block}{text}\n") > budget:
                break
            block += f"{text}\n"
        return block

    right: dict[str, list[bool]] = {"turns": [], "thoughts": []}
    for name, (town, liked) in facts.items():
        for cue, answer in ((f"Where does {name} live?", town), (f"What does {name} like?", liked)):
            best = np.argsort(-(vectors @ EMBEDDER.embed([cue])[0]))[:50]
            blocks = {
                "turns": fitting([shown[place] for place in best]),
                "thoughts": fitting(as_prompt(thoughts.recall(cue, 50)).split("\n")),
            }
            for kind, block in blocks.items():
                right[kind].append(any(name in line and f" {answer}" in line for line in block.split("\n")))
    lengths = np.mean([counter.count(text) for text in shown]), np.mean([counter.count(one.text) for one in thoughts.thoughts])
    print(
        f"right under {budget} tokens: { ({kind: round(float(np.mean(values)), 3) for kind, values in right.items()}) }; tokens of one: {lengths}"
    )
    assert np.mean(right["thoughts"]) >= np.mean(right["turns"]) + 0.10


# ------------------------------------------------------------------------------------------------- language models
def test_a_model_forgets_and_merges() -> None:
    model = Scripted(
        lambda task, shown: {
            "thoughts": [{"numbers": [2], "text": "Ana lives in Oslo"}, {"numbers": [3, 4], "text": "Ana likes warm drinks"}]
        }
    )
    thoughts = memory(None, ModelOrganiser(model))
    statements = [
        Triple("Ana", "lives in", "Rome"),
        Triple("Ana", "lives in", "Oslo"),
        Triple("Ana", "likes", "tea"),
        Triple("Ana", "likes", "cocoa"),
    ]
    assert thoughts.insert(statements).new == ("Ana lives in Oslo", "Ana likes warm drinks")
    assert "[3] Ana likes tea" in model.asked[0][1].content


@pytest.mark.parametrize(
    "data",
    [None, {}, {"thoughts": []}, {"thoughts": [{"numbers": [1], "text": "One."}]}, {"thoughts": [{"numbers": [1, 2, 3, 9], "text": "x"}]},
     {"thoughts": [{"numbers": [1, 2], "text": "x"}, {"numbers": [2, 3], "text": "y"}]}, {"thoughts": [{"numbers": [1, 2, 3], "text": " "}]},
     {"thoughts": [{"numbers": [], "text": "x"}]}, {"thoughts": [{"numbers": [True, 2, 3], "text": "x"}]}],
)  # fmt: skip
def test_an_answer_that_would_lose_most_or_makes_no_sense_is_refused_and_rules_take_its_place(data: Any) -> None:
    organiser = ModelOrganiser(Scripted(lambda task, shown: data))
    thoughts = memory(None, organiser)
    thoughts.insert([Triple("Ana", "likes", tail) for tail in ("tea", "jazz", "rain", "snow")])
    assert [thought.text for thought in thoughts.thoughts] == ["Ana likes tea, jazz, rain and snow"]
    assert organiser.failures.count == 1


STATEMENT = {"head": "Ana", "relation": "likes", "tail": "tea", "affirmed": True, "one_at_a_time": False}


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"statements": "x"}, {"statements": ["x"]}, {"statements": [{**STATEMENT, "head": ""}]}, {"statements": [{**STATEMENT, "tail": 3}]},
     {"statements": [{**STATEMENT, "affirmed": "yes"}]}, {"statements": [{**STATEMENT, "relation": "x" * 500}]}, {"statements": [{"head": "Ana"}]}],
)  # fmt: skip
def test_statements_of_another_form_are_refused_and_rules_take_their_place(data: Any) -> None:
    assert len(read_statements({"statements": [STATEMENT, STATEMENT]})) == 1
    with pytest.raises(ModelOutputError):
        read_statements(data)
    reader = ModelReader(Scripted(lambda task, shown: data))
    assert [triple.text for triple in reader.read("I like tea.", "Ana", "")] == ["Ana likes tea"]
    assert (reader.failures.asked, reader.failures.count) == (1, 1)


def test_a_model_that_is_gone_leaves_everything_as_it_was() -> None:
    thoughts = memory(None, ModelOrganiser(Scripted(lambda task, shown: ModelError("gone"))))
    thoughts.insert([Triple("Ana", "likes", "tea")])
    for _ in range(2):
        with pytest.raises(ModelError):
            thoughts.insert([Triple("Ben", "likes", "tea"), Triple("Ana", "likes", "jazz")])
        assert [thought.text for thought in thoughts.thoughts] == ["Ana likes tea"]


def test_an_answer_names_each_sentence_once() -> None:
    assert read_kept({"thoughts": [{"numbers": [2, 1], "text": "x"}]}, 2) == [((1, 0), "x")]


# ------------------------------------------------------------------------------------------------- files, bad input
def filled(**options: Any) -> ThoughtMemory:
    thoughts = memory(**options)
    for at, name in enumerate(names(40, 16)):
        thoughts.post_think("", f"I live in {TOWNS[at % 12]}. I like tea and jazz.", speaker=name, source=f"t{at}", at=at)
    return thoughts


def test_saved_thoughts_are_the_same_when_loaded(tmp_path: Path) -> None:
    thoughts = filled()
    thoughts.save(tmp_path / "thoughts")
    assert (tmp_path / "thoughts").stat().st_mode & 0o777 == 0o600
    other = memory()
    other.load(tmp_path / "thoughts")
    assert sorted(thought.text for thought in other.thoughts) == sorted(thought.text for thought in thoughts.thoughts)
    other.forget_source("t3")
    assert len(other) == len(thoughts) - 2
    with pytest.raises(InputError, match="empty memory"):
        other.load(tmp_path / "thoughts")


class Other(StaticEmbedder):
    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        return "other/1"


def test_thoughts_hashed_otherwise_are_refused(tmp_path: Path) -> None:
    filled().save(tmp_path / "thoughts")
    with pytest.raises(EmbedderMismatchError, match="'other/1'"):
        ThoughtMemory(Other()).load(tmp_path / "thoughts")
    with pytest.raises(StoreError, match="seed 0"):
        memory(seed=5).load(tmp_path / "thoughts")
    with pytest.raises(NotFoundError):
        memory().load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "change", [("form", "x"), ("seed", "0"), ("buckets", 7), ("told", [{}]), ("told", 5), ("embedder", None)]
)
def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, change: tuple[str, Any]) -> None:
    path = tmp_path / "thoughts"
    filled().save(path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, change[0]: change[1]}))
    thoughts = memory()
    with pytest.raises((TransferError, EmbedderMismatchError)):
        thoughts.load(path)
    assert len(thoughts) == 0


@given(st.floats(0, 0.999))
def test_a_damaged_file_is_refused(cut: float) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thoughts"
        thoughts = memory()
        thoughts.insert([Triple("Ana", "likes", "tea")])
        thoughts.save(path)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(cut * len(raw))])
        with pytest.raises(LaminaError):
            memory().load(path)


@pytest.mark.parametrize(
    "parts", [("", "likes", "tea"), ("Ana", " ", "tea"), ("Ana", "likes", ""), (None, "likes", "tea"), ("Ana", 3, "tea")]
)
def test_a_thought_without_head_relation_or_tail_is_refused(parts: tuple[Any, Any, Any]) -> None:
    with pytest.raises(InputError, match="needs a head, a relation and a tail"):
        Triple(*parts)


def test_other_nonsense_is_refused() -> None:
    thoughts = memory()
    for options in ({"buckets": 5}, {"probes": 0}, {"limit": 0}, {"buckets": -2}):
        with pytest.raises(InputError):
            memory(**options)
    with pytest.raises(InputError, match="cue"):
        thoughts.recall("")
    with pytest.raises(InputError, match="k must"):
        thoughts.recall("x", 0)
    with pytest.raises(InputError, match="answer"):
        thoughts.post_think("x", "")
    with pytest.raises(InputError):
        RuleOrganiser(cap=0)
