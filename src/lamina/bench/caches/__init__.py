"""What a model remembers of a text when its keys and values are kept in one way or another."""
