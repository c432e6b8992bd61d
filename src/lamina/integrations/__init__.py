"""Adapters: a memory in the shape that other frameworks expect. Each needs the extra of its name and loads it when it is imported."""
