"""A chat loop with memory. The model is a stand-in: put a call to your own in its place.

Two things to notice. What is recalled goes into the system prompt as quoted data, under a budget. And the assistant's answer
is stored like any message; where it only repeats what was recalled, the memory marks it as an echo and derives nothing from it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory


def stand_in_model(messages: list[dict[str, str]]) -> str:
    """Answers a question with the quoted statement that shares most words with it."""
    said = messages[-1]["content"]
    if not said.endswith("?"):
        return "Noted."
    asked = set(said.lower().rstrip("?").split())
    quoted = [line.removeprefix("- ") for line in messages[0]["content"].splitlines() if line.startswith("- ")]
    statements = [line for line in quoted if not line.startswith("assistant:") and not line.endswith("?")]
    return max(statements, key=lambda line: len(asked & set(line.lower().split())), default="I do not know that yet.")


def answer(memory: Memory, user: str, session: str, said: str) -> str:
    """One turn: recall, ask the model, store both sides."""
    recall = memory.context(said, user=user, budget=400)
    answered = stand_in_model(
        [
            {"role": "system", "content": f"You are a helpful assistant.\n{recall.text}"},
            {"role": "user", "content": said},
        ]
    )
    memory.add(
        [{"role": "user", "content": said}, {"role": "assistant", "content": answered}],
        user=user,
        session=session,
    )
    return answered


def main(folder: Path) -> None:
    """Run the example in a folder."""
    script = {
        "monday": ["My sister Clara lives in Braga.", "I am allergic to walnuts."],
        "friday": ["Where does my sister Clara live?", "And what am I allergic to?"],
    }
    with Memory(folder / "chat.db") as memory:
        for session, lines in script.items():
            for said in lines:
                print(f"[{session}] you: {said}")
                print(f"[{session}] it:  {answer(memory, 'ana', session, said)}")
        everything = memory.get_all(user="ana").items
        echoes = [item for item in everything if item.data.get("echo")]
        print(f"{len(everything)} messages are kept, {len(echoes)} of them known to be echoes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
