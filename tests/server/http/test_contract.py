"""The description of the interface holds: requests drawn from it are answered as it says, and never with a failure of the server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance, unsupported_method

from lamina import Memory
from lamina.server.http.application import http_application
from lamina.server.http.settings import Serving
from lamina.server.tokens import TokenBook
from tests.server.http.served import served

HEADERS = {"Host": "127.0.0.1"}


@pytest.fixture
def schema(tmp_path: Path) -> Iterator[schemathesis.BaseSchema]:
    with Memory(tmp_path / "a.db") as memory:
        memory.add("Ana moved from Porto to Lisbon in March.", metadata={"project": "kettle"})
        HEADERS["Authorization"] = "Bearer " + TokenBook(memory.store).create("*", "admin")[1]
        application = http_application(memory, Serving(rate=0))
        with TestClient(application):
            yield schemathesis.openapi.from_asgi("/openapi.json", application, headers=HEADERS)


@schemathesis.serializer("application/x-ndjson")
def as_it_is(context: object, value: object) -> bytes:
    found = getattr(value, "data", value)
    return found if isinstance(found, bytes) else str(found).encode("utf-8", "replace")


def hold(schema: schemathesis.BaseSchema, examples: int) -> None:
    """Draw requests for every operation, fit and unfit ones, and check the answers."""
    for result in schema.get_all_operations():
        operation = result.ok()
        # The schemas promise what is always accepted, and the library reads more than that (control characters in a name, other
        # forms of a time): that some of it is accepted is meant. Wrong types and unknown fields have tests of their own.
        excluded = [unsupported_method, negative_data_rejection]
        answers_hold(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE), examples, excluded)
        with contextlib.suppress(Unsatisfiable):  # there may be nothing that could be unfit
            answers_hold(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE), examples, excluded)


def answers_hold(strategy: SearchStrategy[schemathesis.Case], examples: int, excluded: list[object]) -> None:
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def check(case: schemathesis.Case) -> None:
        ends = isinstance(case.body, dict) and case.body.get("until") is not None  # after `at`, which no schema can say
        case.call_and_validate(headers=HEADERS, excluded_checks=[*excluded, *([positive_data_acceptance] if ends else [])])

    check()


def test_answers_are_as_described(schema: schemathesis.BaseSchema) -> None:
    hold(schema, 4)


@pytest.mark.slow
def test_answers_are_as_described_to_very_many_requests(schema: schemathesis.BaseSchema) -> None:
    hold(schema, 400)


def test_every_operation_has_a_name_and_tells_its_errors(tmp_path: Path) -> None:
    with served(tmp_path / "a.db") as found:
        described = found.client.get("/openapi.json").json()
    names = []
    for path, operations in described["paths"].items():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["description"], path
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert response["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem"), path
            if path.startswith("/v1/"):
                assert operation["security"], path
                assert {"400", "401", "403", "422", "429", "503"} <= operation["responses"].keys()
    assert len(names) == len(set(names))
    assert set(names) >= {
        "add", "upload", "search", "context", "get", "list", "update", "zoom", "history", "explain", "feedback", "forget", "restore", "delete", "delete_all",
        "consolidate", "rebuild", "export", "import", "stats", "scopes", "consent", "consents", "healthz", "readyz", "metrics",
    }  # fmt: skip
