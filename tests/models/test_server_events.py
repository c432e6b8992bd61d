from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import ModelError
from lamina.models import server_events
from lamina.models.server_events import ServerEvent, ServerEvents

SENT = "\ufeff: hello\r\nevent: piece\r\ndata: Grüße, 朝\r\n\r\nid: 7\ndata:1\ndata\ndata: 2\n\nevent: empty\n\rdata: last\r\rdata: cut"
FOUND = [ServerEvent("piece", "Grüße, 朝"), ServerEvent("", "1\n\n2"), ServerEvent("", "last")]


@given(st.lists(st.integers(0, len(SENT.encode())), max_size=30))
def test_events_do_not_depend_on_where_the_bytes_are_cut(cuts: list[int]) -> None:
    raw, reader = SENT.encode(), ServerEvents()
    places = [0, *sorted(cuts), len(raw)]
    found = [event for start, end in pairwise(places) for event in reader.feed(raw[start:end])]
    assert found == FOUND


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(raw: bytes) -> None:
    whole, bit = ServerEvents(), ServerEvents()
    assert whole.feed(raw) == [event for place in range(len(raw)) for event in bit.feed(raw[place : place + 1])]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 90, b"data: x\n" * 40])
def test_an_event_without_an_end_is_refused(endless: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_events, "LONGEST", 30)
    reader = ServerEvents()
    with pytest.raises(ModelError, match="without an end"):
        list(map(reader.feed, [endless] * 4))
