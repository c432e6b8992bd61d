"""Loading a local model: found, converted where it is quantised, read with torch and transformers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from lamina.errors import ConfigError, MissingExtraError
from lamina.models.local.converting import cache_folder, converted

if TYPE_CHECKING:
    from lamina.kv import CachePolicy
    from lamina.models.local.runner import Runner
    from lamina.models.local.weights import Weights

Precision = Literal["auto", "bfloat16", "float32"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
FAMILIES: Final = ("llama", "mistral", "qwen2", "qwen3")
"""Kinds of models that are known to work: decoders with rotary positions, as the library names them."""
BFLOAT16: Final = frozenset({"avx512_bf16", "amx_bf16"})
"""What Linux calls processors that compute in bfloat16."""
PASSIVE: Final = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
"""How threads of torch wait for each other: asleep. Those that spin take the core from a busy neighbour, and are then several times slower."""


def load_runner(
    weights: Weights,
    precision: Precision,
    device: str = "cpu",
    threads: int | None = None,
    policy: CachePolicy | str | None = None,
) -> Runner:
    """Load a model with torch and transformers; a GGUF file is converted first, once.

    `threads`: of torch, in the whole process (None: left as they are); they wait passively (`PASSIVE`), unless the environment says
    otherwise or torch was imported before. `policy`: see `lamina.models.local.contexts`. Raises `MissingExtraError` where a library is not installed, `ConfigError` for a kind of
    model that is not known to work and for weights that cannot be loaded.
    """
    for setting, value in PASSIVE.items():  # read once, when torch's library of threads is loaded
        os.environ.setdefault(setting, value)
    try:
        import torch
        import transformers
    except ImportError as error:  # kept as the cause: a library may be there and one of its parts be broken
        raise MissingExtraError.for_extra("local", "a local language model", "transformers") from error
    if threads is not None:
        torch.set_num_threads(threads)
    with _quiet(transformers.logging):
        return _load(weights, precision, device, policy)


def computing(precision: Precision, flags: frozenset[str] | None = None) -> str:
    """What a model computes in: "float32", "bfloat16", or "mixed", which is what "auto" comes to on a processor that computes in
    bfloat16: long pieces of a prompt are read in it, all else is float32. `flags` of the processor (None: this machine's).

    >>> computing("auto", frozenset({"avx2"})), computing("auto", frozenset({"avx512_bf16"})), computing("bfloat16")
    ('float32', 'mixed', 'bfloat16')
    """
    if precision != "auto":
        return precision
    return "mixed" if BFLOAT16 & (processor_flags() if flags is None else flags) else "float32"


def processor_flags() -> frozenset[str]:
    """What Linux says that the processor can do; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _load(weights: Weights, precision: Precision, device: str, policy: CachePolicy | str | None) -> Runner:
    import torch
    import transformers

    from lamina.models.local.contexts import context_policy
    from lamina.models.local.runner import TransformersRunner

    chosen = context_policy(policy)
    where = weights.where if weights.file is None else str(converted(weights.file, cache_folder(), _write))
    try:
        _check_family(transformers.AutoConfig.from_pretrained(where), weights.name)
        dtype = torch.float32 if precision == "auto" else getattr(torch, precision)
        model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=dtype)
        tokenizer = transformers.AutoTokenizer.from_pretrained(where)
        mixed = device == "cpu" and computing(precision) == "mixed"
        return TransformersRunner(model.to(device).eval(), tokenizer, weights.name, policy=chosen, mixed=mixed)
    except ConfigError:
        raise
    except Exception as error:  # the library raises whatever its parts raise
        raise ConfigError(
            f"the model {weights.name!r} cannot be loaded ({type(error).__name__}: {error}): "
            "name a GGUF file, a folder with a saved model, or a model by its public name"
        ) from error


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the library's bars and warnings (its module of logging, so of any type), which speak to those who train."""
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with _no_bar_of_gguf():
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _no_bar_of_gguf() -> Iterator[None]:
    """The one bar of the library that listens to no setting: it is drawn where a GGUF file is read."""
    from transformers import modeling_gguf_pytorch_utils as reading

    drawn = getattr(reading, "tqdm", None)
    if drawn is not None:
        reading.tqdm = lambda given, *_, **__: given
    try:
        yield
    finally:
        if drawn is not None:
            reading.tqdm = drawn


def _check_family(config: Any, name: str) -> None:
    if config.model_type not in FAMILIES:
        raise ConfigError(f"{name!r} is a model of the kind {config.model_type!r}: take one of {', '.join(FAMILIES)}")


def _write(file: Path, folder: Path) -> None:
    """Write a GGUF file out as a plain folder: the loaded model itself counts as quantised and cannot be saved."""
    import torch
    import transformers

    try:
        import accelerate  # noqa: F401
        import gguf  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.for_extra("local", "reading a GGUF file", error.name or "gguf") from error
    home = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        config = transformers.AutoConfig.from_pretrained(**home)
        _check_family(config, file.stem)
        loaded = transformers.AutoModelForCausalLM.from_pretrained(**home, dtype=torch.bfloat16)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**home)
    except (ConfigError, OSError):
        raise
    except Exception as error:  # the library raises whatever its parts raise
        raise ConfigError(f"{file} cannot be read as a model ({type(error).__name__}: {error})") from error
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
