"""A small sequence-to-sequence network as another learner of the same pairs: recurrent, with attention, its data words copied (needs torch).

Source: M.-T. Luong, H. Pham, C. D. Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lamina.bench.grammar.hidden import Pair, delexical, filled, template_of
from lamina.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

PAD, START, END, UNKNOWN = 0, 1, 2, 3
_SPECIAL: Final = ("", "<start>", "<end>", "<unknown>")
_WORDS: Final = re.compile(r"⟨\d+⟩|[a-z']+|\d+|\S")
LONGEST: Final = 40  # words of an answer
BATCH: Final = 32


def require_torch() -> ModuleType:
    """The library; raises `MissingExtraError` where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError.for_extra("local", "a network that is trained", "torch") from error
    module: ModuleType = torch
    return module


class Seq2Seq:
    """An encoder that reads both ways and a decoder with attention, trained on sentences and normal forms whose data are ⟨0⟩, ⟨1⟩, …

    `fit` trains until the loss has not fallen by 2 % for `patience` rounds, or for `seconds` of processor time; a second `fit` goes on from the first with the
    new pairs alone. Words it does not know are read as one unknown word, which it learns from words that are left out at random.

    Parameters: `seed`, `seconds` of one `fit`, `copied` (False: data are words like others, so it must learn to write them), `width` of its states, `embedding`, `dropout` (of states, and a third of it of words), `rate`, `patience`.
    """

    def __init__(
        self, seed: int = 0, seconds: float = 300.0, *, copied: bool = True, width: int = 128, embedding: int = 64, dropout: float = 0.4, rate: float = 2e-3, patience: int = 30,
    ) -> None:  # fmt: skip
        self.name = "sequence to sequence" if copied else "sequence to sequence, data as words"
        self._torch: Any = require_torch()
        self._copied = copied
        nn = self._torch.nn
        self._seconds, self._rate, self._patience, self._dropout = seconds, rate, patience, dropout
        self._torch.manual_seed(seed)
        self._random = np.random.default_rng(seed)
        self._known: tuple[dict[str, int], dict[str, int]] = ({}, {})  # words read, words written
        self._net = nn.ModuleDict(
            {
                "read": nn.Embedding(0, embedding), "encoder": nn.GRU(embedding, width, bidirectional=True, batch_first=True),
                "bridge": nn.Linear(2 * width, width), "write": nn.Embedding(0, embedding),
                "decoder": nn.GRU(embedding, width, batch_first=True), "look": nn.Linear(width, 2 * width),
                "join": nn.Linear(3 * width, embedding), "drop": nn.Dropout(dropout),
            }
        )  # fmt: skip
        for one in self._known:
            one.update({word: place for place, word in enumerate(_SPECIAL)})
        self.trained_seconds = 0.0
        self.rounds = 0

    @property
    def bytes(self) -> int:
        """What its weights take."""
        return sum(one.numel() * one.element_size() for one in self._net.parameters())

    def fit(self, pairs: Sequence[Pair]) -> None:
        """Train on these pairs alone."""
        torch, began = self._torch, time.process_time()
        read = [_WORDS.findall(self._given(sentence)[0]) for sentence, _ in pairs]
        written = [(template_of(pair) if self._copied else pair[1]).split() for pair in pairs]
        self._grow(read, written)
        sources = [[self._known[0][word] for word in row] for row in read]
        targets = [[self._known[1][word] for word in row] for row in written]
        optimiser = torch.optim.Adam(self._net.parameters(), lr=self._rate)
        best, since = float("inf"), 0
        self._net.train()
        while since < self._patience and time.process_time() - began < self._seconds:
            order = self._random.permutation(len(pairs))
            losses = []
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                loss = self._loss([self._dropped(sources[row]) for row in rows], [targets[row] for row in rows])
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self._net.parameters(), 1.0)
                optimiser.step()
                losses.append(loss.item())
            self.rounds += 1
            mean = float(np.mean(losses))
            since = 0 if mean < 0.98 * best else since + 1
            best = min(best, mean)
        self.trained_seconds += time.process_time() - began

    def normal(self, sentence: str) -> str:
        """The likeliest normal form, word by word."""
        return self.normals([sentence])[0]

    def normals(self, sentences: Sequence[str]) -> list[str]:
        """The same of many sentences."""
        found: list[str] = []
        for start in range(0, len(sentences), 256):
            found += self._written([self._given(one) for one in sentences[start : start + 256]])
        return found

    def _given(self, sentence: str) -> tuple[str, list[str]]:
        return delexical(sentence) if self._copied else (sentence, [])

    def _written(self, told: Sequence[tuple[str, list[str]]]) -> list[str]:
        torch, net = self._torch, self._net.eval()
        names = {place: word for word, place in self._known[1].items()}
        rows = [[self._known[0].get(word, UNKNOWN) for word in _WORDS.findall(text)] for text, _ in told]
        with torch.inference_mode():
            memory, blank, state = self._encoded(rows)
            token = torch.full((len(rows), 1), START)
            said: list[list[int]] = [[] for _ in rows]
            done = np.zeros(len(rows), bool)
            for _ in range(LONGEST):
                out, state = net["decoder"](net["write"](token), state)
                token = self._logits(out, memory, blank).argmax(dim=-1)
                for place, word in enumerate(token[:, 0].tolist()):
                    done[place] |= word == END
                    if not done[place]:
                        said[place].append(word)
                if done.all():
                    break
        return [filled(" ".join(names[word] for word in words), data) for words, (_, data) in zip(said, told, strict=True)]

    def _loss(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Any:
        torch = self._torch
        memory, blank, state = self._encoded(sources)
        given = self._padded([[START, *row] for row in targets])
        wanted = self._padded([[*row, END] for row in targets])
        out, _ = self._net["decoder"](self._net["drop"](self._net["write"](given)), state)
        logits = self._logits(out, memory, blank)  # (batch, words, vocabulary)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD)

    def _encoded(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any, Any]:
        """What is attended to (batch, words, 2 width), where it is blank (batch, words), and the decoder's first state (1, batch, width)."""
        nn = self._torch.nn
        rows = [row or [UNKNOWN] for row in rows]
        ids = self._padded(rows)
        packed = nn.utils.rnn.pack_padded_sequence(
            self._net["drop"](self._net["read"](ids)), [len(row) for row in rows], batch_first=True, enforce_sorted=False
        )
        memory, ends = self._net["encoder"](packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True)
        state = self._net["bridge"](self._torch.cat([ends[0], ends[1]], dim=-1)).tanh()[None]
        return memory, ids == PAD, state

    def _logits(self, out: Any, memory: Any, blank: Any) -> Any:
        scores = self._net["look"](out) @ memory.transpose(1, 2)  # (batch, written, read)
        shares = scores.masked_fill(blank[:, None], -1e9).softmax(dim=-1)
        joined = self._net["join"](self._torch.cat([out, shares @ memory], dim=-1)).tanh()
        return self._net["drop"](joined) @ self._net["write"].weight.T

    def _padded(self, rows: Sequence[Sequence[int]]) -> Any:
        longest = max(map(len, rows))
        return self._torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])

    def _dropped(self, row: Sequence[int]) -> list[int]:
        left_out = self._random.random(len(row)) < self._dropout / 3
        return [UNKNOWN if out else word for word, out in zip(row, left_out, strict=True)]

    def _grow(self, *texts: Sequence[Sequence[str]]) -> None:
        """Rows for new words; those of known words stay."""
        torch = self._torch
        for known, name, rows in zip(self._known, ("read", "write"), texts, strict=True):
            for row in rows:
                for word in row:
                    known.setdefault(word, len(known))
            old = self._net[name].weight.data
            new = 0.1 * torch.randn(len(known), old.shape[1])
            new[: len(old)] = old
            self._net[name] = torch.nn.Embedding.from_pretrained(new, freeze=False)
