"""A client in mem0's shape: one import changes, and no key is needed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina.integrations.mem0 import Memory  # instead of: from mem0 import Memory


def main(folder: Path) -> None:
    """Run the example in a folder."""
    with Memory(path=str(folder / "agent.db")) as memory:
        messages = [
            {"role": "user", "content": "I moved to Lisbon in March, and I am vegetarian."},
            {"role": "assistant", "content": "Noted. How do you like it there?"},
        ]
        added = memory.add(messages, user_id="ana", metadata={"topic": "home"})
        for one in memory.search("where does she live?", filters={"user_id": "ana"}, top_k=1)["results"]:
            print(one["score"], one["memory"])
        id = added["results"][0]["id"]
        memory.update(id, "I moved to Porto in April, and I am vegetarian.")
        for event in memory.history(id):
            print(event["event"], event["new_memory"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
