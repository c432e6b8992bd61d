"""Lists of vectors on disk behind a graph of their heads in memory."""
