"""What the control unit says to the model, in words of its own, and how answers are cut to size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.models.protocols import Message
from lamina.text import sentences

SYSTEM: Final = (
    "You make large works with a small memory. What is said in one instruction is forgotten in the next; only files last, and names of files "
    "are all you see of them until you view them. So write every result into files, whole, under telling paths, with no gaps to fill later. "
    "Work by calling tools."
)

PLAN: Final = (
    "Plan this task. Think of its core parts first. Then call provide_detailed_sub_task_steps with at most {steps} steps that are done one after "
    "the other, each of several sentences. Whoever does a step sees the task, that step and the files, nothing else. Together the steps hold "
    "every requirement of the task; copy its words where in doubt. Tests are written in the same step as what they test. The last step also "
    "says how to run or use the whole."
)
AGAIN: Final = "Call provide_detailed_sub_task_steps with a list of 1 to {steps} steps, each a text. {problem}"
REFLECT: Final = (
    "Look at the plan once more. Which requirement of the task is in no step, which step is too vague to be done by somebody who sees "
    "nothing else? Call provide_detailed_sub_task_steps with the better plan, whole."
)
EXHAUSTED: Final = (
    "The memory for this instruction is full. Call no tool. Say in at most two sentences what of it is done and what is left: you will go on "
    "from these sentences and the files alone."
)
SUMMARISE: Final = "The instruction is complete. Call no tool. Say in one or two sentences what the next instruction must know: what was made, and in which files."
IN_WORDS: Final = "That had no words in it. Answer in one or two sentences, without a tool."
UNPROVED: Final = (
    "Nothing was written for this instruction, and nothing was run that shows it is done. If it is done already, show it by running its tests or "
    "its program; else do it now."
)
CUT: Final = " Your answer was cut off because it was too long: write fewer or smaller files in one call."

SENTENCES: Final = 2
CHARACTERS: Final = 400
"""What a summary or a note may come to."""


def task_message(task: str) -> Message:
    """The task, as it stands before everything else."""
    return Message("user", f"The task:\n{task.strip()}")


def execute_message(instruction: str, files: str, advice: str, note: str) -> Message:
    """An instruction to be done, with all that is known from before."""
    parts = [f"Do this instruction now, the whole of it:\n{instruction}", f"Files: {files}"]
    if note:
        parts.append(f"What was done before: {note}")
    if advice:
        parts.append(advice)
    parts.append("View what you need before you change or use it. When everything is done, call sub_task_step_complete.")
    return Message("user", "\n".join(parts))


def cycle_message(created: Sequence[str]) -> Message:
    """Asks whether the instruction is done; names the files that are new since it began."""
    new = f" New files: {listed(created)}." if created else ""
    return Message("user", f"Is the instruction complete?{new} If yes, call sub_task_step_complete; else go on.")


def fix_message(error: str) -> Message:
    """The instruction was called complete, and a check says otherwise."""
    return Message("user", f"The instruction is not complete:\n{error}\nRepair this, then call sub_task_step_complete again.")


def listed(paths: Sequence[str]) -> str:
    """Paths, those of a folder together.

    >>> listed(["README.md", "shop/cart.py", "shop/till.py"])
    'README.md; shop/ cart.py till.py'
    >>> listed([])
    'none yet'
    """
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    told = [f"{folder}/ {' '.join(names)}" if folder else " ".join(names) for folder, names in sorted(folders.items())]
    return "; ".join(told) or "none yet"


def in_short(text: str) -> str:
    """A summary or note at its allowed size: the first two sentences, cut where they are long.

    >>> in_short("The cart is done. Tests pass. The till is left.")
    'The cart is done. Tests pass.'
    """
    kept = " ".join(" ".join(sentences(text)[:SENTENCES]).split())
    return kept if len(kept) <= CHARACTERS else kept[: CHARACTERS - 1].rstrip() + "…"
