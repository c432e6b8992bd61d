"""Embedders and language models behind any endpoint that speaks the OpenAI API, in a cloud or on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from lamina.errors import InputError, ModelError, ModelOutputError
from lamina.models.http import JsonEndpoint, RequestRefused, Retry
from lamina.models.openai_pieces import ChatPieces, count
from lamina.models.protocols import (
    Completion,
    Message,
    Schema,
    TextKind,
    Tool,
    ToolCall,
    check_request,
    check_texts,
    check_tools,
    check_vectors,
    normalise_rows,
)
from lamina.models.remote_answer import RemoteAnswer
from lamina.models.structured import ask_in_words, complete_in_form

if TYPE_CHECKING:
    import httpx
    from numpy.typing import NDArray

    from lamina.models.event_stream import EventStream

_Found = TypeVar("_Found")
OPENAI_URL: Final = "https://api.openai.com/v1"
_REFUSALS: Final = frozenset({400, 422, 501})  # how endpoints say that they do not know a parameter


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class OpenAIEmbedder:
    """Embeds through `POST {base_url}/embeddings`.

    Parameters: `model`; `base_url`; `api_key` (None: none is sent); `dimensions` to ask for (None: the model's own,
    learnt from a first request); `batch`, texts in a request; `prefixes`, what to put before texts of a kind where the
    model wants it, such as `{"query": "query: ", "document": "passage: "}`; `timeout` in seconds; `retry`;
    `fingerprint` to state that a model served elsewhere is the same (default: address, model, dimension and prefixes).
    Blank texts are not sent and give a zero row.
    """

    def __init__(
        self,
        model: str,
        base_url: str = OPENAI_URL,
        api_key: str | None = None,
        *,
        dimensions: int | None = None,
        batch: int = 128,
        prefixes: Mapping[TextKind, str] | None = None,
        timeout: float = 60.0,
        retry: Retry | None = None,
        fingerprint: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if batch < 1 or (dimensions is not None and dimensions < 1):
            raise InputError("batch and dimensions must be at least 1")
        self._model = model
        self._endpoint = JsonEndpoint(f"embedder {model!r}", base_url, _bearer, api_key, timeout, retry, transport)
        self._asked = dimensions
        self._dim = dimensions
        self._batch = batch
        self._prefixes = dict(prefixes or {})
        self._fingerprint = fingerprint
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    @property
    def instant(self) -> bool:
        """False: every query is a request."""
        return False

    @property
    def dim(self) -> int:
        """Components of a vector; makes one request where `dimensions` was not given."""
        with self._lock:
            if self._dim is None:
                self._dim = len(self._request(["dimension"])[0])
            return self._dim

    @property
    def fingerprint(self) -> str:
        """Where the vectors come from and how; needs `dim`."""
        if self._fingerprint is not None:
            return self._fingerprint
        prefixes = json.dumps(self._prefixes, sort_keys=True) if self._prefixes else ""
        return f"openai/1:{self._endpoint.base_url}:{self._model}:{self.dim}:{prefixes}"

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        """Vectors of `texts`: float32 (n, dim), rows of length 1, a zero row for a blank text.

        Raises `ModelError` when the endpoint fails, `VectorError` when it answers with other than finite vectors of one
        dimension.
        """
        check_texts(texts, kind)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        prefix = self._prefixes.get(kind, "")
        rows = [row for row, text in enumerate(texts) if text and not text.isspace()]
        for start in range(0, len(rows), self._batch):
            chosen = rows[start : start + self._batch]
            found = self._request([prefix + texts[row] for row in chosen])
            vectors[chosen] = normalise_rows(check_vectors(found, len(chosen), self.dim, self.name))
        return vectors

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def _request(self, inputs: list[str]) -> list[list[float]]:
        body: dict[str, Any] = {"model": self._model, "input": inputs, "encoding_format": "float"}
        if self._asked is not None:
            body["dimensions"] = self._asked
        answer = self._endpoint.post("embeddings", body)
        found: list[Any] = []
        try:
            entries = {entry.get("index", place): entry["embedding"] for place, entry in enumerate(answer["data"])}
            found = [entries.pop(place) for place in range(len(inputs))]
            whole = not entries and all(isinstance(vector, list) and vector for vector in found)
        except (AttributeError, KeyError, TypeError):
            whole = False
        if not whole:
            raise ModelError(
                f"embedder {self._model!r} at {self._endpoint.base_url} did not answer with {len(inputs)} vectors: "
                "check that the address serves embeddings"
            )
        return found

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self._model!r}, {self._endpoint.base_url!r})"


class OpenAIModel:
    """Completes through `POST {base_url}/chat/completions`.

    A schema is asked for as `response_format`; an endpoint that refuses that is asked in words. Likewise `max_tokens`
    becomes `max_completion_tokens`, and `temperature` is left out, where the endpoint says that it wants it so. Answers
    are checked against the schema either way, and a wrong one is asked for once more.

    Parameters: `model`; `base_url`; `api_key` (None: none is sent); `timeout` in seconds; `retry`; `extra`, further
    fields of the request as the endpoint documents them.
    """

    def __init__(
        self,
        model: str,
        base_url: str = OPENAI_URL,
        api_key: str | None = None,
        *,
        timeout: float = 120.0,
        retry: Retry | None = None,
        extra: Mapping[str, Any] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._model = model
        self._endpoint = JsonEndpoint(f"model {model!r}", base_url, _bearer, api_key, timeout, retry, transport)
        self._extra = dict(extra or {})
        self._unknown: set[str] = set()  # what the endpoint has refused: parameters, and schemas as text

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """See `LanguageModel.complete`."""
        check_request(messages, max_tokens, temperature)

        def ask(said: Sequence[Message]) -> Completion:
            return self._ask(said, schema, max_tokens, temperature)

        return ask(messages) if schema is None else complete_in_form(ask, messages, schema, f"model {self._model!r}")

    def call(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        *,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """See `ToolModel.call`."""
        check_request(messages, max_tokens, temperature)
        check_tools(messages, tools)
        return self._ask(messages, None, max_tokens, temperature, tools)

    def stream(self, messages: Sequence[Message], *, max_tokens: int = 1024, temperature: float = 0.0) -> RemoteAnswer:
        """The answer while it is written: see `StreamingModel.stream`. Raises `InputError` at once, what the endpoint refuses with the first piece."""
        check_request(messages, max_tokens, temperature)

        def send(body: Mapping[str, Any]) -> EventStream:
            return self._endpoint.stream("chat/completions", body)

        def begin() -> EventStream:
            return self._sent(
                send, messages, None, max_tokens, temperature, {"stream": True, "stream_options": {"include_usage": True}}
            )

        return RemoteAnswer(begin, ChatPieces(self._model, self._what), self._what)

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    @property
    def _what(self) -> str:
        return f"model {self._model!r} at {self._endpoint.base_url}"

    def _ask(
        self,
        messages: Sequence[Message],
        schema: Schema | None,
        max_tokens: int,
        temperature: float,
        tools: Sequence[Tool] = (),
    ) -> Completion:
        more = {"tools": [{"type": "function", "function": _function(tool)} for tool in tools]} if tools else {}

        def send(body: Mapping[str, Any]) -> dict[str, Any]:
            return self._endpoint.post("chat/completions", body)

        return self._read(self._sent(send, messages, schema, max_tokens, temperature, more))

    def _sent(
        self,
        send: Callable[[Mapping[str, Any]], _Found],
        messages: Sequence[Message],
        schema: Schema | None,
        max_tokens: int,
        temperature: float,
        more: Mapping[str, Any],
    ) -> _Found:
        """What the endpoint gives for a request without the parts that it does not know."""
        unknown = set(self._unknown)
        while True:  # each turn leaves out one part more, so it ends
            body = self._body(messages, schema, max_tokens, temperature, unknown)
            body |= {name: value for name, value in more.items() if name not in unknown}
            try:
                found = send({**body, **self._extra})
            except RequestRefused as refusal:
                refused = _refused_part(refusal, body)
                if refused is None:
                    raise
                unknown.add(_text(schema) if refused == "response_format" else refused)
            else:
                self._unknown.update(unknown)  # only now: the refusals had no other reason
                return found

    def _body(
        self, messages: Sequence[Message], schema: Schema | None, max_tokens: int, temperature: float, unknown: set[str]
    ) -> dict[str, Any]:
        form: dict[str, Any] = {}
        if schema is not None and _text(schema) in unknown:
            messages = ask_in_words(messages, schema)
        elif schema is not None:
            wanted = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
            form = {"response_format": {"type": "json_schema", "json_schema": wanted}}
        limit = "max_completion_tokens" if "max_tokens" in unknown else "max_tokens"
        warmth = {} if "temperature" in unknown else {"temperature": temperature}
        said = [_said(message) for message in messages]
        return {"model": self._model, "messages": said, limit: max_tokens, **warmth, **form}

    def _read(self, answer: Mapping[str, Any]) -> Completion:
        what = self._what
        try:
            choice = answer["choices"][0]
            message = choice["message"]
            text = message.get("content")
            refusal = message.get("refusal")
            finish = choice.get("finish_reason")
            calls = tuple(
                ToolCall(str(called["id"]), str(called["function"]["name"]), str(called["function"].get("arguments") or "{}"))
                for called in message.get("tool_calls") or ()
            )
        except (AttributeError, IndexError, KeyError, TypeError):
            raise ModelError(f"{what} did not answer with a message: check that the address serves chat") from None
        if text is None and refusal:
            raise ModelOutputError(f"{what} declined to answer")
        if text is not None and not isinstance(text, str):
            raise ModelError(f"{what} did not answer with text")
        usage = answer.get("usage")
        counts = usage if isinstance(usage, Mapping) else {}
        details = counts.get("prompt_tokens_details")
        return Completion(
            text or "",
            model=str(answer.get("model") or self._model),
            prompt_tokens=count(counts.get("prompt_tokens")),
            completion_tokens=count(counts.get("completion_tokens")),
            truncated=finish == "length",
            tool_calls=calls,
            reused_tokens=count(details.get("cached_tokens")) if isinstance(details, Mapping) else None,
        )

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r}, {self._endpoint.base_url!r})"


def _function(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def _said(message: Message) -> dict[str, Any]:
    """A message in the API's form."""
    said: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        said["tool_call_id"] = message.tool_call_id
    return said


def _refused_part(refusal: RequestRefused, body: Mapping[str, Any]) -> str | None:
    """The part of the request to do without next time; None where the refusal has another reason."""
    if refusal.status not in _REFUSALS:
        return None
    if "max_completion_tokens" in refusal.detail and "max_tokens" in body:
        return "max_tokens"
    if "temperature" in refusal.detail.lower() and "temperature" in body:
        return "temperature"
    if "stream_options" in refusal.detail and "stream_options" in body:
        return "stream_options"
    return "response_format" if "response_format" in body else None


def _is_strict(schema: object) -> bool:
    """Whether a schema keeps the rules of the strict mode: every object closed and all of its properties required."""
    if isinstance(schema, Mapping):
        if "properties" in schema or schema.get("type") == "object":
            properties = schema.get("properties", {})
            if schema.get("additionalProperties") is not False or set(properties) != set(schema.get("required", ())):
                return False
        return all(_is_strict(part) for part in schema.values())
    return all(_is_strict(part) for part in schema) if isinstance(schema, (list, tuple)) else True


def _text(schema: Schema | None) -> str:
    return json.dumps(schema, sort_keys=True, default=dict)
