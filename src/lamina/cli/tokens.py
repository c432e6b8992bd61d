"""Commands about tokens: token create, token list, token revoke."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from lamina.cli import options
from lamina.cli.opening import opened
from lamina.cli.output import amount, clean, console, note, print_json, say
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.server.tokens import Right, Token

UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}  # seconds


def create(
    file: options.File = None,
    tenant: options.Tenant = None,
    user: options.User = None,
    agent: options.Agent = None,
    scope: options.Scope = None,
    right: Annotated[
        str,
        typer.Option("--right", help="read; write (and read); or admin (also whole scopes: delete, rebuild, export, import)."),
    ] = "read",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="When it ends: 30d, 12h, 2w, or a date. Default: never.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="What it is for, to tell it from others.")] = None,
    as_json: options.Json = False,
) -> None:
    """Make a token for a scope and what lies below it. It is shown this once: the file keeps only its hash."""
    from lamina.scopes import make_scope
    from lamina.server.tokens import TokenBook

    whose = options.whose(tenant, user, agent, scope)
    if not whose:
        raise InputError("say what the token is for: --user, --tenant, --agent or --scope ('*' is everything)")
    bound = whose["scope"] if "scope" in whose else make_scope(**whose)
    with opened(file, make=True) as memory:
        book = TokenBook(memory.store)
        token, secret = book.create(bound, cast("Right", right), label=label, expires_at=moment_of(expires))
    if as_json:
        print_json({**shown(token), "token": secret})
        return
    say(secret)
    note(f"token {token.id}: {token.right} in {clean(token.scope) or 'no scope'}. It is not shown again.")


def list_(file: options.File = None, as_json: options.Json = False) -> None:
    """Show the tokens there are, without their secrets."""
    from lamina.server.tokens import TokenBook

    with opened(file, read_only=True) as memory:
        tokens = TokenBook(memory.store).all()
    if as_json:
        print_json([shown(token) for token in tokens])
        return
    for token in tokens:
        fields = shown(token)
        ends = f"until {fields['expires_at'][:16]}" if "expires_at" in fields else "for ever"
        words = f"{token.id}  {token.right:5}  {token.scope or '(no scope)'}  {ends}  {token.label or ''}"
        console().print(clean(words.rstrip()))
    note(amount(len(tokens), "token"))


def revoke(
    file: options.File = None,
    id: Annotated[
        str | None, typer.Argument(metavar="ID", help="The id of the token, as 'lamina token list' shows it.", show_default=False)
    ] = None,
) -> None:
    """Take a token back. Servers that run refuse it from then on."""
    from lamina.server.tokens import TokenBook

    file, id = options.arrange(file, id, "ID")
    with opened(file) as memory:
        token = TokenBook(memory.store).revoke(id)
    say(f"token {token.id} is revoked")


def moment_of(expires: str | None) -> int | None:
    """When a token ends, in UTC microseconds: so long from now, or at a time.

    >>> moment_of("2031-01-01")
    1924992000000000
    """
    if expires is None:
        return None
    from lamina.records import wall_clock
    from lamina.times import parse_moment

    span = re.fullmatch(r"(\d{1,6})([mhdw])", expires)
    if span is not None:
        return wall_clock() + int(span[1]) * UNITS[span[2]] * 1_000_000
    return parse_moment(expires).at


def shown(token: Token) -> dict[str, Any]:
    """A token as JSON values, without its hash."""
    from lamina.times import isoformat

    fields = {
        "id": token.id,
        "scope": token.scope,
        "right": token.right,
        "created_at": isoformat(token.created_at),
        "expires_at": None if token.expires_at is None else isoformat(token.expires_at),
        "label": token.label,
    }
    return {name: value for name, value in fields.items() if value is not None}


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {"create": create, "list": list_, "revoke": revoke}
