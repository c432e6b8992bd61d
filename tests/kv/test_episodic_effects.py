"""EM-LLM's effects on a real model (SmolLM2-135M-Instruct): where it cuts, what it finds again, and what that is worth.

Needs the packaged model and the evaluation data: pytest -s -m slow tests/kv/test_episodic_effects.py
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")


from lamina.algorithms.boundaries import BoundaryRefinement
from lamina.errors import MissingExtraError
from lamina.kv import Full, Session
from lamina.kv.event_cutting import EventCutter, SurpriseMarks
from lamina.kv.policies.episodic import EpisodicCache
from lamina.models.local import LocalModel

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {
    "n_local": 256,
    "n_init": 16,
    "n_mem": 448,
    "block": 128,
    "max_block": 32,
    "likeness": "share",
    "standing": "each",
}
FACTS = (  # what is said, what is asked, what the answer may be
    ("The dog of the old miller is called {}.", "What is the dog of the old miller called?", "Rufus Bruno Felix Hector Oscar Caesar"),
    ("Professor Lindqvist keeps her notes in the city of {}.", "In which city does Professor Lindqvist keep her notes?", "Lisbon Vienna Dublin Cairo Oslo Madrid"),
    ("The favourite fruit of Captain Moreau is the {}.", "What is the favourite fruit of Captain Moreau?", "mango banana peach lemon cherry melon"),
    ("The painter Valentina uses only one colour, which is {}.", "Which colour does the painter Valentina use?", "purple orange green yellow blue red"),
    ("The password of the chess club is {}.", "What is the password of the chess club?", "elephant umbrella volcano pencil diamond window"),
    ("The museum of clocks will open in the month of {}.", "In which month will the museum of clocks open?", "January March April June October December"),
    ("The brother of Henrietta Blum works as a {}.", "What does the brother of Henrietta Blum work as?", "baker doctor teacher sailor lawyer carpenter"),
    ("The bridge over the river Tamsel is made of {}.", "What is the bridge over the river Tamsel made of?", "stone iron wood glass steel brick"),
)  # fmt: skip
PAIRS = (  # a sentence that the question names, and the one after it, which holds the answer
    ("Everybody in the village had a theory about the locked chest of Aunt Philippa.", "It held nothing but {}, as the carpenter found.", "What was in the locked chest of Aunt Philippa?", "buttons letters feathers coins shells candles"),
    ("The two sons of the ferryman argued about the price of the white horse.", "In the end a stranger paid {} crowns and led it away.", "How many crowns were paid for the white horse of the ferryman?", "seven twelve thirty forty ninety eleven"),
    ("Doctor Ambrosius wanted to see the comet before he died.", "So they carried him up to the {} and waited until midnight.", "Where did they carry Doctor Ambrosius?", "tower roof hill bridge church garden"),
    ("There was a great quarrel about the new flag of the rowing club.", "At last they agreed upon {}, and nobody was content.", "Which colour was the new flag of the rowing club?", "purple orange green yellow blue red"),
    ("The lost parrot of the widow Tessier was seen again after eleven years.", "A sailor had taught it to speak {} on his voyages.", "Which language did the lost parrot of the widow Tessier speak?", "Spanish German Latin Dutch Greek Polish"),
    ("Nobody expected that the clumsy apprentice Jolyon would win the contest.", "He came in first on a borrowed {}, laughing all the way.", "What did the clumsy apprentice Jolyon win the contest on?", "bicycle donkey horse boat sledge camel"),
)  # fmt: skip
TOP = slice(20, 30)
TOLERANCE = 3  # tokens between a cut and a change that count as the same


@pytest.fixture(scope="module")
def local() -> Any:
    try:
        return LocalModel.load(precision="bfloat16", threads=1).runner
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def books(data_root: Path) -> list[list[str]]:
    """The sentences of public-domain books, without what stands before and after them."""
    files = sorted((data_root / "booksort").glob("*.txt"))
    if not files:
        pytest.skip("no books in LAMINA_DATA/booksort")
    return [list(_sentences(one.read_text("utf-8", errors="replace"))) for one in files]


def _sentences(text: str) -> Iterator[str]:
    paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
    body = [one for one in paragraphs if len(one) > 120]
    for one in body[len(body) // 10 : -len(body) // 10]:
        yield from (part for part in re.split(r"(?<=[.!?]) ", one) if len(part) > 20)


# -------------------------------------------------------------------------------------------------------------- boundaries
def _f1(cuts: Sequence[int], true: Sequence[int]) -> float:
    """Of one-to-one pairs within the tolerance, taken from left to right."""
    left, hits = list(true), 0
    for cut in cuts:
        for one in left:
            if abs(cut - one) <= TOLERANCE:
                left.remove(one)
                hits += 1
                break
    return 2 * hits / (len(cuts) + len(true))


def _likeness(similarity: Any, cuts: Sequence[int]) -> float:
    """Mean similarity within events over that across them, of tokens up to 64 apart."""
    rows = len(similarity)
    event = np.searchsorted(cuts, np.arange(rows), side="right")
    distance = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))
    near = (distance > 0) & (distance <= 64)
    same = np.equal.outer(event, event)
    return float(similarity[near & same].mean() / similarity[near & ~same].mean())


def test_effect_surprise_finds_changes_of_passages(local: Any, books: list[list[str]]) -> None:
    """Passages of 60 to 150 tokens from different books, one after another; the same number of cuts for all."""
    found: dict[str, list[float]] = {}
    for seed in range(3):
        chance, ids, true = random.Random(seed), list[int](), list[int]()
        last = None
        while len(ids) < 2400:
            book = chance.choice([one for one in books if one is not last])
            last, place, passage, size = book, chance.randrange(len(book) - 20), list[int](), chance.randint(60, 150)
            while len(passage) < size:
                passage += local.encode(" " + book[place])
                place += 1
            true.append(len(ids))
            ids += passage[:size]
        true = true[1:]
        session = Session(local.model, Full(block=256))
        surprises = np.concatenate([[np.nan], -session.score(ids)])
        keys = session.cache.stretch()[0][20:].float().permute(2, 0, 1, 3).reshape(len(ids), -1).double()  # type: ignore[attr-defined]
        similarity = np.maximum((keys @ keys.T).numpy(), 0)
        for gamma in (1.0, 2.5):
            marks = SurpriseMarks(gamma, 512).marks(np.array(ids), surprises, 0)
            limit = len(ids) - 64
            cuts, _ = EventCutter(8, 128).cut(0, 0, marks, limit)
            refined, _ = EventCutter(8, 128, BoundaryRefinement("modularity", 8)).cut(
                0, 0, marks, limit, lambda a, b, by=similarity: by[a:b, a:b]
            )
            even = np.linspace(0, limit, len(cuts) + 1)[1:].astype(int).tolist()
            here = [one for one in true if one < limit]
            lots = [sorted(chance.sample(range(1, limit), len(cuts))) for _ in range(5)]
            for name, value in (
                ("events", len(cuts)),
                ("S", _f1(cuts, here)),
                ("SM", _f1(refined, here)),
                ("fixed", _f1(even, here)),
                ("random", float(np.mean([_f1(one, here) for one in lots]))),
                ("likeness S", _likeness(similarity, cuts)),
                ("likeness SM", _likeness(similarity, refined)),
                ("likeness fixed", _likeness(similarity, even)),
                ("likeness random", float(np.mean([_likeness(similarity, one) for one in lots[:2]]))),
            ):
                found.setdefault(f"gamma {gamma}: {name}", []).append(value)
    means = {name: round(float(np.mean(one)), 3) for name, one in found.items()}
    print("\n", *(f"{name}: {one}" for name, one in means.items()), sep="\n")
    assert means["gamma 2.5: S"] >= 1.5 * max(means["gamma 2.5: fixed"], means["gamma 2.5: random"])
    assert means["gamma 1.0: likeness SM"] > means["gamma 1.0: likeness S"]
    assert means["gamma 1.0: likeness SM"] > means["gamma 1.0: likeness fixed"]


# --------------------------------------------------------------------------------------------------------------- retrieval
def _hidden(
    local: Any, book: list[str], facts: Sequence[tuple[str, ...]], tokens: int, seed: int
) -> tuple[list[int], list[Any], list[int]]:
    """Prose of a book in which facts (parts, the last one asked about) lie; the spans of each part; what ends the message."""
    chance = random.Random(seed)
    whole = local.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Read this text, then answer the question.\n\n<text>"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    head, tail = (local.encode(one) for one in whole.split("<text>"))
    start = chance.randrange(len(book) // 2)
    sentences, size = list[list[int]](), 0
    while size < tokens:
        sentences.append(local.encode(" " + book[start + len(sentences)]))
        size += len(sentences[-1])
    places = sorted(chance.sample(range(int(0.75 * len(sentences))), len(facts)))
    ids, spans = list(head), []
    for number, sentence in enumerate(sentences):
        if number in places:
            found = []
            for part in facts[places.index(number)]:
                said = local.encode(" " + part)
                found.append((len(ids), len(ids) + len(said)))
                ids += said
            spans.append(found)
        ids += sentence
    return ids, spans, tail


def _fetched(cache: Any, span: tuple[int, int]) -> list[bool]:
    """In which layers an event was fetched that overlaps with a span."""
    return [any(start < span[1] and end > span[0] for start, end in cache.recalled(layer)) for layer in range(cache.shape.layers)]


def _asked(session: Session, local: Any, question: str, tail: list[int], **fields: Any) -> Session:
    fork = session.fork()
    if fields:
        fork.cache.recall_by(**fields)  # type: ignore[attr-defined]
    fork.encode([*local.encode("\n\nQuestion: " + question), *tail])
    return fork


def test_effect_the_event_with_the_needle_is_fetched(local: Any, books: list[list[str]]) -> None:
    """Eight facts in 3,000 tokens; the share of (layer, question) pairs of the top layers in which the right event was fetched."""
    ways: dict[str, dict[str, Any]] = {"share": {}, "mean": {"likeness": "mean"}, "random": {"retrieval": "random"}}
    found: dict[str, list[Any]] = {}
    for seed in range(3):
        chance = random.Random(seed)
        said = [(fact.format(chance.choice(options.split())),) for fact, _, options in FACTS]
        ids, spans, tail = _hidden(local, books[seed], said, 3000, seed)
        for name, policy in (
            ("events", EpisodicCache.variant("S", **SMALL, gamma=0.5)),
            ("events by mean keys", EpisodicCache.variant("S", **{**SMALL, "standing": "mean"}, gamma=0.5)),
            ("blocks of equal size", EpisodicCache.variant("fixed", **{**SMALL, "max_block": 12})),
        ):
            session = Session(local.model, policy)
            session.encode(ids)
            found.setdefault(f"{name}: tokens", []).extend(end - start for start, end in session.cache.events())  # type: ignore[attr-defined]
            for (_, question, _), [span] in zip(FACTS, spans, strict=True):
                for way, fields in ways.items():
                    hits = _fetched(_asked(session, local, question, tail, **fields).cache, span)
                    found.setdefault(f"{name}, {way}", []).append(np.mean(hits[TOP]))
    means = {name: round(float(np.mean(one)), 3) for name, one in found.items()}
    print("\n", *(f"{name}: {one}" for name, one in means.items()), sep="\n")
    assert means["events, share"] >= 0.8
    assert means["events, share"] > means["events, mean"]
    assert means["events, share"] > means["events by mean keys, share"]
    assert means["events, share"] > 2 * means["events, random"]


def test_effect_contiguity_fetches_what_comes_after_what_was_found(local: Any, books: list[list[str]]) -> None:
    """Answers in the sentence after the one a question names, and in that one itself; equal budgets in all."""
    ways: dict[str, dict[str, Any]] = {"S": {}, "S+C .3": {"contiguity": 0.3}, "S+C .5": {"contiguity": 0.5}}
    found: dict[str, list[float]] = {}
    for seed in range(2):
        chance = random.Random(seed)
        after = [(cue, answer.format(chance.choice(options.split())), question) for cue, answer, question, options in PAIRS]
        inside = [(fact.format(chance.choice(options.split())), question) for fact, question, options in FACTS]
        said = [*(one[:-1] for one in after), *(one[:-1] for one in inside)]
        questions = [one[-1] for one in (*after, *inside)]
        ids, spans, tail = _hidden(local, books[seed], said, 2600, seed)
        session = Session(local.model, EpisodicCache.variant("S", **{**SMALL, "n_mem": 256, "gamma": 0.5}))
        session.encode(ids)
        for number, (question, parts) in enumerate(zip(questions, spans, strict=True)):
            where = "in the event after" if number < len(PAIRS) else "in the event itself"
            for way, fields in ways.items():
                hits = _fetched(_asked(session, local, question, tail, **fields).cache, parts[-1])
                found.setdefault(f"{where}, {way}", []).append(float(np.mean(hits[TOP])))
    means = {name: round(float(np.mean(one)), 3) for name, one in found.items()}
    print("\n", *(f"{name}: {one}" for name, one in means.items()), sep="\n")
    assert means["in the event after, S+C .5"] > means["in the event after, S"]
    assert means["in the event itself, S+C .5"] < means["in the event itself, S"], "what neighbours get, others lack"
    assert means["in the event after, S+C .3"] > means["in the event after, S"]
    assert means["in the event itself, S+C .3"] > means["in the event itself, S"] - 0.1, "the source's share costs little"


# ---------------------------------------------------------------------------------------------------------------- reading
def test_effect_events_make_a_book_less_surprising_than_the_window_alone(local: Any, books: list[list[str]]) -> None:
    ids: list[int] = []
    for sentence in books[1]:
        ids += local.encode(" " + sentence)
        if len(ids) >= 8000:
            break
    found = {}
    for name, policy in (
        ("full", Full(block=256)),
        ("window and events", EpisodicCache.variant("S", **{**SMALL, "gamma": 0.5})),
        ("window alone", EpisodicCache.variant("S", **{**SMALL, "n_mem": 0})),
    ):
        found[name] = float(-Session(local.model, policy).score(ids[:8000])[1000:].mean())
    print("\nnats a token:", {name: round(one, 4) for name, one in found.items()})
    assert found["window and events"] < found["window alone"]
    assert found["window and events"] < found["full"] + 0.1
