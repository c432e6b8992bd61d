"""Where things are and which models to use: environment `LAMINA_*`, a TOML file, keyword arguments; later wins."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

from lamina.errors import ConfigError

INDEXES: Final = ("auto", "exact", "hnsw", "spann", "usearch")
_SIZE: Final = re.compile(r"(?P<number>\d+(\.\d+)?)\s*((?P<prefix>[kmgt]?)(?P<binary>(?<=[kmgt])i)?b?)", re.IGNORECASE)


@dataclass(frozen=True)
class Config:
    """Settings of a memory.

    `path` of the store file; `durability` ("process" or "power"); `embedder` and `model`, specs as `lamina.models` reads
    them; `zone`, the time zone of naive times (an IANA name); `memory_budget`, bytes that in-memory views may take (also as text: "500MB");
    `patience`, seconds to wait for another process's write lock; `language`, in which the texts of a new file are analysed (a language
    `lamina.terms.languages` lists); `index`, how vectors are searched: "auto", "exact", "hnsw", "spann" or "usearch" (see
    `lamina.index.planned`); `redact`, what is taken out of messages before they are stored: "none", "all", or kinds such as "email,phone";
    `gate`, what becomes of messages that are no memory: "none", "mark" or "refuse".
    """

    path: str = "lamina.db"
    durability: str = "process"
    embedder: str = "wordllama"
    model: str | None = None
    zone: str = "UTC"
    memory_budget: int = 2 * 10**9
    patience: float = 60.0
    index: str = "auto"
    language: str = "english"
    redact: str = "none"
    gate: str = "none"

    def timezone(self) -> tzinfo:
        """The zone of naive times."""
        if self.zone == "UTC":
            return UTC
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
            raise ConfigError(f"{self.zone!r} is not a time zone: use a name such as 'Europe/Lisbon'") from None


def load_config(file: str | os.PathLike[str] | None = None, environment: Mapping[str, str] | None = None, **given: Any) -> Config:
    """Settings from the environment, then a TOML file (`file`, or the one `LAMINA_CONFIG` names), then keywords that are not None.

    Raises `ConfigError` for a setting that does not exist or has the wrong type.

    >>> load_config(environment={"LAMINA_PATH": "a.db", "LAMINA_PATIENCE": "5"}, durability="power")
    Config(path='a.db', durability='power', embedder='wordllama', model=None, zone='UTC', memory_budget=2000000000, patience=5.0, index='auto', language='english', redact='none', gate='none')
    """
    known = {field.name: field.type for field in fields(Config)}
    environ = os.environ if environment is None else environment
    settings: dict[str, Any] = {name: environ[f"LAMINA_{name.upper()}"] for name in known if f"LAMINA_{name.upper()}" in environ}
    file = file or environ.get("LAMINA_CONFIG")
    if file is not None:
        settings |= _read_file(Path(file), known)
    unknown = set(given) - set(known)
    if unknown:
        raise ConfigError(f"there is no setting {sorted(unknown)[0]!r}: the settings are {', '.join(known)}")
    settings |= {name: value for name, value in given.items() if value is not None}
    return replace(Config(), **{name: _convert(name, value) for name, value in settings.items()})


def _read_file(path: Path, known: Mapping[str, object]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"the settings file {path} is not TOML: {error}") from None
    unknown = set(table) - set(known)
    if unknown:
        raise ConfigError(
            f"{path} has a setting {sorted(unknown)[0]!r}, which does not exist: the settings are {', '.join(known)}"
        )
    return table


def _convert(name: str, value: Any) -> Any:
    """A setting in its type; numbers may also come as text, as they do from the environment."""
    if name == "memory_budget":
        return read_bytes(value, name)
    if name == "patience":
        return _number(name, value)
    if name == "path" and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"the setting {name} must be text, not {value!r}")
    known = {"durability": ("process", "power"), "gate": ("none", "mark", "refuse"), "index": INDEXES}.get(name)
    if known is not None and value not in known:
        raise ConfigError(f"{name} must be {' or '.join(map(repr, known))}, not {value!r}")
    return value


def read_bytes(value: object, name: str = "the size") -> int:
    """A number of bytes, given as such or as text such as "500MB", "2 GB" or "1.5GiB" (1 MB is 10**6 bytes, 1 MiB is 2**20).

    Raises `ConfigError` for anything else.

    >>> read_bytes("1.5GB"), read_bytes("64 MiB"), read_bytes(4096)
    (1500000000, 67108864, 4096)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ConfigError(f"{name} must be a number of bytes such as '500MB' or '2GiB', not {value!r}")
    prefix = found["prefix"].lower()
    return int(float(found["number"]) * (1024 if found["binary"] else 1000) ** " kmgt".index(prefix or " "))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConfigError(f"the setting {name} must be a number, not {value!r}")
    try:
        converted = float(value)
    except ValueError:
        raise ConfigError(f"the setting {name} must be a number, not {value!r}") from None
    if not 0 <= converted < float("inf"):
        raise ConfigError(f"the setting {name} must be finite and not negative, not {value!r}")
    return converted
