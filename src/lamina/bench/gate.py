"""What the write gate takes for junk, and what it does to recall.

Two parts. The labelled messages of `corpora/gate.jsonl`: precision, recall and F1 of what is taken for junk, on the half whose forms no rule was written for
(held-out). Controls: as many taken at random, and the best rule that knows a message's length alone (its bound is chosen on the other half). Then the conversations
(LoCoMo where its data is, else the packaged one): recall@k as `locomo` counts it, of the conversations as they are and with `times` as many junk messages put among
them (the held-out ones, with other numbers, each in a session of its own, so that repetitions help nobody), without the gate, with it, and with as many messages hidden
at random. `evidence_lost` counts turns that answer a question and were hidden.

The labels and the rules are by the same hand: other people's junk looks different, and the share found of it will be lower.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from lamina.bench.demo import collection
from lamina.bench.locomo import collections_of
from lamina.bench.ranking.collections import Collection, Passage
from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.ours import asked_at, passages_of
from lamina.bench.ranking.scoring import DEPTHS, recalls, row
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.errors import InputError
from lamina.keeping.gate import REMEMBERING, RULES, Gate
from lamina.keeping.messages import Draft, read_drafts
from lamina.memory import Memory
from lamina.records import Run

LABELLED: Final = Path("corpora/gate.jsonl")
HELD_OUT: Final = "held-out"
TIMES: Final = 10
"""How many junk messages come with each message of a conversation."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A message, what it is (`kind`), whether that is junk, and what was said before it."""

    part: str
    kind: str
    junk: bool
    draft: Draft
    before: str | None


def read_labelled(file: Path) -> list[Labelled]:
    """The labelled messages of a file; raises `InputError` where it is not there or a line makes no sense."""
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [
            Labelled(
                one["part"], one["kind"], one["label"] == "junk", Draft(one["text"], role=one["role"], session=one["session"]), one.get("before")
            )
            for one in rows
        ]  # fmt: skip
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}): run this in a checkout, or name the file with --set labelled=FILE"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not a file of labelled messages: {error!r}") from None


def verdicts(gate: Gate, messages: Iterable[Labelled]) -> list[str | None]:
    """What a gate says of each message, in order."""
    said: list[str | None] = []
    for number, one in enumerate(messages):
        if one.before is not None:
            gate.learn(Draft(one.before, session=one.draft.session), "", f"before-{number}", None)
        reason = gate.judge(one.draft, "")
        gate.learn(one.draft, "", str(number), reason)
        said.append(reason)
    return said


def scores(taken: Sequence[bool], junk: Sequence[bool]) -> dict[str, float]:
    """Precision, recall and F1 of what was taken for junk, and the share that was.

    >>> scores([True, True, False, False], [True, False, True, False])["f1"]
    0.5
    """
    both = sum(one and other for one, other in zip(taken, junk, strict=True))
    precision, recall = both / max(1, sum(taken)), both / max(1, sum(junk))
    f1 = 2 * precision * recall / (precision + recall) if both else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "share": sum(taken) / max(1, len(taken))}


def _labelled_rows(messages: Sequence[Labelled], seed: int) -> list[Row]:
    said = verdicts(Gate(), messages)
    held = [place for place, one in enumerate(messages) if one.part == HELD_OUT]
    fit = [place for place, one in enumerate(messages) if one.part != HELD_OUT]
    junk = [one.junk for one in messages]
    length = [len(one.draft.text.split()) for one in messages]

    def of(places: Sequence[int], taken: Callable[[int], bool]) -> dict[str, float]:
        return scores([taken(place) for place in places], [junk[place] for place in places])

    by: dict[str, Mapping[str, float]] = {"fit": of(fit, lambda place: said[place] is not None)}
    for rule in (*RULES, *REMEMBERING):
        fired = [place for place in held if said[place] == rule]
        if fired:
            by[f"rule {rule}"] = {"precision": sum(junk[place] for place in fired) / len(fired), "messages": float(len(fired))}
    for kind in dict.fromkeys(messages[place].kind for place in held):
        places = [place for place in held if messages[place].kind == kind]
        by[f"kind {kind}"] = {
            "share": sum(said[place] is not None for place in places) / len(places),
            "messages": float(len(places)),
        }
    bound = max(range(1, 60), key=lambda words: of(fit, lambda place: length[place] < words)["f1"])
    count = sum(said[place] is not None for place in held)
    drawn = [set(random.Random(seed + turn).sample(held, count)) for turn in range(200)]
    chance = [of(held, lambda place, some=some: place in some) for some in drawn]  # type: ignore[misc]
    return [
        Row("gate", of(held, lambda place: said[place] is not None), by),
        Row(f"fewer than {bound} words", of(held, lambda place: length[place] < bound)),
        Row("random", {name: float(np.mean([one[name] for one in chance])) for name in chance[0]}),
    ]


def polluted(one: Collection, junk: Sequence[Draft], times: int, seed: int) -> Collection:
    """A conversation with `times` as many junk messages among its own, at the times of the messages before them."""
    draw = random.Random(f"{seed}/{one.name}")
    passages: list[Passage] = []
    for passage in one.passages:
        passages.append(passage)
        for _ in range(times):
            draft = draw.choice(junk)
            text = re.sub(r"\d", lambda _: str(draw.randrange(10)), draft.text)
            number = len(passages)
            passages.append(Passage(f"junk-{number}", text, None, f"junk-{number}", (), passage.at, draft.role))
    return replace(one, passages=passages)


def _rankings(
    collections: Sequence[Collection], gate: Gate | None, hidden: Mapping[str, set[str]]
) -> tuple[dict[str, list[list[str]]], dict[str, set[str]]]:
    """The rankings for every question, and the messages that were hidden (those given, and those of the gate)."""
    now = asked_at(collections)
    found: dict[str, list[list[str]]] = {}
    gone: dict[str, set[str]] = {}
    with Memory(":memory:", embedder=static(), gate=gate, run=Run(clock=lambda: now)) as memory:
        for one in collections:
            memory.add_many(
                [passage.message() for passage in one.passages if passage.id not in hidden.get(one.name, ())], user=one.name
            )
        memory.flush()
        for one in collections:
            shown = {item.origin for item in memory.store.items.each(_traces_of(one.name))}
            gone[one.name] = {passage.id for passage in one.passages if passage.id not in shown}
            found[one.name] = [passages_of(memory.search(asked.text, k=DEPTHS[-1], user=one.name)) for asked in one.questions]
    return found, gone


def _traces_of(user: str) -> Any:
    from lamina.records import Filter
    from lamina.scopes import make_scope

    return Filter(scope=make_scope(user=user), kinds=("trace",))


def _recall_row(
    name: str, collections: Sequence[Collection], gate: Gate | None, hidden: Mapping[str, set[str]]
) -> tuple[Row, dict[str, set[str]]]:
    found, gone = _rankings(collections, gate, hidden)
    gold = {(one.name, id) for one in collections for asked in one.questions for id in asked.gold}
    own = [(one.name, passage.id) for one in collections for passage in one.passages if not passage.id.startswith("junk-")]
    lost = {pair for pair in gold if pair[1] in gone[pair[0]]}
    total = sum(len(one.passages) for one in collections)
    made = row(name, recalls(found, collections), collections)
    more = {
        "evidence_lost": float(len(lost)), "evidence": float(len(gold)), "hidden": sum(map(len, gone.values())) / total,
        "own_hidden": sum(id in gone[place] for place, id in own) / len(own),
    }  # fmt: skip
    return Row(name, {**made.metrics, **more}, made.by), gone


def as_assistant(collections: Sequence[Collection]) -> dict[str, float]:
    """The strictest look: what the gate would hide if every turn were an assistant's, of whom more is taken for junk than of people."""
    hidden = lost = 0
    for one in collections:
        gate, gold = Gate(), {id for asked in one.questions for id in asked.gold}
        for passage in one.passages:
            [draft] = read_drafts(replace(passage, role="assistant").message())
            reason = gate.judge(draft, "")
            gate.learn(draft, "", passage.id, reason)
            hidden += reason is not None
            lost += reason is not None and passage.id in gold
    return {"own_hidden": hidden / sum(len(one.passages) for one in collections), "evidence_lost": float(lost)}


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    times: int = TIMES,
    labelled: str | Path = LABELLED,
) -> Result:
    """Judge the labelled messages, then rank the conversations; `times`: junk messages for each of theirs; `labelled`: the file."""
    messages = read_labelled(Path(labelled))
    rows = _labelled_rows(messages, seed)
    file = find_data(data, "locomo", "locomo*.json")
    collections = collections_of(file) if file is not None else [collection()]
    junk = [one.draft for one in messages if one.part == HELD_OUT and one.junk and one.kind not in ("repeat", "assent")]
    mixed = [polluted(one, junk, times, seed) for one in collections]
    for what, some in (("as it is", collections), (f"{times}x junk", mixed)):
        progress(f"gate: {what}")
        rows.append(_recall_row(what, some, None, {})[0])
        gated, gone = _recall_row(f"{what}, gate", some, Gate(), {})
        rows.append(gated)
        draw = random.Random(seed)
        everything = [(one.name, passage.id) for one in some for passage in one.passages]
        hidden: dict[str, set[str]] = {}
        for name, id in draw.sample(everything, sum(map(len, gone.values()))):
            hidden.setdefault(name, set()).add(id)
        rows.append(_recall_row(f"{what}, random", some, None, hidden)[0])
    rows.append(Row("as it is, all by assistants", as_assistant(collections)))
    config = {
        "k": list(DEPTHS), "seed": seed, "times": times, "labelled": len(messages), "labelled_held_out": sum(one.part == HELD_OUT for one in messages),
        "messages": sum(len(one.passages) for one in collections), "questions": sum(len(one.questions) for one in collections),
    }  # fmt: skip
    about = fingerprint(file) if file is not None else "the packaged conversation"
    return Result("gate", f"{fingerprint(Path(labelled))}; {about}", config, rows)
