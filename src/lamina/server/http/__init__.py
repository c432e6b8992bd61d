"""The HTTP server: the verbs of a memory under /v1, for clients whose tokens are bound to scopes."""
