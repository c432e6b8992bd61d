from __future__ import annotations

import pytest

from lamina.errors import InputError
from lamina.models import CallableTokens, WordLlamaTokens
from lamina.models.packaged import TOKENIZER, packaged_file
from lamina.models.word_pieces import load_word_pieces


@pytest.mark.parametrize(
    "text", ["", " ", "one", "one two", "a  b\n\n  c", "naïve 東京🙂", "<s>x", "word " * 5000, "x" * 70_000 + " y"]
)
def test_counts_are_those_of_the_tokenizer_on_the_whole_text(text):
    from tokenizers import Tokenizer

    exact = Tokenizer.from_file(str(packaged_file(TOKENIZER)))
    assert WordLlamaTokens().count(text) == pytest.approx(
        len(exact.encode(text, add_special_tokens=False).ids), abs=len(text) > 65_536
    )


def test_the_tokenizer_is_loaded_once_for_counter_and_embedder():
    assert load_word_pieces() is load_word_pieces(packaged_file(TOKENIZER)) is WordLlamaTokens()._pieces


def test_a_users_function_sees_the_whole_text():
    seen = []
    counter = CallableTokens(lambda text: seen.append(text) or 3)
    assert counter.count("all of this\n") == 3
    assert seen == ["all of this\n"]


@pytest.mark.parametrize("wrong", [-1, 2.5, True, None, "3"])
def test_a_function_that_does_not_count_is_refused(wrong):
    with pytest.raises(InputError, match="whole number"):
        CallableTokens(lambda _: wrong).count("x")


def test_only_text_is_counted():
    with pytest.raises(InputError, match="bytes"):
        WordLlamaTokens().count(b"abc")
