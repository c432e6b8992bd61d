"""Topics: what a forest of them finds, and at what cost, against a flat search and a forest whose leaves are dealt out at random.

In a made-up town (always); on captioned poses of a campus (where the data has a `*forest*.gml` of Embodied-RAG); in long conversations (where LoCoMo is):
there as one more source of candidates, by the ranker as it is shipped, and as the only one. recall@k is counted as in the benchmark `locomo`.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.hierarchy import ForestBuilder, Likeness
from lamina.bench.locomo import collections_of
from lamina.bench.poses import Pose, load_poses
from lamina.bench.ranking.collections import Asked, Collection
from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.ours import asked_at, remember
from lamina.bench.ranking.scoring import DEPTHS, against, recalls, row
from lamina.bench.results import Metrics, Result, Row, find_data, fingerprint
from lamina.bench.town import DISTRICTS, Place, Query, Town
from lamina.consolidation.pipeline import Pipeline
from lamina.episodic.episodes import EpisodeConsolidator
from lamina.index.views import Views
from lamina.memory import Memory
from lamina.recall.recaller import Recaller
from lamina.recall.signals import Signals
from lamina.recall.sources import CandidateSource, Context, Dense, Descent, Lexical, Neighbours, Slots, Time
from lamina.records import Filter, Run
from lamina.scopes import make_scope
from lamina.semantic.forest import CONVERSATION, SemanticForest
from lamina.semantic.topics import Nearby, TopicForest

TOWN: Final = SemanticForest(of="traces", builder=ForestBuilder(Likeness(), threshold=0.85, most=4096))
STRAYS: Final = (0.0, 0.3, 0.4, 0.5)
TOWNS: Final = 5  # made up for each share, since two hundred questions about one town say little
BEAM: Final = 3
ASKED: Final = 300  # names of poses that are looked for
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(minutes=1)  # from one place to the next
AWAY: Final = 45.0  # metres from what is looked for at which the asker stands
DEEP: Final = 50  # candidates of a source that is alone


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None]) -> Result:
    """Measure what there is data for."""
    rows: list[Row] = []
    measured_on = ["a made-up town"]
    for stray in STRAYS:
        progress(f"topics: a town in whose captions {stray:.0%} of the words are of other districts")
        rows += mean_rows([town_rows(Town(stray=stray, seed=TOWNS * seed + number)) for number in range(TOWNS)])
    forest = find_data(data, "embodied", "*forest*.gml")
    if forest is not None and forest.suffix == ".gml":
        progress("topics: poses of a campus")
        rows += pose_rows(load_poses(forest), seed)
        measured_on.append(fingerprint(forest))
    file = find_data(data, "locomo", "locomo*.json")
    if file is not None and file.suffix == ".json":
        progress("topics: conversations")
        rows += conversation_rows(collections_of(file), seed)
        measured_on.append(fingerprint(file))
    config = {
        "seed": seed,
        "beam": BEAM,
        "k": list(DEPTHS),
        "threshold": CONVERSATION.threshold,
        "candidates_of_one_source": DEEP,
    }
    return Result("topics", ", ".join(measured_on), config, rows)


# ------------------------------------------------------------------------------------------------------------- a town
def seen(memory: Memory, places: Iterable[tuple[str, dict[str, float]]]) -> None:
    """Add captions with positions as traces, a minute apart; their origins are their numbers."""
    messages = [
        {"content": text, "metadata": {"position": at}, "session": "walk", "origin": str(n), "at": START + n * STEP}
        for n, (text, at) in enumerate(places)
    ]
    memory.add_many(messages)
    memory.flush()


def town_rows(town: Town) -> list[Row]:
    """A flat search and forests by meaning and place, by one of them, and with shuffled leaves."""
    places, explicit, implicit = town.built()
    with Memory(":memory:", embedder=static(), run=Run(clock=lambda: 0)) as memory:
        seen(memory, ((one.caption, {"x": one.position[0], "y": one.position[1]}) for one in places))
        forests = {"forest": TOWN.builder}
        forests |= {"by place alone": replace(TOWN.builder, likeness=Likeness(meaning=0, place=1))}
        forests |= {"by meaning alone": replace(TOWN.builder, likeness=Likeness(meaning=1, place=0))}
        rows = []
        for name, builder in forests.items():
            stage = replace(TOWN, builder=builder, made_by=f"{TOWN.made_by}, {name}")
            stage.consolidate(memory.store, "", Run())
            found = TopicForest(memory.store, "", stage)
            measured = Townhall(places, explicit, implicit, found)
            if name == "forest":
                rows.append(Row(f"town {town.stray}: flat", measured.flat()))
            rows.append(Row(f"town {town.stray}: {name}", measured.forest()))
            if name == "forest":
                dealt = replace(measured, forest_=found.shuffled(town.seed)).forest()
                rows.append(
                    Row(
                        f"town {town.stray}: shuffled",
                        {name: value for name, value in dealt.items() if name != "districts_named"},
                    )
                )
    return rows


def mean_rows(towns: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of several towns as one: the mean of each figure, and the first hits of each town apart."""
    found = []
    for same in zip(*towns, strict=True):
        means = {name: _mean(row.metrics[name] for row in same) for name in same[0].metrics}
        by = {f"town {number}": {"implicit_hit@1": row.metrics["implicit_hit@1"]} for number, row in enumerate(same, 1)}
        found.append(Row(same[0].system, means, by))
    return found


@dataclass(frozen=True)
class Townhall:
    """What is asked about a town, and how a forest of it answers."""

    places: Sequence[Place]
    explicit: Sequence[Query]
    implicit: Sequence[Query]
    forest_: TopicForest

    def flat(self) -> Metrics:
        """Every caption is compared with the cue."""
        leaves = len(self.forest_.leaves)
        best = {query.text: self._flat(query.text) for query in (*self.explicit, *self.implicit)}
        seen_ = " ".join(self.places[number].caption for number in self._flat("What is this town like, and what is there?")[:10])
        return {
            "implicit_hit@1": _mean(self.places[best[one.text][0]].district == one.district for one in self.implicit),
            "explicit_hit@5": _mean(one.target in best[one.text][:5] for one in self.explicit),
            "districts_named": _named(seen_), "read": 1.0, "leaves": float(leaves),
        }  # fmt: skip

    def _flat(self, cue: str) -> list[int]:
        order = np.argsort(-self.forest_.cosines(_vector(cue))[: len(self.forest_.leaves)], kind="stable")
        return [self._number(int(leaf)) for leaf in order[:10]]

    def _number(self, node: int) -> int:
        return int(self.forest_.nodes[node].origin or 0)

    def forest(self) -> Metrics:
        """Down the forest."""
        leaves = len(self.forest_.leaves)
        answers = [self.forest_.implicit(one.text, _vector(one.text), k=1, beam=BEAM) for one in self.implicit]
        wide = [self.forest_.implicit(one.text, _vector(one.text), k=1, beam=5).read for one in self.implicit]
        found = [self.forest_.explicit(one.text, _vector(one.text), k=5, beam=BEAM).found for one in self.explicit]
        hits = [self.places[int(answer.found[0].item.origin or 0)].district for answer in answers]
        named = " ".join(topic.text for topic in self.forest_.overview(2 * len(DISTRICTS)))
        return {
            "implicit_hit@1": _mean(hit == one.district for hit, one in zip(hits, self.implicit, strict=True)),
            "explicit_hit@5": _mean(
                str(one.target) in [each.item.origin for each in inside] for inside, one in zip(found, self.explicit, strict=True)
            ),
            "districts_named": _named(named),
            "read": _mean(answer.read for answer in answers) / leaves, "read_beam_5": _mean(wide) / leaves, "purity": self.purity(),
            "topics": float(len(self.forest_.topics)),
        }  # fmt: skip

    def purity(self) -> float:
        """The share of leaves that are of the commonest district of their topic."""
        most = total = 0
        for node in range(len(self.forest_.leaves), len(self.forest_.nodes)):
            inside = [
                self.places[self._number(one)].district for one in self.forest_.children[node] if one < len(self.forest_.leaves)
            ]
            most += max((inside.count(one) for one in set(inside)), default=0)
            total += len(inside)
        return most / max(total, 1)


def _named(text: str) -> float:
    """The share of districts of which some word stands in a text."""
    folded = text.lower()
    return _mean(any(word in folded for word in (name, *words)) for name, words in DISTRICTS.items())


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([float(value) for value in values]))


def _vector(cue: str) -> NDArray[np.float32]:
    found: NDArray[np.float32] = static().embed([cue], "query")[0]
    return found


# ------------------------------------------------------------------------------------------------------------- poses
def pose_rows(poses: Sequence[Pose], seed: int) -> list[Row]:
    """The names of poses are looked for among the captions: flat, by descent, and ranked by nearness too."""
    chance = random.Random(seed)
    asked = chance.sample(range(len(poses)), min(ASKED, len(poses)))
    with Memory(":memory:", embedder=static(), run=Run(clock=lambda: 0)) as memory:
        seen(memory, ((one.caption, {"latitude": one.latitude, "longitude": one.longitude}) for one in poses))
        TOWN.consolidate(memory.store, "", Run())
        forest = TopicForest(memory.store, "", TOWN)
        rows = []
        for beam in (3, 5, 10):
            answers = [forest.implicit(poses[one].name, _vector(poses[one].name), k=10, beam=beam, share=0.0) for one in asked]
            hits = _mean(
                str(one) in [hit.item.origin for hit in answer.found] for one, answer in zip(asked, answers, strict=True)
            )
            rows.append(
                Row(f"poses: beam {beam}", {"hit@10": hits, "read": _mean(answer.read for answer in answers) / len(poses)})
            )
        turns = [chance.uniform(0, 2 * np.pi) for _ in asked]
        for name, reach in (
            ("flat", None),
            ("flat and near, 5 km", 5000.0),
            ("flat and near, half across", 0.0),
            ("flat and near, 200 m", 200.0),
        ):
            near: list[bool] = []
            for one, turn in zip(asked, turns, strict=True):
                nearby = None if reach is None else Nearby(_beside(poses[one], turn), reach or None)
                found = forest.explicit(poses[one].name, _vector(poses[one].name), k=10, beam=1, nearby=nearby).found
                near.append(str(one) in [hit.item.origin for hit in found])
            rows.append(Row(f"poses: {name}", {"hit@10": _mean(near), "read": 1.0}))
    return rows


def _beside(pose: Pose, turn: float) -> tuple[float, float]:
    """A point `AWAY` metres from a pose."""
    degree = 111_195.0
    return (
        pose.latitude + AWAY * float(np.sin(turn)) / degree,
        pose.longitude + AWAY * float(np.cos(turn)) / (degree * float(np.cos(np.radians(pose.latitude)))),
    )


# ------------------------------------------------------------------------------------------------------ conversations
@dataclass(frozen=True)
class TopicDescent:
    """A source of candidates: the traces in the episodes that a descent of the topics comes to."""

    forest: TopicForest
    beam: int = 5

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots of the traces, those of the best episodes first."""
        if signals.cue.vector is None:
            return np.empty(0, np.int64)
        answer = self.forest.implicit("", signals.cue.vector, k=len(self.forest.leaves), beam=self.beam)
        places = {item.key: place for place, item in enumerate(self.forest.leaves.items)}
        keys = [key for one in answer.found for key in self.forest.leaves.inside[places[one.item.key]]]
        slots = signals.view.slots_of(keys[:k])
        return np.asarray(slots[signals.allowed[slots]], np.int64)


def conversation_rows(collections: Sequence[Collection], seed: int) -> list[Row]:
    """The ranker as it is shipped with and without topics as a source; and what single sources propose."""
    now = asked_at(collections)
    found: dict[str, dict[str, list[list[str]]]] = {}
    stage = SemanticForest()
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory(Path(folder) / "memory.db", embedder=static(), run=Run(clock=lambda: now)) as memory,
    ):
        remember(memory, collections)
        Pipeline(stages=(EpisodeConsolidator(), stage)).run(memory.store, "*", Run(clock=lambda: now))
        memory.flush()
        views, store = Views(memory.store), memory.store
        for one in collections:
            forest = TopicForest(store, make_scope(user=one.name), stage)
            usual: list[CandidateSource] = [Lexical(), Dense(), Neighbours(), Context(), Descent(store), Time()]
            down, dealt = TopicDescent(forest), TopicDescent(forest.shuffled(seed))
            systems: dict[str, list[CandidateSource]] = {
                "conversations: no topics": usual, "conversations: topics": [*usual, down], "conversations: shuffled topics": [*usual, dealt],
                "only dense": [Dense()], "only episodes": [Descent(store)], "only topics": [down], "only shuffled topics": [dealt],
            }  # fmt: skip
            for name, sources in systems.items():
                recaller = Recaller(store, views, static, Run(clock=lambda: now), sources=sources)
                where = Filter(scope=make_scope(user=one.name), kinds=("trace",))
                ranked = [_rank(recaller, asked, where, DEEP if name.startswith("only") else 0) for asked in one.questions]
                found.setdefault(name, {})[one.name] = ranked
    values = {name: recalls(rankings, collections) for name, rankings in found.items() if not name.startswith("only")}
    rows = []
    for name, scores in values.items():
        made = row(name, scores, collections)
        rivals = {other: rival for other, rival in values.items() if other != name}
        rows.append(Row(name, made.metrics, {**made.by, **against(scores, rivals, seed)}))
    rows += [_proposed(name, rankings, collections) for name, rankings in found.items() if name.startswith("only")]
    return rows


def _rank(recaller: Recaller, asked: Asked, where: Filter, deep: int) -> list[str]:
    """The passages that are found; with `deep`, all of the first so many that are proposed."""
    return [hit.item.origin or "" for hit in recaller.search(asked.text, where, deep or DEPTHS[-1])]


def _proposed(name: str, rankings: dict[str, list[list[str]]], collections: Sequence[Collection]) -> Row:
    """The share of what answers among the candidates of a single source, and how many these were."""
    shares: list[Any] = []
    sizes: list[int] = []
    for one in collections:
        for ranked, asked in zip(rankings[one.name], one.questions, strict=True):
            shares.append(len(asked.gold.intersection(ranked)) / len(asked.gold))
            sizes.append(len(ranked))
    return Row(f"conversations: {name}", {f"proposed@{DEEP}": _mean(shares), "candidates": _mean(sizes)})
