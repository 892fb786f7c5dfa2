"""Comparisons of many runs: specification, scheduling, tables, statistics."""
