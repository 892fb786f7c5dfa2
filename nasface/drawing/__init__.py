"""Drawings of cells and genotypes as graphs. Needs the extra ``plots``."""

from nasface.optional import require

require("nasface[plots]", "matplotlib", "pygraphviz")
