"""Writes an export of ChatGPT of any size in its true form, from words of the written corpora, the same for the same seed.

python -m lamina.bench.chatgpt_export --megabytes 100 --out conversations.json
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

WORDS: Final = """the a of and to in is it that was for on with as at by from this have be not are or an but they which you one we all can her has there been if more
    when will would who so no out up about into than them then some these its only could other new two may first also any like now my such over our after most
    way where before through back much good just because each those people how too little world very year still see work life own day between never under
    while last might great old down same off come since against go right used take three state place long home water room think small large find again part
    ferry harbour kettle sardines garden balcony bicycle train lighthouse invoice meeting deploy branch database index query parser thread cache token budget
    Lisbon Porto Braga Clara Ana Ben Felix Tavira Monday March April June""".split()
START: Final = 1_690_000_000.0  # seconds since 1970 of the first conversation


def sentences(random: Random, words: int) -> str:
    """So many words in sentences."""
    found: list[str] = []
    while words > 0:
        length = min(words, random.randint(5, 18))
        line = " ".join(random.choices(WORDS, k=length))
        found.append(line[0].upper() + line[1:] + ".")
        words -= length
    return " ".join(found)


def conversation(random: Random, number: int) -> dict[str, Any]:
    """One conversation as the export has it: a tree with a root, a hidden system message, turns, now and then an edited branch, code or a picture."""
    mapping: dict[str, Any] = {}
    now = START + number * 3600.0

    def node(parent: str | None, message: dict[str, Any] | None) -> str:
        id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        mapping[id] = {"id": id, "message": message, "parent": parent, "children": []}
        if parent is not None:
            mapping[parent]["children"].append(id)
        return id

    def message(role: str, content: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        nonlocal now
        now += random.uniform(2, 90)
        return {
            "id": str(uuid.UUID(int=random.getrandbits(128), version=4)), "author": {"role": role, "name": None, "metadata": {}},
            "create_time": now, "update_time": None, "content": content, "status": "finished_successfully", "end_turn": True, "weight": 1.0,
            "metadata": {"timestamp_": "absolute", "model_slug": "gpt-4o", "message_type": None, **metadata}, "recipient": "all", "channel": None,
        }  # fmt: skip

    def text(words: int) -> dict[str, Any]:
        return {"content_type": "text", "parts": [sentences(random, words)]}

    last = node(None, None)
    hidden = message("system", {"content_type": "text", "parts": [""]}, is_visually_hidden_from_conversation=True)
    last = node(last, hidden)
    for _ in range(random.randint(2, 24)):
        if random.random() < 0.05:  # asked otherwise at first
            node(node(last, message("user", text(20))), message("assistant", text(90)))
        kind = random.random()
        asked = text(random.randint(4, 60))
        if kind < 0.04:
            picture = {"content_type": "image_asset_pointer", "asset_pointer": f"file-service://file-{number}", "size_bytes": 1}
            asked = {"content_type": "multimodal_text", "parts": [picture, asked["parts"][0]]}
        last = node(last, message("user", asked))
        if kind > 0.95:
            last = node(last, message("tool", {"content_type": "execution_output", "text": sentences(random, 25)}))
        last = node(last, message("assistant", text(random.randint(20, 260))))
    return {
        "title": sentences(random, 4).rstrip("."), "create_time": START + number * 3600.0, "update_time": now, "mapping": mapping,
        "moderation_results": [], "current_node": last, "plugin_ids": None, "conversation_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "id": "", "is_archived": False, "default_model_slug": "gpt-4o",
    }  # fmt: skip


def pieces(megabytes: float, seed: int = 0) -> Iterator[str]:
    """The text of the file, a conversation at a time, until it has so many million bytes."""
    random, size, number = Random(seed), 2, 0
    yield "["
    while size < megabytes * 1e6:
        made = conversation(random, number)
        made["id"] = made["conversation_id"]
        text = (", " if number else "") + json.dumps(made)
        size += len(text)
        number += 1
        yield text
    yield "]"


def write_export(path: Path, megabytes: float, seed: int = 0) -> int:
    """Write the export; returns how many bytes it has."""
    with path.open("w", encoding="utf-8") as file:
        return sum(file.write(piece) for piece in pieces(megabytes, seed))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write an export of ChatGPT in its true form.")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    write_export(given.out, given.megabytes, given.seed)


if __name__ == "__main__":
    main()
