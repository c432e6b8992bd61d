"""Working memories by name, for commands and benchmarks: the same task, prompts of the same budget, another memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from lamina.errors import InputError
from lamina.working.folding import pair_of
from lamina.working.history import FullHistory, Shorten, SlidingWindow, SummaryBuffer
from lamina.working.nesting import ExtractKnown
from lamina.working.steps import OBSERVATION
from lamina.working.subgoals import SubgoalMemory

if TYPE_CHECKING:
    from lamina.models.protocols import LanguageModel, TokenCounter
    from lamina.working.chunks import Form
    from lamina.working.folding import Pair, Summarise
    from lamina.working.nesting import Condense
    from lamina.working.protocol import TraceSink, WorkingMemory
    from lamina.working.steps import Step

MEMORIES: Final[Mapping[str, str]] = {
    "full": "every step, the oldest left out where the budget is too small",
    "window": "the last few steps",
    "summary": "a running summary and the newest steps",
    "hiagent": "finished subgoals folded to one line each, the current one whole",
    "nested": "the same, and what is folded, with the beginning, is condensed into what is known after it",
    "nested-when-full": "the same, but condensed only where its lines have no room",
    "nested-recent": "nested, and of the current subgoal only the last four steps whole",
    "summary-known": "what is known of all but the newest steps, made by the same rule, without subgoals",
    "hiagent-no-retrieval": "the same, but what is folded stays folded",
    "hiagent-no-summary": "the same, but of a finished subgoal nothing is told besides its title",
    "hiagent-code": "the same as the code in circulation does it",
}
"""The memories, with a line about each."""

NESTED: Final = ("nested", "nested-when-full", "nested-recent")
RECENT: Final = 4
"""Steps of the current subgoal that "nested-recent" shows at most."""
NOTHING_TOLD: Final = "(the steps are hidden)"


def make_memory(
    name: str,
    *,
    room: int = 2000,
    window: int = 5,
    summarise: Summarise | LanguageModel | None = None,
    condense: Condense | LanguageModel | None = None,
    fully_observable: bool = False,
    form: Form = "text",
    counter: TokenCounter | None = None,
    sink: TraceSink | None = None,
) -> WorkingMemory:
    """A new working memory. Raises `InputError` for a name that is none of `MEMORIES`.

    Parameters: `room`, tokens that a prompt has for the steps; a running summary takes half of it, the steps beside it the rest;
    `window`, steps of the window; `summarise`, how a finished subgoal (or what leaves the buffer) becomes a line; `condense`, how nested
    memories tell what is known (default: words of the observations); `fully_observable`:
    each observation tells the whole state; the others as the memories have them.

    >>> make_memory("window", window=2).name
    'window'
    """
    if name == "full":
        return FullHistory(counter=counter, form=form, sink=sink)
    if name == "window":
        return SlidingWindow(window, counter=counter, form=form, sink=sink)
    if name == "summary":
        shorten = _shorten(summarise, max(room // 2, 1), counter) if callable(summarise) else None
        return SummaryBuffer(shorten, keep=max(room // 2, 1), counter=counter, form=form, sink=sink)
    if name == "summary-known":
        known = _known(condense if callable(condense) else ExtractKnown())
        return SummaryBuffer(known, keep=max(room // 2, 1), counter=counter, form=form, sink=sink)
    if name not in MEMORIES:
        raise InputError(f"{name!r} is not a working memory: use one of {', '.join(MEMORIES)}")
    bare = name == "hiagent-no-summary"
    return SubgoalMemory(
        (lambda subgoal, pairs: NOTHING_TOLD) if bare else summarise,
        condense=(condense or ExtractKnown()) if name in NESTED else None,
        always=name in ("nested", "nested-recent"),
        recent=RECENT if name == "nested-recent" else None,
        fully_observable=fully_observable and not bare,
        retrieval=name != "hiagent-no-retrieval",
        variant="code" if name == "hiagent-code" else "paper",
        form=form,
        speech="lines",
        counter=counter,
        sink=sink,
    )


def _known(condense: Condense) -> Shorten:
    """A running summary that says what is known."""
    return lambda summary, steps: (
        f"{OBSERVATION}{condense(summary.removeprefix(OBSERVATION), '', [pair_of(step) for step in steps])}"
    )


def _shorten(summarise: Summarise, most: int, counter: TokenCounter | None) -> Shorten:
    """A running summary of lines, one for each group of steps that leaves the prompt; the newest that come to `most` tokens."""
    from lamina.models.tokens import WordLlamaTokens

    tokens = counter or WordLlamaTokens()

    def shorten(summary: str, steps: Sequence[Step]) -> str:
        pairs: list[Pair] = [pair_of(step) for step in steps]
        lines = [*summary.splitlines(), " ".join(summarise("", pairs).split())]
        while len(lines) > 1 and tokens.count("\n".join(lines)) > most:
            del lines[0]
        return "\n".join(lines)

    return shorten
