"""Export and import: a store, or one scope of it, as lines of JSON that any store reads."""

from __future__ import annotations

from lamina.storage.transfer.exporting import export_file, export_lines
from lamina.storage.transfer.importing import ImportReport, import_file

__all__ = ["ImportReport", "export_file", "export_lines", "import_file"]
