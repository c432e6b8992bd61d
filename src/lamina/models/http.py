"""JSON over HTTP with timeouts, retries and a key that shows nowhere: what every remote model stands on."""

from __future__ import annotations

import email.utils
import json
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from lamina.errors import ConfigError, InputError, MissingExtraError, ModelError
from lamina.models.event_stream import EventStream

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger("lamina.models.http")

_Found = TypeVar("_Found")
RETRIED: Final = frozenset({408, 409, 429})  # of the 4xx; every 5xx but 501 is retried too
HIDDEN: Final = "[key]"  # what stands where an endpoint echoes the key
_SHOWN: Final = 300  # characters of an endpoint's error message that are passed on


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a failed request is repeated.

    Waits grow as `first_delay * 2**attempt` seconds up to `max_delay`, each shortened by up to half at random. A
    `Retry-After` header lengthens a wait up to `max_wait` seconds; an endpoint that asks for more fails at once.
    `sleep`, `now` (UTC seconds) and `seed` come from outside so that tests repeat; `seed=None` draws a fresh one.

    >>> delays = Retry(seed=1).delays()
    >>> 0.25 <= delays(0) <= 0.5, 4 <= delays(4) <= 8
    (True, True)
    """

    attempts: int = 5
    first_delay: float = 0.5
    max_delay: float = 30.0
    max_wait: float = 120.0
    seed: int | None = None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_delay, self.max_delay, self.max_wait) < 0:
            raise InputError("Retry takes at least 1 attempt and waits of at least 0 seconds")

    def delays(self) -> Callable[[int], float]:
        """A function from the number of failures so far, less one, to the seconds to wait."""
        generator = random.Random(self.seed)

        def delay(attempt: int) -> float:
            return min(self.max_delay, self.first_delay * 2.0 ** min(attempt, 60)) * (0.5 + generator.random() / 2)

        return delay


class RequestRefused(ModelError):
    """The endpoint refused the request itself (a 4xx that no repetition mends); `status` and `detail` say why."""

    def __init__(self, message: str, status: int = 0, detail: str = "") -> None:  # defaults: for pickle
        super().__init__(message)
        self.status = status
        self.detail = detail


class JsonEndpoint:
    """Posts JSON to one base address and returns JSON; may be shared by threads.

    Parameters: `what`, the model's name in messages; `base_url`; `headers` from the key to the headers that carry it;
    `api_key` (None: none is sent); `timeout` in seconds without a byte from the endpoint; `transport` for tests. Raises
    `ConfigError` for an address or key that cannot be used, `MissingExtraError` where httpx is missing.
    """

    connect_timeout: Final = 10.0  # seconds

    def __init__(
        self,
        what: str,
        base_url: str,
        headers: Callable[[str], Mapping[str, str]],
        api_key: str | None = None,
        timeout: float = 60.0,
        retry: Retry | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        try:
            import httpx
        except ImportError:
            raise MissingExtraError.for_extra("models", "a remote model", "httpx") from None
        self._httpx = httpx
        self.base_url = _check_address(base_url)
        self._what = what
        self._secret = _Secret(api_key)
        self._headers = headers
        if not math.isfinite(timeout) or timeout <= 0:
            raise ConfigError(f"a timeout must be a number of seconds above 0, not {timeout!r}")
        self._timeout = httpx.Timeout(timeout, connect=min(self.connect_timeout, timeout))
        self._retry = retry or Retry()
        self._delay = self._retry.delays()
        self._transport = transport
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint's JSON object for `body` (any JSON, which has no narrower type).

        Raises `RequestRefused` for a 4xx that is not worth repeating, `ModelError` when the attempts are used up or the
        answer is not a JSON object.
        """
        raw = _encode(body)
        return self._repeated(lambda: self._attempt(path, raw))

    def stream(self, path: str, body: Mapping[str, Any]) -> EventStream:
        """The events that the endpoint answers `body` with, once it has begun to. Raises as `post` does; nothing is repeated once an answer has begun."""
        raw = _encode(body)
        return self._repeated(lambda: self._begin(path, raw))

    def _repeated(self, attempt_once: Callable[[], _Found | _Failure]) -> _Found:
        for attempt in range(self._retry.attempts):
            outcome = attempt_once()
            if not isinstance(outcome, _Failure):
                return outcome
            if attempt + 1 == self._retry.attempts:
                tries = "1 attempt" if attempt == 0 else f"{attempt + 1} attempts"
                raise ModelError(f"{self._what} at {self.base_url} failed after {tries}: {outcome.reason}")
            wait = max(self._delay(attempt), outcome.retry_after)
            if wait > self._retry.max_wait:
                raise ModelError(
                    f"{self._what} at {self.base_url} asks to wait {wait:.0f} s ({outcome.reason}), more than "
                    f"the {self._retry.max_wait:.0f} s allowed: run it again later"
                )
            _log.warning("%s: %s; attempt %d follows in %.1f s", self._what, outcome.summary, attempt + 2, wait)
            self._retry.sleep(wait)
        raise AssertionError("unreachable: attempts is at least 1")

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _attempt(self, path: str, raw: bytes) -> dict[str, Any] | _Failure:
        """One request: the answer, or a failure that is worth repeating; raises what is not."""
        response = self._send(path, raw, stream=False)
        return response if isinstance(response, _Failure) else self._read(response)

    def _begin(self, path: str, raw: bytes) -> EventStream | _Failure:
        """The same of an answer that comes in events."""
        response = self._send(path, raw, stream=True)
        if isinstance(response, _Failure):
            return response
        if response.status_code < 300:
            return EventStream(response, f"{self._what} at {self.base_url}", self._described)
        try:
            response.read()
        except self._httpx.HTTPError as error:
            return _Failure(f"connection failed ({type(error).__name__})")
        finally:
            response.close()
        failure = self._read(response)
        assert isinstance(failure, _Failure)  # it raises what is not worth repeating
        return failure

    def _send(self, path: str, raw: bytes, stream: bool) -> httpx.Response | _Failure:
        failure = fatal = None
        try:
            client = self._open()
            request = client.build_request("POST", f"{self.base_url}/{path}", content=raw, headers=self._all_headers())
            response = client.send(request, stream=stream)
        except self._httpx.TimeoutException as error:
            failure = _Failure(f"no answer in time ({type(error).__name__})")
        except self._httpx.TransportError as error:
            failure = _Failure(f"connection failed ({type(error).__name__}: {self._secret.hide_in(str(error))})")
        except self._httpx.HTTPError as error:
            fatal = f"unreadable answer ({type(error).__name__}: {self._secret.hide_in(str(error))})"
        if failure is not None:  # raised and returned out here: the caught error holds the request, and that the key
            return failure
        if fatal is not None:
            raise ModelError(f"{self._what} at {self.base_url}: {fatal}")
        return response

    def _read(self, response: httpx.Response) -> dict[str, Any] | _Failure:
        status = response.status_code
        if status >= 300:
            detail = self._described(response.text)
            summary = f"HTTP {status}"
            if status in RETRIED or (status >= 500 and status != 501):
                after = _retry_after(response.headers.get("retry-after"), self._retry.now())
                return _Failure(f"{summary}: {detail}" if detail else summary, after, summary)
            advice = ": check the API key" if status in (401, 403) else ""
            raise RequestRefused(
                f"{self._what} at {self.base_url} refused the request ({summary}{advice}): {detail}", status, detail
            )
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ModelError(f"{self._what} at {self.base_url} answered with something that is not a JSON object")
        return answer

    def _described(self, text: str) -> str:
        """What an endpoint says of an error, short and without the key."""
        return _shorten(self._secret.hide_in(_error_detail(text)))

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = self._httpx.Client(timeout=self._timeout, transport=self._transport)
            return self._client

    def _all_headers(self) -> dict[str, str]:
        return {"content-type": "application/json", **(self._headers(self._secret.key) if self._secret.key else {})}

    def __repr__(self) -> str:
        return f"JsonEndpoint({self.base_url!r})"


class _Failure:
    """Why an attempt failed; `summary` is safe to log, `reason` may quote the endpoint."""

    def __init__(self, reason: str, retry_after: float = 0.0, summary: str | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after  # seconds
        self.summary = summary or reason


class _Secret:
    """An API key that does not show in a repr."""

    __slots__ = ("key",)

    def __init__(self, key: str | None) -> None:
        key = (key or "").strip()
        if not all("!" <= character <= "~" for character in key):
            raise ConfigError("the API key has characters no header can carry: look for quotes, blanks or line breaks")
        self.key = key

    def hide_in(self, text: str) -> str:
        return text.replace(self.key, HIDDEN) if self.key else text

    def __repr__(self) -> str:
        return HIDDEN


def _check_address(base_url: str) -> str:
    import httpx

    try:
        httpx.URL(base_url)
        address = urlsplit(base_url)
        whole = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except (httpx.InvalidURL, TypeError, ValueError):  # ValueError: a bracket or a port that is none
        whole = False
    if whole and (address.username is not None or address.query or address.fragment):
        raise ConfigError("base_url must not carry a user, a password or a query: give the key as api_key")
    if not whole:
        shown = "(not shown)" if "@" in str(base_url) else repr(base_url)  # it may hold a password
        raise ConfigError(f"base_url {shown} is not an address such as 'http://localhost:8000/v1'")
    return base_url.rstrip("/")


def _encode(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except UnicodeEncodeError:
        raise InputError("a text with a lone surrogate cannot be sent: clean it with lamina.text.mend_text") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the request cannot be written as JSON: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _error_detail(text: str) -> str:
    """The message inside an error answer, in whichever form endpoints give it, on one line."""
    found: object = text
    try:
        found = json.loads(text)
        for key in ("error", "message", "detail"):
            if isinstance(found, dict) and key in found:
                found = found[key]
    except (ValueError, RecursionError):
        pass
    return " ".join((found if isinstance(found, str) else json.dumps(found)).split())


def _shorten(line: str) -> str:
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _retry_after(value: str | None, now: float) -> float:
    """Seconds to wait by a `Retry-After` header, which is a number of seconds or a date; 0 where it is neither."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
