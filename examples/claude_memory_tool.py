"""Claude's memory tool with a memory behind it: what the model would send is sent here by hand. Needs lamina[anthropic]."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory
from lamina.integrations.anthropic import LaminaMemoryTool


def main(folder: Path) -> None:
    """Run the example in a folder."""
    with Memory(folder / "agent.db") as memory:
        tool = LaminaMemoryTool(memory, user="ana")  # client.beta.messages.run_tools(tools=[tool], …)
        print(tool.call({"command": "create", "path": "/memories/people.md", "file_text": "# People\n\nClara lives in Porto.\n"}))
        print(tool.call({"command": "str_replace", "path": "/memories/people.md", "old_str": "Porto", "new_str": "Braga"}))
        print(tool.call({"command": "view", "path": "/memories"}))
        hit = memory.search("where does Clara live?", user="ana", k=1)[0]
        print("found by recall:", hit.text.splitlines()[-1], "| versions:", len(memory.history(hit.id)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
