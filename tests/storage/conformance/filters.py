"""Filters, scopes and paging."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.records import Filter
from lamina.scopes import make_scope
from lamina.storage.protocol import Store
from tests.storage.conformance.base import Conformance
from tests.storage.conformance.meaning import filtered_items, filters, lets_through
from tests.storage.material import EVERYTHING, HOSTILE_SEGMENTS, NOW, add, trace


class FilterConformance(Conformance):
    """Filters, scopes and paging."""

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_a_filter_means_what_it_says(self, store: Store, data: st.DataObject) -> None:
        with store.transaction():
            store.items.delete(store.items.matching(EVERYTHING).tolist())
        items = [data.draw(filtered_items(number)) for number in range(data.draw(st.integers(1, 6)))]
        add(store, *items)
        for _ in range(4):
            where = data.draw(filters)
            expected = [item.id for item in items if lets_through(where, item)]
            assert [item.id for item in store.items.each(where, batch=2)] == expected
            assert store.items.count(where) == len(expected)
            assert len(store.items.matching(where)) == len(expected)
            if expected:  # the limit comes after every condition
                assert [item.id for item in store.items.page(where, limit=1)] == expected[:1]

    @pytest.mark.parametrize(
        ("condition", "seen"),
        [
            ({"since": 10}, "pl"),  # p is at 10, l lasts from 5 to 11, s from 5 to 10
            ({"since": 11}, ""),
            ({"before": 10}, "ls"),
            ({"before": 11}, "pls"),
            ({"before": 5}, ""),
            ({"as_of": 10}, "pl"),
            ({"as_of": 9}, "ls"),
            ({"as_of": 5}, "ls"),
            ({"as_of": 4}, ""),
            ({"as_of": 11}, "p"),
            ({"known_at": 20}, "pls"),
            ({"known_at": 19}, ""),
            ({"known_at": 29}, "plsr"),  # r is known from 21 and retired at 30
            ({"known_at": 21}, "plsr"),
            ({"known_at": 30}, "pls"),
            ({"retired": True}, "plsr"),
            ({}, "pls"),
        ],
    )
    def test_the_ends_of_a_stretch_of_time_are_exact(self, store: Store, condition: dict[str, Any], seen: str) -> None:
        point, long, short = (
            trace("p", at=10, recorded_at=20),
            trace("l", at=5, until=11, recorded_at=20),
            trace("s", at=5, until=10, recorded_at=20),
        )
        add(store, point, long, short, trace("r", at=10, recorded_at=21, retired_at=30))
        assert "".join(item.text for item in store.items.each(Filter(**condition))) == seen

    @pytest.mark.parametrize("operator", ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "exists"])
    def test_every_operator_tells_some_items_from_others(self, store: Store, operator: str) -> None:
        values: list[Any] = [1, 2, 3, "x", "xyz", ["x"], None]
        items = [trace(repr(value), data={"metadata": {"n": value}}) for value in values] + [trace("none of it")]
        add(store, *items)
        wanted: dict[str, Any] = {"in": [2, "x"], "nin": [2, "x"], "contains": "x", "exists": True}
        where = Filter(metadata={"n": {operator: wanted.get(operator, 2)}})
        expected = [item.text for item in items if lets_through(where, item)]
        assert 0 < len(expected) < len(items)
        assert [item.text for item in store.items.each(where)] == expected

    @pytest.mark.parametrize("outer", HOSTILE_SEGMENTS)
    def test_a_scope_sees_itself_and_its_descendants_only(self, store: Store, outer: str) -> None:
        scopes = [
            "",
            *(make_scope(a) for a in HOSTILE_SEGMENTS),
            *(make_scope(a, b) for a in HOSTILE_SEGMENTS for b in HOSTILE_SEGMENTS[:5]),
        ]
        keys = add(store, *(trace(scope, scope=scope) for scope in scopes))
        scope = make_scope(outer)
        expected = [one for one in scopes if one == scope or one.startswith(scope + "/")]
        assert [item.scope for item in store.items.each(Filter(scope=scope))] == expected
        assert store.items.scopes(scope) == sorted(expected)
        assert store.items.columns(scope).scopes == expected
        with store.transaction():
            store.strengths.put("p", dict.fromkeys(keys, "{}"))
            for one in scopes:
                store.watermarks.set("stage", one, 7)
            store.watermarks.reset(scope)
        assert [keys.index(key) for key, _ in store.strengths.each("p", scope)] == [scopes.index(one) for one in expected]
        assert [one for one in scopes if not store.watermarks.get("stage", one)] == expected
        assert store.items.count(Filter(scope="")) == 1
        assert store.items.count(Filter(scope="*")) == len(scopes)

    @pytest.mark.parametrize("order", ["recorded", "-recorded", "at", "-at"])
    def test_paging_has_no_cap_and_loses_and_doubles_nothing_while_others_write(self, store: Store, order: Any) -> None:
        generator = np.random.default_rng(0)
        items = [trace(str(number), at=NOW + int(generator.integers(0, 20))) for number in range(250)]
        keys = add(store, *items)
        seen: list[int] = []
        cursor, added = None, 0
        while True:
            page = store.items.page(Filter(), cursor=cursor, limit=7, order=order)
            assert len(page) <= 7
            seen += [item.key for item in page]
            cursor = page.cursor
            if cursor is None:
                break
            added += 1
            if added <= 5:
                add(store, trace("between", at=NOW + 10))
        assert len(seen) == len(set(seen))
        old = [key for key in seen if key <= keys[-1]]
        assert set(old) == set(keys)
        if order.endswith("at"):
            sorting = [(items[keys.index(key)].at, key) for key in old]
            assert sorting == sorted(sorting, reverse=order == "-at")
        else:
            assert old == sorted(keys, reverse=order == "-recorded")
        assert sum(1 for _ in store.items.each(Filter(), batch=11)) == 255

    def test_a_page_is_asked_for_properly(self, store: Store) -> None:
        for wrong in ({"limit": 0}, {"cursor": "x"}, {"cursor": "1:2:3"}, {"order": "text"}):
            with pytest.raises(InputError):
                store.items.page(Filter(), **wrong)  # type: ignore[arg-type]
