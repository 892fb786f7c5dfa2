"""Cost of a module: parameters, multiply-adds, bytes kept for the backward pass."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

Module = TypeVar("Module", bound=nn.Module)


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters, buffers not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply-adds of a part of a network."""

    part: str
    parameters: int
    macs: int


def measure_cost(
    module: nn.Module, inputs: tuple[object, ...], parts: Mapping[str, str] | None = None
) -> list[Cost]:
    """Return the cost of one forward pass: the whole (first row, ``total``) and each of ``parts``.

    ``parts`` maps the name of a row to the path of a submodule, such as ``frame.backbone``. With
    module and inputs on the meta device it takes neither data nor memory. Multiply-adds are those
    of convolutions and matrix products, half of what ``torch.utils.flop_counter`` counts;
    normalisation, activation and resampling are not counted.
    """
    in_training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        with torch.no_grad(), light_layers(module), FlopCounterMode(display=False) as counter:
            module(*inputs)
    finally:
        for each in in_training:
            each.training = True
    top = type(module).__name__
    flops = {key: sum(by_kind.values()) for key, by_kind in counter.get_flop_counts().items()}
    rows = [Cost("total", count_parameters(module), counter.get_total_flops() // 2)]
    for name, path in (parts or {}).items():
        part = module.get_submodule(path)
        rows.append(Cost(name, count_parameters(part), _flops(flops, f"{top}.{path}", part) // 2))
    return rows


def _flops(flops: Mapping[str, int], key: str, module: nn.Module) -> int:
    """Return what was counted under a module; a mere container has no count of its own."""
    if key in flops:
        return flops[key]
    return sum(_flops(flops, f"{key}.{name}", child) for name, child in module.named_children())


def meta_copy(module: Module) -> Module:
    """Return a copy of a module whose parameters and buffers lie on the meta device: shapes without
    values, which take no memory. What is shared stays shared."""
    copied: dict[int, Tensor] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        values = torch.empty_like(tensor, device="meta")
        if isinstance(tensor, nn.Parameter):
            values = nn.Parameter(values, tensor.requires_grad)
        copied[id(tensor)] = values
    return copy.deepcopy(module, copied)


class _LightNorm(torch.autograd.Function):
    """Returns values without meaning; keeps its input, and mean and deviation in training."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, _weight: Tensor | None, keeps_statistics: bool) -> Tensor:
        statistics = [x.new_empty(x.shape[1]) for _ in range(2)] if keeps_statistics else []
        ctx.save_for_backward(x, *statistics)
        return torch.empty_like(x)


class _LightReLU(torch.autograd.Function):
    """Returns values without meaning, and keeps them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.empty_like(x)
        ctx.save_for_backward(y)
        return y


class _LightResize(torch.autograd.Function):
    """Returns maps of another size, without meaning; keeps nothing."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, size: tuple[int, int]) -> Tensor:
        return x.new_empty((*x.shape[:2], *size))


def _light_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return _apply(_LightNorm, x, norm.weight, norm.training)


def _apply(function: type[torch.autograd.Function], *inputs: object) -> Tensor:
    apply: Callable[..., Tensor] = function.apply
    return apply(*inputs)


class _LightFunctions(TorchFunctionMode):
    """Rectifiers and bilinear interpolation on the meta device return at once."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func is F.relu and args[0].is_meta and not named.get("inplace", False):
            return _apply(_LightReLU, args[0])
        if func is F.interpolate and args[0].is_meta and named.get("mode") == "bilinear":
            size = args[1] if len(args) > 1 else named.get("size")
            if isinstance(size, tuple):
                return _apply(_LightResize, args[0], size)
        return func(*args, **named)


@contextmanager
def light_layers(module: nn.Module) -> Iterator[None]:
    """Let normalisations, rectifiers and bilinear interpolation of a module on the meta device
    return at once.

    They keep what real ones keep for the backward pass. Torch computes them there in Python, step
    by step, which would take longer than all the rest. What is on other devices stays as it is.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    norms = [each for each in norms if each.running_mean is not None and each.running_mean.is_meta]
    for norm in norms:
        vars(norm)["forward"] = partial(_light_norm, norm)
    try:
        with _LightFunctions():
            yield
    finally:
        for norm in norms:
            del vars(norm)["forward"]


@dataclass
class SavedBytes:
    """Bytes of distinct storages that autograd kept; filled while the context is open."""

    total: int = 0
    tensors: int = 0


@contextmanager
def count_saved_bytes(*not_counted: Tensor) -> Iterator[SavedBytes]:
    """Count what the forward passes inside the context keep for the backward pass.

    Each storage counts once; those of ``not_counted`` (parameters, buffers, inputs) do not count.
    On the meta device the count takes no memory. The storages stay alive until the context ends,
    so that none is counted for two.
    """
    saved = SavedBytes()
    # By the storage's own identity: on the meta device all addresses are zero.
    seen = {tensor.untyped_storage()._cdata for tensor in not_counted}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved.tensors += 1
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            alive.append(tensor.detach())
            saved.total += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield saved
    alive.clear()
