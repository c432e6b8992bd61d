"""Redaction: what has a form of its own is found, what only looks like it is left, and what was taken out is nowhere in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina import Memory
from lamina.errors import ConfigError, InputError
from lamina.keeping.redaction import RULES, RuleRedactor, load_redactor

CORPORA = Path(__file__).resolve().parents[2] / "corpora"
FOUND = {
    "email": ["ana.silva+x@mail.example.co.uk", "b@x.io"],
    "phone": ["+351 912 345 678", "(030) 1234-5678", "+1 (415) 555-0132", "+44 20 7946 0958"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "PT50 0002 0123 1234 5678 9015 4"],
    "ip": ["192.168.10.24", "2001:db8:85a3:0:0:8a2e:370:7334"],
    "secret": [
        "sk-proj-abcdefghijklmnop1234567890", "ghp_" + "a1" * 18, "AKIAIOSFODNN7EXAMPLE", "xoxb-123456789012-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "api_key = 'q8Zr2LmX0vBt7NcY4KdW'", "Authorization: Bearer 9f8e7d6c5b4a39281706abcdef", "password: hunter2!x",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    ],
}  # fmt: skip
LEFT = [
    "on 2026-03-14 at 09:30:00", "ISBN 978-3-16-148410-0", "version 10.4.2 of 1.2.3.4-beta", "order 100200300", "call extension 4421", "127.0.0.1:8080",
    "4111 1111 1111 1112", "the years 1990 1991 1992", "a token of my love", "she knows the password", "DE00 0000 0000 0000 0000 00", "3.14159265358979",
    "commit 3f2a9c1", "me @ home", "12:34:56", "1,234,567,890 people", "the secret is that nobody knows", "2026-11-26T10:00:00.123456",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_what_has_the_form_is_found(kind: str, text: str) -> None:
    clean, counts = RuleRedactor().redact(f"Please note {text}, thanks.")
    assert counts.get(kind) == 1, (clean, counts)
    assert f"[{kind}]" in clean
    assert text not in clean


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert RuleRedactor().redact(text) == (text, {})


def test_ordinary_conversations_are_left_alone() -> None:
    texts = [
        json.loads(line).get("text", "")
        for folder in ("conversations", "passages")
        for path in (CORPORA / folder).glob("*.jsonl")
        for line in path.open(encoding="utf-8")
    ]
    changed = [(text, RuleRedactor().redact(text)[1]) for text in texts if text and RuleRedactor().redact(text)[1]]
    print(f"{len(changed)} of {len(texts):,} texts changed: {changed[:5]}")
    assert len(changed) / len(texts) <= 0.002


def test_what_was_taken_out_is_nowhere_in_the_file(tmp_path: Path) -> None:
    secret, mail = "sk-proj-zzzzzzzzzzzzzzzz99887766", "hidden.person@example.org"
    with Memory(tmp_path / "m.db", redact="all") as memory:
        [id] = memory.add(
            {
                "content": f"My key is {secret}.", "speaker": mail, "role": "user", "place": mail, "captions": [f"a photo of {mail}"],
                "metadata": {"contact": {"of": [mail]}, "n": 3}, "tool_calls": [{"function": {"arguments": json.dumps({"to": mail})}}],
            },
            user="ana",
        )  # fmt: skip
        memory.add_many([{"text": f"again {secret} {n}"} for n in range(20)], user="ana")
        new = memory.update(id, f"Now it is {secret}!", metadata={"also": mail})
        memory.consolidate()
        item = memory.get(new)
        assert item is not None
        assert item.text == "Now it is [secret]!"
        assert item.metadata["contact"] == {"of": ["[email]"]}
        assert item.data["redacted"]["secret"] == 1
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in raw
    assert mail.encode() not in raw


def test_a_redactor_of_ones_own_is_called_and_one_that_fails_stops_the_write() -> None:
    with Memory(":memory:", redact=lambda text: text.replace("Ana", "A.")) as memory:
        [id] = memory.add("Ana lives in Braga.")
        item = memory.get(id)
        assert item is not None
        assert item.text == "A. lives in Braga."
        assert item.data["redacted"] == {"own": 1}

    def fails(text: str) -> str:
        if "bad" in text:
            raise RuntimeError("no")
        return text

    with Memory(":memory:", redact=fails) as memory:
        with pytest.raises(RuntimeError):
            memory.add(["good", "bad"])
        assert memory.count() == 0
    with Memory(":memory:", redact=lambda text: "") as memory:
        memory.add("everything goes")
        assert memory.get_all().items[0].text == "[redacted]"


@pytest.mark.parametrize("bad", ["everything", "email,taxes", 7])
def test_a_redaction_that_does_not_exist_is_refused(bad: Any) -> None:
    with pytest.raises((ConfigError, InputError)):
        Memory(":memory:", redact=bad)


def test_a_setting_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_REDACT", "email")
    with Memory(":memory:") as memory:
        memory.add("a@b.example and +351 912 345 678")
        assert memory.get_all().items[0].text == "[email] and +351 912 345 678"
    assert load_redactor("none") is load_redactor(None) is None
    assert load_redactor(" email , ip ") == RuleRedactor(("email", "ip"))
    assert set(RULES) >= {"email", "phone", "card", "iban", "ip", "secret"}
