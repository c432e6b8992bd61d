"""Named arrays and a JSON header in one safetensors file, which shows damage when it is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lamina.errors import InputError, TransferError

Tensor: TypeAlias = torch.Tensor

FORMAT: Final = 1
_KEY: Final = "lamina"


def write_arrays(path: str | Path, arrays: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write arrays and a header (JSON) into a file of mode 0600; an old one is replaced at once or not at all.

    Raises `InputError` where it cannot be written.
    """
    plain = {name: array.detach().cpu().contiguous() for name, array in arrays.items()}
    said = json.dumps({"format": FORMAT, "header": header}, sort_keys=True)
    target = Path(path)
    beside = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        data = save(plain, metadata={_KEY: said, "digest": _digest(plain, said)})
        with open(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
        os.replace(beside, target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"{target} cannot be written ({error}): name a file in a folder that can be") from error


def read_arrays(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The arrays and the header of a file of `write_arrays`.

    Raises `InputError` where there is no such file, `TransferError` where it is damaged or something else.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            given = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        said = given[_KEY]
        if _digest(arrays, said) != given["digest"]:
            raise TransferError(f"{path} is damaged: its contents are not what was written; read the text again")
        whole = json.loads(said)
        if whole["format"] != FORMAT:
            raise TransferError(f"{path} has format {whole['format']!r}, and this version reads {FORMAT}: read the text again")
        return arrays, dict(whole["header"])
    except TransferError:
        raise
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise TransferError(f"{path} is damaged, or no saved cache ({error}): read the text again") from error


def _digest(arrays: Mapping[str, Tensor], said: str) -> str:
    digest = hashlib.blake2b(said.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
