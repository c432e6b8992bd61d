"""Consents: what is refused does not happen, the nearest scope and the last word hold, and the record can be replayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lamina import Memory
from lamina.cli import app
from lamina.errors import ConsentError, CorruptStoreError, InputError, ReadOnlyError, TransferError
from lamina.records import Filter, Run
from lamina.scopes import scopes_above
from lamina.storage.consents import PURPOSES, in_force
from lamina.storage.transfer import export_lines, import_file
from tests.conftest import Clock


@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        yield one


def texts(memory: Memory, **conditions: Any) -> set[str]:
    return {hit.text for hit in memory.search("who likes fish?", **conditions)}


# -------------------------------------------------------------------------------------------------------- the record
def test_everything_is_granted_where_nobody_has_spoken(memory: Memory) -> None:
    found = memory.consents(user="ana")
    assert list(found) == list(PURPOSES)
    assert all(one.granted and one.scope is None and one.event is None for one in found.values())


def test_the_last_word_in_the_nearest_scope_holds(memory: Memory) -> None:
    memory.consent("train", False, scope="*")
    memory.consent("train", True, tenant="acme")
    event = memory.consent("train", False, tenant="acme", user="ana")
    ana = memory.consents(tenant="acme", user="ana", agent="bot")["train"]
    assert (ana.granted, ana.scope, ana.event) == (False, "acme/ana", event)
    assert memory.consents(tenant="acme", user="ben")["train"].granted
    assert memory.consents(user="ana")["train"].scope == "*"
    memory.consent("train", True, tenant="acme", user="ana")
    assert memory.consents(tenant="acme", user="ana")["train"].granted
    assert not memory.consents()["train"].granted


def test_a_clock_that_was_set_back_does_not_bring_an_old_word_back(memory: Memory, clock: Clock) -> None:
    memory.consent("store", True, user="ana")
    clock.advance(days=-3)
    memory.consent("store", False, user="ana")
    assert not memory.consents(user="ana")["store"].granted
    assert memory.doctor() == []


def test_what_is_no_consent_is_refused(memory: Memory) -> None:
    with pytest.raises(InputError, match="'recal' is not a purpose"):
        memory.consent("recal", False)
    with pytest.raises(InputError, match="True or False"):
        memory.consent("recall", "no")  # type: ignore[arg-type]
    assert memory.count(scope="*", where=Filter(events=True)) == 0


def test_a_read_only_memory_takes_no_consent(tmp_path: Path) -> None:
    Memory(tmp_path / "m.db").close()
    with Memory(tmp_path / "m.db", read_only=True) as memory, pytest.raises(ReadOnlyError):
        memory.consent("store", False)


def test_a_consent_outlives_the_traces_around_it_and_is_not_deleted_by_itself(memory: Memory) -> None:
    event = memory.consent("share", False, user="ana")
    ids = memory.add("Ana likes sardines.", user="ana")
    memory.delete(ids)
    assert not memory.consents(user="ana")["share"].granted
    with pytest.raises(InputError, match="records a consent"):
        memory.delete(event)
    assert memory.doctor() == []


def test_it_goes_with_its_scope(memory: Memory) -> None:
    memory.consent("store", False, user="ana")
    memory.consent("store", False, user="ben")
    memory.consent("recall", False, scope="*")
    memory.delete_all(user="ana")
    assert memory.consents(user="ana")["store"].granted
    assert not memory.consents(user="ben")["store"].granted
    memory.delete_all(scope="")
    assert memory.consents(user="ben")["recall"].granted
    memory.delete_all(scope="*")
    assert memory.consents(user="ben")["store"].granted
    assert memory.doctor() == []


def test_a_consent_that_is_rolled_back_was_never_given(memory: Memory) -> None:
    def withdrawn() -> None:
        with memory.store.transaction():
            memory.consent("store", False, user="ana")
            memory.add("hello", user="ana")

    with pytest.raises(ConsentError):
        withdrawn()
    assert memory.add("hello", user="ana")


def test_another_process_s_word_holds_at_once(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as here, Memory(tmp_path / "m.db") as there:
        here.add("Ana likes fish.", user="ana")
        there.consent("store", False, user="ana")
        there.consent("recall", False, user="ana")
        with pytest.raises(ConsentError):
            here.add("Ana likes soup.", user="ana")
        assert here.search("fish", user="ana") == []


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(PURPOSES), st.booleans(), st.sampled_from(("*", "", "a", "a/b", "a/b/c", "a0"))), max_size=12
    )
)
def test_what_is_in_force_can_be_replayed_from_the_events(said: list[tuple[Any, bool, str]]) -> None:
    with Memory(":memory:") as memory:
        expected: dict[tuple[str, str], bool] = {}
        for purpose, granted, scope in said:
            memory.consent(purpose, granted, scope=scope)
            expected[purpose, scope] = granted
        for scope in ("", "a", "a/b", "a/b/c", "a0", "x"):
            for purpose, consent in in_force(memory.store, scope).items():
                nearest = [expected[purpose, one] for one in scopes_above(scope) if (purpose, one) in expected]
                assert consent.granted == (nearest[0] if nearest else True)
        before = memory.store.consents.each("*")
        with memory.store.transaction():
            memory.store.consents.remove("*", below=True)
        assert len(memory.doctor(repair=True)) == 0
        assert memory.store.consents.each("*") == before


def test_damaged_consents_are_not_taken_for_a_grant(memory: Memory) -> None:
    memory.consent("store", False, user="ana")
    with memory.store.transaction():
        memory.store.consents.put("/ana", "{}x")
    with pytest.raises(CorruptStoreError, match="doctor"):
        memory.add("hello", user="ana")
    memory.doctor(repair=True)
    with pytest.raises(ConsentError):
        memory.add("hello", user="ana")


# ------------------------------------------------------------------------------------------------------------- store
def test_nothing_is_stored_where_that_is_refused(memory: Memory) -> None:
    [old] = memory.add("Ana likes sardines.", user="ana")
    memory.consent("store", False, user="ana")
    for write in (
        lambda: memory.add("Ana likes soup.", user="ana", agent="bot"),
        lambda: memory.add_many(["Ana likes soup."], user="ana"),
        lambda: memory.update(old, "Ana likes soup."),
    ):
        with pytest.raises(ConsentError, match=r"'store' was refused in the scope '/ana'.*consent\('store', True"):
            write()
    assert memory.count(scope="*") == 1
    memory.add("Ben likes soup.", user="ben")
    memory.forget(old)  # what takes away goes on
    memory.delete(old)
    memory.consent("store", True, user="ana")
    assert memory.add("Ana likes soup.", user="ana")


# ------------------------------------------------------------------------------------------------------------ recall
def test_nothing_is_recalled_where_that_is_refused(memory: Memory) -> None:
    memory.add("Ana likes fish at Acme.", tenant="acme", user="ana", session="s")
    memory.add("Ana's bot likes fish.", tenant="acme", user="ana", agent="bot")
    memory.add("Ben likes fish at Acme.", tenant="acme", user="ben", session="s")
    memory.add("Acme likes fish.", tenant="acme")
    memory.consolidate()
    memory.consent("recall", False, tenant="acme", user="ana")
    assert texts(memory, tenant="acme") == {"Ben likes fish at Acme.", "Acme likes fish."}
    assert texts(memory, tenant="acme", user="ana") == set()
    assert memory.context("fish", tenant="acme", user="ana").text == ""
    assert "Ana" not in memory.context("fish", scope="*").text
    assert all("Ana" not in hit.text for hit in memory.search("fish", scope="*", kinds=["episode", "trace"]))
    assert memory.count(tenant="acme", user="ana", kinds=["trace"]) == 2  # it is still there for those who list it
    memory.consent("recall", True, tenant="acme", user="ana", agent="bot")
    assert texts(memory, tenant="acme", user="ana") == {"Ana's bot likes fish."}
    memory.consent("recall", True, tenant="acme", user="ana")
    assert len(texts(memory, tenant="acme")) == 4


def test_the_best_k_are_taken_from_what_may_be_recalled(memory: Memory) -> None:
    memory.add_many((f"Ana likes fish number {n}." for n in range(300)), user="ana")
    memory.add("Somebody has a rowing boat.", user="ben")
    memory.consent("recall", False, user="ana")
    assert [hit.text for hit in memory.search("Ana likes fish", scope="*", k=3)] == ["Somebody has a rowing boat."]


# ------------------------------------------------------------------------------------------------------------ derive
def test_nothing_is_derived_where_that_is_refused_and_what_was_is_hidden(memory: Memory) -> None:
    for name in ("ana", "ben"):
        memory.add([f"{name} tells of a day at sea.", f"{name} caught a fish."], user=name, session="s")
    memory.consolidate()
    [episode] = memory.get_all(user="ana", kinds=["episode"])
    memory.consent("derive", False, user="ana")
    assert memory.get_all(user="ana", kinds=["episode"]).items == []
    with pytest.raises(InputError, match="undo"):
        memory.undo()
    blank = memory.get(episode.id)
    assert blank is not None
    assert blank.stale
    assert blank.text == ""
    memory.add("ana caught another fish.", user="ana", session="s")
    memory.consolidate()
    memory.rebuild()
    assert memory.get_all(user="ana", kinds=["episode"]).items == []
    assert len(memory.get_all(user="ben", kinds=["episode"])) == 1
    memory.consent("derive", True, user="ana")
    memory.consolidate()
    assert len(memory.get_all(user="ana", kinds=["episode"])) == 1
    assert memory.doctor() == []


def test_a_nearer_grant_keeps_what_was_derived(memory: Memory) -> None:
    for name in ("ana", "ben"):
        memory.add([f"{name} tells of a day at sea.", f"{name} caught a fish."], tenant="acme", user=name, session="s")
    memory.consolidate()
    memory.consent("derive", True, tenant="acme", user="ana")
    memory.consent("derive", False, tenant="acme")
    assert {item.scope for item in memory.get_all(tenant="acme", kinds=["episode"])} == {"acme/ana"}


# ------------------------------------------------------------------------------------------------ sharing, transfer
def test_a_refusal_to_share_holds_exports_of_the_scope_back(memory: Memory, tmp_path: Path) -> None:
    memory.add("Ana likes fish.", user="ana")
    memory.add("Ben likes fish.", user="ben")
    memory.consent("share", False, user="ana")
    for whose in ({"user": "ana"}, {"scope": "*"}, {"user": "ana", "agent": "bot"}):
        with pytest.raises(ConsentError, match="/ana"):
            memory.export(tmp_path / "out.jsonl", **whose)
    assert list(tmp_path.iterdir()) == []
    assert memory.export(tmp_path / "out.jsonl", user="ben") > 2


def test_consents_travel_and_the_later_word_holds(memory: Memory, clock: Clock, tmp_path: Path) -> None:
    memory.add("Ana likes fish.", user="ana")
    memory.consent("recall", False, user="ana")
    memory.consent("store", False, user="ana")
    memory.export(tmp_path / "out.jsonl")
    with Memory(":memory:", run=Run(clock=clock)) as empty:
        empty.import_(tmp_path / "out.jsonl")  # what was stored before the refusal comes along
        assert empty.count(user="ana") == 1
        assert empty.search("fish", user="ana") == []
        with pytest.raises(ConsentError):
            empty.add("Ana likes soup.", user="ana")
        assert empty.store.consents.each("*") == memory.store.consents.each("*")
        assert not empty.import_(tmp_path / "out.jsonl").changed
    clock.advance(days=1)
    with Memory(":memory:", run=Run(clock=clock)) as later:
        later.consent("recall", True, user="ana")
        later.import_(tmp_path / "out.jsonl")
        assert later.search("fish", user="ana")
        assert later.doctor() == []


def test_an_import_does_not_bring_back_what_may_not_be_stored(memory: Memory, tmp_path: Path) -> None:
    memory.add("Ana likes fish.", user="ana")
    memory.export(tmp_path / "out.jsonl")
    memory.erase(user="ana")
    memory.consent("store", False, user="ana")
    with pytest.raises(ConsentError):
        memory.import_(tmp_path / "out.jsonl")
    assert memory.count(user="ana") == 0


# --------------------------------------------------------------------------------------------------------- the command
def test_the_command_records_and_shows(tmp_path: Path) -> None:
    path = str(tmp_path / "m.db")
    run = CliRunner().invoke
    said = run(app, ["consent", path, "train", "--refuse", "--user", "ana"])
    assert said.exit_code == 0, said.output
    assert "train   refused" in said.output
    found = json.loads(run(app, ["consent", path, "--user", "ana", "--json"]).output)
    assert found["train"]["granted"] is False
    assert found["store"]["granted"] is True
    assert run(app, ["consent", path, "train"]).exit_code == 2
    assert run(app, ["consent", path, "tran", "--grant"]).exit_code == 2


def test_a_file_imported_into_one_scope_does_not_speak_for_everything(memory: Memory) -> None:
    memory.consent("recall", False, scope="*")
    with Memory(":memory:") as other:
        with pytest.raises(TransferError, match="speaks for more"):
            import_file(other.store, export_lines(memory.store), within="")
        assert other.consents()["recall"].granted
