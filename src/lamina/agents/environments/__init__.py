"""Worlds of text in which agents are tried: each takes actions in words and answers in words."""
