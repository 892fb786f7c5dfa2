"""What a search step costs by forward policy: saved activations and step time.

    python scripts/benchmarks/search_cost.py [--csv FILE]

Bytes are those of distinct storages kept for the backward pass of one weight step, or where it says
so of one architecture step (parameters, buffers and inputs not counted). Times are medians over
repetitions in which all variants alternate in one process; read the ratios, not the milliseconds.
The fixed module is the one derived from the argmax path, without partial channels.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import Run, alternate, ratio, write_rows
from torch import Tensor, nn

from nasface.arch.io import load_search_space
from nasface.nas.derive import genotype_of_paths
from nasface.nas.mixture import Mixture, PathMixture
from nasface.nas.policy import ArgmaxPath, GumbelPath, Policy, Softmax, UniformPath
from nasface.nas.supernet import Supernet
from nasface.nn.cell import build_module
from nasface.nn.cost import count_saved_bytes

LEVELS = range(2, 8)
POLICIES: dict[str, Policy] = {
    "argmax": ArgmaxPath(),
    "gumbel": GumbelPath(),
    "uniform": UniformPath(),
    "softmax": Softmax(),
}


def pyramid(channels: int, size: int, batch: int) -> dict[int, Tensor]:
    """Return random feature maps of six levels for a square image."""
    generator = torch.Generator().manual_seed(0)
    return {
        level: torch.randn(
            batch, channels, -(-size >> level), -(-size >> level), generator=generator
        )
        for level in LEVELS
    }


def step_of(forward: Callable[[], dict[int, Tensor]], module: nn.Module) -> Run:
    """Return one forward and backward pass, to be called."""

    def step() -> None:
        module.zero_grad(set_to_none=True)
        torch.stack([value.square().mean() for value in forward().values()]).sum().backward()

    return step


def mixture_forward(
    supernet: Supernet, features: dict[int, Tensor], mixture: Mixture
) -> Callable[[], dict[int, Tensor]]:
    """Return a forward pass of a mixture that stays."""
    return lambda: supernet(features, mixture)


def choice_forward(
    chooser: Supernet, features: dict[int, Tensor], policy: Policy
) -> Callable[[], dict[int, Tensor]]:
    """Return a forward pass that is differentiable in the architecture parameters alone."""
    return lambda: chooser(features, chooser.arch_parameters.mixture(policy, seed=0, step=0))


def measure(
    space_name: str, nodes: int, partial: bool, channels: int, size: int, batch: int, repeats: int
) -> list[dict[str, object]]:
    """Return a row for each policy and for the fixed module of the argmax path."""
    space = load_search_space(space_name, {"nodes": nodes})
    if not partial:
        space = type(space)(**{**space.__dict__, "partial_channels": 1})
    torch.manual_seed(0)
    supernet = Supernet(space, channels)
    features = pyramid(channels, size, batch)
    variants: dict[str, tuple[Callable[[], dict[int, Tensor]], nn.Module]] = {}
    for name, policy in POLICIES.items():
        with torch.no_grad():
            mixture = supernet.arch_parameters.mixture(policy, seed=0, step=0)
        variants[name] = (mixture_forward(supernet, features, mixture), supernet)
        if name == "argmax":
            paths = {cell: _by_node(m) for cell, m in mixture.items() if isinstance(m, PathMixture)}
    chooser = Supernet(space, channels)
    for weight in chooser.weights():
        weight.requires_grad_(False)
    for probes in (0, 1):
        variants[f"argmax architecture step, {probes} probes"] = (
            choice_forward(chooser, features, ArgmaxPath(probes=probes)),
            chooser,
        )
    fixed = build_module(genotype_of_paths(space, paths), channels, LEVELS)
    variants["fixed module"] = (lambda: fixed(features), fixed)
    steps = {name: step_of(*variant) for name, variant in variants.items()}
    times = alternate(steps, repeats)
    saved = {}
    for name, (forward, module) in variants.items():
        with count_saved_bytes(
            *module.parameters(), *module.buffers(), *features.values()
        ) as count:
            forward()
        saved[name] = count.total
    return [
        {
            "space": space_name,
            "nodes": nodes,
            "channel_fraction": f"1/{space.partial_channels}",
            "variant": name,
            "saved_mb": round(saved[name] / 1e6, 2),
            "saved_to_fixed": round(saved[name] / saved["fixed module"], 3),
            "saved_to_softmax": round(saved[name] / saved["softmax"], 3),
            "step_to_fixed": round(ratio(times[name], times["fixed module"]), 3),
            "step_to_softmax": round(ratio(times[name], times["softmax"]), 3),
        }
        for name in variants
    ]


def _by_node(mixture: PathMixture) -> tuple[tuple[tuple[int, int], ...], ...]:
    return tuple(tuple((s.chosen.edge, s.chosen.column) for s in node) for node in mixture.slots)


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--space", default="autofem-cpm", help="space with a parameter `nodes`")
    parser.add_argument("--nodes", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--size", type=int, default=256, help="side of the image in pixels")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for nodes in options.nodes:
        for partial in (False, True):
            rows += measure(
                options.space,
                nodes,
                partial,
                options.channels,
                options.size,
                options.batch,
                options.repeats,
            )
            for row in rows[-len(POLICIES) - 3 :]:
                print("  ".join(f"{key} {value}" for key, value in row.items()))
    if options.csv:
        about = {
            "channels": options.channels,
            "size": options.size,
            "batch": options.batch,
            "threads": options.threads,
            "commit": options.commit,
        }
        write_rows(options.csv, rows, about)


if __name__ == "__main__":
    main()
