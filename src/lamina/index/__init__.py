"""Finding things: vectors, terms, and the in-memory view of a scope that recall works on."""
