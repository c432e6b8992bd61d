"""Write, sleep, search, and a text for a prompt that stays under its budget."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory


def main(folder: Path) -> None:
    """Run the example in a folder."""
    with Memory(folder / "agent.db") as memory:
        memory.add("Ana moved from Porto to Lisbon in March.", user="ana", at="2026-04-02T09:30:00+01:00")
        memory.add("Her new flat has a small balcony full of basil.", user="ana", at="2026-04-02T09:31:00+01:00")
        memory.add("Ben is looking for a flat in Porto.", user="ben", at="2026-04-03")

        reports = memory.consolidate()  # "sleep": build the upper layers
        print("made:", ", ".join(f"{report.made} {report.stage} in {report.scope}" for report in reports))

        for hit in memory.search("where does Ana live now?", user="ana", k=3):
            print(f"{hit.score:6.2f}  {hit.when}  {hit.text}")

        recall = memory.context("where does Ana live now?", user="ana", budget=120)
        print(recall.text)
        print(f"{recall.tokens} of {recall.budget} tokens")
        assert recall.tokens <= recall.budget


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
