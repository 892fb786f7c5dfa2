"""An ONNX graph that is put together node by node."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from nasface.optional import need

if TYPE_CHECKING:
    import onnx

Dimension = int | str


class GraphBuilder:
    """Nodes and constants; what is added has a name by which later nodes take it.

    ``half`` turns constants of floats into float16.
    """

    def __init__(self) -> None:
        self.half = False
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._helper = need("onnx.helper", "nasface[export]")
        self._from_array = need("onnx.numpy_helper", "nasface[export]").from_array

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the name of that."""
        return self.add_several(operator, inputs, 1, **attributes)[0]

    def add_several(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs; return their names."""
        stem = f"{operator.lower()}_{len(self._nodes)}"
        names = [stem if at == 0 else f"{stem}_{at}" for at in range(outputs)]
        self._nodes.append(
            self._helper.make_node(operator, list(inputs), names, name=stem, **attributes)
        )
        return names

    def name(self, value: str, output: str) -> None:
        """Give a value a name of its own, such as that of an output."""
        self._nodes.append(self._helper.make_node("Identity", [value], [output], name=output))

    def floats(self, values: "Tensor | Sequence[float] | float") -> str:
        """Return a constant of float32, or of float16 where ``half`` says so."""
        array = torch.as_tensor(values, dtype=torch.float32).contiguous().numpy()
        return self._constant(array.astype(np.float16) if self.half else array)

    def integers(self, *values: int) -> str:
        """Return a constant of int64, one-dimensional."""
        return self._constant(np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """Return a constant of int64 without dimensions."""
        return self._constant(np.array(value, np.int64))

    def cast(self, value: str, kind: str) -> str:
        """Return a value as ``FLOAT``, ``FLOAT16`` or another type of ONNX."""
        return self.add(
            "Cast", value, to=getattr(need("onnx", "nasface[export]").TensorProto, kind)
        )

    def model(
        self,
        name: str,
        inputs: Mapping[str, Sequence[Dimension]],
        outputs: Mapping[str, Sequence[Dimension]],
        opset: int,
    ) -> "onnx.ModelProto":
        """Return the model; inputs and outputs are float32, by their dimensions."""
        info, kind = (
            self._helper.make_tensor_value_info,
            need("onnx", "nasface[export]").TensorProto,
        )
        graph = self._helper.make_graph(
            self._nodes,
            name,
            [info(each, kind.FLOAT, dims) for each, dims in inputs.items()],
            [info(each, kind.FLOAT, dims) for each, dims in outputs.items()],
            list(self._constants.values()),
        )
        opsets = [self._helper.make_opsetid("", opset)]
        version = self._helper.find_min_ir_version_for(opsets)
        model: onnx.ModelProto = self._helper.make_model(
            graph, opset_imports=opsets, ir_version=version, producer_name="nasface"
        )
        return model

    def _constant(self, array: "np.ndarray[Any, Any]") -> str:
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name = f"constant_{len(self._constants)}"
            self._constants[name] = self._from_array(array, name)
        return self._known[key]
