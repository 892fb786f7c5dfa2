"""Comparisons of many runs: specification, scheduling, tables, statistics.

Needs the extra ``studies``.
"""

from nasface.optional import require

require("nasface[studies]", "filelock", "matplotlib", "pandas", "scipy")
