"""The page as HTML: one file with its style, its code and, where it is written to disk, its data."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError
from lamina.memory import Memory
from lamina.page.data import chunks_of

SCRIPTS: Final = (
    "items.js",
    "sources.js",
    "searching.js",
    "timeline.js",
    "list.js",
    "names.js",
    "elements.js",
    "card.js",
    "forest.js",
    "people.js",
    "connections.js",
    "layout.js",
    "graph.js",
    "views.js",
    "application.js",
)
"""The parts of the code, each after what it uses; they become one script."""
_IMPORT = re.compile(r"^import .*?;\n", re.M)
_EXPORT = re.compile(r"^export ", re.M)


@lru_cache(maxsize=1)
def script() -> str:
    """The code of the page."""
    parts = [_asset(name) for name in SCRIPTS]
    return '"use strict";\n' + "\n".join(_EXPORT.sub("", _IMPORT.sub("", part)) for part in parts)


def _asset(name: str) -> str:
    return (files("lamina.page") / "assets" / name).read_text(encoding="utf-8")


def page_html(title: str, data: list[str] | None = None, settings: dict[str, Any] | None = None) -> str:
    """The page. With `data` (chunks, packed) it needs nothing else; without, it asks the server it came from.

    Nothing that was remembered stands in the HTML as such: data is packed, and the title is escaped. The policy in it forbids every script and style but its own,
    and, with data, every request.
    """
    style, code = _asset("page.css"), script()
    connections = "'self'" if data is None else "'none'"
    policy = (
        f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(style)}'; img-src data:; "
        f"connect-src {connections}; base-uri 'none'; form-action 'none'"
    )
    blocks = [f'<script type="application/json" class="data">{chunk}</script>' for chunk in data or ()]
    known = json.dumps({"served": data is None, "title": title, **(settings or {})}).replace("<", "\\u003c")
    page = _asset("page.html")
    for mark, value in (
        ("POLICY", html.escape(policy, quote=True)),
        ("TITLE", html.escape(title)),
        ("STYLE", style),
        ("SETTINGS", known),
        ("DATA", "\n".join(blocks)),
        ("SCRIPT", code),
    ):
        page = page.replace(f"<!--{mark}-->", value, 1)
    return page


@lru_cache(maxsize=1)
def served_page() -> str:
    """The page as a server hands it out: without any data."""
    return page_html("served memory")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def packed(columns: dict[str, Any]) -> str:
    """A chunk as text that is safe in HTML: JSON, gzip, base64."""
    raw = json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode()


def write_page(
    memory: Memory,
    path: str | os.PathLike[str],
    *,
    scope: str = "*",
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write everything in a scope as one HTML file (mode 0600) that works without a network; returns how many items are in it.

    Raises `InputError` where the file is there already, unless `overwrite`.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already: name another file, or say that it may be overwritten")
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is no file: name one that is to hold the page")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist: create it, or choose another path")
    data, count = [], 0
    for columns in chunks_of(memory.store, scope):
        data.append(packed(columns))
        count += len(columns["id"])
        if progress is not None:
            progress(count)
    title = memory.store.path.name if memory.store.path is not None else "memory"
    settings = {"written": datetime.now(UTC).isoformat(timespec="seconds"), "scope": scope, "count": count}
    text = page_html(title, data, settings)
    _put(target, text)
    return count


def _put(target: Path, text: str) -> None:
    """Write a file whole or not at all. A new file takes the name, so the mode is 0600 whatever the mode of the one before."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mode 0600
    made = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        made.replace(target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
