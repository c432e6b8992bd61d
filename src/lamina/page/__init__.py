"""The page: what is remembered, to look at in a browser; written as one file that works offline, or served."""

from __future__ import annotations

from lamina.page.data import columns_of
from lamina.page.writing import page_html, served_page, write_page

__all__ = ["columns_of", "page_html", "served_page", "write_page"]
