"""Ids, scopes and filters."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import Cancelled, InputError
from lamina.records import Filter, Item, Run, TraceIds, derived_id
from lamina.scopes import EVERYWHERE, ROOT, check_scope, covers, make_scope, split_scope

HOSTILE = [
    "'",
    '"',
    "%",
    "_",
    "/",
    "*",
    "..",
    ".",
    "%2F",
    "%2f",
    "a/b",
    "0",
    "日本",
    "a\nb",
    "\x01",
    " ",
    "a b",
    "#",
    "?",
    "\\",
    "x" * 512,
    "~",
    "é",
    "é",
]
SEGMENTS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
PATHS = st.lists(st.one_of(SEGMENTS, st.none()), min_size=1, max_size=4).filter(lambda path: path[-1] is not None)


@given(PATHS)
def test_a_scope_gives_its_segments_back(path: list[str | None]) -> None:
    scope = make_scope(*path)
    assert split_scope(scope) == tuple(path)
    assert check_scope(scope) == scope


@given(PATHS, PATHS)
def test_different_paths_are_different_scopes(one: list[str | None], other: list[str | None]) -> None:
    assert (make_scope(*one) == make_scope(*other)) == (one == other)


@given(PATHS, PATHS)
def test_a_scope_covers_itself_and_what_is_below_it_only(outer: list[str | None], inner: list[str | None]) -> None:
    below = inner[: len(outer)] == outer
    assert covers(make_scope(*outer), make_scope(*inner)) == below
    assert covers(EVERYWHERE, make_scope(*inner))
    assert not covers(ROOT, make_scope(*inner))


@pytest.mark.parametrize("segment", ["", "a" * 513, "a\ud800", 5, b"a"])
def test_a_segment_that_cannot_be_stored_is_refused(segment: object) -> None:
    with pytest.raises(InputError):
        make_scope(user=segment)  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", ["/", "a/", "a//", "a%zz", "a%2f", "é", "a\n", "a*b", None, 3])
def test_what_make_scope_does_not_build_is_no_scope(scope: object) -> None:
    with pytest.raises(InputError):
        check_scope(scope)  # type: ignore[arg-type]


def test_a_user_called_star_is_one_user() -> None:
    assert make_scope("*") != EVERYWHERE
    assert not covers(make_scope("*"), make_scope("ana"))


def test_trace_ids_grow_in_every_thread_and_are_never_given_twice() -> None:
    ids, made = TraceIds(), []

    def make() -> None:
        mine = [ids.make(1_700_000_000_000_000) for _ in range(2000)]
        assert mine == sorted(mine)
        made.extend(mine)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


@given(st.lists(st.integers(-(10**9), 4 * 10**15), min_size=2, max_size=20))
def test_trace_ids_grow_when_the_clock_goes_back(times: list[int]) -> None:
    ids = TraceIds()
    made = [ids.make(time) for time in times]
    assert made == sorted(made)
    assert all(len(id) == 26 for id in made)


@given(st.integers(0, 4 * 10**15), st.integers(0, 4 * 10**15))
def test_trace_ids_of_different_makers_sort_by_their_time(one: int, other: int) -> None:
    if one // 1000 < other // 1000:
        assert TraceIds().make(one) < TraceIds().make(other)


@given(st.permutations(["a", "bb", "ab", "b", ""]))
def test_a_derived_id_does_not_depend_on_the_order_of_its_sources(sources: list[str]) -> None:
    assert derived_id("note", "s", "m/1", sources) == derived_id("note", "s", "m/1", sorted(sources))


def test_a_derived_id_depends_on_everything_else() -> None:
    ids = [
        derived_id("note", "s", "m/1", ["a", "b"]),
        derived_id("fact", "s", "m/1", ["a", "b"]),
        derived_id("note", "t", "m/1", ["a", "b"]),
        derived_id("note", "s", "m/2", ["a", "b"]),
        derived_id("note", "s", "m/1", ["ab"]),
        derived_id("note", "s", "m/1", ["a", "b"], salt="2"),
    ]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "where",
    [
        Filter(scope="a//"),
        Filter(kinds=("memory",)),
        Filter(metadata={"": 1}),
        Filter(metadata={'a"b': 1}),
        Filter(metadata={"a": {"near": 1}}),
        Filter(metadata={"a": {"in": 5}}),
        Filter(metadata={"a": float("nan")}),
        Filter(metadata={"a": [1]}),
    ],
)
def test_a_malformed_filter_is_refused(where: Filter) -> None:
    with pytest.raises(InputError):
        where.check()


def test_an_item_shows_little_of_its_text() -> None:
    assert len(repr(Item("x", "trace", "a" * 500, at=0, recorded_at=0))) < 140


def test_a_cancelled_run_says_how_far_it_came() -> None:
    seen: list[tuple[str, int, int]] = []
    run = Run(progress=lambda *step: seen.append(step), cancelled=lambda: len(seen) == 2)
    run.report("episodes", 1, 9)
    with pytest.raises(Cancelled, match="episodes was cancelled after 2 of 9"):
        run.report("episodes", 2, 9)
