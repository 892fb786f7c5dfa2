"""Drawings of cells and genotypes as graphs. Needs the extra ``plots``."""

from nasface.optional import need, require

require("nasface[plots]", "matplotlib")
# Its wheels need libraries of X11 and GLib, which small containers lack.
need("pygraphviz", "nasface[plots]")
