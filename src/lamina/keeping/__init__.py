"""Keeping traces: writing them, embedding them, correcting, forgetting and deleting them."""
