"""Answers in the form of a JSON schema: read, checked, and asked for once more where they are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from lamina.errors import InputError, MissingExtraError, ModelOutputError
from lamina.models.protocols import Completion, Message, Schema

_THINKING: Final = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCED: Final = re.compile(r"```[a-zA-Z]*\s*\n(.*?)```", re.DOTALL)


class SchemaChecker:
    """Checks JSON against one schema (draft 2020-12). Raises `InputError` for a schema that is none.

    >>> checker = SchemaChecker({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})
    >>> checker.problem({"age": 3}) is None, checker.problem({"age": "three"})
    (True, "at $.age the rule 'type' is broken")
    """

    def __init__(self, schema: Schema) -> None:
        try:
            from jsonschema import Draft202012Validator
            from jsonschema.exceptions import SchemaError
            from referencing import Registry
        except ImportError:
            raise MissingExtraError.for_extra("models", "an answer in the form of a schema", "jsonschema") from None
        try:
            plain = json.loads(json.dumps(schema, default=dict, allow_nan=False))
            Draft202012Validator.check_schema(plain)
        except SchemaError as error:
            raise InputError(f"the schema is not a JSON schema: {error.message}") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"the schema cannot be written as JSON: {error}") from None
        self._validator = Draft202012Validator(plain, registry=Registry())  # empty: nothing is fetched from the network

    def problem(self, data: Any) -> str | None:
        """Where and how `data` (any JSON) breaks the schema; None where it does not. Quotes no values."""
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        try:
            error = best_match(self._validator.iter_errors(data))
        except Unresolvable as broken:
            raise InputError(f"the schema refers to something that is not in it: {broken.ref}") from None
        except RecursionError:
            return "it is nested too deeply"
        return None if error is None else f"at {error.json_path} the rule {error.validator!r} is broken"


def parse_json(text: str) -> Any:
    """The JSON value in a model's answer (its type is open), also inside a fence, after thinking, or amid words.

    Raises `ValueError` where there is none.

    >>> parse_json('Sure:\\n```json\\n{"a": 1}\\n```')
    {'a': 1}
    """
    text = _THINKING.sub("", text).strip()
    fenced = _FENCED.search(text)
    try:
        for candidate in (text, fenced[1] if fenced else ""):
            try:
                return json.loads(candidate, parse_constant=_refuse_constant)
            except ValueError:
                continue
        start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
        if start < 0:
            raise ValueError("it holds no JSON")
        return json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text, start)[0]
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def ask_in_words(messages: Sequence[Message], schema: Schema) -> list[Message]:
    """The messages with the schema asked for in plain words, for endpoints that know no other way."""
    return _say(messages, _wish(schema))


def complete_in_form(
    ask: Callable[[Sequence[Message]], Completion], messages: Sequence[Message], schema: Schema, what: str
) -> Completion:
    """Ask; where the answer is no JSON or breaks the schema, say so and ask once more.

    Token counts are those of both requests. Raises `ModelOutputError` when the second answer is wrong too.
    """
    checker = SchemaChecker(schema)
    answer = ask(messages)
    data, problem = _read(answer, checker)
    if problem is None:
        return replace(answer, data=data)
    told = _say(
        [*messages, Message("assistant", answer.text.strip() or "(no answer)")],
        f"That answer cannot be used: {problem}. {_wish(schema)}",
    )
    second = ask(told)
    data, problem = _read(second, checker)
    if problem is not None:
        raise ModelOutputError(f"{what} answered twice in another form than the schema's: {problem}")
    return replace(
        second,
        data=data,
        prompt_tokens=_sum(answer.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(answer.completion_tokens, second.completion_tokens),
    )


def _read(answer: Completion, checker: SchemaChecker) -> tuple[Any, str | None]:
    try:
        data = parse_json(answer.text)
        problem = checker.problem(data)
    except ValueError as error:
        data, problem = None, f"it is not valid JSON ({error})"
    if problem is not None and answer.truncated:
        problem += ", because it was cut off at max_tokens"
    return data, problem


def _say(messages: Sequence[Message], words: str) -> list[Message]:
    """Add words to the last message if it is the user's, else as a message of the user's."""
    if messages and messages[-1].role == "user":
        return [*messages[:-1], Message("user", f"{messages[-1].content}\n\n{words}")]
    return [*messages, Message("user", words)]


def _wish(schema: Schema) -> str:
    text = json.dumps(schema, default=dict, ensure_ascii=False)
    return f"Answer with one JSON value and nothing else. It must satisfy this JSON schema:\n{text}"


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
