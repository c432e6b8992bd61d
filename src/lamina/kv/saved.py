"""Keys and values of one text as a file: what they were made with, the tokens, and the numbers, in the safetensors form so that they can be mapped.

Nothing here needs torch: files are listed, checked and thrown away without it. That a file is whole is told by the digest that the
store keeps beside it; what is looked at here is whether it is such a file at all and whether it fits what is asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from lamina.errors import CorruptStoreError, InputError
from lamina.kv.coding import CODINGS, Coded, Coding, bytes_of
from lamina.storage.protocol import SAVED_ATTENTION

KIND: Final = SAVED_ATTENTION + "1"
"""Of the artifacts that hold such files; the number is that of their form."""
_FIELD: Final = "lamina"  # the one entry of the header's metadata, JSON
_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "I8": np.dtype("<i1"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "I32": np.dtype("<i4"),
}
_MOST_HEADER: Final = 1 << 20
_HEADER: Final = 1000  # bytes that a header takes at most, for estimates


@dataclass(frozen=True, slots=True)
class SavedForm:
    """What saved keys and values were made with; they are of use only where all of it is the same.

    `model`, `tokenizer`, `rotary`: fingerprints of the weights, of the tokenizer, and of the settings of rotary positions; `dtype`:
    what the model computes in; `layers`, `heads` (of keys and values), `width` (of a head); `coding`: how the numbers are written;
    `behind`: a digest of the tokens that stood before the text while it was read.
    """

    model: str
    tokenizer: str
    rotary: str
    dtype: str
    layers: int
    heads: int
    width: int
    coding: Coding
    behind: str

    def __post_init__(self) -> None:
        if self.coding not in CODINGS:
            raise InputError(f"{self.coding!r} is not a way to write keys and values: use one of {', '.join(CODINGS)}")
        if min(self.layers, self.heads, self.width) < 1:
            raise InputError("a form needs at least one layer, one head and a width of 1")

    @property
    def token_bytes(self) -> int:
        """Bytes on disk that each token takes.

        >>> SavedForm("m", "t", "r", "bfloat16", 30, 3, 64, "int8", "").token_bytes
        11884
        """
        return 2 * bytes_of(self.coding, self.layers * self.heads, self.width) + 4

    def estimate(self, tokens: int) -> int:
        """Bytes that a text of so many tokens takes on disk at most: less than a kilobyte above what it does take."""
        return _HEADER + tokens * self.token_bytes

    def address(self, owner: str, text: str) -> str:
        """Where they are kept: 32 hexadecimal digits, by what they were made with, the text, and the id of the item they belong to.

        The owner is part of it so that an item's keys and values go when it goes, and two scopes never share any.
        """
        content = json.dumps([KIND, asdict(self), owner, digest(text)])
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def differences(self, other: SavedForm) -> list[str]:
        """The names of what is not the same in another form."""
        return [one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name)]


@dataclass(frozen=True, slots=True)
class SavedText:
    """The keys and values of one text.

    `text`: its digest; `first`: the position at which its first token was read; `tokens`: int32 (n,); `keys`, turned to their positions,
    and `values`: (layers, heads, n, width).
    """

    form: SavedForm
    text: str
    first: int
    tokens: NDArray[np.int32]
    keys: Coded
    values: Coded

    def __len__(self) -> int:
        return len(self.tokens)


def digest(text: str) -> str:
    """32 hexadecimal digits of a text.

    >>> len(digest("hello"))
    32
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def digest_ids(ids: Sequence[int]) -> str:
    """The same of tokens; "" for none."""
    return hashlib.blake2b(np.asarray(ids, "<i4").tobytes(), digest_size=16).hexdigest() if len(ids) else ""


def pack(saved: SavedText) -> bytes:
    """The file of saved keys and values."""
    arrays: dict[str, NDArray[Any]] = {"tokens": saved.tokens.astype("<i4"), "keys": saved.keys.data, "values": saved.values.data}
    scales = {"key_scales": saved.keys.scales, "value_scales": saved.values.scales}
    arrays |= {name: one for name, one in scales.items() if one is not None}
    about = {"kind": KIND, "form": asdict(saved.form), "text": saved.text, "first": saved.first}
    return save({name: np.ascontiguousarray(one) for name, one in arrays.items()}, {_FIELD: json.dumps(about)})


def unpack(content: memoryview | bytes) -> SavedText:
    """What `pack` wrote; its arrays are views of `content`, so that a mapped file is read only where it is looked at.

    Raises `CorruptStoreError` for anything else.

    >>> form = SavedForm("m", "t", "r", "float32", 1, 1, 2, "bfloat16", "")
    >>> one = Coded(np.ones((1, 1, 3, 2), np.uint16))
    >>> unpack(pack(SavedText(form, digest("abc"), 4, np.arange(3, dtype=np.int32), one, one))).tokens.tolist()
    [0, 1, 2]
    """
    view = memoryview(content)
    about, entries, start = _header(view)
    try:
        if about["kind"] != KIND:
            raise _damaged(f"it is of the kind {about['kind']!r}, not {KIND!r}")
        form = SavedForm(**about["form"])
        arrays = {str(name): _array(view, start, entry) for name, entry in entries.items()}
        tokens = arrays.pop("tokens")
        shape: tuple[int, ...] = (form.layers, form.heads, len(tokens), form.width)
        expected = dict.fromkeys(("keys", "values"), (shape, "int8" if form.coding == "int8" else "uint16"))
        if form.coding == "int8":
            expected |= dict.fromkeys(("key_scales", "value_scales"), (shape[:3], "float16"))
        found = {name: (one.shape, one.dtype.name) for name, one in arrays.items()}
        if found != expected or tokens.shape != (len(tokens),) or tokens.dtype.name != "int32" or not len(tokens):
            raise _damaged("its arrays do not have the shapes of its form")
        keys, values = (Coded(arrays[name], arrays.get(f"{name[:-1]}_scales")) for name in ("keys", "values"))
        return SavedText(form, str(about["text"]), int(about["first"]), tokens, keys, values)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(str(error)) from None


def _header(view: memoryview) -> tuple[dict[str, Any], dict[str, Any], int]:
    """What the file says of itself, the entries of its arrays, and where their bytes begin."""
    size = int.from_bytes(view[:8], "little")
    if len(view) < 8 or size > min(_MOST_HEADER, len(view) - 8):
        raise _damaged("its header is cut off")
    try:
        header = json.loads(bytes(view[8 : 8 + size]))
        about = json.loads(header.pop("__metadata__")[_FIELD])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged("its header is not one") from None
    if not isinstance(about, dict):
        raise _damaged("its header is not one")
    return about, header, 8 + size


def _array(view: memoryview, start: int, entry: Any) -> NDArray[Any]:
    dtype, shape, (begin, end) = _TYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
    if any(type(number) is not int or number < 0 for number in (*shape, begin, end)):
        raise ValueError("an array has no shape")
    if end - begin != math.prod(shape) * dtype.itemsize or start + end > len(view):
        raise ValueError("an array lies outside of it")
    found: NDArray[Any] = np.frombuffer(view[start + begin : start + end], dtype).reshape(shape)
    return found


def _damaged(why: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"these are not saved keys and values, or they are damaged ({why}): 'lamina kv prune' throws them away"
    )
