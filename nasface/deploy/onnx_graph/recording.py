"""Recording of a network as a list of calls of torch's operators.

The network is run on images of two sizes. What is computed from weights alone is a constant. A
number that differs between the runs depends on the size of the images, and is known as such; so no
symbolic shapes have to be carried through the network, which is what takes the time in
``torch.export``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Shape = tuple[int, ...]


class NotRecordableError(Exception):
    """The network does not do the same for images of all sizes, or not by known operators."""


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the images; ``shapes`` are its shapes in the two runs."""

    number: int
    shapes: tuple[Shape, Shape]


@dataclass(frozen=True)
class Varying:
    """A number that depends on the size of the images, as it is in the two runs."""

    first: int
    second: int


def in_both_runs(numbers: Sequence[int | Varying]) -> tuple[Shape, Shape]:
    """Return the numbers as they are in the first run and in the second."""
    pairs = [(n, n) if isinstance(n, int) else (n.first, n.second) for n in numbers]
    return tuple(first for first, _ in pairs), tuple(second for _, second in pairs)


@dataclass(frozen=True)
class Call:
    """An operator, such as ``aten.relu.default``.

    Arguments are plain values, constants (tensors), :class:`Value` and :class:`Varying`.
    """

    operator: str
    arguments: tuple[Any, ...]
    settings: dict[str, Any]
    results: tuple[Value, ...]


@dataclass(frozen=True)
class Recording:
    """The calls in their order; ``images`` come in, ``outputs`` go out."""

    images: Value
    calls: list[Call]
    outputs: tuple[Value, ...]


def record(network: Callable[[Tensor], Sequence[Tensor]], sizes: tuple[Shape, Shape]) -> Recording:
    """Run a network on images of two shapes (B, 3, H, W), the same twice for a fixed size.

    Raises:
        NotRecordableError: if it does not call the same operators both times.
    """
    first, second = (_Run(network, size) for size in sizes)
    if len(first.calls) != len(second.calls):
        raise NotRecordableError("other operators for images of another size")
    values = {
        number: Value(number, (shape, second.shapes[number]))
        for number, shape in first.shapes.items()
        if number in second.shapes
    }
    calls = [_merge(*both, values) for both in zip(first.calls, second.calls, strict=True)]
    return Recording(values[0], calls, tuple(values[number] for number in first.outputs))


@dataclass(frozen=True)
class _Reference:
    """A tensor of one run, by its number."""

    number: int


class _Run(TorchDispatchMode):
    """One run: its calls, with references instead of tensors, and the shapes of those."""

    def __init__(self, network: Callable[[Tensor], Sequence[Tensor]], size: Shape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as torch has it
        self.calls: list[tuple[str, Any, dict[str, Any], tuple[int, ...]]] = []
        self.shapes: dict[int, Shape] = {}
        self._numbers: dict[int, int] = {}
        self._alive: list[Tensor] = []  # so that no later tensor has the identity of an earlier one
        images = torch.linspace(-1, 1, math.prod(size)).reshape(size)
        self._number(images)
        with torch.no_grad(), self:
            found = network(images)
        missing = [each for each in found if id(each) not in self._numbers]
        if missing:
            raise NotRecordableError("an output does not depend on the images")
        self.outputs = tuple(self._numbers[id(each)] for each in found)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operator, and note it where it takes a tensor that depends on the images."""
        kwargs = kwargs or {}
        arguments, settings = self._referring(args), self._referring(kwargs)
        found = func(*args, **kwargs)
        if _mentions(arguments) or _mentions(settings):
            results = [found] if isinstance(found, Tensor) else list(found)
            numbers = tuple(self._number(each) for each in results)
            self.calls.append((str(func), arguments, settings, numbers))
        return found

    def _number(self, tensor: Tensor) -> int:
        number = len(self.shapes)
        self._numbers[id(tensor)] = number
        self._alive.append(tensor)
        self.shapes[number] = tuple(tensor.shape)
        return number

    def _referring(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            number = self._numbers.get(id(value))
            return value.detach() if number is None else _Reference(number)
        if isinstance(value, dict):
            return {key: self._referring(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return tuple(self._referring(each) for each in value)
        return value


def _mentions(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_mentions, value.values()))
    if isinstance(value, tuple):
        return any(map(_mentions, value))
    return isinstance(value, _Reference)


def _merge(first: Any, second: Any, values: dict[int, Value]) -> Call:
    """Return the call that two runs have at the same place."""
    operator, arguments, settings, results = first
    if (operator, results) != (second[0], second[3]):
        raise NotRecordableError(f"{operator} or {second[0]}, depending on the size of the images")
    return Call(
        operator,
        _merge_values(arguments, second[1], values, operator),
        _merge_values(settings, second[2], values, operator),
        tuple(values[number] for number in results),
    )


def _merge_values(one: Any, other: Any, values: dict[int, Value], place: str) -> Any:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if not torch.equal(one, other):
            raise NotRecordableError(f"a constant of {place} depends on the size of the images")
        return one
    if type(one) is not type(other):
        raise NotRecordableError(f"{place} is called in two ways")
    if isinstance(one, _Reference) and one == other:
        return values[one.number]
    if isinstance(one, dict):
        return {key: _merge_values(one[key], other[key], values, place) for key in one}
    if isinstance(one, tuple) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return tuple(_merge_values(*pair, values, place) for pair in pairs)
    if one == other:
        return one
    if isinstance(one, int):
        return Varying(one, other)
    raise NotRecordableError(f"an argument of {place} depends on the size of the images")
