"""Which instruction read and wrote which file, as a map: for a plot, and in characters for a terminal.

Source: the file-access heat map of S. Holt, M. Ruiz Luyten, M. van der Schaar, L2MAC: Large Language Model Automatic Computer for Extensive Code Generation (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lamina.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lamina.working.files import Access

RANKS: Final = ("nothing", "read", "written", "created", "deleted")
"""What a cell of the map says: the strongest thing a step did to a file."""
SIGNS: Final = "·rwc×"
_RANK: Final = {"read": 1, "same": 2, "write": 2, "create": 3, "delete": 4}
_COLOURS: Final = ("#f4f4f2", "#9ecae1", "#fd8d3c", "#31a354", "#525252")


def access_map(accesses: Sequence[Access]) -> tuple[list[str], NDArray[np.int8]]:
    """Paths in the order of their making, and for each and each step (from 1) the rank of what was done: int8 (paths, steps).

    >>> from lamina.working.files import Access
    >>> paths, ranks = access_map([Access(1, "a.py", "create"), Access(2, "a.py", "read"), Access(2, "b.py", "create")])
    >>> paths, ranks.tolist()
    (['a.py', 'b.py'], [[3, 1], [0, 3]])
    """
    paths = list(dict.fromkeys(one.path for one in accesses))
    place = {path: number for number, path in enumerate(paths)}
    ranks = np.zeros((len(paths), max((one.step for one in accesses), default=0)), np.int8)
    for one in accesses:
        if one.step > 0:
            row, column = place[one.path], one.step - 1
            ranks[row, column] = max(int(ranks[row, column]), _RANK[one.kind])
    return paths, ranks


def access_lines(accesses: Sequence[Access], width: int = 100) -> list[str]:
    """The map in characters: a line for each file, a sign for each step, the newest steps that `width` has room for.

    >>> from lamina.working.files import Access
    >>> access_lines([Access(1, "a.py", "create"), Access(2, "a.py", "read")])
    ['a.py  cr']
    """
    paths, ranks = access_map(accesses)
    longest = min(max((len(path) for path in paths), default=0), 48)
    room = max(width - longest - 2, 10)
    shown = ranks[:, -room:]
    return [
        f"{path[-longest:]:<{longest}}  {''.join(SIGNS[rank] for rank in row)}" for path, row in zip(paths, shown, strict=True)
    ]


def draw_accesses(axes: Any, accesses: Sequence[Access], title: str = "") -> None:
    """Draw the map into axes of matplotlib (which is optional, so they have no type here)."""
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    paths, ranks = access_map(accesses)
    colours = ListedColormap(_COLOURS)
    axes.imshow(ranks, aspect="auto", interpolation="nearest", cmap=colours, norm=BoundaryNorm(np.arange(6) - 0.5, 5))
    axes.set(title=title, xlabel="instruction")
    steps = ranks.shape[1]
    ticks = range(0, steps, max(steps // 10, 1))
    axes.set_xticks(list(ticks), [str(tick + 1) for tick in ticks])
    axes.set_yticks(range(len(paths)), paths, fontsize=6 if len(paths) > 25 else 8)
    legend = [Patch(color=colour, label=name) for name, colour in zip(RANKS[1:], _COLOURS[1:], strict=True)]
    axes.legend(handles=legend, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.08))


def plot_accesses(accesses: Sequence[Access], path: Path, title: str = "") -> None:
    """Draw the map into a picture. Raises `MissingExtraError` where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError.for_extra("plots", "the map of accesses", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    paths, ranks = access_map(accesses)
    figure = Figure(figsize=(3 + 0.2 * max(ranks.shape[1], 10), 2 + 0.16 * max(len(paths), 8)), layout="constrained")
    FigureCanvasAgg(figure)
    draw_accesses(figure.subplots(), accesses, title)
    figure.savefig(path, dpi=120)
