"""What the page asks for beside the other routes: all items of the token's scope, as columns."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from lamina.page.data import CHUNK, columns_of
from lamina.server.http.calls import Call, Reading, errors

router = APIRouter(prefix="/v1/page", tags=["look"])


class Columns(BaseModel):
    """Some items as columns, each a list with an entry an item, and the cursor of what follows."""

    columns: dict[str, list[Any]]
    cursor: str | None


class Place(BaseModel):
    """Where to go on, and whether whole texts are wanted."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, Field(max_length=512)] | None = None
    whole: bool = False


@router.get("/columns", operation_id="columns", response_model=Columns, responses=errors(404))
async def columns(call: Reading, query: Annotated[Place, Query()]) -> Response:
    """The next items in the order of recording: ids, layers, times, scopes, sessions, speakers, and how their texts begin, or the whole of them."""
    return await call.answer("look", "columns", lambda: _columns(call, query.cursor, query.whole))


def _columns(call: Call, cursor: str | None, whole: bool) -> dict[str, Any]:
    asked = f"columns {call.grant.scope}"
    opened = None if cursor is None else call.serves.cursors.open(cursor, asked)
    chunk = columns_of(call.serves.memory.store, call.grant.scope, cursor=opened, limit=CHUNK, whole=whole)
    return {"columns": chunk.columns, "cursor": None if chunk.cursor is None else call.serves.cursors.seal(chunk.cursor, asked)}
