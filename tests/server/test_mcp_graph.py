"""The nine graph tools: what they answer page by page, and what forgetting, deleting, correcting and refusing do to a graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import ConsentError, InputError, NotFoundError
from lamina.records import Filter
from lamina.server.confined import Confined
from lamina.server.mcp.graph_tools import GraphTools
from lamina.server.mcp.memory_tools import MemoryTools

ANYTHING = Filter(scope="*", forgotten=True, retired=True, stale=True)


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory(":memory:") as made:
        yield made


def tools(memory: Memory) -> tuple[GraphTools, MemoryTools]:
    confined = Confined(memory, "/ana")
    return GraphTools(confined), MemoryTools(confined)


def entity(name: str, *observations: str, kind: str = "thing") -> Any:
    return {"name": name, "entityType": kind, "observations": list(observations)}


def relation(source: str, target: str, kind: str = "knows") -> Any:
    return {"from": source, "to": target, "relationType": kind}


def pages(ask: Any, **arguments: Any) -> list[dict[str, Any]]:
    """All pages of a reading tool, each within its size."""
    found = []
    cursor = None
    while True:
        text = ask(cursor=cursor, **arguments)
        assert len(text) <= arguments["max_characters"]
        found.append(json.loads(text))
        cursor = found[-1].get("cursor")
        if cursor is None:
            return found
        assert len(found) < 3000


def test_answers_have_the_form_of_the_reference_server(memory: Memory) -> None:
    graph, _ = tools(memory)
    graph.create_entities([entity("Ana", "likes sardines", kind="person"), entity("Braga", kind="city")])
    graph.create_relations([relation("Ana", "Braga", "lives_in")])
    ana = {"name": "Ana", "entityType": "person", "observations": ["likes sardines"]}
    assert json.loads(graph.open_nodes(["Ana"])) == {"entities": [ana], "relations": [relation("Ana", "Braga", "lives_in")]}
    assert json.loads(graph.open_nodes(["Braga"]))["relations"] == [relation("Ana", "Braga", "lives_in")]
    assert json.loads(graph.search_nodes("sardines"))["entities"][0] == ana
    whole = json.loads(graph.read_graph(observations=True))
    assert whole["entities"] == [ana, {"name": "Braga", "entityType": "city", "observations": []}]
    assert whole["relations"] == [relation("Ana", "Braga", "lives_in")]


def test_forgetting_an_observation_leaves_its_entity_and_restoring_brings_it_back(memory: Memory) -> None:
    graph, other = tools(memory)
    graph.create_entities([entity("Ana", "likes sardines", "is tall")])
    id = json.loads(other.search("sardines", 1))["hits"][0]["id"]
    other.forget([id])
    assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == ["is tall"]
    assert json.loads(graph.create_entities([entity("Ana")]))["count"] == 0
    other.restore([id])
    assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == ["likes sardines", "is tall"]


def test_what_another_process_changed_is_seen_without_consolidation(memory: Memory) -> None:
    graph, _ = tools(memory)
    graph.create_entities([entity("Ana", "likes sardines"), entity("Ben")])
    graph.create_relations([relation("Ana", "Ben")])
    told = memory.store.items.session_traces("/ana", "entity/Ana")
    memory.forget([trace.id for trace in told])
    assert json.loads(graph.read_graph())["entities"] == [{"name": "Ben", "entityType": "thing", "observationCount": 0}]
    assert json.loads(graph.read_graph())["relations"] == []
    memory.restore([trace.id for trace in told])
    assert json.loads(graph.open_nodes(["Ana"]))["relations"] == [relation("Ana", "Ben")]
    assert not memory.doctor()


def test_deleting_an_entity_takes_what_was_forgotten_or_corrected_with_it(memory: Memory) -> None:
    graph, other = tools(memory)
    graph.create_entities([entity("Ana", "likes sardines", "is tall"), entity("Ben")])
    graph.create_relations([relation("Ana", "Ben"), relation("Ben", "Ana", "met")])
    traces = {trace.text: trace.id for trace in memory.store.items.each(Filter(scope="/ana", kinds=("trace",)))}
    other.forget([traces["Ana: likes sardines"], traces["Ben met Ana"]])
    memory.update(traces["Ana: is tall"], "Ana: is small")
    assert json.loads(graph.delete_entities(["Ana"])) == {"deleted": 1}
    left = [item.text for item in memory.store.items.each(ANYTHING)]
    assert not [text for text in left if "Ana" in text]
    assert json.loads(graph.read_graph()) == {
        "entityCount": 1, "relationCount": 0, "entities": [{"name": "Ben", "entityType": "thing", "observationCount": 0}], "relations": [],
    }  # fmt: skip


def test_a_corrected_observation_is_deleted_in_all_its_versions(memory: Memory) -> None:
    graph, _ = tools(memory)
    graph.create_entities([entity("Ana", "is tall")])
    old = next(trace for trace in memory.store.items.session_traces("/ana", "entity/Ana") if "tall" in trace.text)
    memory.update(old.id, "Ana: is small")
    assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == ["is small"]
    deletion: Any = {"entityName": "Ana", "observations": ["is small", "is small", "was never said"]}
    assert json.loads(graph.delete_observations([deletion])) == {"deleted": 1}
    assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == []
    assert not [item for item in memory.store.items.each(ANYTHING) if "tall" in item.text or "small" in item.text]


def test_a_forgotten_entity_comes_back_when_it_is_created_again_and_nothing_is_told_twice(memory: Memory) -> None:
    graph, other = tools(memory)
    graph.create_entities([entity("Ana", "is tall")])
    [item] = memory.store.items.each(Filter(scope="/ana", kinds=("entity",)))
    other.forget([item.id])
    assert json.loads(graph.read_graph())["entities"] == []
    assert json.loads(graph.create_entities([entity("Ana", "is tall", "sings")]))["count"] == 1
    assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == ["is tall", "sings"]
    assert len(memory.store.items.session_traces("/ana", "entity/Ana")) == 3


def test_an_entity_deleted_by_its_id_is_not_derived_again_until_it_is_told_again(memory: Memory) -> None:
    graph, other = tools(memory)
    graph.create_entities([entity("Ana", "is tall")])
    [item] = memory.store.items.each(Filter(scope="/ana", kinds=("entity",)))
    other.delete_memory(item.id)
    memory.rebuild()
    assert json.loads(graph.read_graph())["entities"] == []
    graph.create_entities([entity("Ana")])
    memory.rebuild()
    assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == ["is tall"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=700).filter(str.strip)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(TEXTS, max_size=6, unique=True), min_size=1, max_size=4), st.integers(500, 1500), st.data())
def test_page_by_page_everything_short_enough_is_read_once(rows: list[list[str]], size: int, data: st.DataObject) -> None:
    with Memory(":memory:") as memory:
        graph, _ = tools(memory)
        names = [f"Entity {place}" for place in range(len(rows))]
        graph.create_entities([entity(name, *row) for name, row in zip(names, rows, strict=True)])
        pair = st.tuples(st.sampled_from(names), st.sampled_from(names))
        links = data.draw(st.lists(pair, max_size=8, unique=True))
        graph.create_relations([relation(*link) for link in links])
        for ask in (
            lambda **more: graph.open_nodes([*names, "nobody"], **more),
            lambda **more: graph.read_graph(observations=True, **more),
        ):
            read: dict[str, list[str]] = {name: [] for name in names}
            seen = []
            for page in pages(ask, max_characters=size):
                for row in page["entities"]:
                    read[row["name"]] += row["observations"]
                seen += [(one["from"], one["to"]) for one in page["relations"]]
            assert sorted(seen) == sorted(links)
            for name, row in zip(names, rows, strict=True):
                assert len(read[name]) == len(row)
                assert all(shown == said or shown.endswith("…") for shown, said in zip(read[name], row, strict=True))


def test_all_that_is_known_of_one_entity_can_be_read_page_by_page(memory: Memory) -> None:
    graph, _ = tools(memory)
    observations = [f"observation {n}: {'word ' * 30}" for n in range(600)]  # more than the longest answer holds
    graph.create_entities([entity("Ana", *observations)])
    found = pages(lambda **more: graph.open_nodes(["Ana"], **more), max_characters=40_000)
    assert [one for page in found for row in page["entities"] for one in row["observations"]] == observations
    found = pages(lambda **more: graph.search_nodes("Ana", **more), max_characters=40_000)
    assert [one for page in found for row in page["entities"] for one in row["observations"]] == observations


def test_nothing_is_skipped_where_entities_are_deleted_between_two_pages(memory: Memory) -> None:
    graph, _ = tools(memory)
    graph.create_entities([entity(f"Entity {n}") for n in range(60)])
    first = json.loads(graph.read_graph(max_characters=1000))
    graph.delete_entities([row["name"] for row in first["entities"]])
    rest = pages(lambda cursor, **more: graph.read_graph(cursor or first["cursor"], **more), max_characters=1000)
    names = [row["name"] for page in [first, *rest] for row in page["entities"]]
    assert names == [f"Entity {n}" for n in range(60)]


def test_names_and_types_have_a_length_and_unknown_names_do_not_flood(memory: Memory) -> None:
    graph, _ = tools(memory)
    for name in ("x" * 201, " ", "", "half a pair \ud800", "nul \0"):
        for ask in (
            lambda name=name: graph.open_nodes([name]), lambda name=name: graph.create_entities([entity(name)]),
            lambda name=name: graph.delete_entities([name]), lambda name=name: graph.create_relations([relation("Ana", name)]),
            lambda name=name: graph.delete_relations([relation(name, "Ana")]),
            lambda name=name: graph.add_observations([{"entityName": name, "contents": ["x"]}]),
        ):  # fmt: skip
            with pytest.raises(InputError):
                ask()
    with pytest.raises(InputError):
        graph.create_entities([entity("Ana", kind="x" * 201)])
    text = graph.open_nodes([f"{n} " + "y" * 190 for n in range(900)], max_characters=500)
    assert len(text) <= 500
    assert "more" in json.loads(text)["unknown"][-1]
    assert memory.count(where=ANYTHING) == 0


def test_a_call_that_fails_keeps_nothing_of_itself(memory: Memory) -> None:
    graph, _ = tools(memory)
    with pytest.raises(InputError):
        graph.create_entities([entity("Ana", "is tall"), entity("Ben", " ")])
    with pytest.raises(NotFoundError, match="create it first"):
        graph.add_observations([{"entityName": "Nobody", "contents": ["x"]}])
    assert memory.count(where=ANYTHING) == 0


def test_a_long_observation_is_one_observation(memory: Memory) -> None:
    graph, _ = tools(memory)
    long = "The committee met again. " * 800  # stored in pieces
    graph.create_entities([entity("Minutes", long)])
    row = json.loads(graph.open_nodes(["Minutes"], max_characters=40_000))["entities"][0]
    assert row["observations"] == [long]
    deletion: Any = {"entityName": "Minutes", "observations": [long]}
    assert json.loads(graph.delete_observations([deletion])) == {"deleted": 1}
    assert json.loads(graph.open_nodes(["Minutes"]))["entities"][0]["observations"] == []


def test_a_name_that_is_redacted_is_refused_and_nothing_of_it_is_kept() -> None:
    with Memory(":memory:", redact="email") as memory:
        graph, _ = tools(memory)
        with pytest.raises(InputError, match="another name"):
            graph.create_entities([entity("ana@example.org")])
        assert memory.count(where=ANYTHING) == 0
        graph.create_entities([entity("Ana", "writes from ana@example.org")])
        assert json.loads(graph.open_nodes(["Ana"]))["entities"][0]["observations"] == ["writes from [email]"]


def test_where_recall_was_refused_nothing_is_opened(memory: Memory) -> None:
    graph, other = tools(memory)
    graph.create_entities([entity("Ana", "I live in Braga.")])
    memory.add("I live in Braga.", user="ana", role="user")
    memory.consent("recall", False, user="ana")
    for ask in (graph.read_graph, lambda: graph.open_nodes(["Ana"]), lambda: graph.search_nodes("Ana")):
        with pytest.raises(ConsentError):
            ask()
    assert "Braga" not in other.profile()


def test_what_a_gate_does_not_keep_is_said() -> None:
    with Memory(":memory:", gate="refuse") as memory:
        graph, other = tools(memory)
        assert json.loads(other.remember("HEARTBEAT_OK", role="tool"))["remembered"] is None
        graph.create_entities([entity("Ana", "is tall", kind="person"), entity("Braga", kind="city")])
        graph.create_relations([relation("Ana", "Braga", "lives_in")])
        assert json.loads(graph.read_graph())["entityCount"] == 2
