"""The export of a Slack workspace: channels as folders with a file a day."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, ClassVar, Final

from lamina.errors import InputError
from lamina.importing.exports import ExportReader, moment_of, rows_in, text_in

LISTS: Final = ("channels.json", "groups.json", "dms.json", "mpims.json", "users.json", "integration_logs.json", "canvases.json")
KEPT: Final = (None, "", "bot_message", "me_message", "thread_broadcast", "file_share", "file_comment")
"""Subtypes that somebody said; the others tell who joined, left or renamed something."""
_DAY = re.compile(r"(.+)/(\d{4}-\d{2}-\d{2})\.json")
_LINK = re.compile(r"<([@#!]?)([^>|]*)(?:\|([^>]*))?>")


@dataclass
class SlackExport(ExportReader):
    """The messages of the channels, day by day.

    A channel is a session, and each thread in it one of its own. Mentions and links are written out with names, times are those of the messages. Joining, leaving
    and the like is counted, as are messages without text; files become metadata.
    """

    form: ClassVar[str] = "Slack"

    @cached_property
    def people(self) -> dict[str, str]:
        """Names by the ids of users."""
        part = self.archive.find("users.json")
        found: dict[str, str] = {}
        try:
            users = rows_in(self.archive.load(part)) if part else []
        except InputError as error:  # messages are worth reading without names
            self.leave(str(error)[:160], str(part))
            users = []
        for user in users:
            profile = user.get("profile")
            profile = profile if isinstance(profile, Mapping) else {}
            names = (user.get("real_name"), profile.get("real_name"), profile.get("display_name"), user.get("name"))
            found[text_in(user.get("id"))] = next((text_in(name) for name in names if text_in(name)), "")
        return found

    def parts(self) -> list[str]:
        """The files of days."""
        return [part for part in self.archive.sizes if _DAY.search(part)]

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages, channel by channel."""
        days = self.parts()
        if not days:
            raise InputError(f"{self.path} has no files of days in it: is it an export of Slack?")
        for other in sorted(self.archive.sizes.keys() - set(days)):
            if PurePosixPath(other).name not in LISTS:
                self.skipped.add("another part of the export", other)
        for part in days:
            channel = PurePosixPath(part).parent.name
            try:
                rows = self.archive.load(part)
            except InputError as error:
                self.leave(str(error)[:160], part)
                continue
            for place, row in enumerate(rows if isinstance(rows, list) else [rows]):
                made = self._message(row, channel, f"{part}:{place + 1}")
                if made is not None:
                    yield made

    def _message(self, row: Any, channel: str, where: str) -> dict[str, Any] | None:
        stamp = text_in(row.get("ts")) if isinstance(row, Mapping) else ""
        at = moment_of(float(stamp)) if re.fullmatch(r"\d+(\.\d+)?", stamp) else None
        if not isinstance(row, Mapping) or row.get("type") != "message" or at is None:
            self.leave("not a message", where)
            return None
        if row.get("subtype") not in KEPT:
            self.skipped.add(f"a note of Slack's own ({text_in(row.get('subtype'))})", where)
            return None
        text = self.written(text_in(row.get("text")))
        files = [text_in(one.get("title")) or text_in(one.get("name")) for one in rows_in(row.get("files"))]
        if not text.strip():
            extra = [text_in(one.get("text")) or text_in(one.get("fallback")) for one in rows_in(row.get("attachments"))]
            text = self.written("\n".join(one for one in extra if one)) or ", ".join(name for name in files if name)
        if not text.strip():
            self.skipped.add("without text", where)
            return None
        thread = text_in(row.get("thread_ts"))
        user = text_in(row.get("user"))
        profile = row.get("user_profile")
        named = profile.get("real_name") if isinstance(profile, Mapping) else None
        speaker = self.people.get(user) or text_in(named) or text_in(row.get("username")) or user
        metadata = {
            "channel": channel,
            "files": files or None,
            "edited": True if row.get("edited") else None,
            "thread": thread or None,
        }
        return {
            "content": text, "role": "assistant" if row.get("subtype") == "bot_message" or row.get("bot_id") else "user", "speaker": speaker or None,
            "at": at, "session": f"{channel}/{thread}" if thread else channel, "origin": f"slack:{channel}:{stamp}",
            "metadata": {name: value for name, value in metadata.items() if value is not None},
        }  # fmt: skip

    def written(self, text: str) -> str:
        """A text with names and labels in place of Slack's marks."""

        def name(found: re.Match[str]) -> str:
            sign, target, label = found[1], found[2], found[3]
            if sign == "@":
                return "@" + (label or self.people.get(target) or target)
            if sign == "#":
                return "#" + (label or target)
            if sign == "!":
                return "@" + (label or target.split("^")[0])
            return f"{label} ({target})" if label and label != target else target

        return html.unescape(_LINK.sub(name, text))
