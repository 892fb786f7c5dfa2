"""The names of the operations that an edge may carry, as data.

The modules behind the names are in :mod:`nasface.nn.operations`; a test holds the two tables
equal.
"""

from types import MappingProxyType

#: name -> what it is, for help texts, reports and drawings.
OPERATION_NAMES: MappingProxyType[str, str] = MappingProxyType(
    {
        "none": "no connection",
        "skip": "identity (a strided, pointwise one where the edge halves the resolution)",
        "conv_1x1": "1x1 convolution",
        "sep_3x3": "separable 3x3 convolution",
        "sep_5x5": "separable 5x5 convolution",
        "sep_7x7": "separable 7x7 convolution",
        "sep_3x3_twice": "two separable 3x3 convolutions (sep_conv_3x3 of DARTS)",
        "sep_5x5_twice": "two separable 5x5 convolutions (sep_conv_5x5 of DARTS)",
        "sep_7x7_twice": "two separable 7x7 convolutions (sep_conv_7x7 of DARTS)",
        "dil_3x3_r2": "separable 3x3 convolution, dilation 2",
        "dil_3x3_r3": "separable 3x3 convolution, dilation 3",
        "dil_5x5_r2": "separable 5x5 convolution, dilation 2",
        "conv_1x3_3x1": "depthwise 1x3 and 3x1, then 1x1",
        "conv_1x5_5x1": "depthwise 1x5 and 5x1, then 1x1",
        "dense_3x3": "dense 3x3 convolution",
        "dense_1x7_7x1": "dense 1x7 and 7x1 convolutions (conv_7x1_1x7 of DARTS)",
        "max_pool_3x3": "3x3 max pooling",
        "avg_pool_3x3": "3x3 average pooling",
    }
)
