"""Text appears in whole characters, never runs past a stop, and comes to what the tokens say together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lamina.models.local.pieces import Pieces, StopGate


def of_bytes(ids: list[int]) -> str:
    return bytes(ids).decode("utf-8", "replace")


def with_blanks(ids: list[int]) -> str:
    """As tokenizers of words do: a blank before each word, none before the first."""
    return " ".join(f"word{one}" for one in ids)


@given(st.text())
def test_pieces_are_whole_characters_and_come_to_the_text(text: str) -> None:
    pieces = Pieces(of_bytes)
    whole = text.encode("utf-8", "replace")
    found = [pieces.add(one) for one in whole]
    assert all("\ufffd" not in piece for piece in found)
    assert [piece for piece in found if piece] == list(whole.decode())
    assert pieces.rest() == ""


@given(st.lists(st.integers(0, 255)))
def test_broken_bytes_come_out_as_they_would_together(ids: list[int]) -> None:
    pieces = Pieces(of_bytes)
    assert "".join([*(pieces.add(one) for one in ids), pieces.rest()]) == of_bytes(ids)


@given(st.lists(st.integers(0, 9)))
def test_blanks_that_depend_on_what_stands_before_are_kept(ids: list[int]) -> None:
    pieces = Pieces(with_blanks)
    assert "".join([*(pieces.add(one) for one in ids), pieces.rest()]) == with_blanks(ids)


stops = st.lists(st.text("abé", min_size=1, max_size=4), max_size=3)


@given(st.lists(st.text("abé", max_size=3)), stops)
def test_a_gate_shows_what_stands_before_the_earliest_stop(parts: list[str], stops: list[str]) -> None:
    gate, shown = StopGate(stops), ""
    for part in parts:
        shown += gate.add(part)
        if gate.stopped:
            break
        assert not any(stop in shown for stop in stops)
    shown += gate.rest()
    whole = "".join(parts)
    places = [place for place in map(whole.find, stops) if place >= 0]
    assert gate.stopped == bool(places)
    if not places:
        assert shown == whole
    else:
        assert whole.startswith(shown)
        assert not any(stop in shown for stop in stops)


def test_what_could_be_a_stop_waits_and_nothing_else_does() -> None:
    gate = StopGate(["\n\n", "User:"])
    assert [gate.add(one) for one in ("a\n", "b Us", "e", "d. Use", "r: x")] == ["a", "\nb ", "", "Used. ", ""]
    assert gate.stopped
    assert gate.rest() == ""
