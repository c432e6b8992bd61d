from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import ConfigError, InputError, ModelError, ModelOutputError
from lamina.models import Completion, Message, ReplayCache
from lamina.models.replay import request_key

ASKED = [Message("user", "How old is Ana?")]


class Counting:
    """A model that numbers its answers."""

    def __init__(self, name: str = "m", data: object = None) -> None:
        self.name = name
        self.asked = 0
        self.data = data

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0) -> Completion:
        self.asked += 1
        return Completion(f"{messages[-1].content} → {self.asked}", self.data, "served", 5, None)


def test_the_same_question_is_asked_once_and_survives_the_process(tmp_path):
    model = Counting(data={"age": [3]})
    cache = ReplayCache(model, tmp_path / "answers")
    first = cache.complete(ASKED)
    assert cache.complete(ASKED) == first
    assert ReplayCache(model, tmp_path / "answers").complete(ASKED) == first
    assert ReplayCache(None, tmp_path / "answers").complete(ASKED) == first
    assert model.asked == 1
    assert first == Completion("How old is Ana? → 1", {"age": [3]}, "served", 5, None)


@pytest.mark.parametrize(
    "other",
    [
        {"max_tokens": 5},
        {"temperature": 0.5},
        {"schema": {"type": "object"}},
        {"messages": [Message("system", "How old is Ana?")]},
    ],
)
def test_another_question_is_asked(tmp_path, other):
    model = Counting()
    cache = ReplayCache(model, tmp_path / "answers")
    cache.complete(ASKED)
    cache.complete(**{"messages": ASKED, **other})
    assert (model.asked, len(cache)) == (2, 2)


def test_what_the_caller_does_to_the_data_stays_with_the_caller(tmp_path):
    cache = ReplayCache(Counting(data={"age": [3]}), tmp_path / "answers")
    for _ in range(3):
        answer = cache.complete(ASKED)
        assert answer.data == {"age": [3]}
        answer.data["age"].append(4)


def test_without_a_model_a_missing_answer_names_the_prompt(tmp_path):
    ReplayCache(Counting(), tmp_path / "answers").complete(ASKED)
    with pytest.raises(ModelError, match=request_key("m", ASKED, None, 7, 0)):
        ReplayCache(None, tmp_path / "answers").complete(ASKED, max_tokens=7)


def test_without_a_model_and_a_file_there_is_nothing_to_replay(tmp_path):
    with pytest.raises(ConfigError, match="no file of answers"):
        ReplayCache(None, tmp_path / "answers")


def test_answers_of_several_models_in_one_file_are_kept_apart(tmp_path):
    path = tmp_path / "answers"
    ReplayCache(Counting("a", 1), path).complete(ASKED)
    ReplayCache(Counting("b", 2), path).complete(ASKED)
    with pytest.raises(ConfigError, match="name= one of a, b"):
        ReplayCache(None, path)
    assert ReplayCache(None, path, name="b").complete(ASKED).data == 2


def test_of_two_answers_by_two_processes_the_first_stays(tmp_path):
    one, other = (ReplayCache(Counting(data=data), tmp_path / "answers") for data in (1, 2))
    one.complete(ASKED)
    other.complete(ASKED)
    assert len((tmp_path / "answers").read_text().splitlines()) == 2
    assert ReplayCache(None, tmp_path / "answers").complete(ASKED).data == 1


def test_the_file_is_the_owners_alone(tmp_path):
    previous = os.umask(0)
    try:
        cache = ReplayCache(Counting(), tmp_path / "answers")
        assert stat.S_IMODE((tmp_path / "answers").stat().st_mode) == 0o600
        (tmp_path / "answers").unlink()
        cache.complete(ASKED)
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "answers").stat().st_mode) == 0o600


def test_prompts_are_not_written(tmp_path):
    cache = ReplayCache(Counting(), tmp_path / "answers")
    cache.complete([Message("system", "my diary"), Message("user", "hello")])
    assert "diary" not in (tmp_path / "answers").read_text()


@given(cut=st.integers(1, 400), noise=st.binary(max_size=20))
def test_a_torn_last_line_is_ignored_told_and_does_no_harm(tmp_path_factory, caplog, cut, noise):
    path = tmp_path_factory.mktemp("torn") / "answers"
    kept = ReplayCache(Counting(), path).complete(ASKED)
    whole = path.read_bytes()
    ReplayCache(Counting(), path).complete([Message("user", "second")])
    last = path.read_bytes()[len(whole) :]
    part = last[: min(cut, len(last) - 2)] + noise.replace(b"\n", b"")
    path.write_bytes(whole + part)
    caplog.clear()
    model = Counting()
    cache = ReplayCache(model, path)
    assert cache.complete(ASKED) == kept
    assert "line 2" in caplog.text
    again = cache.complete([Message("user", "second")])
    assert model.asked == 1
    reopened = ReplayCache(None, path)
    assert (reopened.complete([Message("user", "second")]), reopened.complete(ASKED)) == (again, kept)


@given(st.binary(max_size=60))
def test_a_file_of_anything_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "answers"
    path.write_bytes(content)
    try:
        ReplayCache(None, path)
    except ConfigError:
        assert path.read_bytes() == content


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ana,\nhow are you?\n")
    with pytest.raises(ConfigError, match="not a file of answers"):
        ReplayCache(Counting(), path)
    assert path.read_text() == "Dear Ana,\nhow are you?\n"


def test_a_file_torn_in_its_first_line_is_begun_anew(tmp_path):
    for torn in (b"{", b'{"key":"ab'):
        path = tmp_path / f"answers{len(torn)}"
        path.write_bytes(torn)
        answer = ReplayCache(Counting(), path).complete(ASKED)
        assert ReplayCache(None, path).complete(ASKED) == answer


def test_a_place_that_cannot_be_written_is_told_before_the_model_is_asked(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        ReplayCache(Counting(), tmp_path / "no" / "folder")


def test_an_answer_that_cannot_be_kept_is_told(tmp_path):
    cache = ReplayCache(Counting(), tmp_path / "answers")
    (tmp_path / "answers").unlink()
    (tmp_path / "answers").mkdir()
    with pytest.raises(ModelError, match="cannot be kept"):
        cache.complete(ASKED)


@pytest.mark.parametrize("data", [object(), float("nan"), {1, 2}])
def test_data_that_is_no_json_is_refused(tmp_path, data):
    with pytest.raises(ModelOutputError, match="no JSON"):
        ReplayCache(Counting(data=data), tmp_path / "answers").complete(ASKED)
    assert len(ReplayCache(Counting(), tmp_path / "answers")) == 0


def test_threads_that_ask_the_same_get_the_same(tmp_path):
    cache = ReplayCache(Counting(), tmp_path / "answers")
    start = threading.Barrier(8)
    found: list[Completion] = []

    def work(own: int) -> None:
        start.wait()
        for number in range(20):
            found.append(cache.complete([Message("user", str(number))]))
            cache.complete([Message("user", f"{own}-{number}")])

    threads = [threading.Thread(target=work, args=(own,)) for own in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.text for answer in found}) == 20
    lines = (tmp_path / "answers").read_text().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == 20 + 8 * 20


messages = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=8)), min_size=1, max_size=3
)
schemas = st.none() | st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.booleans()), max_size=3)
requests = st.tuples(st.text(max_size=3), messages, schemas, st.integers(1, 3), st.sampled_from([0.0, 0.5]))


@given(requests, requests)
def test_keys_are_the_same_exactly_where_the_requests_are(one, other):
    def form(request):
        return json.dumps([request[0], [[m.role, m.content] for m in request[1]], *request[2:]], sort_keys=True)

    assert (request_key(*one) == request_key(*other)) == (form(one) == form(other))


@given(requests)
def test_a_key_does_not_depend_on_the_order_or_the_type_of_a_mapping(request):
    model, said, schema, most, warmth = request
    turned = None if schema is None else MappingProxyType(dict(reversed(schema.items())))
    assert request_key(model, tuple(said), turned, most, int(warmth) if warmth == 0 else warmth) == request_key(*request)


def test_a_key_is_the_same_in_another_process():
    code = "from lamina.models.replay import *; print(request_key('m', [Message('user', 'hällo')], {'b': 1, 'a': [2]}, 10, 0))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    assert found.stdout.strip() == request_key("m", [Message("user", "hällo")], {"a": [2], "b": 1}, 10, 0.0)
    assert found.stdout.strip() == "41b88c6e12e7db24dc8a4bb536ac009b"  # recorded files stay valid


def test_a_schema_that_is_no_json_is_refused():
    with pytest.raises(InputError, match="schema"):
        request_key("m", ASKED, {"type": object()}, 10, 0)
