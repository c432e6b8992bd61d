"""A local model reads through the cache policy it is given: by default everything, else as far as the policy keeps."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from lamina.errors import ConfigError, InputError
from lamina.models import LocalModel, Message
from tests.models.local.test_runner import save_tiny

TEMPLATE = "{% for one in messages %}{{ one.role[0] }} {{ one.content }} {% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"), template=TEMPLATE)


def talk(model: LocalModel, turns: int, words: str) -> list[tuple[int, int]]:
    """Tokens of the prompt, and those not read again, of each turn of a conversation."""
    said, found = [Message("system", "be brief")], []
    for _ in range(turns):
        said.append(Message("user", words))
        answer = model.complete(said, max_tokens=8)
        found.append((answer.prompt_tokens or 0, answer.reused_tokens or 0))
        said.append(answer.message)
    return found


def test_with_everything_kept_a_long_conversation_is_refused_and_a_window_goes_on(folder: Path) -> None:
    kv = pytest.importorskip("lamina.kv")
    words = "tell me more of it " * 20
    whole = LocalModel.load(folder)
    assert whole.context == 2048
    with pytest.raises(InputError, match="shorten it"):
        talk(whole, 8, words)
    windowed = LocalModel.load(folder, policy=kv.SlidingWindow(sinks=4, window=60))
    costs = talk(windowed, 8, words)
    assert costs[-1][0] > 2048
    assert windowed.name.startswith("tiny")
    assert "SlidingWindow" in windowed.name
    assert windowed.log_likelihoods("abc " * 600, ["d", "e f"]).shape == (2,)


def test_every_turn_of_a_conversation_reads_only_what_is_new(folder: Path) -> None:
    pytest.importorskip("torch")
    costs = talk(LocalModel.load(folder), 4, "tell me more")
    for (before, _), (prompt, reused) in itertools.pairwise(costs):
        assert before - 1 <= reused < prompt
    control = talk(LocalModel.load(folder, conversations=0), 4, "tell me more")
    assert [prompt for prompt, _ in control] == [prompt for prompt, _ in costs]  # the same answers
    assert [reused for _, reused in control] == [0] * 4


def test_a_context_by_name(folder: Path) -> None:
    pytest.importorskip("torch")
    asked = [Message("user", "hello there")]
    answers = {name: LocalModel(folder, policy=name).complete(asked, max_tokens=12).text for name in ("full", "window")}
    assert answers["full"] == answers["window"] == LocalModel(folder).complete(asked, max_tokens=12).text  # all of it fits
    with pytest.raises(ConfigError, match="'half' is not a context: use one of full, window"):
        LocalModel.load(folder, policy="half")


def test_mixed_precision_reads_long_pieces_differently_and_short_ones_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("torch")
    monkeypatch.setattr("lamina.models.local.loading.processor_flags", lambda: frozenset({"avx512_bf16"}))
    mixed, plain = LocalModel.load(folder, precision="auto"), LocalModel.load(folder)
    assert mixed.name != plain.name
    ids = plain.runner.encode("the quick brown fox jumps " * 30)[:500]
    for count, same in ((100, True), (500, False)):
        with mixed.runner.reading(count):
            found = mixed.runner.session().extend(ids[:count])
        wanted = plain.runner.session().extend(ids[:count])
        assert np.allclose(found, wanted, atol=0.05)
        assert np.allclose(found, wanted, atol=1e-6) == same
    monkeypatch.setattr("lamina.models.local.loading.processor_flags", lambda: frozenset({"avx2"}))
    assert LocalModel(folder, precision="auto").name == plain.name
