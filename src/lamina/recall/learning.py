"""Learning from feedback: the weights of a scope move to where its good hits come first, and no farther than that needs.

Source of the loss: Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach (top-one form). The pull
towards the shipped weights, what is made of a cue without a good hit, and the check on what was left out are this project's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.listwise import RankedList, fit_shift
from lamina.errors import InputError, ReadOnlyError
from lamina.index.flat import top
from lamina.recall.features import FEATURES
from lamina.recall.learned import Learned, digest
from lamina.recall.recaller import Recaller, Survey
from lamina.records import Asked, Run
from lamina.scopes import check_scope, covers
from lamina.storage.feedback import Feedback, feedback_in
from lamina.storage.protocol import Store

L2: Final = 30.0
"""How many cues the shipped weights are worth. Chosen on LoCoMo and the packaged conversation, among 3, 10, 30 and 100."""
CANDIDATES: Final = 100
"""How many of a cue's best candidates the good ones are set against."""
MOST_CUES: Final = 5_000
"""The newest cues that are learned from; what was told of older ones is left out."""
FIRST: Final = 10
"""Among how many hits the good ones should be: what is learned is kept only where more of them are."""
FOLDS: Final = 5
"""In how many parts the cues are left out in turn to see that; with fewer cues nothing is kept."""
BATCH: Final = 256  # cues embedded at once


@dataclass(frozen=True)
class Judged:
    """What was told of one cue: which items (by id) answer it, and which do not; what was told last holds."""

    asked: Asked
    good: frozenset[str]
    bad: frozenset[str]


@dataclass(frozen=True, eq=False)
class Lesson:
    """The candidates of one cue with what should become of them; which of them were told to be `good`, and which `bad`."""

    list: RankedList
    good: NDArray[np.bool_]
    bad: NDArray[np.bool_]

    def outcome(self, shift: NDArray[np.float64]) -> tuple[float, float]:
        """What shifted weights make of it: the share of good hits among the first ten, and the reciprocal rank of the first.

        Without a good hit, the share of bad ones beyond the first ten, and how far the first of them is from the top.
        """
        scores = self.list.scores + self.list.features @ shift
        ranks = np.empty(len(scores), np.int64)
        ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
        if self.good.any():
            mine = ranks[self.good]
            return float((mine < FIRST).mean()), 1 / (1 + float(mine.min()))
        mine = ranks[self.bad]
        return float((mine >= FIRST).mean()), 1 - 1 / (1 + float(mine.min()))


@dataclass(frozen=True)
class Learner:
    """Fits a ranker on the feedback of a scope.

    Parameters: `store`; `recaller`, which sees what the cue saw; `run` (the clock, progress); `l2`, how many cues the shipped
    weights are worth; `candidates`, how many of a cue's best the good hits are set against; `checked`: whether what is
    learned is kept only where it helps with cues that were left out.
    """

    store: Store
    recaller: Recaller
    run: Run
    l2: float = L2
    candidates: int = CANDIDATES
    checked: bool = True

    def learn(self, scope: str) -> Learned:
        """Fit anew on all feedback in a scope and below it; kept for recalls there if it helps, else what was kept before goes.

        Raises `InputError` where there is no feedback that can be learned from. Nothing is then changed.
        """
        if self.store.read_only:
            raise ReadOnlyError(f"{self.store.path} is open for reading only: nothing was learned")
        told = list(feedback_in(self.store, check_scope(scope)))
        judged = judged_cues(told)[-MOST_CUES:]
        lessons = list(self._lessons(judged, scope))
        if not lessons:
            raise InputError(
                f"there is no feedback to learn from in the scope {scope!r}: tell of some hits with feedback()"
                if not told
                else f"none of the {len(told)} items that feedback in {scope!r} is about can be recalled now"
            )
        shift = fit_shift([lesson.list for lesson in lessons], self.l2)
        helps, before, after = left_out(lessons, self.l2)
        learned = Learned(
            scope=scope,
            shift={feature.name: round(float(value), 6) for feature, value in zip(FEATURES, shift, strict=True) if value},
            kept=helps or not self.checked,
            cues=len(lessons),
            good=sum(len(one.good) for one in judged),
            bad=sum(len(one.bad) for one in judged),
            l2=self.l2,
            before=before,
            after=after,
            at=self.run.clock(),
            base=self.recaller.base_print,
            told=digest(told),
        )
        with self.store.transaction():
            if learned.kept:
                self.store.rankers.put(scope, learned.to_json())
            else:
                self.store.rankers.remove(scope)
        return learned

    def _lessons(self, judged: Sequence[Judged], scope: str) -> Iterator[Lesson]:
        """The candidates of each cue as they stand now, with what should become of them."""
        vectors: Sequence[NDArray[np.float32] | None] = ()
        for done, one in enumerate(judged):
            self.run.report("learning", done, len(judged))
            if done % BATCH == 0:
                vectors = self.recaller.vectors([near.asked.cue for near in judged[done : done + BATCH]])
            seen = one.asked.where.scope
            asked = one.asked if covers(scope, seen) else Asked(one.asked.cue, one.asked.where.within(scope=scope), one.asked.now)
            keys = self.store.items.keys_of(sorted(one.good | one.bad))
            with self.recaller.survey(asked, vector=vectors[done % BATCH], also=sorted(keys.values())) as survey:
                made = self._lesson(survey, _keys(one.good, keys), _keys(one.bad, keys))
            if made is not None:
                yield made

    def _lesson(self, survey: Survey, good: set[int], bad: set[int]) -> Lesson | None:
        """One cue's candidates; None where nothing of what was told is among them.

        Features that weigh nothing before are left at that: they were taken out since they help nowhere.
        """
        keys = survey.signals.view.keys[survey.slots]
        is_good = np.isin(keys, sorted(good))
        is_bad = np.isin(keys, sorted(bad)) & ~is_good
        if not (is_good.any() or is_bad.any()):
            return None
        scores = survey.base.score(survey.matrix)
        near = np.zeros(len(keys), np.bool_)
        near[top(scores, self.candidates)] = True
        chosen = near | is_good | is_bad
        target = target_of(scores[chosen], is_good[chosen], is_bad[chosen])
        weighed = survey.base.score(np.eye(survey.matrix.shape[1], dtype=np.float32)) != 0
        if target is None:
            return None
        return Lesson(RankedList(survey.matrix[chosen] * weighed, scores[chosen], target), is_good[chosen], is_bad[chosen])


def target_of(scores: NDArray[np.float32], good: NDArray[np.bool_], bad: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """What share of the attention each candidate should get, shape (candidates,).

    Where some are good, they share all of it. Where it is known only what is bad, the others keep their shares under the
    present scores, and the bad ones get none; None where no others are left.

    >>> target_of(np.zeros(3, np.float32), np.array([True, False, False]), np.array([False, True, False])).tolist()
    [1.0, 0.0, 0.0]
    >>> target_of(np.zeros(3, np.float32), np.zeros(3, bool), np.array([False, True, False])).tolist()
    [0.5, 0.0, 0.5]
    """
    if good.any():
        return np.asarray(good / good.sum(), np.float32)
    if bad.all():
        return None
    shares = np.where(bad, 0.0, np.exp(scores.astype(np.float64) - float(scores[~bad].max())))
    return np.asarray(shares / shares.sum(), np.float32)


def judged_cues(told: Sequence[Feedback]) -> list[Judged]:
    """What was told, by cue and recall, in the order in which each was last told of."""
    cues: dict[str, dict[str, bool]] = {}
    asked: dict[str, Asked] = {}
    for one in told:
        place = repr((" ".join(one.asked.cue.split()), one.asked.where))
        verdicts = cues.pop(place, {})
        verdicts[one.item] = one.good
        cues[place], asked[place] = verdicts, one.asked
    return [
        Judged(
            asked[place],
            frozenset(item for item, good in verdicts.items() if good),
            frozenset(item for item, good in verdicts.items() if not good),
        )
        for place, verdicts in cues.items()
    ]


def left_out(lessons: Sequence[Lesson], l2: float) -> tuple[bool, float | None, float | None]:
    """Whether learning helps with cues that are left out in turn, and the share of what was told that comes out right before
    and after (see `Lesson.outcome`); None with too few cues.

    It helps where more good hits are among the first ten; where none of them crosses that line, where they come earlier.
    """
    if len(lessons) < FOLDS:
        return False, None, None
    nothing = np.zeros(lessons[0].list.features.shape[1])
    before, after = [], []
    parts = [lessons[start::FOLDS] for start in range(FOLDS)]
    for place, part in enumerate(parts):
        others = [one.list for other, some in enumerate(parts) if other != place for one in some]
        shift = fit_shift(others, l2)
        before += [lesson.outcome(nothing) for lesson in part]
        after += [lesson.outcome(shift) for lesson in part]
    gained, earlier = (np.array(after) - np.array(before)).T
    helps = gained.sum() > 1e-9 or (not gained.any() and earlier.sum() > 1e-9)
    return bool(helps), float(np.mean(before, 0)[0]), float(np.mean(after, 0)[0])


def _keys(ids: frozenset[str], keys: Mapping[str, int]) -> set[int]:
    return {keys[id] for id in ids if id in keys}
