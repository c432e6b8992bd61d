"""Words of a text: as they are spaced, or cut into overlapping pieces where a script writes them without spaces.

Nothing here knows a dictionary. A piece is a few characters in a row; a word is found because its pieces are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from lamina.text import fold

_HAN: Final = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_AND_KANA: Final = (
    _HAN + "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309f\u30a1-\u312f\u31a0-\u31bf\u31f0-\u31ff"
)
_SOUTH_EAST_ASIAN: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"  # Thai, Lao, Myanmar, Khmer
_HANGUL: Final = "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"


@dataclass(frozen=True)
class Cut:
    """How runs of one script are cut into the pieces that are looked up.

    Parameters: `script`, its characters as a regular expression has them between brackets; `lengths` of the overlapping
    pieces, in characters; `ideographs`, whether each Han character is a piece as well; `spaced`, whether the script has
    spaces between words.

    >>> CUTS[0].pieces("猫を飼う")
    ['猫を', 'を飼', '飼う', '猫', '飼']
    """

    script: str
    lengths: tuple[int, ...]
    ideographs: bool = False
    spaced: bool = False

    def pieces(self, run: str) -> list[str]:
        """The pieces of a run in order, the lengths one after the other; the run itself where it is too short for any."""
        found: list[str] = []
        for length in self.lengths:
            found += run if length == 1 else [run[start : start + length] for start in range(len(run) - length + 1)]
        if self.ideographs:
            found += _IDEOGRAPH.findall(run)
        return found or [run]


CUTS: Final = (
    Cut(_HAN_AND_KANA, (2,), ideographs=True),
    Cut(_SOUTH_EAST_ASIAN, (2, 3)),
    Cut(_HANGUL, (2, 1), spaced=True),
)
"""What was best of pairs, triples, both, and each with single characters, on conversations of 60 messages and 30 questions a
language (`python -m tests.recall.languages.comparison`; the tables are in docs/guides/languages.md).

Recall@1 / @5 by BM25, whole runs (Korean: whole words) → pairs → triples → what is used: Japanese 0/0 → 67/83 → 47/57 → 80/97;
Chinese 0/0 → 60/77 → 30/33 → 73/90; Thai 0/0 → 87/93 → 80/93 → 87/97; Korean 43/57 → 73/90 → 53/70 → 77/93.
Lao, Khmer and Myanmar are cut as Thai is, without figures of their own.
"""

_IDEOGRAPH = re.compile(f"[{_HAN}]")
_SPACED_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_MARKED = re.compile("[\u0700-\u10ff\u1200-\u1fff\u302a-\u302f\u3099\u309a\ua66f-\uabff\U00010000-\U0001efff]")
"""Where marks lie that belong to words and that folding keeps; where none is, a word is letters and digits."""


def words(text: str) -> list[str]:
    """Folded words in order, possessive endings removed; scripts without spaces give overlapping character pairs.

    >>> words("Ana's dog didn't eat 3 apples.")
    ['ana', 'dog', "didn't", 'eat', '3', 'apples']
    >>> words("東京に行く")
    ['東京', '京に', 'に行', '行く']
    """
    return _split(fold(text), _in_pairs)


def pieces(text: str, folding: Callable[[str], str] = fold) -> list[str]:
    """What is looked up of a text: its words, those of the scripts in `CUTS` in pieces; `folding` is done first.

    >>> pieces("猫と散歩 with Ana's dog")
    ['猫と', 'と散', '散歩', '猫', '散', '歩', 'with', 'ana', 'dog']
    """
    return _split(folding(text), _in_pieces)


def is_cut(text: str) -> bool:
    """Whether a text has words that are looked up in pieces.

    >>> is_cut("東京 2026"), is_cut("Tokyo 2026")
    (True, False)
    """
    return not text.isascii() and _runs().search(fold(text)) is not None


def _split(folded: str, cut: Callable[[Cut, str], list[str]]) -> list[str]:
    plain = folded.isascii() or _MARKED.search(folded) is None
    found = (_SPACED_WORD if plain else _marked_word()).findall(folded)
    if "'s" in folded:
        found = [word[:-2] if word.endswith("'s") else word for word in found]
    runs = _runs()
    if folded.isascii() or runs.search(folded) is None:
        return found
    out: list[str] = []
    for word in found:
        start = 0
        for run in runs.finditer(word):
            if run.start() > start:
                out.append(word[start : run.start()])
            out += cut(CUTS[(run.lastindex or 1) - 1], run[0])
            start = run.end()
        if start < len(word):
            out.append(word[start:])
    return out


def _in_pieces(cut: Cut, run: str) -> list[str]:
    return cut.pieces(run)


def _in_pairs(cut: Cut, run: str) -> list[str]:
    return [run] if cut.spaced or len(run) < 3 else [run[start : start + 2] for start in range(len(run) - 1)]


@cache
def _runs() -> re.Pattern[str]:
    """Runs of the scripts that are cut, a group for each."""
    return re.compile("|".join(f"([{cut.script}]+)" for cut in CUTS))


@cache
def _marked_word() -> re.Pattern[str]:
    """A word with the vowel signs and tone marks that folding left in it; made when a text first needs it (some 15 ms)."""
    marks = "".join(one for one in map(chr, range(0x0700, 0x1F000)) if unicodedata.category(one)[0] == "M")
    letters = rf"[^\W_]+(?:[{marks}]+[^\W_]*)*"
    return re.compile(f"{letters}(?:'{letters})*")
