"""The inverted index against a naive one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.index import lexical
from lamina.index.lexical import LexicalIndex

term_lists = st.lists(st.integers(1, 12), max_size=6)


def check(index: LexicalIndex, naive: list[list[int]]) -> None:
    assert len(index) == len(naive)
    assert index.lengths.tolist() == [len(terms) for terms in naive]
    assert [index.terms(slot).tolist() for slot in range(len(naive))] == naive
    for term in range(14):
        slots, counts = index.postings(term)
        expected = [(slot, float(min(Counter(terms)[term], 255))) for slot, terms in enumerate(naive) if term in terms]
        assert list(zip(slots.tolist(), counts.tolist(), strict=True)) == expected


@given(st.data())
def test_postings_are_those_of_a_naive_index_whatever_was_merged(data: st.DataObject) -> None:
    index, naive = LexicalIndex(), list[list[int]]()
    for _ in range(data.draw(st.integers(1, 7))):
        what = data.draw(st.sampled_from(("extend", "replace", "merge", "sort")))
        if what == "extend":
            new = data.draw(st.lists(term_lists, max_size=5))
            index.extend([np.array(terms, np.uint32) for terms in new])
            naive += new
        elif what == "replace" and naive:
            changed = data.draw(st.dictionaries(st.integers(0, len(naive) - 1), term_lists, max_size=3))
            index.replace({slot: np.array(terms, np.uint32) for slot, terms in changed.items()})
            for slot, terms in changed.items():
                naive[slot] = terms
        else:
            index.merge(force=what == "sort")
        check(index, naive)


@pytest.mark.parametrize("least", [0, 3])
def test_a_long_tail_is_merged(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    monkeypatch.setattr(lexical, "MERGE_LEAST", least)
    monkeypatch.setattr(lexical, "MOST_REPLACED", 2)
    index, naive = LexicalIndex(), list[list[int]]()
    generator = np.random.default_rng(0)
    for _ in range(30):
        new: Any = generator.integers(1, 13, size=(generator.integers(1, 6), 4)).tolist()
        index.extend([np.array(terms, np.uint32) for terms in new])
        naive += new
        naive[0] = new[0]
        index.replace({0: np.array(new[0], np.uint32), len(naive) - 1: np.array(naive[-1], np.uint32)})
        index.merge()
        check(index, naive)
    assert index._sorted > len(naive) / 2


def test_a_count_stops_at_255() -> None:
    index = LexicalIndex()
    index.extend([np.full(1000, 5, np.uint32)])
    assert index.postings(5)[1].tolist() == [255.0]
    index.merge(force=True)
    assert index.postings(5)[1].tolist() == [255.0]
    index.replace({0: np.full(300, 5, np.uint32)})
    assert index.postings(5)[1].tolist() == [255.0]
    assert index.nbytes() > 4000
