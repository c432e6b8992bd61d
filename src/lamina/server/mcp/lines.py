"""What a client writes, line by line, made readable where it holds half of a character.

A program that cuts a text by UTF-16 units sends half a pair, as an escape such as d83d. That is no Unicode, so the message would be thrown away, and its sender
would wait for an answer for ever.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)")
_HALF = len("\\ud800")


def mended(line: str) -> str:
    r"""A line of JSON with the sign of replacement in the place of each half pair.

    >>> print(mended(r'{"cut": "\ud83d", "whole": "\ud83d\ude00", "path": "C:\\ud800"}'))
    {"cut": "\ufffd", "whole": "\ud83d\ude00", "path": "C:\\ud800"}
    """
    if "\\u" not in line:
        return line
    return _ESCAPE.sub(lambda found: "\\ufffd" if len(found[0]) == _HALF else found[0], line)


class MendedLines:
    """Standard input as the transport reads it; bytes that are no UTF-8 are replaced as well."""

    def __init__(self, source: BinaryIO) -> None:
        self._text = io.TextIOWrapper(source, encoding="utf-8", errors="replace")

    def readline(self) -> str:
        """The next line; empty at the end."""
        return mended(self._text.readline())
