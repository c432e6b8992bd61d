"""EM-LLM: the past is cut into events where it surprises; those that fit what is being read are seen again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from lamina.algorithms.boundaries import BoundaryRefinement, Measure
from lamina.errors import InputError
from lamina.kv.event_cutting import EventCutter, Marker, NoMarks, RandomMarks, SentenceMarks, SurpriseMarks
from lamina.kv.event_memory import EventMemory
from lamina.kv.policy import CachePolicy
from lamina.kv.selecting import Likeness, LikenessAndContiguity, RandomBlocks, Selector
from lamina.kv.shape import ModelShape

Boundaries = Literal["surprise", "fixed", "random", "sentence"]
Retrieval = Literal["similarity", "random"]
Standing = Literal["mean", "each"]

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "S": {"refine": None, "contiguity": 0},
    "SM": {"contiguity": 0},
    "S+C": {"refine": None},
    "SM+C": {},
    "fixed": {"boundaries": "fixed", "contiguity": 0},
    "random boundaries": {"boundaries": "random", "refine": None, "contiguity": 0},
    "sentences": {"boundaries": "sentence", "refine": None, "contiguity": 0},
    "random retrieval": {"retrieval": "random", "contiguity": 0},
}
"""What the source's table compares: the fields in which each differs from the defaults."""


@dataclass(frozen=True)
class EpisodicCache(CachePolicy):
    """A window of the newest tokens, the first ones, and events of the past that each layer fetches for each block it reads.

    A token that leaves the window is kept, in an event: a run of tokens that ends before one that surprises, which is
    `refine`d to where the keys within events are most alike. An event is found again by the mean key of the tokens that
    received most attention while they were in the window. For each block that is read (a token, when the model speaks) every
    layer by itself fetches the events whose keys fit its mean query, and with a part of the budget those just after and before.
    All that is not in the window is seen at one distance, `n_local`; so text may be far longer than the model's context.

    Parameters:
        n_local: tokens of the window.
        n_init: tokens at the beginning that are always seen.
        n_mem: tokens of events that are seen.
        min_block, max_block: the least and the largest size of an event in tokens.
        boundaries: where events begin: "surprise"; "fixed", every max_block tokens (InfLLM); "random", every `spacing` tokens
            on average; "sentence", after each of the tokens `sentence_ends`.
        gamma: a token surprises where its surprise is so many standard deviations above the mean of the last n_local.
        refine: None, or the measure of refinement: "modularity", "conductance" or "conductance-code" (`BoundaryRefinement`).
        refine_from_layer: keys of this layer and those above it are compared; below 0, those of so many of the last layers.
        contiguity: of n_mem, for the neighbours in time of what was found: a share below 1, or a number of tokens.
        representatives: tokens that stand for an event.
        standing: how: "mean", by their mean key, chosen for each head of queries (the source); "each", every one by itself, chosen
            for each head of keys, and the one that fits best counts. The second is for likeness "share"; with "mean" it found less.
        cue: queries that events are chosen by, at least: a shorter block is filled up with those before it. 1 is the source,
            which asks anew with each single token the model says, and then often fetches other events than for the question.
        likeness: how events are compared with the queries: "mean" (the source) or "share" (see `selecting.likeness`).
        retrieval: "similarity", or "random" events (a control).
        overshoot: the source's rule that an event may exceed the budget where that ends nearer to it.
        offload: keep the keys and values of events in a file without a name, and in memory only those of the n_mem tokens a
            layer used last.
        spacing, seed: of random boundaries and random retrieval.

    The defaults are the source's, but for `cue` and `overshoot`; its shipped settings leave `refine` and `contiguity` (0) off. For a small model, SmolLM2-135M
    say: n_local=512, n_init=16, n_mem=512, block=128. Similarities below 0 are taken as 0 in refinement. Raises `InputError`
    for numbers out of range, and from `begin` where they do not fit the model.

    Source: "Human-like Episodic Memory for Infinite Context LLMs" (Zafeirios Fountas et al., 2024; ICLR 2025).

    >>> EpisodicCache(n_local=512, n_init=16, n_mem=512, block=128, contiguity=0.25).neighbours
    128
    """

    n_local: int = 4096
    n_init: int = 128
    n_mem: int = 2048
    min_block: int = 8
    max_block: int = 128
    boundaries: Boundaries = "surprise"
    gamma: float = 1.0
    refine: Measure | None = "modularity"
    refine_from_layer: int = 20
    contiguity: float = 0.3
    representatives: int = 4
    standing: Standing = "mean"
    cue: int = 16
    likeness: Likeness = "mean"
    retrieval: Retrieval = "similarity"
    overshoot: bool = False
    offload: bool = False
    sentence_ends: tuple[int, ...] = ()
    spacing: float = 32.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_local < 1 or self.n_init < 0 or self.n_mem < 0 or min(self.representatives, self.cue) < 1:
            raise InputError(
                "n_local, representatives and cue must be at least 1 token, n_init and n_mem 0, not "
                f"{self.n_local}, {self.representatives}, {self.cue}, {self.n_init} and {self.n_mem}"
            )
        if self.block > self.n_local:
            raise InputError(f"a block ({self.block} tokens) must not be longer than the window ({self.n_local})")
        if self.boundaries not in get_args(Boundaries) or self.retrieval not in get_args(Retrieval):
            raise InputError(
                f"boundaries are one of {', '.join(get_args(Boundaries))}, retrieval of {', '.join(get_args(Retrieval))}, "
                f"not {self.boundaries!r} and {self.retrieval!r}"
            )
        for name, known in (("likeness", Likeness), ("standing", Standing)):
            if getattr(self, name) not in get_args(known):
                raise InputError(f"{name} is one of {', '.join(get_args(known))}, not {getattr(self, name)!r}")
        if not math.isfinite(self.contiguity) or not 0 <= self.contiguity <= self.n_mem:
            raise InputError(f"contiguity must be a share below 1, or tokens up to n_mem ({self.n_mem}), not {self.contiguity!r}")
        if self.contiguity >= 1 and self.contiguity != int(self.contiguity):
            raise InputError(f"contiguity of 1 and more is a whole number of tokens, not {self.contiguity!r}")
        if 0 < self.n_mem < self.max_block:
            raise InputError(f"n_mem ({self.n_mem}) must have room for an event of the largest size ({self.max_block})")
        if self.cutter().reach > self.n_local:
            raise InputError(f"events of {self.max_block} tokens need a window of {self.cutter().reach}, not {self.n_local}")
        self.marker()

    @property
    def beyond_context(self) -> bool:
        """See `CachePolicy`: nothing is ever seen further away than n_local."""
        return True

    @classmethod
    def variant(cls, name: str, **fields: Any) -> EpisodicCache:
        """One of `VARIANTS` with other fields besides: "SM+C" is surprise with refinement (M) and contiguity (C); "fixed" is InfLLM.

        >>> EpisodicCache.variant("fixed", max_block=32).boundaries
        'fixed'
        """
        if name not in VARIANTS:
            raise InputError(f"{name!r} is no variant: take one of {', '.join(VARIANTS)}")
        return cls(**{**VARIANTS[name], **fields})

    @property
    def neighbours(self) -> int:
        """The tokens of n_mem that neighbours in time get."""
        return int(self.contiguity * self.n_mem if self.contiguity < 1 else self.contiguity)

    def marker(self) -> Marker:
        """What says where events may open."""
        if self.boundaries == "surprise":
            return SurpriseMarks(self.gamma, self.n_local)
        if self.boundaries == "random":
            return RandomMarks(self.spacing, self.seed)
        if self.boundaries == "sentence":
            return SentenceMarks(frozenset(self.sentence_ends))
        return NoMarks()

    def cutter(self) -> EventCutter:
        """What closes events."""
        refinement = None
        if self.refine is not None and self.boundaries != "fixed":
            refinement = BoundaryRefinement(self.refine, self.min_block)
        return EventCutter(self.min_block, self.max_block, refinement)

    def selector(self, layer: int) -> Selector:
        """What chooses events in one layer."""
        if self.retrieval == "random":
            return RandomBlocks(self.n_mem, self.seed * 1009 + layer)
        return LikenessAndContiguity(self.n_mem, self.neighbours, self.overshoot)

    def begin(self, shape: ModelShape) -> EventMemory:
        """See `CachePolicy`."""
        if self.n_local > shape.context:
            raise InputError(
                f"the window (n_local, {self.n_local} tokens) is longer than the {shape.context} that the model was made for"
            )
        if self.cutter().refinement is not None and self.refine_from_layer >= shape.layers:
            raise InputError(
                f"refine_from_layer must be one of the model's layers (0 to {shape.layers - 1}), not {self.refine_from_layer!r}"
            )
        return EventMemory(self, shape)
