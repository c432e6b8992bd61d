"""Answers while they are written: pieces, cancelling, and conversations that are read only from where they differ."""

from __future__ import annotations

import threading

import pytest

from lamina.errors import InputError, ModelError, StateError
from lamina.models import LocalModel, Message
from lamina.models.local.answer import BLOCK
from lamina.models.local.prefixes import Prefixes
from tests.models.local.fakes import FakeRunner, FakeSession, saying
from tests.models.local.test_model import ASKED, LETTER_A, model_of


def said(messages: list[Message]) -> int:
    return len(FakeRunner(LETTER_A).chat(messages))


def test_pieces_come_to_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, saying("in lisbon. by the sea."))
    answer = model.stream(ASKED)
    pieces = list(answer)
    assert len(pieces) == 22
    assert "".join(pieces) == answer.completion.text == model.complete(ASKED).text
    assert not answer.completion.truncated
    assert list(answer) == []  # it is over
    stopped = model.stream(ASKED, stop=["by the seaside", ". b"])
    assert "".join(stopped) == "in lisbon"
    assert not stopped.completion.truncated
    cut = model.stream(ASKED, max_tokens=5, stop=["sb"])
    assert list(cut) == ["i", "n", " ", "l", "i"]
    assert cut.completion.truncated
    waiting = model.stream(ASKED, max_tokens=6, stop=["sbx"])
    assert "".join(waiting) == "in lis"  # what waited for the rest of a stop is shown at the end


def test_requests_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A, context=30)
    for wrong in ({"stop": "a"}, {"top_p": 0.0}, {"seed": -1}, {"temperature": -1.0}):
        with pytest.raises(InputError):
            model.stream(ASKED, **wrong)
    with pytest.raises(InputError, match="shorten it"):
        model.stream([Message("user", "a" * 30)])


def test_closing_ends_an_answer_and_keeps_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A)
    with model.stream(ASKED) as answer:
        got = [next(answer) for _ in range(3)]
    assert got == ["a"] * 3
    assert answer.cancelled
    assert answer.completion.truncated
    assert (answer.completion.text, answer.completion.completion_tokens) == ("aaa", 3)
    assert list(answer) == []
    before = model.runner.read
    again = model.complete(ASKED, max_tokens=1)
    assert model.runner.read - before == 1  # the last token of the prompt
    assert again.reused_tokens == said(ASKED) - 1


def test_a_cancel_from_another_thread_ends_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A)
    answer, written, go_on = model.stream(ASKED, max_tokens=50), threading.Event(), threading.Event()

    def cancel() -> None:
        assert written.wait(10)
        answer.cancel()
        go_on.set()

    other = threading.Thread(target=cancel)
    other.start()
    pieces = []
    for piece in answer:
        pieces.append(piece)
        if len(pieces) == 4:
            written.set()
            assert go_on.wait(10)
    other.join()
    assert pieces == ["a"] * 4
    assert answer.cancelled
    assert answer.completion.truncated


def test_a_cancel_is_heard_while_a_prompt_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A, context=100_000)
    long = [Message("user", "a" * 5 * BLOCK)]
    answer = model.stream(long)
    plain = FakeSession.extend

    def extend(session: FakeSession, ids: list[int]) -> object:
        if session.length >= BLOCK:
            answer.cancel()
        return plain(session, ids)

    monkeypatch.setattr(FakeSession, "extend", extend)
    assert list(answer) == []
    assert model.runner.read == 2 * BLOCK
    monkeypatch.setattr(FakeSession, "extend", plain)
    assert model.complete(long, max_tokens=1).reused_tokens == 2 * BLOCK


def test_a_conversation_is_read_only_from_where_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, saying("in lisbon", "by the sea", "yes"))
    talk = [Message("system", "be brief"), Message("user", "where")]
    fresh = []
    for more in ("and where there", "always"):
        before, prompt = model.runner.read, said(talk)
        answer = model.complete(talk)
        fresh.append((model.runner.read - before, prompt, answer.reused_tokens))
        talk += [answer.message, Message("user", more)]
    before, prompt = model.runner.read, said(talk)
    last = model.complete(talk)
    fresh.append((model.runner.read - before, prompt, last.reused_tokens))
    assert [reused for _, _, reused in fresh] == [0, 49, 93]
    for read, prompt, reused in fresh:  # all of the prompt that was not kept, and of the answer all but its end
        assert reused is not None
        assert prompt - reused <= read <= prompt - reused + 12
    assert last.text == "yes"
    control = model_of(monkeypatch, saying("in lisbon", "by the sea", "yes"), conversations=0)
    assert control.complete(talk).reused_tokens == 0
    assert control.complete(talk).reused_tokens == 0
    assert control.runner.read == 2 * (prompt + 3)


def test_several_conversations_may_be_kept_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    talks = [[Message("user", text)] for text in ("xa first", "ya second")]
    for conversations, wanted in ((1, [0, 6, 6, 6]), (2, [0, 0, said(talks[0]) - 1, said(talks[1]) - 1])):
        model = model_of(monkeypatch, LETTER_A, conversations=conversations)
        assert [model.complete(talk, max_tokens=3).reused_tokens for talk in (*talks, *talks)] == wanted


def test_answers_may_be_written_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, saying("in lisbon"), conversations=2)
    one, other = model.stream(ASKED), model.stream(ASKED)
    pairs = list(zip(one, other, strict=True))
    assert "".join(first for first, _ in pairs) == "".join(second for _, second in pairs) == "in lisbon"


def test_what_failed_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A)
    model.complete(ASKED, max_tokens=1)
    plain = FakeSession.extend

    def broken(session: FakeSession, ids: list[int]) -> object:
        session.read += [5]  # half of it
        raise RuntimeError("no memory left")

    monkeypatch.setattr(FakeSession, "extend", broken)
    with pytest.raises(ModelError, match="no memory left"):
        model.complete(ASKED, max_tokens=1)
    monkeypatch.setattr(FakeSession, "extend", plain)
    assert model.complete(ASKED, max_tokens=1).reused_tokens == 0


def test_a_session_that_cannot_go_back_is_begun_anew() -> None:
    class Stiff(FakeSession):
        def crop(self, length: int) -> None:
            raise StateError("what stood there was let go")

    runner = FakeRunner(LETTER_A)
    prefixes = Prefixes(lambda: Stiff(runner), 1)
    prefixes.give([1, 2, 3], Stiff(runner))
    session, reused = prefixes.take([1, 2, 4, 5])
    assert (session.length, reused) == (0, 0)


def test_the_model_is_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, saying("in lisbon"), conversations=3)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(LocalModel.complete(model, ASKED).text)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == ["in lisbon"] * 6
