"""How much of what answers a question stands in a context of so many tokens.

Counted so: gold turns of LoCoMo that stand in the block as records of their own, verbatim, speaker and captions included, as a share
of the question's gold turns, macro over questions of categories 1 to 4; budgets are counted with the packaged tokenizer, over the
whole block. Every system fills the budget from the same ranking, in the same rendering.

Slices measure other data: the conversation that comes with the package, and long texts, of which LoCoMo has none: pages of HotpotQA
passages, of which single sentences are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench import demo
from lamina.bench.filling import HITS, Case, Fill, cases_of, history_tokens, packed, prefix, recalls, shuffled, skip
from lamina.bench.fit_packer import fit_temperature
from lamina.bench.locomo import collections_of, data_file
from lamina.bench.pages import page_cases, pages_file
from lamina.bench.ranking.collections import Collection
from lamina.bench.ranking.fitting import left_out_rankers
from lamina.bench.ranking.ours import Workbench
from lamina.bench.ranking.scoring import against, row
from lamina.bench.results import Metrics, Result, Row, fingerprint
from lamina.recall.excerpts import Excerpts
from lamina.recall.pack import Packer
from lamina.recall.ranker import shipped_regimes

BUDGETS: Final = (250, 500, 1000, 2000)
"""Tokens of the contexts."""
WHOLE_TEXTS: Final = Packer(excerpts=Excerpts(most=0.0))
"""The library's packing without excerpts."""
WAYS: Final[Mapping[str, Fill]] = {"packed": packed(Packer()), "prefix": prefix, "skip": skip}
"""Ways to fill a budget."""
PAGES: Final = "pages"
"""The slice of the long texts."""
DEMO: Final = "demo"
"""The slice of the conversation that comes with the package, on which nothing was fitted."""
HISTORY: Final = "whole history"

Values = Mapping[str, NDArray[np.float64]]


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    budgets: Sequence[int] = BUDGETS,
    cross_validate: bool = True,
) -> Result:
    """Fill every budget for every question in every way; `cross_validate=False` leaves out what is chosen on other conversations."""
    file = data_file(data)
    collections = collections_of(file)
    chosen: dict[str, float] = {}
    with Workbench(collections) as bench:
        progress("budget: the ranking")
        cases = cases_of(bench, dict.fromkeys([one.name for one in collections], shipped_regimes().turns))
        values = _values(bench, cases, budgets, seed, progress)
        if cross_validate and len(collections) > 2:
            progress("budget: what other conversations would choose")
            left_out = cases_of(bench, {name: ranker for name, (ranker, _) in left_out_rankers(bench).items()})
            chosen = _choose(left_out)
            values |= _left_out(left_out, chosen, budgets)
        history = {one.name: float(history_tokens(bench.items(one))) for one in collections}
    rows = _rows(values, collections, _names(budgets), seed)
    progress("budget: the packaged conversation")
    rows = _with_slice(rows, DEMO, _demo_cases(), WAYS, budgets, seed)
    pages = pages_file(data)
    if pages is not None:
        progress("budget: pages")
        rows = _with_slice(
            rows, PAGES, page_cases(pages, HITS, seed), {**WAYS, "without excerpts": packed(WHOLE_TEXTS)}, budgets, seed
        )
    rows.append(Row(HISTORY, {"tokens": float(np.mean(list(history.values())))}, {n: {"tokens": t} for n, t in history.items()}))
    config = {
        "budgets": list(budgets), "hits": HITS, "seed": seed, "temperature": Packer().temperature,
        "temperature_of_left_out": chosen, "shipped": shipped_regimes().turns.provenance,
        "pages": None if pages is None else fingerprint(pages), "questions": sum(len(one.questions) for one in collections),
    }  # fmt: skip
    return Result("budget", fingerprint(file), config, rows)


def _values(
    bench: Workbench, cases: Mapping[str, Sequence[Case]], budgets: Sequence[int], seed: int, progress: Callable[[str], None]
) -> dict[str, NDArray[np.float64]]:
    """The recalls of each way to fill, in the order of the questions."""
    values = {}
    for name, fill in WAYS.items():
        progress(f"budget: {name}")
        values[name] = np.concatenate([recalls(some, fill, budgets) for some in cases.values()])
    progress("budget: random")
    values["random"] = np.concatenate(
        [recalls(cases[one.name], shuffled(bench.items(one), seed), budgets) for one in bench.collections]
    )
    return values


def _choose(cases: Mapping[str, Sequence[Case]]) -> dict[str, float]:
    """For each conversation the temperature that fits the others, each of which was ranked left out."""
    return {name: fit_temperature([case for other, some in cases.items() if other != name for case in some]) for name in cases}


def _left_out(
    cases: Mapping[str, Sequence[Case]], temperatures: Mapping[str, float], budgets: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    ours = [recalls(some, packed(Packer(temperature=temperatures[name])), budgets) for name, some in cases.items()]
    return {
        "packed-cv": np.concatenate(ours),
        "prefix-cv": np.concatenate([recalls(some, prefix, budgets) for some in cases.values()]),
    }


def _rows(values: Values, collections: Sequence[Collection], names: Sequence[str], seed: int) -> list[Row]:
    """A row for each way; the packed ones are compared with what filled the same rankings."""
    rivals = {"packed": ("prefix", "skip", "random"), "packed-cv": ("prefix-cv",)}
    rows = []
    for name, found in values.items():
        made = row(name, found, collections, names)
        others = {other: values[other] for other in rivals.get(name, ())}
        rows.append(Row(name, made.metrics, {**made.by, **against(found, others, seed, names)}))
    return rows


def _demo_cases() -> list[Case]:
    """The questions about the packaged conversation."""
    with Workbench([demo.collection()]) as bench:
        [cases] = cases_of(bench, {"demo": shipped_regimes().turns}).values()
    return cases


def _with_slice(
    rows: Sequence[Row], part: str, cases: Sequence[Case], fills: Mapping[str, Fill], budgets: Sequence[int], seed: int
) -> list[Row]:
    """Rows with a slice of other data; the packed one compared with all others on it."""
    names = _names(budgets)
    values = {name: recalls(cases, fill, budgets) for name, fill in fills.items()}
    compared = against(values["packed"], {name: found for name, found in values.items() if name != "packed"}, seed, names)
    made = {one.system: one for one in rows}
    for name, found in values.items():
        row = made.get(name, Row(name, {}))
        slices: dict[str, Metrics] = {part: dict(zip(names, found.mean(axis=0).tolist(), strict=True))}
        if name == "packed":
            slices |= {f"{other}, {part}": metrics for other, metrics in compared.items()}
        made[name] = Row(name, row.metrics, {**row.by, **slices})
    return list(made.values())


def _names(budgets: Sequence[int]) -> list[str]:
    """What the recalls at these budgets are called."""
    return [f"recall@{budget}_tokens" for budget in budgets]
