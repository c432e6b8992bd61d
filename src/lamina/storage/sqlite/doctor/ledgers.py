"""The doctor's checks of strengths, watermarks, rankers, artifacts and the log of changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from lamina.records import EVENT, Item
from lamina.storage.consents import CONSENT, as_state, latest, read_consent
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.doctor.checks import Check, names, statements
from lamina.storage.sqlite.ledgers import is_file_name
from lamina.storage.sqlite.scoped import RANKER, named

_KEYS_GIVEN: Final = "(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'item')"
_CHANGES_GIVEN: Final = "(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'change')"
_BAD_STRENGTH: Final = "NOT json_valid(state)"
_BAD_WATERMARK: Final = f"typeof(value) <> 'integer' OR value < 0 OR value > {_KEYS_GIVEN}"
_BAD_RANKER: Final = f"{named(RANKER)} AND NOT json_valid(value)"
_BAD_CHANGE: Final = f"item < 0 OR item > {_KEYS_GIVEN} OR seq > {_CHANGES_GIVEN}"


def _artifacts(store: SQLiteStore) -> Iterator[tuple[str, str]]:
    """Id and fault of each artifact that is not as it was stored."""
    folder = store.artifacts.folder
    for (id,) in store.connection.rows("SELECT id FROM artifact ORDER BY rowid"):
        row: tuple[Any, ...] = store.connection.rows(
            "SELECT bytes, digest, path, CAST(data AS BLOB) FROM artifact WHERE id = ?", (id,)
        )[0]
        size, digest, path, data = row
        if path is None:
            fault = "missing" if data is None else "" if _as_stored(data, size, digest) else "damaged"
        elif folder is None or not is_file_name(str(path)) or not (folder / path).is_file():
            fault = "missing"
        else:
            fault = "" if _as_stored((folder / path).read_bytes(), size, digest) else "damaged"
        if fault:
            yield id, fault


def _as_stored(content: bytes, size: int, digest: str) -> bool:
    return len(content) == size and hashlib.blake2b(content, digest_size=16).hexdigest() == digest


def _missing(store: SQLiteStore) -> list[str]:
    return [id for id, fault in _artifacts(store) if fault == "missing"]


def _damaged(store: SQLiteStore) -> list[str]:
    return [id for id, fault in _artifacts(store) if fault == "damaged"]


def _drop_missing(store: SQLiteStore) -> None:
    store.connection.execute_many("DELETE FROM artifact WHERE id = ?", [(id,) for id in _missing(store)])


def _strays(store: SQLiteStore) -> list[str]:
    return [path.name for path in store.artifacts.orphans()]


def _delete_strays(store: SQLiteStore) -> None:
    for path in store.artifacts.orphans():
        path.unlink(missing_ok=True)


def _consents(store: SQLiteStore) -> dict[str, str]:
    """What the events say is in force, by scope; damaged ones are other checks' business."""
    events = store.connection.rows(
        "SELECT id, scope, recorded_at, data FROM item WHERE kind = 'trace' AND role = ? AND text = ?"
        " AND json_valid(data) AND json_type(data) = 'object' AND typeof(recorded_at) = 'integer'",
        (EVENT, CONSENT),
    )
    items = (Item(id, "trace", CONSENT, at, at, scope, role=EVENT, data=json.loads(data)) for id, scope, at, data in events)
    found = latest(consent for item in items if (consent := read_consent(item)) is not None)
    return {scope: as_state(consents) for scope, consents in found.items()}


def _wrong_consents(store: SQLiteStore) -> list[str]:
    right, kept = _consents(store), dict(store.consents.each("*"))
    return sorted(scope or "''" for scope in right.keys() | kept.keys() if right.get(scope) != kept.get(scope))


def _settle_consents(store: SQLiteStore) -> None:
    store.consents.remove("*", below=True)
    for scope, state in _consents(store).items():
        store.consents.put(scope, state)


LEDGER_CHECKS: Final = (
    Check("strengths", "strengths that cannot be read", lambda store: names(store, f"SELECT item FROM strength WHERE {_BAD_STRENGTH}"),
          statements(f"DELETE FROM strength WHERE {_BAD_STRENGTH}")),
    Check("watermarks", "stages that say they have seen items that do not exist yet",
          lambda store: names(store, f"SELECT stage || ' in ' || scope FROM watermark WHERE {_BAD_WATERMARK}"),
          statements(f"DELETE FROM watermark WHERE {_BAD_WATERMARK}")),
    Check("rankers", "learned rankers that cannot be read", lambda store: names(store, f"SELECT name FROM meta WHERE {_BAD_RANKER}"),
          statements(f"DELETE FROM meta WHERE {_BAD_RANKER}")),
    Check("consents", "scopes whose consents in force are not what the events say", _wrong_consents, _settle_consents),
    Check("missing artifacts", "artifacts whose content is gone", _missing, _drop_missing),
    Check("damaged artifacts", "artifacts whose content is not what was stored: restore them from a backup", _damaged),
    Check("stray files", "files that no artifact names (a process was killed, or is writing one now)", _strays, _delete_strays,
          severity="warning"),
    Check("changes", "entries of the log of changes that cannot be", lambda store: names(store, f"SELECT seq FROM change WHERE {_BAD_CHANGE}"),
          statements(f"DELETE FROM change WHERE {_BAD_CHANGE}")),
)  # fmt: skip
