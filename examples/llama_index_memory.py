"""A memory for LlamaIndex, under an engine with a mock model that repeats what it is shown. Needs lamina[llama-index]."""

from __future__ import annotations

import tempfile
from pathlib import Path

from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import MockLLM

from lamina import Memory
from lamina.integrations.llama_index import LaminaMemory


def main(folder: Path) -> None:
    """Run the example in a folder."""
    with Memory(folder / "agent.db") as memory:
        for day, said in (("monday", "My sister Clara lives in Braga."), ("friday", "Where does Clara live?")):
            engine = SimpleChatEngine.from_defaults(
                llm=MockLLM(), memory=LaminaMemory(memory, session=day, scope="/ana", budget=300)
            )
            print(f"[{day}] the model was shown: {engine.chat(said)}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
