"""Mechanisms as pure mathematics: numpy only, no I/O, nothing known of stores, levels or models."""
