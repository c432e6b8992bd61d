"""Say which numbers of packing fit the data best: `python -m lamina.bench.fit_packer --corpora corpora --data FOLDER`.

Both are fitted by likelihood, which is smooth, where recall at a budget goes up and down by chance: the temperature under which the
hits that answered are the most likely ones, and the sharpness under which the sentences that did are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from lamina.bench.corpora import read_folder
from lamina.bench.filling import Case, cases_of
from lamina.bench.pages import load_hotpot, pages_file
from lamina.bench.ranking.fitting import left_out_rankers
from lamina.bench.ranking.ours import Workbench
from lamina.recall.cue import read_cue
from lamina.recall.excerpts import Excerpts, carried
from lamina.recall.pack import Packer

TEMPERATURES: Final = tuple(round(0.3 + 0.05 * step, 2) for step in range(35))
SHARPNESSES: Final = tuple(round(1.0 + 0.2 * step, 1) for step in range(46))
FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Marked:
    """A text that answers a question: what its sentences carry of the question, and which of them are needed; both (sentences,)."""

    carried: NDArray[np.float64]
    needed: NDArray[np.bool_]


def fit_temperature(cases: Sequence[Case]) -> float:
    """The temperature of `Packer` under which the hits that hold gold texts are the most likely; mean of logs within a question."""
    scored = [([hit.score for hit in case.hits], needed) for case in cases if (needed := case.needed).any()]

    def likelihood(temperature: float) -> float:
        packer = Packer(temperature=temperature)
        return float(np.mean([np.log(np.array(packer.worths(scores))[needed]).mean() for scores, needed in scored]))

    return max(TEMPERATURES, key=likelihood)


def fit_sharpness(texts: Sequence[Marked]) -> float:
    """The sharpness of `Excerpts` under which the needed sentences are the most likely."""

    def likelihood(sharpness: float) -> float:
        excerpts = Excerpts(sharpness=sharpness)
        return float(np.mean([np.log(excerpts.chances(text.carried)[text.needed]).mean() for text in texts]))

    return max(SHARPNESSES, key=likelihood)


def held_by_one(texts: Sequence[Marked], choose: Callable[[Marked], int]) -> float:
    """The mean share of the needed sentences that is the one sentence that `choose` takes."""
    return float(np.mean([text.needed[choose(text)] / text.needed.sum() for text in texts]))


def marked_texts(file: Path) -> list[list[Marked]]:
    """The passages of HotpotQA that answer each question, those of more than one sentence."""
    questions, passages = load_hotpot(file)
    return [_marked(question, passages) for question in questions]


def _marked(question: dict[str, Any], passages: dict[str, list[str]]) -> list[Marked]:
    titles = [title for title, _ in question["context"]]
    shares = dict(zip(titles, carried([passages[title] for title in titles], read_cue(question["question"]).words), strict=True))
    found = []
    for title in dict.fromkeys(title for title, _ in question["supporting_facts"] if title in shares):
        places = {place for named, place in question["supporting_facts"] if named == title}
        needed = np.array([place in places for place in range(len(passages[title]))], np.bool_)
        if len(needed) > 1 and needed.any():
            found.append(Marked(shares[title], needed))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, and say what was found beside what is shipped."""
    parser = argparse.ArgumentParser(description="Fit the numbers of packing on the corpora and on passages of HotpotQA.")
    parser.add_argument("--corpora", type=Path, default=Path("corpora"), help="the folder with conversations/")
    parser.add_argument("--data", type=Path, help="the folder with HotpotQA (default: LAMINA_DATA)")
    given = parser.parse_args(arguments)
    out = Console(highlight=False, soft_wrap=True)
    with Workbench(read_folder(given.corpora / "conversations")) as bench:
        cases = cases_of(bench, {name: ranker for name, (ranker, _) in left_out_rankers(bench).items()})
    left_out = {
        name: fit_temperature([case for other, some in cases.items() if other != name for case in some]) for name in cases
    }
    whole = fit_temperature([case for some in cases.values() for case in some])
    out.print(f"temperature: {whole:g}; without one conversation each: {left_out}; shipped: {Packer().temperature:g}")
    file = pages_file(given.data)
    if file is None:
        out.print("sharpness: no file hipporag/hotpotqa_train.json in the data")
        return
    groups = marked_texts(file)
    texts = [text for group in groups for text in group]
    folds = [
        fit_sharpness([text for place, group in enumerate(groups) if place % FOLDS != fold for text in group])
        for fold in range(FOLDS)
    ]
    shares = {
        "the best sentence": held_by_one(texts, lambda text: int(text.carried.argmax())),
        "the first": held_by_one(texts, lambda text: 0),
        "a random one": float(np.mean([1 / len(text.needed) for text in texts])),
    }
    out.print(
        f"sharpness: {fit_sharpness(texts):g} on {len(texts)} passages; without a fifth of the questions each: {folds}; "
        f"shipped: {Excerpts().sharpness:g}"
    )
    out.print("of what is needed, " + ", ".join(f"{name} holds {100 * share:.0f} %" for name, share in shares.items()))


if __name__ == "__main__":
    main()
