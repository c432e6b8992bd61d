"""Grammars: symbolic forests that normalise and parse what is said in one domain, without a model.

People say few things in very many ways. A sentence whose parts can be said in n1, n2, … ways has n1 × n2 × … forms, but only
n1 + n2 + … of them need to be written down (the multiplication rule). A domain is written so, as data: layers of symbols, each with
the variants that spell it, and sentences above them. A text is digested from the lowest layer up: what spells a symbol becomes the
symbol, data (names, numbers, quoted strings, times, any words) stays as it is, with its place in the text. Each rule used is
in the trace.

Source: K. You, "Digestion Algorithm in Hierarchical Symbolic Forests: A Fast Text Normalization Algorithm and Semantic Parsing
Framework for Specific Scenarios and Lightweight Deployment", 2024 (arXiv 2412.14054). An interpretation: only its abstract could be
read, so layers, forests, keywords and data words and the multiplication rule are the source's, the algorithm is our own.
"""

from lamina.models.grammar.commands import INTENTS, Command, memory_grammar, read_command
from lamina.models.grammar.domain import Domain
from lamina.models.grammar.parsing import Filled, Grammar, Meaning, Parse, Step
from lamina.models.grammar.reading import load_domain, packaged_domain, read_domain

__all__ = [
    "INTENTS",
    "Command",
    "Domain",
    "Filled",
    "Grammar",
    "Meaning",
    "Parse",
    "Step",
    "load_domain",
    "memory_grammar",
    "packaged_domain",
    "read_command",
    "read_domain",
]
