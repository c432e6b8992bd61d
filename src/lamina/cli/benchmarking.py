"""The command that measures: bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.cli import options
from lamina.cli.failures import INTERRUPTED
from lamina.cli.output import clean, console, fields_of, note, say


def bench(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which benchmark; without a name they are listed.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="LAMINA_DATA", show_envvar=True, help="The folder or file with its data.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write the rows to this file, as JSON.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.")] = 0,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Measure other libraries too, where they are installed.")
    ] = True,
    slices: Annotated[bool, typer.Option("--slices", help="Show the parts of the data as well.")] = False,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of the benchmark, such as sizes=[1000,6000]. May be repeated."
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Run a benchmark by name: a table on the screen, its rows as JSON where a file is named."""
    from lamina.bench import BENCHMARKS, run_benchmark

    if name is None:
        for line in fields_of(BENCHMARKS):
            console().print(line)
        return
    given = _settings(setting)
    try:
        with _Spinner(not quiet) as spinner:
            result = run_benchmark(name, data=data, json_path=json_path, seed=seed, peers=peers, progress=spinner.say, **given)
    except KeyboardInterrupt:
        note("stopped: no rows were written", "yellow")
        raise typer.Exit(INTERRUPTED) from None
    from lamina.bench.table import difference_table, result_table

    out = console()
    for table in (result_table(result, slices=slices), difference_table(result)):
        if table is not None:
            out.print(table)
    if json_path is not None:
        say(f"rows in {json_path}")


class _Spinner:
    """Says on standard error what is being measured: one line that changes on a terminal, a line each elsewhere."""

    def __init__(self, shown: bool) -> None:
        self._out = console(error=True)
        self._status = self._out.status("") if shown and self._out.is_terminal else None
        self._shown = shown

    def __enter__(self) -> _Spinner:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, words: str) -> None:
        """What is being measured now."""
        if self._status is not None:
            self._status.update(clean(words))
        elif self._shown:
            note(words)


def _settings(words: list[str] | None) -> dict[str, Any]:
    """Settings from words such as 'sizes=[1000,6000]': JSON where it is JSON, else text."""
    found: dict[str, Any] = {}
    for word in words or ():
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            raise typer.BadParameter(f"{word!r} must be of the form NAME=VALUE", param_hint="--set")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
