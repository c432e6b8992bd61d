"""What is kept of the keys and values of what was read: one policy a file."""
