"""Commands that look: show, zoom, history, stats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lamina.cli import options
from lamina.cli.opening import opened
from lamina.cli.output import (
    amount,
    clean,
    console,
    fields_of,
    line_of,
    note,
    print_json,
    say,
    size,
    when,
)
from lamina.cli.work import at_work
from lamina.plain import item_json

if TYPE_CHECKING:
    from lamina import Item, Memory

Id = Annotated[str | None, typer.Argument(metavar="ID", help="The id of an item.", show_default=False)]


def show(
    file: options.File = None,
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show this item in full instead of the tree.", show_default=False)
    ] = None,
    depth: Annotated[int, typer.Option("--depth", "-d", min=1, max=4, help="1 scopes, 2 sessions, 3 episodes, 4 traces.")] = 3,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Sessions on a page, and children shown under each line.")
    ] = 20,
    page: Annotated[int, typer.Option("--page", "-p", min=1, help="Which page of sessions.")] = 1,
    session: options.Sessions = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="OUT", help="Write everything as one page for the browser instead, which works offline."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="With --html: overwrite the page if it is there already.")] = False,
    as_json: options.Json = False,
) -> None:
    """Draw the tree of layers: scopes, sessions, episodes, traces. With an ID, show one item in full."""
    from lamina.cli.tree import Look, as_tree, branches, tree_json

    if id is None and file is not None and options.is_id(file) and not options.is_store(file):
        file, id = None, file
    with opened(file) as memory:
        if id is not None:
            _card(memory, id, as_json)
            return
        under = options.whose(tenant, user, agent, scope)
        if html is not None:
            _write_page(memory, html, _scope(under), force)
            return
        look = Look(depth, limit, page, tuple(session or ()))
        found = branches(memory, _scope(under), look)
        if as_json:
            print_json(tree_json(found))
        elif not found.scopes:
            note("nothing is remembered here yet", "yellow")
        else:
            out = console()
            out.print(as_tree(memory, found, min(out.width, 160)))
            for words in found.more():
                note(words)


def _write_page(memory: Memory, target: Path, scope: str, force: bool) -> None:
    from lamina.page import write_page

    with at_work() as (_, bars):
        total = memory.count(where=None)
        count = write_page(
            memory, target, scope=scope, overwrite=force, progress=lambda done: bars.show("writing the page", done, total)
        )
    say(f"{amount(count, 'item')} in {target}: open it in a browser; it holds memories, so mind who can read it")


def _scope(given: dict[str, str]) -> str:
    from lamina.scopes import make_scope

    return given.get("scope") or (make_scope(**given) if given else "*")


def _card(memory: Memory, id: str, as_json: bool) -> None:
    """One item in full, with what it rests on and what it is part of."""
    item = _required(memory, id)
    below, above = memory.zoom(id, "in"), memory.zoom(id, "out")
    if as_json:
        print_json({**item_json(item), "below": [one.id for one in below], "above": [one.id for one in above]})
        return
    fields = {name: value for name, value in item_json(item).items() if name not in ("text", "id", "kind", "traces")}
    say(f"{item.kind} {item.id}", "bold")
    for line in fields_of(fields):
        console().print(line)
    say()
    say(item.text)
    for title, some in (("rests on", below), ("is part of", above)):
        if some:
            say(f"\n{title}:", "bold")
            for one in some:
                show_line(one)


def _required(memory: Memory, id: str) -> Item:
    from lamina.errors import NotFoundError

    item = memory.get(id)
    if item is None:
        raise NotFoundError(f"there is no item {clean(id)!r} in {memory.config.path}: 'lamina search … --ids' prints ids")
    return item


def show_line(item: Item) -> None:
    """An item on a line of its own."""
    line = line_of(item)
    line.append(f"  {item.id}", style="dim")
    console().print(line)


def _arranged(file: str | None, id: str | None) -> tuple[str | None, str]:
    file, found = options.arrange_ids(file, [id] if id is not None else [])
    if not found:
        raise typer.BadParameter("ID is missing", param_hint="ID")
    return file, found[0]


def zoom(
    file: options.File = None,
    id: Id = None,
    direction: Annotated[
        Literal["in", "out"], typer.Option("--direction", help="'in': what it contains or rests on; 'out': what it is part of.")
    ] = "in",
    as_json: options.Json = False,
) -> None:
    """Go from an item to what it rests on, or up to what rests on it."""
    file, id = _arranged(file, id)
    with opened(file) as memory:
        found = memory.zoom(_required(memory, id).id, direction)
    if as_json:
        print_json([item_json(item) for item in found])
        return
    for item in found:
        show_line(item)
    if not found:
        note("it rests on nothing else" if direction == "in" else "nothing rests on it", "yellow")


def history(file: options.File = None, id: Id = None, as_json: options.Json = False) -> None:
    """List every version of an item, and what was done to it, oldest first."""
    from lamina.times import to_datetime

    file, id = _arranged(file, id)
    with opened(file) as memory:
        found = memory.history(_required(memory, id).id)
    if as_json:
        print_json([item_json(item) for item in found])
        return
    from rich.text import Text

    for item in found:
        recorded = f"{to_datetime(item.recorded_at):%Y-%m-%d %H:%M:%S}  "
        if item.role == "event":
            reason = item.data.get("reason")
            console().print(Text(clean(f"{recorded}[{item.text}]" + (f" {reason}" if reason else "")), style="yellow"))
        else:
            console().print(Text.assemble((recorded, "cyan"), line_of(item), (f"  {item.id}", "dim")))


def stats(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    as_json: options.Json = False,
) -> None:
    """Count what is there: items by kind, scopes, bytes."""
    from lamina.records import Filter

    given = options.whose(tenant, user, agent, scope)
    with opened(file) as memory:
        found = memory.stats(**given)
        ends = [
            memory.get_all(where=Filter(scope=_scope(given), kinds=("trace",)), limit=1, order=order).items
            for order in ("at", "-at")
        ]
    if as_json:
        print_json(found)
        return
    shown = {
        "file": found["path"],
        **{f"{kind}s": f"{count:,}" for kind, count in found["items"].items()},
        "hidden": f"{found['hidden']:,}",
        "edges": f"{found['edges']:,}",
        "scopes": f"{found['scopes']:,}",
        "feedback": f"{found['feedback']:,}"
        + (f" (learned in {amount(len(found['learned']), 'scope')})" if found["learned"] else ""),
        "time": f"{when(ends[0][0])} to {when(ends[1][0])}" if ends[0] else "",
        "embedder": found["embedder"] + (f" ({found['pending_embeddings']:,} waiting)" if found["pending_embeddings"] else ""),
        "language": found["language"],
        "size": size(found["bytes"]) + (f" and {size(found['index_bytes'])} of index files" if found["index_bytes"] else ""),
        "index": "; ".join(_index_line(one) for one in found["index"]),
        "budget": size(found["memory_budget"]) + " of memory",
    }
    for line in fields_of(shown):
        console().print(line)


def _index_line(one: dict[str, Any]) -> str:
    """How the vectors of a scope are searched, in a few words."""
    words = f"{clean(one['scope']) or 'the root'}: {one['plan']}, {one['vectors']:,} vectors"
    if one.get("estimate"):
        words += f", some {size(one['estimate'])} in memory"
    if one.get("pending"):
        words += f", {one['pending']:,} waiting to be linked"
    if one.get("recall"):
        words += f", recall {one['recall']:.2f} at ef {one['ef']}"
    return words + (", kept beside the file" if one["kept"] else "") + (f" ({one['notice']})" if one.get("notice") else "")
