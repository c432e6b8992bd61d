"""The files that travel inside the wordllama package, found without importing it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from lamina.errors import ConfigError, MissingExtraError

WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"


def packaged_file(name: str) -> Path:
    """The path of a file inside the installed wordllama package.

    Raises `MissingExtraError` where the package is not installed, `ConfigError` where it lacks the file.

    >>> packaged_file(TOKENIZER).suffix
    '.json'
    """
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("the default embedder and tokenizer need the package wordllama: pip install wordllama")
    folder = Path(spec.submodule_search_locations[0])
    path = folder / name
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: reinstall it with pip install --force-reinstall wordllama")
    return path
