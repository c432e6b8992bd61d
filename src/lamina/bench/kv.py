"""What a cache of keys and values finds at equal memory, beside the presses of kvpress, and how fast reading through one is.

`parts=equal`: contexts with needles as in "needle", read once by every system at every share of the bytes that all keys and values take in 16 bits; the question comes afterwards, so none of them has
seen it when it decides what to keep. Three columns say what a system costs: `stored_bytes` wherever they lie (in a file, too), `resident_bytes` in the model's memory, and `attended_tokens`. Ours: `window`; `snap`, SnapKV, and `snap-int8`, the same
of twice as many tokens in 8 bits; `rehearsed`, what saying the text again needs (KVzip), in 8 bits, and `rehearsed-16`, the same in 16; `paged`, everything in 8 bits in a mapped file, from which pages are fetched (Quest); `episodic`, EM-LLM. Theirs, of kvpress 0.5.5 by an interpreter of its own (`kvpress=PYTHON`): StreamingLLM, SnapKV, ExpectedAttention, KVzip, Knorm, as their
defaults are. KVzip there masks what it drops; what it would hold is counted. `best of ours` has at each share the policy named by `best`, chosen beforehand, against each of theirs.

`parts=timing`: reading a text and going on token by token with the policy that keeps everything, against the same model of transformers by itself, in turns; medians of the processor's seconds.

Sources of the check: Y. Li et al., "SCBench: A KV Cache-Centric Analysis of Long-Context Methods", 2024; kvpress (NVIDIA), version 0.5.5.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

from lamina.bench.caches.equal import OURS, PRESSES, Press
from lamina.bench.caches.kept import Kept
from lamina.bench.caches.measuring import Material, Record, against, by_place, costs, loaded, nats_against, record, scores
from lamina.bench.caches.policies import told
from lamina.bench.index import numbers
from lamina.bench.needle import WORDS, counts, names_of, shares
from lamina.bench.prose import text_files
from lamina.bench.results import Result, Row
from lamina.bench.table import AGAINST
from lamina.errors import InputError

PARTS: Final = ("equal", "timing")
STEPS: Final = 16  # tokens that are said when decoding is timed


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    parts: Sequence[str] | str = PARTS,
    policies: Sequence[str] | str = ("snap-int8", "paged", "rehearsed"),
    presses: Sequence[str] | str = tuple(PRESSES),
    best: str = "rehearsed",
    lengths: Sequence[int | str] | int | str = 1024,
    budgets: Sequence[float] | float = (0.5, 0.25, 0.125),
    needles: Sequence[int] | int | str = 1,
    contexts: int = 2,
    rounds: int = 3,
    kvpress: str = "",
    texts: str | None = None,
    work: str | None = None,
    model: str | None = None,
    precision: str = "bfloat16",
) -> Result:
    """Measure the parts named.

    Parameters: `parts`: equal, timing; `policies` of ours and `presses` of kvpress, by name; `best`, the policy that is compared with each press; `budgets`, shares of the bytes in 16 bits; `kvpress`, an
    interpreter that has kvpress 0.5.5 (without one its presses are left out); `rounds` of timing; the others as in "needle". Raises `InputError` for what is unknown.
    """
    wanted, ours, theirs = names_of(parts), names_of(policies), names_of(presses)
    for name, known in [
        *((one, PARTS) for one in wanted),
        *((one, OURS) for one in (*ours, best)),
        *((one, PRESSES) for one in theirs),
    ]:
        if name not in known:
            raise InputError(f"{name!r} is unknown to this benchmark: use {', '.join(known)}")
    if min(contexts, rounds) < 1 or max(shares(budgets)) >= 1:
        raise InputError(
            f"contexts and rounds are 1 or more and budgets shares below 1, not {contexts}, {rounds} and {budgets!r}"
        )
    skipped = ""
    if not (peers and kvpress):
        skipped = "kvpress: no interpreter named that has it (kvpress=PYTHON)" if peers else "kvpress: not asked for"
    elif not Path(kvpress).exists():
        skipped = f"kvpress: there is no {kvpress}"
    reader, network = loaded(model, "float32" if precision == "float32" else "bfloat16")
    material, rows = Material(reader.runner, tuple(text_files(texts)), seed), list[Row]()
    versions: dict[str, Any] = {}
    with ExitStack() as stack:
        if "equal" in wanted:
            press = None if skipped else stack.enter_context(Press(kvpress, str(network.name_or_path), precision))
            versions = press.versions if press else {}
            measuring = Measuring(material, network, reader.name, press, Kept(work, "kv"), progress)
            for length in numbers(lengths):
                for count in counts(needles):
                    for share in shares(budgets):
                        found = measuring.equal(length, count, share, contexts, ours, theirs if press else [])
                        title = f"{length:,} tokens, {WORDS[count]}, {100 * share:g} % of the bytes"
                        rows += rows_of(title, found, best, round(share * length), seed)
        if "timing" in wanted:
            for length in numbers(lengths):
                rows.append(timing(network, list(material.context(length, 1, 0).ids), rounds, progress))
    config = {
        "seed": seed, "model": reader.name, "texts": [path.name for path in text_files(texts)] or "made-up prose", "contexts": contexts, "parts": wanted,
        "lengths": numbers(lengths), "budgets": shares(budgets), "needles": counts(needles), "policies": ours, "presses": theirs, "best": best, "rounds": rounds,
        "threads": 1, "versions": versions, "skipped": [skipped] if skipped else [],
    }  # fmt: skip
    return Result("kv", "facts in prose", config, rows)


class Measuring:
    """Measures systems in turns, and keeps what was measured.

    Parameters: `network`, of an optional library; `press`, kvpress where it is there.
    """

    def __init__(
        self, material: Material, network: Any, name: str, press: Press | None, kept: Kept, say: Callable[[str], None]
    ) -> None:
        self.material, self.network, self.name, self.press, self.kept, self.say = material, network, name, press, kept, say

    def equal(
        self, length: int, needles: int, share: float, contexts: int, ours: Sequence[str], theirs: Sequence[str]
    ) -> dict[str, list[Record]]:
        """What every system made of every context."""
        from lamina.kv.shape import ModelShape

        shape = ModelShape.of(self.network)
        room = round(share * length * shape.token_bytes)
        found: dict[str, list[Record]] = {name: [] for name in ("full", *ours, *theirs)}
        for number in range(contexts):
            for name in found:
                how: dict[str, Any] = {"press": PRESSES[name], "share": share} if name in theirs else {}
                policy = None if how else self._policy(name, room, length, shape)
                key = {
                    "policy": how if policy is None else told(policy), "model": self.name, "texts": self.material.checksum, "seed": self.material.seed,
                    "length": length, "needles": needles, "number": number,
                }  # fmt: skip
                one = self.kept.get(key)
                if one is None:
                    self.say(f"kv: {length:,} tokens, {100 * share:g} %: context {number + 1} of {contexts}, {name}")
                    context, decode = self.material.context(length, needles, number), self.material.runner.decode
                    if policy is not None:
                        one = record(self.network, policy, context, decode)
                    else:
                        assert self.press is not None  # they are asked for where it is there alone
                        one = self.press.record(PRESSES[name], share, context, decode)
                    self.kept.put(key, one)
                found[name].append({**one, "room": room})
        return found

    def _policy(self, name: str, room: int, length: int, shape: Any) -> Any:
        if name == "full":
            from lamina.kv.policies.full import Full

            return Full()
        return OURS[name](room, length, shape)


def rows_of(title: str, found: dict[str, list[Record]], best: str, window: int, seed: int) -> list[Row]:
    """A row for each system; the best of ours against each press."""
    rows = []
    for name, records in found.items():
        answers = [answer for one in records for answer in one["answers"]]
        by = by_place(records, window)
        for other in found if name == best else ("full",):
            if other in found and other != name:
                by[f"{AGAINST}{other}"] = against(records, found[other], seed)
                by[f"answer, {AGAINST}{other}"] = nats_against(records, found[other], seed)
        over = {"resident_share": sum(one["resident"] for one in records) / sum(one["room"] for one in records)}
        rows.append(Row(f"{name}, {title}", {**scores(answers), **costs(records), **over}, by))
    return rows


def timing(network: Any, ids: list[int], rounds: int, say: Callable[[str], None]) -> Row:
    """Medians of the processor's seconds, and how many times as long as the model by itself reading through a session takes."""
    from lamina.kv.session import Session

    spent: dict[str, list[float]] = {}
    for number in range(-1, rounds):  # the first round loads what is loaded once, and does not count
        say(f"kv: timing {len(ids):,} tokens, round {number + 1} of {rounds}")
        for name, (read, step) in (("session", _session(Session(network))), ("transformers", _plain(network))):
            start = time.process_time()
            last = read(ids)
            middle = time.process_time()
            for _ in range(STEPS):
                last = step(last)
            if number >= 0:
                spent.setdefault(f"{name}_prefill", []).append(middle - start)
                spent.setdefault(f"{name}_decode", []).append((time.process_time() - middle) / STEPS)
    middles = {f"{name}_seconds": median(values) for name, values in spent.items()}
    ratios = {
        f"{part}_ratio": middles[f"session_{part}_seconds"] / middles[f"transformers_{part}_seconds"]
        for part in ("prefill", "decode")
    }
    return Row(f"timing, {len(ids):,} tokens", {**ratios, **middles, "rounds": float(rounds)})


Read = Callable[[list[int]], int]
Step = Callable[[int], int]


def _session(session: Any) -> tuple[Read, Step]:
    return lambda ids: int(session.extend(ids).argmax()), lambda last: int(session.extend([last]).argmax())


def _plain(network: Any) -> tuple[Read, Step]:
    """The model by itself, as its own library runs it."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=network.config)

    def read(ids: list[int]) -> int:
        with torch.no_grad():
            given = torch.tensor([ids], device=network.device)
            return int(network(input_ids=given, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1].argmax())

    return read, lambda last: read([last])
