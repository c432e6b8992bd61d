"""Edges, vectors, strengths, watermarks, rankers and artifacts."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.errors import InputError, VectorError
from lamina.records import Edge
from lamina.storage.protocol import Store
from tests.storage import material
from tests.storage.conformance.base import Conformance
from tests.storage.material import EVERYTHING, NOW, add, add_derived, connect, derived, small_world, trace


class LinkConformance(Conformance):
    """Edges, vectors, strengths, watermarks and artifacts."""

    def test_edges_are_one_of_a_kind_between_two_items(self, store: Store) -> None:
        a, b, c = add(store, trace("a"), trace("b"), trace("c"))
        connect(store, a, b, "links", weight=0.25, data={"x": "é"}, made_by="m/1")
        connect(store, a, b, "links", weight=0.75)
        connect(store, a, b, "mentions")
        connect(store, c, b, "links")
        assert [(edge.kind, edge.weight) for edge in store.edges.out([a])] == [("links", 0.75), ("mentions", 1.0)]
        assert [edge.src for edge in store.edges.into([b], ["links"])] == [a, c]
        with store.transaction():
            store.edges.remove([Edge(a, b, "mentions")])
        assert store.edges.count() == 2
        with store.transaction():
            store.edges.remove_from([a], ["mentions"])
            store.edges.remove_from([c])
        assert [(edge.src, edge.dst) for edge in store.edges.into([b])] == [(a, b)]

    def test_vectors_come_back_in_half_precision(self, store: Store) -> None:
        keys = add(store, trace("a"), trace("b", scope="x"), trace("event", role="event"))
        assert store.vectors.pending() == keys[:2]
        vectors = np.array([[1 / 3, -2, 65504], [0, 1e-3, 4]], np.float32)
        with store.transaction():
            space = store.vectors.open_space("e/1", 3)
            store.vectors.activate(space)
            assert store.vectors.put(space, [*keys[:2], 10**6], np.vstack([vectors, vectors[:1]])) == 2
        assert store.vectors.pending() == []
        found = store.vectors.get(space, keys)
        assert np.array_equal(found[keys[0]], vectors[0].astype(np.float16).astype(np.float32))
        slices = list(store.vectors.load(space, "*", size=1))
        assert [int(key) for one, _ in slices for key in one] == keys[:2]
        assert np.array_equal(np.concatenate([array for _, array in slices]), vectors.astype(np.float16).astype(np.float32))
        assert [one.tolist() for one, _ in store.vectors.load(space, "x")] == [[keys[1]]]
        version = store.version().vector
        with store.transaction():
            store.vectors.put(space, keys[:1], vectors[1:])
        assert [one.tolist() for one, _ in store.vectors.load(space, "*", after=version)] == [[keys[0]]]
        assert [one.tolist() for one, _ in store.vectors.load(space, "*", after=0, upto=version)] == [[keys[1]]]

    @pytest.mark.parametrize(
        "vectors", [[[1, 2, np.nan]], [[1, 2, np.inf]], [[1, 2, 70000]], [[1, 2]], [[1, 2, 3, 4]], [[1, 2, 3], [1, 2, 3]]]
    )
    def test_a_vector_that_is_none_is_refused(self, store: Store, vectors: list[list[float]]) -> None:
        keys = add(store, trace("a"))
        with store.transaction():
            space = store.vectors.open_space("e/1", 3)
            store.vectors.activate(space)
        with pytest.raises(VectorError), store.transaction():
            store.vectors.put(space, keys, np.array(vectors, np.float32))
        assert store.vectors.get(space, keys) == {}
        assert store.vectors.pending() == keys

    def test_spaces_are_switched_at_once_and_dropped(self, store: Store) -> None:
        keys = add(store, trace("a"), trace("b"))
        with store.transaction():
            old = store.vectors.open_space("e/1", 2)
            store.vectors.activate(old)
            store.vectors.put(old, keys[:1], np.ones((1, 2), np.float32))
        with store.transaction():
            new = store.vectors.open_space("e/2", 3)
            store.vectors.put(new, keys, np.ones((2, 3), np.float32))
        assert store.vectors.active() == old
        assert store.vectors.pending() == keys[1:]  # of the space that serves
        assert store.vectors.missing(old) == keys[1:]
        assert store.vectors.missing(new) == []
        with pytest.raises(VectorError), store.transaction():
            store.vectors.open_space("e/1", 5)
        with store.transaction():
            store.vectors.activate(new)
            store.vectors.drop(old)
        assert store.vectors.active() == new
        assert store.vectors.pending() == []
        assert store.vectors.spaces() == [new]
        with store.transaction():
            store.vectors.drop(new)
        assert store.vectors.active() is None
        assert store.vectors.pending() == keys

    def test_strengths_are_kept_by_policy(self, store: Store) -> None:
        a, b = add(store, trace("a"), trace("b", scope="x"))
        with store.transaction():
            store.strengths.put("p", {a: "1", b: "2", 10**6: "3"})
            store.strengths.put("q", {a: "4"})
            store.strengths.put("p", {a: "5"})
        assert store.strengths.get("p", [a, b, 10**6]) == {a: "5", b: "2"}
        assert store.strengths.each("p", "x") == [(b, "2")]
        assert store.strengths.policies() == ["p", "q"]

    def test_watermarks_are_kept_by_stage_and_scope(self, store: Store) -> None:
        with store.transaction():
            store.watermarks.set("segment", "a", 5)
            store.watermarks.set("segment", "a/b", 6)
            store.watermarks.set("notes", "c", 7)
        assert store.watermarks.get("segment", "a") == 5
        assert store.watermarks.get("segment", "zzz") == 0
        assert store.watermarks.each("a") == [("segment", "a", 5), ("segment", "a/b", 6)]
        with store.transaction():
            store.watermarks.reset("a")
        assert store.watermarks.each("*") == [("notes", "c", 7)]

    @pytest.mark.parametrize("part", ["rankers", "consents"])
    def test_states_are_kept_by_scope(self, store: Store, part: str) -> None:
        states = getattr(store, part)
        with store.transaction():
            for scope in ("", "a", "a/b", "a0", "*"):
                states.put(scope, f'"{scope}"')
            states.put("a", '"again"')
        assert states.get(["a", "zzz", "*"]) == {"a": '"again"', "*": '"*"'}
        assert states.each("a") == [("a", '"again"'), ("a/b", '"a/b"')]
        assert states.each("") == [("", '""')]
        assert [scope for scope, _ in states.each("*")] == ["", "*", "a", "a/b", "a0"]
        with store.transaction():
            assert states.remove("a") == 1
            assert states.remove("a") == 0
        assert [scope for scope, _ in states.each("*")] == ["", "*", "a/b", "a0"]
        with store.transaction():
            assert states.remove("a", below=True) == 1
            assert states.remove("*", below=True) == 3
        assert states.each("*") == []

    @pytest.mark.parametrize("inline", [True, False, None])
    def test_an_artifact_goes_with_its_item(self, store: Store, inline: bool | None) -> None:
        keys = add(store, trace("a"), trace("b"))
        before = store.nbytes()
        with store.transaction():
            kept = store.artifacts.put(keys[0], "file", b"x" * 600_000, inline=inline)
            gone = store.artifacts.put(keys[1], "file", b"y" * 600_000, inline=inline)
        assert store.artifacts.get(gone.id) == b"y" * 600_000
        assert (gone.size, gone.kind, gone.item) == (600_000, "file", keys[1])
        assert store.nbytes() > before + 1_000_000
        with store.transaction():
            store.items.delete(keys[1:])
        with pytest.raises(KeyError):
            store.artifacts.get(gone.id)
        assert store.artifacts.of(keys[0]) == [kept]
        with store.transaction():
            store.artifacts.delete(kept.id)
        store.scrub()
        assert store.artifacts.each("*") == []
        assert store.nbytes() < before + 500_000

    @pytest.mark.parametrize("inline", [True, False])
    def test_an_artifact_can_be_looked_at_without_being_copied(self, store: Store, inline: bool) -> None:
        keys = add(store, trace("a"), trace("b"))
        with store.transaction():
            one = store.artifacts.put(keys[0], "file", b"content" * 1000, inline=inline)
            none = store.artifacts.put(keys[1], "file", b"", inline=inline)
        view = store.artifacts.view(one.id)
        assert (len(view), bytes(view[:7])) == (7000, b"content")
        assert bytes(store.artifacts.view(none.id)) == b""
        with store.transaction():
            store.items.delete(keys[:1])
        assert bytes(view[-7:]) == b"content"  # who looks at it goes on seeing it
        with pytest.raises(KeyError):
            store.artifacts.view(one.id)

    def test_an_artifact_keeps_a_given_id(self, store: Store) -> None:
        (key,) = add(store, trace("a"))
        with store.transaction():
            assert store.artifacts.put(key, "file", b"x", id="0" * 32).id == "0" * 32
        for wrong in ("0" * 32, "../../etc/passwd", "G" * 32):
            with pytest.raises(InputError), store.transaction():
                store.artifacts.put(key, "file", b"x", id=wrong)

    @pytest.mark.parametrize("inline", [True, False])
    def test_an_artifact_is_replaced_under_its_id_or_stays_as_it_was(self, store: Store, inline: bool) -> None:
        (key,), id = add(store, trace("a")), "0" * 32

        def replace(content: bytes, undone: bool = False) -> None:
            with store.transaction():
                store.artifacts.delete(id)
                store.artifacts.put(key, "file", content, inline=inline, id=id)
                if undone:
                    raise RuntimeError

        with store.transaction():
            store.artifacts.put(key, "file", b"first", inline=inline, id=id)
        replace(b"second")
        assert store.artifacts.get(id) == b"second"
        with pytest.raises(RuntimeError):
            replace(b"third", undone=True)
        assert store.artifacts.get(id) == b"second"

    def test_everything_is_there_after_reopening(self, store: Store, other: Store) -> None:
        small_world(store)
        assert list(other.items.each(EVERYTHING)) == list(store.items.each(EVERYTHING))
        assert other.vectors.active() == store.vectors.active()
        assert [other.artifacts.get(one.id) for one in other.artifacts.each("*")] == [b"small content", b"large content"]

    def test_derived_material_is_as_the_tests_believe(self, store: Store) -> None:
        """The suite's own worlds stand on traces."""
        (key,) = add(store, trace("a"))
        note = add_derived(store, derived("note", "n", [trace("a")]), [key])
        assert [edge.dst for edge in store.edges.out([note], ["cites"])] == [key]
        assert material.NOW == NOW
