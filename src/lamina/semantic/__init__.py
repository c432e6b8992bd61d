"""The semantic level: what is known."""
