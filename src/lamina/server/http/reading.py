"""Routes that read: search, context, get, list, zoom, history, explain, stats, scopes."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from lamina.plain import hit_json, item_json
from lamina.records import Hit, Item
from lamina.server.http import schemas
from lamina.server.http.calls import Call, Reading, errors

router = APIRouter(prefix="/v1", tags=["recall"])
ItemId = Annotated[str, Path(max_length=512, description="The id of an item.", examples=["01K9ZQ5E4V8Y6T3R2W1X0M7N5P"])]


@router.post("/search", operation_id="search", response_model=schemas.Hits, responses=errors(404))
async def search(call: Reading, body: Annotated[schemas.Search, Body()]) -> Response:
    """The items that answer a cue best, best first, each with its score, reasons and sources."""

    def work() -> dict[str, Any]:
        return {"hits": [hit_json(hit) for hit in _own(call, call.memory.search(body.cue, k=body.k, **body.conditions()))]}

    return await call.answer("recall", "search", work)


@router.post("/context", operation_id="context", response_model=schemas.Packed, responses=errors(404))
async def context(call: Reading, body: Annotated[schemas.Context, Body()]) -> Response:
    """What to put into a prompt for a cue: at most `budget` tokens, marked as quoted data."""

    def work() -> dict[str, Any]:
        found = call.memory.context(body.cue, budget=body.budget, k=body.k, **body.conditions())
        return {"text": found.text, "tokens": found.tokens, "budget": found.budget, "ids": [hit.id for hit in found.hits]}

    return await call.answer("recall", "context", work)


def _own(call: Call, hits: list[Hit]) -> list[Hit]:
    """A second lock on the same door: nothing leaves that the client may not see, whatever happens below."""
    return [hit for hit in hits if call.memory.covers(hit.item.scope)]


class Listing(BaseModel):
    """What a listing shows."""

    model_config = ConfigDict(extra="forbid")

    scope: schemas.Scope | None = None
    cursor: Annotated[str, Field(max_length=512)] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    order: Literal["recorded", "-recorded", "at", "-at"] = "recorded"
    kind: schemas.Kinds | None = None
    session: schemas.Names | None = None
    speaker: schemas.Names | None = None
    place: schemas.Names | None = None
    role: schemas.Names | None = None
    since: schemas.Time | None = None
    before: schemas.Time | None = None
    as_of: schemas.Time | None = None
    known_at: schemas.Time | None = None

    def conditions(self) -> dict[str, Any]:
        """The conditions that were given, as `Memory` takes them."""
        several = {f"{name}s": getattr(self, name) for name in ("kind", "session", "speaker", "place", "role")}
        single = {name: getattr(self, name) for name in ("since", "before", "as_of", "known_at")}
        return {name: value for name, value in (several | single).items() if value is not None}


@router.get("/memories", operation_id="list", response_model=schemas.ItemPage, responses=errors(404))
async def listing(call: Reading, query: Annotated[Listing, Query()]) -> Response:
    """One page of what is there; hand `cursor` in again for the next. Nothing is capped in silence."""

    def work() -> dict[str, Any]:
        scope, conditions = call.memory.within(query.scope), query.conditions()
        asked = json.dumps([call.grant.scope, scope, query.order, conditions], sort_keys=True)
        cursor = None if query.cursor is None else call.serves.cursors.open(query.cursor, asked)
        page = call.memory.page(limit=query.limit, cursor=cursor, order=query.order, scope=scope, **conditions)
        following = None if page.cursor is None else call.serves.cursors.seal(page.cursor, asked)
        return {"items": [item_json(item) for item in page], "cursor": following}

    return await call.answer("look", "list", work)


@router.get("/memories/{id}", operation_id="get", response_model=schemas.Item, responses=errors(404))
async def get(call: Reading, id: ItemId) -> Response:
    """One item, whatever its state."""
    return await call.answer("look", "get", lambda: item_json(call.memory.get(id)))


class Direction(BaseModel):
    """Where to zoom: into what an item contains or cites, or out to what contains or cites it."""

    model_config = ConfigDict(extra="forbid")

    direction: Literal["in", "out"] = "in"


@router.get("/memories/{id}/zoom", operation_id="zoom", response_model=schemas.Items, responses=errors(404))
async def zoom(call: Reading, id: ItemId, query: Annotated[Direction, Query()]) -> Response:
    """What an item contains or cites, or what contains or cites it, in the order of time."""
    return await call.answer("look", "zoom", lambda: _items(call.memory.zoom(id, query.direction)))


@router.get("/memories/{id}/history", operation_id="history", response_model=schemas.Items, responses=errors(404))
async def history(call: Reading, id: ItemId) -> Response:
    """Every version of an item, and the events that concern it, in the order of recording."""
    return await call.answer("look", "history", lambda: _items(call.memory.history(id)))


@router.post("/memories/{id}/explain", operation_id="explain", response_model=schemas.Explanation, responses=errors(404))
async def explain(call: Reading, id: ItemId, body: Annotated[schemas.Explain, Body()]) -> Response:
    """Why an item answers a cue: a sentence that unfolds into groups of features, features, evidence and sources."""
    return await call.answer("recall", "explain", lambda: call.memory.explain(id, body.cue, **body.conditions()).to_json())


class InScope(BaseModel):
    """Where to look; default: the token's own scope."""

    model_config = ConfigDict(extra="forbid")

    scope: schemas.Scope | None = None


@router.get("/stats", operation_id="stats", response_model=schemas.Stats, responses=errors(404), tags=["state"])
async def stats(call: Reading, query: Annotated[InScope, Query()]) -> Response:
    """Counts of a scope and what lies below it; of the whole file for a token that sees all of it."""

    def work() -> dict[str, Any]:
        return {name: value for name, value in call.memory.stats(query.scope).items() if name != "path"}

    return await call.answer("look", "stats", work)


@router.get("/consents", operation_id="consents", response_model=schemas.Consents, responses=errors(404), tags=["state"])
async def consents(call: Reading, query: Annotated[InScope, Query()]) -> Response:
    """What people have agreed to or refused in a scope; what nobody said anything about is granted."""
    return await call.answer("look", "consents", lambda: {"consents": call.memory.consents(query.scope)})


@router.get("/scopes", operation_id="scopes", response_model=schemas.Scopes, responses=errors(), tags=["state"])
async def scopes(call: Reading) -> Response:
    """Every scope within the token's own in which something was written."""
    return await call.answer("look", "scopes", lambda: {"scopes": call.memory.scopes()})


def _items(items: list[Item]) -> dict[str, Any]:
    return {"items": [item_json(item) for item in items]}
