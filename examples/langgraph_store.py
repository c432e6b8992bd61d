"""LangGraph's long-term store on a memory. Needs lamina[langgraph]."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory
from lamina.integrations.langgraph import LaminaStore


def main(folder: Path) -> None:
    """Run the example in a folder."""
    with Memory(folder / "agent.db") as memory:
        store = LaminaStore(memory)  # hand it to graph.compile(store=store)
        store.put(("ana", "facts"), "home", {"text": "Ana lives in Porto."})
        store.put(("ana", "facts"), "home", {"text": "Ana lives in Braga."})
        store.put(("ana", "facts"), "food", {"text": "She loves grilled sardines."})
        [found] = store.search(("ana",), query="what does she like to eat?", limit=1)
        print(found.key, found.value["text"])
        item = store.get(("ana", "facts"), "home")
        assert item is not None
        print(item.value["text"], "since", item.created_at.date())
        current = memory.search("where does Ana live?", scope="*", k=1)[0]
        print("before that:", memory.history(current.id)[0].text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
