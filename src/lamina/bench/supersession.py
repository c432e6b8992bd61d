"""Facts that change: what holds now, what held on a day, and what is taken for a contradiction though it is none.

The histories and controls of `corpora/facts.jsonl`, half of which no rule was written for (`held-out`). Each is added message by message, as it was said, and consolidated. A question is answered right where what holds has all
the words of an accepted answer and none of another answer to the same question of another time; where the answer is "nothing", if nothing holds. `false_supersession` is the share of controls in which anything was superseded, ended or
refuted, or in which what was said first no longer holds as it was said (`lost`: the same by questions).

Controls: the latest mention of an attribute wins, whatever it says and whenever it held; the same rules without corrections and retractions. Where the LoCoMo data is, the facts found in it, and those among them that another one superseded, are counted.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lamina.bench.locomo import collections_of
from lamina.bench.ranking.embedders import static
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.consolidation.pipeline import Pipeline
from lamina.errors import InputError
from lamina.memory import Memory
from lamina.records import Filter, Item, Run
from lamina.semantic.facts import FactStage, facts_of
from lamina.semantic.facts.claims import APPOINTMENT, Claim, key_of, value_key
from lamina.semantic.facts.sessions import read_session
from lamina.semantic.facts.subjects import is_kin, kin_name
from lamina.semantic.facts.timeline import Timeline
from lamina.times import parse_moment

HISTORIES: Final = Path("corpora/facts.jsonl")
GOALS: Final[Mapping[str, float]] = {"now": 0.95, "then": 0.95, "false_supersession": 0.03}
"""At least, at least, at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """What holds of a subject's attribute (any of the names in `attributes`) at a time, as known then; no `answers`: nothing."""

    subject: str
    attributes: tuple[str, ...]
    at: int
    known: int | None
    now: bool
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """Messages in order, and what is asked of them."""

    id: str
    part: str
    kind: str
    control: bool
    messages: tuple[Mapping[str, Any], ...]
    questions: tuple[Question, ...]


Answers = Callable[[Question], list[str]]
"""The values that hold for a question, as a system has them."""


def read_histories(file: Path) -> list[History]:
    """The histories of a file; raises `InputError` where it is not there or a line makes no sense."""
    try:
        return [_history(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}): run this in a checkout, or name the file with --set histories=FILE"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not a file of histories: {error!r}") from None


def _history(row: Mapping[str, Any]) -> History:
    def question(one: Mapping[str, Any]) -> Question:
        subject = one["subject"]
        known = None if one["known"] is None else parse_moment(one["known"]).at
        if is_kin(subject):
            subject = kin_name(next(m["speaker"] for m in row["messages"] if subject.casefold() in m["text"].casefold()), subject)
        at = parse_moment(one["on"] or row["now"]).at
        return Question(subject, tuple(one["attribute"]), at, known, one["on"] is None, tuple(one["answers"]))

    return History(
        row["id"], row["part"], row["kind"], row["control"], tuple(row["messages"]), tuple(map(question, row["questions"]))
    )


def judge(found: Sequence[str], question: Question, others: Sequence[Question]) -> bool:
    """Whether what holds is what is asked for, and nothing of what held at another time."""
    if not question.answers:
        return not found
    wanted = [set(value_key(answer)) for answer in question.answers]
    wrong = {
        word for other in others if (other.subject, other.attributes) == (question.subject, question.attributes)
        for answer in other.answers for word in value_key(answer)
    }  # fmt: skip
    wrong -= set().union(*wanted)
    return any(any(one <= _words(value) for one in wanted) and not wrong & _words(value) for value in found) and len(found) == 1


def _words(value: str) -> set[str]:
    words = set(value_key(value))
    return words | {word.removesuffix("s") for word in words} | {word.rstrip("stndrh") for word in words if word[:1].isdigit()}


# ---------------------------------------------------------------------------------------------------------- systems
class Ours:
    """The stage itself, in a memory into which each message came at the time it was said."""

    def __init__(self, history: History) -> None:
        self._clock = [0]
        self.memory = Memory(":memory:", embedder=static(), run=Run(clock=lambda: self._clock[0]))
        for message in history.messages:
            self._clock[0] = parse_moment(message["at"]).at
            self.memory.add(
                message["text"], speaker=message["speaker"], session=message["session"], at=message["at"], user=history.id
            )
        self.scope = "/" + history.id
        Pipeline((FactStage(),)).run(self.memory.store, self.scope, Run(clock=lambda: self._clock[0]))

    def answers(self, question: Question) -> list[str]:
        """See `Answers`."""
        for attribute in question.attributes:
            facts = facts_of(self.memory.store, self.scope, question.subject, question.at, question.known, attribute=attribute)
            if facts:
                mine = [fact for fact in facts if key_of(fact.data["subject"]) == key_of(question.subject)] or facts
                return [fact.data["value"] for fact in mine]
        return []

    def superseded(self) -> list[Item]:
        """The facts that no longer hold, as far as is known now, and those that were taken back."""
        where = Filter(scope=self.scope, kinds=("fact",), retired=True)
        return [
            item for item in self.memory.store.items.each(where) if item.until is not None or item.data.get("state") == "refuted"
        ]


class Plain:
    """The same claims by a simpler rule: the latest mention wins (`latest`), or without what corrects and retracts."""

    def __init__(self, history: History, latest: bool) -> None:
        self._latest = latest
        traces = [
            Item(f"{place:05d}", "trace", one["text"], parse_moment(one["at"]).at, parse_moment(one["at"]).at, session=one["session"], data={"speaker": one["speaker"]})
            for place, one in enumerate(history.messages)
        ]  # fmt: skip
        sessions = dict.fromkeys(trace.session for trace in traces)
        self.claims = [claim for session in sessions for claim in read_session([one for one in traces if one.session == session])]

    def answers(self, question: Question) -> list[str]:
        """See `Answers`."""
        for attribute in question.attributes:
            said = [
                one
                for one in self.claims
                if one.trace.recorded_at <= (question.known or question.at) and self._about(one, question, attribute)
            ]
            if not said:
                continue
            if self._latest:
                return [said[-1].value] if said[-1].value else []
            timeline = Timeline()
            for claim in self.claims:
                if (
                    self._about(claim, question, attribute)
                    and claim.act == "holds"
                    and (question.known is None or claim.trace.recorded_at <= question.known)
                ):
                    timeline.apply(_uncorrected(claim))
            return [
                span.value
                for span in timeline.spans
                if span.start <= question.at and (span.end is None or question.at < span.end)
            ]
        return []

    def _about(self, claim: Claim, question: Question, attribute: str) -> bool:
        same = claim.attribute == attribute or claim.attribute.startswith(attribute + " ")
        return same and (claim.attribute.startswith(APPOINTMENT) or key_of(claim.subject) == key_of(question.subject))


def _uncorrected(claim: Claim) -> Claim:
    return replace(claim, fixes=False)


# ---------------------------------------------------------------------------------------------------------- scoring
def measure(histories: Sequence[History], system: Callable[[History], Any]) -> tuple[Row, list[str]]:
    """The row of one system, and the histories it got something wrong in, in words."""
    right: dict[str, list[bool]] = {}
    wrong: list[str] = []
    for history in histories:
        one = system(history)
        ended = one.superseded() if isinstance(one, Ours) else []
        lost = False
        for question in history.questions:
            found = one.answers(question)
            good = judge(found, question, history.questions)
            lost = lost or not good
            ask = "now" if question.now else "then"
            if history.control:
                ask = "kept"
            for slot in (ask, f"{history.part}/{ask}", f"{history.part}/{history.kind}/{ask}"):
                right.setdefault(slot, []).append(good)
            if not good:
                wrong.append(
                    f"{history.id} ({history.part}) {ask} {question.subject} {question.attributes}: {found} instead of {question.answers}"
                )
        if history.control:
            for slot in ("false_supersession", f"{history.part}/false_supersession"):
                right.setdefault(slot, []).append(bool(ended) or (not isinstance(one, Ours) and lost))
            if ended:
                wrong.append(f"{history.id} ({history.part}) superseded {[item.text for item in ended]}")
    shares = {slot: sum(values) / len(values) for slot, values in right.items()}
    by: dict[str, dict[str, float]] = {}
    for slot, share in shares.items():
        if "/" in slot:
            part, _, ask = slot.rpartition("/")
            by.setdefault(part, {})[ask] = share
    return Row("", {slot: share for slot, share in shares.items() if "/" not in slot}, by), wrong


def locomo_facts(file: Path, seed: int, sample: int) -> tuple[Row, list[dict[str, str]]]:
    """How many facts are found in real conversations, how many of them were superseded, and a sample of both to be read."""
    counts = {"messages": 0.0, "facts": 0.0, "superseded": 0.0, "ended": 0.0, "refuted": 0.0}
    seen: list[dict[str, str]] = []
    for one in collections_of(file):
        with Memory(":memory:", embedder=static()) as memory:
            memory.add_many([passage.message() for passage in one.passages], user="x")
            Pipeline((FactStage(),)).run(memory.store, "/x", Run())
            facts = facts_of(memory.store, "/x", history=True)
            retired = [
                item
                for item in memory.store.items.each(Filter(scope="/x", kinds=("fact",), retired=True))
                if item.data.get("state") == "refuted"
            ]
            counts["messages"] += len(one.passages)
            counts["facts"] += len(facts)
            counts["refuted"] += len(retired)
            for fact in (*facts, *retired):
                reason = fact.data.get("why", {}).get("because")
                counts["superseded"] += reason in ("newer", "corrected")
                counts["ended"] += reason == "ended"
                cited = memory.store.items.by_key([edge.dst for edge in memory.store.edges.out([fact.key], ["cites"])])
                seen.append(
                    {
                        "fact": fact.text,
                        "why": str(reason),
                        "said": " | ".join(f"{item.speaker}: {item.text}" for item in cited.values()),
                    }
                )
    drawn = random.Random(seed).sample(seen, min(sample, len(seen)))
    return Row("facts of LoCoMo", counts), drawn


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], histories: str | Path = HISTORIES, part: str = "", sample: int = 0
) -> Result:  # fmt: skip
    """Answer the questions; `part`: only of one half; `histories`: the file; `sample`: so many facts of LoCoMo are shown to be read by eye."""
    some = [one for one in read_histories(Path(histories)) if part in ("", one.part)]
    if not some:
        raise InputError(f"{part!r} is no part of the histories: use 'development' or 'held-out'")
    systems: dict[str, Callable[[History], Any]] = {
        "facts": Ours, "latest mention": lambda one: Plain(one, True), "no corrections or retractions": lambda one: Plain(one, False),
    }  # fmt: skip
    rows = []
    for name, system in systems.items():
        progress(f"supersession: {name}")
        row, wrong = measure(some, system)
        rows.append(Row(name, row.metrics, row.by))
        if name == "facts" and part != "held-out":  # what went wrong in the other half is nobody's to look at
            for line in wrong:
                if "(held-out)" not in line:
                    progress(line)
    file = find_data(data, "locomo", "locomo*.json")
    if file is not None:
        progress("supersession: LoCoMo")
        found, drawn = locomo_facts(file, seed, sample)
        rows.append(found)
        for one in drawn:
            progress(json.dumps(one, ensure_ascii=False))
    config = {
        "seed": seed, "goals": dict(GOALS), "histories": sum(not one.control for one in some), "controls": sum(one.control for one in some),
        "questions": sum(len(one.questions) for one in some), "messages": sum(len(one.messages) for one in some),
    }  # fmt: skip
    about = fingerprint(Path(histories)) + (f"; {fingerprint(file)}" if file is not None else "")
    return Result("supersession", about, config, rows)
