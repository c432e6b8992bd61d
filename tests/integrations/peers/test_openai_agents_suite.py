"""The OpenAI Agents SDK's own tests of sessions, with a memory behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.peers.suite import PeerSuite, check

INSIDE = "tests the inside of their SQLite session: its connections, threads, locks and rows"
FILE = "tests/memory/test_session.py"
INNER = (
    "close_closes_worker_thread_connections",
    "reaps_connections_from_exited_worker_threads",
    "closes_retired_connections_before_the_next_allocation",
    "keeps_connections_of_live_worker_threads",
    "closed_rejects_empty_add_items",
    "pop_item_skips_corrupt_most_recent",
    "pop_item_returns_none_after_dropping_only_corrupt_rows",
    "get_items_limit_skips_corrupt_newest_rows",
    "get_items_session_settings_limit_skips_corrupt_rows",
    "file_lock_is_shared_across_instances",
    "failed_add_items_releases_write_lock",
    "failed_clear_session_rolls_back",
    "failed_pop_item_releases_write_lock",
    "rollback_failure_evicts_connection",
    "close_retries_quarantined_connection",
    "post_commit_cancellation_propagates_after_known_outcome",
)
SUITE = PeerSuite(
    "openai-agents", "0.24.0",
    ["tests/__init__.py", FILE, "tests/memory/test_session_limit.py", "tests/test_responses.py"],
    "agents_session",
    {f"{FILE}::test_sqlite_session_{name}": INSIDE for name in INNER},
)  # fmt: skip


@pytest.mark.slow
def test_the_sessions_own_tests_pass(tmp_path: Path) -> None:
    check(SUITE, tmp_path, 21)
