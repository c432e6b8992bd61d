"""The command that plays a world of text with a working memory and shows what it folds: run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lamina.cli import options
from lamina.cli.failures import FINDINGS
from lamina.cli.output import amount, clean, console, note, print_json, say

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from lamina.agents.acting import Episode, Played
    from lamina.agents.environments.protocol import Environment
    from lamina.agents.remembering import Experience
    from lamina.agents.worlds import Setting
    from lamina.models.protocols import LanguageModel
    from lamina.working.chunks import Rendered
    from lamina.working.folding import Summarise
    from lamina.working.nesting import Condense
    from lamina.working.protocol import WorkingMemory

POLICY: Final = "policy"
_STYLES: Final = {"condensed": "dim", "folded": "dim", "open": "cyan", "current": "green", "hidden": "red"}
_LONG: Final = 110  # characters of a line about a subgoal


def run(
    world: Annotated[str, typer.Argument(metavar="WORLD", help="blocksworld, gripper, tyreworld, barman or fetch.")],
    memory: Annotated[
        str,
        typer.Option(
            "--memory",
            help="full, window, summary, summary-known, hiagent, hiagent-no-retrieval, hiagent-no-summary, hiagent-code, nested, "
            "nested-recent or nested-when-full.",
        ),
    ] = "hiagent",
    budget: Annotated[int, typer.Option("--budget", help="The most tokens of a prompt.")] = 2000,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="'policy', a player by rules that reads nothing but the prompt; or a language model: local, openai:MODEL@URL, anthropic:MODEL.",
        ),
    ] = POLICY,
    size: Annotated[
        int | None, typer.Option("--size", help="How large the world is: blocks, balls, wheels, cocktails, rooms.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which world of this kind.")] = 0,
    horizon: Annotated[int, typer.Option("--horizon", help="The most steps.")] = 30,
    patience: Annotated[
        float, typer.Option("--patience", metavar="SECONDS", help="How long the world may take for a step.")
    ] = 30.0,
    file: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="FILE", help="Keep the steps in this memory file, and begin with what it knows of this world."
        ),
    ] = None,
    session: Annotated[str | None, typer.Option("--session", help="What the task is called in that file.")] = None,
    delay: Annotated[float, typer.Option("--delay", metavar="SECONDS", help="Wait so long after each step, to watch.")] = 0.0,
    as_json: options.Json = False,
) -> None:
    """Play a world of text with a language model and a working memory, and watch what the memory shows and folds.

    Ends with exit code 1 where the goal was not reached.
    """
    from lamina.agents.acting import ActingAgent
    from lamina.agents.memories import make_memory
    from lamina.agents.worlds import setting

    place = setting(world, size=size, seed=seed)
    player, summarise, condense = _player(model, place)
    with _kept(file) as experience:
        known = experience.known(place.place, place.world.goal, budget) if experience else ""
        name = session or f"{place.place} {secrets.token_hex(4)}"
        sink = experience.sink(place.place, place.world.goal, name) if experience else None
        working = make_memory(
            memory,
            room=max(budget // 2, 1),
            summarise=summarise,
            condense=condense,
            fully_observable=place.world.fully_observable,
            sink=sink,
        )
        with _Screen(place.world, working, budget, delay, shown=not as_json) as screen:
            agent = ActingAgent(player, working, budget=budget, horizon=horizon, patience=patience, watch=screen.show)
            episode = agent.play(place.world, known=known)
    if as_json:
        print_json({**_json(episode, budget), "known": known})
    else:
        _tell(episode, budget)
    if not episode.success:
        raise typer.Exit(FINDINGS)


def _player(spec: str, place: Setting) -> tuple[LanguageModel, Summarise | LanguageModel, Condense | LanguageModel]:
    """Who plays, who makes lines of finished subgoals, and who tells what is known: the rules of the world, or the model."""
    if spec == POLICY:
        return place.player, place.summarise, place.condense
    from lamina.models.registry import load_model

    model = load_model(spec)
    assert model is not None  # only None names none
    return model, model, model


@contextmanager
def _kept(file: Path | None) -> Iterator[Experience | None]:
    """Earlier tasks, kept in a file; None where none is named."""
    if file is None:
        yield None
        return
    from lamina.agents.remembering import Experience
    from lamina.memory import Memory

    with Memory(file) as memory:
        yield Experience(memory)


class _Screen:
    """Shows a task as it goes: on a terminal one picture that changes, elsewhere a line for each step."""

    def __init__(self, world: Environment, memory: WorkingMemory, budget: int, delay: float, *, shown: bool) -> None:
        from rich.live import Live

        self._world, self._memory, self._budget, self._delay = world, memory, budget, delay
        self._out = console()
        self._lines = shown and not self._out.is_terminal
        self._live = Live(console=self._out, auto_refresh=False) if shown and self._out.is_terminal else None

    def __enter__(self) -> _Screen:
        if self._live is not None:
            self._live.start()
        elif self._lines:
            say(f"{self._world.name}: {self._world.goal}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, step: Played) -> None:
        """A step is over."""
        if self._live is not None:
            self._live.update(self._picture(step), refresh=True)
        elif self._lines:
            if step.subgoal:
                say(f"  subgoal: {step.subgoal}")
            say(f"{step.number:>3}  {_short(step.action, _LONG)}{'' if step.valid else '  (not valid)'}  [{_shown(step.prompt)}]")
        if self._delay > 0:
            time.sleep(self._delay)

    def _picture(self, step: Played) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 1))
        head.add_row(
            f"step {step.number}", "tokens", ProgressBar(self._budget, min(step.prompt.tokens, self._budget), width=30),
            f"{step.prompt.tokens:,} of {self._budget:,}", f"progress {step.progress:.2f}",
        )  # fmt: skip
        table = Table(box=None, padding=(0, 1), show_header=False)
        for number, state, words in _rows(step.prompt, self._memory):
            table.add_row(str(number) if number else "", Text(state, _STYLES[state]), Text(clean(words), _STYLES[state]))
        last = Text.assemble(("Action: ", "bold"), clean(step.action), ("\n→ ", "bold"), clean(_short(step.observation, 300)))
        parts: list[RenderableType] = [Text(clean(f"{self._world.name}: {self._world.goal}"), "bold"), head, table, last]
        return Group(*parts)


def _rows(prompt: Rendered, memory: WorkingMemory) -> list[tuple[int, str, str]]:
    """Each subgoal with its number, whether the prompt shows it whole, folded, condensed with others or not at all, and its words."""
    shown = {number: block for block in prompt.blocks for number in (*block.covers, block.chunk.id)}
    log = getattr(memory, "log", None)
    rows: list[tuple[int, str, str]] = []
    for chunk in log.chunks if log is not None else [block.chunk for block in prompt.blocks]:
        block = shown.get(chunk.id)
        state: str = block.state if block is not None else "hidden"
        if log is not None and chunk is log.current:
            state = "current"  # it may have begun with this step
        if chunk.id == 0 and not chunk.steps:
            continue
        words = chunk.title or "the beginning" if log is None or len(log.chunks) > 1 or chunk.id else "the steps"
        if state == "folded":
            words += f"  →  {chunk.summary}"
        elif block is not None and state != "condensed":
            words += f"  ({amount(len(block.steps), 'step')})"
        rows.append((chunk.id, state, _short(words, _LONG)))
    return rows


def _shown(prompt: Rendered) -> str:
    """What a prompt shows, counted."""
    folded = [str(block.chunk.id) for block in prompt.blocks if block.state == "folded"]
    opened = [str(block.chunk.id) for block in prompt.blocks if block.state == "open" and block.chunk.id]
    parts = [f"{prompt.tokens:,} tokens"]
    condensed = [str(number) for block in prompt.blocks for number in block.covers if number]
    for name, ids in (("condensed", condensed), ("folded", folded), ("open", opened)):
        parts += [f"{name} {', '.join(ids)}"] if ids else []
    hidden = [amount(count, what) for count, what in ((prompt.hidden_chunks, "subgoal"), (prompt.hidden_steps, "step")) if count]
    return "; ".join([*parts, *([f"hidden {' and '.join(hidden)}"] if hidden else [])])


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _tell(episode: Episode, budget: int) -> None:
    end = "reached" if episode.success else "not reached"
    style = "green" if episode.success else "yellow"
    say(
        f"\nThe goal was {end} in {amount(len(episode.played), 'step')} with the memory {episode.memory}: progress {episode.progress:.2f}, "
        f"{episode.valid:.0%} of the actions valid, {amount(episode.subgoals, 'subgoal')}, {amount(episode.retrieved, 'retrieval')}.",
        style,
    )
    say(f"Prompts had {episode.tokens_per_step:,.0f} tokens a step, of {budget:,} allowed.")
    if episode.refused:
        note(f"{amount(episode.refused, 'answer')} of the model had to be refused")


def _json(episode: Episode, budget: int) -> dict[str, Any]:
    """The episode as plain JSON, step by step."""
    steps = [
        {
            "step": one.number, "subgoal": one.subgoal, "action": one.action, "observation": one.observation, "valid": one.valid,
            "progress": one.progress, "tokens": one.tokens, "asked": one.asked,
            "condensed": [number for block in one.prompt.blocks for number in block.covers if number],
            "folded": [block.chunk.id for block in one.prompt.blocks if block.state == "folded"],
            "open": [block.chunk.id for block in one.prompt.blocks if block.state == "open" and block.chunk.id],
            "hidden_subgoals": one.prompt.hidden_chunks, "hidden_steps": one.prompt.hidden_steps,
        }
        for one in episode.played
    ]  # fmt: skip
    return {**episode.as_json(), "budget": budget, "played": steps}
