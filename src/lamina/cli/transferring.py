"""Commands that move and mend: export, import, backup, doctor."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from lamina.cli import options
from lamina.cli.failures import FINDINGS, INTERRUPTED
from lamina.cli.opening import opened, path_of
from lamina.cli.output import amount, clean, console, note, print_json, say, size
from lamina.cli.work import at_work
from lamina.errors import Cancelled, NotFoundError

Target = Annotated[
    str | None, typer.Argument(metavar="TARGET", help="The file to write; it must not exist yet.", show_default=False)
]


def export(
    file: options.File = None,
    target: Target = None,
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="With the embeddings, or without (they are made again).")
    ] = True,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
) -> None:
    """Write everything in a scope to a file of JSON lines. Default scope: everything."""
    file, target = options.arrange(file, target, "TARGET")
    with opened(file) as memory:
        count = memory.export(target, vectors=vectors, **options.whose(tenant, user, agent, scope))
    say(f"{amount(count, 'line')} in {target}")


def import_(
    file: options.File = None,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A file that 'lamina export' wrote.", show_default=False)
    ] = None,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Replace characters that cannot be stored, and count them, instead of refusing the file."),
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Read an export, all of it or nothing. What is there already stays as it is."""
    file, source = options.arrange(file, source, "SOURCE")
    if not Path(source).is_file():
        raise NotFoundError(f"{source} does not exist: name a file that 'lamina export' wrote")
    try:
        with at_work(quiet) as (run, _), opened(file, make=True, run=run) as memory:
            report = memory.import_(source, mend=mend)
    except Cancelled:
        note("stopped: nothing was imported", "yellow")
        raise typer.Exit(INTERRUPTED) from None
    counts = [
        f"{count:,} {name}" for name, count in dataclasses.asdict(report).items() if count and name not in ("kept", "mended")
    ]
    say(f"imported {', '.join(counts) or 'nothing new'}" + (f"; {report.kept:,} were there already" if report.kept else ""))
    if report.mended:
        note(f"{report.mended:,} characters that cannot be stored were replaced by U+FFFD", "yellow")


def backup(file: options.File = None, target: Target = None) -> None:
    """Copy the memory to a new file while others go on writing."""
    if target is None and file is not None and not Path(file).exists():
        file, target = None, file
    file, target = options.arrange(file, target, "TARGET")
    with opened(file) as memory:
        path = memory.backup(target)
    say(f"{size(path.stat().st_size)} in {path}")


def doctor(
    file: options.File = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without losing a trace.")] = False,
    as_json: options.Json = False,
) -> None:
    """Check everything that must hold. The exit code is 1 where something is wrong."""
    with opened(file) as memory:
        before = memory.doctor()
        findings = memory.doctor(repair=True) if repair and before else before
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        mended = len({finding.check for finding in before} - {finding.check for finding in findings})
        if mended:
            say(f"{amount(mended, 'finding')} mended", "green")
        for finding in findings:
            style = "red" if finding.severity == "error" else "yellow"
            remedy = " — 'lamina doctor --repair' mends it" if finding.repairable and not repair else ""
            console().print(clean(f"{finding.check}: {finding}{remedy}"), style=style)
        if not findings:
            say("everything holds", "green")
    if findings:
        raise typer.Exit(FINDINGS)


def encrypt(
    file: options.File = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file", metavar="PATH", help="Holds the key: a passphrase in one line, or 32 bytes.", show_default=False
        ),
    ] = None,
) -> None:
    """Encrypt the file, or give an encrypted one another key.

    The key it has now comes from LAMINA_KEY or LAMINA_KEY_FILE. Nobody else may have the file open. Without the key nothing in it can ever be read again.
    """
    if key_file is None:
        raise typer.BadParameter("name the file that holds the new key", param_hint="--key-file")
    from lamina.keeping.arguments import key_in

    _recrypt(file, key_in(key_file))


def decrypt(file: options.File = None) -> None:
    """Take the encryption off the file. Its key comes from LAMINA_KEY or LAMINA_KEY_FILE."""
    _recrypt(file, None)


def _recrypt(file: str | None, new: str | bytes | None) -> None:
    from lamina.keeping.arguments import read_key
    from lamina.storage.sqlite.engine import is_plain
    from lamina.storage.sqlite.recrypting import recrypt

    path = Path(path_of(file))
    old = None if is_plain(path) else read_key(None, str(path))
    recrypt(path, old, new)
    say(f"{path} is {'no longer encrypted' if new is None else 'encrypted'}")
