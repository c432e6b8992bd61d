"""A cross-encoder of the sentence-transformers library as a reranker: cue and passage are read together, on this machine.

Source: R. Nogueira, K. Cho, 2019, "Passage Re-ranking with BERT".
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.models.protocols import WEIGHT, check_scores, check_texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CrossEncoderReranker:
    """Reranks with a cross-encoder, loaded when it is first needed.

    Parameters: `name_or_folder`, a folder with a saved model or a name for the library to find; `weight`, score points for
    one standard deviation; `device`, such as "cpu" (None: the library's choice); `batch`, pairs run at once. Raises
    `MissingExtraError` where the library is not installed, `ConfigError` where the model cannot be loaded.
    """

    def __init__(self, name_or_folder: str | Path, *, weight: float = WEIGHT, device: str | None = None, batch: int = 32) -> None:
        if batch < 1:
            raise InputError(f"batch must be at least 1, not {batch}")
        self._where = str(name_or_folder)
        self._weight = weight
        self._device = device
        self._batch = batch
        self._lock = threading.RLock()  # the library's tokenizers cannot be used by two threads at once

    @property
    def name(self) -> str:
        """The model's name, or its folder's."""
        return Path(self._where).name if Path(self._where).is_dir() else self._where

    @property
    def weight(self) -> float:
        """Score points for one standard deviation."""
        return self._weight

    def rerank(self, cue: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """The model's scores of the pairs of cue and text: float32 (n,)."""
        check_texts(texts, "document")
        if not texts:
            return check_scores([], 0, self.name)
        with self._lock:
            found = self._model.predict(
                [(cue, text) for text in texts], batch_size=self._batch, convert_to_numpy=True, show_progress_bar=False
            )
        return check_scores(found, len(texts), self.name)

    @cached_property
    def _model(self) -> Any:  # a class of the optional library
        try:
            library = importlib.import_module("sentence_transformers")
        except ImportError as error:  # kept as the cause: the library may be there and one of its parts be broken
            raise MissingExtraError.for_extra("local", "a cross-encoder", "sentence-transformers") from error
        try:
            return library.CrossEncoder(self._where, device=self._device)
        except Exception as error:  # the library raises whatever its parts raise
            raise ConfigError(
                f"the cross-encoder {self._where!r} cannot be loaded ({type(error).__name__}: {error}): "
                "give a folder with a saved model or the name of one"
            ) from error

    def __repr__(self) -> str:
        return f"CrossEncoderReranker({self._where!r})"
