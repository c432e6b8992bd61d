"""LlamaIndex's own tests of its chat store, with a memory behind it.

Their source distribution holds no tests: PEER_LLAMA_INDEX_CORE names a checkout of the folder `llama-index-core` of their repository.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.peers.suite import PeerSuite, check

FILE = "tests/storage/chat_store/test_simple_chat_store.py"
SUITE = PeerSuite(
    "llama-index-core", "0.14.25", [FILE], "llama_index_chat_store",
    {f"{FILE}::test_persist_non_ascii_unescaped": "writes all messages into a file of JSON of its own; a memory is a file"},
)  # fmt: skip


@pytest.mark.slow
def test_the_chat_stores_own_tests_pass(tmp_path: Path) -> None:
    check(SUITE, tmp_path, 6)
