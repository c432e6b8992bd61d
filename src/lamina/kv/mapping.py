"""Arrays that lie in a file without a name and are read from there, page by page of the system, when they are looked at."""

from __future__ import annotations

import tempfile
from typing import TypeAlias

import numpy as np
import torch

Tensor: TypeAlias = torch.Tensor


def mapped(array: Tensor) -> Tensor:
    """The same array, in a file that only this process can read and that is gone with the last use of the array.

    What was read of it may stay in the system's cache of files, which makes way when memory is needed. Arrays of other devices
    are not mapped.

    >>> mapped(torch.arange(6, dtype=torch.bfloat16).reshape(2, 3))[1]
    tensor([3., 4., 5.], dtype=torch.bfloat16)
    """
    if array.device.type != "cpu" or not array.numel():
        return array
    with tempfile.TemporaryFile() as file:
        file.write(array.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        file.flush()
        held = np.memmap(file, np.uint8, "c")  # writing would change this process's copy alone
    return torch.from_numpy(np.asarray(held)).view(array.dtype).reshape(array.shape)
