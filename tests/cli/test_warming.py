"""lamina warm, and what lamina stats says of the index."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lamina.cli import app
from lamina.errors import Cancelled, MissingExtraError
from lamina.index import warming
from lamina.index.kernels import jit
from lamina.records import Run


def test_warm_compiles_what_large_scopes_need() -> None:
    done = CliRunner().invoke(app, ["warm", "--quiet"])
    assert done.exit_code == 0, done.output
    assert "graph of a memory" in done.output
    assert any(kernel.signatures for kernel in warming.kernels())


def test_anew_throws_away_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be removed is looked at, not removed: other tests need it."""
    warming.warm(methods=("graph of a memory",))
    removed: list[str] = []
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: removed.append(self.name))
    count = warming.forget_compiled()
    assert count == len(removed) > 5
    assert {name.rsplit(".", 1)[1] for name in removed} == {"nbi", "nbc"}
    assert any(name.startswith("search.grow-") for name in removed)


def test_compiling_is_told_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(warming, "METHODS", {name: lambda name=name: done.append(name) for name in ("one", "two", "three")})
    told: list[tuple[str, int, int]] = []
    assert warming.warm(Run(progress=lambda *seen: told.append(seen)), ("one", "three")) == ["one", "three"]
    assert told == [("compiling", 0, 2), ("compiling", 1, 2), ("compiling", 2, 2)]
    done.clear()
    with pytest.raises(Cancelled):
        warming.warm(Run(cancelled=lambda: len(done) == 1))
    assert done == ["one"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtraError.for_extra("index", "searching in graphs", "numba")

    assert jit is not None
    monkeypatch.setattr(warming, "METHODS", {"graph": missing})
    done = CliRunner().invoke(app, ["warm", "--quiet"])
    assert done.exit_code != 0
    assert "lamina[index]" in done.output


def test_stats_say_how_a_scope_is_searched(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["add", str(tmp_path / "a.db"), "a heron stood on the mast"]).exit_code == 0
    done = run(app, ["stats", str(tmp_path / "a.db")])
    assert "exact, 1 vectors" in " ".join(done.output.split())
    assert "2.0 GB of memory" in done.output
