"""A memory for an agent of Pydantic AI; the model is a function. Needs lamina[pydantic-ai]."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from lamina import Memory
from lamina.integrations.pydantic_ai import LaminaCapability


def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """A model that knows what it is shown and nothing else."""
    shown = " ".join(str(part) for message in messages for part in message.parts)
    return ModelResponse([TextPart("In Braga." if "Braga" in shown and "Where" in shown else "Noted.")])


def main(folder: Path) -> None:
    """Run the example in a folder."""
    with Memory(folder / "agent.db") as memory:
        for day, said in (("monday", "My sister Clara lives in Braga."), ("friday", "Where does Clara live?")):
            capability = LaminaCapability(memory, day, user="ana", budget=300)
            agent = Agent(FunctionModel(model), capabilities=[capability])
            result = agent.run_sync(said, message_history=capability.messages())
            print(f"[{day}] {said} -> {result.output}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
