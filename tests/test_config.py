"""Settings: environment, then file, then keywords; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.config import Config, load_config, read_bytes
from lamina.errors import ConfigError


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "lamina.toml"
    file.write_text('path = "file.db"\nzone = "Europe/Lisbon"\npatience = 2\n')
    return file


def test_without_settings_the_defaults_hold() -> None:
    assert load_config(environment={}) == Config()


def test_the_file_wins_over_the_environment_and_keywords_win_over_both(settings: Path) -> None:
    environment = {"LAMINA_PATH": "env.db", "LAMINA_DURABILITY": "power", "LAMINA_ZONE": "UTC", "LAMINA_CONFIG": str(settings)}
    config = load_config(environment=environment, path="key.db")
    assert (config.path, config.durability, config.zone, config.patience) == ("key.db", "power", "Europe/Lisbon", 2.0)
    assert load_config(environment=environment).path == "file.db"


def test_a_keyword_of_none_is_no_setting() -> None:
    assert load_config(environment={"LAMINA_PATH": "env.db"}, path=None).path == "env.db"


def test_a_path_object_is_a_path(tmp_path: Path) -> None:
    assert load_config(environment={}, path=tmp_path / "a.db").path == str(tmp_path / "a.db")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patience", -1),
        ("patience", "soon"),
        ("patience", float("nan")),
        ("patience", float("inf")),
        ("patience", True),
        ("memory_budget", 1.5),
        ("memory_budget", "many"),
        ("memory_budget", "2 iB"),
        ("memory_budget", "-5MB"),
        ("memory_budget", True),
        ("index", "annoy"),
        ("path", 5),
        ("path", ""),
        ("path", "a\0b"),
        ("zone", ["UTC"]),
        ("durability", "forever"),
        ("language", ["german"]),
        ("language", ""),
    ],
)
def test_a_setting_of_the_wrong_type_or_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        load_config(environment={}, **{name: value})


def test_an_unknown_keyword_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="there is no setting 'durable': the settings are path, durability"):
        load_config(environment={}, durable=True)


@pytest.mark.parametrize(
    ("content", "words"), [(b"colour = 1", "'colour'"), (b"path = ", "not TOML"), (b'path = "\xff"', "not TOML")]
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "lamina.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_config(file, environment={})


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml", environment={})


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ConfigError, match="is not a time zone"):
        Config(zone=zone).timezone()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("12", 12),
        ("1k", 1000),
        ("1.5 GB", 1_500_000_000),
        ("64MiB", 64 << 20),
        ("2gib", 2 << 30),
        (" 3 TB ", 3 * 10**12),
        (7, 7),
        ("9b", 9),
    ],
)
def test_sizes_are_read(text: object, size: int) -> None:
    assert read_bytes(text) == size
    assert load_config(environment={}, memory_budget=text).memory_budget == size


def test_the_budget_comes_from_the_environment() -> None:
    assert load_config(environment={"LAMINA_MEMORY_BUDGET": "500MB"}).memory_budget == 500_000_000
