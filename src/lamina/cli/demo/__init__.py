"""`lamina demo`: a conversation of some months, what a memory makes of it, and what that is worth. Nothing shown is prepared."""
