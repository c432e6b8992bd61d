"""What a local model needs of its library: text to tokens and back, and a session that reads tokens and gives logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.models.local.converting import cache_folder, converted
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lamina.models.local.weights import Weights

Precision = Literal["bfloat16", "float32"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
FAMILIES: Final = ("llama", "mistral", "qwen2", "qwen3")
"""Kinds of models that are known to work: decoders with rotary positions, as the library names them."""

BLOCK: Final = 256  # tokens scored at once: their logits take 50 MB with a vocabulary of 49,152


class Session(Protocol):
    """A text that a model has read, token by token; it can be gone on with and cut back."""

    @property
    def length(self) -> int:
        """Tokens read so far."""
        ...

    def extend(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Read tokens on; the logits of what comes after the last of them: float32 (vocabulary,)."""
        ...

    def score(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """Read n tokens on; the log-likelihoods, in nats, of all but the first: float64 (n - 1,)."""
        ...

    def crop(self, length: int) -> None:
        """Forget what was read after so many tokens."""
        ...


class Runner(Protocol):
    """A loaded model. `context`: tokens it holds; `opening`: what stands before any text; `ends`: tokens that end an answer."""

    @property
    def context(self) -> int:
        """How many tokens it can hold."""
        ...

    @property
    def opening(self) -> tuple[int, ...]:
        """Tokens that are put before a text."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, none special."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, without the special ones."""
        ...

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of messages in the model's own form, up to where its answer begins."""
        ...

    def session(self) -> Session:
        """A new session that has read nothing."""
        ...


def load_runner(weights: Weights, precision: Precision, device: str = "cpu", threads: int | None = None) -> Runner:
    """Load a model with torch and transformers; a GGUF file is converted first, once.

    `threads`: of torch, in the whole process (None: left as they are). Raises `MissingExtraError` where a library is not
    installed, `ConfigError` for a kind of model that is not known to work and for weights that cannot be loaded.
    """
    try:
        import torch
        import transformers
    except ImportError as error:  # kept as the cause: a library may be there and one of its parts be broken
        raise MissingExtraError.for_extra("local", "a local language model", "transformers") from error
    if threads is not None:
        torch.set_num_threads(threads)
    with _quiet(transformers.logging):
        return _load(weights, precision, device)


def _load(weights: Weights, precision: Precision, device: str) -> Runner:
    import torch
    import transformers

    where = weights.where if weights.file is None else str(converted(weights.file, cache_folder(), _write))
    try:
        _check_family(transformers.AutoConfig.from_pretrained(where), weights.name)
        model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=getattr(torch, precision))
        tokenizer = transformers.AutoTokenizer.from_pretrained(where)
        return TransformersRunner(model.to(device).eval(), tokenizer, weights.name)
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
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


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


class TransformersRunner:
    """A causal language model of the transformers library with its tokenizer (classes of an optional library, so of any type)."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self._model, self._tokenizer, self._name = model, tokenizer, name
        self.context = int(model.config.max_position_embeddings)
        stops = [tokenizer.eos_token_id]
        for config in (model.config, model.generation_config):
            named = getattr(config, "eos_token_id", None)
            stops += named if isinstance(named, list) else [named]
        self.ends = frozenset(one for one in stops if one is not None)
        self.opening = tuple(one for one in tokenizer("").input_ids if one == tokenizer.bos_token_id)

    def encode(self, text: str) -> list[int]:
        """See `Runner`."""
        found: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """See `Runner`."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """See `Runner`; raises `InputError` where the model has no form for messages, or refuses these."""
        if not self._tokenizer.chat_template:
            raise InputError(f"{self._name!r} has no chat template: take a model that was tuned on instructions")
        said = [{"role": one.role, "content": one.content} for one in messages]
        try:
            text = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's authors
            raise InputError(f"the chat template of {self._name!r} refuses these messages: {error}") from error
        return self.encode(text)

    def session(self) -> TransformersSession:
        """See `Runner`."""
        return TransformersSession(self._model)


class TransformersSession:
    """Keys and values of what was read, all of them kept."""

    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache = DynamicCache(config=model.config)

    @property
    def length(self) -> int:
        """See `Session`."""
        return int(self._cache.get_seq_length())

    def extend(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """See `Session`."""
        logits: NDArray[np.float32] = self._read(ids, 1)[0].numpy()
        return logits

    def score(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """See `Session`."""
        import numpy as np

        found = []
        for start in range(0, len(ids), BLOCK):
            block = ids[start : start + BLOCK]
            logs = self._read(block, len(block)).log_softmax(dim=-1)  # (block, vocabulary)
            after = np.array(ids[start + 1 : start + 1 + len(block)], np.int64)
            found.append(logs.double().numpy()[np.arange(len(after)), after])
        scores: NDArray[np.float64] = np.concatenate(found)
        return scores

    def crop(self, length: int) -> None:
        """See `Session`."""
        if length < self.length:
            self._cache.crop(length - self.length)  # negative: how many to take off

    def _read(self, ids: Sequence[int], keep: int) -> Any:
        """Float32 logits (keep, vocabulary) of what follows each of the last `keep` tokens."""
        import torch

        with torch.inference_mode():
            given = torch.tensor([list(ids)], device=self._model.device)
            found = self._model(input_ids=given, past_key_values=self._cache, use_cache=True, logits_to_keep=keep)
        return found.logits[0].float().cpu()
