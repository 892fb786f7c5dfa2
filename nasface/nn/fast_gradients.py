"""Convolutions with gradients that are quick on a CPU.

oneDNN, which computes convolutions for torch on a CPU, has fast kernels for the gradients of some
depthwise convolutions only. Those of the others take 5 to 20 times as long as a forward pass. In
bfloat16 not all gradients of dilated convolutions are right (torch 2.13). Here they are put
together from those that are fast and right. Those of strided 1x1 convolutions may damage memory;
here they have no stride.

Shape letters: B image, C and D channels in and out, G channels of a group, H height, W width, K and
L height and width of the kernel.
"""

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)

_SMALL = 2**15
"""Maps with fewer values than this have their float32 gradients from oneDNN: calls take longer
there than arithmetic."""

_WINDOW = 3
"""Side of the depthwise kernels whose gradient is fast."""


def with_fast_gradients(module: Module) -> Module:
    """Replace convolutions that have slow or wrong gradients, in place; return the module.

    Names and weights stay, and what is computed: gradients agree to the rounding of their floats.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            # Subclasses may compute something else.
            if type(child) is not nn.Conv2d:
                continue
            if _is_slow(child):
                setattr(parent, name, FastGradientConv2d(child))
            elif _is_strided_pointwise(child):
                setattr(parent, name, SubsampledConv2d(child))
    return module


def _is_slow(conv: nn.Conv2d) -> bool:
    """Return whether there is a better way to its gradients."""
    kernel, stride, dilation = conv.kernel_size, conv.stride, conv.dilation
    is_plain = (
        conv.bias is None
        and conv.padding_mode == "zeros"
        and conv.padding == tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
        and all(k % 2 == 1 for k in kernel)
        and stride[0] == stride[1]
        and dilation[0] == dilation[1]
    )
    is_depthwise = 1 < conv.groups == conv.in_channels == conv.out_channels
    slow = dilation[0] > 1 or (is_depthwise and (stride[0] > 1 or max(kernel) > _WINDOW))
    return is_plain and slow


def _is_strided_pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == (1, 1) and conv.padding == (0, 0) and max(conv.stride) > 1


class _OtherForm(nn.Conv2d):
    """Another form of a convolution, with its weight."""

    def __init__(self, conv: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        # Its state is taken over: initialising another one takes longer than all else here.
        vars(self).update(vars(conv))


class SubsampledConv2d(_OtherForm):
    """A strided 1x1 convolution (B, C, H, W) -> (B, D, ceil(H / stride), ceil(W / stride)) that
    takes the positions first, with the weight of another.

    The values are the same. On a CPU, with few channels in channels-last memory, the backward pass
    of the strided one may damage memory (https://github.com/uxlfoundation/oneDNN/issues/6035), as
    it could in backbones and operations that are not ours.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        if x_BCHW.device.type != "cpu":
            return super().forward(x_BCHW)
        # A window of one position: unlike a slice's, its gradient stays in channels-last memory.
        taken = F.avg_pool2d(x_BCHW, 1, self.stride)
        return F.conv2d(taken, self.weight, self.bias, groups=self.groups)


class FastGradientConv2d(_OtherForm):
    """A convolution (B, C, H, W) -> (B, D, H', W') with the weight of another, which has no bias
    and an odd kernel, and is padded so that stride 1 keeps the size.

    Values and gradients are those of :class:`torch.nn.Conv2d`.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        elsewhere = torch.compiler.is_compiling() or x_BCHW.device.type != "cpu"
        # A normalisation that becomes part of the convolution brings a bias.
        if elsewhere or self.bias is not None or not torch.is_grad_enabled():
            return super().forward(x_BCHW)
        weight = self.weight
        is_autocast = torch.is_autocast_enabled("cpu")
        is_half = is_autocast or x_BCHW.dtype.itemsize < 4
        if not is_half and x_BCHW.numel() < _SMALL:
            return super().forward(x_BCHW)
        if is_autocast:
            half = torch.get_autocast_dtype("cpu")
            x_BCHW, weight = x_BCHW.to(half), weight.to(half)
        # Channels and groups may have grown in the course of a search.
        padding = cast(tuple[int, int], self.padding)
        shape = _Shape(self.stride[0], padding, self.dilation[0], self.groups)
        # torch has no types for it.
        found = _Convolution.apply(x_BCHW, weight, shape)  # type: ignore[no-untyped-call]
        return cast(Tensor, found)


@dataclass(frozen=True)
class _Shape:
    """How a convolution goes over a map."""

    stride: int
    padding: tuple[int, int]
    dilation: int
    groups: int

    def is_depthwise(self, weight: Tensor) -> bool:
        """Return whether each channel has one kernel of its own and gives one channel."""
        return self.groups == len(weight) and weight.shape[1] == 1

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the convolution."""
        return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)

    def gradient(self, of: int, grad_output: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """Return the gradient of the input (``of`` 0) or of the weight (1) as torch computes it,
        from that of the output."""
        found = torch.ops.aten.convolution_backward(
            grad_output,
            x,
            weight,
            None,
            [self.stride] * 2,
            self.padding,
            [self.dilation] * 2,
            False,
            [0, 0],
            self.groups,
            [of == 0, of == 1, False],
        )
        return cast(Tensor, found[of])


class _Convolution(torch.autograd.Function):
    """The convolution of :class:`FastGradientConv2d`. Its gradients have gradients themselves."""

    @staticmethod
    def forward(ctx: Any, x_BCHW: Tensor, weight_DGKL: Tensor, shape: _Shape) -> Tensor:
        ctx.save_for_backward(x_BCHW, weight_DGKL)
        ctx.shape = shape
        return shape.forward(x_BCHW, weight_DGKL)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad_output,) = grad_outputs
        x, weight = ctx.saved_tensors
        dtype, shape = x.dtype, cast(_Shape, ctx.shape)
        if shape.stride > 1 and dtype.itemsize < 4:
            # In bfloat16 these take up to ten times as long as in float32.
            grad_output, x, weight = grad_output.float(), x.float(), weight.float()
        by_x = by_weight = None
        if ctx.needs_input_grad[0]:
            by_x = _input_gradient(grad_output, x, weight, shape).to(dtype)
        if ctx.needs_input_grad[1]:
            by_weight = _weight_gradient(grad_output, x, weight, shape).to(dtype)
        return by_x, by_weight, None


def _input_gradient(grad_output: Tensor, x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    """Return the gradient of the input of a depthwise convolution without stride: another one, with
    the kernel turned round."""
    if shape.stride == 1 and shape.is_depthwise(weight):
        return shape.forward(grad_output, weight.flip(2, 3))
    return shape.gradient(0, grad_output, x, weight)


def _weight_gradient(grad_output: Tensor, x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    """Return the gradient of the weight: of dilated ones by phases, of large depthwise ones by
    windows."""
    is_half, is_depthwise = x.dtype.itemsize < 4, shape.is_depthwise(weight)
    pays = is_half or (is_depthwise and x.numel() >= _SMALL)
    if shape.stride > 1 or not pays:
        return shape.gradient(1, grad_output, x, weight)
    if shape.dilation > 1:
        grad_output, x = _phases(grad_output, shape.dilation), _phases(x, shape.dilation)
    if is_depthwise and max(weight.shape[-2:]) > _WINDOW:
        return _by_windows(grad_output, x, weight)
    padding = (weight.shape[-2] // 2, weight.shape[-1] // 2)
    return _Shape(1, padding, 1, shape.groups).gradient(1, grad_output, x, weight)


def _phases(x_BCHW: Tensor, dilation: int) -> Tensor:
    """Return every ``dilation``-th row and column, as images of their own: what a dilated
    convolution brings together, an ordinary one does in them. Zeros fill up what is missing."""
    height, width = x_BCHW.shape[-2:]
    x = F.pad(x_BCHW, (0, -width % dilation, 0, -height % dilation)).permute(0, 2, 3, 1)
    x = x.reshape(len(x), -1, dilation, x.shape[2] // dilation, dilation, x.shape[3])
    return x.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).contiguous().permute(0, 3, 1, 2)


def _by_windows(grad_output: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of a depthwise weight, 3x3 of its taps at a time."""
    rows, columns = weight.shape[-2:]
    height, width = x.shape[-2:]
    right, bottom = -columns % _WINDOW, -rows % _WINDOW
    edges = (columns // 2, columns // 2 + right, rows // 2, rows // 2 + bottom)
    x = F.pad(x, edges).contiguous(memory_format=torch.channels_last)
    window = weight.new_zeros(len(weight), 1, _WINDOW, _WINDOW)  # only its shape counts
    inside = _Shape(1, (0, 0), 1, len(weight))
    bands = []
    for top in range(0, rows, _WINDOW):
        seen = x[:, :, top : top + height + 2]
        taps = [
            inside.gradient(1, grad_output, seen[..., left : left + width + 2], window)
            for left in range(0, columns, _WINDOW)
        ]
        bands.append(torch.cat(taps, 3))
    return torch.cat(bands, 2)[:, :, :rows, :columns]
