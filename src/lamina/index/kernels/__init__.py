"""Compiled kernels of the vector indexes (extra "index"): nothing here is imported before a graph is wanted.

They work on addresses and plain arrays, release the interpreter's lock, and allocate what they need themselves; what they are handed must be
checked before: a kernel does not look whether a node lies in its arrays.
"""
