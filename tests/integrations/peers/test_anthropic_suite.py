"""The Anthropic SDK's own tests of its memory tool, with a memory behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.peers.suite import PeerSuite, check

FILE = "tests/lib/tools/memory_tools/test_filesystem.py"
LINKS = "tests symbolic links on disk: a memory has none"
KINDS = ("TestBetaLocalFilesystemMemoryTool", "TestBetaAsyncLocalFilesystemMemoryTool")
LINKED = (
    "test_read_rejects_symlink_created_after_validation",
    "test_read_rejects_file_replaced_with_symlink_before_open",
    "test_view_rejects_directory_symlink_created_after_validation",
    "test_symlink_validation_reject_symlink_pointing_outside_memories",
    "test_view_lists_symlinks_only_when_they_stay_inside_memories",
    "test_symlink_validation_reject_creating_files_through_symlink_pointing_outside",
    "test_symlink_validation_reject_parent_directory_that_is_symlink_pointing_outside",
    "test_validate_path_returns_resolved_path_not_symlink_target",
)
MODES = {
    f"{FILE}::{kind}::test_mkdir_parents_not_world_writable_under_permissive_umask": "tests the mode of directories"
    for kind in KINDS
}
SUITE = PeerSuite(
    "anthropic", "2.14.0", [FILE], "anthropic_memory_tool",
    {f"{FILE}::{kind}::{name}": LINKS for kind in KINDS for name in LINKED} | MODES,
)  # fmt: skip


@pytest.mark.slow
def test_the_memory_tools_own_tests_pass(tmp_path: Path) -> None:
    check(SUITE, tmp_path, 51)
