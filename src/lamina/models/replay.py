"""Answers of a language model kept on disk, so that the same question costs nothing and gives the same answer again."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lamina.errors import ConfigError, InputError, ModelError, ModelOutputError
from lamina.models.protocols import Completion, LanguageModel, Message, Schema, Tool, ToolCall, check_request, check_tools
from lamina.models.tools import with_tools

_log = logging.getLogger("lamina.models.replay")
_START: Final = '{"key":'  # how every line begins


def request_key(
    model: str,
    messages: Sequence[Message],
    schema: Schema | None,
    max_tokens: int,
    temperature: float,
    tools: Sequence[Tool] = (),
) -> str:
    """32 hexadecimal digits that are the same for the same request in every process and on every machine.

    >>> asked = [Message("user", "hello")]
    >>> request_key("m", asked, {"a": 1, "b": 2}, 10, 0) == request_key("m", asked, {"b": 2, "a": 1}, 10, 0.0)
    True
    """
    request: list[Any] = [1, model, [_said(one) for one in messages], schema, max_tokens, float(temperature)]
    if tools:
        request.append([[tool.name, tool.description, tool.parameters] for tool in tools])
    try:
        canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), default=dict, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the schema cannot be written as JSON: {error}") from None
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


class ReplayCache:
    """A language model that asks another one only what it has not been asked before.

    Answers are appended to a file of JSON lines (mode 0600), keyed by a hash of the request; prompts are not stored,
    but answers may quote them, so a file made from a memory is deleted with it. A line torn by a crash is ignored and
    a log warning says so. May be shared by threads; when two ask the same at once, both get the first one's answer.

    Parameters: `model`, None to replay only; `path`; `name`, whose answers to replay (default: the model's, or the only
    one in the file). Raises `ConfigError` for a file that is something else, or missing where there is no model.
    """

    def __init__(self, model: LanguageModel | None, path: Path | str, *, name: str | None = None) -> None:
        self._model = model
        self._path = Path(path)
        self._lock = threading.Lock()
        if model is not None:
            self._create()
        elif not self._path.is_file():
            raise ConfigError(f"there is no file of answers at {self._path}, and no model to make one")
        self._answers: dict[str, Completion] = {}
        names = self._load()
        if name is None and model is None and len(names) > 1:
            known = ", ".join(sorted(names))
            raise ConfigError(f"{self._path} has answers of several models: give name= one of {known}")
        self._name = name or (model.name if model is not None else next(iter(names), "replay"))

    @property
    def name(self) -> str:
        """The name of the model whose answers these are."""
        return self._name

    def __len__(self) -> int:
        return len(self._answers)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """The kept answer, else the model's, which is kept.

        Raises `ModelError` with the request's hash where there is neither, and where the answer cannot be kept.
        """
        check_request(messages, max_tokens, temperature)
        return self._answer(messages, schema, max_tokens, temperature, ())

    def call(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        *,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """The same for a request with tools; a model that knows none is given them in words."""
        check_request(messages, max_tokens, temperature)
        check_tools(messages, tools)
        return self._answer(messages, None, max_tokens, temperature, tools)

    def _answer(
        self, messages: Sequence[Message], schema: Schema | None, max_tokens: int, temperature: float, tools: Sequence[Tool]
    ) -> Completion:
        key = request_key(self._name, messages, schema, max_tokens, temperature, tools)
        found = self._answers.get(key)
        if found is not None:
            return _own(found)
        if self._model is None:
            raise ModelError(
                f"{self._path} has no answer of {self._name!r} to prompt {key}: run once with the model to record it"
            )
        if tools:
            answer = with_tools(self._model).call(messages, tools, max_tokens=max_tokens, temperature=temperature)
        else:
            answer = self._model.complete(messages, schema=schema, max_tokens=max_tokens, temperature=temperature)
        with self._lock:
            if key not in self._answers:
                self._append(_write(key, self._name, answer))
                self._answers[key] = answer
            return _own(self._answers[key])

    def _create(self) -> None:
        """Make the file now, so that no answer is paid for that could not be kept."""
        try:
            os.close(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigError(f"the file of answers {self._path} cannot be written: {error}") from None

    def _load(self) -> set[str]:
        """Read what is there; returns the names of the models that answered."""
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(f"the file of answers {self._path} cannot be read: {error}") from None
        names: set[str] = set()
        torn: list[int] = []
        for number, line in enumerate(content.split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                key, name, answer = _read(line)
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
                torn.append(number)
                continue
            names.add(name)
            self._answers.setdefault(key, answer)
        begins = content[: len(_START)]
        if torn and not names and begins != _START.encode()[: len(begins)]:
            raise ConfigError(f"{self._path} is not a file of answers: name another path")
        for number in torn:
            _log.warning("line %d of %s is torn or damaged and was ignored", number, self._path)
        return names

    def _append(self, line: bytes) -> None:
        """Add one line, by one write, after ending whatever a crash left without its line break."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(file).st_size
                if size:
                    os.lseek(file, size - 1, os.SEEK_SET)
                    if os.read(file, 1) != b"\n":
                        line = b"\n" + line
                while line:
                    line = line[os.write(file, line) :]
            finally:
                os.close(file)
        except OSError as error:
            raise ModelError(f"the answer of {self._name!r} cannot be kept in {self._path}: {error}") from error

    def __repr__(self) -> str:
        return f"ReplayCache({self._name!r}, {str(self._path)!r}, answers={len(self)})"


def _said(message: Message) -> list[Any]:
    """A message as part of a key; one without tools is written as it was before there were any."""
    tools = [[[call.id, call.name, call.arguments] for call in message.tool_calls], message.tool_call_id]
    return [message.role, message.content, *(tools if any(tools) else ())]


def _write(key: str, name: str, answer: Completion) -> bytes:
    record: dict[str, Any] = {
        "key": key,
        "name": name,
        "text": answer.text,
        "data": answer.data,
        "model": answer.model,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "truncated": answer.truncated,
    }
    if answer.tool_calls:
        record["tool_calls"] = [[call.id, call.name, call.arguments] for call in answer.tool_calls]
    try:
        return json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelOutputError(f"{name!r} gave data that is no JSON: {error}") from None


def _own(answer: Completion) -> Completion:
    """A copy whose data the caller may change."""
    return replace(answer, data=copy.deepcopy(answer.data))


def _read(line: bytes) -> tuple[str, str, Completion]:
    record: dict[str, Any] = json.loads(line)
    key, name, text, model = (record[field] for field in ("key", "name", "text", "model"))
    if not all(isinstance(value, str) for value in (key, name, text, model)):
        raise ValueError("a field has the wrong type")
    counts = record["prompt_tokens"], record["completion_tokens"]
    calls = tuple(ToolCall(*(str(part) for part in call)) for call in record.get("tool_calls", ()))
    return key, name, Completion(text, record["data"], model, *counts, truncated=bool(record["truncated"]), tool_calls=calls)
