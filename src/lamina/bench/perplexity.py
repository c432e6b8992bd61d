"""How well a model predicts books of some thousand tokens, and beyond its own range, by the way its keys and values are kept.

Each text is read once by each policy, from its beginning, without the chat template. `nats_per_token`: the loss of the tokens after the first `budget`, since before these all policies see the same. "within the
range", "beyond the range": of the positions that the model was made for. Policies as in "needle"; at one budget all that do not see everything attend to as many tokens, and differences are paired by text.

Source of the check: G. Xiao et al., "Efficient Streaming Language Models with Attention Sinks", 2023.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import exp
from pathlib import Path
from typing import Any, Final

import numpy as np

from lamina.algorithms.scorers import bootstrap_interval, paired_bootstrap
from lamina.bench.caches.kept import Kept
from lamina.bench.caches.measuring import Material, Record, loaded
from lamina.bench.caches.policies import check, policy, told
from lamina.bench.index import numbers
from lamina.bench.needle import names_of, shares
from lamina.bench.prose import text_files
from lamina.bench.results import Result, Row
from lamina.bench.table import AGAINST
from lamina.errors import InputError

USUAL: Final = ("full", "window", "random", "int8", "episodic", "episodic-each")
COMPARED: Final = ("full", "window")
PIECE: Final = 256  # tokens whose loss is kept as one number
LEAST: Final = 1024  # tokens of a text


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    policies: Sequence[str] | str = USUAL,
    lengths: Sequence[int | str] | int | str = 2048,
    budgets: Sequence[float] | float = 0.25,
    books: int = 3,
    texts: str | None = None,
    work: str | None = None,
    model: str | None = None,
    precision: str = "bfloat16",
) -> Result:
    """Read `books` stretches of every length with every policy at every budget.

    Parameters: `policies`, `lengths`, `budgets`, `texts`, `work`, `model`, `precision`, as in "needle". Raises `InputError` for what is unknown, and for lengths under 1,024.
    """
    names = names_of(policies)
    check(names)
    if books < 2 or min(numbers(lengths)) < LEAST:
        raise InputError(f"books must be at least 2 and lengths {LEAST}, not {books} and {lengths!r}")
    reader, network = loaded(model, "float32" if precision == "float32" else "bfloat16")
    material, kept, rows = Material(reader.runner, tuple(text_files(texts)), seed), Kept(work, "perplexity"), list[Row]()
    for length in numbers(lengths):
        for budget in shares(budgets):
            tokens = round(budget * length) if budget < 1 else round(budget)
            title = f"{length:,} tokens, {tokens:,} attended"
            found: dict[str, list[Record]] = {name: [] for name in names}
            for number in range(books):
                for name in names:
                    key = {
                        "policy": told(policy(name, tokens)), "model": reader.name, "texts": material.checksum, "seed": seed,
                        "length": length, "number": number,
                    }  # fmt: skip
                    one = kept.get(key)
                    if one is None:
                        progress(f"perplexity: {title}: text {number + 1} of {books}, {name}")
                        one = read(network, policy(name, tokens), stretch(material, length, number))
                        kept.put(key, one)
                    found[name].append(one)
            rows += rows_of(title, found, tokens, reader.context, seed)
    config: dict[str, Any] = {
        "seed": seed, "model": reader.name, "texts": [path.name for path in text_files(texts)] or "made-up prose", "books": books,
        "lengths": numbers(lengths), "budgets": shares(budgets), "policies": names,
    }  # fmt: skip
    return Result("perplexity", "long prose", config, rows)


def stretch(material: Material, length: int, number: int) -> list[int]:
    """So many tokens of prose in a row, after what the model has before any text."""
    prose, ids = material.prose(f"perplexity {length} {number}"), list(material.runner.opening)
    while len(ids) < length:
        ids += material.runner.encode(f" {prose.sentence()}" if ids else prose.sentence())
    return ids[:length]


def read(network: Any, one: Any, ids: Sequence[int]) -> dict[str, Any]:
    """The loss of each piece of a text (network and policy belong to optional libraries); bytes, tokens attended to, seconds of the processor."""
    from lamina.kv.session import Session

    session, start = Session(network, one), time.process_time()
    losses = np.concatenate([[0.0], -session.score(ids)])  # by position; nothing predicts the first token
    pieces = [float(losses[at : at + PIECE].sum()) for at in range(0, len(ids), PIECE)]
    held = session.nbytes()
    seconds = time.process_time() - start
    return {**held, "pieces": pieces, "length": len(ids), "attended": float(session.attended().mean()), "seconds": seconds}


def loss(record: Mapping[str, Any], low: int, high: int) -> float | None:
    """Nats a token of the pieces between two positions; None where there is none.

    >>> loss({"length": 600, "pieces": [256.0, 512.0, 88.0]}, 200, 512)
    2.0
    """
    ends = list(accumulate([PIECE] * len(record["pieces"])))
    chosen = [place for place, end in enumerate(ends) if end - PIECE >= low and end - PIECE < high]
    if not chosen:
        return None
    count = sum(min(ends[place], record["length"]) - ends[place] + PIECE for place in chosen)
    return float(sum(float(record["pieces"][place]) for place in chosen) / count)


def rows_of(title: str, found: Mapping[str, Sequence[Record]], budget: int, context: int, seed: int) -> list[Row]:
    """A row for each policy, over the pieces after the budget; by range, and against the baselines."""
    ranges = {"": (budget, 1 << 60), "within the range": (budget, context), "beyond the range": (max(budget, context), 1 << 60)}
    rows = []
    for name, records in found.items():
        losses = {part: [loss(one, *ends) for one in records] for part, ends in ranges.items()}
        by = {part: _told(values, seed) for part, values in losses.items() if part and None not in values}
        for other in COMPARED:
            if other not in found or other == name:
                continue
            for part, ends in ranges.items():
                theirs = [loss(one, *ends) for one in found[other]]
                if None not in theirs:
                    ours = [value or 0.0 for value in losses[part]]
                    difference = paired_bootstrap(ours, [value or 0.0 for value in theirs], seed=seed)
                    told = {"nats": difference.estimate, "low_nats": difference.low, "high_nats": difference.high}
                    by[f"loss, {AGAINST}{other}{', ' * bool(part)}{part}"] = told
        costs = {
            "attended_tokens": float(np.mean([one["attended"] for one in records])),
            "stored_bytes": float(np.mean([one["stored"] for one in records])),
            "resident_bytes": float(np.mean([one["resident"] for one in records])),
            "processor_seconds": float(np.mean([one["seconds"] for one in records])),
            "texts": float(len(records)),
        }
        rows.append(Row(f"{name}, {title}", {**_told(losses[""], seed), **costs}, by))
    return rows


def _told(values: Sequence[float | None], seed: int) -> dict[str, float]:
    interval = bootstrap_interval([value for value in values if value is not None], seed=seed)
    return {
        "nats_per_token": interval.estimate, "low_nats": interval.low, "high_nats": interval.high, "perplexity": exp(interval.estimate),
    }  # fmt: skip
