"""The command that talks: a companion in the terminal that remembers across runs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lamina.cli import options
from lamina.cli.failures import message_of, say_error
from lamina.cli.opening import opened, path_of
from lamina.cli.output import clean, console, note, print_json
from lamina.cli.talking_view import cost_lines, exchange_json, help_lines, recalled_view, show_lines
from lamina.errors import ConfigError, InputError, LaminaError, MissingExtraError

if TYPE_CHECKING:
    from types import FrameType

    from lamina import Memory
    from lamina.agents.conversation import Conversation
    from lamina.models.protocols import LanguageModel

ASK: Final = "you> "
ROOM: Final = 64
"""Tokens of a local model's context that are left free beside a prompt and an answer, for the signs of its chat form."""


def chat(
    file: options.File = None,
    once: Annotated[str | None, typer.Option("--once", metavar="TEXT", help="Say this, print the answer, and end.")] = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.OneScope = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="SPEC",
            help="Who answers: local, local:FOLDER-OR-FILE, openai:MODEL@URL, anthropic:MODEL. [default: LAMINA_MODEL or local]",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context",
            metavar="NAME",
            help="What a local model sees of a long conversation: full, window, episodic. [default: episodic where it is there, else full]",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[int, typer.Option("--budget", "-b", min=1, help="The most tokens of a prompt.")] = 3000,
    recall: Annotated[int, typer.Option("--recall", min=0, help="The most tokens recalled for one answer.")] = 400,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="The most tokens of an answer.")] = 300,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0: the likeliest answer; above: drawn.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of drawing, with a local model.")] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of a local model.")] = 1,
    me: Annotated[str | None, typer.Option("--me", metavar="NAME", help="Your name, kept with what you say.")] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The companion's name.")] = "Lamina",
    shown: Annotated[bool, typer.Option("--show", help="Say after each answer what was recalled, and what it cost.")] = False,
    sleep: Annotated[bool, typer.Option("--sleep/--no-sleep", help="Consolidate when the conversation ends.")] = True,
    as_json: options.Json = False,
) -> None:
    """Talk with a language model that remembers: what you both say is kept in FILE, and what bears on it is recalled next time.

    In the conversation, /recalled shows what the last answer could rest on and /cost what it took; /forget takes something away; /help lists
    the rest. Ctrl-C stops an answer. Lines that are piped in are answered one by one.
    """
    from lamina.agents.conversation import Conversation

    if as_json and once is None:
        raise typer.BadParameter("JSON is for one answer: give --once too", param_hint="--json")
    speaker, limit = _speaker(model, context, file, seed, threads)
    new = not Path(path_of(file)).exists()
    with opened(file, make=True) as memory:
        if sys.stdin.isatty() and once is None:
            _greet(speaker, path_of(file), new)
        talk = Conversation(
            memory, speaker, budget=_budget(budget, limit, max_tokens), recall=recall, max_tokens=max_tokens,
            temperature=temperature, name=name, person=me, **options.whose(tenant, user, agent, scope),
        )  # fmt: skip
        desk = _Desk(talk, memory, shown)
        if once is not None:
            desk.answer(once, quiet=as_json)
            if as_json:
                print_json(exchange_json(talk.last))
        else:
            desk.sit(name)
        if sleep and desk.answered:
            with _waiting("sleeping: what was said is sorted"):
                memory.consolidate(**options.whose(tenant, user, agent, scope))


# ------------------------------------------------------------------------------------------------------------- who answers
def _speaker(
    spec: str | None, context: str | None, file: str | None, seed: int, threads: int
) -> tuple[LanguageModel, int | None]:
    """The model, loaded where it is a local one, and how many tokens it holds (None: nobody knows; 0: as many as one likes)."""
    from lamina.config import load_config
    from lamina.models.registry import load_model

    spec = spec or load_config(path=file).model or "local"
    kind, _, rest = spec.partition(":")
    if kind != "local":
        if context is not None:
            raise InputError(f"--context is for local models: {clean(spec)!r} keeps its own")
        found = load_model(spec)
        assert found is not None  # only None names none
        return found, None
    from lamina.models.local import LocalModel
    from lamina.models.local.contexts import contexts

    try:
        here = contexts()
        local = LocalModel(
            rest or None,
            precision="auto",
            seed=seed,
            threads=threads,
            policy=context or ("episodic" if "episodic" in here else "full"),
        )
        with _waiting("loading the model (the first time it is written out once, which takes half a minute)"):
            runner = local.runner
    except MissingExtraError as error:
        raise MissingExtraError(
            f"nobody is here to answer: {error}. Or name another model with --model, such as openai:MODEL@http://localhost:8000/v1"
        ) from error
    return local, 0 if runner.endless else runner.context


def _budget(wanted: int, limit: int | None, max_tokens: int) -> int | None:
    """The tokens a prompt may have: what was asked for, as far as the model holds it beside its answer."""
    if limit is None:
        return wanted
    if limit == 0:
        return None
    if limit - max_tokens - ROOM < 1:
        raise ConfigError(f"the model holds {limit:,} tokens, and --max-tokens {max_tokens:,} leaves no room for a prompt")
    return min(wanted, limit - max_tokens - ROOM)


def _greet(model: LanguageModel, path: str, new: bool) -> None:
    """The first lines of a conversation: who answers, where, and where it is kept."""
    where = "it runs on this machine, and nothing is downloaded" if _packaged(model) else "what is said is sent to it"
    if not _packaged(model) and hasattr(model, "runner"):
        where = "it runs on this machine"
    note(f"{model.name} answers; {where}.")
    note(
        f"{path} {'is new and ' if new else ''}keeps what you both say. /help lists what else can be done, Ctrl-C stops an answer, Ctrl-D ends."
    )


def _packaged(model: LanguageModel) -> bool:
    return getattr(model, "packaged", False)


@contextmanager
def _waiting(words: str) -> Iterator[None]:
    """Says on a terminal what is waited for, as long as it takes."""
    out = console(error=True)
    if not out.is_terminal:
        yield
        return
    with out.status(words):
        yield


# ----------------------------------------------------------------------------------------------------------------- talking
class _Desk:
    """Where somebody sits and talks: reads lines, shows answers, does what the commands say."""

    def __init__(self, talk: Conversation, memory: Memory, shown: bool) -> None:
        self._talk, self._memory, self._shown = talk, memory, shown
        self._out = console()
        self.answered = 0

    def sit(self, name: str) -> None:
        """Talk until the end of the lines, or until somebody quits."""
        terminal = sys.stdin.isatty()
        if terminal:
            with_editing()
        while True:
            try:
                line = input(ASK) if terminal else sys.stdin.readline()
            except EOFError:
                self._out.print()
                return
            except KeyboardInterrupt:
                self._out.print()
                note("Ctrl-D or /quit ends the conversation")
                continue
            if not terminal and not line:
                return
            if not line.strip():
                continue
            if line.lstrip().startswith("/"):
                if self._command(line.split()):
                    return
                continue
            if terminal:
                self._out.print(f"{clean(name)}> ", end="", style="bold cyan")
            try:
                self.answer(line.strip())
            except LaminaError as error:
                say_error(message_of(error))
                if not terminal:
                    raise

    def answer(self, text: str, quiet: bool = False) -> None:
        """Say something, and show the answer as it comes."""
        from rich.text import Text

        try:
            with _cancelling(self._talk):
                for piece in self._talk.say(text):
                    if not quiet:
                        self._out.print(Text(clean(piece)), end="", soft_wrap=True)
        except KeyboardInterrupt:
            pass  # what was written by then is kept
        if not quiet:
            self._out.print()
        last = self._talk.last
        self.answered += bool(last.answer)
        if last.cancelled:
            note("(stopped)")
        elif last.truncated:
            note("(cut off: the answer reached --max-tokens)")
        if self._shown and not quiet:
            self._recalled()
            show_lines(cost_lines(last), error=True)

    def _command(self, words: list[str]) -> bool:
        """Do what a command says; whether the conversation is over."""
        word, rest = words[0].lower(), words[1:]
        if word in ("/quit", "/exit", "/bye"):
            return True
        if word == "/help":
            show_lines(help_lines())
        elif word in ("/recalled", "/cost", "/forget") and not self.answered and not (word == "/forget" and rest):
            note("nothing was answered yet")
        elif word == "/recalled":
            self._recalled()
        elif word == "/cost":
            show_lines(cost_lines(self._talk.last))
        elif word == "/forget":
            self._forget(rest)
        else:
            note(f"{word} is no command: /help lists them", "yellow")
        return False

    def _recalled(self) -> None:
        self._out.print(recalled_view(self._talk.last, self._out.is_terminal))

    def _forget(self, words: list[str]) -> None:
        """Hide the last exchange, or what stands under a number in the list of what was recalled."""
        last = self._talk.last
        try:
            if words:
                rows = last.recalled
                number = int(words[0]) if words[0].isdigit() else 0
                row = rows[number - 1] if 1 <= number <= len(rows) else None
                if row is None or row.id is None:
                    note("name the number of a memory in the list that /recalled shows", "yellow")
                    return
                done, what = self._talk.forget([row.id]), row.text
            else:
                done, what = self._talk.forget(last.turns), last.said
        except LaminaError as error:
            say_error(message_of(error))
            return
        note(f"forgotten: {what} ('lamina restore' brings it back)" if done else "that was forgotten already")


@contextmanager
def _cancelling(talk: Conversation) -> Iterator[None]:
    """While inside, the first Ctrl-C ends the answer between two tokens where the model can do that, and else at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed or not talk.cancel():
            raise KeyboardInterrupt
        pressed = True

    before: Any = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def with_editing() -> None:
    """Arrow keys and earlier lines, where the system can do that."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return
