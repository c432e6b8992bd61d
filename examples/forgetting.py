"""Fading by a policy: what is never used goes, what is of use stays, and a date to come is kept. Then deleting for good."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory
from lamina.episodic.forgetting import EbbinghausForgetting
from lamina.records import Filter, Run
from lamina.times import DAY, parse_moment


class Clock:
    """A clock that is set by hand, so that the example always says the same."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        """The time in UTC microseconds."""
        return self.now


def main(folder: Path) -> None:
    """Run the example in a folder."""
    clock = Clock(parse_moment("2026-06-01").at)
    policy = EbbinghausForgetting(tau_days=5, threshold=0.2)  # forgets what has faded below 20 %
    with Memory(folder / "fading.db", run=Run(clock=clock)) as memory:
        for day in range(8):
            memory.add(f"On day {day} the tram was {day + 2} minutes late.", at=clock.now, user="ana")
        memory.add("The dentist is on 12 December 2026.", at=clock.now, user="ana")
        memory.add("Ana is allergic to walnuts.", at=clock.now, user="ana")

        for _ in range(3):  # twice a week an answer makes use of the allergy
            clock.now += 3 * DAY
            used = memory.search("what is Ana allergic to?", user="ana", k=1)
            memory.reinforce(used, policy=policy)

        count = memory.forget(policy=policy, user="ana")
        print(f"after nine days {count} of 10 are forgotten; left:")
        for item in memory.get_all(user="ana"):
            print("  ", item.text)

        hidden = [item.id for item in memory.get_all(where=Filter(forgotten=True), user="ana") if item.forgotten]
        print(memory.restore(hidden[:1]), "brought back")

        gone = memory.delete_all(user="ana")
        report = memory.scrub()
        print(f"{gone} items deleted for good; the file went from {report.bytes_before:,} to {report.bytes_after:,} bytes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
