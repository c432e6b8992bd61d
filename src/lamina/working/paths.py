"""Paths of a program's files: relative, portable, in one spelling; anything else is refused with its reason."""

from __future__ import annotations

import unicodedata
from typing import Final

from lamina.errors import InputError

STATE: Final = ".lamina"
"""The folder of the store's own notes."""
NOT_OURS: Final = frozenset({STATE, ".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules"})
"""Folders of other programs: neither listed nor written."""
_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))})
_FORBIDDEN: Final = frozenset('\\:*?"<>|')
_LONGEST_PATH: Final = 240  # characters
_LONGEST_NAME: Final = 100  # bytes
_DEEPEST: Final = 16  # folders


def check_path(path: str) -> str:
    """A path that every machine understands alike, inside its folder; raises `InputError` with the reason for any other.

    >>> check_path("./shop/cart.py")
    'shop/cart.py'
    >>> check_path("/etc/passwd")
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: '/etc/passwd' is an absolute path: name files from the program's own folder
    """
    if not isinstance(path, str):
        raise InputError(f"a path is text, not {type(path).__name__}")
    shown = repr(path if len(path) <= 80 else path[:80] + "…")
    path = path.removeprefix("./")
    if not path:
        raise InputError("an empty path names no file")
    if path.startswith(("/", "~")) or path[1:2] == ":":
        raise InputError(f"{shown} is an absolute path: name files from the program's own folder")
    if len(path) > _LONGEST_PATH or path.count("/") >= _DEEPEST:
        raise InputError(f"{shown} is too long: a path has at most {_LONGEST_PATH} characters and {_DEEPEST} parts")
    if unicodedata.normalize("NFC", path) != path:
        raise InputError(f"{shown} spells letters in an unusual way: use composed letters (NFC)")
    for part in path.split("/"):
        _check_part(part, shown)
    return path


def _check_part(part: str, shown: str) -> None:
    if part in (".", ".."):
        raise InputError(f"{shown} leaves the folder: name files by paths without '.' and '..'")
    if not part:
        raise InputError(f"{shown} has an empty part: one '/' stands between two names, none at the end")
    odd = next((sign for sign in part if sign in _FORBIDDEN or unicodedata.category(sign)[0] == "C"), None)
    if odd is not None:
        raise InputError(f"{shown} has the sign {odd!r}, which names of files cannot have everywhere")
    if part[0] in "- " or part[-1] in ". ":
        raise InputError(f"{shown} has a name that begins with '-' or a space, or ends in '.' or a space")
    if len(part.encode()) > _LONGEST_NAME:
        raise InputError(f"{shown} is too long: a name has at most {_LONGEST_NAME} bytes")
    if part.casefold() in NOT_OURS or part.partition(".")[0].casefold() in _DEVICES:
        raise InputError(f"{shown} has the name {part!r}, which belongs to another program or to the system")
