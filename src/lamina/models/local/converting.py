"""Quantised GGUF files, written out once as plain bfloat16 folders, which load in a second or two where the file takes half a minute."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lamina.errors import ConfigError
from lamina.models.fingerprint import sampled_digest
from lamina.models.local.weights import CONFIG

VERSION: Final = 1
"""Of the form of a converted folder."""

Writer = Callable[[Path, Path], None]
"""Writes the model of a GGUF file into an empty folder."""


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where what can be made again is kept: LAMINA_CACHE, else `lamina` in XDG_CACHE_HOME or ~/.cache.

    >>> cache_folder({"LAMINA_CACHE": "/tmp/made"}).as_posix()
    '/tmp/made'
    """
    environ = os.environ if environment is None else environment
    if environ.get("LAMINA_CACHE"):
        return Path(environ["LAMINA_CACHE"]).expanduser()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lamina"


def converted(file: Path, cache: Path, write: Writer) -> Path:
    """The folder with the model of a GGUF file, made by `write` where it is not there yet.

    It is written beside its place and renamed when whole, so that a crash leaves no half of it and two processes do not
    disturb each other. The name carries a digest of the file. Raises `ConfigError` where the cache cannot be written.
    """
    target = cache / "models" / f"{file.stem}-{sampled_digest(file)}-{VERSION}"
    if (target / CONFIG).is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{file.stem}-", dir=target.parent))
    except OSError as error:
        raise ConfigError(
            f"{target.parent} cannot be written ({error.strerror}): set LAMINA_CACHE to a folder that can"
        ) from None
    try:
        write(file, work)
        try:
            work.rename(target)
        except OSError:
            if not (target / CONFIG).is_file():  # else another process was faster
                raise
    except OSError as error:
        raise ConfigError(f"the model cannot be written to {target}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
