"""The process that is killed: it works on a store until it dies, and writes down what it begins and what was acknowledged.

Run as a program it waits for lines of JSON on its standard input and forks a worker for each, so that one costs milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamina import Memory
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.schema import MIGRATIONS, Migration
from tests.keeping.embedders import WordEmbedder

TOPICS = ("the kettle in the kitchen", "a train to Porto", "her violin lessons", "the roof that leaks", "marathon training")


def _slow_step(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE extra(item INTEGER PRIMARY KEY, words INTEGER NOT NULL)")
    for key, text in connection.execute("SELECT key, text FROM item").fetchall():
        connection.execute("INSERT INTO extra VALUES (?, ?)", (key, len(text.split())))
        connection.execute("UPDATE item SET text = text || '!' WHERE key = ?", (key,))
    connection.execute("DELETE FROM change")


NEXT_MIGRATIONS = (*MIGRATIONS, Migration(MIGRATIONS[-1].to + 1, "a step for this test", _slow_step))


class Log:
    """What was begun and what was acknowledged, one line each; each is one write, so a kill leaves whole lines."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def __call__(self, **entry: Any) -> None:
        os.write(self._file, (json.dumps(entry) + "\n").encode())


class Worker:
    """Random work on one memory."""

    def __init__(self, path: str, log: Log, seed: int, imports: list[str]) -> None:
        self.memory = Memory(path, embedder=WordEmbedder())
        self.log = log
        self.random = random.Random(seed)
        self.seed = seed
        self.count = 0
        self.imports = imports
        self.ids: list[str] = [item.id for item in self.memory.get_all(limit=100, order="-recorded", scope="*", kinds="trace")]
        self.hidden: list[str] = []

    def text(self, long: int = 0) -> str:
        self.count += 1
        return f"no-{self.seed}-{self.count} was about {self.random.choice(TOPICS)}. " + "More was said then. " * long

    def whose(self) -> dict[str, str]:
        return {"user": f"user {self.random.randrange(3)}", "session": f"session {self.random.randrange(20)}"}

    def some(self) -> list[str]:
        count = min(len(self.ids), self.random.choice((1, 1, 2, 5)))
        return self.random.sample(self.ids, count)

    def add(self) -> None:
        count = self.random.choice((1, 1, 1, 3, 8))
        texts = [self.text(long=600 if self.random.random() < 0.05 else 0) for _ in range(count)]
        self.log(begin="add", texts=[text[:40] for text in texts], whole=[len(text) for text in texts])
        ids = self.memory.add(texts if count > 1 else texts[0], **self.whose())  # type: ignore[arg-type]
        kept = {item.id: item.text for item in self.memory.store.items.get(ids) if item is not None}
        self.log(done="add", ids={id: kept[id] if len(kept[id]) < 200 else len(kept[id]) for id in ids})
        self.ids += ids

    def add_many(self) -> None:
        texts = [self.text() for _ in range(40)]
        self.log(begin="add_many", texts=[text[:40] for text in texts], batch=10)
        self.memory.add_many(texts, batch=10, progress=lambda done: self.log(progress=done), **self.whose())
        self.log(done="add_many")

    def delete(self) -> None:
        ids = self.some()
        self.log(begin="delete", ids=ids)
        self.memory.delete(ids)
        self.log(done="delete", ids=ids)
        self.ids = [id for id in self.ids if id not in ids]
        self.hidden = [id for id in self.hidden if id not in ids]

    def delete_derived(self) -> None:
        page = self.memory.get_all(limit=20, scope="*", kinds="episode")
        if page.items:
            id = self.random.choice(page.items).id
            self.log(begin="delete", ids=[id])
            self.memory.delete(id)
            self.log(done="delete", ids=[])

    def forget(self) -> None:
        ids = self.some()
        self.log(begin="forget", ids=ids)
        self.memory.forget(ids)
        self.log(done="forget", ids=ids)
        self.hidden += ids

    def restore(self) -> None:
        ids, self.hidden = self.hidden[:3], self.hidden[3:]
        self.log(begin="restore", ids=ids)
        self.memory.restore(ids)
        self.log(done="restore", ids=ids)

    def update(self) -> None:
        old, text = self.random.choice(self.ids), self.text()
        item = self.memory.get(old)
        if item is None or item.retired_at is not None:
            return
        self.log(begin="update", id=old, texts=[text[:40]])
        new = self.memory.update(old, text)
        self.log(done="update", id=old, new=new, text=text)
        self.ids.append(new)

    def import_(self) -> None:
        if not self.imports:
            return
        path = self.imports.pop()
        self.log(begin="import", path=path)
        self.memory.import_(path)
        self.log(done="import", path=path)

    def consolidate(self) -> None:
        self.log(begin="consolidate")
        self.memory.consolidate()
        self.log(done="consolidate")

    def work(self) -> None:
        while True:
            weighted: list[tuple[int, Callable[[], None]]] = [
                (20, self.add), (12, self.add_many), (2, self.consolidate), (2, self.import_), (2, self.delete_derived),
                *([(14, self.delete), (8, self.forget), (5, self.restore), (8, self.update)] if len(self.ids) > 10 else []),
            ]  # fmt: skip
            self.random.choices([step for _, step in weighted], [weight for weight, _ in weighted])[0]()


def migrate(path: str, log: Log, folder: str) -> None:
    """Upgrade copy after copy of a store."""
    number = 0
    while True:
        number += 1
        copy = str(Path(folder) / f"copy-{os.getpid()}-{number}.db")
        shutil.copy(path, copy)
        log(begin="migrate", path=copy)
        SQLiteStore(copy, migrations=NEXT_MIGRATIONS).close()
        log(done="migrate", path=copy)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            log = Log(order["log"])
            if order["migrate"]:
                migrate(order["path"], log, order["folder"])
            Worker(order["path"], log, order["seed"], order["imports"]).work()
        print(pid, flush=True)
        began = time.monotonic()
        _, status = os.waitpid(pid, 0)
        print(status, time.monotonic() - began, flush=True)


if __name__ == "__main__":
    main()
