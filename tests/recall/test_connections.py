"""What a name hangs together with, and whose it is."""

from __future__ import annotations

import pytest

from lamina import Memory
from lamina.errors import InputError


def test_items_with_a_name_and_the_names_beside_it() -> None:
    with Memory(":memory:") as memory:
        for number, text in enumerate(
            ("Ana met Ben in Porto.", "Ben and Ana went to Braga.", "It was Ana who called Ben.", "Cleo is in Porto.")
        ):
            memory.add(text, at=f"2026-01-0{number + 1}", user="ana")
        gone = memory.add("Ana met Zoe.", user="ana")[0]
        memory.add("Ana met Xenia.", user="ben")
        memory.forget(gone)
        found = memory.connections("Ana", k=2, user="ana")
        assert (found.count, [item.text for item in found.items]) == (
            3,
            ["It was Ana who called Ben.", "Ben and Ana went to Braga."],
        )
        assert found.names == (("ben", 3), ("braga", 1))
        assert memory.connections("ana", user="ana", before="2026-01-02").count == 1
        assert memory.connections("Nobody", user="ana").count == 0
        assert memory.connections("Xenia", user="ana").count == 0


def test_no_name_is_refused() -> None:
    with Memory(":memory:") as memory:
        for name, k in (("", 3), (" ", 3), ("Ana", 0)):
            with pytest.raises(InputError):
                memory.connections(name, k=k)
