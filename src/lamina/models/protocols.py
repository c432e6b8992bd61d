"""What an embedder, a language model, a reranker and a token counter are to the rest of the house, and the checks they share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from lamina.errors import InputError, ModelOutputError, VectorError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TextKind = Literal["document", "query"]
"""What an embedded text is for: some embedders treat what is stored and what is asked differently."""

Role = Literal["system", "user", "assistant", "tool"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Schema = Mapping[str, Any]
"""A JSON Schema (draft 2020-12) as a mapping. Its values are any JSON, which has no narrower type."""


WEIGHT: Final = 0.5
"""Weight of a reranker unless another is given. Of 0.25, 0.5, 1 and 2, the one with which a small model of sentences raised
recall@5 most on both collections together without lowering recall@10 much; stronger judges may deserve more."""


class Embedder(Protocol):
    """Turns texts into vectors whose inner product is their likeness.

    `name`: for people; `dim`: components of a vector; `fingerprint`: changes whenever the same text would get another
    vector, so a store can refuse to mix two spaces; `instant`: cheap enough to embed a text inline while searching.
    """

    @property
    def name(self) -> str:
        """The embedder's name."""
        ...

    @property
    def dim(self) -> int:
        """Components of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells this vector space from others."""
        ...

    @property
    def instant(self) -> bool:
        """Whether a query may be embedded inline."""
        ...

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        """Vectors of `texts`: float32 (n, dim), rows of length 1, a zero row where a text has no known token."""
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a model may ask to have done. `parameters` is the JSON schema of its arguments, an object's.

    >>> Tool("add", "Adds numbers.", {"type": "object", "properties": {"numbers": {"type": "array"}}}).name
    'add'
    """

    name: str
    description: str
    parameters: Schema

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _TOOL_NAME.fullmatch(self.name):
            raise InputError(f"{self.name!r} is no name of a tool: use up to 64 letters, digits, - and _")
        if not isinstance(self.parameters, Mapping) or self.parameters.get("type") != "object":
            raise InputError(f"the parameters of the tool {self.name!r} must be the JSON schema of an object")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to use a tool. `arguments` is the JSON text as the model wrote it, which may be malformed.

    `id` ties the result, a message of role "tool", to the call.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt.

    `tool_calls`: what an assistant's message asked for, beside or instead of its text; `tool_call_id`: the call that a message
    of role "tool" answers.

    >>> Message("user", "Where does Ana live?").role
    'user'
    >>> Message("robot", "beep")
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: 'robot' is not a message role: use one of system, user, assistant, tool
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"{self.role!r} is not a message role: use one of {', '.join(ROLES)}")
        if not isinstance(self.content, str):
            raise InputError(f"a message's content must be text, not {type(self.content).__name__}")
        if self.tool_calls and self.role != "assistant":
            raise InputError(f"only an assistant's message calls tools, not one of role {self.role!r}")
        if (self.role == "tool") != bool(self.tool_call_id):
            raise InputError("a message of role 'tool', and only that, names the call it answers in tool_call_id")


@dataclass(frozen=True, slots=True)
class Completion:
    """What a language model answered.

    `data` is the parsed JSON where a schema was given (JSON has no narrower type), else None. `model` is the name the
    endpoint gave itself. Token counts cover every request made for the answer, None where the endpoint does not tell.
    `truncated`: the answer stopped because it reached `max_tokens`. `tool_calls`: the tools it wants used, where it was given any.
    `reused_tokens`: those of the prompt that did not have to be read again, None where nobody tells.
    """

    text: str
    data: Any = None
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    truncated: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    reused_tokens: int | None = None

    @property
    def message(self) -> Message:
        """The answer as a message of the conversation."""
        return Message("assistant", self.text, self.tool_calls)


class LanguageModel(Protocol):
    """Answers a list of messages, freely or in the form of a JSON schema."""

    @property
    def name(self) -> str:
        """The model's name; part of a replay's key."""
        ...

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """The model's answer; with `schema`, `Completion.data` is JSON that satisfies it.

        Raises `ModelError` when the model fails after its retries, `ModelOutputError` when it answers in another form
        than the one asked for, `InputError` for a malformed request.
        """
        ...


class ToolModel(LanguageModel, Protocol):
    """A language model whose endpoint knows tools. `lamina.models.tools.ToolsInWords` makes one of any other."""

    def call(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        *,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """The model's answer, or in `Completion.tool_calls` what it wants done first. Raises as `complete` does."""
        ...


class TokenCounter(Protocol):
    """Counts the tokens of a text as a model would.

    A counter with an attribute `instant` that is true is asked for single lines too; any other a few times for each prompt.
    """

    def count(self, text: str) -> int:
        """The number of tokens of the whole of `text`, without special tokens around it."""
        ...


class Reranker(Protocol):
    """Judges a few passages against a cue, more slowly and more closely than a recall's own ranker.

    `name`: for people; `weight`: how many points of a hit's score one standard deviation of the scores is worth. Among the
    best 50 hits the score itself has a standard deviation of about one point.
    """

    @property
    def name(self) -> str:
        """The reranker's name."""
        ...

    @property
    def weight(self) -> float:
        """Score points for one standard deviation."""
        ...

    def rerank(self, cue: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers the cue: float32 (n,), larger is better, on any scale."""
        ...


def check_texts(texts: Sequence[str], kind: str) -> None:
    """Raise `InputError` unless `texts` is a sequence of strings and `kind` is "document" or "query"."""
    if isinstance(texts, (str, bytes)):
        raise InputError("embed takes a list of texts: put the text in a list")
    if kind not in get_args(TextKind):
        raise InputError(f"{kind!r} is not a kind of text: use one of {', '.join(get_args(TextKind))}")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {position} to embed must be a string, not {type(text).__name__}")


def check_request(messages: Sequence[Message], max_tokens: int, temperature: float) -> None:
    """Raise `InputError` unless a language model could be asked this."""
    if not messages or not all(isinstance(message, Message) for message in messages):
        raise InputError("messages must be a non-empty list of Message(role, content)")
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise InputError(f"max_tokens must be a whole number of at least 1, not {max_tokens!r}")
    if not math.isfinite(temperature) or temperature < 0:
        raise InputError(f"temperature must be a number of at least 0, not {temperature!r}")


def check_tools(messages: Sequence[Message], tools: Sequence[Tool]) -> None:
    """Raise `InputError` unless the tools have different names and every result in `messages` follows its call.

    >>> check_tools([Message("tool", "4", tool_call_id="a")], ())
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: the result of the tool call 'a' stands without its call: keep the two together
    """
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise InputError(f"two tools have one name: {', '.join(sorted(names))}")
    waiting: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                raise InputError(
                    f"the result of the tool call {message.tool_call_id!r} stands without its call: keep the two together"
                )
            waiting.discard(message.tool_call_id)
        elif waiting:
            break
        waiting.update(call.id for call in message.tool_calls)
    if waiting:
        raise InputError(f"the tool call {min(waiting)!r} has no result: add a message of role 'tool' for it")


def check_vectors(array: Any, n: int, dim: int, name: str) -> NDArray[np.float32]:
    """Return what an embedder made as contiguous float32 (n, dim), else raise `VectorError`.

    `array` is whatever came out of an embedder, so its type is open; refused are another shape, values that are no
    numbers, NaN and infinity. `name` is the embedder's, for the message.

    >>> check_vectors([[0.6, 0.8]], 1, 2, "mine").dtype
    dtype('float32')
    >>> check_vectors([[float("nan"), 0.0]], 1, 2, "mine")
    Traceback (most recent call last):
        ...
    lamina.errors.VectorError: embedder 'mine' gave NaN or infinity for text 0: check its model and its input
    """
    import numpy as np

    try:
        with np.errstate(over="ignore"):  # what overflows float32 becomes infinite and is refused below
            vectors: NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
    except (TypeError, ValueError):
        raise VectorError(f"embedder {name!r} gave something that is not a matrix of numbers") from None
    if vectors.shape != (n, dim):
        raise VectorError(f"embedder {name!r} gave an array of shape {vectors.shape} where {(n, dim)} was expected")
    finite = np.isfinite(vectors)
    if not finite.all():
        row = int(np.argmin(finite.all(axis=1)))
        raise VectorError(f"embedder {name!r} gave NaN or infinity for text {row}: check its model and its input")
    return vectors


def check_scores(array: Any, n: int, name: str) -> NDArray[np.float32]:
    """Return what a reranker gave as float32 (n,), else raise `ModelOutputError`. (Whatever came out of it, so of any type.)

    >>> check_scores([0.5, 2], 2, "mine").tolist()
    [0.5, 2.0]
    >>> check_scores([0.5], 2, "mine")
    Traceback (most recent call last):
        ...
    lamina.errors.ModelOutputError: reranker 'mine' gave scores of shape (1,) for 2 texts
    """
    import numpy as np

    try:
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused below
            scores: NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
    except (TypeError, ValueError):
        raise ModelOutputError(f"reranker {name!r} gave something that is not a list of numbers") from None
    if scores.shape != (n,):
        raise ModelOutputError(f"reranker {name!r} gave scores of shape {scores.shape} for {n} texts")
    if not np.isfinite(scores).all():
        raise ModelOutputError(f"reranker {name!r} gave NaN or infinity as a score: check its model and its input")
    return scores


def normalise_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale every row of float32 (n, dim) to length 1 in place and return it; a zero row stays zero.

    >>> import numpy as np
    >>> normalise_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    import numpy as np

    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    lengths[lengths == 0] = 1
    vectors /= lengths[:, None]
    return vectors
