"""Time of the two steps of a search on the argmax path, as searches take them: with optimiser,
gradient clipping, channels-last memory and the path of the step.

    python scripts/benchmarks/search_step.py [--precision bf16]

Medians in processor time, so that other work on the machine counts little with one thread.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from search_cost import pyramid
from torch import Tensor

from nasface.arch.io import load_search_space
from nasface.engine.malloc import keep_freed_memory
from nasface.engine.optim import OptimizerConfig, make_optimizer
from nasface.nas.bilevel import arch_step, gradient_of, weight_step
from nasface.nas.policy import ArgmaxPath
from nasface.nas.supernet import Supernet
from nasface.nn.blocks import channels_last
from nasface.nn.fast_gradients import with_fast_gradients


def main() -> None:
    """Print both medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--space", default="autofem-cpm", help="space with a parameter `nodes`")
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--size", type=int, default=256, help="side of the image in pixels")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--probes", type=int, default=0, help="of architecture steps")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60, help="of each kind, behind five")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    space = load_search_space(options.space, {"nodes": options.nodes})
    supernet = with_fast_gradients(channels_last(Supernet(space, options.channels)))
    features = {
        level: each.contiguous(memory_format=torch.channels_last)
        for level, each in pyramid(options.channels, options.size, options.batch_size).items()
    }
    choices, weights = supernet.arch_parameters, list(supernet.weights())
    # A rate of zero leaves the path, and so the work, as it is.
    optimizer = make_optimizer(OptimizerConfig(lr=1.0), weights)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    arch_optimizer = torch.optim.Adam(choices.parameters(), lr=0.0)
    upon = {level: torch.randn_like(each) / each.numel() for level, each in features.items()}

    def loss(probes: int) -> Tensor:
        mixture = choices.mixture(ArgmaxPath(probes=probes), seed=0, step=0)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            found = supernet(features, mixture)
        return torch.stack([(found[level] * upon[level]).sum() for level in upon]).sum()

    steps: dict[str, Callable[[], float]] = {
        "weight step": lambda: weight_step(
            gradient_of(lambda: loss(0)), optimizer, list(choices.parameters()), 10.0
        ),
        "architecture step": lambda: arch_step(
            gradient_of(lambda: loss(options.probes)), arch_optimizer, weights
        ),
    }
    for name, step in steps.items():
        times = []
        for _ in range(options.steps + 5):
            started = time.process_time()
            step()
            times.append(time.process_time() - started)
        print(f"{name} {1000 * median(times[5:]):.1f} ms")


if __name__ == "__main__":
    main()
