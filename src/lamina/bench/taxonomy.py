"""Categories over studies: what is read of generated trees, and what a corrector of assignments is worth.

Made-up reviews (always, see `lamina.bench.studies`): half of them are judged by experts, the other half, of topics never seen, is measured. Where the data of CHIME is
(`raw_generated_hierarchy.csv`): the statistics of its generated trees.

Data: C.-C. Hsu et al., "CHIME: LLM-Assisted Hierarchical Organization of Scientific Studies for Literature Review Support", 2024 (Apache-2.0).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.scoring import difference
from lamina.bench.results import Metrics, Result, Row, find_data, fingerprint
from lamina.bench.studies import Review, Reviews
from lamina.errors import InputError
from lamina.semantic.assignment import Corrector, Example, Judged, Labels, least_fit, pair_score
from lamina.semantic.category_lists import Category, read_categories
from lamina.semantic.organising import Organiser

TOPICS: Final = 60


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], topics: int = TOPICS) -> Result:
    """Measure what there is data for; `topics`, how many reviews are made up."""
    if topics < 4:
        raise InputError(f"topics must be at least 4, half of them to learn from, not {topics}")
    progress("taxonomy: made-up reviews")
    reviews = [Reviews().made(seed * TOPICS + number) for number in range(topics)]
    rows = [*correction_rows(reviews, seed), coherence_row(reviews), organising_row(reviews)]
    measured_on = "made-up reviews"
    file = find_data(data, "chime", "raw_generated_hierarchy.csv")
    if file is not None and file.suffix == ".csv":
        progress("taxonomy: generated trees")
        rows.append(Row("chime: generated trees", statistics(load_trees(file))))
        measured_on += f", {fingerprint(file)}"
    return Result("taxonomy", measured_on, {"seed": seed, "topics": topics}, rows)


# -------------------------------------------------------------------------------------------------------- correction
def correction_rows(reviews: Sequence[Review], seed: int) -> list[Row]:
    """Assignments as they were generated and as they are corrected, under both rules, and a corrector of shuffled labels."""
    examples = [Example(one.generated, one.generated.features(one.claims, static()), one.truth) for one in reviews]
    known, unseen = examples[: len(examples) // 2], examples[len(examples) // 2 :]
    chance = np.random.default_rng(seed)
    mixed = [Example(one.judged, one.features, chance.permutation(one.truth.ravel()).reshape(one.truth.shape)) for one in known]
    systems: dict[str, Callable[[Example], Labels]] = {
        "listed": lambda one: one.judged.listed,
        "listed, along paths": lambda one: one.judged.along_paths(one.judged.listed),
        "listed, upwards": lambda one: one.judged.upwards(one.judged.listed),
    }
    for rule in ("paths", "upwards"):
        fitted = Corrector.fit(known, rule)
        systems[f"corrected, {'along paths' if rule == 'paths' else rule}"] = _labels(fitted)
        if rule == "paths":
            systems["corrected, no rule"] = _unruled(fitted)
    systems["shuffled labels, along paths"] = _labels(Corrector.fit(mixed))
    scores = {name: np.array([pair_score(label(one), one.truth) for one in unseen]) for name, label in systems.items()}
    base = {"paths": scores["listed, along paths"], "upwards": scores["listed, upwards"], "": scores["listed"]}
    rows = []
    for name, values in scores.items():
        metrics = dict(zip(("precision", "recall", "f1"), values.mean(axis=0).tolist(), strict=True))
        labels = [systems[name](one) for one in unseen]
        metrics["edges_violated"] = float(
            np.mean(
                [
                    Judged(one.judged.paths, one.judged.parents, label).violations
                    for one, label in zip(unseen, labels, strict=True)
                ]
            )
        )
        rivals = {"listed": base[""], "listed, along paths": base["paths"]}
        by = {
            f"against {rival}": difference("f1", values[:, 2], other[:, 2], seed)
            for rival, other in rivals.items()
            if name.startswith("corrected")
        }
        rows.append(Row(name, metrics, by))
    return rows


def _labels(fitted: Corrector) -> Callable[[Example], Labels]:
    return lambda one: fitted.labels(one.judged, one.features)


def _unruled(fitted: Corrector) -> Callable[[Example], Labels]:
    return lambda one: fitted.chances(one.features).reshape(one.truth.shape) >= fitted.threshold


# --------------------------------------------------------------------------------------------------------- coherence
def coherence_row(reviews: Sequence[Review]) -> Row:
    """Whether groups with an alien among the siblings are told by their least fit; its threshold is chosen on the first half of the reviews."""
    known, unseen = reviews[: len(reviews) // 2], reviews[len(reviews) // 2 :]
    fits, strange = _groups(known)
    threshold = max(fits.tolist(), key=lambda one: f1_of(fits < one, strange))
    fits, strange = _groups(unseen)
    return Row(
        "incoherent siblings",
        {
            "f1": f1_of(fits < threshold, strange),
            "f1_of_always": f1_of(np.ones_like(strange), strange),
            "share": float(strange.mean()),
        },
    )


def _groups(reviews: Sequence[Review]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    fits, strange = [], []
    for one in reviews:
        centre = static().embed([path[-1] for path in one.generated.paths]).mean(axis=0)
        for names, alien in one.groups:
            fits.append(least_fit(static().embed(list(names)), centre))
            strange.append(alien)
    return np.array(fits), np.array(strange, np.bool_)


def f1_of(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """F1 of one class.

    >>> f1_of(np.array([True, True]), np.array([True, False]))
    0.6666666666666666
    """
    return float(2 * (predicted & truth).sum() / max(int(predicted.sum() + truth.sum()), 1))


# -------------------------------------------------------------------------------------------------------- organising
def organising_row(reviews: Sequence[Review]) -> Row:
    """Trees of clusters against the hidden ones: links and siblings against assignments.

    A category stands for the hidden one whose claims it shares best (F1). A link is right where the lower one's lies in the upper one's; siblings are coherent
    where theirs lie in the one of their parent and none in another; assignments are counted with that hidden category's.
    """
    links: list[bool] = []
    groups: list[bool] = []
    pairs: list[float] = []
    for one in reviews:
        tree = Organiser().organise(one.claims, static().embed(list(one.claims)))
        hidden = {path: frozenset(node.items) for root in one.tree for path, node in root.walk()}
        for root in tree:
            _compare(root, None, hidden, links, groups, pairs)
    metrics = {
        "links_right": float(np.mean(links)),
        "siblings_right": float(np.mean(groups)),
        "assignments_f1": float(np.mean(pairs)),
    }
    return Row("organised by clusters", metrics)


def _compare(node: Category, above: tuple[str, ...] | None, hidden: Mapping[tuple[str, ...], frozenset[int]], links: list[bool], groups: list[bool], pairs: list[float]) -> tuple[str, ...]:  # fmt: skip
    def f1(path: tuple[str, ...]) -> float:
        return 2 * len(hidden[path] & set(node.items)) / (len(hidden[path]) + len(node.items))

    best = max(hidden, key=lambda path: (f1(path), -len(path), path))
    pairs.append(f1(best))
    if above is not None:
        links.append(best[: len(above)] == above)
    below = [_compare(child, best, hidden, links, groups, pairs) for child in node.children]
    if below:
        inside = [path[: len(best)] == best for path in below]
        nested = any(one != other and one[: len(other)] == other for one in below for other in below)
        groups.append(all(inside) and not nested)
    return best


# ----------------------------------------------------------------------------------------------------- generated trees
def load_trees(file: Path) -> dict[str, tuple[Category, ...]]:
    """The trees of each topic, by its id. Raises `InputError` for another file, for a topic that occurs twice and for one that cannot be read."""
    csv.field_size_limit(1 << 24)
    found: dict[str, tuple[Category, ...]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if not {"review_id", "claude_claim_hierarchy"} <= set(reader.fieldnames or ()):
            raise InputError(
                f"{file} is no table of generated hierarchies: it needs the columns review_id and claude_claim_hierarchy"
            )
        for row in reader:
            if row["review_id"] in found:
                raise InputError(f"topic {row['review_id']} stands twice in {file}")
            try:
                found[row["review_id"]] = read_categories(row["claude_claim_hierarchy"])
            except InputError as error:
                raise InputError(f"topic {row['review_id']} of {file}: {error}") from None
    return found


def statistics(topics: Mapping[str, Sequence[Category]]) -> Metrics:
    """Counts of trees, categories, links and depths, and the share of links whose lower category lists what the upper one does not."""
    roots = [tree for trees in topics.values() for tree in trees]
    nodes = [node for root in roots for _, node in root.walk()]
    links = [(node, child) for node in nodes for child in node.children]
    depths = Counter(root.depth for root in roots)
    return {
        "topics": float(len(topics)), "trees": float(len(roots)), "categories": float(len(nodes)), "links": float(len(links)),
        "children_of_inner": len(links) / max(sum(bool(node.children) for node in nodes), 1),
        "links_violated": sum(not set(child.items) <= set(node.items) for node, child in links) / max(len(links), 1),
        **{f"depth_{depth}": float(count) for depth, count in sorted(depths.items())},
    }  # fmt: skip
