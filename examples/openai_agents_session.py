"""A session of the OpenAI Agents SDK that remembers earlier sessions; the model is scripted. Needs lamina[openai-agents]."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from agents import Agent, RunConfig, Runner, set_tracing_disabled
from agents.testing import ScriptedModel
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from lamina import Memory
from lamina.integrations.openai_agents import LaminaSession, recalling


def says(text: str) -> list[ResponseOutputMessage]:
    """An answer of the scripted model."""
    content = ResponseOutputText(text=text, type="output_text", annotations=[])
    return [ResponseOutputMessage(id="1", role="assistant", type="message", status="completed", content=[content])]


async def main(folder: Path) -> None:
    """Run the example in a folder."""
    set_tracing_disabled(True)
    with Memory(folder / "agent.db") as memory:
        model = ScriptedModel([says("Noted."), says("In Braga.")])
        agent = Agent(name="companion", model=model)
        config = RunConfig(call_model_input_filter=recalling(memory, user="ana", budget=300))
        for day, said in (("monday", "My sister Clara lives in Braga."), ("friday", "Where does Clara live?")):
            session = LaminaSession(day, memory, user="ana")
            result = await Runner.run(agent, said, session=session, run_config=config)
            print(f"[{day}] {said} -> {result.final_output}")
        print("what the model was shown on Friday:", model.calls[-1].input[0]["content"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(main(Path(place)))
