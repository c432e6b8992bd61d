"""Two kinds of time: when something was true (`as_of`), and when it was known (`known_at`)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory
from lamina.records import Run
from lamina.times import isoformat, parse_moment


class Clock:
    """A clock that is set by hand, so that the example always says the same."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        """The time in UTC microseconds."""
        return self.now

    def set(self, words: str) -> None:
        """Set the time."""
        self.now = parse_moment(words).at


def main(folder: Path) -> None:
    """Run the example in a folder."""
    clock = Clock()
    with Memory(folder / "time.db", run=Run(clock=clock)) as memory:
        clock.set("2026-01-10")
        memory.add("The shop rent is 1,450 euros.", at="2026-01-10", until="2026-02-01")
        clock.set("2026-01-23")
        memory.add("The shop rent is 1,380 euros.", at="2026-02-01")
        clock.set("2026-03-05")
        wrong = memory.add("The shop opens on 6 June.", at="2026-03-05")[0]
        clock.set("2026-03-20")
        memory.update(wrong, "The shop opens on 11 July.")

        for day in ("2026-01-15", "2026-02-15"):
            hit = memory.search("how much is the shop rent?", k=1, as_of=day)[0]
            print(f"true on {day}:  {hit.text}")
        for day in ("2026-03-10", "2026-03-25"):
            hit = memory.search("when does the shop open?", k=1, known_at=day)[0]
            print(f"known on {day}: {hit.text}")
        for item in memory.history(wrong):
            state = "" if item.retired_at is None else f", until {isoformat(item.retired_at)[:10]}"
            print(f"version of {isoformat(item.recorded_at)[:10]}{state}: {item.text}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
