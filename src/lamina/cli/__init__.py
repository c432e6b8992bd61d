"""The command line: a thin coat over `lamina.Memory`. Commands import what they use when they run, so that help is quick."""

from __future__ import annotations

from lamina.cli.application import app, main

__all__ = ["app", "main"]
