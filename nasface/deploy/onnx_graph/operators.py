"""Torch's operators in ONNX."""

from nasface.deploy.onnx_graph.arithmetic import ARITHMETIC_OPERATORS
from nasface.deploy.onnx_graph.builder import GraphBuilder
from nasface.deploy.onnx_graph.emitter import Emitter, OperatorTable
from nasface.deploy.onnx_graph.layers import LAYER_OPERATORS
from nasface.deploy.onnx_graph.recording import Recording
from nasface.deploy.onnx_graph.resizing import RESIZE_OPERATORS
from nasface.deploy.onnx_graph.shapes import SHAPE_OPERATORS

OPERATORS = OperatorTable("operator of torch")
for _table in (ARITHMETIC_OPERATORS, LAYER_OPERATORS, RESIZE_OPERATORS, SHAPE_OPERATORS):
    for _name, _writer in _table.items():
        OPERATORS.add(_name, _writer)


def add_recording(recording: Recording, graph: GraphBuilder, images: str) -> list[str]:
    """Add the nodes of a recording to a graph; return the names of the outputs.

    ``images`` is the name of the graph's input.

    Raises:
        NotRecordableError: naming an operator that is not in the table.
    """
    return Emitter(recording, graph, images, OPERATORS).emit()
