"""What a writer of ONNX nodes works with, and the tables of writers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from torch import Tensor

from nasface.deploy.onnx_graph.builder import GraphBuilder
from nasface.deploy.onnx_graph.recording import (
    Call,
    NotRecordableError,
    Recording,
    Value,
    Varying,
    in_both_runs,
)
from nasface.registry import Registry

OperatorWriter = Callable[..., str | list[str]]
"""Adds the nodes of one call of torch.

It takes the :class:`Emitter` and the arguments of the call, fills in what torch's schema has as
defaults, and returns the name of its output, or of each output.
"""

_Writer = TypeVar("_Writer", bound=OperatorWriter)


class OperatorTable(Registry[OperatorWriter]):
    """Writers by operator without overload, such as ``aten.relu``."""

    def writes(self, *names: str) -> Callable[[_Writer], _Writer]:
        """Register the decorated writer for operators of ``aten``."""

        def add(writer: _Writer) -> _Writer:
            for name in names:
                self.add(f"aten.{name}", writer)
            return writer

        return add


class Emitter:
    """Turns the calls of a recording into nodes of a graph.

    ``images``: the name of the graph's input; ``operators``: the writers by operator.
    """

    def __init__(
        self,
        recording: Recording,
        graph: GraphBuilder,
        images: str,
        operators: Mapping[str, OperatorWriter],
    ) -> None:
        self.recording, self.graph = recording, graph
        self._names = {recording.images: images}
        self._operators = operators

    def emit(self) -> list[str]:
        """Add all calls; return the names of the outputs.

        Raises:
            NotRecordableError: naming an operator that is not in the table.
        """
        for call in self.recording.calls:
            self._emit(call)
        return [self.name(each) for each in self.recording.outputs]

    def name(self, value: "Value | Varying | Tensor | float") -> str:
        """Return the name of a value or constant."""
        if isinstance(value, Value):
            return self._names[value]
        if isinstance(value, Varying):
            raise NotRecordableError("a factor or term that depends on the size of the images")
        return self.graph.floats(value)

    def shape_of(self, sides: Sequence[int | Varying]) -> str:
        """Return the shape of a map (B, C, H, W) that has the wanted height and width.

        Raises:
            NotRecordableError: if there is no such map so far.
        """
        wanted = in_both_runs(sides)
        for value, name in self._names.items():
            first, second = value.shapes
            if len(first) == 4 and (first[2:], second[2:]) == wanted:
                return self.graph.add("Shape", name)
        raise NotRecordableError("an enlargement to a size that no map has")

    def _emit(self, call: Call) -> None:
        operator = ".".join(call.operator.split(".")[:2]).removesuffix("_")
        if operator not in self._operators:
            raise NotRecordableError(f"{call.operator} has no form in ONNX here")
        found = self._operators[operator](self, *call.arguments, **call.settings)
        # Further results, such as the positions of greatest values, go without a name.
        names = [found] if isinstance(found, str) else found
        self._names.update(zip(call.results, names, strict=False))
