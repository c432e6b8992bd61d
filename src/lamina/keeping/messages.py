"""From what a caller hands in (text, a chat message, a list of them) to drafts of traces."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

from lamina.errors import InputError
from lamina.records import EVENT, Item
from lamina.text import check_text
from lamina.times import SECOND, Moment, MomentLike, parse_moment

Message = Mapping[str, Any]
Content = str | Message | Sequence[str | Message]

DEPTH: Final = 100  # levels of nesting in metadata and tool calls; what reads them back goes no deeper

LONGEST_NAME = 1024  # characters of a session, an origin, a role, a speaker or a place
_CHECKED = {"speaker", "place", "captions"}  # parts of `data` that are checked where they are read
_KNOWN = {
    "role", "content", "text", "name", "speaker", "at", "timestamp", "until", "origin", "place", "session", "metadata",
    "captions", "images", "tool_calls", "tool_call_id", "echo_of",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """One trace before it has an id: what was said, by whom, when, and what came with it."""

    text: str
    role: str | None = None
    at: Moment | None = None
    until: Moment | None = None
    session: str | None = None
    origin: str | None = None
    echo_of: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def read_drafts(content: Content, zone: tzinfo = UTC, **common: Any) -> list[Draft]:
    """Drafts of everything in `content`, in order; `common` holds fields for all of them, a message's own fields win.

    A message is a mapping with `content` (text, or a list of text and image parts) and, as needed, `role`, `name` or
    `speaker`, `at` or `timestamp`, `until`, `place`, `origin`, `session`, `metadata`, `captions`, `tool_calls`,
    `tool_call_id`; whatever else it has is kept under `metadata`. Raises `InputError` before anything is written.

    >>> [(d.role, d.text) for d in read_drafts([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}])]
    [('user', 'Hi'), ('assistant', 'Hello!')]
    """
    if isinstance(content, (str, Mapping)):
        content = [content]
    if not isinstance(content, Sequence) or isinstance(content, (bytes, bytearray)):
        raise InputError(f"content must be text, a message, or a list of them, not {type(content).__name__}")
    if not content:
        raise InputError("content is an empty list: there is nothing to remember")
    return [_draft(part, zone, common, place if len(content) > 1 else None) for place, part in enumerate(content)]


def _draft(part: str | Message, zone: tzinfo, common: Mapping[str, Any], place: int | None) -> Draft:
    what = "content" if place is None else f"message {place}"
    given = {name: value for name, value in common.items() if value is not None}
    message = _message(part, what)
    if given.get("origin") is not None and place is not None and "origin" not in message:
        given["origin"] = f"{given['origin']}/{place}"
    merged = {**given, **message}
    text, captions = _text_and_captions(merged, what)
    data: dict[str, Any] = {}
    for name, value in (("speaker", merged.get("speaker", merged.get("name"))), ("place", merged.get("place"))):
        if value is not None:
            data[name] = _text(value, what, name)
    if captions:
        data["captions"] = captions
    if merged.get("tool_calls"):
        data["tool_calls"] = _list(merged, "tool_calls", what)
    if merged.get("tool_call_id"):
        data["tool_call_id"] = merged["tool_call_id"]
    if "metadata" in merged or not message.keys() <= _KNOWN:
        extra = {name: value for name, value in message.items() if name not in _KNOWN}
        data["metadata"] = {**_mapping(given.get("metadata"), what), **_mapping(message.get("metadata"), what), **extra}
        if not data["metadata"]:
            del data["metadata"]
    if not data.keys() <= _CHECKED:
        check_json(data, what)
    role = _text(merged.get("role"), what, "role")
    if role == EVENT:
        raise InputError(f"{what}: the role {EVENT!r} is kept for the memory's own records: use another one")
    return Draft(
        text=text,
        role=role,
        at=_moment(merged["at"], zone) if "at" in merged else _timestamp(merged.get("timestamp"), zone),
        until=_moment(merged.get("until"), zone),
        session=_text(merged.get("session"), what, "session"),
        origin=_text(merged.get("origin"), what, "origin"),
        echo_of=_ids(merged.get("echo_of"), what),
        data=data,
    )


def read_correction(
    old: Item,
    text: str | None,
    at: MomentLike | None,
    metadata: Mapping[str, Any] | None,
    zone: tzinfo = UTC,
    session: str | None = None,
) -> Draft:
    """The draft that takes the place of a trace: what is not given is kept, `metadata` is merged."""
    data = dict(old.data)
    if metadata is not None:
        if not isinstance(metadata, Mapping):
            raise InputError(f"metadata must map field names to values, not be {type(metadata).__name__}")
        check_json(metadata, "metadata")
        data["metadata"] = {**old.metadata, **metadata}
    return Draft(
        text=old.text if text is None else check_text(text),
        role=old.role,
        at=old.moment if at is None else parse_moment(at, zone),
        until=None if old.until is None else parse_moment(old.until),
        session=old.session if session is None else check_text(session, "the session"),
        data={name: value for name, value in data.items() if name not in ("part", "whole", "echo")},
    )


def _message(part: object, what: str) -> dict[str, Any]:
    """A part as a message of its own; fields that are None are as good as not there."""
    if isinstance(part, str):
        return {"content": part}
    if not isinstance(part, Mapping):
        raise InputError(f"{what} must be text or a mapping, not {type(part).__name__}")
    for name in part:
        if not isinstance(name, str):
            raise InputError(f"{what}: the names of its fields must be text, not {name!r}")
    return {name: value for name, value in part.items() if value is not None}


def _list(message: Mapping[str, Any], name: str, what: str) -> list[Any]:
    """A field that holds a list; one text stands for a list of one."""
    value = message.get(name, ())
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Sequence) or isinstance(value, (bytes, bytearray)):
        raise InputError(f"{what}: {name} must be a list, not {type(value).__name__}")
    return list(value)


def _text_and_captions(message: Mapping[str, Any], what: str) -> tuple[str, list[str]]:
    content = message.get("content", message.get("text"))
    captions: list[str] = []
    if "captions" in message or "images" in message:
        captions = [check_text(c, f"{what}: caption") for c in _list(message, "captions", what)]
        captions += [check_text(c, f"{what}: caption") for image in _list(message, "images", what) if (c := _caption(image))]
    if isinstance(content, str) and content:
        return check_text(content, what), captions
    if isinstance(content, Sequence) and not isinstance(content, (str, bytes)):
        texts = []
        for part in content:
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif isinstance(part, Mapping):
                caption = _caption(part)
                if caption:
                    captions.append(check_text(caption, f"{what}: caption"))
            else:
                raise InputError(f"{what}: a content part must be text or a mapping, not {type(part).__name__}")
        content = "\n".join(texts)
    if not content and message.get("tool_calls"):
        content = "\n".join(_call(call, what) for call in _list(message, "tool_calls", what))
    if not content and captions:
        content = "(image)"
    if content is None:
        raise InputError(f"{what} has no 'content': give the text of the message")
    return check_text(content, what), captions


def _caption(image: Any) -> str | None:
    """What a picture shows, where the message says so."""
    if isinstance(image, str):
        return image
    if isinstance(image, Mapping):
        for name in ("caption", "alt", "alt_text", "description"):
            if isinstance(image.get(name), str):
                return str(image[name])
    return None


def _call(call: Any, what: str) -> str:
    """A tool call as words: the searchable form of a message that says nothing else."""
    if not isinstance(call, Mapping):
        raise InputError(f"{what}: a tool call must be a mapping, not {type(call).__name__}")
    check_json(call, what)
    function = call.get("function", call)
    name = function.get("name", "tool") if isinstance(function, Mapping) else "tool"
    arguments = function.get("arguments", "") if isinstance(function, Mapping) else ""
    shown = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"{name}({shown})"


def _text(value: Any, what: str, name: str) -> str | None:
    """An optional field that must be text."""
    return None if value is None else check_text(value, f"{what}: {name}")


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{what}: metadata must be a mapping, not {type(value).__name__}")
    return value


def _moment(value: MomentLike | None, zone: tzinfo) -> Moment | None:
    return None if value is None else parse_moment(value, zone)


def _timestamp(value: Any, zone: tzinfo) -> Moment | None:
    """A chat message's own `timestamp`: as a number it counts seconds or milliseconds since 1970, as chat programs write it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return parse_moment(round(value * (SECOND if abs(value) < 1e11 else SECOND // 1000)))
    return _moment(value, zone)


def _ids(value: Any, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    ids = (value,) if isinstance(value, str) else value
    if not isinstance(ids, (list, tuple)):
        raise InputError(f"{what}: echo_of must be an id or a list of ids, not {type(value).__name__}")
    return tuple(check_text(id, f"{what}: echo_of") for id in ids)


def check_json(value: Any, what: str, depth: int = 0) -> None:
    """Raise `InputError` for what JSON, or a file of UTF-8 text, cannot hold as it is.

    >>> check_json({"stars": 3, "tags": ["a"]}, "metadata")
    >>> check_json({"stars": float("nan")}, "metadata")
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: metadata: metadata and tool calls must be plain JSON: nan is no JSON number
    """
    plain = f"{what}: metadata and tool calls must be plain JSON"
    if depth > DEPTH:
        raise InputError(f"{plain}: they are nested more than {DEPTH} levels deep, or contain themselves")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if value and not value.isspace():  # blanks are a value like any other here
            check_text(value, f"{what}: a text in metadata or tool calls")
    elif isinstance(value, int):
        if value.bit_length() > 1024:
            raise InputError(f"{plain}: a number has {value.bit_length()} bits; the most is 1024")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{plain}: {value!r} is no JSON number")
    elif isinstance(value, (list, tuple)):
        for one in value:
            check_json(one, what, depth + 1)
    elif isinstance(value, dict) or (depth == 0 and isinstance(value, Mapping)):
        for name, one in value.items():
            if not isinstance(name, str):
                raise InputError(f"{plain}: the names of fields must be text, not {name!r}")
            check_json(name, what, depth + 1)
            check_json(one, what, depth + 1)
    else:
        raise InputError(f"{plain}: {type(value).__name__} is none of text, number, true, false, null, list and object")


def check_lengths(draft: Draft) -> None:
    """Raise `InputError` for a session, an origin, a role, a speaker or a place that is too long for a name.

    >>> check_lengths(Draft("Hello", session="x" * 2000))
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: the session has 2,000 characters; the most is 1,024
    """
    names = {
        "session": draft.session,
        "origin": draft.origin,
        "role": draft.role,
        "speaker": draft.data.get("speaker"),
        "place": draft.data.get("place"),
    }
    for what, name in names.items():
        if name is not None and len(name) > LONGEST_NAME:
            raise InputError(f"the {what} has {len(name):,} characters; the most is {LONGEST_NAME:,}")
