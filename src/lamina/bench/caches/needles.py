"""Facts hidden in prose, and questions about them.

A needle is a sentence that tells one thing about one key. A context holds several needles of different forms, so that several questions can be asked of
one text that is read once; with two of a form, which differ in their keys, a question names one of them and the other competes. Needles are put between sentences, and
where they lie is counted in tokens while the context is put together: nothing is searched for afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lamina.bench.prose import Prose
from lamina.errors import InputError
from lamina.models.protocols import Message

Encode = Callable[[str], list[int]]

NUMBERS: Final = "number"
WORDS: Final = {
    "city": "Lisbon Vienna Dublin Cairo Oslo Madrid Prague Athens".split(),
    "fruit": "mango banana peach lemon cherry melon apple grape".split(),
    "colour": "purple orange green yellow blue red white black".split(),
    "month": "January March April June July October November December".split(),
}


@dataclass(frozen=True)
class Form:
    """How needles of one kind are said and asked for: `lead` goes before the value, `asked` is the question; both have room for a key of `keys`."""

    lead: str
    asked: str
    keys: tuple[str, ...]
    values: str

    def value(self, chance: random.Random) -> str:
        """A value of its kind."""
        return str(chance.randint(10_000, 99_999)) if self.values == NUMBERS else chance.choice(WORDS[self.values])


FORMS: Final = (
    Form("The secret code of the {} is", "What is the secret code of the {}?", ("lighthouse", "windmill", "monastery", "boathouse"), NUMBERS),
    Form("Professor {} keeps her notes in the city of", "In which city does Professor {} keep her notes?", ("Lindqvist", "Okafor", "Tanaka", "Moreau"), "city"),
    Form("The number of the locker of the {} is", "What is the number of the locker of the {}?", ("juggler", "cellist", "surveyor", "pharmacist"), NUMBERS),
    Form("The favourite fruit of Captain {} is the", "What is the favourite fruit of Captain {}?", ("Brandt", "Silva", "Novak", "Quist"), "fruit"),
    Form("The painter {} uses only one colour, which is", "Which colour does the painter {} use?", ("Valentina", "Ludmila", "Rosalind", "Ingrid"), "colour"),
    Form("The museum of {} will open in the month of", "In which month will the museum of {} open?", ("clocks", "buttons", "kites", "umbrellas"), "month"),
)  # fmt: skip
"""Six kinds of needles: two of numbers, four of words."""

OPTIONS: Final = 4  # the true answer and what it may be taken for
INSTRUCTION: Final = "Read this text, then answer the question that follows it."
AGAIN: Final = "\n\nRepeat the text above exactly."
QUESTION: Final = "\n\nQuestion: "


@dataclass(frozen=True)
class Question:
    """A question about one needle.

    `asked`, the tokens from the end of the context up to where the model is to answer; `lead`, those with which the answer begins; `options`, tokens of what may follow, the true answer first, and `answer`
    its text; `start` and `stop`, the needle's first token in the context and the one after its last; `depth`, the slot it was put in.
    """

    asked: tuple[int, ...]
    lead: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    answer: str
    start: int
    stop: int
    depth: float


@dataclass(frozen=True)
class Context:
    """The tokens that are read once, the chat template's beginning among them, and the questions about them.

    `head`: how many come before the text itself; `again`: tokens that ask the model to say it again, up to where it answers;
    `between`: what stands between an answer and the next question.
    """

    ids: tuple[int, ...]
    questions: tuple[Question, ...]
    head: int = 0
    again: tuple[int, ...] = ()
    between: tuple[int, ...] = ()


class Chat(Protocol):
    """What turns text into tokens and knows the form of a conversation: see `lamina.models.local.runner.Runner`."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        ...

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of messages, up to where the answer begins."""
        ...


def around(chat: Chat) -> tuple[list[int], list[int]]:
    """The tokens of the chat template before and after what a user says: what two different messages have in common."""
    one, other = (chat.chat([Message("user", said)]) for said in ("Alpha", "Seven"))
    before = next(place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1)
    after = next(place for place, pair in enumerate(zip(one[::-1], other[::-1], strict=False)) if len(set(pair)) > 1)
    return one[:before], one[len(one) - after :]


def made(chat: Chat, prose: Prose, chance: random.Random, length: int, needles: int = 1) -> Context:
    """A context of `length` tokens with a needle of every form, or two that compete, and a question for each form.

    Depths are evenly spread: needle i of n stands at the sentence that begins nearest to (i + 1/2) / n of the prose, and which stands where is drawn.
    Raises `InputError` where so many tokens have no room for them, and for other numbers of needles than 1 and 2.
    """
    if needles not in (1, 2):
        raise InputError(f"there is one needle of a form, or two that compete, not {needles!r}")
    head, tail = around(chat)
    again = (*chat.encode(AGAIN), *tail)
    head = head + chat.encode(INSTRUCTION + "\n\n")
    said = _said(chance, needles)
    tokens = [chat.encode(f" {one.form.lead.format(one.key)} {one.value}.") for one in said]
    taken = len(head) + sum(map(len, tokens))
    if length < 3 * taken:
        raise InputError(f"{length} tokens are too few for {len(tokens)} needles: take {3 * taken} at least")
    pieces = _pieces(chat.encode, prose, length - taken)
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    slots = [(number + 0.5) / len(tokens) for number in range(len(tokens))]
    places = [_nearest(starts[:-1], slot * starts[-1]) for slot in slots]
    ids, spans = list(head), [(0, 0)] * len(tokens)
    for at, piece in enumerate(pieces):
        for number in [number for number, place in enumerate(places) if place == at]:
            spans[number] = (len(ids), len(ids) + len(tokens[number]))
            ids += tokens[number]
        ids += piece
    questions = [
        _question(chat, tail, said, number, spans[number], slots[number], chance) for number, one in enumerate(said) if one.wanted
    ]
    return Context(tuple(ids), tuple(questions), len(head), again, tuple(_between(chat)))


@dataclass(frozen=True)
class _Needle:
    form: Form
    key: str
    value: str
    wanted: bool  # whether it is asked for


def _between(chat: Chat) -> list[int]:
    """The tokens of the chat template between an answer and what the user says next."""
    one, other = (
        chat.chat([Message("user", "Alpha"), Message("assistant", "Alpha"), Message("user", said)]) for said in ("Alpha", "Seven")
    )
    before = next(place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1)
    first = chat.chat([Message("user", "Alpha")])
    return one[len(first) + len(chat.encode("Alpha")) : before]


def _said(chance: random.Random, needles: int) -> list[_Needle]:
    """What is to be said, in the order of depths."""
    found = []
    for form in FORMS:
        values: list[str] = []
        while len(values) < needles:
            value = form.value(chance)
            values += [value] if value not in values else []
        keys = chance.sample(form.keys, needles)
        found += [_Needle(form, key, value, not place) for place, (key, value) in enumerate(zip(keys, values, strict=True))]
    chance.shuffle(found)
    return found


def _pieces(encode: Encode, prose: Prose, room: int) -> list[list[int]]:
    """Sentences that come to exactly so many tokens; the last is cut."""
    found: list[list[int]] = []
    while room > 0:
        found.append(encode(f" {prose.sentence()}")[:room])
        room -= len(found[-1])
    return found


def _nearest(starts: Sequence[int], wanted: float) -> int:
    return min(range(len(starts)), key=lambda at: abs(starts[at] - wanted))


def _question(
    chat: Chat, tail: list[int], said: Sequence[_Needle], number: int, span: tuple[int, int], depth: float, chance: random.Random
) -> Question:
    one = said[number]
    values = [one.value, *(other.value for other in said if other.form is one.form and other is not one)]
    while len(values) < OPTIONS:
        value = one.form.value(chance)
        values += [value] if value not in values else []
    return Question(
        asked=(*chat.encode(QUESTION + one.form.asked.format(one.key)), *tail),
        lead=tuple(chat.encode(one.form.lead.format(one.key))),
        options=tuple(tuple(chat.encode(f" {value}")) for value in values),
        answer=one.value,
        start=span[0],
        stop=span[1],
        depth=depth,
    )
