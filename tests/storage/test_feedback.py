"""Feedback as events: what is written is read again, and what is damaged is passed over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.records import Asked, Filter
from lamina.storage import SQLiteStore
from lamina.storage.feedback import feedback_data, feedback_in, read_feedback, read_where, where_json
from tests.storage.material import add, trace

names = st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=5), max_size=3)
times = st.none() | st.integers(0, 2**50)
filters = st.builds(
    Filter,
    scope=st.sampled_from(("", "*", "acme/ana", "/ana")),
    kinds=st.none() | st.just(("trace", "note")),
    sessions=st.none() | names.map(tuple),
    speakers=st.none() | names.map(tuple),
    since=times,
    as_of=times,
    known_at=times,
    metadata=st.dictionaries(
        st.sampled_from(("a", "b.c")), st.integers() | st.booleans() | st.just({"in": [1, "x"]}), max_size=2
    ),
    forgotten=st.booleans(),
)


@given(filters)
def test_a_filter_is_read_as_it_was_written(where: Filter) -> None:
    assert read_where(where_json(where)) == where


def test_a_set_of_values_is_written_as_a_list() -> None:
    saved = where_json(Filter(metadata={"stars": {"in": {3, 1, 2}}}))
    assert saved == {"metadata": {"stars": {"in": [1, 2, 3]}}}


def event(**changes: Any) -> dict[str, Any]:
    told = feedback_data(Asked("where?", Filter(scope="/ana"), 7), True)
    return {"event": "feedback", "targets": ["one"], **told, **changes}


def test_feedback_comes_in_order_and_from_its_scope_alone() -> None:
    store = SQLiteStore(None)
    add(
        store,
        trace("feedback", role="event", scope="/ana", data=event(cue="first")),
        trace("feedback", role="event", scope="/ana/bot", data=event(cue="second", good=False)),
        trace("feedback", role="event", scope="/ben", data=event(cue="other")),
        trace("forget", role="event", scope="/ana", data={"event": "forget", "targets": ["one"]}),
        trace("feedback", role="user", scope="/ana", data=event(cue="said by a user")),
    )
    found = list(feedback_in(store, "/ana"))
    assert [(one.asked.cue, one.good, one.item) for one in found] == [("first", True, "one"), ("second", False, "one")]
    assert found[0].asked == Asked("first", Filter(scope="/ana"), 7)
    assert len(list(feedback_in(store, "*"))) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"cue": ""}, {"cue": 3}, {"good": 1}, {"good": None}, {"targets": []}, {"targets": ["a", "b"]}, {"targets": "a"},
        {"now": "today"}, {"where": []}, {"where": {"nonsense": 1}}, {"where": {"scope": "a//"}}, {"event": "forget"},
    ],
)  # fmt: skip
def test_a_damaged_event_is_passed_over(change: dict[str, Any]) -> None:
    whole = trace("feedback", role="event", data=event())
    assert read_feedback(whole) is not None
    assert read_feedback(replace(whole, data=event(**change))) is None
