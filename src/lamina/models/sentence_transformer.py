"""Any model of the sentence-transformers library, run on this machine.

Source: N. Reimers, I. Gurevych, 2019, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks".
"""

from __future__ import annotations

import hashlib
import importlib
import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.models.fingerprint import sampled_digest
from lamina.models.protocols import TextKind, check_texts, check_vectors, normalise_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROMPT_NAMES: Final[dict[TextKind, tuple[str, ...]]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}
_WEIGHTS: Final = ("*.safetensors", "*.bin")


class SentenceTransformerEmbedder:
    """Embeds with a sentence-transformers model, loaded when it is first needed.

    Where the model defines prompts for queries and documents they are used. Text beyond the model's own maximum
    length is left out by the model. Blank texts give a zero row.

    Parameters: `name_or_folder`, a folder with a saved model or a name for the library to find; `device`, such as "cpu"
    (None: the library's choice); `batch`, texts run at once. Raises `MissingExtraError` where the library is not
    installed, `ConfigError` where the model cannot be loaded.
    """

    def __init__(self, name_or_folder: str | Path, *, device: str | None = None, batch: int = 32) -> None:
        if batch < 1:
            raise InputError(f"batch must be at least 1, not {batch}")
        self._where = str(name_or_folder)
        self._device = device
        self._batch = batch
        self._lock = threading.RLock()  # the library's tokenizers cannot be used by two threads at once

    @property
    def name(self) -> str:
        """The model's name, or its folder's."""
        return Path(self._where).name if Path(self._where).is_dir() else self._where

    @property
    def instant(self) -> bool:
        """False: a query takes tens of milliseconds on a CPU."""
        return False

    @cached_property
    def dim(self) -> int:
        """Components of a vector; loads the model."""
        for method in ("get_embedding_dimension", "get_sentence_embedding_dimension"):  # new name, then old
            if hasattr(self._model, method):
                found = getattr(self._model, method)()
                if isinstance(found, int):
                    return found
        return int(np.asarray(self._model.encode(["dimension"])).shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """Name, dimension, prompts, and a digest of the weight files where they lie in a folder; loads the model."""
        digest = hashlib.blake2b(json.dumps(self._prompts, sort_keys=True).encode(), digest_size=8)
        folder = Path(self._where)
        if folder.is_dir():
            for file in sorted(file for pattern in _WEIGHTS for file in folder.rglob(pattern)):
                digest.update(f"{file.relative_to(folder).as_posix()}:{sampled_digest(file)};".encode())
        return f"sentence-transformers/1:{self.name}:{self.dim}:{digest.hexdigest()}"

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        """Vectors of `texts`: float32 (n, dim), rows of length 1, a zero row for a blank text."""
        check_texts(texts, kind)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        rows = [row for row, text in enumerate(texts) if text and not text.isspace()]
        if rows:
            with self._lock:
                found = self._model.encode(
                    [texts[row] for row in rows],
                    prompt=self._prompts.get(kind),
                    batch_size=self._batch,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
            vectors[rows] = normalise_rows(check_vectors(found, len(rows), self.dim, self.name))
        return vectors

    @cached_property
    def _prompts(self) -> dict[TextKind, str]:
        defined = getattr(self._model, "prompts", None) or {}
        chosen: dict[TextKind, str] = {}
        for kind, names in _PROMPT_NAMES.items():
            found = next((defined[name] for name in names if defined.get(name)), None)
            if found:
                chosen[kind] = found
        return chosen

    @property
    def _model(self) -> Any:  # a class of the optional library
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> Any:
        try:
            library = importlib.import_module("sentence_transformers")
        except ImportError as error:  # kept as the cause: the library may be there and one of its parts be broken
            raise MissingExtraError.for_extra("local", "a local embedder", "sentence-transformers") from error
        try:
            return library.SentenceTransformer(self._where, device=self._device)
        except Exception as error:  # the library raises whatever its parts raise
            raise ConfigError(
                f"the embedder {self._where!r} cannot be loaded ({type(error).__name__}: {error}): "
                "give a folder with a saved model or the name of one"
            ) from error

    def __repr__(self) -> str:
        return f"SentenceTransformerEmbedder({self._where!r})"
