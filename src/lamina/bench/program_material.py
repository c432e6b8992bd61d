"""What the benchmark of programs asks for, and how it judges what was made."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final

from lamina.agents import scripted_code as code
from lamina.agents.evaluators import PythonEvaluator
from lamina.working.files import Snapshot

REQUIREMENTS: Final = 40
SENTENCES: Final = 6
WORDS: Final = 25  # of a sentence in a plan of six

_TASK: Final = "Write the package kit with tests. A line names a module, what its function of x gives, and modules whose results are added.\n"


def drawn(count: int, seed: int) -> list[code.Piece]:
    """Modules in an order in which each uses one or two of those before it (the first two use none)."""
    draw = random.Random(seed)
    pieces: list[code.Piece] = []
    for number in range(1, count + 1):
        uses = draw.sample([piece.name for piece in pieces], min(draw.choice((1, 1, 2)), len(pieces))) if number > 2 else []
        pieces.append(code.Piece(f"m{number}", draw.randrange(2, 10), draw.randrange(1, 100), tuple(sorted(uses))))
    return pieces


def task_of(pieces: Iterable[code.Piece]) -> str:
    """The task of writing these modules."""
    return _TASK + "\n".join(piece.line for piece in pieces)


def right(files: Snapshot, pieces: Sequence[code.Piece], scaled: Sequence[str] = ()) -> float:
    """The share of modules that give what is asked for, in a test that the writer never sees."""
    known = {piece.name: piece for piece in pieces}
    tests = {f"accept/test_{one.name}.py": code.acceptance_text(one, known, one.name in scaled) for one in pieces}
    kept = dict(files.files)
    found = PythonEvaluator().test(Snapshot.of({**kept, **tests}), sorted(tests))
    while found.problems:  # one that does not compile must not stop the others
        kept = {path: text for path, text in kept.items() if path not in {problem.path for problem in found.problems}}
        found = PythonEvaluator().test(Snapshot.of({**kept, **tests}), sorted(tests))
    return sum(found.by_file.get(path, (0, 1)) == (1, 0) for path in tests) / len(pieces)


def requirements(seed: int) -> list[str]:
    """40 requirements, each a sentence with a number of its own."""
    draw = random.Random(seed + 3)
    things = ("limit", "delay", "width", "price", "weight", "quota", "depth", "speed")
    return [
        f"In the {draw.choice(('shop', 'store', 'garden', 'office'))}, the {things[n % 8]}_{n + 1} is {draw.randrange(1000, 9999)}."
        for n in range(REQUIREMENTS)
    ]


def in_sentences(lines: Sequence[str], most: int = SENTENCES, words: int = WORDS) -> str:
    """Requirements in a plan of so many sentences of so many words each: as many as there is room for, in order.

    >>> in_sentences(["In it, the a_1 is 5.", "There, the b_2 is 6.", "Here, the c_3 is 7."], 1, 11)
    'In it, the a_1 is 5, there, the b_2 is 6.'
    """
    told: list[str] = []
    left = [line.rstrip(".") for line in lines]
    for _ in range(most):
        taken: list[str] = []
        while left and len(" ".join([*taken, left[0]]).split()) <= words:
            taken.append(left.pop(0))
        if taken:
            told.append(", ".join([taken[0], *(one[0].lower() + one[1:] for one in taken[1:])]) + ".")
    return " ".join(told)
