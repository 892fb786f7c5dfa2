"""Style of vertices, labels and arrows, as attributes of Graphviz."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nasface.drawing.fonts import FONT
from nasface.drawing.graph import FILL, Arrow, Vertex

Style = dict[str, Any]

STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "graph": {"fontname": FONT, "bgcolor": "white", "pad": "0.1", "outputorder": "edgesfirst"},
        "node": {"fontname": FONT, "fontsize": 10, "color": "#333333"},
        "edge": {"arrowsize": 0.55},
    }
)
"""What holds for a whole drawing, its vertices and its edges."""
_SHAPES: Mapping[str, Style] = {
    "symbol": {"shape": "circle", "style": "filled", "fixedsize": "true"},
    "output": {"shape": "ellipse", "style": "filled", "width": 0.5, "margin": "0,0"},
}
_BOX = {"shape": "box", "style": "filled,rounded", "width": 0.42, "margin": "0.08,0"}


def vertex_style(vertex: Vertex) -> Style:
    """Return an input, node or output: its shape by its role."""
    shape: Style = {"height": 0.28, **_SHAPES.get(vertex.role, _BOX)}
    if vertex.role == "symbol":
        shape["height"] = shape["width"] = max(0.28, 0.1 + 0.1 * len(vertex.label))
    return {"label": vertex.label, "fillcolor": FILL[vertex.role], **shape}


def label_style(arrow: Arrow) -> Style:
    """Return what stands on an arrow: in a frame of the arrow's colour, but for a mark alone."""
    return {
        "label": arrow.label,
        "fontsize": 8,
        "fontcolor": arrow.colour,
        "color": "white" if arrow.label == arrow.mark else arrow.colour,
        "fillcolor": "white",
        "shape": "box",
        "style": "filled,rounded",
        "width": 0.2,
        "height": 0.18,
        "margin": "0.04,0.01",
    }


def line_style(arrow: Arrow) -> Style:
    """Return an arrow, or the part of it on one side of its label."""
    return {"color": arrow.colour, "penwidth": 0.9 if arrow.is_thin else 1.7}


def text_style(text: str, size: float) -> Style:
    """Return the style of text that stands by itself; HTML-like between angle brackets."""
    return {"label": text, "shape": "plaintext", "fontsize": size, "margin": "0,0"}
