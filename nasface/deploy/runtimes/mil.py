"""Graphs of Core ML's model intermediate language (MIL), computed with torch.

Only the operators that detectors become; each as Apple's reference of MIL operators defines it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nasface.errors import ExportError

Operands = Mapping[str, Any]
"""Inputs of an operator by name: tensors, lists of tensors, or plain values."""


def evaluate_graph(graph: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs of a MIL function by name.

    Raises:
        ExportError: for an operator, or a form of it, that is not known here.
    """
    values: dict[str, Any] = dict(inputs)

    def value_of(variable: Any) -> Any:
        if isinstance(variable, (list, tuple)):
            return [value_of(each) for each in variable]
        if variable.name in values:
            return values[variable.name]
        return _plain(variable.val)

    for operation in graph.operations:
        if operation.op_type == "const":
            continue
        compute = _OPERATORS.get(operation.op_type)
        if compute is None:
            raise ExportError(f"cannot be compared: operator {operation.op_type} of Core ML")
        operands = {name: value_of(each) for name, each in operation.inputs.items()}
        values[operation.outputs[0].name] = compute(operands)
    return {each.name: values[each.name] for each in graph.outputs}


def _plain(value: Any) -> Any:
    """Return a constant: arrays as tensors, floats of any size as float32."""
    if isinstance(value, np.ndarray):
        made = torch.from_numpy(np.array(value))
        return made.float() if made.is_floating_point() else made
    return value.item() if isinstance(value, np.generic) else value


def _numbers(value: Any) -> list[int]:
    return [int(each) for each in value]


def _padded(x: Tensor, operands: Operands, value: float = 0.0) -> Tensor:
    """Return the map with what ``pad`` says around it: top, bottom, left, right."""
    kind = operands["pad_type"]
    if kind not in ("custom", "valid"):
        raise ExportError(f"cannot be compared: pad_type {kind} of Core ML")
    if kind == "valid":
        return x
    top, bottom, left, right = _numbers(operands["pad"])
    return F.pad(x, (left, right, top, bottom), value=value)


def _conv(operands: Operands) -> Tensor:
    return F.conv2d(
        _padded(operands["x"], operands),
        operands["weight"],
        operands.get("bias"),
        _numbers(operands["strides"]),
        0,
        _numbers(operands["dilations"]),
        int(operands["groups"]),
    )


def _max_pool(operands: Operands) -> Tensor:
    x = _padded(operands["x"], operands, -float("inf"))
    sides, strides = _numbers(operands["kernel_sizes"]), _numbers(operands["strides"])
    return F.max_pool2d(x, sides, strides, ceil_mode=bool(operands["ceil_mode"]))


def _avg_pool(operands: Operands) -> Tensor:
    x = operands["x"]
    sides, strides = _numbers(operands["kernel_sizes"]), _numbers(operands["strides"])
    total = F.avg_pool2d(_padded(x, operands), sides, strides)
    if not operands["exclude_padding_from_average"]:
        return total
    return total / F.avg_pool2d(_padded(torch.ones_like(x), operands), sides, strides)


def _enlarge(mode: str) -> Callable[[Operands], Tensor]:
    def compute(operands: Operands) -> Tensor:
        x = operands["x"]
        factors = operands["scale_factor_height"], operands["scale_factor_width"]
        size = [round(side * factor) for side, factor in zip(x.shape[2:], factors, strict=True)]
        if mode == "nearest":
            if any(new % old for new, old in zip(size, x.shape[2:], strict=True)):
                raise ExportError("cannot be compared: nearest rows by a broken factor")
            return F.interpolate(x, size, mode="nearest")
        corners = bool(operands["align_corners"])
        return F.interpolate(x, size, mode="bilinear", align_corners=corners)

    return compute


def _resize_bilinear(operands: Operands) -> Tensor:
    mode = operands["sampling_mode"]
    if mode not in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        raise ExportError(f"cannot be compared: sampling_mode {mode} of Core ML")
    size = int(operands["target_size_height"]), int(operands["target_size_width"])
    return F.interpolate(operands["x"], size, mode="bilinear", align_corners=True)


def _slice(operands: Operands) -> Tensor:
    x: Tensor = operands["x"]
    rank = x.ndim
    begins, ends = _numbers(operands["begin"]), _numbers(operands["end"])
    steps = _numbers(operands["stride"]) if operands.get("stride") is not None else [1] * rank
    masks = [operands.get(name) for name in ("begin_mask", "end_mask", "squeeze_mask")]
    open_begin, open_end, squeezed = [
        [False] * rank if mask is None else [bool(each) for each in mask] for mask in masks
    ]
    if any(squeezed):
        raise ExportError("cannot be compared: squeeze_mask of Core ML")
    return x[
        tuple(
            slice(None if first else begin, None if last else end, step)
            for begin, end, step, first, last in zip(
                begins, ends, steps, open_begin, open_end, strict=True
            )
        )
    ]


def _batch_norm(operands: Operands) -> Tensor:
    return F.batch_norm(
        operands["x"],
        operands["mean"],
        operands["variance"],
        operands.get("gamma"),
        operands.get("beta"),
        eps=float(operands["epsilon"]),
    )


_OPERATORS: dict[str, Callable[[Operands], Tensor]] = {
    "add": lambda given: given["x"] + given["y"],
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    # Values are float32 here whatever their precision in the file.
    "cast": lambda given: given["x"],
    "concat": lambda given: torch.cat(given["values"], int(given["axis"])),
    "conv": _conv,
    "gather": lambda given: given["x"].index_select(
        int(given["axis"]), given["indices"].reshape(-1).long()
    ),
    "max_pool": _max_pool,
    "mul": lambda given: given["x"] * given["y"],
    "relu": lambda given: F.relu(given["x"]),
    "reshape": lambda given: given["x"].reshape(_numbers(given["shape"])),
    "resize_bilinear": _resize_bilinear,
    "sigmoid": lambda given: torch.sigmoid(given["x"]),
    "silu": lambda given: F.silu(given["x"]),
    "slice_by_index": _slice,
    "sub": lambda given: given["x"] - given["y"],
    "transpose": lambda given: given["x"].permute(_numbers(given["perm"])),
    "upsample_bilinear": _enlarge("bilinear"),
    "upsample_nearest_neighbor": _enlarge("nearest"),
}
