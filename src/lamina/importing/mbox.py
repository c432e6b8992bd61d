"""Archives of mail in the mbox form, as mail programs and Google Takeout write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any, ClassVar, Final

from lamina.errors import InputError
from lamina.importing.exports import ExportReader
from lamina.importing.reading import digest

MAILBOXES: Final = (".mbox", ".mbx")
LARGEST: Final = 32 * 1024**2  # bytes of one mail; what is beyond is skipped
_QUOTED_FROM = re.compile(rb">+From ")
_WROTE = re.compile(
    r"^(?:On\b.{0,300}\bwrote|Am\b.{0,300}\bschrieb.{0,80}|Le\b.{0,300}\ba écrit|-{2,} ?(?:Original Message|Forwarded message) ?-{2,}).*:?\s*$"
)


@dataclass
class Mailbox(ExportReader):
    """The mails of an mbox file, one after another.

    A thread is a session, by the mail it began with; the subject, the recipients and the names of attachments are metadata. What a mail quotes of an earlier one at its
    end is left out of the text (unless `everything` is asked for), since the earlier one is there itself; how many lines that were is metadata. Mail in HTML alone is read as text.
    """

    form: ClassVar[str] = "mbox"

    def parts(self) -> list[str]:
        """The mailboxes: the one file, or those in a folder or an archive whose names say so."""
        parts = list(self.archive.sizes)
        found = parts if len(parts) == 1 else [part for part in parts if part.lower().endswith(MAILBOXES)]
        if not found:
            raise InputError(f"{self.path} has no file {', '.join(MAILBOXES)} in it")
        return found

    def messages(self) -> Iterator[dict[str, Any]]:
        """The mails, in the order of the files."""
        for part in self.parts():
            with self.archive.open(part) as stream:
                for number, (raw, whole) in enumerate(self._split(stream), 1):
                    where = f"{part}: mail {number}"
                    if not whole:
                        self.leave(f"larger than {LARGEST // 1024**2} MB", where)
                        continue
                    made = self._message(raw, where)
                    if made is not None:
                        yield made

    def _split(self, stream: Any) -> Iterator[tuple[bytes, bool]]:
        """The bytes of each mail, and whether they are all of it."""
        lines: list[bytes] = []
        size, inside, blank = 0, False, True
        for line in stream:
            if line.startswith(b"From ") and blank:
                if inside and lines:
                    yield b"".join(lines), size <= LARGEST
                lines, size, inside = [], 0, True
            elif inside:
                size += len(line)
                if size <= LARGEST:
                    lines.append(line[1:] if line[:1] == b">" and _QUOTED_FROM.match(line) else line)
            blank = not line.strip()
        if inside and lines:
            yield b"".join(lines), size <= LARGEST

    def _message(self, raw: bytes, where: str) -> dict[str, Any] | None:
        try:
            mail: EmailMessage = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(raw)
            text, files = body_of(mail)
            senders = getaddresses([str(mail.get("from", ""))])
            to = [name or address for name, address in getaddresses([str(one) for one in mail.get_all("to", [])])]
            subject = str(mail.get("subject", "")).strip()
            ids = [str(mail.get(field, "")).split() for field in ("references", "in-reply-to", "message-id")]
            at = self._moment(mail)
        except Exception as error:  # noqa: BLE001, mail comes in every state, and the parser raises whatever it meets
            self.leave(f"a mail that cannot be parsed ({type(error).__name__})", where)
            return None
        text, quoted = (text.strip(), 0) if self.everything else without_quotes(text)
        if not text.strip():
            text = subject
        if not text.strip():
            self.skipped.add("without text", where)
            return None
        own = ids[2][0] if ids[2] else f"<{digest(raw.decode('latin-1'))}>"
        thread = next((found[0] for found in ids if found), own)
        metadata = {"subject": subject or None, "to": to or None, "attachments": files or None, "quoted_lines": quoted or None}
        speaker = (senders[0][0] or senders[0][1]) if senders else ""
        return {
            "content": text, "speaker": speaker or None, "at": at, "session": thread.strip("<>")[:400], "origin": f"mail:{own.strip('<>')[:400]}",
            "metadata": {name: value for name, value in metadata.items() if value is not None},
        }  # fmt: skip

    @staticmethod
    def _moment(mail: EmailMessage) -> datetime | None:
        header = mail.get("date")
        found = getattr(header, "datetime", None)
        if not isinstance(found, datetime):
            return None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def body_of(mail: EmailMessage) -> tuple[str, list[str]]:
    """The text of a mail, and the names of what is attached."""
    files = [name for part in mail.walk() if (name := part.get_filename())]
    part = mail.get_body(preferencelist=("plain", "html"))
    if part is None:
        return "", files
    try:
        content = part.get_content()
    except (LookupError, ValueError):  # a character set that nobody knows, or a wrong one
        raw = part.get_payload(decode=True)
        content = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    text = content if isinstance(content, str) else ""
    return (plain_of(text) if part.get_content_type() == "text/html" else text.replace("\r\n", "\n")), files


def without_quotes(text: str) -> tuple[str, int]:
    r"""A mail's text without what it quotes at its end, and how many lines that were.

    >>> without_quotes("Yes, at nine.\n\nOn Monday Ana wrote:\n> When does it leave?\n> And where?\n")
    ('Yes, at nine.', 3)
    """
    lines = text.rstrip().split("\n")
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    if end == len(lines):
        return text.strip(), 0
    while end and (_WROTE.match(lines[end - 1]) or not lines[end - 1].strip()):
        end -= 1
    return "\n".join(lines[:end]).strip(), sum(1 for line in lines[end:] if line.strip())


class _Text(HTMLParser):
    """Collects what a page says."""

    BREAKS: Final = frozenset(("p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4", "blockquote"))
    SILENT: Final = frozenset(("script", "style", "head", "title"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self.SILENT
        if tag in self.BREAKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self.SILENT and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def plain_of(page: str) -> str:
    """The text of an HTML page.

    >>> plain_of("<p>Dear Ana,</p><p>see <b>you</b>&nbsp;soon.<script>x()</script></p>")
    'Dear Ana,\\nsee you soon.'
    """
    parser = _Text()
    parser.feed(page)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.found).split("\n"))
    return "\n".join(line for line in lines if line)
