"""A process with one model and the presses of kvpress: it reads a context, compresses it, and answers questions about it.

Run by its path with an interpreter that has kvpress 0.5.5 (and with it transformers 5.2); it imports nothing of this library. Reads one JSON object a line and answers with one; what libraries print
goes nowhere. The question is hidden from the press: it is read after the context was compressed, from its place in the whole text on.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Any

NOMINAL = ("KVzipPress",)  # masks what it drops and holds on to it: what it would hold is counted instead


class Holder:
    """Does what it is told with one model."""

    def __init__(self) -> None:
        self.model: Any = None
        self.kept: list[tuple[Any, Any]] = []
        self.length = 0

    def load(self, folder: str, precision: str) -> dict[str, Any]:
        """Load the model; what is installed."""
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(1)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, precision)).eval()
        return {"kvpress": _version("kvpress"), "transformers": _version("transformers"), "torch": torch.__version__}

    def encode(self, ids: list[int], press: str, share: float) -> dict[str, Any]:
        """Read a context and keep a share of it; bytes held, seconds of the processor and of the clock."""
        import kvpress  # type: ignore[import-not-found]  # of another interpreter
        import torch
        from transformers import DynamicCache

        cache, self.length = DynamicCache(), len(ids)
        clock, processor = time.perf_counter(), time.process_time()
        chosen = getattr(kvpress, press)(compression_ratio=1 - share) if press else None
        with torch.no_grad(), chosen(self.model) if chosen else contextlib.nullcontext():
            self.model.model(input_ids=torch.tensor([ids]), past_key_values=cache)
        told = {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}
        self.kept = [(layer.keys, layer.values) for layer in cache.layers]
        held = sum(int(one.nbytes) for pair in self.kept for one in pair)
        if press in NOMINAL:
            held = round(held * share)
        return {**told, "bytes": held, "attended": share * self.length if press in NOMINAL else float(self.kept[0][0].shape[2])}

    def ask(self, asked: list[int], lead: list[int], options: list[list[int]], steps: int) -> dict[str, Any]:
        """Log-likelihoods of the options after a question and the answer's beginning, and the likeliest tokens there."""
        from transformers import DynamicCache

        cache, start = DynamicCache(), time.process_time()
        for number, (keys, values) in enumerate(self.kept):
            cache.update(keys, values, number)
        place = self.length
        self._read(cache, asked, place)
        logits = self._read(cache, lead, place + len(asked))[-1].log_softmax(dim=-1)
        place += len(asked) + len(lead)
        after = [(layer.keys, layer.values) for layer in cache.layers]
        nats = []
        for option in options:
            self._back(cache, after)
            rest = self._read(cache, option[:-1], place).log_softmax(dim=-1) if len(option) > 1 else None
            later = 0.0 if rest is None else sum(float(rest[at, one]) for at, one in enumerate(option[1:]))
            nats.append(float(logits[option[0]]) + later)
        self._back(cache, after)
        said = [int(logits.argmax())]
        while len(said) < steps:
            said.append(int(self._read(cache, said[-1:], place + len(said) - 1)[-1].argmax()))
        return {"nats": nats, "said": said, "processor_seconds": time.process_time() - start}

    def _back(self, cache: Any, after: list[tuple[Any, Any]]) -> None:
        for layer, (keys, values) in zip(cache.layers, after, strict=True):
            layer.keys, layer.values = keys, values

    def _read(self, cache: Any, ids: list[int], place: int, keep: int = 0) -> Any:
        """Logits (n, vocabulary) in 32 bits."""
        import torch

        places = torch.arange(place, place + len(ids))[None]
        with torch.no_grad():
            found = self.model(
                input_ids=torch.tensor([ids]), past_key_values=cache, position_ids=places, logits_to_keep=keep, use_cache=True
            )
        return found.logits[0].float()


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def serve() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    holder = Holder()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = getattr(holder, asked.pop("do"))(**asked)
        except Exception as error:  # noqa: BLE001 - the parent says it: it knows which press this is
            told = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
