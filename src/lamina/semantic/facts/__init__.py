"""Facts found in what people say: read by rules, settled by time, superseded by what is newer."""

from lamina.semantic.facts.asking import Because, facts_of, why
from lamina.semantic.facts.stage import FactStage

__all__ = ["Because", "FactStage", "facts_of", "why"]
