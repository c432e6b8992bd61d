"""Time expressions: the stretches of time that plain text names, seen from the moment it was said."""

from lamina.expressions.anchors import Anchor, find_anchors
from lamina.expressions.finding import TimeRange, find_commitment, find_ranges, told_times

__all__ = ["Anchor", "TimeRange", "find_anchors", "find_commitment", "find_ranges", "told_times"]
