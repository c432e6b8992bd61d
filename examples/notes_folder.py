"""A folder of notes: read it, change a note, read it again. What is known already is not stored twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lamina import Memory
from lamina.importing import Skipped, readers_of

NOTES = {
    "2026-03-14 Tavira.md": "# Tavira\n\nThe ferry to the island leaves at nine.\n\n## Food\n\nSardines at the market hall.\n",
    "garden/basil.md": "---\ndate: 2026-05-01\ntags: garden\n---\n# Basil\n\nWater it in the evening, never at noon.\n",
    "garden/photo.txt": "\0\1\2",
}


def read(memory: Memory, folder: Path) -> None:
    """Store what is new in the folder."""
    skipped = Skipped()
    before = memory.count(kinds=["trace"])
    for reader in readers_of(folder, skipped):
        memory.add_many(reader)
    print(f"{memory.count(kinds=['trace']) - before} new passages; {skipped}")


def main(folder: Path) -> None:
    """Run the example in a folder."""
    notes = folder / "notes"
    for name, text in NOTES.items():
        (notes / name).parent.mkdir(parents=True, exist_ok=True)
        (notes / name).write_text(text, encoding="utf-8")
    with Memory(folder / "notes.db") as memory:
        read(memory, notes)
        read(memory, notes)  # nothing new
        with (notes / "garden/basil.md").open("a", encoding="utf-8") as file:
            file.write("\n## Pests\n\nSlugs come after rain: copper tape helps.\n")
        read(memory, notes)  # the new section alone
        memory.consolidate()
        hit = memory.search("what helps against slugs?", k=1)[0]
        print(hit.text)
        print("from", hit.item.metadata["path"], "under", " / ".join(hit.item.metadata["headings"]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
