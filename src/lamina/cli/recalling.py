"""Commands that recall: search and context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamina.cli import options
from lamina.cli.opening import elsewhere, opened
from lamina.cli.output import console, line_of, note, print_json
from lamina.plain import hit_json

if TYPE_CHECKING:
    from lamina.records import Hit

Rerank = Annotated[
    int | None,
    typer.Option(
        "--rerank",
        metavar="N",
        min=0,
        help="How many of the best the reranker judges. [default: 50, with --reranker]",
        show_default=False,
    ),
]
RerankerSpec = Annotated[
    str | None,
    typer.Option("--reranker", metavar="SPEC", help="Judge the best once more: cross-encoder:NAME, listwise:openai:MODEL@URL."),
]
Cue = Annotated[str | None, typer.Argument(metavar="CUE", help="What to look for: a question or some words.", show_default=False)]


def search(
    file: options.File = None,
    cue: Cue = None,
    k: Annotated[int, typer.Option("-k", "--limit", min=1, help="How many to show.")] = 10,
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
    reasons: Annotated[bool, typer.Option("--reasons", help="Say what made the score of each.")] = False,
    why: Annotated[bool, typer.Option("--why", help="Say of each in a sentence what speaks for it and against it.")] = False,
    rerank: Rerank = None,
    reranker: RerankerSpec = None,
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids alone, one a line.")] = False,
    as_json: options.Json = False,
) -> None:
    """Find the moments that answer a cue best, best first."""
    file, cue = options.arrange(file, cue, "CUE")
    conditions = conditions_of(kind, session, speaker, place, role, since, before, as_of, known_at, where)
    conditions |= options.whose(tenant, user, agent, scope)
    with opened(file, reranker=reranker) as memory:
        hits = memory.search(cue, k=k, rerank=rerank, **conditions)
        sentences = [str(memory.explain(hit)) for hit in hits] if why else []
        words = "" if hits else elsewhere(memory, scope_of(conditions))
    if as_json:
        told = [{"why": sentence} for sentence in sentences] or [{}] * len(hits)
        print_json([hit_json(hit) | more for hit, more in zip(hits, told, strict=True)])
    elif ids:
        for hit in hits:
            console().print(hit.id)
    else:
        for hit, sentence in zip(hits, sentences or [""] * len(hits), strict=True):
            _print(hit, reasons, sentence)
    if words:
        note(words, "yellow")


def _print(hit: Hit, reasons: bool, sentence: str) -> None:
    from rich.text import Text

    from lamina.cli.output import clean

    line = Text.assemble((f"{hit.score:6.2f}  ", "green"))
    line.append_text(line_of(hit.item))
    line.append(f"  {hit.id}", style="dim")
    console().print(line)
    if sentence:
        console().print(Text(f"        {clean(sentence)}", style="dim"))
    if reasons:
        parts = sorted(hit.reasons, key=lambda reason: -abs(reason.contribution))
        shown = ", ".join(f"{reason.words or reason.feature} {reason.contribution:+.2f}" for reason in parts[:8])
        console().print(Text(f"        {shown}", style="dim"))


def context(
    file: options.File = None,
    cue: Cue = None,
    budget: Annotated[int, typer.Option("--budget", "-b", min=0, help="The most tokens the text may have.")] = 800,
    k: Annotated[int, typer.Option("-k", "--limit", min=1, help="How many moments to choose from.")] = 100,
    rerank: Rerank = None,
    reranker: RerankerSpec = None,
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
    """Print text for a prompt: the best moments that fit into a budget of tokens.

    The text goes to standard output and nothing else does, so that it can be piped into a model.
    """
    file, cue = options.arrange(file, cue, "CUE")
    conditions = conditions_of(kind, session, speaker, place, role, since, before, as_of, known_at, where)
    conditions |= options.whose(tenant, user, agent, scope)
    with opened(file, reranker=reranker) as memory:
        recall = memory.context(cue, budget=budget, k=k, rerank=rerank, **conditions)
        words = "" if recall.hits else elsewhere(memory, scope_of(conditions))
    if as_json:
        hits = [hit_json(hit) for hit in recall.hits]
        print_json({"text": recall.text, "tokens": recall.tokens, "budget": recall.budget, "hits": hits})
        return
    if recall.text:
        from rich.text import Text

        from lamina.cli.output import clean

        console().print(Text(clean(recall.text)), soft_wrap=True)
        note(f"{recall.tokens:,} of {recall.budget:,} tokens, {len(recall.hits)} moments")
    elif not words.startswith("nothing found here"):
        note(f"nothing found, or nothing that fits into {budget:,} tokens", "yellow")
    else:
        note(words, "yellow")


def conditions_of(
    kind: list[str] | None,
    session: list[str] | None,
    speaker: list[str] | None,
    place: list[str] | None,
    role: list[str] | None,
    since: str | None,
    before: str | None,
    as_of: str | None,
    known_at: str | None,
    where: list[str] | None,
) -> dict[str, Any]:
    """The conditions of `Memory.search`, those alone that were given."""
    given = {
        "kinds": kind, "sessions": session, "speakers": speaker, "places": place, "roles": role, "since": since, "before": before,
        "as_of": as_of, "known_at": known_at, "metadata": options.metadata_conditions(where),
    }  # fmt: skip
    return {name: value for name, value in given.items() if value}


def scope_of(conditions: dict[str, Any]) -> str:
    """The scope that conditions name."""
    from lamina.scopes import make_scope

    given = {name: conditions.get(name) for name in ("tenant", "user", "agent")}
    return conditions.get("scope") or make_scope(**given)
