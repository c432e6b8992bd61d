"""A history that is sent again: which of its messages a session holds already.

Programs that talk to language models hand the whole conversation over with every turn. What is new in it is found by comparing it with what the
session holds, as two versions of a text are compared: by who said what in which order, without ids or times.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher

from lamina.keeping.messages import Draft
from lamina.records import Item
from lamina.storage.protocol import Items
from lamina.text import chunks

SPARE = 100  # traces looked at beyond twice those that were sent: what the session holds besides, such as corrections


def known(items: Items, drafts: Sequence[Draft], scope: str) -> dict[int, list[str]]:
    """The places of the drafts that their sessions in exactly this scope hold already, each with the ids of its traces.

    Forgotten messages and those that were corrected since are known; deleted ones are not.
    """
    found: dict[int, list[str]] = {}
    for session in dict.fromkeys(draft.session for draft in drafts):
        places = [place for place, draft in enumerate(drafts) if draft.session == session]
        sent = [(drafts[place].role, drafts[place].text) for place in places]
        traces = items.newest_traces(
            scope, session, limit=2 * sum(len(chunks(text)) for _, text in sent) + SPARE, retired=True
        )  # newest first
        stored = _messages(traces[::-1])
        said = [(message[0].role, "".join(one.text for one in message)) for message in stored]
        for old, new in _alike(said, sent):
            found[places[new]] = [trace.id for trace in stored[old]]
    return found


def _alike(stored: Sequence[Hashable], sent: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Which of the messages that were sent are which of those that are stored, as pairs of places.

    What is sent begins with the end of what is stored, unless more of it is found by taking both as versions of one text.

    >>> _alike(["a"], ["a", "a", "b"]), _alike(["a", "b", "c"], ["A", "b", "c", "d"])
    ([(0, 0)], [(1, 1), (2, 2)])
    """
    most = min(len(stored), len(sent))
    overlap = next((size for size in range(most, 0, -1) if stored[-size:] == sent[:size]), 0)
    # from the end, since the matcher prefers what comes first
    blocks = SequenceMatcher(None, stored[::-1], sent[::-1], autojunk=False).get_matching_blocks()
    if overlap >= sum(block.size for block in blocks):
        return [(len(stored) - overlap + place, place) for place in range(overlap)]
    ends = [(block.a + step, block.b + step) for block in blocks for step in range(block.size)]
    return sorted((len(stored) - 1 - old, len(sent) - 1 - new) for old, new in ends)


def _messages(traces: Sequence[Item]) -> list[list[Item]]:
    """The messages that traces in the order of recording are: long ones have several, in order; those that are not all there are left out."""
    by: dict[str, list[Item]] = {}
    for trace in traces:
        by.setdefault(trace.data.get("whole", trace.id), []).append(trace)
    return [
        one for one in by.values() if one[0].data.get("part", [1, 1])[0] == 1 and len(one) == one[0].data.get("part", [1, 1])[1]
    ]
