"""Reading what a model answered in a world of text: a subgoal, an action, either or both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LABEL: Final = re.compile(r"[\s*#>]*(?:\d+\s+)?(?P<label>subgoal|action)\s*(?:\d+\s*)?:[\s*]*(?P<rest>.*?)[\s*]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model's answer says: a new subgoal, an action; None where it has none, "" where it is empty."""

    subgoal: str | None
    action: str | None


def read_answer(text: str) -> Answer:
    """The first subgoal of an answer and the first action after it, each to the end of its line.

    What follows is not read: a weak model goes on to invent observations. An answer without any label is an action, of its first line.

    >>> read_answer("Subgoal: find the key\\nAction: open the drawer\\nObservation: A key!")
    Answer(subgoal='find the key', action='open the drawer')
    >>> read_answer("open the drawer")
    Answer(subgoal=None, action='open the drawer')
    >>> read_answer("Subgoal: find the key\\nSubgoal: open the door\\nAction: go north")
    Answer(subgoal='find the key', action=None)
    """
    subgoal: str | None = None
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        found = _LABEL.fullmatch(line)
        if found is None:
            continue
        if found["label"].lower() == "action":
            return Answer(subgoal, found["rest"])
        if subgoal is not None:
            return Answer(subgoal, None)  # what follows belongs to the second subgoal
        subgoal = found["rest"]
    if subgoal is None and lines:
        return Answer(None, lines[0].strip())
    return Answer(subgoal, None)
