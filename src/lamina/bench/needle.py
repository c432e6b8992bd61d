"""Facts hidden in long prose, and what a model still finds of them by the way its keys and values are kept.

A context is read once by each policy; then six questions are asked of it, each of a copy. The chat template is on. One needle of a form, or two that differ in their keys, of which a question
names one. A question counts as `likeliest` where the true answer is likelier than three others (the competing needle's among them), and as `said` where it is what the model says first, by itself.
`attended_tokens`: what the last token before the answer saw, the mean over layers. "outside the window": needles that a plain window of the budget no longer has. Policies: `full`; `window`, the first 16 tokens and the
newest; `snap`, SnapKV, which chooses before it knows the question; `random`, a window and runs of the past drawn by lot; `paged`, pages on disk, of which each question fetches some (Quest); `int8`, everything in 8 bits; `episodic…`, EM-LLM and the variants of its table; `episodic-share` cuts at less surprise and finds events by the share of attention that they would get; `episodic-each` also compares each token that stands for an event by itself, which found most; `episodic-half` does so beside a window of half the budget instead of 256 tokens.
Source of the check: W. Fountas et al., "Human-like Episodic Memory for Infinite Context LLMs", 2024; G. Kamradt's needle in a haystack, 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from lamina.bench.caches.kept import Kept
from lamina.bench.caches.measuring import (
    Material,
    Record,
    against,
    by_place,
    costs,
    loaded,
    nats_against,
    outside,
    record,
    scores,
)
from lamina.bench.caches.policies import check, policy, told
from lamina.bench.index import numbers
from lamina.bench.prose import text_files
from lamina.bench.results import Result, Row
from lamina.bench.table import AGAINST
from lamina.errors import InputError

USUAL: Final = ("full", "window", "snap", "random", "int8", "episodic", "episodic-each")
WORDS: Final = {1: "one needle", 2: "two needles"}
COMPARED: Final = ("full", "window", "random")
"""What every other policy is compared with, where it was measured."""


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    policies: Sequence[str] | str = USUAL,
    lengths: Sequence[int | str] | int | str = 2048,
    budgets: Sequence[float] | float = 0.25,
    needles: Sequence[int] | int | str = (1, 2),
    contexts: int = 2,
    turns: bool = False,
    texts: str | None = None,
    work: str | None = None,
    model: str | None = None,
    precision: str = "bfloat16",
) -> Result:
    """Ask six questions about each of `contexts` contexts, for every length, number of needles, budget and policy.

    Parameters: `policies`, by name; `lengths` of contexts in tokens (4096, 4k); `budgets`, of what is attended to: shares of the length, or tokens from 1 on; `needles`, 1, 2 or both; `turns`, whether questions follow each
    other, with the true answers of those before, instead of each being asked of a copy; `texts`, a
    folder of `*.txt` (default: made-up prose); `work`, a folder that keeps what was measured, so that a run that was stopped goes on (default: none); `model`, a name, a folder or a GGUF file
    (default: the packaged one); `precision`, bfloat16 or float32.
    """
    names = names_of(policies)
    check(names)
    if contexts < 1:
        raise InputError(f"contexts must be at least 1, not {contexts}")
    reader, network = loaded(model, "float32" if precision == "float32" else "bfloat16")
    material = Material(reader.runner, tuple(text_files(texts)), seed)
    kept = Kept(work, "needle")
    rows: list[Row] = []
    for length in numbers(lengths):
        for count in counts(needles):
            for budget in shares(budgets):
                tokens = round(budget * length) if budget < 1 else round(budget)
                title = f"{length:,} tokens, {WORDS[count]}, {tokens:,} attended"
                found: dict[str, list[Record]] = {name: [] for name in names}
                for number in range(contexts):
                    for name in names:  # in turns, so that what else the machine does falls on all alike
                        key = {
                            "policy": told(policy(name, tokens)), "model": reader.name, "texts": material.checksum, "seed": seed,
                            "length": length, "needles": count, "number": number, **({"turns": True} if turns else {}),
                        }  # fmt: skip
                        one = kept.get(key)
                        if one is None:
                            progress(f"needle: {title}: context {number + 1} of {contexts}, {name}")
                            context = material.context(length, count, number)
                            one = record(network, policy(name, tokens), context, reader.runner.decode, turns)
                            kept.put(key, one)
                        found[name].append(one)
                rows += rows_of(title, found, tokens, seed)
    config: dict[str, Any] = {
        "seed": seed, "model": reader.name, "texts": [path.name for path in text_files(texts)] or "made-up prose", "contexts": contexts,
        "lengths": numbers(lengths), "budgets": shares(budgets), "needles": counts(needles), "turns": turns, "policies": list(names), "questions_per_context": 6,
    }  # fmt: skip
    return Result("needle", "facts in prose", config, rows)


def rows_of(title: str, found: dict[str, list[Record]], window: int, seed: int) -> list[Row]:
    """A row for each policy: scores, costs, scores by place, and differences from the baselines."""
    rows = []
    for name, records in found.items():
        answers = [answer for one in records for answer in one["answers"]]
        by = by_place(records, window)
        for other in COMPARED:
            if other in found and other != name:
                by[f"{AGAINST}{other}"] = against(records, found[other], seed)
                by[f"answer, {AGAINST}{other}"] = nats_against(records, found[other], seed)
                far = against(records, found[other], seed, lambda answer, length: outside(answer, length, window))
                by[f"{AGAINST}{other}, outside"] = far
        rows.append(Row(f"{name}, {title}", {**scores(answers), **costs(records)}, by))
    return rows


def names_of(given: Sequence[str] | str) -> list[str]:
    """Names from a list, or from text with commas."""
    return [one.strip() for one in given.split(",")] if isinstance(given, str) else list(given)


def counts(given: Sequence[int] | int | str) -> list[int]:
    """Numbers of needles from a number, a list, or text with commas.

    >>> counts("1,2"), counts(2)
    ([1, 2], [2])
    """
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else given
    found = [int(part) if str(part).strip() in ("1", "2") else 0 for part in parts]
    if 0 in found or not found:
        raise InputError(f"there is one needle of a form, or two that compete, not {given!r}")
    return found


def shares(given: Sequence[float] | float | str) -> list[float]:
    """Budgets from a number, a list, or text with commas; shares below 1, tokens from 1 on.

    >>> shares("0.25,512")
    [0.25, 512.0]
    """
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int | float) else given
    try:
        found = [float(part) for part in parts]
    except ValueError:
        raise InputError(f"budgets are shares or tokens, not {given!r}") from None
    if min(found, default=0) <= 0:
        raise InputError(f"budgets are above 0, not {given!r}")
    return found
