"""A cheap digest of a large file: its size, its first bytes, and bytes sampled evenly from the rest."""

from __future__ import annotations

import hashlib
from pathlib import Path

SAMPLES = 16  # blocks read besides the first
BLOCK = 4096  # bytes of a block


def sampled_digest(path: Path) -> str:
    """16 hexadecimal digits that tell files apart by size and by some 70 kB of content, in under a millisecond.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "weights"
    ...     _ = file.write_bytes(b"a" * 100_000)
    ...     before = sampled_digest(file)
    ...     _ = file.write_bytes(b"a" * 99_999 + b"b")
    ...     before == sampled_digest(file)
    False
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=8)
    with path.open("rb") as file:
        for sample in range(SAMPLES + 1):
            file.seek(sample * max(size - BLOCK, 0) // SAMPLES)
            digest.update(file.read(BLOCK))
    return digest.hexdigest()
