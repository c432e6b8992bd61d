"""Episodes that are given back to a local model as saved keys and values, so that it need not read them again.

An episode is read once, by itself, behind the few tokens that every prompt of the model begins with: these take the attention that goes to
whatever stands first, and are left out of what is saved. When it is recalled, its keys are turned to where it now stands; if that is wanted, its
first tokens are read again, in sight of all that stands before. Whatever does not fit (another model, another text, a damaged file) is read as text.

Source of the turning of keys: "RoFormer: Enhanced Transformer with Rotary Position Embedding" (Jianlin Su et al., 2021); of what takes the attention
of the first tokens: "Efficient Streaming Language Models with Attention Sinks" (Guangxuan Xiao et al., 2023); of sharpening keys: "APE: Faster and
Longer Context-Augmented Generation via Adaptive Parallel Encoding" (Xinyu Yang et al., 2025), which also scales the share of what was read apart; of reading a part again: "CacheBlend:
Fast Large Language Model Serving for RAG with Cached Knowledge Fusion" (Jiayi Yao et al., 2024), which chooses the tokens by their
deviation where this takes the first ones.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lamina.errors import BudgetError, InputError, LaminaError, NotFoundError
from lamina.kv.coding import CODINGS, Coded, Coding, coded
from lamina.kv.saved import KIND, SavedForm, SavedText, digest, digest_ids, pack, unpack
from lamina.models.local.episode_reports import Estimate, Part, Recalled, SaveReport
from lamina.models.local.saved_episodes import held_bytes, text_of
from lamina.models.local.template import Template
from lamina.records import Item
from lamina.storage.protocol import Artifact, Store

if TYPE_CHECKING:
    from lamina.kv import Session
    from lamina.models.local.model import LocalModel

log = logging.getLogger("lamina.kv")

RECOMPUTE: Final = 0
"""Tokens at the beginning of each recalled episode that are read again: none, since a pass an episode costs more than the rest of a recall (docs/guides/episode-caches.md)."""


SHARPEN: Final = 1.15
"""What recalled keys are multiplied by: texts that were read apart compete for attention, and so it goes to them less sharply than where one saw the other."""


class EpisodeCaches:
    """Saves what a local model makes of items of a store, and gives it back.

    Parameters: `model`; `store`; `budget`, bytes that all saved keys and values of the store may take together; `coding` of new ones; `recompute`,
    how many tokens at the beginning of each recalled item are read again; `sharpen`, what recalled keys are multiplied by (1: as they were saved; the
    inverse of the temperature in the source). Raises `InputError` for numbers out of range, and as `Template` does;
    `ConfigError` for a model whose keys cannot be turned.
    """

    def __init__(
        self,
        model: LocalModel,
        store: Store,
        budget: int,
        *,
        coding: Coding = "int8",
        recompute: int = RECOMPUTE,
        sharpen: float = SHARPEN,
    ) -> None:
        if coding not in CODINGS:
            raise InputError(f"{coding!r} is not a way to write keys and values: use one of {', '.join(CODINGS)}")
        for name, value in (("budget", budget), ("recompute", recompute)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(f"{name} must be a whole number of at least 0, not {value!r}")
        if isinstance(sharpen, bool) or not isinstance(sharpen, int | float) or not 0 < sharpen < math.inf:
            raise InputError(f"sharpen must be a number above 0, not {sharpen!r}")
        self.model, self._store = model, store
        self.budget, self.coding, self.recompute, self.sharpen = budget, coding, recompute, sharpen
        self._head: tuple[list[int], Session] | None = None

    # -------------------------------------------------------------------------------------------------------- saving
    def estimate(self, items: Sequence[str], *, check: bool = False) -> Estimate:
        """What saving these items (their ids) would take; it reads their texts, and saves nothing.

        What is saved already, but is gone, cut off or of something else, counts as not saved: its size and what it says of itself are looked at.
        With `check` all of it is read and compared with its digest, so that damage within is noticed too. Raises `NotFoundError` for an id that
        is not there, `InputError` for an item that is hidden or longer than the model holds.
        """
        wanted = self._wanted(items)
        return self._estimated(wanted, self._missing(wanted, check))

    def save(
        self, items: Sequence[str], progress: Callable[[int, int], None] | None = None, *, check: bool = False
    ) -> SaveReport:
        """Read items (their ids) and save their keys and values, those that are not there yet or cannot be used; `progress` hears of items done
        and all, `check` is as in `estimate`.

        Each is stored by itself, so that what was done is kept where this is stopped. Raises `BudgetError`, before anything is read, where it would
        not stay within the budget, and as `estimate` does.
        """
        wanted = self._wanted(items)
        missing = self._missing(wanted, check)
        asked = self._estimated(wanted, missing)
        if not asked.fits:
            raise BudgetError(
                f"saving {asked.items} items takes {asked.bytes} bytes beside the {asked.held} there are, and the budget is {asked.budget}: "
                "raise it, save fewer, or make room with 'lamina kv prune'"
            )
        start, saved, tokens, size, passed = time.perf_counter(), 0, 0, 0, 0
        for number, (item, text) in enumerate(missing, len(wanted) - len(missing)):
            if progress is not None:
                progress(number, len(wanted))
            if self._usable(item, text, check):  # somebody else has saved it meanwhile
                continue
            made = self.made(text)
            content = pack(made)
            if self._put(item.id, text, content):
                saved, tokens, size = saved + 1, tokens + len(made), size + len(content)
            else:
                passed += 1
        if progress is not None:
            progress(len(wanted), len(wanted))
        return SaveReport(saved, tokens, size, time.perf_counter() - start, passed)

    def _missing(self, wanted: Sequence[tuple[Item, str]], check: bool) -> list[tuple[Item, str]]:
        return [(item, text) for item, text in wanted if not self._usable(item, text, check)]

    def _estimated(self, wanted: Sequence[tuple[Item, str]], missing: Sequence[tuple[Item, str]]) -> Estimate:
        counts = [len(self.template.text(text)) for _, text in missing]
        room = self._shape.context - len(self._behind)
        for (item, _), count in zip(missing, counts, strict=True):
            if count > room:
                raise InputError(f"{item.id} has {count} tokens, and {self.model.name!r} holds {room} of a text: leave it out")
        damaged = {one.id: one.size for item, text in missing if (one := self._saved(item, text)) is not None}
        return Estimate(
            len(missing),
            sum(counts),
            sum(map(self.form.estimate, counts)),
            len(wanted) - len(missing),
            held_bytes(self._store) - sum(damaged.values()),
            self.budget,
            len(damaged),
        )

    def _usable(self, item: Item, text: str, check: bool) -> bool:
        """Whether something is saved of an item that can be used, by its size and its header; with `check` by all of it."""
        there = self._saved(item, text)
        if there is None:
            return False
        try:
            content = self._store.artifacts.view(there.id, check=check)
            saved = unpack(content)
        except LaminaError:
            return False
        return len(content) == there.size and saved.form == self.form and saved.text == digest(text)

    def made(self, text: str, behind: Sequence[int] | None = None) -> SavedText:
        """The keys and values of a text, read by itself behind the model's opening tokens (or others)."""
        before = self._behind if behind is None else list(behind)
        ids = self.template.text(text)
        session = self.session()
        session.encode([*before, *ids])
        cache: Any = session.cache
        keys, values = (self._coded(one) for one in cache.stretch(len(before)))
        form = replace(self.form, behind=digest_ids(before))
        return SavedText(form, digest(text), len(before), np.array(ids, np.int32), keys, values)

    def _put(self, id: str, text: str, content: bytes) -> bool:
        """Store them in one transaction, if the item still says the same; False where it does not."""
        with self._store.transaction():
            item = self._store.items.get([id])[0]
            if item is None or text_of(self._store, item) != text:
                return False
            address = self._address(item, text)
            for one in self._store.artifacts.of(item.key):
                if one.kind == KIND and (one.id == address or self._replaced(one.id)):
                    self._store.artifacts.delete(one.id)
            if held_bytes(self._store) + len(content) > self.budget:
                raise BudgetError(f"the budget of {self.budget} bytes is full: somebody else has saved keys and values meanwhile")
            self._store.artifacts.put(item.key, KIND, content, id=address)
        return True

    def _replaced(self, id: str) -> bool:
        """Whether saved keys and values of this form stand for an older text, or cannot be read."""
        try:
            return unpack(self._store.artifacts.view(id, check=False)).form == self.form
        except LaminaError:
            return True

    def twin(self, coding: Coding) -> EpisodeCaches:
        """The same with another coding."""
        return EpisodeCaches(self.model, self._store, self.budget, coding=coding, recompute=self.recompute, sharpen=self.sharpen)

    # ------------------------------------------------------------------------------------------------------- recalling
    def prompt(self, system: str, items: Sequence[str], question: str) -> Recalled:
        """Everything read: what the system says, the items (their ids) in this order, and the question; the answer can begin at once.

        What is saved is not read but mapped, checked against its digest, and put in its place. What cannot be used is read as text; the report
        says why, and a damaged file is warned of in the log. Raises `NotFoundError` and `InputError` as `estimate` does, and where the prompt is longer than the model holds.
        """
        start = time.perf_counter()
        wanted = self._wanted(items)
        head, tail = self.template.around(system, question)
        session = self._begun(head)
        tokens = [self.template.text(text) for _, text in wanted]
        session.cache.reserve(sum(map(len, tokens)) + len(tail))
        parts = [self._add(session, item, text, ids) for (item, text), ids in zip(wanted, tokens, strict=True)]
        session.encode(tail)
        return Recalled(session, tuple(parts), session.length, time.perf_counter() - start)

    def _begun(self, head: list[int]) -> Session:
        """A session that has read the head of a prompt; the last one is kept, since most prompts of a program have the same."""
        if self._head is None or self._head[0] != head:
            session = self.session()
            session.encode(head)
            self._head = head, session
        return self._head[1].fork()

    def forget_head(self) -> None:
        """Read the head of the next prompt anew."""
        self._head = None

    def _add(self, session: Session, item: Item, text: str, ids: Sequence[int]) -> Part:
        found = self._found(item, text, ids)
        if isinstance(found, str):
            session.encode(ids)
            return Part(item.id, len(ids), len(ids), 0, found)
        saved, size = found
        self.put_in(session, saved, ids)
        return Part(item.id, len(ids), min(self.recompute, len(ids)), size, "")

    def put_in(
        self,
        session: Session,
        saved: SavedText,
        ids: Sequence[int],
        recompute: int | None = None,
        turned: bool = True,
        sharpen: float | None = None,
    ) -> None:
        """Let a session go on with saved keys and values as if it had read their tokens, the first of which it does read; `recompute` and `sharpen` for this time.

        Without `turned` the keys stay at their old positions, which is wrong: it is there to be compared with.
        """
        import torch

        from lamina.kv.positions import turn

        count = min(self.recompute if recompute is None else recompute, len(ids))
        by = session.length - saved.first if turned else 0
        session.encode(ids[:count])
        if count == len(ids):
            return
        with torch.no_grad():
            keys, values = self._decoded(saved.keys, count), self._decoded(saved.values, count)
            sharper = self.sharpen if sharpen is None else sharpen
            session.preload(turn(keys, by, self._shape.frequencies) * sharper, values, session.length)

    def _found(self, item: Item, text: str, ids: Sequence[int]) -> tuple[SavedText, int] | str:
        """What is saved of an item, and its bytes; or why it cannot be used."""
        address = self._address(item, text)
        there = {one.id: one for one in self._store.artifacts.of(item.key) if one.kind == KIND}
        if address not in there:
            return "saved by another model, in another form, or of an older text" if there else "not saved"
        try:
            saved = unpack(self._store.artifacts.view(address))
        except LaminaError as error:
            log.warning("the saved keys and values of %s cannot be used and its text is read instead: %s", item.id, error)
            return "damaged"
        if saved.form != self.form or saved.text != digest(text) or saved.tokens.tolist() != list(ids):
            log.warning("the saved keys and values of %s do not belong to it; its text is read instead", item.id)
            return "of another text or model"
        return saved, there[address].size

    # --------------------------------------------------------------------------------------------------------- inside
    def _wanted(self, items: Sequence[str]) -> list[tuple[Item, str]]:
        if isinstance(items, str):
            raise InputError("give a list of ids")
        found: list[tuple[Item, str]] = []
        for id, item in zip(items, self._store.items.get(list(items)), strict=True):
            if item is None:
                raise NotFoundError(f"there is no item {id!r}: it was deleted, or belongs to another memory")
            text = text_of(self._store, item)
            if not text:
                raise InputError(f"{id} is hidden or empty: restore it, or consolidate again")
            found.append((item, text))
        return found

    def _address(self, item: Item, text: str) -> str:
        return self.form.address(item.id, text)

    def _saved(self, item: Item, text: str) -> Artifact | None:
        """What is saved of an item in this form, damaged or not."""
        address = self._address(item, text)
        return next((one for one in self._store.artifacts.of(item.key) if one.id == address), None)

    @cached_property
    def form(self) -> SavedForm:
        """What keys and values made here depend on."""
        shape = self._shape
        rotary = hashlib.blake2b(repr((shape.frequencies, shape.rotary_scale)).encode(), digest_size=8).hexdigest()
        return SavedForm(
            model=shape.fingerprint,
            tokenizer=self.template.fingerprint(),
            rotary=rotary,
            dtype=shape.dtype,
            layers=shape.layers,
            heads=shape.kv_heads,
            width=shape.head_dim,
            coding=self.coding,
            behind=digest_ids(self._behind),
        )

    @cached_property
    def _loaded(self) -> Any:  # of an optional library, so of any type
        runner: Any = self.model.runner
        return runner.model

    @cached_property
    def template(self) -> Template:
        """Where recalled texts stand in the model's prompts."""
        runner: Any = self.model.runner
        return Template(runner.tokenizer, self.model.name)

    @cached_property
    def _shape(self) -> Any:
        from lamina.kv.shape import ModelShape

        return ModelShape.of(self._loaded)

    @cached_property
    def _behind(self) -> list[int]:
        return self.template.opening()

    def session(self) -> Session:
        """A session of the model that has read nothing."""
        from lamina.kv import Session

        return Session(self._loaded)

    def _coded(self, vectors: Any) -> Coded:
        return coded(vectors.float().cpu().numpy(), self.coding)

    def _decoded(self, one: Coded, first: int) -> Any:
        """Vectors from a token on, as a tensor (layers, heads, n, width) in 32 bits, of which torch works out the numbers."""
        import torch

        data = torch.from_numpy(one.data[:, :, first:])
        if one.scales is None:
            return data.view(torch.bfloat16)
        return data.float() * torch.from_numpy(one.scales[:, :, first:]).float()[..., None]
