"""LangGraph's own tests of stores, with a memory behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.peers.suite import PeerSuite, check

PLUGIN = "langgraph_store"
COSINE = "asks for cosine similarities of the test's own embedding; the score here is that of the memory's ranker"
INSIDE = "tests the inside of their SQLite store: its connection, its migrations, the SQL it writes"
CHECKPOINT = PeerSuite(
    "langgraph-checkpoint", "4.3.2",
    ["tests/__init__.py", "tests/test_store.py", "tests/embed_test_utils.py"],
    PLUGIN,
    {"tests/test_store.py::test_embed_with_path": COSINE},
)  # fmt: skip
SQLITE = PeerSuite(
    "langgraph-checkpoint-sqlite", "3.1.2",
    ["tests/__init__.py", "tests/test_store.py", "tests/test_async_store.py", "tests/test_ttl.py"],
    PLUGIN,
    {
        "tests/test_store.py::test_embed_with_path": COSINE,
        "tests/test_store.py::test_embed_with_path_operation_config": COSINE,
        "tests/test_store.py::test_scores": COSINE,
        "tests/test_async_store.py::test_embed_with_path": COSINE,
        "tests/test_store.py::test_vector_store_initialization": INSIDE,
        "tests/test_store.py::test_nonnull_migrations": INSIDE,
        "tests/test_store.py::test_escape_glob_literal": INSIDE,
        "tests/test_store.py::test_namespace_match_pattern": INSIDE,
        "tests/test_store.py::test_list_namespaces_prefix_uses_indexable_condition": INSIDE,
        "tests/test_store.py::test_sql_injection_vulnerability": "wants a field name with quotes refused; here it is a name like any other and matches nothing",
        "tests/test_async_store.py::test_no_running_loop": "wants the synchronous calls refused beside a running loop; this store has both kinds",
    },
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("suite", [CHECKPOINT, SQLITE], ids=lambda suite: suite.package)
def test_the_stores_own_tests_pass(suite: PeerSuite, tmp_path: Path) -> None:
    check(suite, tmp_path, 21)
