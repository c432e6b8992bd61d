"""A conversation: its prompts only grow at their end, keep their budget, and both sides are stored, also what was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from lamina import Memory
from lamina.agents.companion import FRAME
from lamina.agents.conversation import Conversation
from lamina.errors import BudgetError, InputError, ModelError, StateError
from lamina.models.protocols import Completion, Message
from lamina.models.tokens import WordLlamaTokens

COUNTER = WordLlamaTokens()


class Streamed:
    """The stream of a model that says a list of words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words, self.said, self.cancelled = list(words), "", False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.cancelled or not self.words:
            raise StopIteration
        self.said += self.words[0]
        return self.words.pop(0)

    def cancel(self) -> bool:
        self.cancelled = True
        return True

    def close(self) -> None:
        self.cancelled = self.cancelled or bool(self.words)

    @property
    def completion(self) -> Completion:
        return Completion(self.said, None, "streaming", 50, self.said.count(" "), self.cancelled, reused_tokens=30)


class Streaming:
    """A model that answers word by word; an error in place of an answer is raised."""

    name = "streaming"

    def __init__(self, *answers: Any) -> None:
        self.answers, self.prompts = list(answers), list[Sequence[Message]]()

    def stream(self, messages: Sequence[Message], *, max_tokens: int = 1024, temperature: float = 0.0) -> Streamed:
        self.prompts.append(list(messages))
        answer = self.answers.pop(0) if self.answers else "So it is."
        if isinstance(answer, Exception):
            raise answer
        return Streamed([f"{word} " for word in answer.split()])

    def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        raise AssertionError("it streams")


def stored(memory: Memory) -> list[tuple[str | None, str, Any]]:
    return [(one.role, one.text, one.metadata.get("cut")) for one in memory.get_all(user="ana", kinds=["trace"])]


def test_prompts_grow_at_their_end_and_keep_what_was_recalled_where_it_was() -> None:
    with Memory(":memory:") as memory:
        memory.add("My dog is called Biscuit.", user="ana", session="before")
        model = Streaming()
        talk = Conversation(memory, model, user="ana", temperature=0.0)
        for line in ("What is my dog called?", "My kettle is blue.", "How is my dog?"):
            "".join(talk.say(line))
        assert "Biscuit" in model.prompts[0][1].content
        for before, after in zip(model.prompts, model.prompts[1:], strict=False):
            assert after[: len(before)] == before
        assert [one.role for one in model.prompts[2]] == ["system", "user", "assistant", "user", "assistant", "user"]
        assert "Biscuit" not in model.prompts[2][-1].content  # it is shown further up
        assert talk.last.recalled[-1].level == "context"
        assert talk.last.cost is not None
        assert (talk.last.cost.prompt, talk.last.cost.read, talk.last.cost.reused) == (50, 20, 30)


def test_a_budget_is_kept_and_old_turns_go_several_at_a_time() -> None:
    with Memory(":memory:") as memory:
        model = Streaming()
        talk = Conversation(memory, model, user="ana", budget=400, recall=60, counter=COUNTER)
        for number in range(30):
            "".join(talk.say(f"This is thing number {number}, and there is quite a bit to be said about it."))
        sizes = [sum(FRAME + COUNTER.count(one.content) for one in prompt) for prompt in model.prompts]
        assert max(sizes) <= 400
        kept = sum(after[: len(before)] == before for before, after in zip(model.prompts, model.prompts[1:], strict=False))
        assert kept >= 20  # of 29 steps: a prompt mostly goes on as the last one was
        with pytest.raises(BudgetError, match="of a budget of 400"):
            talk.say("word " * 500)
        endless = Conversation(memory, Streaming(), user="ana", budget=None)
        assert "".join(endless.say("word " * 2000))


def test_what_was_stopped_is_kept_as_far_as_it_was_said() -> None:
    with Memory(":memory:") as memory:
        talk = Conversation(memory, Streaming("One two three four."), user="ana")
        for piece in talk.say("Count, please."):
            if piece == "two ":
                assert talk.cancel()
        assert (talk.last.answer, talk.last.cancelled) == ("One two ", True)
        talk = Conversation(memory, Streaming("Five six seven."), user="ana")
        pieces = talk.say("And on.")
        assert next(pieces) == "Five "
        pieces.close()  # type: ignore[attr-defined]
        assert talk.last.cancelled
        assert stored(memory) == [
            ("user", "Count, please.", None), ("assistant", "One two", "cancelled"), ("user", "And on.", None), ("assistant", "Five", "cancelled"),
        ]  # fmt: skip


def test_a_model_that_fails_loses_nothing_and_leaves_no_gap() -> None:
    with Memory(":memory:") as memory:
        model = Streaming(ModelError("it is away"), "Here again.")
        talk = Conversation(memory, model, user="ana")
        with pytest.raises(ModelError, match="it is away"):
            list(talk.say("Are you there?"))
        assert stored(memory) == [("user", "Are you there?", None)]
        "".join(talk.say("And now?"))
        assert [one.role for one in model.prompts[1]] == ["system", "user"]  # two of one side in a row are refused by some models


def test_what_is_forgotten_leaves_the_conversation_too() -> None:
    with Memory(":memory:") as memory:
        memory.add("My dog is called Biscuit.", user="ana", session="before")
        model = Streaming()
        talk = Conversation(memory, model, user="ana")
        "".join(talk.say("What is my dog called?"))
        hit = talk.last.recalled[0]
        assert hit.id is not None
        assert talk.forget([hit.id]) == 1
        "".join(talk.say("Say it again."))
        assert not any("Biscuit" in one.content for one in model.prompts[1])
        assert talk.forget(talk.last.turns) == 2
        "".join(talk.say("And now?"))
        assert not any("Say it again" in one.content for one in model.prompts[2])


def test_values_out_of_range_are_refused() -> None:
    with Memory(":memory:") as memory:
        for wrong in ({"budget": 0}, {"recall": -1}, {"max_tokens": 0}, {"scope": "*"}):
            with pytest.raises(InputError):
                Conversation(memory, Streaming(), **wrong)
        with pytest.raises(StateError, match="nothing was said yet"):
            _ = Conversation(memory, Streaming(), user="ana").last
