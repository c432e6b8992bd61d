from __future__ import annotations

import json
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.models import StaticEmbedder, word_pieces
from lamina.models.packaged import TOKENIZER, packaged_file

TEXTS = [
    "Ana moved from Porto to Lisbon in March.",
    "dog",
    "  two  spaces   and a tab\there ",
    "line one\nline two\r\n\n",
    "Привет, 東京 🙂 naïve café",
    "a ▁ lower one eighth block",
    "marks <s> inside </s> a <unk> text<s>",
    " ",
    "x" * 3000,
    "the quick brown fox " * 400,
]


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(packaged_file(TOKENIZER)))


def write_safetensors(path: Path, matrix: np.ndarray, **changes: object) -> Path:
    tensor = {"dtype": "F16", "shape": list(matrix.shape), "data_offsets": [0, matrix.nbytes], **changes}
    header = json.dumps({"__metadata__": {"format": "pt"}, "weight": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + matrix.tobytes())
    return path


def test_vectors_are_those_of_the_package_itself(embedder):
    from wordllama import WordLlama

    folder = Path(find_spec("wordllama").submodule_search_locations[0])
    reference = WordLlama.load(cache_dir=folder, disable_download=True)
    np.testing.assert_allclose(embedder.embed(TEXTS), reference.embed(TEXTS, norm=True), atol=2e-6)


@given(st.text(alphabet=st.sampled_from("ab ▁\n<s>é東."), max_size=60) | st.text(st.characters(codec="utf-8"), max_size=60))
def test_token_ids_are_those_of_the_tokenizer_on_the_whole_text(tokenizer, text):
    expected = tokenizer.encode(text, add_special_tokens=False).ids
    pieces = word_pieces.load_word_pieces()
    assert pieces.ids(text).tolist() == expected
    assert pieces.ids(text).tolist() == expected  # from memory this time


@pytest.mark.parametrize("text", ["", " ", " 東", "▁東", "a▁ 東", "a 東", "a  東", "東 ", " <s> 東", "<s>", "a\u00a0 b", "\n 東"])
def test_token_ids_at_the_edges_are_those_of_the_tokenizer(tokenizer, text):
    assert word_pieces.load_word_pieces().ids(text).tolist() == tokenizer.encode(text, add_special_tokens=False).ids


def test_token_ids_stay_right_when_the_remembered_words_overflow(tokenizer, monkeypatch):
    monkeypatch.setattr(word_pieces._Remembered, "max_words", 3)
    pieces = word_pieces.WordPieces(packaged_file(TOKENIZER))
    text = "one two three four five one two three four five"
    assert pieces.ids(text).tolist() == tokenizer.encode(text, add_special_tokens=False).ids
    assert len(pieces._piece.__self__) <= 3


def test_a_long_text_weighs_all_of_its_tokens(embedder):
    head, tail = "alpha " * 3000, "omega " * 3000
    both, first, last = embedder.embed([head + tail, head, tail])
    assert abs(both @ first - both @ last) < 0.2
    assert both @ first < 0.99


def test_a_text_has_the_same_vector_alone_and_in_a_batch(embedder):
    batch = embedder.embed(TEXTS * 60)  # more than one block
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_array_equal(batch[-len(TEXTS) :], alone)
    np.testing.assert_array_equal(batch[: len(TEXTS)], alone)


def test_word_vectors_are_those_of_words_inside_texts(embedder):
    cat, dog = embedder.word_vectors(["cat", "dog"])
    both = embedder.embed(["cat dog"])[0]
    mean = embedder.embed(["cat cat dog"])[0]
    assert both @ cat > 0.7
    assert mean @ cat > both @ cat
    assert abs(float(np.linalg.norm(dog)) - 1) < 1e-5


def test_many_threads_that_load_at_once_get_the_same_vectors(embedder):
    fresh = StaticEmbedder()
    expected = embedder.embed(TEXTS)
    found: list[np.ndarray] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        found.append(fresh.embed(TEXTS))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.array_equal(one, expected) for one in found)


def test_nothing_is_read_in_full_before_a_text_needs_it(monkeypatch):
    fresh = StaticEmbedder()
    monkeypatch.setattr(np, "memmap", lambda *_, **__: pytest.fail("the weights were opened"))
    assert (fresh.dim, fresh.instant) == (256, True)
    assert fresh.fingerprint.startswith("wordllama/1:256:")


def test_the_fingerprint_follows_the_weights(tmp_path):
    matrix = np.ones((40, 8), dtype=np.float16)
    first = StaticEmbedder(write_safetensors(tmp_path / "a", matrix)).fingerprint
    assert StaticEmbedder(write_safetensors(tmp_path / "b", matrix)).fingerprint == first
    matrix[-1, -1] = 2
    assert StaticEmbedder(write_safetensors(tmp_path / "a", matrix)).fingerprint != first


def test_token_ids_beyond_the_table_use_its_last_row(tmp_path):
    matrix = np.tile(np.eye(4, dtype=np.float16), (10, 1))
    small = StaticEmbedder(write_safetensors(tmp_path / "a", matrix))
    assert small.embed(["dog"])[0].tolist() == matrix[-1].tolist()


def test_float32_weights_are_read_too(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(32_000, 4)).astype(np.float32)
    small = StaticEmbedder(write_safetensors(tmp_path / "a", matrix, dtype="F32"))
    (number,) = word_pieces.load_word_pieces().ids("dog")
    np.testing.assert_allclose(small.embed(["dog"])[0], matrix[number] / np.linalg.norm(matrix[number]), rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"dtype": "I8"}, {"shape": [4]}, {"shape": [3, 4]}, {"data_offsets": [0, 999]}, {"shape": [0, 4]}, {"shape": None}],
)
def test_wrong_headers_are_refused(tmp_path, changes):
    with pytest.raises(ConfigError, match="safetensors"):
        StaticEmbedder(write_safetensors(tmp_path / "a", np.ones((4, 4), dtype=np.float16), **changes))


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\xff" * 64, (6).to_bytes(8, "little") + b"[1, 2]", (2).to_bytes(8, "little") + b"{}"]
)
def test_files_of_another_kind_are_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ConfigError, match="safetensors"):
        StaticEmbedder(tmp_path / "a")


def test_a_cut_off_file_is_refused(tmp_path):
    path = write_safetensors(tmp_path / "a", np.ones((40, 8), dtype=np.float16))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="cut off"):
        StaticEmbedder(path)


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(ConfigError, match="nothing-here"):
        StaticEmbedder(tmp_path / "nothing-here")


def test_a_missing_package_names_the_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install wordllama"):
        StaticEmbedder()


def test_a_tokenizer_that_crosses_words_is_refused(tmp_path):
    content = json.loads(packaged_file(TOKENIZER).read_text())
    content["normalizer"] = None
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="word by word"):
        word_pieces.WordPieces(tmp_path / "other.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError, match="not a readable tokenizer"):
        word_pieces.WordPieces(tmp_path / "broken.json")


def test_a_lone_surrogate_is_refused_with_the_remedy(embedder):
    with pytest.raises(InputError, match="mend_text"):
        embedder.embed(["fine", "a\ud800b"])
