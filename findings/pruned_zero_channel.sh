#!/usr/bin/env bash
# Removing a channel that is always zero changes what a network gives
#
# torch-pruning 1.6.0, torch 2.13.0.
#
# Expected: structured pruning follows a channel through the network and removes the weights that read it, wherever they
# are, or refuses. A channel whose filter and bias are zero can then be removed without a trace.
# Seen: so it is for a plain chain, a concatenation, a sum (with the same channel zero on both sides), a depthwise and a
# transposed convolution, and a map that is flattened. But where the channels are cut into halves (chunk), where these
# come back in the other order, where every second channel is taken, and where the channels are turned round, the
# weights that are removed belong to other channels, or the channels left meet other weights than before. With two
# channels that a grouped convolution reads, one in each group, other weights go as well. The pruned network runs,
# has the right number of channels and gives other values; check_pruning_group says True.
#
# Why it matters: halves that are cut, exchanged and joined are how ShuffleNet and many detectors work. What is lost
# looks like the price of pruning, and fine-tuning hides most of it.
# nasface: removes whole operations and no single channels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch-pruning==1.6.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import copy

import torch
import torch_pruning
from torch.nn import Conv2d, ConvTranspose2d, Linear, Module
from torch.nn.functional import relu


class Network(Module):
    """A first convolution of 8 channels, and what follows it."""

    def __init__(self, follow, **layers):
        super().__init__()
        self.first = Conv2d(3, 8, 3, padding=1)
        self.follow = follow
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, image):
        return self.follow(self, self.first(image), image)


def conv(channels, out=5, **options):
    return Conv2d(channels, out, 3, padding=1, **options)


def halves(self, maps, image):
    one, other = maps.chunk(2, 1)
    return self.last(one) + self.more(other)


def exchanged(self, maps, image):
    one, other = maps.chunk(2, 1)
    return self.last(torch.cat([other, one], 1))


def joined(self, maps, image):
    return self.last(torch.cat([self.more(image), maps], 1))


def every_second(self, maps, image):
    return self.last(maps[:, ::2]) + self.more(maps[:, 1::2])


NETWORKS = {
    "chain": (Network(lambda self, maps, image: self.last(relu(maps)), last=conv(8)), True),
    "concatenation": (Network(joined, more=conv(3), last=conv(13)), True),
    "sum": (Network(lambda self, maps, image: self.last(maps + self.more(image)), more=conv(3, 8), last=conv(8)), True),
    "depthwise": (
        Network(lambda self, maps, image: self.last(self.more(maps)), more=conv(8, 8, groups=8), last=conv(8)),
        True,
    ),
    "transposed": (Network(lambda self, maps, image: self.last(maps), last=ConvTranspose2d(8, 5, 2, 2)), True),
    "flattened": (Network(lambda self, maps, image: self.last(maps.flatten(1)), last=Linear(8 * 64, 5)), True),
    "halves": (Network(halves, last=conv(4), more=conv(4)), False),
    "halves exchanged": (Network(exchanged, last=conv(8)), False),
    "every second": (Network(every_second, last=conv(4), more=conv(4)), False),
    "turned round": (Network(lambda self, maps, image: self.last(maps.flip(1)), last=conv(8)), False),
    "two groups": (Network(lambda self, maps, image: self.last(maps), last=conv(8, 6, groups=2)), False),
}
torch.manual_seed(0)
image = torch.rand(1, 3, 8, 8)
for name, (network, right) in NETWORKS.items():
    channels = [1, 6] if name in ("every second", "two groups") else [1]
    with torch.no_grad():
        for layer in [network.first] + ([network.more] if name in ("sum", "depthwise") else []):
            layer.weight[channels] = 0
            layer.bias[channels] = 0
    pruned = copy.deepcopy(network.eval())
    graph = torch_pruning.DependencyGraph().build_dependency(pruned, example_inputs=image)
    group = graph.get_pruning_group(pruned.first, torch_pruning.prune_conv_out_channels, idxs=channels)
    assert graph.check_pruning_group(group)
    group.prune()
    with torch.no_grad():
        before, after = network(image), pruned(image)
    assert len(pruned.first.weight) == 8 - len(channels) and after.shape == before.shape
    difference = (after - before).abs().max().item()
    print(f"{name}, channels {channels}: largest change {difference:.1e}, of values up to {before.abs().max():.1f}")
    assert (difference < 1e-5) if right else (difference > 0.02)
END
