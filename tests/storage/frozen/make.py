"""Freeze a store file of the present schema, so that every later version is tested against it.

    python tests/storage/frozen/make.py

Run it once for each new schema, before that schema is released, and never again for an old one: the old files are what users
have. It writes v<schema>.db (a store with something of everything) and v<schema>.json (what an export of it must contain: the
lines of the export but for its header and footer, which name versions).
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2])]

from lamina.storage import SQLiteStore  # noqa: E402
from lamina.storage.sqlite.schema import MIGRATIONS  # noqa: E402
from lamina.storage.transfer import export_lines  # noqa: E402
from tests.storage.material import add, small_world, trace  # noqa: E402


def main() -> None:
    """Write the two files of the newest schema."""
    version = MIGRATIONS[-1].to
    target = HERE / f"v{version}.db"
    if target.exists():
        sys.exit(f"{target} exists: a frozen file is never made anew (delete it first if its schema was never released)")
    store = SQLiteStore(target)
    small_world(store, artifacts=False)
    with store.transaction():
        store.artifacts.put(1, "file", b"small content")
    add(
        store,
        trace(
            "Olá, 世界", scope="acme/a%2Fb/bot", origin="mail/1", precision="day", offset=-90, status=1, data={"speaker": "Zoë"}
        ),
    )
    content = [json.loads(line) for line in export_lines(store)][1:-1]
    store.close()
    with closing(sqlite3.connect(target, isolation_level=None)) as raw:  # one small file, without a log beside it
        raw.execute("PRAGMA journal_mode=DELETE")
        raw.execute("VACUUM")
    (HERE / f"v{version}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
