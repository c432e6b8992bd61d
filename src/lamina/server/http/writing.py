"""Routes that write, one thing at a time: add, update, feedback, forget, restore, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from lamina.server.http import schemas
from lamina.server.http.calls import Administering, Writing, errors
from lamina.server.http.reading import ItemId

router = APIRouter(prefix="/v1", tags=["write"])


class NamedScope(BaseModel):
    """A scope that must be named; "*" is everything the client may see."""

    model_config = ConfigDict(extra="forbid")

    scope: schemas.Scope


@router.post("/memories", operation_id="add", status_code=201, response_model=schemas.Added, responses=errors(404, 413))
async def add(call: Writing, body: Annotated[schemas.Add, Body()]) -> Response:
    """Remember a text, a message or a list of messages, verbatim, in one transaction. What is answered with 201 is stored."""

    def work() -> dict[str, Any]:
        ids = call.memory.add(body.content, body.scope, **body.more())
        call.serves.metrics.added.inc(len(ids))
        return {"ids": ids}

    return await call.answer("write", "add", work, 201)


@router.patch("/memories/{id}", operation_id="update", response_model=schemas.Updated, responses=errors(404, 413))
async def update(call: Writing, id: ItemId, body: Annotated[schemas.Update, Body()]) -> Response:
    """Correct a trace: a new one takes its place, the old one stays in its history."""
    return await call.answer(
        "write", "update", lambda: {"id": call.memory.update(id, body.text, at=body.at, metadata=body.metadata)}
    )


@router.delete("/memories/{id}", operation_id="delete_one", response_model=schemas.Count, responses=errors(404))
async def delete_one(call: Writing, id: ItemId) -> Response:
    """Remove an item for good, and blank what rests on it until it is derived again."""
    return await call.answer("write", "delete", lambda: {"count": call.memory.delete([id])})


@router.post("/delete", operation_id="delete", response_model=schemas.Count, responses=errors(404, 413), tags=["take away"])
async def delete(call: Writing, body: Annotated[schemas.Chosen, Body()]) -> Response:
    """Remove items for good, all of them or none."""
    return await call.answer("write", "delete", lambda: {"count": call.memory.delete(body.ids)})


@router.delete("/memories", operation_id="delete_all", response_model=schemas.Count, responses=errors(404), tags=["take away"])
async def delete_all(call: Administering, query: Annotated[NamedScope, Query()]) -> Response:
    """Remove everything in a scope and below it. The scope must be named."""
    return await call.answer("write", "delete_all", lambda: {"count": call.memory.delete_all(query.scope)})


@router.post("/forget", operation_id="forget", response_model=schemas.Count, responses=errors(404, 413), tags=["take away"])
async def forget(call: Writing, body: Annotated[schemas.Forget, Body()]) -> Response:
    """Hide items from recall. They can be brought back."""
    return await call.answer("write", "forget", lambda: {"count": call.memory.forget(body.ids, body.reason)})


@router.post("/restore", operation_id="restore", response_model=schemas.Count, responses=errors(404, 413), tags=["take away"])
async def restore(call: Writing, body: Annotated[schemas.Chosen, Body()]) -> Response:
    """Bring forgotten items back."""
    return await call.answer("write", "restore", lambda: {"count": call.memory.restore(body.ids)})


@router.post("/consents", operation_id="consent", status_code=201, response_model=schemas.Told, responses=errors(404, 413))
async def consent(call: Administering, body: Annotated[schemas.Agreement, Body()]) -> Response:
    """Record that somebody agrees to a purpose or refuses it, in a scope and below it."""
    return await call.answer("write", "consent", lambda: {"id": call.memory.consent(body.purpose, body.granted, body.scope)}, 201)


@router.post("/feedback", operation_id="feedback", response_model=schemas.Count, responses=errors(404, 413))
async def feedback(call: Writing, body: Annotated[schemas.Feedback, Body()]) -> Response:
    """Tell whether items answer a cue. It changes nothing until the memory learns from it."""
    return await call.answer(
        "write", "feedback", lambda: {"count": call.memory.feedback(body.ids, body.good, body.cue, body.scope)}
    )
