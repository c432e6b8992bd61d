"""Time expressions: the stretches of time that plain text names, seen from the moment it was said."""

from lamina.expressions.finding import TimeRange, find_commitment, find_ranges, told_times

__all__ = ["TimeRange", "find_commitment", "find_ranges", "told_times"]
