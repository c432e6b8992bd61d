"""mem0, the library most used for this, for comparison: its local store, our static vectors, no language model."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.bench.ranking.collections import Collection
from lamina.bench.ranking.embedders import static


class StaticEmbedding:
    """Our default embedder in the form mem0 asks of its providers, so that both libraries embed alike and equally fast."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """The vector of one text."""
        vector: list[float] = static().embed([text])[0].tolist()
        return vector

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = "add") -> list[list[float]]:
        """The vectors of several texts."""
        vectors: list[list[float]] = static().embed(list(texts)).tolist()
        return vectors


@contextmanager
def open_mem0() -> Iterator[Any]:
    """A fresh mem0 memory on disk in a temporary folder. Its class has no types of its own here, since it is optional."""
    settings = {"MEM0_TELEMETRY": "False", "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY") or "not-used"}
    before = {name: os.environ.get(name) for name in (*settings, "MEM0_DIR")}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(settings, MEM0_DIR=folder)
        logging.getLogger("mem0").setLevel(logging.ERROR)
        try:
            yield _make(Path(folder))
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _make(folder: Path) -> Any:
    from mem0 import Memory
    from mem0.utils.factory import EmbedderFactory

    EmbedderFactory.provider_to_class["huggingface"] = f"{__name__}.{StaticEmbedding.__name__}"
    store = {"path": str(folder / "qdrant"), "collection_name": "bench", "embedding_model_dims": static().dim, "on_disk": True}
    return Memory.from_config(
        {
            "vector_store": {"provider": "qdrant", "config": store},
            "embedder": {"provider": "huggingface", "config": {"embedding_dims": static().dim}},
            "history_db_path": str(folder / "history.db"),
        }
    )


@dataclass(frozen=True)
class Mem0:
    """mem0 with `infer=False` (messages stored as they are) as a system that ranks."""

    name: str = "mem0"
    distribution: str = "mem0ai"
    needs: tuple[str, ...] = ("mem0", "qdrant_client")

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        users = {one.name: f"collection-{place}" for place, one in enumerate(collections)}  # its ids may not have blanks in them
        with open_mem0() as memory:
            for one in collections:
                for passage in one.passages:
                    memory.add(passage.shown, user_id=users[one.name], metadata={"origin": passage.id}, infer=False)
            return {
                one.name: [
                    [
                        hit["metadata"]["origin"]
                        for hit in memory.search(asked.text, top_k=k, filters={"user_id": users[one.name]}, threshold=0.0)[
                            "results"
                        ]
                    ]
                    for asked in one.questions
                ]
                for one in collections
            }
