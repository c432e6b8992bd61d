"""Servers: a memory over HTTP, and for agents over the Model Context Protocol."""
