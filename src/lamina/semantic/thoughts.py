"""Think-in-Memory: what follows from an exchange is thought once, right after it, and recalled before the next answer.

Source: L. Liu et al., "Think-in-Memory: Recalling and Post-thinking Enable LLMs with Long-Term Memory", 2023. Thoughts lie in the buckets of
a locality-sensitive hash and are kept clean by insert, forget and merge. Where this differs: several buckets are looked into for a cue, and
the thoughts of heads that it names; contradictions are looked for among the thoughts of one head, not in a bucket, since "lives in Rome" and
"moved to Oslo" may lie in two.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from lamina.errors import EmbedderMismatchError, InputError, NotFoundError, StoreError, TransferError
from lamina.index.flat import inner_products
from lamina.index.lsh import MultiProbeLSH
from lamina.semantic.statements import RuleOrganiser, Thought, Told, Triple, read_triples
from lamina.text import check_text, fold
from lamina.words import words

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder

FORM: Final = "lamina-thoughts/1"
"""The first field of a saved file."""


class ThoughtReader(Protocol):
    """Reads statements from what was said."""

    @property
    def name(self) -> str:
        """The model's name, "" for rules."""
        ...

    @property
    def reads_before(self) -> bool:
        """Whether what was said before makes a difference."""
        ...

    def read(self, text: str, speaker: str, before: str) -> list[Triple]:
        """The statements in `text`, said by `speaker` (or "") after `before` (or "")."""
        ...


class ThoughtOrganiser(Protocol):
    """Forgets and merges: what is to be thought of one head."""

    def organise(self, told: Sequence[Told]) -> list[Thought]:
        """The thoughts that follow from all that was told of a head."""
        ...


@dataclass(frozen=True)
class RuleReader:
    """Reads by patterns of plain English; see `read_triples`."""

    name: str = ""
    reads_before: bool = False

    def read(self, text: str, speaker: str, before: str) -> list[Triple]:
        """The statements in a text."""
        return read_triples(text, speaker)


@dataclass(frozen=True, slots=True)
class FoundThought:
    """A recalled thought and its likeness to the cue."""

    thought: Thought
    score: float


@dataclass(frozen=True, slots=True)
class PostThought:
    """What thinking an exchange over changed: triples that were read, thoughts that are new and that are gone."""

    read: int
    new: tuple[str, ...]
    gone: tuple[str, ...]


class ThoughtMemory:
    """Thoughts of an agent, in memory: recalled before it answers, thought over after.

    Parameters:
        embedder: of thoughts and cues.
        reader: of exchanges; organiser: of all that was told of one head. Default: rules.
        buckets, probes, seed: of the hash; buckets double when more than `limit` thoughts lie in one on average.
        centre: whether the mean of the thoughts is taken off before hashing, found anew whenever buckets double; embedders of sentences
            have a strong common direction.
        named: whether a recall also compares the thoughts of the heads that the cue names, in whichever bucket they lie (False: as in the
            source).

    >>> from lamina.models.static import StaticEmbedder
    >>> memory = ThoughtMemory(StaticEmbedder())
    >>> _ = memory.post_think("Where do you live now?", "I moved to Oslo.", speaker="Ana")
    >>> [found.thought.text for found in memory.recall("Where does Ana live?")]
    ['Ana lives in Oslo']
    """

    def __init__(
        self,
        embedder: Embedder,
        reader: ThoughtReader | None = None,
        organiser: ThoughtOrganiser | None = None,
        *,
        buckets: int = 8,
        probes: int = 4,
        seed: int = 0,
        limit: int = 64,
        centre: bool = True,
        named: bool = True,
    ) -> None:
        self._named = named
        self._heads: dict[tuple[str, ...], set[str]] = {}  # the words of heads → folded heads
        self._longest = 0  # words of a head, at most so far
        self._embedder = embedder
        self._reader = reader or RuleReader()
        self._organiser = organiser or RuleOrganiser()
        self._seed, self._centre = seed, centre
        self.index = MultiProbeLSH(
            embedder.dim, buckets=buckets, probes=probes, seed=seed, limit=None, fingerprint=embedder.fingerprint
        )
        self._limit = limit
        if limit < 1:
            raise InputError(f"limit must be at least 1, not {limit}")
        self._told: dict[str, list[Told]] = {}  # folded head → all that was told of it
        self._slots: dict[str, dict[int, Thought]] = {}  # folded head → its thoughts by slot
        self._thoughts: dict[int, Thought] = {}  # by slot of the index
        self._next = 0
        self._order = 0

    def __len__(self) -> int:
        return len(self._thoughts)

    @property
    def thoughts(self) -> list[Thought]:
        """All thoughts."""
        return list(self._thoughts.values())

    # ---------------------------------------------------------------------------------------------- before an answer
    def recall(self, cue: str, k: int = 5) -> list[FoundThought]:
        """The k thoughts nearest to a cue among those in the likeliest buckets and those of the heads that it names, best first.

        Raises `InputError` for an empty cue or a k below 1.
        """
        check_text(cue, "the cue")
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}")
        query = self._embedder.embed([cue], "query")
        slots, scores = self.index.search(query, k)
        found = {slot: score for slot, score in zip(slots[0].tolist(), scores[0].tolist(), strict=True) if slot >= 0}
        more = [slot for slot in self._slots_named(cue) if slot not in found]
        if more:
            found |= zip(more, inner_products(self.index.rows(np.array(more, np.int64)), query[0]).tolist(), strict=True)
        best = sorted(found, key=lambda slot: (-found[slot], slot))[:k]
        return [FoundThought(self._thoughts[slot], found[slot]) for slot in best]

    def _slots_named(self, cue: str) -> list[int]:
        """The slots of the thoughts of every head whose words stand in a cue, one after another."""
        if not self._named or not self._heads:
            return []
        said, sizes = words(cue), range(1, self._longest + 1)
        runs = {tuple(said[place : place + size]) for size in sizes for place in range(len(said) - size + 1)}
        return [
            slot for run in sorted(runs & self._heads.keys()) for head in sorted(self._heads[run]) for slot in self._slots[head]
        ]

    # ----------------------------------------------------------------------------------------------- after an answer
    def post_think(self, question: str, answer: str, *, speaker: str = "", source: str = "", at: int = 0) -> PostThought:
        """Think an exchange over: read what it states, insert that, and forget and merge among the thoughts of the heads it is about.

        What the reader or the embedder raises leaves everything as it was.
        """
        check_text(answer, "the answer")
        triples = self._reader.read(answer, speaker, question)
        return self.insert(triples, sources=(source,) if source else (), at=at)

    def insert(self, triples: Iterable[Triple], *, sources: Sequence[str] = (), at: int = 0) -> PostThought:
        """Take in statements as `post_think` does, without reading them from a text."""
        new: dict[str, list[Told]] = {}
        order = self._order
        for triple in triples:
            order += 1
            new.setdefault(fold(triple.head), []).append(Told(triple, tuple(sources), at, order))
        told = {head: [*self._told.get(head, ()), *some] for head, some in new.items()}
        changed = self._put(told)
        self._order = order
        return PostThought(sum(map(len, new.values())), *changed)

    def forget_source(self, source: str) -> PostThought:
        """Take back all that rests on a source; what others carry stays, and what it had replaced revives."""
        told = {
            head: [one for one in some if source not in one.sources]
            for head, some in self._told.items()
            if any(source in one.sources for one in some)
        }
        return PostThought(0, *self._put(told))

    def _put(self, told: Mapping[str, list[Told]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Organise some heads anew, and embed and file what changed; nothing changes where something fails."""
        wanted = {head: self._organiser.organise(some) if some else [] for head, some in told.items()}
        fresh: list[tuple[str, Thought]] = []
        kept: dict[str, dict[int, Thought]] = {}
        gone: list[int] = []
        for head, thoughts in wanted.items():
            there = {thought.text: slot for slot, thought in self._slots.get(head, {}).items()}
            kept[head] = {there[thought.text]: thought for thought in thoughts if thought.text in there}
            fresh += [(head, thought) for thought in thoughts if thought.text not in there]
            gone += [slot for slot in self._slots.get(head, {}) if slot not in kept[head]]
        vectors = self._embedder.embed([thought.text for _, thought in fresh])
        lost = tuple(self._thoughts.pop(slot).text for slot in gone)
        self.index.remove(np.array(gone, np.int64))
        slots = np.arange(self._next, self._next + len(fresh))
        self._next += len(fresh)
        self.index.add(slots, vectors)
        for slot, (head, thought) in zip(slots.tolist(), fresh, strict=True):
            kept[head][slot] = thought
        for head, some in kept.items():
            self._told[head], self._slots[head] = told[head], some
            self._thoughts.update(some)
            name = tuple(words(head))
            self._heads.setdefault(name, set()).add(head)
            self._longest = max(self._longest, len(name))
            if not told[head]:
                del self._told[head], self._slots[head]
                self._heads[name].discard(head)
                if not self._heads[name]:
                    del self._heads[name]
        self._grow()
        return tuple(thought.text for _, thought in fresh), lost

    def _grow(self) -> None:
        buckets = self.index.buckets
        while len(self._thoughts) > self._limit * buckets:
            buckets *= 2
        if buckets > self.index.buckets:
            self.index.rehash(buckets, centre=self.index.centred() if self._centre else None)

    # -------------------------------------------------------------------------------------------------------- files
    def save(self, path: Path) -> None:
        """Write all that was told to a file (JSON, readable by its owner only); an older one stays until it is whole."""
        content = {
            "form": FORM, "embedder": self._embedder.fingerprint, "seed": self._seed, "buckets": self.index.buckets,
            "told": [asdict(one) for some in self._told.values() for one in some],
        }  # fmt: skip
        part = path.with_name(path.name + ".part")
        try:
            with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """Take in what `save` wrote, into an empty memory.

        Raises `NotFoundError` for no file, `TransferError` for anything that `save` did not write, `EmbedderMismatchError` and `StoreError`
        where the thoughts were hashed by another embedder or from another seed: all buckets would be wrong. Nothing is taken in then.
        """
        if self._told:
            raise InputError("thoughts are loaded into an empty memory: make a new one")
        content = _read(path)
        if content["embedder"] != self._embedder.fingerprint:
            raise EmbedderMismatchError(
                f"{path} holds thoughts hashed by the embedder {content['embedder']!r}, this memory has {self._embedder.fingerprint!r}"
            )
        if content["seed"] != self._seed:
            raise StoreError(f"{path} holds thoughts hashed from seed {content['seed']}, this memory has seed {self._seed}")
        told: dict[str, list[Told]] = {}
        for one in content["told"]:
            told.setdefault(fold(one.triple.head), []).append(one)
            self._order = max(self._order, one.order)
        self._put(told)
        if content["buckets"] > self.index.buckets:
            self.index.rehash(content["buckets"])


def _read(path: Path) -> dict[str, Any]:
    """A saved file, every part of it checked."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"there is no file of thoughts {path}") from None
    except (ValueError, RecursionError) as error:
        raise TransferError(f"{path} is not a file of thoughts: it is not JSON ({error})") from None
    try:
        if content["form"] != FORM or type(content["seed"]) is not int or not isinstance(content["embedder"], str):
            raise ValueError(f"it does not begin as {FORM!r} does")
        if type(content["buckets"]) is not int or not 2 <= content["buckets"] <= 1 << 24 or content["buckets"] % 2:
            raise ValueError(f"it has {content['buckets']!r} buckets")
        content["told"] = [_told(one) for one in content["told"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TransferError(f"{path} is not a file of thoughts, or is damaged: {error}") from None
    found: dict[str, Any] = content
    return found


def _told(value: Mapping[str, Any]) -> Told:
    triple = Triple(**value["triple"])
    if not all(isinstance(one, bool) for one in (triple.positive, triple.functional)):
        raise TypeError("positive and functional are true or false")
    sources = tuple(value["sources"])
    if not all(isinstance(one, str) for one in sources) or not all(type(value[name]) is int for name in ("at", "order")):
        raise TypeError("sources are texts, at and order are whole numbers")
    return Told(triple, sources, value["at"], value["order"])


def as_prompt(found: Sequence[FoundThought]) -> str:
    """Recalled thoughts as lines for a prompt.

    >>> as_prompt([])
    ''
    """
    return "\n".join(f"- {one.thought.text}" for one in found)


@dataclass(frozen=True)
class ThinkInMemory:
    """The two stages around an answer: recall thoughts, have the question answered with them, then think the exchange over.

    Parameters: `memory`; `answer`, from a question and the thoughts as text to an answer; `k` thoughts recalled.
    """

    memory: ThoughtMemory
    answer: Callable[[str, str], str]
    k: int = 5

    def ask(self, question: str, *, speaker: str = "", source: str = "", at: int = 0) -> str:
        """Answer a question; `speaker` is who says "I" in the answer."""
        thoughts = as_prompt(self.memory.recall(question, self.k))
        said = self.answer(question, thoughts)
        self.memory.post_think(question, said, speaker=speaker, source=source, at=at)
        return said
