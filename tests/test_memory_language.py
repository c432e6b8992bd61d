"""The language of a memory: given once, kept in the file, changed by building the lexicon anew, seen by every process."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina import Memory
from lamina.errors import ConfigError
from lamina.index.view import ScopeView
from lamina.records import Filter, Run
from lamina.storage import SQLiteStore
from lamina.terms import term_hashes
from tests.recall.languages.comparison import NoVectors
from tests.storage.processes import in_child

TEXTS = ["Die alten Häuser am Fluss", "Wir kauften zwei Bücher", "Der Hund schläft"]


def opened(path: Path | str, language: str | None = None, **settings: object) -> Memory:
    return Memory(path, language=language, embedder=NoVectors(), **settings)  # type: ignore[arg-type]


def lexicon(memory: Memory) -> list[list[int]]:
    """The terms of every trace, as they lie in the file."""
    return [terms.tolist() for terms in memory.store.items.columns("").terms]


def analysed(language: str, texts: list[str] = TEXTS) -> list[list[int]]:
    return [term_hashes(text, language).tolist() for text in texts]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def test_a_new_memory_is_english_unless_it_is_told_otherwise(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(":memory:") as memory:
        assert memory.stats()["language"] == "english"
    monkeypatch.setenv("LAMINA_LANGUAGE", "german")
    with opened(path) as memory:
        memory.add(TEXTS)
        assert memory.stats()["language"] == "german"
        assert lexicon(memory) == analysed("german")
        assert [hit.text for hit in memory.search("Haus", k=1)] == TEXTS[:1]
        assert [hit.text for hit in memory.search("das Buch", k=1)] == TEXTS[1:2]


def test_a_file_keeps_its_language_whatever_the_settings_of_later_processes_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> None:
        with opened(path, "german") as memory:
            memory.add(TEXTS)

    assert in_child(make) is None
    monkeypatch.setenv("LAMINA_LANGUAGE", "french")
    with opened(path) as memory:
        assert memory.stats()["language"] == "german"
        assert lexicon(memory) == analysed("german")
        memory.add("Viele Bäume")
        assert lexicon(memory)[3:] == analysed("german", ["Viele Bäume"])
        assert memory.doctor() == []


def test_another_language_rebuilds_the_lexicon_and_a_process_that_has_the_file_open_goes_on_in_it(path: Path) -> None:
    with opened(path) as memory:
        memory.add(TEXTS)
        assert lexicon(memory) == analysed("english")
        assert "soft" not in reasons(memory, "Haus")

        def change() -> list[str]:
            with opened(path, "german") as other:
                other.add("Ein neues Haus")
                return [hit.text for hit in other.search("Häuser", k=2)]

        assert sorted(in_child(change)) == ["Die alten Häuser am Fluss", "Ein neues Haus"]
        assert "soft" in reasons(memory, "Haus")
        memory.add("Kleine Häuser")
        assert lexicon(memory) == analysed("german", [*TEXTS, "Ein neues Haus", "Kleine Häuser"])
        assert memory.stats()["language"] == "german"
        assert memory.doctor() == []
    with opened(path, "none") as memory:
        assert lexicon(memory) == analysed("none", [*TEXTS, "Ein neues Haus", "Kleine Häuser"])


def reasons(memory: Memory, cue: str) -> list[str]:
    """Why the first text is found: the features that add to its score."""
    (hit,) = [hit for hit in memory.search(cue) if hit.text == TEXTS[0]]
    return [reason.feature for reason in hit.reasons if reason.value]


def test_a_view_and_the_cues_for_it_are_read_in_one_language(path: Path) -> None:
    with opened(path) as memory:
        memory.add(TEXTS)
        view = ScopeView(memory.store, "").refresh()
        assert view.language == "english"
        memory.store.relex(language="german")
        assert view.language == "english"
        assert view.lexical.terms(0).tolist() == analysed("english")[0]
        view.refresh()
        assert view.language == "german"
        assert view.lexical.terms(0).tolist() == analysed("german")[0]


def test_the_summaries_of_episodes_are_made_in_the_language(path: Path) -> None:
    texts = ["Die Häuser sind alt.", "Das Haus am Fluss ist alt.", "Ein Haus kostet viel."]
    with opened(path, "german") as memory:
        memory.add([{"content": text, "at": f"2026-01-01T10:0{number}:00+00:00"} for number, text in enumerate(texts)])
        memory.consolidate()
        (episode,) = list(memory.store.items.each(Filter(kinds=("episode",))))
        assert "haus" in episode.data["keywords"]
        assert "hauser" not in episode.data["keywords"]  # a form of the same word


def test_the_same_language_again_changes_nothing(path: Path) -> None:
    with opened(path, "german") as memory:
        memory.add(TEXTS)
        memory.flush()
        before = memory.store.version()
    with opened(path, "german") as memory:
        assert memory.store.version() == before


def test_a_file_that_is_only_read_keeps_its_language(path: Path) -> None:
    with opened(path) as memory:
        memory.add(TEXTS)
    with opened(path, "english", read_only=True) as memory:
        assert memory.search("Hund", k=1)[0].text == TEXTS[2]
    with pytest.raises(ConfigError, match=r"analysed in 'english'.*'german'.*for writing"):
        opened(path, "german", read_only=True)


def test_an_unknown_language_is_refused_and_leaves_the_file_as_it_is(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'klingon' is no language.*german"):
        opened(path, "klingon")
    assert not path.exists()
    opened(path).close()
    with pytest.raises(ConfigError, match="no language"):
        opened(path, "klingon")
    with opened(path) as memory:
        assert memory.stats()["language"] == "english"


def test_a_change_that_is_cancelled_leaves_the_old_lexicon(path: Path) -> None:
    with opened(path) as memory:
        memory.add(TEXTS)
    with pytest.raises(ZeroDivisionError):
        opened(path, "german", run=Run(progress=lambda stage, done, total: 1 // 0))  # type: ignore[arg-type]
    with opened(path) as memory:
        assert memory.stats()["language"] == "english"
        assert lexicon(memory) == analysed("english")


def test_an_import_is_analysed_in_the_language_of_the_memory_it_comes_into(path: Path, tmp_path: Path) -> None:
    with opened(path) as memory:
        memory.add(TEXTS)
        memory.export(tmp_path / "lines.jsonl")
    with opened(tmp_path / "other.db", "german") as other:
        other.import_(tmp_path / "lines.jsonl")
        assert lexicon(other) == analysed("german")


def test_a_store_of_an_older_analysis_is_brought_up_to_date_in_its_own_language(path: Path) -> None:
    with opened(path, "german") as memory:
        memory.add(TEXTS)
        with memory.store.transaction():
            memory.store.set_meta("analyser", "snowball-german/1")
            memory.store.connection.execute("UPDATE lexicon SET terms = x'0000000001000000'")  # type: ignore[attr-defined]
    store = SQLiteStore(path)
    assert store.language == "german"
    assert [terms.tolist() for terms in store.items.columns("").terms] == analysed("german")
    store.close()
