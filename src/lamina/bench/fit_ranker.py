"""Write the weights that come with the library: `python -m lamina.bench.fit_ranker --data FOLDER --out parameters.json`.

The weights are fitted on every conversation of a LoCoMo file; only weights are written, none of the data. With several
`--ridges` the one that does best on left-out conversations is taken.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lamina.bench.locomo import collections_of, data_file
from lamina.bench.ranking.fitting import FIXED, RIDGES, choose_ridge, fit, leave_one_out
from lamina.bench.ranking.ours import Workbench
from lamina.bench.ranking.scoring import DEPTHS, recalls
from lamina.bench.results import fingerprint

COMMAND = "python -m lamina.bench.fit_ranker --data FOLDER --out src/lamina/recall/parameters.json"


def fit_parameters(file: Path, ridges: Sequence[float] = RIDGES) -> dict[str, Any]:
    """The content of the parameters file: provenance as text, and the weights by feature."""
    collections = collections_of(file)
    with Workbench(collections) as bench:
        found, _ = leave_one_out(bench, DEPTHS[-1], ridges)
        folds = [bench.groups(collection) for collection in collections]
        ridge = choose_ridge(folds, ridges)
        ranker = fit(folds, ridge)
    means = recalls(found, collections).mean(axis=0)
    figures = " / ".join(f"{100 * value:.1f}" for value in means)
    provenance = (
        f"Listwise linear weights fitted on {sum(len(one.questions) for one in collections)} questions (categories 1-4) about "
        f"{len(collections)} LoCoMo conversations ({', '.join(one.name for one in collections)}; {fingerprint(file)}). The data is "
        "licensed CC BY-NC 4.0 for evaluation and is not part of this package: only the fitted weights are. "
        f"Ridge {ridge:g}{_chosen(ridges)}; not fitted: "
        f"{', '.join(f'{name} = {weight:g}' for name, weight in FIXED.items())}. Cross-validated recall@5/10/20, each conversation "
        f"judged by weights and ridge from the others: {figures}. Made by: {COMMAND}{_option(ridges)}"
    )
    return {"provenance": provenance, "weights": dict(ranker.weights)}


def _chosen(ridges: Sequence[float]) -> str:
    if len(ridges) == 1:
        return ""
    return f" (of {', '.join(f'{one:g}' for one in ridges)}, chosen on left-out conversations)"


def _option(ridges: Sequence[float]) -> str:
    return "" if tuple(ridges) == RIDGES else f" --ridges {' '.join(f'{one:g}' for one in ridges)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, write, and say what was written."""
    parser = argparse.ArgumentParser(description="Fit the ranker's weights on a LoCoMo file and write them as JSON.")
    parser.add_argument("--data", type=Path, help="the LoCoMo file or its folder (default: LAMINA_DATA)")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument(
        "--ridges", type=float, nargs="+", default=RIDGES, help="values of the ridge to choose from, by leaving conversations out"
    )
    given = parser.parse_args(arguments)
    parameters = fit_parameters(data_file(given.data), tuple(given.ridges))
    given.out.write_text(json.dumps(parameters, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    Console().print(parameters["provenance"], highlight=False)


if __name__ == "__main__":
    main()
