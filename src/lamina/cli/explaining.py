"""The command that explains a hit: a tree that is unfolded as deep as is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lamina.cli import options
from lamina.cli.opening import elsewhere, opened
from lamina.cli.output import clean, console, line_of, note, print_json
from lamina.cli.recalling import Cue, conditions_of, scope_of

if TYPE_CHECKING:
    from rich.tree import Tree

    from lamina.recall.explain import Explanation


def explain(
    file: options.File = None,
    cue: Cue = None,
    id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Explain this item, wherever it ranks.")] = None,
    number: Annotated[int, typer.Option("--hit", "-n", min=1, help="Explain the hit at this place.")] = 1,
    depth: Annotated[
        int,
        typer.Option(
            "--depth", "-d", min=0, max=4, help="0: a sentence; 1: groups of features; 2: features; 3: evidence; 4: sources."
        ),
    ] = 2,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    kind: options.Kinds = None,
    session: options.Sessions = None,
    speaker: options.Speakers = None,
    place: options.Places = None,
    role: options.Roles = None,
    since: options.Since = None,
    before: options.Before = None,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    where: options.Where = None,
    as_json: options.Json = False,
) -> None:
    """Say why a search finds what it finds: what speaks for a hit, what against it, and what bears that out."""
    file, cue = options.arrange(file, cue, "CUE")
    conditions = conditions_of(kind, session, speaker, place, role, since, before, as_of, known_at, where)
    conditions |= options.whose(tenant, user, agent, scope)
    with opened(file) as memory:
        if id is not None:
            found = memory.explain(id, cue=cue, **conditions)
        else:
            hits = memory.search(cue, k=number, **conditions)
            if len(hits) < number:
                words = elsewhere(memory, scope_of(conditions)) if not hits else f"there are only {len(hits)} hits"
                note(words, "yellow")
                return
            found = memory.explain(hits[number - 1])
        item = memory.get(found.evidence[0])
    if as_json:
        print_json(found.to_json())
        return
    if item is not None:
        console().print(line_of(item))
    console().print(_tree(found, depth))


def _tree(found: Explanation, depth: int) -> Tree:
    """The unfolded explanation as a tree for the terminal."""
    from rich.text import Text
    from rich.tree import Tree

    styles = ("bold", "green", "", "dim", "cyan")
    open_at: list[Tree] = []
    for indent, node, line in found.lines(depth):
        label = Text(clean(line), style=styles[node.level])
        made = open_at[indent - 1].add(label) if indent else Tree(label)
        open_at = [*open_at[:indent], made]
    return open_at[0]
