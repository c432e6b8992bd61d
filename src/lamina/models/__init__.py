"""Embedders, language models, rerankers and token counters, each behind a small protocol; nothing is imported until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.models.anthropic import AnthropicModel
    from lamina.models.cross_encoder import CrossEncoderReranker
    from lamina.models.http import Retry
    from lamina.models.listwise_reranker import ListwiseReranker
    from lamina.models.local import LocalModel
    from lamina.models.openai import OpenAIEmbedder, OpenAIModel
    from lamina.models.protocols import (
        Completion,
        Embedder,
        LanguageModel,
        Message,
        Reranker,
        TokenCounter,
        Tool,
        ToolCall,
        ToolModel,
        check_vectors,
    )
    from lamina.models.registry import load_embedder, load_model, load_reranker
    from lamina.models.replay import ReplayCache
    from lamina.models.sentence_transformer import SentenceTransformerEmbedder
    from lamina.models.static import StaticEmbedder
    from lamina.models.tokens import CallableTokens, WordLlamaTokens
    from lamina.models.tools import ToolsInWords

__all__ = [
    "AnthropicModel",
    "CallableTokens",
    "Completion",
    "CrossEncoderReranker",
    "Embedder",
    "LanguageModel",
    "ListwiseReranker",
    "LocalModel",
    "Message",
    "OpenAIEmbedder",
    "OpenAIModel",
    "ReplayCache",
    "Reranker",
    "Retry",
    "SentenceTransformerEmbedder",
    "StaticEmbedder",
    "TokenCounter",
    "Tool",
    "ToolCall",
    "ToolModel",
    "ToolsInWords",
    "WordLlamaTokens",
    "check_vectors",
    "load_embedder",
    "load_model",
    "load_reranker",
]

_HOMES = {
    "AnthropicModel": "anthropic",
    "CallableTokens": "tokens",
    "Completion": "protocols",
    "CrossEncoderReranker": "cross_encoder",
    "Embedder": "protocols",
    "LanguageModel": "protocols",
    "ListwiseReranker": "listwise_reranker",
    "LocalModel": "local",
    "Message": "protocols",
    "OpenAIEmbedder": "openai",
    "OpenAIModel": "openai",
    "ReplayCache": "replay",
    "Reranker": "protocols",
    "Retry": "http",
    "SentenceTransformerEmbedder": "sentence_transformer",
    "StaticEmbedder": "static",
    "TokenCounter": "protocols",
    "Tool": "protocols",
    "ToolCall": "protocols",
    "ToolModel": "protocols",
    "ToolsInWords": "tools",
    "WordLlamaTokens": "tokens",
    "check_vectors": "protocols",
    "load_embedder": "registry",
    "load_model": "registry",
    "load_reranker": "registry",
}


def __getattr__(name: str) -> Any:  # PEP 562: the type depends on the name
    if name not in _HOMES:
        raise AttributeError(f"module 'lamina.models' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"lamina.models.{_HOMES[name]}"), name)
