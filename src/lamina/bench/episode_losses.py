"""How well a model goes on after episodes that come to it in several ways: read together, put in as saved keys and values, and the controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from lamina.bench.episode_material import EPISODES, Document
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from lamina.kv import Session
    from lamina.kv.saved import SavedText
    from lamina.models.local.episodes import EpisodeCaches

SYSTEM: Final = "You answer questions about records of the past, in the words of the records."
GO_ON: Final = "Go on with the text."
COUNTS: Final = (1, 2, 4, 8)
"""Episodes of a context."""
ANSWER: Final = 32  # tokens of an answer that are looked at
CONTINUATION: Final = 48  # the same of a continuation

JOINT, READING, SAVED, UNTURNED, RANDOM, NONE = "joint", "reading", "saved", "saved, not turned", "random episodes", "no episodes"
UNSHARPENED, JOINT_SHARPENED = "saved, not sharpened", "joint, sharpened"
CONTROLS: Final = (RANDOM, NONE)
VARIANTS: Final = (
    "saved, 4 read again", "saved, 16 read again", "saved, 32 read again", "saved alone", "saved alone, 16 read again",
    "saved behind the system", "bfloat16",
)  # fmt: skip


@dataclass(frozen=True)
class Loss:
    """The loss of one answer, in nats a token, after `count` episodes that came as the row says."""

    document: str
    count: int
    kind: str
    question: int
    row: str
    nats: float


Question = tuple[int, str, str, str, int]
"""Number, kind, text, answer and the tokens of it that are looked at."""
Way: TypeAlias = "tuple[Sequence[SavedText], int, bool, float]"
"""Saved texts, how many of their tokens are read again, whether keys are turned, and what they are multiplied by."""


class Losses:
    """Measures documents. Parameters: `caches` of the model; `others`, saved episodes of other sources for the control; `variants`, more ways of saving."""

    def __init__(self, caches: EpisodeCaches, others: Callable[[Document], Sequence[SavedText]], variants: bool) -> None:
        self._caches, self._others, self._variants = caches, others, variants
        self._runner: Any = caches.model.runner
        self._form = caches.template

    def of(self, document: Document) -> Iterator[Loss]:
        """All losses of a document."""
        ids = [self._form.text(text) for text in document.episodes]
        head, _ = self._form.around(SYSTEM, "")
        begun = self._caches.session()
        begun.encode(head)
        joint: dict[tuple[int, int], Session] = {}
        ways = self._ways(document, head)
        plain = _Plain(self._runner)
        for count in COUNTS:
            for block in range(EPISODES // count):
                span = range(block * count, (block + 1) * count)
                before, new = (begun, span) if count == 1 else (joint[count // 2, 2 * block], span[count // 2 :])
                session = joint[count, block] = before.fork()
                session.encode(list(chain(*(ids[place] for place in new))))
                contexts: dict[str, Session] = {JOINT: session, JOINT_SHARPENED: self._sharpened(session, begun), NONE: begun}
                for name, (saved, again, turned, sharpen) in ways.items():
                    contexts[name] = begun.fork()
                    for place in span:
                        self._caches.put_in(contexts[name], saved[place], saved[place].tokens.tolist(), again, turned, sharpen)
                for asked in _questions(document, span):
                    for name, context in contexts.items():
                        if name in CONTROLS and asked[0] % 2:  # half of the questions tell enough of what is far off
                            continue
                        if name == NONE and count > 1:
                            continue  # it has no episodes, however many there are
                        yield Loss(document.name, count, asked[1], asked[0], name, self._loss(context, asked))
                    if block == 0:
                        texts = "".join(document.episodes[place] for place in span)
                        nats = plain.loss(texts, asked, self._form)
                        yield Loss(document.name, count, asked[1], asked[0], READING, nats)

    def _sharpened(self, session: Session, begun: Session) -> Session:
        """What was read together, with the keys of the episodes sharpened as those of saved ones are."""
        found, cache = begun.fork(), cast("Any", session.cache)
        keys, values = cache.stretch(begun.length)
        found.preload(keys * self._caches.sharpen, values, begun.length)
        return found

    def _ways(self, document: Document, head: Sequence[int]) -> dict[str, Way]:
        """What is put in by each row."""
        saved, sharpen = [self._caches.made(text) for text in document.episodes], self._caches.sharpen
        ways: dict[str, Way] = {
            SAVED: (saved, 0, True, sharpen), UNSHARPENED: (saved, 0, True, 1.0), UNTURNED: (saved, 0, False, sharpen),
            RANDOM: (self._others(document), 0, True, sharpen),
        }  # fmt: skip
        if not self._variants:
            return ways
        alone, behind = ([self._caches.made(text, before) for text in document.episodes] for before in ((), head))
        again = {f"saved, {count} read again": (saved, count, True, sharpen) for count in (4, 16, 32)}
        sixteen = self._caches.twin("bfloat16")
        return {
            **ways, **again, "saved alone": (alone, 0, True, sharpen), "saved alone, 16 read again": (alone, 16, True, sharpen),
            "saved behind the system": (behind, 0, True, sharpen),
            "bfloat16": ([sixteen.made(text) for text in document.episodes], 0, True, sharpen),
        }  # fmt: skip

    def _loss(self, context: Session, asked: Question) -> float:
        _, _, text, answer, most = asked
        _, tail = self._form.around(SYSTEM, text)
        said = self._form.text(answer)[:most]
        return -float(context.fork().score([*tail, *said])[-len(said) :].mean())


def _questions(document: Document, span: range) -> Iterator[Question]:
    for number, one in enumerate(document.questions):
        if one.place in span:
            yield number, one.kind, one.text, one.answer, ANSWER
    if document.told:
        after = document.episodes[span.stop] if span.stop < EPISODES else document.after
        yield -2 - span.start // len(span), "continuation", GO_ON, after, CONTINUATION


class _Plain:
    """The text read anew by plain transformers, tokens of the whole prompt together; what prompts share is read once."""

    def __init__(self, runner: Any) -> None:
        self._runner, self._session, self._read = runner, runner.session(), list[int]()

    def loss(self, texts: str, asked: Question, form: Any) -> float:
        """The loss of the answer after a prompt with the texts in it."""
        _, _, question, answer, most = asked
        prompt = self._runner.chat([Message("system", SYSTEM), Message("user", form.plain(texts + question))])
        said = form.text(answer)[:most]
        shared = next(
            (n for n, (a, b) in enumerate(zip(self._read, prompt, strict=False)) if a != b), min(len(self._read), len(prompt))
        )
        shared = min(shared, len(prompt) - 1)
        self._session.crop(shared)
        found = self._session.score([*prompt[shared:], *said])[-len(said) :]
        self._read = [*prompt, *said]
        return -float(found.mean())
