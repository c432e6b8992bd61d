from __future__ import annotations

import subprocess
import sys

import pytest

from lamina.errors import ConfigError
from lamina.models import (
    AnthropicModel,
    OpenAIEmbedder,
    OpenAIModel,
    SentenceTransformerEmbedder,
    StaticEmbedder,
    load_embedder,
    load_model,
)

KEYS = {"LAMINA_API_KEY": "key-lamina", "OPENAI_API_KEY": "key-openai", "ANTHROPIC_API_KEY": "key-anthropic"}


def key_of(loaded) -> str:
    return loaded._endpoint._secret.key


def test_embedders_by_name():
    assert isinstance(load_embedder(), StaticEmbedder)
    assert isinstance(load_embedder("wordllama"), StaticEmbedder)
    local = load_embedder("sentence-transformers:/models/a:b")
    assert isinstance(local, SentenceTransformerEmbedder)
    assert local.name == "/models/a:b"
    remote = load_embedder("openai:bge-m3@http://localhost:8000/v1/", {})
    assert isinstance(remote, OpenAIEmbedder)
    assert (remote.name, remote._endpoint.base_url, key_of(remote)) == ("bge-m3", "http://localhost:8000/v1", "")


def test_models_by_name():
    assert load_model(None) is None
    assert isinstance(load_model("openai:a@https://host/v1", {}), OpenAIModel)
    model = load_model("anthropic:claude", KEYS)
    assert isinstance(model, AnthropicModel)
    assert model._endpoint.base_url == "https://api.anthropic.com"
    assert load_model("anthropic:a@http://proxy", {})._endpoint.base_url == "http://proxy"


@pytest.mark.parametrize("name", ["@cf/baai/bge", "claude@20240620", "org/model:tag", "a@b@http://x"])
def test_a_models_name_may_hold_the_separators(name):
    loaded = load_model(f"openai:{name}" if "http" in name else f"openai:{name}@http://local/v1", {})
    assert loaded.name == name.removesuffix("@http://x")


def test_keys_come_from_the_environment_in_order(monkeypatch):
    assert key_of(load_model("openai:a", KEYS)) == "key-lamina"
    assert key_of(load_model("openai:a", {"OPENAI_API_KEY": "key-openai"})) == "key-openai"
    assert key_of(load_model("anthropic:a", {"ANTHROPIC_API_KEY": "key-anthropic", "OPENAI_API_KEY": "x"})) == "key-anthropic"
    monkeypatch.setenv("OPENAI_API_KEY", "key-outside")
    assert key_of(load_embedder("openai:a")) == "key-outside"


@pytest.mark.parametrize(("load", "spec"), [(load_embedder, "openai:a"), (load_model, "openai:a"), (load_model, "anthropic:a")])
def test_a_providers_own_address_needs_a_key(load, spec):
    with pytest.raises(ConfigError, match="set the environment variable LAMINA_API_KEY"):
        load(spec, {})


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "word2vec",
        "openai:",
        "openai",
        "anthropic:claude",
        "sentence-transformers:",
        "wordllama:x",
        "openai:@http://x",
        3,
        object(),
    ],
)
def test_unknown_embedders_are_refused(spec):
    with pytest.raises(ConfigError, match=r"embedder|names no model"):
        load_embedder(spec, KEYS)


@pytest.mark.parametrize("spec", ["", "gpt", "openai:", "wordllama", "anthropic:", "openai:@http://x", 3, StaticEmbedder])
def test_unknown_models_are_refused(spec):
    with pytest.raises(ConfigError, match=r"language model|names no model"):
        load_model(spec, KEYS)


def test_an_address_without_its_scheme_is_refused_unseen():
    with pytest.raises(ConfigError, match="whole address") as caught:
        load_model("openai:a@ana:hunter2@local:8000", KEYS)
    assert "hunter2" not in str(caught.value)


def test_objects_pass_through_without_being_run():
    class Mine:
        name, fingerprint, instant = "mine", "f", False

        @property
        def dim(self) -> int:
            raise AssertionError("asked too early")

        def embed(self, texts, kind="document"):
            raise AssertionError

        def complete(self, messages, **_):
            raise AssertionError

    mine = Mine()
    assert load_embedder(mine) is mine
    assert load_model(mine) is mine
    del Mine.fingerprint
    with pytest.raises(ConfigError, match="lacks fingerprint"):
        load_embedder(mine)


def test_importing_the_room_and_its_default_loads_no_client():
    heavy = ("httpx", "torch", "tokenizers", "jsonschema", "wordllama", "sentence_transformers", "pydantic", "safetensors")
    code = f"import sys, lamina.models as m; bare = 'numpy' in sys.modules; m.StaticEmbedder(); m.ReplayCache; m.load_model; m.OpenAIModel; print(bare, [n for n in {heavy} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False []"


def test_the_front_door_shows_every_name():
    import lamina.models as room

    for name in room.__all__:
        assert getattr(room, name).__name__ == name
    assert set(room._HOMES) == set(room.__all__)
    with pytest.raises(AttributeError, match="Word2Vec"):
        room.Word2Vec  # noqa: B018
