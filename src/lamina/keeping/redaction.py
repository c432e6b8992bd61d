"""Redaction: what must not be remembered is taken out before anything is stored, embedded or logged.

Rules find what has a form of its own: addresses, numbers with checksums, keys. What is personal by its meaning (a diagnosis, a name) has none; for that, hand in a redactor
of your own.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from lamina.errors import ConfigError, InputError
from lamina.keeping.messages import Draft


@runtime_checkable
class Redactor(Protocol):
    """Takes out of a text what must not be kept."""

    def redact(self, text: str) -> tuple[str, Mapping[str, int]]:
        """The text without it, and how many of each kind were taken out."""
        ...


def _luhn(text: str) -> bool:
    digits = [int(sign) for sign in text if sign.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _iban(text: str) -> bool:
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def _phone(text: str) -> bool:
    digits = [sign for sign in text if sign.isdigit()]
    international = text.lstrip("(").startswith("+")
    return 9 <= len(digits) <= 15 if international else len(digits) in (10, 11) and bool(re.search(r"[ ().-]", text))


def _address(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not found.is_loopback and not found.is_unspecified


def _random(text: str) -> bool:
    """Whether a word looks drawn at random: letters and digits mixed, with some 3.3 bits a sign or more."""
    value = re.split(r"[=:\s\"']+", text)[-1] or text
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return len(value) >= 16 and entropy >= 3.3 and any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)


RULES: Final[Mapping[str, Sequence[tuple[re.Pattern[str], Callable[[str], bool] | None]]]] = {
    "secret": (
        (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), None),
        (re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"), None),
        (
            re.compile(
                r"\b(?:sk-(?:proj-|ant-)?[\w-]{20,}|gh[pousr]_\w{30,}|github_pat_\w{30,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|"
                r"glpat-[\w-]{20,}|npm_\w{30,}|hf_\w{30,}|[sr]k_(?:live|test)_\w{16,})"
            ),
            None,
        ),
        (
            re.compile(
                r"(?i)\b(?:api[_-]?key|secret|token|passwor[dt]|passwd|pwd|bearer|authorization)\b[\"']?\s*(?:[:=]|\bis\b)?\s*[\"']?[\w+/=.-]{16,}"
            ),
            _random,
        ),
        (re.compile(r"(?i)\b(?:password|passwort|passwd|pwd)\b\s*(?:[:=]|\bis\b)\s*[\"']?[^\s\"',;]{6,}(?<!\.)"), None),
    ),
    "email": ((re.compile(r"\b[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,24}\b"), None),),
    "iban": ((re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"), _iban),),
    "card": ((re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-])"), _luhn),),
    "ip": (
        (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d|-[A-Za-z])"), _address),
        (re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){2,7}:?[0-9A-Fa-f]{1,4}(?![\w:])"), _address),
    ),
    "phone": ((re.compile(r"(?<![\w.+-])(?:\+|\(\+?)?\d(?:[ ().-]{0,2}\d){8,14}(?![\w-])"), _phone),),
}
"""The rules by the kinds of what they find, in the order in which they are applied; a found text counts where the check behind its form says so."""


@dataclass(frozen=True)
class RuleRedactor:
    """Puts `[email]`, `[card]` and the like in the place of what the rules of some kinds find.

    Parameters: `kinds`, of those in RULES; default: all.

    >>> RuleRedactor().redact("Write to ana@example.org, or call +351 912 345 678 before 2026-05-01.")
    ('Write to [email], or call [phone] before 2026-05-01.', {'email': 1, 'phone': 1})
    """

    kinds: Sequence[str] = tuple(RULES)

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in RULES:
                raise ConfigError(f"there is no rule of redaction {kind!r}: use {', '.join(RULES)} or all")

    def redact(self, text: str) -> tuple[str, Mapping[str, int]]:
        """The text with placeholders, and how many of each kind."""
        counts: dict[str, int] = {}
        for kind, rules in RULES.items():
            if kind in self.kinds:
                for form, check in rules:
                    text = form.sub(partial(_replaced, kind, check, counts), text)
        return text, counts


def _replaced(kind: str, check: Callable[[str], bool] | None, counts: dict[str, int], found: re.Match[str]) -> str:
    if check is not None and not check(found[0]):
        return found[0]
    counts[kind] = counts.get(kind, 0) + 1
    return f"[{kind}]"


@dataclass(frozen=True)
class CallableRedactor:
    """A function from text to text as a redactor; what it changes counts as `own`."""

    function: Callable[[str], str]

    def redact(self, text: str) -> tuple[str, Mapping[str, int]]:
        """What the function makes of the text."""
        found = self.function(text)
        if not isinstance(found, str):
            raise InputError(f"a redactor must give back text, not {type(found).__name__}")
        return found, {"own": 1} if found != text else {}


def load_redactor(given: str | Redactor | Callable[[str], str] | None) -> Redactor | None:
    """The redactor that a setting names ("email,phone", "all", "none"), or that is handed in."""
    if given is None or isinstance(given, str):
        kinds = [kind.strip() for kind in (given or "").split(",") if kind.strip()]
        if not kinds or kinds == ["none"]:
            return None
        return RuleRedactor() if kinds == ["all"] else RuleRedactor(tuple(kinds))
    if isinstance(given, Redactor):
        return given
    if callable(given):
        return CallableRedactor(given)
    raise InputError(f"a redactor must be a spec such as 'email,phone', a function or an object with redact(text), not {given!r}")


def redacted(draft: Draft, redactor: Redactor) -> Draft:
    """A draft with everything in it that is text redacted: text, captions, speaker, place, metadata, tool calls. What was taken out is counted under `redacted`."""
    counts: Counter[str] = Counter()

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            text, found = redactor.redact(value)
            counts.update(found)
            return text
        if isinstance(value, Mapping):
            return {clean(name): clean(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(one) for one in value]
        return value

    text, data = clean(draft.text), {name: clean(value) for name, value in draft.data.items()}
    if not counts:
        return draft
    if not text.strip():
        text = "[redacted]"
    return replace(draft, text=text, data={**data, "redacted": dict(counts)})
