"""What requests and responses look like. Requests are read strictly: no unknown fields, no text where a number is meant."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from lamina.records import Kind

_DAY: Final = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
TIME_PATTERN: Final = rf"^(?:19|20)[0-9]{{2}}(?:-(?:0[1-9]|1[0-2])|-{_DAY}(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?)?)?$"
_SEGMENT: Final = r"[A-Za-z0-9 !$&'()+,;:@=._~-]+"
SCOPE_PATTERN: Final = rf"^(?:/{{0,3}}{_SEGMENT}(?:/{_SEGMENT}){{0,4}})?$"
TEXT_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u00a0]+$"
SAID_PATTERN: Final = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u00a0][^\u0000]*$"
_NAME: Final[Any] = {"type": "string", "minLength": 1, "maxLength": 1_024, "pattern": TEXT_PATTERN}


def _text(description: str, most: int, **more: Any) -> dict[str, Any]:  # parts of a JSON schema
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": TEXT_PATTERN, "description": description, **more}


# The schemas promise what is always accepted. The library reads more than that (line breaks in a text, February 29, other forms of ISO 8601).
Text = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1, "pattern": SAID_PATTERN})]
Cue = Annotated[
    str, Field(max_length=10_000), WithJsonSchema(_text("what is asked", 10_000, examples=["where does Ana live now?"]))
]
Name = Annotated[str, Field(min_length=1, max_length=1_024), WithJsonSchema(_NAME)]
Time = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": TIME_PATTERN,
            "description": "ISO 8601; a year, a month or a day will do.",
            "examples": ["2026-03", "2026-03-14T09:30:00+01:00"],
        }
    ),
]
Scope = Annotated[
    str,
    Field(max_length=500),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": SCOPE_PATTERN,
            "maxLength": 500,
            "description": "A scope as stored: tenant/user/agent, what is missing left empty. Default: the token's own.",
            "examples": ["/ana", "acme/ana"],
        }
    ),
]
Whole = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
"""In JSON 3.0 is a whole number too."""
Id = Annotated[str, Field(max_length=512)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=1_000)]
Names = Annotated[list[Name], Field(min_length=1, max_length=100)]
Kinds = Annotated[list[Kind], Field(min_length=1, max_length=8)]
Metadata = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": ["number", "boolean", "null"]}, _NAME]},
            "propertyNames": _NAME,
            "maxProperties": 64,
            "description": "Fields of the caller's own; any JSON.",
            "examples": [{"project": "kettle"}],
        }
    ),
]
_SCALAR: Final = {"type": ["boolean", "null", "number", "string"]}
_OPERATORS: Final = {
    **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte", "contains", "exists"), _SCALAR),
    **{name: {"type": "array", "items": _SCALAR} for name in ("in", "nin")},
}
Conditions_ = Annotated[
    dict[str, Any],
    WithJsonSchema({
        "type": "object", "propertyNames": {"type": "string", "pattern": "^[A-Za-z_]+$"}, "maxProperties": 16,
        "additionalProperties": {"anyOf": [_SCALAR, {"type": "object", "properties": _OPERATORS, "additionalProperties": False}]},
        "description": "Metadata fields and the values they must have, or {operator: value}.",
        "examples": [{"project": "kettle", "stars": {"gte": 3}}],
    }),
]  # fmt: skip


class Strict(BaseModel):
    """A request: what is not known in it is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Where(Strict):
    """What a recall may see."""

    scope: Scope | None = None
    kinds: Kinds | None = None
    sessions: Names | None = None
    speakers: Names | None = None
    places: Names | None = None
    roles: Names | None = None
    since: Time | None = None
    before: Time | None = None
    as_of: Time | None = None
    known_at: Time | None = None
    metadata: Conditions_ | None = None

    def conditions(self) -> dict[str, Any]:
        """The conditions that were given, as `Memory` takes them."""
        given = {name: getattr(self, name) for name in Where.model_fields}
        return {name: value for name, value in given.items() if value is not None}


class Message(BaseModel):
    """A message as chat programs write it. Fields that are not known are kept as metadata."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"additionalProperties": {"type": ["boolean", "null"]}, "propertyNames": _NAME}
    )

    content: Text
    role: Literal["user", "assistant", "system", "tool"] | Name | None = None
    speaker: Name | None = None
    at: Time | None = None
    session: Name | None = None
    place: Name | None = None
    origin: Name | None = None
    metadata: Metadata | None = None


class Add(Strict):
    """What is to be remembered: a text, a message, or a list of them, in one transaction."""

    content: Annotated[Any, WithJsonSchema({"anyOf": [
        {"type": "string", "minLength": 1, "pattern": SAID_PATTERN, "examples": ["Ana moved from Porto to Lisbon in March."]},
        {"$ref": "#/components/schemas/Message"},
        {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
    ]})]  # fmt: skip
    scope: Scope | None = None
    session: Name | None = None
    at: Time | None = None
    until: Time | None = None
    role: Name | None = None
    speaker: Name | None = None
    place: Name | None = None
    metadata: Metadata | None = None
    origin: Name | None = None
    echo_of: Ids | None = None
    resent: bool = False

    def more(self) -> dict[str, Any]:
        """The arguments of `Memory.add` besides the content and the scope."""
        given = {name: getattr(self, name) for name in Add.model_fields if name not in ("content", "scope")}
        return {name: value for name, value in given.items() if value is not None}


class Search(Where):
    """A cue, and how many hits are wanted."""

    cue: Cue
    k: Annotated[int, Field(ge=1, le=1_000), Whole] = 10


class Context(Where):
    """A cue, and the tokens that the answer may take."""

    cue: Cue
    budget: Annotated[int, Field(ge=0, le=1_000_000), Whole] = 800
    k: Annotated[int, Field(ge=1, le=1_000), Whole] = 100


class Explain(Where):
    """The cue that an item is to be explained for."""

    cue: Cue


class Update(Strict):
    """What takes the place of a trace; what is not given is kept, metadata are merged."""

    text: Text | None = None
    at: Time | None = None
    metadata: Metadata | None = None


class Feedback(Strict):
    """Whether items answer a cue."""

    ids: Ids
    cue: Cue
    good: bool = True
    scope: Scope | None = None


class Agreement(Strict):
    """What somebody says of a purpose."""

    purpose: Literal["store", "recall", "derive", "share", "train"]
    granted: bool
    scope: Scope | None = None


class Forget(Strict):
    """What is to be hidden."""

    ids: Ids
    reason: Name | None = None


class Chosen(Strict):
    """Some items."""

    ids: Ids


class Work(Strict):
    """Where work is to be done; default: the token's own scope."""

    scope: Scope | None = None


# ------------------------------------------------------------------------------------------------------- responses
class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "about:blank", "title": "Not found", "status": 404, "detail": "there is no item '01J'"}]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    fields: list[dict[str, str]] | None = None


class Item(BaseModel):
    """Something remembered. What came with it (speaker, place, metadata, …) stands beside."""

    model_config = ConfigDict(extra="allow")

    id: str
    kind: Kind
    text: str
    at: str
    recorded_at: str
    scope: str
    session: str | None = None
    role: str | None = None


class Reason(BaseModel):
    """A part of a score."""

    feature: str
    value: float
    contribution: float


class Hit(Item):
    """A recalled item with its score, the traces it rests on and the parts of the score."""

    score: float
    sources: list[str]
    reasons: list[Reason] = []


class Added(BaseModel):
    """The ids of what was stored, in order. It is safe from now on."""

    ids: list[str]


class Hits(BaseModel):
    """What was found, best first."""

    hits: list[Hit]


class Packed(BaseModel):
    """Text for a prompt; the tokens it takes; the ids of what is in it."""

    text: str
    tokens: int
    budget: int
    ids: list[str]


class Items(BaseModel):
    """Items in order."""

    items: list[Item]


class ItemPage(Items):
    """A page of items, and the cursor of the next one where there is one."""

    cursor: str | None


class Explanation(BaseModel):
    """A node of the explanation; the first is a sentence."""

    id: str
    level: int
    text: str
    contribution: float | None = None
    share: float | None = None
    evidence: list[str] | None = None
    children: list[Explanation] | None = None


class Updated(BaseModel):
    """The id of the new version."""

    id: str


class Count(BaseModel):
    """How many items it concerned."""

    count: int


class Consent(BaseModel):
    """Whether a purpose is granted, where that was said ("*": everywhere) and when; null where nobody said anything the client may see."""

    granted: bool
    scope: str | None
    at: str | None


class Consents(BaseModel):
    """What holds for each purpose."""

    consents: dict[str, Consent]


class Told(BaseModel):
    """The id of the event that records it."""

    id: str


class Scopes(BaseModel):
    """Scopes in which something was written."""

    scopes: list[str]


class Stats(BaseModel):
    """Counts of a scope and what lies below it."""

    model_config = ConfigDict(extra="allow")

    items: dict[str, int]
    hidden: int


class Health(BaseModel):
    """Whether the server lives, or is ready."""

    status: str
