"""Write the weights that come with the library: `python -m lamina.bench.fit_ranker --corpora FOLDER --out parameters.json`.

The weights for turns are fitted on the conversations of the project's corpora, those for documents on its passages, its
notes, and whole sessions of its conversations. Only weights are written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from lamina.bench.corpora import read_folder, whole_sessions
from lamina.bench.ranking.fitting import DOCUMENTS, FIXED, WALKED, fit, leave_one_out
from lamina.bench.ranking.ours import Group, Workbench
from lamina.bench.ranking.scoring import DEPTHS, recalls

COMMAND = "python -m lamina.bench.fit_ranker --corpora corpora --out src/lamina/recall/parameters.json"


@dataclass(frozen=True)
class Fitting:
    """How the weights are fitted.

    Parameters: `turns`, `documents`, the ridges of the two regimes; `every`, of how many questions about whole sessions one is
    taken, so that sessions do not outweigh passages and notes; `seed`, of the order in which passages and notes are kept
    (authors write what belongs together one after another, and what stands beside a document must not tell).
    """

    turns: float = 0.3
    documents: float = 0.1
    every: int = 4
    seed: int = 0

    def parameters(self, corpora: Path) -> dict[str, Any]:
        """The content of the parameters file: provenance as text, and weights by regime and feature."""
        conversations, passages = read_folder(corpora / "conversations"), read_folder(corpora / "passages")
        apart = [replace(one, passages=Random(self.seed).sample(list(one.passages), len(one.passages))) for one in passages]
        apart += [whole_sessions(one, self.every) for one in conversations]
        with Workbench(conversations) as bench:
            found, _ = leave_one_out(bench, DEPTHS[-1], (self.turns,))
            turns = fit(_groups(bench), self.turns)
        with Workbench(apart) as bench:
            documents = fit(_groups(bench), self.documents, DOCUMENTS)
        figures = " / ".join(f"{100 * value:.1f}" for value in recalls(found, conversations).mean(axis=0))
        count = sum(len(one.questions) for one in conversations), sum(len(one.questions) for one in apart)
        provenance = (
            f"Listwise linear weights fitted on texts written for this project (corpora, {_digest(corpora)}; Apache-2.0): for turns on "
            f"{count[0]} questions about {len(conversations)} conversations, ridge {self.turns:g}; for documents on {count[1]} questions "
            f"about passages, notes and whole sessions, ridge {self.documents:g}. Not fitted: "
            f"{', '.join(f'{name} = {weight:g}' for name, weight in {**FIXED, **WALKED}.items())}. Recall@5/10/20 of these conversations, each judged "
            f"by weights from the others: {figures}. Made by: {COMMAND}"
        )
        return {"provenance": provenance, "weights": {"turns": dict(turns.weights), "documents": dict(documents.weights)}}


def _groups(bench: Workbench) -> list[list[Group]]:
    return [bench.groups(collection) for collection in bench.collections]


def _digest(corpora: Path) -> str:
    """What the corpora hold, as the start of a SHA-256."""
    total = hashlib.sha256()
    for path in sorted(corpora.rglob("*.jsonl")):
        total.update(path.name.encode() + path.read_bytes())
    return f"sha256 {total.hexdigest()[:16]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, write, and say what was written."""
    parser = argparse.ArgumentParser(description="Fit the ranker's weights on the corpora and write them as JSON.")
    parser.add_argument("--corpora", type=Path, default=Path("corpora"), help="the folder with conversations/ and passages/")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    given = parser.parse_args(arguments)
    parameters = Fitting().parameters(given.corpora)
    given.out.write_text(json.dumps(parameters, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    Console().print(parameters["provenance"], highlight=False)


if __name__ == "__main__":
    main()
