"""Nested lists of categories: read strictly, in whatever form models write them, and written back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.bench.results import find_data
from lamina.bench.taxonomy import load_trees, statistics
from lamina.errors import InputError
from lamina.semantic.category_lists import Category, Style, read_categories, write_categories

NAMES = st.lists(
    st.sampled_from("risk dose parent-focused (RCT) safety of drugs adults follow-up COVID effects".split()),
    min_size=1,
    max_size=3,
).map(" ".join)
ITEMS = st.lists(st.integers(0, 30), max_size=4, unique=True).map(tuple)


def trees(depth: int) -> st.SearchStrategy[tuple[Category, ...]]:
    below = trees(depth - 1) if depth > 1 else st.just(())
    return st.lists(st.builds(Category, NAMES, ITEMS, below), max_size=3).map(tuple)


@settings(max_examples=50, deadline=None)  # in each of the five styles
@given(trees(4).filter(bool))
def test_a_tree_that_is_written_in_any_style_is_read_back(tree: tuple[Category, ...]) -> None:
    for style in get_args(Style):
        assert read_categories(write_categories(tree, style), 31) == tree, style


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Aspect 1: a (Claim 0)\n  1.1 b (Claims 0, 2)\n    1.1.1 c (Claim: 2)", "a(b(c))"),
        ("Aspect 1 - a\n\n1. b\n   1.1. c\n2. d", "a(b(c),d)"),
        ("- Aspect 1: a\n    - 1.1: b\n- Aspect 2: d", "a(b),d"),
        ("- a (Paper 1)\n  - b\n     - c\n  - d", "a(b(c),d)"),
        ("1. a\n   - b\n2. d", "a(b),d"),
        ("a\n1. b\n   1. c\nd", "a(b(c)),d"),
        ("[Response 1]:\n- x\n\n[Response 2]:\n- a\n\t- b\n\nReview: next", "a(b)"),
        ("**a**\n- b: \n---\nd", "a(b),d"),
    ],
)
def test_forms_that_models_write(text: str, shape: str) -> None:
    def shown(some: tuple[Category, ...]) -> str:
        return ",".join(one.name + (f"({shown(one.children)})" if one.children else "") for one in some)

    assert shown(read_categories(text)) == shape


def test_every_list_of_a_line_counts_with_ranges_and_other_brackets_stay() -> None:
    (found,) = read_categories("- Blood pressure (BP), low-dose (Claim 1, 2) (Claims 5-7)")
    assert found == Category("Blood pressure (BP), low-dose", (1, 2, 5, 6, 7))


@pytest.mark.parametrize(
    ("text", "items", "words"),
    [
        ("", None, "no categories"), ("- a\n- (Claim 1)", None, "line 2"), ("- a (Claim 3)", 3, "line 1"), ("- a (Claim 5-2)", None, "line 1"),
        ("Aspect 1: a\n 1.1.1 b\n 1.1 c", None, "line 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(text: str, items: int | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_categories(text, items)
    with pytest.raises(InputError, match="style"):
        write_categories([], "roman")  # type: ignore[arg-type]


def test_generated_trees_of_chime_are_all_read() -> None:
    data = os.environ.get("LAMINA_DATA")
    file = find_data(Path(data), "chime", "raw_generated_hierarchy.csv") if data else None
    if file is None:
        pytest.skip("the data of CHIME is not here: set LAMINA_DATA")
    found = load_trees(file)
    figures = statistics(
        {id: trees for id, trees in found.items() if id not in ("CD001751", "CD004405")}
    )  # which the released parser loses
    assert len(found) == 474
    assert (figures["topics"], figures["trees"], figures["categories"], figures["links"]) == (472, 2174, 11662, 9488)
    # the released parser flattens five trees in three topics, whose lists mix numbers and dashes or repeat numbers: 58, 1108, 945, 59, 4
    assert [figures[f"depth_{depth}"] for depth in range(1, 6)] == [58, 1104, 948, 60, 4]
