"""What answers a cue without its words is proposed in a large scope too, where many share some of the words."""

from __future__ import annotations

import pytest

from lamina import Memory
from lamina.bench.speed.reading import Everything
from lamina.index.views import Views
from lamina.models.static import StaticEmbedder
from lamina.recall.ranker import LinearRanker
from lamina.recall.recaller import Recaller
from lamina.recall.sources import Context, Dense, Lexical, Neighbours
from lamina.records import Filter, Run
from lamina.storage import open_store

CUE = "What about the violin, the harbour, the lantern and the ladder?"
ANSWER = "It broke in two."


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A thousand messages with one of four words, and one without any, around which all four are said."""
    words = ["violin", "harbour", "lantern", "ladder"]
    path = str(tmp_path_factory.mktemp("context") / "large.db")
    with Memory(path, embedder="wordllama") as memory:
        for place in range(500):
            said = [f"{words[place % 4]} {place}", f"nothing to speak of {place}", f"{words[place % 4]} again {place}"]
            memory.add_many(said, session=f"session {place}")
        around = [
            "So the violin fell far down, gone at once.",
            "Right into the deep cold harbour it went.",
            ANSWER,
            "People came running, somebody brought a lantern.",
            "Nobody dared climb down that old ladder.",
        ]
        memory.add_many(around, session="last")
        memory.flush()
    return path


AROUND = LinearRanker({"window5": 1.0})  # what is around counts, whatever the shipped weights are


def found(path: str, *, sources: tuple[object, ...] | None = None, k: int = 5, ranker: LinearRanker | None = AROUND) -> list[str]:
    store = open_store(path, read_only=True)
    try:
        embedder = StaticEmbedder()
        recaller = Recaller(store, Views(store), lambda: embedder, Run(), ranker, sources)  # type: ignore[arg-type]
        return [hit.text for hit in recaller.search(CUE, Filter(), k)]
    finally:
        store.close()


def test_the_message_amid_all_the_words_is_found(path: str) -> None:
    assert ANSWER in found(path)


def test_it_is_the_context_that_proposes_it(path: str) -> None:
    """The control: without this source it is not among the candidates."""
    assert ANSWER not in found(path, sources=(Lexical(), Dense(), Neighbours()), k=20)
    assert ANSWER in found(path, sources=(Context(),))


def test_candidates_give_the_same_hits_as_all_messages(path: str) -> None:
    every = found(path, sources=(Everything(),), k=20, ranker=None)
    assert found(path, k=20, ranker=None) == every


def test_what_a_filter_hides_is_not_proposed(path: str) -> None:
    store = open_store(path, read_only=True)
    try:
        embedder = StaticEmbedder()
        recaller = Recaller(store, Views(store), lambda: embedder, Run(), sources=(Context(),))
        hits = recaller.search(CUE, Filter(sessions=("session 1", "session 2")), 50)
        assert {hit.session for hit in hits} == {"session 1", "session 2"}
    finally:
        store.close()
