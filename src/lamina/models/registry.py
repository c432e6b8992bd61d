"""From what a user writes in a setting to an embedder, a language model or a reranker."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from inspect import getattr_static
from typing import TYPE_CHECKING, Final, cast

from lamina.errors import ConfigError

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder, LanguageModel, Reranker

EMBEDDER_SPECS: Final = (
    "'wordllama', 'sentence-transformers:<name or folder>', 'openai:<model>@<base_url>', or an Embedder object"
)
MODEL_SPECS: Final = "'local', 'local:<name, folder or GGUF file>', 'openai:<model>@<base_url>', 'anthropic:<model>', None, or a LanguageModel object"
RERANKER_SPECS: Final = "'cross-encoder:<name or folder>', 'listwise:<language model>', None, or a Reranker object"
_ADDRESS = re.compile(r"@(?=https?://)")
_BARE_ADDRESS = re.compile(r".+@[^@]*[:/]")


def load_embedder(spec: str | Embedder | None = None, environment: Mapping[str, str] | None = None) -> Embedder:
    """The embedder that `spec` names: 'wordllama' (default), 'sentence-transformers:<name or folder>',
    'openai:<model>@<base_url>' (the address may be left out), or an embedder itself.

    Keys come from the environment: LAMINA_API_KEY, else OPENAI_API_KEY. Raises `ConfigError` for anything else.

    >>> load_embedder().name
    'wordllama'
    >>> load_embedder("word2vec")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    lamina.errors.ConfigError: 'word2vec' is not an embedder: use 'wordllama', 'sentence-transformers:...
    """
    if spec is None:
        spec = "wordllama"
    if not isinstance(spec, str):
        parts = ("name", "dim", "fingerprint", "instant", "embed")
        return cast("Embedder", _accept(spec, parts, "embedder", EMBEDDER_SPECS))
    kind, _, rest = spec.partition(":")
    if spec == "wordllama":
        from lamina.models.static import StaticEmbedder

        return StaticEmbedder()
    if kind == "sentence-transformers" and rest:
        from lamina.models.sentence_transformer import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(rest)
    if kind == "openai" and rest:
        from lamina.models.openai import OPENAI_URL, OpenAIEmbedder

        model, address = _split(spec, rest, OPENAI_URL)
        return OpenAIEmbedder(model, address, _key("OPENAI_API_KEY", address == OPENAI_URL, spec, environment))
    raise ConfigError(f"{spec!r} is not an embedder: use {EMBEDDER_SPECS}")


def load_model(
    spec: str | LanguageModel | None = None,
    environment: Mapping[str, str] | None = None,
) -> LanguageModel | None:
    """The language model that `spec` names: None, 'local' (the packaged one), 'local:<name, folder or GGUF file>',
    'openai:<model>@<base_url>', 'anthropic:<model>@<base_url>' (the addresses may be left out), or a model itself.

    Keys come from the environment: LAMINA_API_KEY, else OPENAI_API_KEY or ANTHROPIC_API_KEY. Raises `ConfigError` for
    anything else.

    >>> load_model(None) is None
    True
    """
    if spec is None:
        return None
    if not isinstance(spec, str):
        return cast("LanguageModel", _accept(spec, ("name", "complete"), "language model", MODEL_SPECS))
    kind, _, rest = spec.partition(":")
    if spec == "local" or (kind == "local" and rest):
        from lamina.models.local import LocalModel

        return LocalModel(rest or None)
    if kind == "openai" and rest:
        from lamina.models.openai import OPENAI_URL, OpenAIModel

        model, address = _split(spec, rest, OPENAI_URL)
        return OpenAIModel(model, address, _key("OPENAI_API_KEY", address == OPENAI_URL, spec, environment))
    if kind == "anthropic" and rest:
        from lamina.models.anthropic import ANTHROPIC_URL, AnthropicModel

        model, address = _split(spec, rest, ANTHROPIC_URL)
        return AnthropicModel(model, address, _key("ANTHROPIC_API_KEY", address == ANTHROPIC_URL, spec, environment))
    raise ConfigError(f"{spec!r} is not a language model: use {MODEL_SPECS}")


def load_reranker(spec: str | Reranker | None = None, environment: Mapping[str, str] | None = None) -> Reranker | None:
    """The reranker that `spec` names: None, 'cross-encoder:<name or folder>', 'listwise:<language model>' (see `load_model`),
    or a reranker itself. Raises `ConfigError` for anything else.

    >>> load_reranker(None) is None
    True
    """
    if spec is None:
        return None
    if not isinstance(spec, str):
        return cast("Reranker", _accept(spec, ("name", "weight", "rerank"), "reranker", RERANKER_SPECS))
    kind, _, rest = spec.partition(":")
    if kind == "cross-encoder" and rest:
        from lamina.models.cross_encoder import CrossEncoderReranker

        return CrossEncoderReranker(rest)
    if kind == "listwise" and rest:
        from lamina.models.listwise_reranker import ListwiseReranker

        model = load_model(rest, environment)
        assert model is not None
        return ListwiseReranker(model)
    raise ConfigError(f"{spec!r} is not a reranker: use {RERANKER_SPECS}")


def _accept(given: object, parts: tuple[str, ...], what: str, specs: str) -> object:
    """The object itself if it has what the protocol asks for; nothing of it is run to find out."""
    missing = [part for part in parts if getattr_static(given, part, None) is None]
    if missing:
        raise ConfigError(
            f"{type(given).__name__} is not {'an' if what[0] in 'aeiou' else 'a'} {what} (it lacks {', '.join(missing)}): use {specs}"
        )
    return given


def _split(spec: str, rest: str, default: str) -> tuple[str, str]:
    """Model and address of '<model>@<base_url>'; a model's name may itself contain '@'."""
    model, *address = _ADDRESS.split(rest, maxsplit=1)
    if not model:
        raise ConfigError(f"{spec!r} names no model before the '@'")
    if not address and _BARE_ADDRESS.match(rest):
        shown = rest.partition("@")[0]  # what follows may hold a password
        raise ConfigError(f"the model {shown!r} needs a whole address after '@', such as http://localhost:8000/v1")
    return model, address[0].rstrip("/") if address else default


def _key(own: str, needed: bool, spec: str, environment: Mapping[str, str] | None) -> str | None:
    known = os.environ if environment is None else environment
    key = (known.get("LAMINA_API_KEY") or known.get(own) or "").strip()
    if not key and needed:
        raise ConfigError(f"{spec!r} needs an API key: set the environment variable LAMINA_API_KEY or {own}")
    return key or None
