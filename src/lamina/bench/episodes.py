"""Episodes given back to a local model as saved keys and values, against reading them: what it costs and what it loses.

Documents of eight episodes of some 250 tokens each, from books and from conversations (LoCoMo), are asked about with 1, 2, 4 and 8 of them behind a system prompt: the next
sentence of a quoted one, what comes next in the text, and LoCoMo's questions. A figure is the loss of the true answer, in nats a token. Rows: `joint`, all tokens read
together; `reading`, the plain prompt read by plain transformers (on the first episodes of each document); `saved`, episodes that were read apart, kept in 8 bits and put in with
their keys turned and sharpened; `joint, sharpened`, what sharpening alone is worth where all was read together; the controls `saved, not sharpened`, `saved, not turned`, `random episodes` (saved ones of another source) and `no episodes`. `--set variants=true` adds other ways of saving.
Rows that begin with `time` are the seconds, wall and processor, to the first token over some 2,000 tokens that lie in a store.

`--set work=DIR` keeps what was measured there, so that a run which is stopped goes on. Intervals resample documents, not questions.

Source of the check: J. Yao et al., "CacheBlend: Fast Large Language Model Serving for RAG with Cached Knowledge Fusion", 2024, which measures what texts that were read apart lose.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lamina.algorithms.scorers import bootstrap_interval
from lamina.bench.episode_losses import (
    COUNTS,
    JOINT,
    JOINT_SHARPENED,
    NONE,
    RANDOM,
    READING,
    SAVED,
    SYSTEM,
    UNSHARPENED,
    UNTURNED,
    VARIANTS,
    Loss,
    Losses,
)
from lamina.bench.episode_material import EPISODES, Document, books, documents
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.bench.table import AGAINST
from lamina.errors import InputError
from lamina.memory import Memory
from lamina.models.local import LocalModel
from lamina.models.local.episodes import EpisodeCaches
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from lamina.kv.saved import SavedText

DOCUMENTS: Final = 6
REPEATS: Final = 5
BUDGET: Final = 10**9  # bytes that the saved episodes of a run may take
QUESTION: Final = "Who is spoken of first?"
RECORD: Final = "episodes.jsonl"


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], number: int = DOCUMENTS, model: str | None = None, texts: str | None = None,
    precision: str = "bfloat16", variants: bool = False, repeats: int = REPEATS, work: str | None = None,
) -> Result:  # fmt: skip
    """Measure `number` documents with the packaged model (or `model`: a name, a folder or a GGUF file) and time `repeats` prompts.

    `texts`: a folder of books in place of BookSORT's; `precision`, "bfloat16" or "float32"; `work`: a folder that keeps what was measured.
    """
    for name, value, least in (("number", number, 2), ("repeats", repeats, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if precision not in ("bfloat16", "float32"):
        raise InputError(f"precision must be bfloat16 or float32, not {precision!r}")
    reader = LocalModel.load(model, threads=1, precision="bfloat16" if precision == "bfloat16" else "float32")
    material = documents(data, texts, number, seed)
    locomo = find_data(data, "locomo", "locomo*.json")
    config = {
        "seed": seed, "documents": len(material), "model": reader.name, "variants": variants, "repeats": repeats, "system": SYSTEM,
        "sources": sorted({one.source for one in material}), "texts": texts is not None,
    }  # fmt: skip
    record = _Record(None if work is None else Path(work), config)
    with ExitStack() as stack:
        memory = stack.enter_context(Memory(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "episodes.db"))
        caches = EpisodeCaches(reader, memory.store, BUDGET)
        timed = record.timed or record.time(_times(caches, memory, repeats, seed, progress))
        losses = Losses(caches, _others(caches, material, seed), variants)
        for place, document in enumerate(material):
            if document.name not in record.done:
                progress(f"episodes: document {place + 1} of {len(material)}")
                record.add(document.name, list(losses.of(document)))
        token_bytes = {"int8": caches.form.token_bytes, "bfloat16": caches.twin("bfloat16").form.token_bytes}
    rows = [
        *loss_rows(record.losses, seed),
        *time_rows(timed),
        Row("disk", {f"{name}_bytes": float(size) for name, size in token_bytes.items()}),
    ]
    source = "made-up prose" if any(one.source.startswith("prose") for one in material) else "books"
    return Result("episodes", source if locomo is None else f"{source}, {fingerprint(locomo)}", config, rows)


def _others(caches: EpisodeCaches, material: Sequence[Document], seed: int) -> Callable[[Document], Sequence[SavedText]]:
    """For each document eight saved episodes of another source of its kind, drawn from a few that are saved once."""
    pool: dict[tuple[bool, str], list[SavedText]] = {}

    def other(document: Document) -> Sequence[SavedText]:
        named = [one for one in material if one.told == document.told and one.source != document.source] or [
            one for one in material if one.source != document.source
        ]
        if not named:
            named = books((), 4, seed + 1)
        first = named[0]
        key = (first.told, first.source)
        if key not in pool:
            pool[key] = [caches.made(text) for text in first.episodes]
        return random.Random(f"{seed} {document.name}").sample(pool[key], EPISODES)

    return other


# ----------------------------------------------------------------------------------------------------------- time
Times = dict[str, list[list[float]]]
"""Wall and processor seconds of each repetition, by row."""


def _times(caches: EpisodeCaches, memory: Memory, repeats: int, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """The time to the first token: what is saved lies in the files of a store, and their digests are checked."""
    runner: Any = caches.model.runner
    document = books((), 1, seed)[0]
    ids = [memory.add(text.strip())[0] for text in document.episodes]
    from lamina.models.local.saved_episodes import text_of

    texts = [text_of(memory.store, item) for item in memory.store.items.get(ids) if item is not None]
    caches.save(ids)
    head, tail = caches.template.around(SYSTEM, QUESTION)
    tokens = [one for text in texts for one in caches.template.text(text)]
    plain = runner.chat([Message("system", SYSTEM), Message("user", "".join(texts) + QUESTION)])

    def saved() -> object:
        caches.forget_head()
        return caches.prompt(SYSTEM, ids, QUESTION).session.logits()

    ways: dict[str, Callable[[], object]] = {
        "time, reading": lambda: runner.session().extend(plain),
        "time, joint": lambda: caches.session().extend([*head, *tokens, *tail]),
        "time, saved": saved,
        "time, saved, system read before": lambda: caches.prompt(SYSTEM, ids, QUESTION).session.logits(),
    }
    found: Times = {name: [] for name in ways}
    saved()  # what is slow the first time only
    for turn in range(repeats):
        progress(f"episodes: time {turn + 1} of {repeats}")
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            wall, own = time.perf_counter(), time.process_time()
            ways[name]()
            found[name].append([time.perf_counter() - wall, time.process_time() - own])
    return {"tokens": len(tokens), "times": found}


def time_rows(timed: dict[str, Any]) -> list[Row]:
    """Medians, and how many times faster than reading together: the median of the ratios of one turn, and its extremes."""
    rows = []
    base = np.array(timed["times"]["time, joint"])
    for name, pairs in timed["times"].items():
        both = np.array(pairs)
        ratio = base / both
        metrics = {
            "seconds": float(np.median(both[:, 0])),
            "processor_seconds": float(np.median(both[:, 1])),
            "recalled_tokens": float(timed["tokens"]),
        }
        if name not in ("time, joint", "time, reading"):
            for place, clock in enumerate(("faster", "faster_by_processor")):
                one = bootstrap_interval(ratio[:, place])
                metrics |= {clock: float(np.median(ratio[:, place])), f"{clock}_low": one.low, f"{clock}_high": one.high}
        rows.append(Row(name, metrics))
    return rows


# --------------------------------------------------------------------------------------------------------- losses
def loss_rows(losses: Sequence[Loss], seed: int) -> list[Row]:
    """The mean loss of each row, and by the number of episodes and by kind the difference from joint reading, question by question; of controls also that from saved episodes.

    A mean is over all questions; its interval comes from resampling documents. `n` is the number of questions.
    """
    joint, saved = (_by_question(losses, row) for row in (JOINT, SAVED))
    names = [
        name
        for name in (JOINT, JOINT_SHARPENED, READING, SAVED, UNSHARPENED, UNTURNED, RANDOM, NONE, *VARIANTS)
        if any(one.row == name for one in losses)
    ]
    kinds = sorted({one.kind for one in losses})
    rows = []
    for name in names:
        mine = [one for one in losses if one.row == name]
        by: dict[str, dict[str, float]] = {}
        for count in COUNTS:
            for kind in (None, *kinds):
                part = [one for one in mine if one.count == count and kind in (None, one.kind)]
                if part:
                    label = label_of(count) + ("" if kind is None else f", {kind}")
                    by[label] = _against(part, joint, seed, "joint")
                    if kind is None and name not in (JOINT, SAVED, READING) and saved:
                        by[f"{label}, {AGAINST}saved"] = _against(part, saved, seed, "saved")
        rows.append(Row(name, {"nats": float(np.mean([one.nats for one in mine])), "n": float(len(mine))}, by))
    return rows


def label_of(count: int) -> str:
    """What the slice of so many episodes is called.

    >>> label_of(1), label_of(8)
    ('1 episode', '8 episodes')
    """
    return f"{count} episode{'s' if count > 1 else ''}"


ByQuestion = dict[tuple[str, int, str, int], float]


def _by_question(losses: Sequence[Loss], row: str) -> ByQuestion:
    return {(one.document, one.count, one.kind, one.question): one.nats for one in losses if one.row == row}


def _against(part: Sequence[Loss], others: ByQuestion, seed: int, name: str) -> dict[str, float]:
    told: dict[str, list[float]] = {}
    for one in part:
        told.setdefault(one.document, []).append(one.nats - others[one.document, one.count, one.kind, one.question])
    sums, sizes = np.array([sum(values) for values in told.values()]), np.array([len(values) for values in told.values()])
    draws = np.random.default_rng(seed).integers(0, len(sums), size=(10_000, len(sums)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "nats": float(np.mean([one.nats for one in part])), f"{AGAINST}{name}_nats": float(sums.sum() / sizes.sum()),
        "low_nats": float(low), "high_nats": float(high), "n": float(len(part)), "documents": float(len(sums)),
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------- record
class _Record:
    """What was measured, in a file of a line a document where there is a folder for it; another setting's file is refused."""

    def __init__(self, folder: Path | None, config: dict[str, Any]) -> None:
        self._file = None if folder is None else folder / RECORD
        self.losses: list[Loss] = []
        self.done: set[str] = set()
        self.timed: dict[str, Any] | None = None
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if not self._file.exists():
            self._append({"config": config})
        for line in self._file.read_text("utf-8").splitlines():
            try:
                read = json.loads(line)
            except ValueError:  # it was being written when the run was stopped
                continue
            self._take(read, config)

    def _take(self, line: dict[str, Any], config: dict[str, Any]) -> None:
        if "config" in line and line["config"] != config:
            raise InputError(f"{self._file} has rows of another setting: name another folder, or delete it")
        self.timed = line.get("timed", self.timed)
        if "document" in line:
            self.done.add(line["document"])
            self.losses += [Loss(**one) for one in line["losses"]]

    def add(self, document: str, losses: Sequence[Loss]) -> None:
        """Keep the losses of a document."""
        self.losses += losses
        self.done.add(document)
        self._append({"document": document, "losses": [asdict(one) for one in losses]})

    def time(self, timed: dict[str, Any]) -> dict[str, Any]:
        """Keep what was timed."""
        self._append({"timed": timed})
        return timed

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
