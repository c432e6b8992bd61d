"""A memory served to an agent over MCP: the server as a process, the official client, a few tools. Needs lamina[mcp]."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def call(client: Client, name: str, arguments: dict[str, object]) -> str:
    """The text a tool answers with."""
    result = await client.call_tool(name, arguments)
    return "".join(part.text for part in result.content if part.type == "text")


async def main(folder: Path) -> None:
    """Run the example in a folder."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "lamina", "mcp", str(folder / "agent.db"), "--user", "ana"], env=environment
    )
    async with Client(stdio_client(server)) as client:
        print("tools:", ", ".join(tool.name for tool in (await client.list_tools()).tools))
        await call(client, "remember", {"text": "Clara, Ana's sister, moved from Porto to Braga in May."})
        print(await call(client, "recall", {"cue": "Where does Clara live?", "max_tokens": 200}))
        entities = [{"name": "Clara", "entityType": "person", "observations": ["is allergic to walnuts"]}]
        await call(client, "create_entities", {"entities": entities})
        print(await call(client, "open_nodes", {"names": ["Clara"]}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(main(Path(place)))
