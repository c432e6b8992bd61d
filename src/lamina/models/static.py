"""Static embedding: a text's vector is the normalised sum of its tokens' vectors.

Source: the token table and tokenizer come packaged with WordLlama (D. L. Miller, 2024, "WordLlama: Recycled Token
Embeddings from Large Language Models"). The arithmetic is a mean of rows and a division by its length.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lamina.errors import ConfigError
from lamina.models.fingerprint import sampled_digest
from lamina.models.packaged import TOKENIZER, WEIGHTS, packaged_file
from lamina.models.protocols import TextKind, check_texts, check_vectors, normalise_rows
from lamina.models.word_pieces import ID_BYTES, WordPieces, load_word_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION: Final = 1  # of the arithmetic below: a change of it changes vectors, and so the fingerprint
_DTYPES: Final[dict[str, type[np.floating]]] = {"F16": np.float16, "F32": np.float32}
_MAX_HEADER: Final = 1 << 20  # bytes; the packaged header has 88


class StaticEmbedder:
    """The default embedder: offline, no model to run, tens of thousands of sentences a second on one thread.

    Same vectors as wordllama's own `embed(norm=True)` up to float32 rounding, except: an empty text gives a zero row
    (there: NaN). Texts are never cut. Rows of the table are turned from float16 into float32 when a text first needs
    them, so loading costs nothing and memory follows the vocabulary in use (33 MB at most). Queries and documents are
    embedded alike. May be shared by threads.

    Parameters: `weights`, a safetensors file with one float16 or float32 matrix (tokens, dim); `tokenizer`, a
    `tokenizers` JSON file; default for both: those packaged with wordllama. Raises `MissingExtraError` where the
    package is missing, `ConfigError` where a file is missing or damaged.

    >>> embedder = StaticEmbedder()
    >>> dog, puppy, stocks = embedder.embed(["dog", "puppy", "stocks"])
    >>> bool(dog @ puppy > 0.5 > dog @ stocks)
    True
    """

    block: Final = 256  # texts tokenised before their rows are summed
    span: Final = 512  # token rows gathered at once: half a megabyte stays in the processor's cache

    def __init__(
        self,
        weights: Path | str | None = None,
        tokenizer: Path | str | None = None,
        name: str = "wordllama",
    ) -> None:
        self._weights = packaged_file(WEIGHTS) if weights is None else Path(weights)
        self._tokenizer = packaged_file(TOKENIZER) if tokenizer is None else Path(tokenizer)
        self._name = name
        self._dtype, self._shape, self._offset = _read_header(self._weights)
        self._lock = threading.Lock()
        self._table: _TokenTable | None = None

    @property
    def name(self) -> str:
        """The embedder's name."""
        return self._name

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return self._shape[1]

    @property
    def instant(self) -> bool:
        """True: a query takes well under a millisecond."""
        return True

    @cached_property
    def fingerprint(self) -> str:
        """Name, arithmetic, dimension and digests of both files; no version of the package, so that an upgrade that
        leaves the files alone leaves stores alone."""
        return f"{self.name}/{_VERSION}:{self.dim}:{sampled_digest(self._weights)}{sampled_digest(self._tokenizer)}"

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        """Vectors of `texts`: float32 (n, dim), rows of length 1, zero for an empty text; `kind` makes no difference.

        Raises `InputError` for anything but strings, and for text that has no UTF-8 form.
        """
        check_texts(texts, kind)
        pieces, table = self._load()
        sums = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), self.block):
            encoded = [pieces.encode(text) for text in texts[start : start + self.block]]
            self._add_rows(table, encoded, sums[start : start + self.block])
        return check_vectors(normalise_rows(sums), len(texts), self.dim, self.name)

    @property
    def files(self) -> tuple[Path, Path]:
        """The weights and the tokenizer."""
        return self._weights, self._tokenizer

    @property
    def size(self) -> int:
        """Tokens in the table."""
        return self._shape[0]

    def token_rows(self, ids: NDArray[np.intp]) -> NDArray[np.float32]:
        """The rows of some tokens of the vocabulary as they are in the file, float32 (n, dim)."""
        _, table = self._load()
        found: NDArray[np.float32] = table.rows(ids)[ids]
        return found

    def word_vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of single words for soft lexical matching: float32 (n, dim), each word as it stands inside a text.

        >>> StaticEmbedder().word_vectors(["cat", "dog"]).shape
        (2, 256)
        """
        return self.embed(words)

    def _load(self) -> tuple[WordPieces, _TokenTable]:
        pieces = load_word_pieces(self._tokenizer)
        with self._lock:
            if self._table is None:
                self._table = _TokenTable(self._weights, self._dtype, self._shape, self._offset)
            return pieces, self._table

    def _add_rows(self, table: _TokenTable, encoded: Sequence[bytes], sums: NDArray[np.float32]) -> None:
        ids = np.frombuffer(b"".join(encoded), dtype=np.int32).astype(np.intp)
        np.clip(ids, 0, self._shape[0] - 1, out=ids)
        rows = table.rows(ids)  # (tokens of the vocabulary, dim)
        gathered = np.empty((self.span, self.dim), dtype=np.float32)
        start = 0
        for row, one in enumerate(encoded):
            end = start + len(one) // ID_BYTES
            if end - start <= self.span:
                part = gathered[: end - start]
                rows.take(ids[start:end], axis=0, out=part, mode="clip")
                np.add.reduce(part, axis=0, out=sums[row])
            else:  # a long text: sum of spans, in float64 so that order and length do not show
                total = np.zeros(self.dim)
                for begin in range(start, end, self.span):
                    total += rows[ids[begin : min(begin + self.span, end)]].sum(axis=0)
                sums[row] = total
            start = end

    def __repr__(self) -> str:
        return f"StaticEmbedder({self.name!r}, dim={self.dim})"


class _TokenTable:
    """Token vectors: mapped from the file, turned into float32 row by row as they are needed."""

    def __init__(self, path: Path, dtype: type[np.floating], shape: tuple[int, int], offset: int) -> None:
        self._mapped = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
        self._rows = np.empty(shape, dtype=np.float32)  # pages are taken from the system when first written
        self._ready = np.zeros(shape[0], dtype=np.bool_)

    def rows(self, ids: NDArray[np.intp]) -> NDArray[np.float32]:
        """The whole table (tokens, dim), in which at least the rows `ids` are filled in."""
        missing = ids[~self._ready[ids]]
        if missing.size:
            missing = np.unique(missing)
            self._rows[missing] = self._mapped[missing]
            self._ready[missing] = True  # last, so that another thread never sees an unfilled row as ready
        return self._rows


def _read_header(path: Path) -> tuple[type[np.floating], tuple[int, int], int]:
    """Data type, shape and byte offset of the one matrix in a safetensors file."""
    wrong = f"{path} is not a safetensors file with one float16 or float32 matrix"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise ConfigError(f"{wrong}: its header says {length} bytes")
            header = json.loads(file.read(length))
        (tensor,) = (value for key, value in header.items() if key != "__metadata__")
        dtype = _DTYPES[tensor["dtype"]]
        rows, dim = (int(number) for number in tensor["shape"])
        first, last = (int(number) for number in tensor["data_offsets"])
    except OSError as error:
        raise ConfigError(f"the embedder's weights cannot be read: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{wrong}: reinstall wordllama or name another file") from None
    whole = last - first == rows * dim * np.dtype(dtype).itemsize and 8 + length + last <= size
    if rows < 1 or dim < 1 or first < 0 or not whole:
        raise ConfigError(f"{wrong}: it is cut off or its header is wrong; reinstall wordllama or name another file")
    return dtype, (rows, dim), 8 + length + first
